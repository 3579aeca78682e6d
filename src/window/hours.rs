use jiff::civil::Time;

use super::Window;
use crate::calendar::{Calendar, Days};
use crate::time::EventTime;

/// The hours of trading: times of day between which it goes on, on all days but those of a calendar.
#[derive(Clone, Debug)]
pub struct Hours {
    pub(crate) days: Days,
    pub(crate) open: Time,
    pub(crate) close: Time,
    pub(crate) calendar: Calendar,
    pub(crate) auction: i64,
}

/// One day of trading, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its first instant.
    pub start: EventTime,
    /// When trading begins.
    pub open: EventTime,
    /// When trading ends; on a day without trading, when it would begin.
    pub close: EventTime,
    /// The first instant of the next day.
    pub end: EventTime,
}

impl Day {
    /// The hours in which there is trading.
    pub fn session(&self) -> Window {
        Window { start: self.open, end: self.close }
    }

    /// Whether there is trading at all.
    pub fn has_session(&self) -> bool {
        self.open < self.close
    }
}

impl Hours {
    /// From `open` to `close` on each of these days; `None` unless the one is before the other in a day.
    pub fn new(days: Days, open: Time, close: Time) -> Option<Self> {
        let is_ordered = days.since_beginning(open) < days.since_beginning(close);
        is_ordered.then_some(Hours { days, open, close, calendar: Calendar::EveryDay, auction: 0 })
    }

    /// The same, but for the days of a calendar.
    pub fn with_calendar(self, calendar: Calendar) -> Self {
        Hours { calendar, ..self }
    }

    /// The same, where what is printed up to so many nanoseconds after the close belongs to the session.
    pub fn with_auction(self, auction: i64) -> Self {
        Hours { auction, ..self }
    }

    /// How long a whole session is, in nanoseconds, on a day on which the clocks do not change.
    pub fn length(&self) -> i64 {
        self.days.since_beginning(self.close) - self.days.since_beginning(self.open)
    }

    /// The day that holds `ts`. At the ends of the calendar all that is left is one day.
    pub fn day(&self, ts: EventTime) -> Day {
        let (start, end) = (EventTime::MIN, EventTime::MAX);
        self.known_day(ts).unwrap_or(Day { start, open: start, close: end, end })
    }

    /// The first day whose session ends after `ts`.
    pub fn day_with_session_after(&self, ts: EventTime) -> Day {
        let mut day = self.day(ts);
        while (day.close <= ts || !day.has_session()) && day.end < EventTime::MAX {
            day = self.day(day.end);
        }
        day
    }

    fn known_day(&self, ts: EventTime) -> Option<Day> {
        let date = self.days.date_of(ts)?;
        let (start, end) = self.days.bounds(date)?;
        let (opens, closes) = self.calendar.hours(date, (self.open, self.close)).unwrap_or((self.open, self.open));
        let (open, close) = (self.days.at(date, opens)?, self.days.at(date, closes)?);
        let close = if close > open { close.saturating_add(self.auction).min(end) } else { open };
        Some(Day { start, open, close, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::civil::time;
    use jiff::tz::TimeZone;

    #[test]
    fn the_open_is_a_local_time_on_each_side_of_a_change_of_clocks() {
        let days = Days::new(TimeZone::get("America/New_York").unwrap());
        let hours = Hours::new(days.clone(), time(9, 30, 0, 0), time(16, 0, 0, 0)).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_nanosecond() as i64;
        let (friday, monday) = (hours.day(at("2024-03-08T20:00:00Z")), hours.day(at("2024-03-11T20:00:00Z")));
        assert_eq!(friday.session(), Window { start: at("2024-03-08T14:30:00Z"), end: at("2024-03-08T21:00:00Z") });
        assert_eq!(monday.session(), Window { start: at("2024-03-11T13:30:00Z"), end: at("2024-03-11T20:00:00Z") });
        assert!(Hours::new(days, time(16, 0, 0, 0), time(9, 30, 0, 0)).is_none());
    }

    #[test]
    fn a_half_day_closes_at_one_where_it_would_close_later() {
        let days = Days::new(TimeZone::get("America/New_York").unwrap());
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_nanosecond() as i64;
        let close = |open, close| {
            let hours = Hours::new(days.clone(), time(open, 0, 0, 0), time(close, 0, 0, 0)).unwrap();
            // The day after Thanksgiving, at noon.
            let day = |hours: Hours| hours.day(at("2012-11-23T17:00:00Z")).close;
            (day(hours.clone()), day(hours.with_calendar(Calendar::Nyse)))
        };
        let [eleven, one, four] = ["16:00", "18:00", "21:00"].map(|utc| at(&format!("2012-11-23T{utc}:00Z")));
        assert_eq!((close(9, 16), close(9, 11)), ((four, one), (eleven, eleven)));
        // Who opens later has no session on that day.
        assert_eq!(close(14, 16), (four, at("2012-11-23T19:00:00Z")));
    }
    #[test]
    fn a_closed_day_has_no_session_and_one_overnight_begins_on_the_evening_before() {
        let days = Days::new(TimeZone::get("America/Chicago").unwrap()).beginning_at(time(17, 0, 0, 0));
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_nanosecond() as i64;
        let hours = Hours::new(days, time(17, 0, 0, 0), time(16, 0, 0, 0)).unwrap().with_calendar(Calendar::Nyse);
        assert_eq!(hours.length(), 23 * 3_600_000_000_000);
        let friday_evening = hours.day(at("2026-01-03T00:00:00Z"));
        assert!(!friday_evening.has_session());
        let monday = hours.day_with_session_after(friday_evening.start);
        assert_eq!(monday.session(), Window { start: at("2026-01-04T23:00:00Z"), end: at("2026-01-05T22:00:00Z") });
        assert_eq!(monday.end, at("2026-01-05T23:00:00Z"));
    }
}
