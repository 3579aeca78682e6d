use std::sync::Arc;

use super::{Sliced, Window, Windows};
use crate::time::EventTime;

/// Windows that lie end to end and are shown before they are over: each step after its beginning, what a window holds
/// by then. As windows to be cut into slices these are those that begin together and grow:
///
/// ```text
///   [ 09:30:00 )[ 09:30:00 .. 09:30:02 )...[ 09:30:00 .......... 09:31:00 )     every = 1s, of windows of a minute
/// ```
#[derive(Clone, Debug)]
pub struct Early {
    pub(crate) windows: Box<Windows>,
    grid: Arc<dyn Sliced>,
    every: i64,
}

impl Early {
    /// These windows, shown every so many nanoseconds; `None` unless they lie end to end, and it is at least one.
    pub fn new(windows: impl Into<Windows>, every: i64) -> Option<Self> {
        let windows = windows.into();
        let grid = windows.end_to_end()?;
        (every > 0).then(|| Early { windows: Box::new(windows), grid, every })
    }

    /// The whole window that holds `ts`.
    pub fn whole(&self, ts: EventTime) -> Window {
        self.grid.slice_of(ts)
    }
}

impl Sliced for Early {
    fn slice_of(&self, ts: EventTime) -> Window {
        let whole = self.whole(ts);
        let start = ts - ts.saturating_sub(whole.start) % self.every;
        Window { start, end: start.saturating_add(self.every).min(whole.end) }
    }

    fn ending_after(&self, ts: EventTime) -> Window {
        Window { start: self.whole(ts).start, end: self.slice_of(ts).end }
    }

    fn until(&self, ts: EventTime) -> EventTime {
        self.whole(ts).end
    }

    fn shown_by(&self, window: Window) -> Window {
        self.slice_of(window.end.saturating_sub(1))
    }

    fn place(&self, window: Window) -> u32 {
        u32::try_from(window.end.saturating_sub(window.start).saturating_sub(1) / self.every).unwrap_or(u32::MAX)
    }
}
