use serde::{Deserialize, Serialize};

use super::{Aggregate, Print, Trade, Value, div_half_even};
use crate::row::Field;
use crate::tick::Price;

/// The averages of a window, exact. It keeps its prints in their order, since how long a price held is for the print
/// after it to say.
///
/// * `vwap` is Σ price·size / Σ size of the prints whose shares are volume;
/// * `twap` is Σ pᵢ·(tᵢ₊₁ − tᵢ) / (tₙ − t₁) of the prints that can be the last price: each price counts as long as it was.
///   Where all of them have one time it is their mean.
///
/// ```
/// use tapeflow::aggregate::{Aggregate, Print, Vwap};
/// use tapeflow::tick::{Eligible, Price};
/// let mut window = Vwap::default();
/// for (ts_event, price, size) in [(0, 10, 1), (9, 20, 3), (10, 99, 0)] {
///     window.add(&Print { ts_event, seq: 0, price: Price(price), size, eligible: Eligible::ALL, live: true });
/// }
/// let averages = window.lower().unwrap();
/// assert_eq!((averages.vwap, averages.twap), (Some(Price(18)), Some(Price(11))));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Vwap {
    /// The prints that can be the last price.
    path: Vec<Trade>,
    trades: u64,
    volume: u64,
    notional: i128,
    /// The sum of the path's prices.
    prices: i128,
    /// Σ pᵢ·(tᵢ₊₁ − tᵢ) along the path.
    integral: i128,
}

/// What a window's prints come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Averages {
    /// By volume, to 1e-9, half to even; `None` where the volume is zero.
    pub vwap: Option<Price>,
    /// By time, likewise; `None` where no print can be the last price.
    pub twap: Option<Price>,
    /// Shares.
    pub volume: u64,
    /// Prints, whatever they count for.
    pub trades: u64,
}

/// How much a price adds that holds from one trade until another.
fn held(from: &Trade, until: &Trade) -> i128 {
    i128::from(from.price.0) * (i128::from(until.ts_event) - i128::from(from.ts_event))
}

impl Vwap {
    /// What the integral has between the trades on each side of a place, without and with the one there.
    fn around(&self, before: Option<&Trade>, trade: &Trade, after: Option<&Trade>) -> i128 {
        let through = before.zip(after).map_or(0, |(before, after)| held(before, after));
        before.map_or(0, |before| held(before, trade)) + after.map_or(0, |after| held(trade, after)) - through
    }

    fn put(&mut self, trade: Trade) {
        let at = match self.path.last() {
            Some(last) if *last > trade => self.path.partition_point(|other| *other <= trade),
            _ => self.path.len(),
        };
        let before = at.checked_sub(1).and_then(|at| self.path.get(at));
        self.integral += self.around(before, &trade, self.path.get(at));
        self.path.insert(at, trade);
        self.prices += i128::from(trade.price.0);
    }
}

impl Aggregate for Vwap {
    type Value = Averages;

    fn add(&mut self, print: &Print) {
        self.trades += 1;
        if print.eligible.volume() {
            self.volume += u64::from(print.size);
            self.notional += print.notional();
        }
        if print.eligible.last() {
            self.put(print.into());
        }
    }

    fn remove(&mut self, print: &Print) -> bool {
        if print.eligible.last() {
            let trade = Trade::from(print);
            let Ok(at) = self.path.binary_search(&trade) else { return false };
            self.path.remove(at);
            let before = at.checked_sub(1).and_then(|at| self.path.get(at));
            self.integral -= self.around(before, &trade, self.path.get(at));
            self.prices -= i128::from(trade.price.0);
        }
        if print.eligible.volume() {
            self.volume -= u64::from(print.size);
            self.notional -= print.notional();
        }
        self.trades -= 1;
        true
    }

    fn combine(&mut self, other: &Self) {
        other.path.iter().for_each(|trade| self.put(*trade));
        self.trades += other.trades;
        self.volume += other.volume;
        self.notional += other.notional;
    }

    fn lower(&self) -> Option<Averages> {
        // An average of prices is no greater than the greatest, so both fit.
        let average = |sum, over| Price(div_half_even(sum, over) as i64);
        let vwap = (self.volume > 0).then(|| average(self.notional, i128::from(self.volume)));
        let twap = self.path.first().zip(self.path.last()).map(|(first, last)| {
            match i128::from(last.ts_event) - i128::from(first.ts_event) {
                0 => average(self.prices, self.path.len() as i128),
                span => average(self.integral, span),
            }
        });
        (self.trades > 0).then_some(Averages { vwap, twap, volume: self.volume, trades: self.trades })
    }
}

impl Value for Averages {
    const NAME: &'static str = "averages";
    const COLUMNS: &'static [&'static str] = &["vwap", "twap", "volume", "trades"];

    fn fields(&self, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Price(self.vwap));
        give(Field::Price(self.twap));
        give(Field::Count(self.volume));
        give(Field::Count(self.trades));
    }
}
