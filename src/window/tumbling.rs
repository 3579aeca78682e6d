use super::{Day, Hours, Sliced, Window};
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
/// assert_eq!(minute.offset(1).window_of(120_000_000_000).start, 60_000_000_001);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tumbling {
    pub(crate) length: i64,
    pub(crate) offset: i64,
}

impl Tumbling {
    /// Windows of `length` nanoseconds; `None` unless it is at least one.
    pub fn new(length: i64) -> Option<Self> {
        (length > 0).then_some(Tumbling { length, offset: 0 })
    }

    /// The same windows, begun `offset` nanoseconds later.
    pub fn offset(self, offset: i64) -> Self {
        Tumbling { offset: offset.rem_euclid(self.length), ..self }
    }

    /// The length of a window, in nanoseconds.
    pub fn length(&self) -> i64 {
        self.length
    }

    /// The window that holds `ts`.
    pub fn window_of(&self, ts: EventTime) -> Window {
        // At the beginning of time a window is cut short, as it is at its end.
        let start = ts.saturating_sub(ts.saturating_sub(self.offset).rem_euclid(self.length));
        Window { start, end: start.saturating_add(self.length) }
    }

    /// The first window end after `ms`, in whole milliseconds as [`Window::end_ms`] counts them.
    pub fn next_end_ms(&self, ms: i64) -> i64 {
        self.window_of(ms.saturating_mul(MS)).end_ms()
    }
}

impl Sliced for Tumbling {
    fn slice_of(&self, ts: EventTime) -> Window {
        self.window_of(ts)
    }

    fn ending_after(&self, ts: EventTime) -> Window {
        self.window_of(ts)
    }

    fn until(&self, ts: EventTime) -> EventTime {
        self.window_of(ts).end
    }

    fn are_slices(&self) -> bool {
        true
    }
}

/// Windows of one length, end to end, aligned anew each day to the open of the trading session. Those that the day's
/// beginning or end falls into are cut short there.
///
/// ```text
///   [00:00 00:30 )[ 00:30 )...[ 08:30 )[ 09:30 )[ 10:30 )...[ 23:30 24:00)    length = 1h, open = 09:30
/// ```
///
/// What is printed soon after the close may be in the last window of the session instead of one of its own, as the
/// closing auction is: that window ends so much later, and the next one begins there.
#[derive(Clone, Debug)]
pub struct TumblingDaily {
    pub(crate) length: i64,
    pub(crate) offset: i64,
    pub(crate) hours: Hours,
    pub(crate) auction: i64,
}

impl TumblingDaily {
    /// Windows of `length` nanoseconds, one of which begins `offset` after the open; `None` unless the length is at
    /// least a nanosecond.
    pub fn new(length: i64, offset: i64, hours: Hours) -> Option<Self> {
        (length > 0).then(|| TumblingDaily { length, offset: offset.rem_euclid(length), hours, auction: 0 })
    }

    /// The same, the last of each session longer by what is printed up to so many nanoseconds after the close.
    pub fn with_auction(self, auction: i64) -> Self {
        TumblingDaily { auction, ..self }
    }

    /// The window that holds `ts`, the closing auction aside.
    fn aligned(&self, day: Day, ts: EventTime) -> Window {
        let since = ts.saturating_sub(day.open).rem_euclid(self.length) - self.offset;
        let start = ts.saturating_sub(since.rem_euclid(self.length));
        Window { start: start.max(day.start), end: start.saturating_add(self.length).min(day.end) }
    }
}

impl Sliced for TumblingDaily {
    fn slice_of(&self, ts: EventTime) -> Window {
        let day = self.hours.day(ts);
        let window = self.aligned(day, ts);
        if self.auction == 0 || !day.has_session() {
            return window;
        }
        let last = self.aligned(day, day.close.saturating_sub(1));
        let end = last.end.max(day.close.saturating_add(self.auction).min(day.end));
        match ts {
            _ if ts < last.start => window,
            _ if ts < end => Window { end, ..last },
            _ => Window { start: window.start.max(end), ..window },
        }
    }

    fn ending_after(&self, ts: EventTime) -> Window {
        self.slice_of(ts)
    }

    fn until(&self, ts: EventTime) -> EventTime {
        self.slice_of(ts).end
    }

    fn are_slices(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Days;
    use jiff::{Timestamp, civil::time, tz::TimeZone};

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_nanosecond() as i64
    }

    #[test]
    fn windows_follow_the_local_open_also_when_the_clocks_change() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let hours = Hours::new(Days::new(zone), time(9, 30, 0, 0), time(16, 0, 0, 0)).unwrap();
        let windows = TumblingDaily::new(3_600_000_000_000, 0, hours).unwrap();
        let cases = [
            ("2024-03-08T14:45:00Z", "2024-03-08T14:30:00Z", "2024-03-08T15:30:00Z"),
            ("2024-03-11T13:45:00Z", "2024-03-11T13:30:00Z", "2024-03-11T14:30:00Z"),
            // The day on which the clocks change has 23 hours, and its first window is cut at its beginning.
            ("2024-03-10T05:00:00Z", "2024-03-10T05:00:00Z", "2024-03-10T05:30:00Z"),
            ("2024-03-11T03:59:00Z", "2024-03-11T03:30:00Z", "2024-03-11T04:00:00Z"),
        ];
        for (ts, start, end) in cases {
            assert_eq!(windows.slice_of(at(ts)), Window { start: at(start), end: at(end) }, "{ts}");
        }
    }

    #[test]
    fn the_last_window_of_a_session_may_hold_its_closing_auction() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let hours = Hours::new(Days::new(zone), time(9, 30, 0, 0), time(16, 0, 0, 0)).unwrap();
        let windows = |minutes: i64| TumblingDaily::new(minutes * 60_000_000_000, 0, hours.clone()).unwrap();
        let minutes = windows(1).with_auction(1_000_000_000);
        let [before, close, over, next] =
            ["20:59:00", "21:00:00", "21:00:01", "21:01:00"].map(|utc| at(&format!("2024-03-08T{utc}Z")));
        let walk: Vec<Window> = minutes.windows_after(before - 1).take(3).collect();
        let [of_minute, of_auction, after] = [(before - (next - close), before), (before, over), (over, next)];
        assert_eq!(walk, [of_minute, of_auction, after].map(|(start, end)| Window { start, end }));
        assert_eq!([close, over - 1].map(|ts| minutes.slice_of(ts).start), [before; 2]);
        // A window that goes on beyond the close holds it anyhow.
        assert_eq!(windows(60).with_auction(1_000_000_000).slice_of(over), windows(60).slice_of(over));
    }
}
