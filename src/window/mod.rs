//! Windows: which prints belong together. A new kind of window is a new file here.

mod anchored;
mod count;
mod early;
mod fill;
mod gap;
mod hours;
mod last;
mod sliding;
mod tumbling;

pub use anchored::Anchored;
pub use count::{Count, Measure};
pub use early::Early;
pub use fill::Fill;
pub use gap::Gap;
pub use hours::{Day, Hours};
pub use last::Last;
pub use sliding::Sliding;
pub use tumbling::{Tumbling, TumblingDaily};

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::time::{EventTime, MS};

/// A stretch of event time, `[start, end)`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
        end_ms(self.end)
    }
}

/// The first whole millisecond that is not before `ts`.
fn end_ms(ts: EventTime) -> i64 {
    ts.div_euclid(MS) + i64::from(ts.rem_euclid(MS) != 0)
}

/// Windows whose edges event time alone decides. They overlap or not; between two edges lies a slice, which all
/// windows around it share, so that a print is added once however many windows hold it.
pub trait Sliced: std::fmt::Debug + Send + Sync {
    /// The slice that holds `ts`: the stretch around it within which no window begins or ends.
    fn slice_of(&self, ts: EventTime) -> Window;

    /// Of the windows that end after `ts`, the first. If any window holds `ts`, this one does.
    fn ending_after(&self, ts: EventTime) -> Window;

    /// The end of the last window that holds the slice of `ts`, or of the slice where none does.
    fn until(&self, ts: EventTime) -> EventTime;

    /// The beginning of the first window that holds the slice of `ts`, or of the slice where none does.
    fn since(&self, ts: EventTime) -> EventTime {
        let (slice, first) = (self.slice_of(ts), self.ending_after(ts));
        slice.start.min(first.start)
    }

    /// The windows that end after `ts`, in the order of their ends.
    fn windows_after(&self, ts: EventTime) -> Box<dyn Iterator<Item = Window> + '_> {
        let next = |window: &Window| Some(self.ending_after(window.end)).filter(|next| next.end > window.end);
        Box::new(std::iter::successors(Some(self.ending_after(ts)), next))
    }

    /// Whether each slice is a window, and each window a slice.
    fn are_slices(&self) -> bool {
        false
    }

    /// The stretch of a window in which there must be a print for it to have a row.
    fn shown_by(&self, window: Window) -> Window {
        window
    }

    /// A number that tells windows apart that begin together: their order.
    fn place(&self, _window: Window) -> u32 {
        0
    }
}

/// Windows of some kind.
#[derive(Clone, Debug)]
pub enum Windows {
    /// End to end, aligned to the epoch.
    Tumbling(Tumbling),
    /// End to end, aligned to each session's open.
    Daily(TumblingDaily),
    /// End to end, and shown before they are over.
    Early(Early),
    /// Overlapping.
    Sliding(Sliding),
    /// Growing from each session's open.
    Anchored(Anchored),
    /// Runs of prints between pauses.
    Gap(Gap),
    /// So many trades, shares, or so much money.
    Count(Count),
    /// The last prints, looked at again and again.
    Last(Last),
}

/// Where windows are not cut from event time alone, batches end at multiples of so many milliseconds: a row goes out at
/// most so much of event time after it could.
const EDGES_MS: i64 = 10;

impl Windows {
    /// What lies between two edges, where that is a window: of windows that lie end to end.
    fn end_to_end(&self) -> Option<Arc<dyn Sliced>> {
        match self {
            Windows::Tumbling(windows) => Some(Arc::new(*windows)),
            Windows::Daily(windows) => Some(Arc::new(windows.clone())),
            Windows::Early(early) => early.windows.end_to_end(),
            _ => None,
        }
    }

    /// The first watermark after `ms`, in milliseconds, at which a window may end.
    pub fn next_end_ms(&self, ms: i64) -> i64 {
        let ts = ms.saturating_mul(MS);
        match self {
            Windows::Tumbling(windows) => windows.next_end_ms(ms),
            Windows::Daily(windows) => windows.ending_after(ts).end_ms(),
            Windows::Early(windows) => windows.ending_after(ts).end_ms(),
            Windows::Sliding(windows) => windows.ending_after(ts).end_ms(),
            Windows::Anchored(windows) => windows.ending_after(ts).end_ms(),
            Windows::Last(last) => last.every.next_end_ms(ms),
            Windows::Gap(_) | Windows::Count(_) => (ms.div_euclid(EDGES_MS) + 1).saturating_mul(EDGES_MS),
        }
    }
}

macro_rules! kinds {
    ($($kind:ident($windows:ty)),*) => {$(
        impl From<$windows> for Windows {
            fn from(windows: $windows) -> Self {
                Windows::$kind(windows)
            }
        }
    )*};
}

kinds!(
    Tumbling(Tumbling),
    Daily(TumblingDaily),
    Early(Early),
    Sliding(Sliding),
    Anchored(Anchored),
    Gap(Gap),
    Count(Count),
    Last(Last)
);
