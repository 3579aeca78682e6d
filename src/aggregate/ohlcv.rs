use serde::{Deserialize, Serialize};

use super::{Aggregate, Edges, Print, Value, div_half_even};
use crate::row::Field;
use crate::tick::{Eligible, Price};

/// Open, high, low, close, volume and VWAP of a window, exact: prices are integers, and the notional is an
/// `i128`, which a window of `u32` sizes cannot overflow. Each is of the prints that count for it.
///
/// ```
/// use tapeflow::aggregate::{Aggregate, Ohlcv, Print};
/// use tapeflow::tick::{Eligible, Price};
/// let mut bar = Ohlcv::default();
/// for (ts_event, price, size) in [(2, 30, 1), (1, 10, 3), (3, 20, 0)] {
///     bar.add(&Print { ts_event, seq: 0, price: Price(price), size, eligible: Eligible::ALL, live: true });
/// }
/// let odd_lot = Eligible::new(false, false, true);
/// bar.add(&Print { ts_event: 4, seq: 0, price: Price(50), size: 1, eligible: odd_lot, live: true });
/// let bar = bar.lower().unwrap();
/// assert_eq!([bar.open, bar.high, bar.low, bar.close], [10, 30, 10, 20].map(|price| Some(Price(price))));
/// assert_eq!((bar.volume, bar.trades, bar.vwap), (5, 4, Some(Price(22))));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ohlcv {
    pub(super) edges: Edges,
    volume: u64,
    trades: u64,
    pub(super) notional: i128,
}

impl Ohlcv {
    #[inline(always)]
    fn weigh(&mut self, print: &Print) {
        self.volume += u64::from(print.size);
        self.notional += print.notional();
    }

    /// Takes in a print as far as it counts.
    #[cold]
    fn add_in_part(&mut self, print: &Print) {
        self.edges.add(print);
        if print.eligible.volume() {
            self.weigh(print);
        }
    }

    /// Takes out what a print counted for, but for the edges.
    fn take_out(&mut self, print: &Print) {
        self.trades -= 1;
        if print.eligible.volume() {
            self.volume -= u64::from(print.size);
            self.notional -= print.notional();
        }
    }
}

/// What a window's prints come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bar {
    /// The price of the first print that can be an open; like the other prices `None` where no print counts for it.
    pub open: Option<Price>,
    /// The highest price.
    pub high: Option<Price>,
    /// The lowest price.
    pub low: Option<Price>,
    /// The price of the last print that can be a close.
    pub close: Option<Price>,
    /// Shares.
    pub volume: u64,
    /// Prints, whatever they count for.
    pub trades: u64,
    /// Notional over volume, to 1e-9, half to even; `None` where the volume is zero.
    pub vwap: Option<Price>,
}

impl Aggregate for Ohlcv {
    type Value = Bar;

    const GROWS: bool = false;

    #[inline]
    fn add(&mut self, print: &Print) {
        self.trades += 1;
        // This is the one question that conditions cost a print that has none.
        if print.eligible != Eligible::ALL {
            return self.add_in_part(print);
        }
        self.edges.place(print);
        self.edges.stretch(print.price);
        self.weigh(print);
    }

    fn remove(&mut self, print: &Print) -> bool {
        let is_inside = !self.edges.have(print);
        if is_inside {
            self.take_out(print);
        }
        is_inside
    }

    fn remove_edge(&mut self, print: &Print, left: impl FnOnce() -> Edges) -> bool {
        self.take_out(print);
        self.edges = left();
        true
    }

    fn combine(&mut self, other: &Self) {
        self.edges.combine(&other.edges);
        self.volume += other.volume;
        self.trades += other.trades;
        self.notional += other.notional;
    }

    fn lower(&self) -> Option<Bar> {
        let (ends, range) = (self.edges.ends(), self.edges.range());
        (self.trades > 0).then(|| Bar {
            open: ends.map(|(open, _)| open),
            high: range.map(|(_, high)| high),
            low: range.map(|(low, _)| low),
            close: ends.map(|(_, close)| close),
            volume: self.volume,
            trades: self.trades,
            vwap: (self.volume > 0).then(|| Price(div_half_even(self.notional, i128::from(self.volume)) as i64)),
        })
    }
}

impl Value for Bar {
    const NAME: &'static str = "bars";
    const COLUMNS: &'static [&'static str] = &["open", "high", "low", "close", "volume", "trades", "vwap"];

    fn fields(&self, give: &mut impl FnMut(Field<'_>)) {
        for price in [self.open, self.high, self.low, self.close] {
            give(Field::Price(price));
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
        let print = |ts_event, price| Print {
            ts_event,
            seq: 0,
            price: Price(price),
            size: 2,
            eligible: Eligible::ALL,
            live: true,
        };
        let prints = [print(1, 5), print(2, 9), print(3, 6), print(4, 1), print(5, 7)];
        let mut bar = Ohlcv::default();
        prints.iter().for_each(|print| bar.add(print));
        let taken: Vec<bool> = prints.iter().map(|print| bar.clone().remove(print)).collect();
        assert_eq!(taken, [false, false, true, false, false]);
        assert!(bar.remove(&prints[2]));
        let mut without = Ohlcv::default();
        [0, 1, 3, 4].iter().for_each(|i| without.add(&prints[*i]));
        assert_eq!(bar.lower(), without.lower());

        // What is one can be if those are known that are left.
        for gone in [0, 1, 3, 4] {
            let left = [0, 1, 3, 4].into_iter().filter(|at| *at != gone).map(|at| prints[at]);
            let (mut edges, mut others, mut bar) = (Edges::default(), Ohlcv::default(), bar.clone());
            left.for_each(|print| (edges.add(&print), others.add(&print)).1);
            assert!(!bar.remove(&prints[gone]) && bar.remove_edge(&prints[gone], || edges));
            assert_eq!(bar.lower(), others.lower(), "without print {gone}");
        }
    }

    #[test]
    fn a_print_is_seen_where_it_counts_and_nowhere_else() {
        let print =
            |ts_event, price, eligible| Print { ts_event, seq: 0, price: Price(price), size: 2, eligible, live: true };
        let [last, range, volume] = [[true, false, false], [false, true, false], [false, false, true]]
            .map(|[last, high_low, volume]| Eligible::new(last, high_low, volume));
        let nothing = last.and(range);
        let prints = [print(1, 90, volume), print(2, 70, last), print(3, 80, range), print(4, 10, nothing)];
        let bar_of = |prints: &[Print]| {
            let mut bar = Ohlcv::default();
            prints.iter().for_each(|print| bar.add(print));
            bar
        };
        let bar = bar_of(&prints).lower().unwrap();
        let seen = [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(|price| price.map(|price| price.0));
        assert_eq!((seen, bar.volume, bar.trades), ([Some(70), Some(80), Some(80), Some(70), Some(90)], 2, 4));
        let no_price = bar_of(&[prints[0]]).lower().unwrap();
        assert_eq!((no_price.open, no_price.high, no_price.low, no_price.close), (None, None, None, None));

        // What a print does not count for it is taken out of at once.
        let mut bar = bar_of(&[&prints[..], &[print(5, 70, range), print(6, 75, volume)]].concat());
        assert!(!bar.remove(&prints[1]) && !bar.remove(&prints[2]));
        assert!(bar.remove(&prints[0]) && bar.remove(&prints[3]) && bar.remove(&print(6, 75, volume)));
        assert_eq!(bar.lower(), bar_of(&[prints[1], prints[2], print(5, 70, range)]).lower());
    }

    #[test]
    fn two_summaries_together_are_that_of_all_prints() {
        let prints = [(3, 9), (1, 5), (4, 1), (2, 7), (5, 6)].map(|(ts_event, price)| Print {
            ts_event,
            seq: 0,
            price: Price(price),
            size: 2,
            eligible: Eligible::ALL,
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
            let price = Price(750_000 * Price::SCALE);
            bar.add(&Print { ts_event: 0, seq, price, size: u32::MAX, eligible: Eligible::ALL, live: true });
        }
        assert_eq!(bar.lower().unwrap().vwap, Some(Price(750_000 * Price::SCALE)));
    }
}
