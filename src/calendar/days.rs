use jiff::Timestamp;
use jiff::civil::{Date, Time, time};
use jiff::tz::TimeZone;

use crate::time::EventTime;

const NOON: Time = time(12, 0, 0, 0);

/// Days of trading: local days of a time zone, or days that begin at another time than midnight. One that begins in the
/// afternoon has the date of the day after, to which most of it belongs.
///
/// ```text
///   begins = 18:00                    Monday's
///   ----[ Sunday 18:00 ..................... Monday 18:00 )[ ...          trading from 18:00 to 17:00
/// ```
#[derive(Clone, Debug)]
pub struct Days {
    zone: TimeZone,
    begins: Time,
}

impl Days {
    /// The local days of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Days { zone, begins: Time::midnight() }
    }

    /// The same days, begun at another time of day.
    pub fn beginning_at(self, begins: Time) -> Self {
        Days { begins, ..self }
    }

    /// The time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// When a day begins, by its clocks.
    pub fn begins(&self) -> Time {
        self.begins
    }

    /// How far into its day a local time is, where the clocks do not change.
    pub fn since_beginning(&self, time: Time) -> i64 {
        const DAY: i64 = 86_400_000_000_000;
        (self.begins.duration_until(time).as_nanos() as i64).rem_euclid(DAY)
    }

    /// The date of the day that holds `ts`; `None` at the ends of the calendar.
    pub fn date_of(&self, ts: EventTime) -> Option<Date> {
        let at = Timestamp::from_nanosecond(i128::from(ts)).ok()?;
        let date = at.to_zoned(self.zone.clone()).date();
        if at < self.beginning_of(date)? {
            return date.yesterday().ok();
        }
        let next = date.tomorrow().ok()?;
        Some(if at < self.beginning_of(next)? { date } else { next })
    }

    /// The first instant of a day, and that of the next one; those that event time does not know are its ends.
    pub fn bounds(&self, date: Date) -> Option<(EventTime, EventTime)> {
        let (start, end) = (self.beginning_of(date)?, self.beginning_of(date.tomorrow().ok()?)?);
        let nanos = |at: Timestamp| EventTime::try_from(at.as_nanosecond());
        Some((nanos(start).unwrap_or(EventTime::MIN), nanos(end).unwrap_or(EventTime::MAX)))
    }

    /// When the clocks show `time` in the day of this date; `None` where event time does not know it.
    pub fn at(&self, date: Date, time: Time) -> Option<EventTime> {
        EventTime::try_from(self.instant(date, time)?.as_nanosecond()).ok()
    }

    fn beginning_of(&self, date: Date) -> Option<Timestamp> {
        self.instant(date, self.begins)
    }

    fn instant(&self, date: Date, time: Time) -> Option<Timestamp> {
        let date = match self.begins > NOON {
            true if time >= self.begins => date.yesterday().ok()?,
            false if time < self.begins => date.tomorrow().ok()?,
            _ => date,
        };
        Some(date.to_datetime(time).to_zoned(self.zone.clone()).ok()?.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn at(text: &str) -> EventTime {
        text.parse::<Timestamp>().unwrap().as_nanosecond() as i64
    }

    #[test]
    fn a_day_that_begins_in_the_evening_has_the_date_of_the_next_one() {
        let days = Days::new(TimeZone::get("America/Chicago").unwrap()).beginning_at(time(17, 0, 0, 0));
        // Sunday, 17:00 in Chicago, is 23:00 UTC in winter.
        let (sunday, monday) = (at("2026-01-04T23:00:00Z"), at("2026-01-05T23:00:00Z"));
        assert_eq!(days.date_of(sunday - 1), Some(date(2026, 1, 4)));
        assert_eq!(days.date_of(sunday), Some(date(2026, 1, 5)));
        assert_eq!(days.date_of(monday - 1), Some(date(2026, 1, 5)));
        assert_eq!(days.bounds(date(2026, 1, 5)), Some((sunday, monday)));
        assert_eq!(days.at(date(2026, 1, 5), time(17, 0, 0, 0)), Some(sunday));
        assert_eq!(days.at(date(2026, 1, 5), time(16, 0, 0, 0)), Some(monday - 3_600_000_000_000));
        assert_eq!(days.since_beginning(time(16, 0, 0, 0)), 23 * 3_600_000_000_000);
    }

    #[test]
    fn a_day_that_begins_in_the_morning_ends_in_the_next_one() {
        let days = Days::new(TimeZone::UTC).beginning_at(time(4, 0, 0, 0));
        assert_eq!(days.date_of(at("2026-01-05T03:59:59Z")), Some(date(2026, 1, 4)));
        assert_eq!(days.at(date(2026, 1, 4), time(1, 0, 0, 0)), Some(at("2026-01-05T01:00:00Z")));
        assert_eq!(days.at(date(2026, 1, 4), time(4, 0, 0, 0)), Some(at("2026-01-04T04:00:00Z")));
    }

    #[test]
    fn days_lie_end_to_end_where_the_clocks_change_and_at_the_ends_of_time() {
        for begins in [0, 2, 17] {
            let days = Days::new(TimeZone::get("America/New_York").unwrap()).beginning_at(time(begins, 0, 0, 0));
            for spring_or_autumn in [date(2024, 3, 9), date(2024, 11, 2)] {
                let mut day = spring_or_autumn;
                for _ in 0..3 {
                    let (start, end) = days.bounds(day).unwrap();
                    assert_eq!((days.date_of(start), days.date_of(end - 1)), (Some(day), Some(day)), "{begins} {day}");
                    day = day.tomorrow().unwrap();
                    assert_eq!(days.bounds(day).unwrap().0, end);
                }
            }
            let first = days.bounds(days.date_of(EventTime::MIN).unwrap()).unwrap();
            let last = days.bounds(days.date_of(EventTime::MAX).unwrap()).unwrap();
            assert_eq!((first.0, last.1), (EventTime::MIN, EventTime::MAX));
        }
    }
}
