//! Aggregates: what a window keeps of its prints. A new aggregate is a new file here.

mod day_part;
mod ohlcv;
mod traded;

pub use day_part::{DayPart, Part};
pub use ohlcv::{Bar, Ohlcv, div_half_even};
pub use traded::{Traded, Turnover};

use crate::row::Field;
use crate::tick::Price;
use crate::time::EventTime;

/// A trade as an aggregate sees it, and as the operator keeps it: 32 bytes.
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
    /// False once it is cancelled.
    pub live: bool,
}

const _: () = assert!(size_of::<Print>() == 32);

/// A summary of the prints of one window that does not depend on the order in which they were added.
/// Its default is the summary of no print.
pub trait Aggregate: Clone + Default + 'static {
    /// What a window's summary comes to.
    type Value: Value;

    /// Takes in one more print.
    fn add(&mut self, print: &Print);

    /// Takes a print out again that was added, if the summary can tell what it would be without it; else leaves it as
    /// it is and says `false`, and the summary is made anew from the prints.
    fn remove(&mut self, print: &Print) -> bool;

    /// The value, or `None` where no print was added.
    fn lower(&self) -> Option<Self::Value>;
}

/// The columns that a value adds to a row.
pub trait Value: Clone + Ord + std::fmt::Debug + 'static {
    /// What rows of such values are called, in the plural.
    const NAME: &'static str;

    /// The columns' names, in the order of [`Value::fields`].
    const COLUMNS: &'static [&'static str];

    /// Hands over each column's value.
    fn fields(&self, give: &mut dyn FnMut(Field<'_>));
}
