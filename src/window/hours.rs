use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::Window;
use crate::calendar::early_close;
use crate::time::EventTime;

/// The hours of trading: local times of a time zone, the same on every day but for half days.
#[derive(Clone, Debug)]
pub struct Hours {
    pub(crate) zone: TimeZone,
    pub(crate) open: Time,
    pub(crate) close: Time,
    pub(crate) half_days: bool,
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
        (open < close).then_some(Hours { zone, open, close, half_days: false })
    }

    /// The same, closed early on the half days of the New York Stock Exchange.
    pub fn with_half_days(self) -> Self {
        Hours { half_days: true, ..self }
    }

    /// How long a whole session is, in nanoseconds, on a day on which the clocks do not change.
    pub fn length(&self) -> i64 {
        self.open.duration_until(self.close).as_nanos() as i64
    }

    /// The day that holds `ts`. At the ends of the calendar all that is left is one day.
    pub fn day(&self, ts: EventTime) -> Day {
        let (start, end) = (EventTime::MIN, EventTime::MAX);
        self.local_day(ts).unwrap_or(Day { start, open: start, close: end, end })
    }

    fn close_on(&self, day: Date) -> Time {
        let early = if self.half_days { early_close(day) } else { None };
        early.map_or(self.close, |early| early.clamp(self.open, self.close))
    }

    fn local_day(&self, ts: EventTime) -> Option<Day> {
        let local = Timestamp::from_nanosecond(i128::from(ts)).ok()?.to_zoned(self.zone.clone());
        let start = local.start_of_day().ok()?;
        let nanos = |ts: Timestamp| EventTime::try_from(ts.as_nanosecond()).ok();
        let instant = |time: Time| nanos(local.date().to_datetime(time).to_zoned(self.zone.clone()).ok()?.timestamp());
        Some(Day {
            start: nanos(start.timestamp())?,
            open: instant(self.open)?,
            close: instant(self.close_on(local.date()))?,
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

    #[test]
    fn a_half_day_closes_at_one_where_it_would_close_later() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_nanosecond() as i64;
        let close = |open, close| {
            let hours = Hours::new(zone.clone(), time(open, 0, 0, 0), time(close, 0, 0, 0)).unwrap();
            // The day after Thanksgiving, at noon.
            let day = |hours: Hours| hours.day(at("2012-11-23T17:00:00Z")).close;
            (day(hours.clone()), day(hours.with_half_days()))
        };
        let [eleven, one, four] = ["16:00", "18:00", "21:00"].map(|utc| at(&format!("2012-11-23T{utc}:00Z")));
        assert_eq!((close(9, 16), close(9, 11)), ((four, one), (eleven, eleven)));
        // Who opens later has no session on that day.
        assert_eq!(close(14, 16), (four, at("2012-11-23T19:00:00Z")));
    }
}
