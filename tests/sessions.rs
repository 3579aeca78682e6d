//! What a session is, from the calendar of the exchange to the rows: ordinary days, half days and both sides of a change
//! of clocks, on tapes of the generator. What this can catch: a session that ends at another time than the tape's, a bar
//! too many or too few, a closing auction in the wrong bar. What it cannot: a calendar that is wrong, which
//! `src/calendar.rs` tests.

mod program;

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use program::{Folder, Running, at};

const REPLAY: &str = env!("CARGO_BIN_EXE_replay");
const OHLCV: &str = env!("CARGO_BIN_EXE_ohlcv");
const VWAP: &str = env!("CARGO_BIN_EXE_vwap");

/// A tape on which most minutes have no trade, of two symbols on two days from a date on.
fn tape(start: &str) -> (Folder, String) {
    let folder = Folder::new();
    let tape = folder.arg("tape");
    let args =
        ["generate", "--out", &tape, "--start", start, "--days", "2", "--symbols", "2", "--trades-per-day", "90"];
    Running::start(&mut at(REPLAY, &args)).end().exits(0);
    (folder, tape)
}

/// How many rows each day and symbol has, and when the last one ends; `verify` must find all of them right.
fn days(program: &str, tape: &str, set: &[&str]) -> Vec<(String, usize, String)> {
    let set: Vec<&str> = ["output.mode=final"].iter().chain(set).flat_map(|set| ["--set", set]).collect();
    let args = [&["--input", tape], &set[..]].concat();
    let rows = Running::start(&mut at(program, &args)).end().exits(0).stdout;
    let verified = Running::start(&mut at(program, &[&["verify"], &args[..]].concat())).end().exits(0);
    assert!(verified.stdout.starts_with("equal: "), "{set:?}: {}", verified.stdout);
    let zone = TimeZone::get("America/New_York").unwrap();
    let mut days: BTreeMap<(String, &str), (usize, String)> = BTreeMap::new();
    for row in rows.lines().skip(1) {
        let columns: Vec<&str> = row.split(',').collect();
        let ends = Timestamp::from_nanosecond(columns[2].parse().unwrap()).unwrap().to_zoned(zone.clone());
        let day = days.entry((ends.date().to_string(), columns[0])).or_default();
        *day = (day.0 + 1, ends.time().to_string());
    }
    days.into_iter().map(|((day, _), (rows, ends))| (day, rows, ends)).collect()
}

/// Both symbols of each day.
fn both(days: [(&str, usize, &str); 2]) -> Vec<(String, usize, String)> {
    days.iter().flat_map(|(day, rows, ends)| vec![((*day).to_owned(), *rows, (*ends).to_owned()); 2]).collect()
}

const MINUTES: [&str; 3] = ["window.length=1m", "window.align=session", "window.fill=prev"];

#[test]
fn a_session_has_390_minutes_and_a_half_day_210() {
    // Before and after Thanksgiving; before and after the clocks go forward, and back.
    for (start, next, (minutes, close)) in [
        ("2012-11-21", "2012-11-23", (210, "13")),
        ("2026-12-23", "2026-12-24", (210, "13")),
        ("2026-03-06", "2026-03-09", (390, "16")),
        ("2026-10-30", "2026-11-02", (390, "16")),
    ] {
        let (_folder, tape) = tape(start);
        let ending = |more: usize, after: &str| {
            both([(start, 390 + more, &format!("16:{after}")), (next, minutes + more, &format!("{close}:{after}"))])
        };
        // The closing auction is less than a second after the bell: in a bar of its own, or in the session's last one.
        assert_eq!(days(OHLCV, &tape, &MINUTES), ending(1, "01:00"));
        assert_eq!(days(OHLCV, &tape, &[&MINUTES[..], &["session.auction=1s"]].concat()), ending(0, "00:01"));
        // On a half day as on any other, where the zone's exchange has none.
        let whole = both([(start, 391, "16:01:00"), (next, if minutes == 390 { 391 } else { 390 }, "16:00:00")]);
        let none = days(OHLCV, &tape, &[&MINUTES[..], &["session.half_days=off"]].concat());
        assert!(minutes == 390 || none == whole, "{none:?}");
    }
}

#[test]
fn averages_of_the_session_end_with_it() {
    let (_folder, tape) = tape("2012-11-21");
    let last: Vec<String> = days(VWAP, &tape, &["vwap.every=3h"]).into_iter().map(|(_, _, ends)| ends).collect();
    assert_eq!(last, ["16:00:00", "16:00:00", "13:00:00", "13:00:00"]);
}

#[test]
fn an_auction_that_would_not_be_used_is_a_mistake() {
    let check = |set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        program::run(&[&["check"], &set[..]].concat())
    };
    check(&["session.auction=1s"]).exits(78).says(&["session.auction", "would not be used"]);
    check(&["session.auction=1s", "window.align=session"]).exits(0);
    check(&["session.half_days=lse"]).exits(78).says(&["session.half_days"]);
}
