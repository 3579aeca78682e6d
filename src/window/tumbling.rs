use super::Window;
use crate::time::{EventTime, MS};

/// Windows of one length, end to end, aligned to the Unix epoch.
///
/// ```text
///   ...[ 09:30 )[ 09:31 )[ 09:32 )...     length = 1m
///       ^ a print at 09:31:00.000 exactly lies in the second
/// ```
///
/// ```
/// use tapeflow::window::Tumbling;
/// let minute = Tumbling::new(60_000_000_000).unwrap();
/// assert_eq!(minute.window_of(119_999_999_999).start, 60_000_000_000);
/// assert_eq!(minute.window_of(120_000_000_000).start, 120_000_000_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tumbling {
    length: i64,
}

impl Tumbling {
    /// Windows of `length` nanoseconds; `None` unless it is at least one.
    pub fn new(length: i64) -> Option<Self> {
        (length > 0).then_some(Tumbling { length })
    }

    /// The length of a window, in nanoseconds.
    pub fn length(&self) -> i64 {
        self.length
    }

    /// The window that holds `ts`.
    pub fn window_of(&self, ts: EventTime) -> Window {
        // At the beginning of time a window is cut short, as it is at its end.
        let start = ts.saturating_sub(ts.rem_euclid(self.length));
        Window { start, end: start.saturating_add(self.length) }
    }

    /// The first window end after `ms`, in whole milliseconds as [`Window::end_ms`] counts them.
    pub fn next_end_ms(&self, ms: i64) -> i64 {
        self.window_of(ms.saturating_mul(MS)).end_ms()
    }
}
