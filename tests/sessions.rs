//! What a session is, from the calendar of the exchange to the rows: ordinary days, half days and both sides of a change
//! of clocks, on tapes of the generator. What this can catch: a session that ends at another time than the tape's, a bar
//! too many or too few, a closing auction in the wrong bar. What it cannot: a calendar that is wrong, which
//! `src/calendar/nyse.rs` tests.

mod program;

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use program::{Folder, Running, at};

const REPLAY: &str = env!("CARGO_BIN_EXE_replay");
const OHLCV: &str = env!("CARGO_BIN_EXE_ohlcv");
const VWAP: &str = env!("CARGO_BIN_EXE_vwap");
const LATEST: &str = env!("CARGO_BIN_EXE_latest");
const MOVERS: &str = env!("CARGO_BIN_EXE_movers");

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
        let none = days(OHLCV, &tape, &[&MINUTES[..], &["session.calendar=off"]].concat());
        assert!(minutes == 390 || none == whole, "{none:?}");
    }
}

#[test]
fn averages_of_the_session_end_with_it() {
    let (_folder, tape) = tape("2012-11-21");
    let last: Vec<String> = days(VWAP, &tape, &["vwap.every=3h"]).into_iter().map(|(_, _, ends)| ends).collect();
    assert_eq!(last, ["16:00:00", "16:00:00", "13:00:00", "13:00:00"]);
    // The closing auction is less than a second after the bell.
    let with_auction = days(VWAP, &tape, &["vwap.every=3h", "session.auction=1s"]).into_iter();
    let last: Vec<String> = with_auction.map(|(_, _, ends)| ends).collect();
    assert_eq!(last, ["16:00:01", "16:00:01", "13:00:01", "13:00:01"]);
}

#[test]
fn an_auction_that_would_not_be_used_is_a_mistake() {
    let check = |set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        program::run(&[&["check"], &set[..]].concat())
    };
    check(&["session.auction=1s"]).exits(78).says(&["session.auction", "would not be used"]);
    check(&["session.auction=1s", "window.align=session"]).exits(0);
    let vwap = |over| Running::start(&mut at(VWAP, &["check", "--set", "session.auction=1s", "--set", over])).end();
    vwap("vwap.over=trades").exits(78).says(&["session.auction", "would not be used"]);
    vwap("vwap.over=window").exits(78).says(&["session.auction", "would not be used"]);
    vwap("vwap.over=session").exits(0);
}

#[test]
fn windows_across_the_beginning_of_a_day_are_refused_where_days_are_told_from_them() {
    let check = |program: &str, set: &[&str]| {
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        Running::start(&mut at(program, &[&["check"], &set[..]].concat())).end()
    };
    let futures =
        ["source.zone=America/Chicago", "source.day_begins=17:00", "session.open=17:00", "session.close=16:00"];
    let says = ["lie across the beginning of a day (17:00:00 in America/Chicago)", "divides the days"];
    for (program, set) in [(LATEST, &[][..]), (MOVERS, &["movers.over=day"])] {
        let of = |length| [&futures[..2], &[length], set].concat();
        check(program, &of("window.length=4h")).exits(78).says(&says);
        check(program, &of("window.length=7s")).exits(78).says(&says);
        check(program, &of("window.length=1h")).exits(0);
    }
    let filled = |length| [&futures[..], &[length, "window.fill=prev"]].concat();
    check(OHLCV, &filled("window.length=4h")).exits(78).says(&says);
    check(OHLCV, &filled("window.length=1h")).exits(0);
    // Here no session is near.
    check(OHLCV, &["window.length=7m", "window.fill=prev"]).exits(0);
}

/// Trades of one share of one symbol, by their times and sequence numbers.
fn trades(folder: &Folder, times: &[(&str, u64)]) -> String {
    let rows: String = times.iter().map(|(ts, seq)| format!("{ts},A,{seq},1,{seq},trade,\n")).collect();
    folder.write("trades.csv", format!("ts_event,symbol,price,size,seq,action,ref_seq\n{rows}"));
    folder.arg("trades.csv")
}

/// The rows of each day.
fn counts(program: &str, tape: &str, set: &[&str]) -> Vec<(String, usize)> {
    days(program, tape, set).into_iter().map(|(day, rows, _)| (day, rows)).collect()
}

fn of_days(days: &[(&str, usize)]) -> Vec<(String, usize)> {
    days.iter().map(|(day, rows)| ((*day).to_owned(), *rows)).collect()
}

#[test]
fn nothing_is_filled_on_days_without_a_session() {
    let folder = Folder::new();
    // A Friday before its last minute, the Saturday after it, and a holiday; each at noon or later in New York.
    let times = [("2026-01-09T20:58:30Z", 1), ("2026-01-10T17:00:00Z", 2), ("2026-01-19T17:00:00Z", 3)];
    let tape = trades(&folder, &times);
    let rows = |more: &[&str]| counts(OHLCV, &tape, &[&MINUTES[..], more].concat());
    assert_eq!(rows(&[]), of_days(&[("2026-01-09", 2), ("2026-01-10", 1), ("2026-01-19", 1)]));
    let alike = of_days(&[("2026-01-09", 2), ("2026-01-10", 240), ("2026-01-19", 240)]);
    assert_eq!(rows(&["session.calendar=off"]), alike);
    // The averages of a session have none where there is none, not of trades before and behind what would be its open.
    let times = [times[0], ("2026-01-10T13:00:00Z", 2), ("2026-01-10T17:00:00Z", 3)];
    assert_eq!(counts(VWAP, &trades(&folder, &times), &["vwap.every=1h"]), of_days(&[("2026-01-09", 1)]));
}

#[test]
fn a_calendar_of_ones_own_tells_the_days_that_differ() {
    let folder = Folder::new();
    let times = [("2026-01-09T12:29:30Z", 1), ("2026-01-10T12:00:00Z", 2), ("2026-01-12T12:00:00Z", 3)];
    let tape = trades(&folder, &times);
    let calendar = |text: &str| format!("session.calendar={}", folder.write("days.csv", text));
    let rows = |calendar: &str| {
        let set = ["source.zone=UTC", "session.open=09:00", "session.close=17:30", calendar];
        counts(OHLCV, &tape, &[&MINUTES[..], &set].concat())
    };
    let weekdays = of_days(&[("2026-01-09", 301), ("2026-01-10", 1), ("2026-01-12", 330)]);
    assert_eq!(rows(&calendar("date,open,close\n")), weekdays);
    let told = calendar("date,open,close\n2026-01-09,09:00,12:31\n2026-01-10,11:00,12:03\n2026-01-12,,\n");
    assert_eq!(rows(&told), of_days(&[("2026-01-09", 2), ("2026-01-10", 3), ("2026-01-12", 1)]));
    for (text, why) in [
        ("date,open,close\n2026-01-09,12:00,09:00\n", "line 2 closes before it opens: 2026-01-09,12:00,09:00"),
        ("", "is not the header"),
    ] {
        program::run(&["check", "--set", &calendar(text)]).exits(78).says(&["session.calendar", why]);
    }
    program::run(&["check", "--set", "session.calendar=lse"]).exits(78).says(&["lse: ", "the path of a CSV"]);
}

#[test]
fn a_day_of_trading_may_begin_on_the_evening_before() {
    let folder = Folder::new();
    // From Sunday, 17:30 in Chicago, over midnight to Monday, 16:30, which is after the close.
    let times = [("2026-01-04T23:30:00Z", 1), ("2026-01-05T07:00:00Z", 2), ("2026-01-05T22:30:00Z", 3)];
    let tape = trades(&folder, &times);
    let overnight = ["source.zone=America/Chicago", "session.open=17:00", "session.close=16:00"];
    let hours = ["window.length=1h", "window.align=session", "window.fill=prev"];
    let set = [&overnight[..], &hours, &["source.day_begins=17:00", "session.calendar=nyse"]].concat();
    // The zone of `days` is New York's, an hour ahead: the first five rows end on Sunday.
    let expected =
        [("2026-01-04".to_owned(), 5, "23:00:00".to_owned()), ("2026-01-05".to_owned(), 19, "18:00:00".to_owned())];
    assert_eq!(days(OHLCV, &tape, &set), expected);
    let anchored = [&overnight[..], &["source.day_begins=17:00", "vwap.every=24h"]].concat();
    assert_eq!(days(VWAP, &tape, &anchored), [("2026-01-05".to_owned(), 1, "17:00:00".to_owned())]);

    // Three trades of one day fill a window; and a number that comes again on the next day is another trade's.
    let three = ["source.zone=America/Chicago", "window.kind=count", "window.every=3"];
    assert_eq!(counts(OHLCV, &tape, &three), []);
    assert_eq!(
        counts(OHLCV, &tape, &[&three[..], &["source.day_begins=17:00"]].concat()),
        of_days(&[("2026-01-05", 1)])
    );
    let again = trades(&folder, &[("2026-01-05T22:59:59Z", 1), ("2026-01-05T23:00:00Z", 1)]);
    let on_time = |begins: &str| {
        let set = ["--set", "source.zone=America/Chicago", "--set", &format!("source.day_begins={begins}")];
        folder.play(&again, &set).ledger("on_time")
    };
    assert_eq!((on_time("00:00"), on_time("17:00")), (1, 2));

    let set: Vec<&str> = overnight.iter().flat_map(|set| ["--set", set]).collect();
    let why = ["session.close", "closes before it opens", "source.day_begins"];
    program::run(&[&["check"], &set[..]].concat()).exits(78).says(&why);
    program::run(&["check", "--set", "source.day_begins=evening"])
        .exits(78)
        .says(&["source.day_begins", "a time of day"]);
}
