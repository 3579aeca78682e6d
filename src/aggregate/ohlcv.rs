use serde::{Deserialize, Serialize};

use super::{Aggregate, Print, Value, div_half_even};
use crate::row::Field;
use crate::tick::Price;
use crate::time::EventTime;

/// A print's place in its window. Equal times fall to the sequence number, and equal sequence numbers
/// (two venues' prints) to the data, so that no order of arrival shows in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    ts_event: EventTime,
    seq: u64,
    price: Price,
    size: u32,
}

/// Open, high, low, close, volume and VWAP of a window, exact: prices are integers, and the notional is an
/// `i128`, which a window of `u32` sizes cannot overflow.
///
/// ```
/// use tapeflow::aggregate::{Aggregate, Ohlcv, Print};
/// use tapeflow::tick::Price;
/// let mut bar = Ohlcv::default();
/// for (ts_event, price, size) in [(2, 30, 1), (1, 10, 3), (3, 20, 0)] {
///     bar.add(&Print { ts_event, seq: 0, price: Price(price), size, live: true });
/// }
/// let bar = bar.lower().unwrap();
/// assert_eq!((bar.open, bar.high, bar.low, bar.close), (Price(10), Price(30), Price(10), Price(20)));
/// assert_eq!((bar.volume, bar.trades, bar.vwap), (4, 3, Some(Price(15))));
/// ```
#[derive(Clone, Debug)]
pub struct Ohlcv {
    first: Place,
    last: Place,
    high: Price,
    low: Price,
    volume: u64,
    trades: u64,
    notional: i128,
}

impl Default for Ohlcv {
    fn default() -> Self {
        let place = |ts_event, seq| Place { ts_event, seq, price: Price(0), size: 0 };
        Ohlcv {
            first: place(i64::MAX, u64::MAX),
            last: place(i64::MIN, 0),
            high: Price(i64::MIN),
            low: Price(i64::MAX),
            volume: 0,
            trades: 0,
            notional: 0,
        }
    }
}

/// What a window's prints come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bar {
    /// The first print's price.
    pub open: Price,
    /// The highest price.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
    /// The last print's price.
    pub close: Price,
    /// Shares.
    pub volume: u64,
    /// Prints.
    pub trades: u64,
    /// Notional over volume, to 1e-9, half to even; `None` where the volume is zero.
    pub vwap: Option<Price>,
}

impl Aggregate for Ohlcv {
    type Value = Bar;

    #[inline]
    fn add(&mut self, print: &Print) {
        let place = Place { ts_event: print.ts_event, seq: print.seq, price: print.price, size: print.size };
        if place < self.first {
            self.first = place;
        }
        if place > self.last {
            self.last = place;
        }
        self.high = self.high.max(print.price);
        self.low = self.low.min(print.price);
        self.volume += u64::from(print.size);
        self.trades += 1;
        self.notional += i128::from(print.price.0) * i128::from(print.size);
    }

    fn remove(&mut self, print: &Print) -> bool {
        let place = Place { ts_event: print.ts_event, seq: print.seq, price: print.price, size: print.size };
        let extremes = [self.high, self.low];
        if place == self.first || place == self.last || extremes.contains(&print.price) {
            return false;
        }
        self.volume -= u64::from(print.size);
        self.trades -= 1;
        self.notional -= i128::from(print.price.0) * i128::from(print.size);
        true
    }

    fn combine(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
        self.volume += other.volume;
        self.trades += other.trades;
        self.notional += other.notional;
    }

    fn lower(&self) -> Option<Bar> {
        (self.trades > 0).then(|| Bar {
            open: self.first.price,
            high: self.high,
            low: self.low,
            close: self.last.price,
            volume: self.volume,
            trades: self.trades,
            vwap: (self.volume > 0).then(|| Price(div_half_even(self.notional, i128::from(self.volume)) as i64)),
        })
    }
}

impl Value for Bar {
    const NAME: &'static str = "bars";
    const COLUMNS: &'static [&'static str] = &["open", "high", "low", "close", "volume", "trades", "vwap"];

    fn fields(&self, give: &mut dyn FnMut(Field<'_>)) {
        for price in [self.open, self.high, self.low, self.close] {
            give(Field::Price(Some(price)));
        }
        give(Field::Count(self.volume));
        give(Field::Count(self.trades));
        give(Field::Price(self.vwap));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        let halves = [(1, 0), (3, 2), (5, 2), (-1, 0), (-3, -2), (-5, -2)];
        for (n, expected) in halves {
            assert_eq!(div_half_even(n, 2), expected, "{n}/2");
        }
        assert_eq!(div_half_even(-7, 4), -2);
        assert_eq!(div_half_even(7, 4), 2);
    }

    #[test]
    fn only_what_is_neither_edge_nor_extreme_can_be_taken_out() {
        let print = |ts_event, price| Print { ts_event, seq: 0, price: Price(price), size: 2, live: true };
        let prints = [print(1, 5), print(2, 9), print(3, 6), print(4, 1), print(5, 7)];
        let mut bar = Ohlcv::default();
        prints.iter().for_each(|print| bar.add(print));
        let taken: Vec<bool> = prints.iter().map(|print| bar.clone().remove(print)).collect();
        assert_eq!(taken, [false, false, true, false, false]);
        assert!(bar.remove(&prints[2]));
        let mut without = Ohlcv::default();
        [0, 1, 3, 4].iter().for_each(|i| without.add(&prints[*i]));
        assert_eq!(bar.lower(), without.lower());
    }

    #[test]
    fn two_summaries_together_are_that_of_all_prints() {
        let prints = [(3, 9), (1, 5), (4, 1), (2, 7), (5, 6)].map(|(ts_event, price)| Print {
            ts_event,
            seq: 0,
            price: Price(price),
            size: 2,
            live: true,
        });
        let sum = |prints: &[Print]| {
            let mut bar = Ohlcv::default();
            prints.iter().for_each(|print| bar.add(print));
            bar
        };
        for split in 0..=prints.len() {
            let mut both = sum(&prints[..split]);
            both.combine(&sum(&prints[split..]));
            assert_eq!(both.lower(), sum(&prints).lower(), "split at {split}");
        }
    }

    #[test]
    fn a_notional_beyond_i64_is_exact() {
        let mut bar = Ohlcv::default();
        for seq in 0..3 {
            bar.add(&Print { ts_event: 0, seq, price: Price(750_000 * Price::SCALE), size: u32::MAX, live: true });
        }
        assert_eq!(bar.lower().unwrap().vwap, Some(Price(750_000 * Price::SCALE)));
    }
}
