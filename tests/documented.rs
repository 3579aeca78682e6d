//! What the documentation of other programs prints for its examples, for those whose rules ours can be set to. What this
//! can catch: a window that holds its end where theirs does not, another alignment, another fill. What it cannot: what
//! their documentation does not show. What is in the bars of NautilusTrader's example is in `tests/windows.rs`.

mod program;

use jiff::Timestamp;
use program::{Folder, verified_rows};

/// When a row begins, how many trades it has, and its open, high, low and close.
type Bar = (i64, u64, [f64; 4]);

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_nanosecond() as i64
}

/// The rows of a tape of these trades.
fn bars(trades: &[(&str, f64)], set: &[&str]) -> Vec<Bar> {
    let lines = trades.iter().map(|(at, price)| format!("{at},X,{price},1\n"));
    let tape = "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>();
    let common = ["output.mode=final", "source.max_jump=100d"];
    let args: Vec<&str> = common.iter().chain(set).flat_map(|set| ["--set", set]).collect();
    let row = |row: &String| {
        let columns: Vec<&str> = row.split(',').collect();
        let prices = [3, 4, 5, 6].map(|column| columns[column].parse().unwrap());
        (columns[1].parse().unwrap(), columns[8].parse().unwrap(), prices)
    };
    verified_rows(program::ohlcv, &tape, &args).iter().map(row).collect()
}

/// The row of a window that begins then and holds trades at these prices.
fn of(begin: &str, prices: &[f64]) -> Bar {
    let (high, low) = (prices.iter().copied().fold(0.0, f64::max), prices.iter().copied().fold(f64::MAX, f64::min));
    (at(begin), prices.len() as u64, [prices[0], high, low, prices[prices.len() - 1]])
}

/// The trades of three days of QuestDB's page about `SAMPLE BY`, which prints how many are in each sample.
const THREE_DAYS: [(&str, f64); 7] = [
    ("2021-05-31T23:10:00Z", 100.5),
    ("2021-06-01T01:10:00Z", 101.2),
    ("2021-06-01T07:20:00Z", 100.8),
    ("2021-06-01T13:20:00Z", 101.0),
    ("2021-06-01T19:20:00Z", 102.1),
    ("2021-06-02T01:10:00Z", 101.5),
    ("2021-06-02T07:20:00Z", 100.9),
];

#[test]
fn days_are_aligned_as_questdb_aligns_them() {
    let days = |set: &[&str]| bars(&THREE_DAYS, &[&["window.length=24h"], set].concat());
    // ALIGN TO CALENDAR; WITH OFFSET '02:00'; TO FIRST OBSERVATION; TIME ZONE 'Europe/Berlin'.
    let calendar = [
        of("2021-05-31T00:00:00Z", &[100.5]),
        of("2021-06-01T00:00:00Z", &[101.2, 100.8, 101.0, 102.1]),
        of("2021-06-02T00:00:00Z", &[101.5, 100.9]),
    ];
    assert_eq!(days(&[]), calendar);
    let moved = [
        of("2021-05-31T02:00:00Z", &[100.5, 101.2]),
        of("2021-06-01T02:00:00Z", &[100.8, 101.0, 102.1, 101.5]),
        of("2021-06-02T02:00:00Z", &[100.9]),
    ];
    assert_eq!(days(&["window.offset=2h"]), moved);
    let five_and_two =
        |[one, two]: [&str; 2]| [of(one, &[100.5, 101.2, 100.8, 101.0, 102.1]), of(two, &[101.5, 100.9])];
    let first = five_and_two(["2021-05-31T23:10:00Z", "2021-06-01T23:10:00Z"]);
    assert_eq!(days(&["window.offset=23h10m"]), first);
    let berlin = ["source.zone=Europe/Berlin", "window.align=session", "session.open=00:00"];
    assert_eq!(days(&berlin), five_and_two(["2021-05-31T22:00:00Z", "2021-06-01T22:00:00Z"]));
}

#[test]
fn an_hour_that_the_clocks_repeat_is_two_as_in_questdb() {
    let prices = [100.5, 101.2, 100.8, 101.5, 102.0];
    let times = [0, 1, 2, 3, 4].map(|hour| format!("2021-10-31T0{hour}:10:00Z"));
    let trades: Vec<(&str, f64)> = times.iter().map(String::as_str).zip(prices).collect();
    let hours = [0, 1, 2, 3, 4].map(|hour| of(&format!("2021-10-31T0{hour}:00:00Z"), &[prices[hour]]));
    for align in ["epoch", "session"] {
        let align = format!("window.align={align}");
        let london = ["window.length=1h", "source.zone=Europe/London", "session.open=00:00", &align];
        assert_eq!(bars(&trades, &london), hours, "{align}");
    }
}

#[test]
fn an_empty_hour_is_skipped_or_filled_with_the_last_price_as_in_questdb() {
    // The page has max(price) of each hour, in letters: p1, p2, p4 and p5, and with FILL(PREV) that of the second hour
    // in the third one as well.
    let trades = [
        ("2021-01-01T01:00:00Z", 1.0),
        ("2021-01-01T02:00:00Z", 2.0),
        ("2021-01-01T04:00:00Z", 4.0),
        ("2021-01-01T05:00:00Z", 5.0),
    ];
    let hour = ["window.length=1h", "source.zone=UTC", "session.open=00:00", "session.close=05:30"];
    let rows = trades.map(|(at, price)| of(at, &[price]));
    assert_eq!(bars(&trades, &hour), rows);
    let filled = [&rows[..2], &[(at("2021-01-01T03:00:00Z"), 0, [2.0; 4])], &rows[2..]].concat();
    assert_eq!(bars(&trades, &[&hour[..], &["window.fill=prev"]].concat()), filled);
}

/// The half hours of Polars' page about `group_by_dynamic`. Their numbers, of which it prints those in each window,
/// begin with 0, which is no price, so these are one more.
const HALF_HOURS: [(&str, f64); 7] = [
    ("2021-12-16T00:00:00Z", 1.0),
    ("2021-12-16T00:30:00Z", 2.0),
    ("2021-12-16T01:00:00Z", 3.0),
    ("2021-12-16T01:30:00Z", 4.0),
    ("2021-12-16T02:00:00Z", 5.0),
    ("2021-12-16T02:30:00Z", 6.0),
    ("2021-12-16T03:00:00Z", 7.0),
];

#[test]
fn windows_are_closed_on_the_left_or_the_right_as_in_polars() {
    let left = [
        of("2021-12-16T00:00:00Z", &[1.0, 2.0]),
        of("2021-12-16T01:00:00Z", &[3.0, 4.0]),
        of("2021-12-16T02:00:00Z", &[5.0, 6.0]),
        of("2021-12-16T03:00:00Z", &[7.0]),
    ];
    assert_eq!(bars(&HALF_HOURS, &["window.length=1h"]), left);
    // (start, end], which NautilusTrader's bars are by default, is [start + 1 ns, end + 1 ns).
    let right = [
        of("2021-12-15T23:00:00.000000001Z", &[1.0]),
        of("2021-12-16T00:00:00.000000001Z", &[2.0, 3.0]),
        of("2021-12-16T01:00:00.000000001Z", &[4.0, 5.0]),
        of("2021-12-16T02:00:00.000000001Z", &[6.0, 7.0]),
    ];
    assert_eq!(bars(&HALF_HOURS, &["window.length=1h", "window.offset=1ns"]), right);
}

#[test]
fn overlapping_windows_hold_what_polars_holds() {
    // Its example of an index column: every="2i", period="3i", closed="right", over the letters A, A, B, B, B, C at 0
    // to 5.
    let [a, b, c] = [10.0, 20.0, 30.0];
    let times = [0, 1, 2, 3, 4, 5].map(|second| format!("1970-01-01T00:00:0{second}Z"));
    let letters: Vec<(&str, f64)> = times.iter().map(String::as_str).zip([a, a, b, b, b, c]).collect();
    let sliding = ["window.kind=sliding", "window.length=3s", "window.slide=2s", "window.offset=1ns"];
    let expected = [
        of("1969-12-31T23:59:58.000000001Z", &[a, a]),
        of("1970-01-01T00:00:00.000000001Z", &[a, b, b]),
        of("1970-01-01T00:00:02.000000001Z", &[b, b, c]),
        of("1970-01-01T00:00:04.000000001Z", &[c]),
    ];
    assert_eq!(bars(&letters, &sliding), expected);
}

#[test]
fn what_fills_no_bar_is_told_in_nautilus_traders_example() {
    // Its issue 3608, in thousandths of a share, and a day later a trade that fills no bar either.
    let trades = [("05", 100_000), ("05", 77_231), ("05", 50_000), ("05", 50_000), ("06", 5)];
    let lines = trades.iter().zip(10..).map(|((day, size), at)| format!("2026-01-{day}T15:00:{at}Z,X,1,{size}\n"));
    let folder = Folder::new();
    let input = folder.write("tape.csv", "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>());
    let set =
        ["window.kind=count", "window.of=volume", "window.every=20k", "window.overshoot=split", "source.max_jump=2d"];
    let played = folder.play(&input, &set.map(|set| ["--set", set]).concat());
    assert_eq!(played.rows().len(), 13);
    assert_eq!(played.summary["unfilled"], serde_json::json!({ "windows": 2, "trades": 2, "volume": 17_236 }));
    let told = "  unfilled windows 2 with trades 2 and shares 17,236, which are in no row\n";
    assert!(played.stderr.contains(told), "{}", played.stderr);
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
