//! Sinks: where rows go. A new one is a new file here.

mod ahead;
mod behind;
mod chunk;
mod courier;
mod discard;
#[cfg(feature = "kafka")]
mod kafka;
mod keeper;
mod lines;
mod order;
mod packed;
mod runs;
mod settle;
mod socket;
mod stdout;

pub use ahead::Ahead;
pub use courier::{Courier, Cut, Parcel, Remote, Shared, Stream, ToTopic, open, open_for_rejects};
pub use discard::Discard;
pub use keeper::{End, Keeper};
pub use lines::{Lines, Mode, Upsert};
pub use order::Place;
pub use settle::{Kept, Settling};
pub use stdout::{Stdout, Together};

use crate::error::Result;
use crate::row::{Row, Texts};

/// One worker's end of an output.
///
/// It is told whole moments: all changes of one logical time, without those that cancel out, in any order.
pub trait Sink<R: Row> {
    /// What comes next is of this logical time, in milliseconds, or later.
    ///
    /// # Errors
    /// As for [`Sink::change`].
    fn reached(&mut self, _time_ms: i64) -> Result<()> {
        Ok(())
    }

    /// A row is inserted (`diff` 1) or retracted (-1).
    ///
    /// # Errors
    /// When it cannot be written. The run ends with this error.
    fn change(&mut self, row: &R, texts: &Texts, diff: isize) -> Result<()>;

    /// All changes of a moment are in: make them visible to whoever reads the output.
    ///
    /// # Errors
    /// As for [`Sink::change`].
    fn flush(&mut self) -> Result<()>;
}
