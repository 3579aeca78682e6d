use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::Window;
use crate::time::EventTime;

/// The hours of trading: local times of a time zone, the same on every day.
#[derive(Clone, Debug)]
pub struct Hours {
    pub(crate) zone: TimeZone,
    pub(crate) open: Time,
    pub(crate) close: Time,
}

/// One local day, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its first instant.
    pub start: EventTime,
    /// When trading begins.
    pub open: EventTime,
    /// When trading ends.
    pub close: EventTime,
    /// The first instant of the next day.
    pub end: EventTime,
}

impl Day {
    /// The hours in which there is trading.
    pub fn session(&self) -> Window {
        Window { start: self.open, end: self.close }
    }
}

impl Hours {
    /// From `open` to `close` in `zone`; `None` unless the one is before the other.
    pub fn new(zone: TimeZone, open: Time, close: Time) -> Option<Self> {
        (open < close).then_some(Hours { zone, open, close })
    }

    /// How long a session is, in nanoseconds, on a day on which the clocks do not change.
    pub fn length(&self) -> i64 {
        self.open.duration_until(self.close).as_nanos() as i64
    }

    /// The day that holds `ts`. At the ends of the calendar all that is left is one day.
    pub fn day(&self, ts: EventTime) -> Day {
        let (start, end) = (EventTime::MIN, EventTime::MAX);
        self.local_day(ts).unwrap_or(Day { start, open: start, close: end, end })
    }

    fn local_day(&self, ts: EventTime) -> Option<Day> {
        let local = Timestamp::from_nanosecond(i128::from(ts)).ok()?.to_zoned(self.zone.clone());
        let start = local.start_of_day().ok()?;
        let nanos = |ts: Timestamp| EventTime::try_from(ts.as_nanosecond()).ok();
        let instant = |time: Time| nanos(local.date().to_datetime(time).to_zoned(self.zone.clone()).ok()?.timestamp());
        Some(Day {
            start: nanos(start.timestamp())?,
            open: instant(self.open)?,
            close: instant(self.close)?,
            end: nanos(start.tomorrow().ok()?.timestamp())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::time;

    #[test]
    fn the_open_is_a_local_time_on_each_side_of_a_change_of_clocks() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let hours = Hours::new(zone.clone(), time(9, 30, 0, 0), time(16, 0, 0, 0)).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_nanosecond() as i64;
        let (friday, monday) = (hours.day(at("2024-03-08T20:00:00Z")), hours.day(at("2024-03-11T20:00:00Z")));
        assert_eq!(friday.session(), Window { start: at("2024-03-08T14:30:00Z"), end: at("2024-03-08T21:00:00Z") });
        assert_eq!(monday.session(), Window { start: at("2024-03-11T13:30:00Z"), end: at("2024-03-11T20:00:00Z") });
        assert!(Hours::new(zone, time(16, 0, 0, 0), time(9, 30, 0, 0)).is_none());
    }
}
