use super::{Hours, Sliced, Window};
use crate::time::EventTime;

/// Windows that all begin when the trading session opens and end one step after the other, so that each holds what the
/// one before it holds; the last ends with the session. What is printed outside the session is in none.
///
/// ```text
///   [ 09:30 .. 09:31 )
///   [ 09:30 ........ 09:32 )                 every = 1m
///   [ 09:30 ............ 09:33 ) ...
/// ```
#[derive(Clone, Debug)]
pub struct Anchored {
    pub(crate) every: i64,
    pub(crate) hours: Hours,
}

impl Anchored {
    /// Windows of the sessions of `hours` that end every so many nanoseconds; `None` unless it is at least one.
    pub fn new(every: i64, hours: Hours) -> Option<Self> {
        (every > 0).then_some(Anchored { every, hours })
    }
}

impl Sliced for Anchored {
    fn slice_of(&self, ts: EventTime) -> Window {
        let day = self.hours.day(ts);
        if ts < day.open {
            return Window { start: day.start, end: day.open };
        }
        if ts >= day.close {
            return Window { start: day.close, end: day.end };
        }
        let start = ts.saturating_sub(ts.saturating_sub(day.open) % self.every);
        Window { start, end: start.saturating_add(self.every).min(day.close) }
    }

    fn ending_after(&self, ts: EventTime) -> Window {
        let day = self.hours.day_with_session_after(ts);
        Window { start: day.open, end: self.slice_of(ts.max(day.open)).end }
    }

    fn until(&self, ts: EventTime) -> EventTime {
        let (day, slice) = (self.hours.day(ts), self.slice_of(ts));
        if day.session().contains(ts) { day.close } else { slice.end }
    }

    fn shown_by(&self, window: Window) -> Window {
        self.slice_of(window.end.saturating_sub(1))
    }

    fn place(&self, window: Window) -> u32 {
        u32::try_from(window.end.saturating_sub(window.start).saturating_sub(1) / self.every).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Days;
    use jiff::{civil::time, tz::TimeZone};

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn windows_grow_from_the_open_to_the_close() {
        let hours = Hours::new(Days::new(TimeZone::UTC), time(9, 0, 0, 0), time(11, 30, 0, 0)).unwrap();
        let windows = Anchored::new(HOUR, hours).unwrap();
        let ends: Vec<Window> = windows.windows_after(0).take(4).collect();
        let window = |start: i64, end: i64| Window { start: start * HOUR, end: end * HOUR / 2 };
        assert_eq!(ends, [window(9, 20), window(9, 22), window(9, 23), window(33, 68)]);
        assert_eq!(ends.iter().map(|window| windows.place(*window)).collect::<Vec<_>>(), [0, 1, 2, 0]);
        assert_eq!(windows.slice_of(12 * HOUR), Window { start: 23 * HOUR / 2, end: 24 * HOUR });
        assert_eq!((windows.until(9 * HOUR), windows.until(HOUR)), (23 * HOUR / 2, 9 * HOUR));
    }
}
