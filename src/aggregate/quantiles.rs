use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Aggregate, Print, Value};
use crate::row::Field;
use crate::tick::Price;

/// The quantiles of a window's prices and sizes, exact: it counts how many prints have each price and each size. Prices
/// lie on a grid and most sizes come again and again, so that is far less than the prints.
///
/// The quantile at `p` percent is the least value at or below which so many percent of the prints lie: the one at rank
/// ⌈p·n/100⌉ (Hyndman and Fan's first definition, `inverted_cdf` in numpy). It is a price or size that was traded, and
/// nothing in between. Prices are of the prints that count for highs and lows, sizes of those whose shares are volume.
///
/// ```
/// use tapeflow::aggregate::{Aggregate, Print, Quantiles};
/// use tapeflow::tick::{Eligible, Price};
/// let mut window = Quantiles::default();
/// for (price, size) in [(30, 100), (10, 7), (20, 100), (40, 3)] {
///     window.add(&Print { ts_event: 0, seq: 0, price: Price(price), size, eligible: Eligible::ALL, live: true });
/// }
/// let spread = window.lower().unwrap();
/// assert_eq!(spread.prices, [10, 10, 20, 30, 40].map(|price| Some(Price(price))));
/// assert_eq!(spread.sizes, [3, 3, 7, 100, 100].map(Some));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Quantiles {
    prices: BTreeMap<Price, u64>,
    sizes: BTreeMap<u32, u64>,
    volume: u64,
    trades: u64,
}

/// The quantiles that are told, in percent.
const AT: [u64; 5] = [5, 25, 50, 75, 95];

/// How a window's prints are spread: at 5, 25, 50, 75 and 95 percent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Spread {
    /// Of prices; `None` where no print counts for highs and lows.
    pub prices: [Option<Price>; 5],
    /// Of sizes, in shares; `None` where no print is volume.
    pub sizes: [Option<u32>; 5],
    /// Shares.
    pub volume: u64,
    /// Prints, whatever they count for.
    pub trades: u64,
}

/// One less of a value that was counted.
fn take_out<V: Ord>(counts: &mut BTreeMap<V, u64>, value: V) {
    if let Some(count) = counts.get_mut(&value) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&value);
        }
    }
}

fn add_all<V: Ord + Copy>(counts: &mut BTreeMap<V, u64>, others: &BTreeMap<V, u64>) {
    others.iter().for_each(|(value, count)| *counts.entry(*value).or_default() += count);
}

fn quantiles<V: Copy>(counts: &BTreeMap<V, u64>) -> [Option<V>; 5] {
    let all: u64 = counts.values().sum();
    let (mut counts, mut value, mut so_far) = (counts.iter(), None, 0);
    AT.map(|percent| {
        let rank = (all * percent).div_ceil(100);
        while so_far < rank {
            let (next, count) = counts.next()?;
            (value, so_far) = (Some(*next), so_far + count);
        }
        value
    })
}

impl Aggregate for Quantiles {
    type Value = Spread;

    fn add(&mut self, print: &Print) {
        self.trades += 1;
        if print.eligible.high_low() {
            *self.prices.entry(print.price).or_default() += 1;
        }
        if print.eligible.volume() {
            *self.sizes.entry(print.size).or_default() += 1;
            self.volume += u64::from(print.size);
        }
    }

    fn remove(&mut self, print: &Print) -> bool {
        self.trades -= 1;
        if print.eligible.high_low() {
            take_out(&mut self.prices, print.price);
        }
        if print.eligible.volume() {
            take_out(&mut self.sizes, print.size);
            self.volume -= u64::from(print.size);
        }
        true
    }

    fn combine(&mut self, other: &Self) {
        add_all(&mut self.prices, &other.prices);
        add_all(&mut self.sizes, &other.sizes);
        self.volume += other.volume;
        self.trades += other.trades;
    }

    fn lower(&self) -> Option<Spread> {
        (self.trades > 0).then(|| Spread {
            prices: quantiles(&self.prices),
            sizes: quantiles(&self.sizes),
            volume: self.volume,
            trades: self.trades,
        })
    }
}

impl Value for Spread {
    const NAME: &'static str = "quantiles";
    #[rustfmt::skip]
    const COLUMNS: &'static [&'static str] = &[
        "price_p5", "price_p25", "price_p50", "price_p75", "price_p95",
        "size_p5", "size_p25", "size_p50", "size_p75", "size_p95",
        "volume", "trades",
    ];

    fn fields(&self, give: &mut impl FnMut(Field<'_>)) {
        self.prices.iter().for_each(|price| give(Field::Price(*price)));
        self.sizes.iter().for_each(|size| give(size.map_or(Field::Null, |size| Field::Count(size.into()))));
        give(Field::Count(self.volume));
        give(Field::Count(self.trades));
    }
}
