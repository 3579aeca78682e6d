use std::fs;

use jiff::civil::{Time, date};
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::units::TimeOfDay;
use super::{Layers, Settings};
use crate::calendar::{Calendar, Days};
use crate::time::EventTime;
use crate::window::Hours;

#[derive(Deserialize)]
struct SessionSection {
    open: TimeOfDay,
    close: TimeOfDay,
    calendar: String,
}

/// Where the New York Stock Exchange is.
const NEW_YORK: &str = "America/New_York";

/// The days of trading: those of `source.zone`, begun at `source.day_begins`.
pub(super) fn days(layers: &mut Layers) -> Option<Days> {
    // An unknown zone is a problem that the section of sources reports.
    let zone = TimeZone::get(&layers.section::<String>("source.zone")?).unwrap_or(TimeZone::UTC);
    let begins: TimeOfDay = layers.section("source.day_begins")?;
    Some(Days::new(zone).beginning_at(begins.0))
}

/// Refuses windows of which one lies across the beginning of a day, as `is_across` tells of a beginning, where days are
/// told from windows.
pub(super) fn check_days(layers: &mut Layers, is_across: impl Fn(EventTime) -> bool) -> Option<()> {
    let days = days(layers)?;
    // In winter and in summer, since clocks change.
    let dates = (1990..2040).flat_map(|year| [1, 7].map(|month| date(year, month, 15)));
    let mut begins = dates.filter_map(|date| Some(days.bounds(date)?.0));
    if begins.any(is_across) {
        let zone = days.zone().iana_name().unwrap_or("its zone").to_owned();
        let title = format!("windows that lie across the beginning of a day ({} in {zone})", days.begins());
        let help = "what is told of a day is put together from windows: give a length that divides the days, as 1s, 1m and \
                    15m do";
        layers.problem("window.length", &title, help);
    }
    Some(())
}

impl Settings for Hours {
    /// The `[session]` section, on the days of `[source]`.
    fn read(layers: &mut Layers) -> Option<Self> {
        let SessionSection { open, close, calendar } = layers.section("session")?;
        let days = days(layers)?;
        let hours = Hours::new(days.clone(), open.0, close.0);
        if hours.is_none() {
            let help = "write for example open = \"09:30\" and close = \"16:00\"; for a session that goes on over \
                        night, say with source.day_begins when a day of trading begins, for example \"18:00\"";
            layers.problem("session.close", "a session that closes before it opens", help);
        }
        let calendar = self::calendar(layers, &calendar, &days)?;
        let hours = hours.or_else(|| Hours::new(Days::new(TimeZone::UTC), Time::MIN, Time::MAX))?;
        Some(hours.with_calendar(calendar))
    }
}

fn calendar(layers: &mut Layers, name: &str, days: &Days) -> Option<Calendar> {
    match name {
        "nyse" => return Some(Calendar::Nyse),
        "auto" if layers.section::<String>("source.zone")? == NEW_YORK => return Some(Calendar::Nyse),
        "auto" | "off" => return Some(Calendar::EveryDay),
        _ => {}
    }
    let read = fs::read_to_string(name).map_err(|e| e.to_string()).and_then(|text| Calendar::parse(&text, days));
    let calendar = read.map_err(|why| {
        let help = format!("{name}: {why}; write auto, nyse, off, or the path of a CSV date,open,close");
        layers.problem("session.calendar", "no calendar", &help);
    });
    Some(calendar.unwrap_or(Calendar::EveryDay))
}
