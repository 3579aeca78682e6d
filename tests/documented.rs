//! What the documentation of other programs prints for its examples, for those whose rules ours can be set to. What this
//! can catch: a window that holds its end where theirs does not, another alignment, another fill. What it cannot: what
//! their documentation does not show. NautilusTrader's example of volume bars is in `tests/windows.rs`.

mod program;

use jiff::Timestamp;
use program::{Folder, verified_rows};

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_nanosecond() as i64
}

/// When each row begins and how many trades it has, of a tape of trades at these times, one dearer than the other.
fn counts(times: &[&str], set: &[&str]) -> Vec<(i64, u64)> {
    let lines = times.iter().zip(1..).map(|(at, price)| format!("{at},X,{price},1\n"));
    let tape = "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>();
    let common = ["output.mode=final", "source.max_jump=100d"];
    let args: Vec<&str> = common.iter().chain(set).flat_map(|set| ["--set", set]).collect();
    let row = |row: &String| {
        let columns: Vec<&str> = row.split(',').collect();
        (columns[1].parse().unwrap(), columns[8].parse().unwrap())
    };
    verified_rows(program::ohlcv, &tape, &args).iter().map(row).collect()
}

fn expected(rows: &[(&str, u64)]) -> Vec<(i64, u64)> {
    rows.iter().map(|(text, count)| (at(text), *count)).collect()
}

/// The trades of three days of QuestDB's page about `SAMPLE BY`.
const THREE_DAYS: [&str; 7] = [
    "2021-05-31T23:10:00Z",
    "2021-06-01T01:10:00Z",
    "2021-06-01T07:20:00Z",
    "2021-06-01T13:20:00Z",
    "2021-06-01T19:20:00Z",
    "2021-06-02T01:10:00Z",
    "2021-06-02T07:20:00Z",
];

#[test]
fn days_are_aligned_as_questdb_aligns_them() {
    let days = |set: &[&str]| counts(&THREE_DAYS, &[&["window.length=24h"], set].concat());
    // ALIGN TO CALENDAR; WITH OFFSET '02:00'; TO FIRST OBSERVATION; TIME ZONE 'Europe/Berlin'.
    let calendar = [("2021-05-31T00:00:00Z", 1), ("2021-06-01T00:00:00Z", 4), ("2021-06-02T00:00:00Z", 2)];
    assert_eq!(days(&[]), expected(&calendar));
    let moved = [("2021-05-31T02:00:00Z", 2), ("2021-06-01T02:00:00Z", 4), ("2021-06-02T02:00:00Z", 1)];
    assert_eq!(days(&["window.offset=2h"]), expected(&moved));
    let first = [("2021-05-31T23:10:00Z", 5), ("2021-06-01T23:10:00Z", 2)];
    assert_eq!(days(&["window.offset=23h10m"]), expected(&first));
    let berlin = ["source.zone=Europe/Berlin", "window.align=session", "session.open=00:00"];
    assert_eq!(days(&berlin), expected(&[("2021-05-31T22:00:00Z", 5), ("2021-06-01T22:00:00Z", 2)]));
}

#[test]
fn an_hour_that_the_clocks_repeat_is_two_as_in_questdb() {
    let hours = [0, 1, 2, 3, 4].map(|hour| format!("2021-10-31T0{hour}:10:00Z"));
    let begins = [0, 1, 2, 3, 4].map(|hour| (at(&format!("2021-10-31T0{hour}:00:00Z")), 1));
    let hours: Vec<&str> = hours.iter().map(String::as_str).collect();
    for align in ["epoch", "session"] {
        let align = format!("window.align={align}");
        let london = ["window.length=1h", "source.zone=Europe/London", "session.open=00:00", &align];
        assert_eq!(counts(&hours, &london), begins, "{align}");
    }
}

#[test]
fn an_empty_hour_is_skipped_or_filled_with_the_last_price_as_in_questdb() {
    let prices = ["2021-01-01T01:00:00Z", "2021-01-01T02:00:00Z", "2021-01-01T04:00:00Z", "2021-01-01T05:00:00Z"];
    let hour = ["window.length=1h", "source.zone=UTC", "session.open=00:00", "session.close=05:30"];
    let rows = prices.map(|at| (at, 1));
    assert_eq!(counts(&prices, &hour), expected(&rows));
    let filled = [&rows[..2], &[("2021-01-01T03:00:00Z", 0)], &rows[2..]].concat();
    assert_eq!(counts(&prices, &[&hour[..], &["window.fill=prev"]].concat()), expected(&filled));
}

/// The half hours of Polars' page about `group_by_dynamic`.
const HALF_HOURS: [&str; 7] = [
    "2021-12-16T00:00:00Z",
    "2021-12-16T00:30:00Z",
    "2021-12-16T01:00:00Z",
    "2021-12-16T01:30:00Z",
    "2021-12-16T02:00:00Z",
    "2021-12-16T02:30:00Z",
    "2021-12-16T03:00:00Z",
];

#[test]
fn windows_are_closed_on_the_left_or_the_right_as_in_polars() {
    let left = [("2021-12-16T00:00:00Z", 2), ("2021-12-16T01:00:00Z", 2), ("2021-12-16T02:00:00Z", 2)];
    let left = [&left[..], &[("2021-12-16T03:00:00Z", 1)]].concat();
    assert_eq!(counts(&HALF_HOURS, &["window.length=1h"]), expected(&left));
    // (start, end], which NautilusTrader's bars are by default, is [start + 1 ns, end + 1 ns).
    let right = [("2021-12-15T23:00:00.000000001Z", 1), ("2021-12-16T00:00:00.000000001Z", 2)];
    let right = [&right[..], &[("2021-12-16T01:00:00.000000001Z", 2), ("2021-12-16T02:00:00.000000001Z", 2)]].concat();
    assert_eq!(counts(&HALF_HOURS, &["window.length=1h", "window.offset=1ns"]), expected(&right));
}

#[test]
fn overlapping_windows_hold_what_polars_holds() {
    // Its example of an index column: every="2i", period="3i", closed="right", over 0 to 5.
    let seconds = [0, 1, 2, 3, 4, 5].map(|second| format!("1970-01-01T00:00:0{second}Z"));
    let seconds: Vec<&str> = seconds.iter().map(String::as_str).collect();
    let sliding = ["window.kind=sliding", "window.length=3s", "window.slide=2s", "window.offset=1ns"];
    let begins = [(-2, 2), (0, 3), (2, 3), (4, 1)].map(|(second, count)| (second * 1_000_000_000 + 1, count));
    assert_eq!(counts(&seconds, &sliding), begins);
}

/// The examples of windows in the manual of `ohlcv`, a line of TOML each.
#[test]
fn the_manuals_examples_of_windows_run_and_are_verified() {
    let folder = Folder::new();
    let manual = include_str!("../pipelines/ohlcv.toml");
    let examples: Vec<&str> = manual.lines().filter_map(|line| line.strip_prefix("#   window = ")).collect();
    let lines =
        (0..400).map(|i| format!("2026-01-05T14:{}:{:02}Z,X,{},{}\n", 30 + i / 30, i % 30 * 2, 10 + i % 7, 1 + i));
    let input = folder.write("tape.csv", "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>());
    for example in &examples {
        let config = folder.write("my.toml", format!("window = {example}\n"));
        let said = program::run(&["verify", "--config", &config, "--input", &input]).exits(0);
        assert!(
            said.stdout.starts_with("equal: ") && !said.stdout.starts_with("equal: 0"),
            "{example}: {}",
            said.stdout
        );
    }
    let has = |word: &str| examples.iter().any(|example| example.contains(word));
    for word in ["sliding", "session", "count", "volume", "notional", "split", "early", "fill", "offset", "align"] {
        assert!(has(word), "no example has `{word}`");
    }
}
