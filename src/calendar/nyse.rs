//! When the New York Stock Exchange trades: the regular session of a day, with holidays, half days and daylight saving
//! time. The rules are those in force since 1998.

use jiff::ToSpan;
use jiff::civil::{Date, Time, Weekday, date, time};
use jiff::tz::TimeZone;

use crate::error::{Error, Result};
use crate::time::EventTime;

/// Days on which the exchange stayed closed out of turn: attacks, storms, and days of mourning.
const CLOSED: [Date; 10] = [
    date(2001, 9, 11),
    date(2001, 9, 12),
    date(2001, 9, 13),
    date(2001, 9, 14),
    date(2004, 6, 11),
    date(2007, 1, 2),
    date(2012, 10, 29),
    date(2012, 10, 30),
    date(2018, 12, 5),
    date(2025, 1, 9),
];

/// A regular session, without the auction that follows its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The opening bell.
    pub open: EventTime,
    /// The closing bell.
    pub close: EventTime,
}

impl Session {
    /// The session of a day; that of an ordinary day if the exchange is closed.
    ///
    /// # Errors
    /// When the day is too far away to have a time in nanoseconds.
    pub fn of(day: Date) -> Result<Session> {
        let zone = TimeZone::get("America/New_York").map_err(|e| Error::Input(format!("looking for New York: {e}")))?;
        let at = |time: Time| -> Result<EventTime> {
            let there = day.to_datetime(time).to_zoned(zone.clone());
            let nanos = there.ok().and_then(|at| EventTime::try_from(at.timestamp().as_nanosecond()).ok());
            nanos.ok_or_else(|| Error::Usage(format!("{day} is too far away to have a time in nanoseconds")))
        };
        let close = early_close(day).unwrap_or(time(16, 0, 0, 0));
        Ok(Session { open: at(time(9, 30, 0, 0))?, close: at(close)? })
    }

    /// How long it is, in nanoseconds.
    pub fn length(&self) -> i64 {
        self.close - self.open
    }
}

/// The days of trading from `start` on.
pub fn trading_days(start: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(start), |day| day.checked_add(1.day()).ok()).filter(|day| is_open(*day))
}

/// Whether the exchange trades on a day.
pub fn is_open(day: Date) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && !is_holiday(day) && !CLOSED.contains(&day)
}

/// When trading ends on a half day: at 13:00.
pub fn early_close(day: Date) -> Option<Time> {
    is_half_day(day).then(|| time(13, 0, 0, 0))
}

fn is_half_day(day: Date) -> bool {
    let (year, weekday) = (day.year(), day.weekday());
    let is = match (day.month(), day.day()) {
        (7, 3) => match weekday {
            Weekday::Monday | Weekday::Tuesday | Weekday::Thursday => true,
            Weekday::Wednesday => year >= 2013,
            _ => false,
        },
        (7, 5) => weekday == Weekday::Friday && year <= 2012,
        (11, _) => nth(year, 11, 4, Weekday::Thursday).is_some_and(|thanks| day == thanks + 1.day()),
        (12, 24) => true,
        (12, 26) => weekday == Weekday::Friday && year == 2003,
        (12, 31) => year == 1999,
        _ => false,
    };
    is && is_open(day)
}

fn is_holiday(day: Date) -> bool {
    let (year, weekday) = (day.year(), day.weekday());
    let is_nth = |n, month, weekday| nth(year, month, n, weekday) == Some(day);
    // A holiday on a Sunday is kept on Monday; one on a Saturday on Friday.
    let is_kept = |month: i8, of_month: i8| {
        let holiday = date(year, month, of_month);
        match holiday.weekday() {
            Weekday::Saturday => day == holiday - 1.day(),
            Weekday::Sunday => day == holiday + 1.day(),
            _ => day == holiday,
        }
    };
    // New Year on a Saturday is not kept: Friday belongs to the old year.
    let new_year =
        (day.month(), day.day()) == (1, 1) || ((day.month(), day.day()) == (1, 2) && weekday == Weekday::Monday);
    new_year
        || is_nth(3, 1, Weekday::Monday)
        || is_nth(3, 2, Weekday::Monday)
        || day == easter(year) - 2.days()
        || is_nth(-1, 5, Weekday::Monday)
        || (year >= 2022 && is_kept(6, 19))
        || is_kept(7, 4)
        || is_nth(1, 9, Weekday::Monday)
        || is_nth(4, 11, Weekday::Thursday)
        || is_kept(12, 25)
}

fn nth(year: i16, month: i8, n: i8, weekday: Weekday) -> Option<Date> {
    date(year, month, 1).nth_weekday_of_month(n, weekday).ok()
}

/// Easter Sunday, by the anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, chapter 8).
fn easter(year: i16) -> Date {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    date(year, month as i8, day as i8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_some_years_are_the_exchanges() {
        let count = |year| trading_days(date(year, 1, 1)).take_while(|day| day.year() == year).count();
        // As the exchange has counted them.
        let counted = [(2001, 248), (2004, 252), (2007, 251), (2012, 250), (2018, 251), (2021, 252), (2024, 252)];
        assert_eq!(counted.map(|(year, _)| (year, count(year))), counted);
        let closed = [date(2012, 4, 6), date(2021, 12, 24), date(2022, 6, 20), date(2023, 1, 2), date(2026, 7, 3)];
        assert_eq!(closed.map(is_open), [false; 5]);
        assert!(is_open(date(2021, 12, 31)) && is_open(date(2010, 12, 31)));
    }

    #[test]
    fn half_days_end_at_one() {
        let halves = [date(2012, 7, 3), date(2012, 11, 23), date(2012, 12, 24), date(2024, 7, 3), date(2026, 12, 24)];
        assert_eq!(halves.map(is_half_day), [true; 5]);
        let whole = [date(2012, 7, 5), date(2021, 7, 2), date(2022, 7, 1), date(2021, 11, 25), date(2021, 12, 24)];
        assert_eq!(whole.map(is_half_day), [false; 5]);
        let hours = |day| Session::of(day).unwrap().length() as f64 / 3.6e12;
        assert_eq!((hours(date(2026, 12, 24)), hours(date(2026, 12, 23))), (3.5, 6.5));
    }

    #[test]
    fn the_bell_rings_at_half_past_nine_in_summer_and_winter() {
        let open = |day| Session::of(day).unwrap().open;
        // 2026-03-06 14:30 and, after the clocks went forward, 2026-03-09 13:30 UTC.
        assert_eq!(open(date(2026, 3, 6)), 1_772_807_400_000_000_000);
        assert_eq!(open(date(2026, 3, 9)), 1_773_063_000_000_000_000);
    }
}
