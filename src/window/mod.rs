//! Windows: which stretch of event time a print belongs to. A new kind of window is a new file here.

mod tumbling;

pub use tumbling::Tumbling;

use crate::time::{EventTime, MS};

/// A stretch of event time, `[start, end)`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first instant inside.
    pub start: EventTime,
    /// The first instant after.
    pub end: EventTime,
}

impl Window {
    /// Whether `ts` lies inside.
    pub fn contains(&self, ts: EventTime) -> bool {
        self.start <= ts && ts < self.end
    }

    /// The first whole millisecond at which the window is over: the logical time of its first emission.
    pub fn end_ms(&self) -> i64 {
        self.end.div_euclid(MS) + i64::from(self.end.rem_euclid(MS) != 0)
    }
}
