//! Sinks: where rows go. A new one is a new file here.

mod discard;
mod settle;
mod stdout;

pub use discard::Discard;
pub use settle::{Run, Settling, settle};
pub use stdout::Stdout;

use crate::error::Result;
use crate::row::{Row, Texts};

/// One worker's end of an output.
pub trait Sink<R: Row> {
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
