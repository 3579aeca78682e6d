use std::sync::Arc;

use super::{Day, Hours, Sliced, Window, Windows};
use crate::time::EventTime;

/// Which windows without a print have a row all the same: those that lie in the hours of trading, or reach into them,
/// from the window of a symbol's first print of the day on.
#[derive(Clone, Debug)]
pub struct Fill {
    grid: Arc<dyn Sliced>,
    pub(crate) hours: Hours,
}

impl Fill {
    /// For windows that lie end to end; `None` for others.
    pub fn new(windows: &Windows, hours: Hours) -> Option<Fill> {
        Some(Fill { grid: windows.end_to_end()?, hours })
    }

    /// The day that a window belongs to: that in which it begins.
    pub fn day_of(&self, window: Window) -> Day {
        self.hours.day(window.start)
    }

    /// The window that holds `ts`.
    pub fn window_of(&self, ts: EventTime) -> Window {
        self.grid.ending_after(ts)
    }

    /// The windows that hold `ts` and what follows of a day's session, up to its close.
    pub fn windows_from(&self, ts: EventTime, day: Day) -> impl Iterator<Item = Window> {
        let first = self.window_of(ts.max(day.open));
        // At the end of time there is no next one.
        let next = |window: &Window| Some(self.window_of(window.end)).filter(|next| next.end > window.end);
        std::iter::successors(Some(first), next).take_while(move |window| window.start < day.close && day.has_session())
    }
}
