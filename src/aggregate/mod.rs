//! Aggregates: what a window keeps of its prints. A new aggregate is a new file here.

mod day_part;
mod edges;
mod ohlcv;
mod quantiles;
mod traded;
mod trades;
mod vwap;

pub use day_part::{DayPart, Part};
pub use edges::Edges;
pub use ohlcv::{Bar, Ohlcv};
pub use quantiles::{Quantiles, Spread};
pub use traded::{Traded, Turnover};
pub use trades::{Trade, TradeList, Trades};
pub use vwap::{Averages, Vwap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::row::Field;
use crate::tick::{Eligible, Price};
use crate::time::EventTime;

/// A trade as an aggregate sees it: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Print {
    /// When it happened; with `seq`, its place in the order of its symbol.
    pub ts_event: EventTime,
    /// The venue's sequence number.
    pub seq: u64,
    /// At which price.
    pub price: Price,
    /// How many shares.
    pub size: u32,
    /// What it counts for.
    pub eligible: Eligible,
    /// False once it is cancelled.
    pub live: bool,
}

const _: () = assert!(size_of::<Print>() == 32);

impl Print {
    /// Price times size, in units of 1e-9.
    #[inline(always)]
    pub fn notional(&self) -> i128 {
        i128::from(self.price.0) * i128::from(self.size)
    }
}

/// A summary of the prints of one window that does not depend on the order in which they were added.
/// Its default is the summary of no print.
pub trait Aggregate: Clone + Default + 'static {
    /// What a window's summary comes to.
    type Value: Value;

    /// Whether it takes more memory the more prints it was given. One that does not is kept while its prints are, so
    /// that late ones go into it and it is seldom made anew.
    const GROWS: bool = true;

    /// Takes in one more print.
    fn add(&mut self, print: &Print);

    /// Takes a print out again that was added, if the summary can tell what it would be without it; else leaves it as
    /// it is and says `false`, and [`Aggregate::remove_edge`] is tried.
    fn remove(&mut self, print: &Print) -> bool;

    /// The same with the help of the edges of the prints that are `left`, each of those that count for it. Where several
    /// change at once, that is after all of them: prints that are added next are among them already, and those that are
    /// taken out next are not, so that a print may be taken out that lies beyond the edges. If it says `false`, the summary
    /// is made anew from all that are left, which takes as long as they are many.
    fn remove_edge(&mut self, _print: &Print, _left: impl FnOnce() -> Edges) -> bool {
        false
    }

    /// Takes in all that another summary was given.
    fn combine(&mut self, other: &Self);

    /// The value, or `None` where no print was added.
    fn lower(&self) -> Option<Self::Value>;
}

/// The columns that a value adds to a row.
pub trait Value: Clone + Ord + std::fmt::Debug + Serialize + DeserializeOwned + 'static {
    /// What rows of such values are called, in the plural.
    const NAME: &'static str;

    /// The columns' names, in the order of [`Value::fields`].
    const COLUMNS: &'static [&'static str];

    /// Hands over each column's value.
    fn fields(&self, give: &mut impl FnMut(Field<'_>));
}

/// A rise in percent of what it began at, in units of 1e-9, half to even; `None` unless that is above zero.
pub fn percent(rise: i128, from: Price) -> Option<i128> {
    (from.0 > 0).then(|| div_half_even(rise * 100 * i128::from(Price::SCALE), from.0.into()))
}

/// `n / d` for a positive `d`, rounded half to even.
#[inline]
pub fn div_half_even(n: i128, d: i128) -> i128 {
    let (quotient, rest_to_half) = match (u64::try_from(n), u64::try_from(d)) {
        // Nearly all are of 64 bits, which are divided in a fraction of the time.
        (Ok(n), Ok(d)) => (i128::from(n / d), (n % d).cmp(&(d - n % d))),
        _ => {
            // The rest of a product is cheaper than a second division of 128 bits.
            let quotient = n.div_euclid(d);
            (quotient, ((n - quotient * d) * 2).cmp(&d))
        }
    };
    match rest_to_half {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + quotient.rem_euclid(2),
    }
}
