//! On which days there is trading, and at which times of day.

mod days;
mod nyse;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Date, Time, Weekday};

pub use days::Days;
pub use nyse::{Session, early_close, is_open, trading_days};

/// Which days of trading are not like the others.
#[derive(Clone, Debug)]
pub enum Calendar {
    /// All days are alike.
    EveryDay,
    /// The holidays and half days of the New York Stock Exchange.
    Nyse,
    /// Saturdays and Sundays have no session, and these days another one than the others, or none.
    Table(Arc<BTreeMap<Date, Option<(Time, Time)>>>),
}

impl Calendar {
    /// Reads a table: a header `date,open,close`, and a line for each day that is not like others, such as
    /// `2026-12-24,09:30,13:00`, or `2026-12-25,,` where there is no session.
    ///
    /// # Errors
    /// When a line is none of these, has a day again, or closes before it opens.
    pub fn parse(text: &str, of: &Days) -> Result<Calendar, String> {
        let mut days = BTreeMap::new();
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).zip(1..);
        let mut lines = lines.filter(|(line, _)| !line.is_empty());
        let (header, number) = lines.next().unwrap_or(("", 1));
        if header != "date,open,close" {
            return Err(format!("line {number} is not the header date,open,close: {header}"));
        }
        for (line, number) in lines {
            let wrong = |what: &str| format!("line {number} {what}: {line}");
            let mut columns = line.split(',').map(str::trim);
            let (Some(date), Some(open), Some(close), None) =
                (columns.next(), columns.next(), columns.next(), columns.next())
            else {
                return Err(wrong("is not date,open,close"));
            };
            let date: Date = date.parse().map_err(|_| wrong("has no date such as 2026-12-24"))?;
            let time = |text: &str| text.parse::<Time>().map_err(|_| wrong("has no times such as 09:30"));
            let hours = if (open, close) == ("", "") { None } else { Some((time(open)?, time(close)?)) };
            if hours.is_some_and(|(open, close)| of.since_beginning(open) >= of.since_beginning(close)) {
                return Err(wrong("closes before it opens"));
            }
            if days.insert(date, hours).is_some() {
                return Err(wrong("has its day again"));
            }
        }
        Ok(Calendar::Table(Arc::new(days)))
    }

    /// The hours of a day of trading, which are `usual` on most; none where there is no session.
    pub fn hours(&self, day: Date, usual: (Time, Time)) -> Option<(Time, Time)> {
        match self {
            Calendar::EveryDay => Some(usual),
            Calendar::Nyse => is_open(day).then(|| (usual.0, early_close(day).map_or(usual.1, |at| at.min(usual.1)))),
            Calendar::Table(days) => days.get(&day).copied().unwrap_or_else(|| {
                let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
                (!is_weekend).then_some(usual)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};
    use jiff::tz::TimeZone;

    #[test]
    fn a_table_tells_the_days_that_are_not_like_others() {
        let text =
            "\u{feff}date,open,close\r\n2026-12-24, 08:00 ,12:30:30\r\n\r\n2026-12-25,,\n2026-12-26,10:00,11:00\n";
        let calendar = Calendar::parse(text, &Days::new(TimeZone::UTC)).unwrap();
        let usual = (time(9, 0, 0, 0), time(17, 30, 0, 0));
        let hours = |of_month| calendar.hours(date(2026, 12, of_month), usual);
        assert_eq!(hours(23), Some(usual));
        assert_eq!(hours(24), Some((time(8, 0, 0, 0), time(12, 30, 30, 0))));
        assert_eq!(hours(26), Some((time(10, 0, 0, 0), time(11, 0, 0, 0))));
        assert_eq!((hours(25), hours(27)), (None, None));
    }

    #[test]
    fn a_table_that_says_something_else_is_refused_with_its_line() {
        let refused = |text: &str| Calendar::parse(text, &Days::new(TimeZone::UTC)).unwrap_err();
        assert_eq!(refused("2026-12-25,,\n"), "line 1 is not the header date,open,close: 2026-12-25,,");
        let line = |line: &str| refused(&format!("date,open,close\n2026-12-24,,\n{line}\n"));
        assert_eq!(line("2026-12-25,09:30"), "line 3 is not date,open,close: 2026-12-25,09:30");
        assert_eq!(line("25.12.2026,,"), "line 3 has no date such as 2026-12-24: 25.12.2026,,");
        assert_eq!(line("2026-12-25,09:30,"), "line 3 has no times such as 09:30: 2026-12-25,09:30,");
        assert_eq!(line("2026-12-25,10:00,10:00"), "line 3 closes before it opens: 2026-12-25,10:00,10:00");
        assert_eq!(line("2026-12-24,09:30,10:00"), "line 3 has its day again: 2026-12-24,09:30,10:00");
    }

    #[test]
    fn the_exchange_has_no_session_on_holidays_and_a_short_one_on_half_days() {
        let usual = (time(9, 30, 0, 0), time(16, 0, 0, 0));
        let hours = |day| Calendar::Nyse.hours(day, usual);
        assert_eq!(hours(date(2026, 12, 24)), Some((usual.0, time(13, 0, 0, 0))));
        assert_eq!([date(2026, 1, 10), date(2026, 1, 19), date(2026, 12, 25)].map(hours), [None; 3]);
        assert_eq!(hours(date(2026, 1, 20)), Some(usual));
        assert_eq!(Calendar::EveryDay.hours(date(2026, 1, 10), usual), Some(usual));
    }
}
