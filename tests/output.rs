//! What outputs tell of rows that change: the folded changes, and the folded upserts, are the final rows; and the
//! sequence of changes is the same, byte for byte, whatever the knobs. What this can catch: a change that is lost, told
//! twice, at the wrong time or in an order of chance. What it cannot: a row that is wrong in all modes alike.

mod program;
mod tapes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use program::{Folder, run, run_on};
use proptest::prelude::*;
use tapeflow::tick::{Kind, Tick};
use tapeflow::time::SECOND;
use tapes::{NAMES, Spec, specs, tape};

/// The trades of a tape and what was said about them, as CSV.
fn csv(tape: &[Tick]) -> String {
    let mut text = "ts_event,symbol,venue,seq,price,size,action,ref_seq\n".to_owned();
    for tick in tape {
        let action = match tick.kind {
            Kind::Trade => "trade",
            Kind::Cancel => "cancel",
            Kind::Correct => "correct",
            Kind::Quote => continue,
        };
        let Tick { ts_event, seq, price, size, venue, .. } = tick;
        let (symbol, ref_seq) = (NAMES[tick.symbol.0 as usize], if action == "trade" { 0 } else { tick.ref_seq });
        let said = if action == "cancel" { ",".to_owned() } else { format!("{price},{size}") };
        let about = if action == "trade" { String::new() } else { ref_seq.to_string() };
        let _ = writeln!(text, "{ts_event},{symbol},V{},{seq},{said},{action},{about}", venue.0);
    }
    text
}

/// The rules that fit a spec, as arguments; windows are filled by a trade each, if they are not laid out in time.
fn rules(spec: &Spec, filled: bool) -> Vec<String> {
    let ns = |key: &str, span: i64| format!("{key}={}ms", span / (SECOND / 1_000));
    let disorder = ns("late.disorder", spec.disorder);
    let windows = if filled {
        vec!["window.kind=count".into(), "window.every=1".into()]
    } else {
        vec![ns("window.length", spec.window)]
    };
    [disorder, "source.zone=UTC".into(), "source.max_jump=100000h".into()]
        .into_iter()
        .chain(windows)
        .flat_map(|set| ["--set".into(), set])
        .collect()
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_mode_folds_to_the_final_rows_whatever_the_knobs(spec in specs(), filled: bool, workers in 1..=3_u8) {
        let (folder, tape) = (Folder::new(), csv(&tape(&spec)));
        let input = folder.write("tape.csv", &tape);
        let rules = rules(&spec, filled);
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        let print = |mode: &str, knobs: &[&str]| {
            let mode = format!("output.mode={mode}");
            run(&[&["--input", &input, "--set", &mode], &rules[..], knobs].concat()).exits(0).stdout
        };
        let knobs = ["--workers", &workers.to_string(), "--batch", "7", "--linger", "1ms"];
        let last = print("final", &["-w", "1"]);
        prop_assert_eq!(&print("final", &knobs), &last);
        let changes = print("changes", &["-w", "1", "--batch", "1"]);
        prop_assert_eq!(&print("changes", &knobs), &changes);
        let mode = [&["--input", "-", "--set", "output.mode=changes"], &rules[..]].concat();
        prop_assert_eq!(&run_on(tape.as_bytes(), &mode).exits(0).stdout, &changes);
        prop_assert_eq!(fold_changes(&changes), rows_of(&last));
        let upserts = print("upsert", &["-w", "1"]);
        prop_assert_eq!(&print("upsert", &knobs), &upserts);
        prop_assert_eq!(&print("auto", &knobs), &upserts, "standard output tells upserts");
        prop_assert_eq!(fold_upserts(&upserts, if filled { 4 } else { 3 }), rows_of(&last));
        // Files hold the same lines, also where they do not fit into memory.
        for (mode, name, expected) in
            [("final", "bars.csv", &last), ("changes", "bars.changes.csv", &changes), ("upsert", "bars.upsert.csv", &upserts)]
        {
            let (out, mode) = (folder.arg(mode), format!("output.mode={mode}"));
            let to = ["--input", &input, "--out", &out, "--set", &mode, "--set", "output.buffer=1KiB"];
            run(&[&to, &rules[..], &knobs].concat()).exits(0);
            prop_assert_eq!(&std::fs::read_to_string(format!("{out}/{name}")).unwrap(), expected);
        }
    }
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
