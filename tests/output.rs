//! What outputs tell of rows that change: the folded changes, and the folded upserts, are the final rows; and the
//! sequence of changes is the same, byte for byte, whatever the knobs. What this can catch: a change that is lost, told
//! twice, at the wrong time or in an order of chance. What it cannot: a row that is wrong in all modes alike.

mod program;
mod tapes;

use std::collections::{BTreeMap, BTreeSet};

use program::{Folder, Running, at, fed, run};
use proptest::prelude::*;
use tapeflow::tick::{Kind, Price, Tick, mix};
use tapeflow::time::SECOND;
use tapes::{NAMES, Spec, specs, tape};

/// A pipeline: its program, settings in which `WINDOW` is the length that the tape's prints lie on the edges of, what
/// its files are called, and how many columns say what a row is about.
struct Pipeline {
    program: &'static str,
    sets: &'static [&'static str],
    name: &'static str,
    of_key: usize,
}

const HEADER: &str = "ts_event,ts_recv,symbol,venue,seq,price,size,action,ref_seq,bid,bid_size,ask,ask_size\n";

/// A record as CSV. A third of the trades become quotes, and so does whatever repeats one of them.
fn line(tick: &Tick) -> String {
    let Tick { ts_event, seq, price, size, ref_seq, .. } = tick;
    let said = match tick.kind {
        Kind::Trade if !seq.is_multiple_of(3) => format!("{price},{size},trade,,,,,"),
        Kind::Trade | Kind::Quote => {
            let ask = Price(price.0 + (mix(*seq) % 3) as i64 - 1);
            format!(",,quote,,{price},{size},{ask},7")
        }
        Kind::Cancel => format!(",,cancel,{ref_seq},,,,"),
        Kind::Correct => format!("{price},{size},correct,{ref_seq},,,,"),
    };
    let (symbol, ts_recv) = (NAMES[tick.symbol.0 as usize], ts_event + (mix(*seq) % 1_000_000) as i64);
    format!("{ts_event},{ts_recv},{symbol},V{},{seq},{said}\n", tick.venue.0)
}

/// The lines of a tape, and whose each is. Each symbol is there from the beginning: one that comes for the first time
/// when what it belongs to is forgotten fails a run.
fn lines(spec: &Spec) -> Vec<(usize, String)> {
    let opening = |symbol: u32| {
        let (ts, name) = (spec.start - 600 * SECOND, NAMES[symbol as usize]);
        (symbol as usize, format!("{ts},,{name},V0,{},100,1,trade,,,,,\n", 2_000_000 + symbol))
    };
    let all = tape(spec);
    (0..spec.symbols).map(opening).chain(all.iter().map(|tick| (tick.symbol.0 as usize, line(tick)))).collect()
}

/// The rules that fit a spec, as arguments.
fn rules(spec: &Spec, pipeline: &Pipeline) -> Vec<String> {
    let ms = |span: i64| format!("{}ms", span / (SECOND / 1_000));
    let shared =
        [format!("late.disorder={}", ms(spec.disorder)), "source.zone=UTC".into(), "source.max_jump=100000h".into()];
    let own = pipeline.sets.iter().map(|set| set.replace("WINDOW", &ms(spec.window)));
    shared.into_iter().chain(own).flat_map(|set| ["--set".into(), set]).collect()
}

/// The rows that stand when all changes are applied; each must retract what stands, and insert what does not.
fn fold_changes(changes: &str) -> BTreeSet<String> {
    let (mut rows, mut last) = (BTreeSet::new(), 0);
    for line in changes.lines().skip(1) {
        let (time, change) = line.split_once(',').unwrap();
        let (diff, row) = change.split_once(',').unwrap();
        let time: i64 = time.parse().unwrap();
        assert!(time >= last, "time runs back at {line}");
        last = time;
        match diff {
            "1" => assert!(rows.insert(row.to_owned()), "inserted twice: {line}"),
            "-1" => assert!(rows.remove(row), "retracted in vain: {line}"),
            _ => panic!("{line}"),
        }
    }
    rows
}

/// The rows that stand when all upserts are applied, whose first so many columns are their key.
fn fold_upserts(upserts: &str, of_key: usize) -> BTreeSet<String> {
    let mut rows = BTreeMap::new();
    for line in upserts.lines().skip(1) {
        let key: Vec<&str> = line.split(',').take(of_key).collect();
        let is_tombstone = line.split(',').skip(of_key).all(str::is_empty);
        if is_tombstone {
            assert!(rows.remove(&key).is_some(), "there was nothing to take back: {line}");
        } else {
            rows.insert(key, line.to_owned());
        }
    }
    rows.into_values().collect()
}

fn rows_of(text: &str) -> BTreeSet<String> {
    text.lines().skip(1).map(str::to_owned).collect()
}

/// Plays tapes in every mode, with other knobs, from other inputs and to files: each mode folds to the final rows, and
/// is the same whatever the knobs.
fn every_mode_folds_to_the_final_rows(pipeline: &Pipeline) {
    let config = ProptestConfig { cases: 5, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(spec in specs(), workers in 1..=3_u8)| {
        let (folder, lines) = (Folder::new(), lines(&spec));
        let tape: String = [HEADER.to_owned()].into_iter().chain(lines.iter().map(|(_, line)| line.clone())).collect();
        let input = folder.write("tape.csv", &tape);
        let rules = rules(&spec, pipeline);
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let program = |args: &[&str]| at(pipeline.program, &[args, &rules[..]].concat());
        let print_of = |input: &str, mode: &str, knobs: &[&str]| {
            let mode = format!("output.mode={mode}");
            Running::start(&mut program(&[&["--input", input, "--set", &mode], knobs].concat())).end().exits(0).stdout
        };
        let print = |mode: &str, knobs: &[&str]| print_of(&input, mode, knobs);
        let knobs = ["--workers", &workers.to_string(), "--batch", "7", "--linger", "1ms"];
        let last = print("final", &["-w", "1"]);
        prop_assert_eq!(&print("final", &knobs), &last);
        let changes = print("changes", &["-w", "1", "--batch", "1"]);
        prop_assert_eq!(&print("changes", &knobs), &changes);
        let from_stdin = program(&["--input", "-", "--set", "output.mode=changes"]);
        prop_assert_eq!(&fed(from_stdin, tape.as_bytes()).exits(0).stdout, &changes);
        prop_assert_eq!(fold_changes(&changes), rows_of(&last));
        let upserts = print("upsert", &["-w", "1"]);
        prop_assert_eq!(&print("upsert", &knobs), &upserts);
        prop_assert_eq!(&print("auto", &knobs), &upserts, "standard output tells upserts");
        prop_assert_eq!(fold_upserts(&upserts, pipeline.of_key), rows_of(&last));
        // Files hold the same lines, also where they do not fit into memory.
        for (mode, ending, expected) in
            [("final", "csv", &last), ("changes", "changes.csv", &changes), ("upsert", "upsert.csv", &upserts)]
        {
            let (out, mode) = (folder.arg(mode), format!("output.mode={mode}"));
            let to = ["--input", &input, "--out", &out, "--set", &mode, "--set", "output.buffer=1KiB"];
            Running::start(&mut program(&[&to, &knobs[..]].concat())).end().exits(0);
            let written = std::fs::read_to_string(format!("{out}/{}.{ending}", pipeline.name)).unwrap();
            prop_assert_eq!(&written, expected);
        }
        // Other partitions have other changes, and come to the same rows: here a file for each symbol.
        for (symbol, _) in NAMES.iter().enumerate() {
            let own = lines.iter().filter(|(of, _)| *of == symbol).map(|(_, line)| line.as_str());
            folder.write(&format!("parts/{symbol}.csv"), [HEADER].into_iter().chain(own).collect::<String>());
        }
        prop_assert_eq!(fold_changes(&print_of(&folder.arg("parts"), "changes", &knobs)), rows_of(&last));
    });
}

macro_rules! pipelines {
    ($($test:ident: $program:literal, $sets:expr, $name:literal, $of_key:literal;)*) => {
        $(
            #[test]
            fn $test() {
                let program = env!(concat!("CARGO_BIN_EXE_", $program));
                every_mode_folds_to_the_final_rows(&Pipeline { program, sets: &$sets, name: $name, of_key: $of_key });
            }
        )*
    };
}

pipelines! {
    every_mode_of_bars_folds: "ohlcv", ["window.length=WINDOW"], "bars", 3;
    every_mode_of_filled_windows_folds: "ohlcv", ["window.kind=count", "window.every=1"], "bars", 4;
    every_mode_of_averages_folds: "vwap", ["vwap.over=trades", "vwap.trades=3", "vwap.every=1s"], "averages", 3;
    every_mode_of_latest_folds: "latest", ["window.length=WINDOW"], "latest", 3;
    every_mode_of_movers_folds: "movers", ["window.length=WINDOW", "movers.top=2"], "movers", 4;
    every_mode_of_bursts_folds: "bursts", ["window.gap=1s", "bursts.top=3"], "bursts", 2;
    every_mode_of_correlations_folds:
        "corr", ["window.length=WINDOW", "corr.window=20s", "corr.min=2", "corr.top=2"], "corr", 3;
    every_mode_of_trades_beside_quotes_folds: "tq", ["window.length=WINDOW", "tq.markout=2s"], "tq", 3;
    every_mode_of_feed_quality_folds: "feedqc", ["window.length=WINDOW", "feedqc.stale=10s"], "feedqc", 3;
}

const TAPE: &str = "ts_event,symbol,price,size,seq,action,ref_seq
1000000000,A,10,1,1,,
1500000000,A,11,1,2,,
2500000000,A,12,1,3,,
2600000000,A,,,4,cancel,3
9000000000,A,,,5,cancel,1
9000000000,A,,,6,cancel,2
";

#[test]
fn a_row_that_goes_is_told_in_every_mode() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", TAPE);
    let print = |mode: &str, format: &str| {
        let (mode, format) = (format!("output.mode={mode}"), format!("output.format={format}"));
        run(&["--input", &input, "--set", &mode, "--set", &format]).exits(0).stdout
    };
    let header = "symbol,ts_open,ts_close,open,high,low,close,volume,trades,vwap\n";
    assert_eq!(print("final", "csv"), header);
    // The print at 2.5 s was cancelled before its window was over, so there never was a bar of it.
    let bar = "A,1000000000,2000000000,10,11,10,11,2,2,10.5";
    let changes = format!("time,diff,{header}2000000000,1,{bar}\n9000000000,-1,{bar}\n");
    assert_eq!(print("changes", "csv"), changes);
    assert_eq!(print("upsert", "csv"), format!("{header}{bar}\nA,1000000000,2000000000,,,,,,,\n"));
    let values = r#""open":10,"high":11,"low":10,"close":11,"volume":2,"trades":2,"vwap":10.5}"#;
    let key = r#""symbol":"A","ts_open":1000000000,"ts_close":2000000000,"#;
    let nulls = r#""open":null,"high":null,"low":null,"close":null,"volume":null,"trades":null,"vwap":null}"#;
    assert_eq!(print("upsert", "jsonl"), format!("{{{key}{values}\n{{{key}{nulls}\n"));
    let change = |time: &str, diff: &str| format!("{{\"time\":{time},\"diff\":{diff},{key}{values}\n");
    assert_eq!(print("changes", "jsonl"), change("2000000000", "1") + &change("9000000000", "-1"));
}

#[test]
fn windows_that_share_both_their_times_are_told_apart_by_their_number() {
    let folder = Folder::new();
    let tape = "ts_event,symbol,price,size,seq,action,ref_seq
1000000000,A,10,9,1,,
1000000005,A,10,2,2,,
9000000000,A,,,3,cancel,1
";
    let input = folder.write("tape.csv", tape);
    let print = |mode: &str| {
        let count = ["window.kind=count", "window.of=volume", "window.every=4", "window.overshoot=split"];
        let mode = format!("output.mode={mode}");
        let sets = [&count[..], &[&mode]].concat();
        let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
        run(&[&["--input", &input][..], &sets].concat()).exits(0).stdout
    };
    let header = "symbol,ts_open,ts_close,nth,open,high,low,close,volume,trades,vwap\n";
    let row = |nth: u8| format!("A,1000000000,1000000001,{nth},10,10,10,10,4,1,10\n");
    let gone = |nth: u8| format!("A,1000000000,1000000001,{nth},,,,,,,\n");
    assert_eq!(print("upsert"), [header.into(), row(0), row(1), gone(0), gone(1)].concat());
    let change = |time: &str, row: String| format!("{time},{row}");
    let told = [row(0), row(1)].map(|row| change("1001000000,1", row)).concat();
    let taken_back = [row(0), row(1)].map(|row| change("9000000000,-1", row)).concat();
    assert_eq!(print("changes"), format!("time,diff,{header}{told}{taken_back}"));
}

#[test]
fn a_folder_holds_one_mode_at_a_time() {
    let folder = Folder::new();
    let (input, out) = (folder.write("tape.csv", TAPE), folder.arg("out"));
    for (mode, name) in [("changes", "bars.changes.csv"), ("upsert", "bars.upsert.csv"), ("auto", "bars.csv")] {
        run(&["--input", &input, "--out", &out, "--set", &format!("output.mode={mode}")]).exits(0);
        let files = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let rows: Vec<String> = files.filter(|name| name.starts_with("bars")).collect();
        assert_eq!(rows, [name]);
    }
}

#[test]
fn a_pair_whose_place_alone_changes_is_told_once() {
    let folder = Folder::new();
    let mut tape = "ts_event,symbol,price,size\n".to_owned();
    for (second, prices) in [[10, 10, 10], [20, 20, 20], [30, 30, 30], [40, 40, 50]].iter().enumerate() {
        for (symbol, price) in ["A", "B", "C"].iter().zip(prices) {
            tape += &format!("{second}000000000,{symbol},{price},1\n");
        }
    }
    // The late print makes B fall, so that A and C are first instead of second.
    let input = folder.write("tape.csv", tape + "9000000000,A,40,1\n3500000000,B,5,1\n");
    let sets = ["corr.on=levels", "corr.window=4s", "corr.min=4", "corr.top=2", "output.mode=changes"];
    let args: Vec<&str> = ["--input", &input].into_iter().chain(sets.iter().flat_map(|set| ["--set", set])).collect();
    let changes = Running::start(&mut at(env!("CARGO_BIN_EXE_corr"), &args)).end().exits(0).stdout;
    let told = |pair: &str| -> Vec<String> {
        let lines = changes.lines().filter(|line| line.contains(&format!(",4000000000,{pair},")));
        lines.map(|line| line.split(",4000000000").next().unwrap().to_owned()).collect()
    };
    assert_eq!(told("A,B"), ["4000000000,1", "9000000000,-1", "9000000000,1"], "{changes}");
    assert_eq!(told("A,C"), ["4000000000,1"], "{changes}");
}
