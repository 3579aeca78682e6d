//! `PIPELINE explain` on hand-made tapes: who was late and by how much, what found nothing, and what a row is made of.
//! What this can catch: a verdict that is not that of the run, and a record of a row that is not shown. What it cannot:
//! how the words read.

mod program;

use std::process::Command;

use program::{Folder, Running, run};
use serde_json::Value;

const TAPE: &str = "ts_event,symbol,price,size,seq,action,ref_seq
1000000000,A,10,1,1,,
1500000000,A,11,1,2,,
9000000000,A,12,1,3,,
1600000000,A,20,1,4,,
1000000000,B,7,1,5,,
9000000000,A,,,6,cancel,2
9000000000,A,,,7,cancel,99
9500000000,A,8,1,8,correct,1
";

#[test]
fn late_records_are_told_with_how_late_they_were_as_the_run_judged_them() {
    let folder = Folder::new();
    let (input, out) = (folder.write("tape.csv", TAPE), folder.arg("out"));
    run(&["--input", &input, "--out", &out]).exits(0);
    let said = run(&["explain", &out]).exits(0).stdout;
    assert!(
        said.contains("8 records, of which 1 were late by their symbol's own order: 1 amend results, 0 came"),
        "{said}"
    );
    assert!(said.contains("1600000000,4,A,,trade,,20,1   late by 7.40 s: amends"), "{said}");
    assert!(said.contains("3 cancels and corrections, of which 1 found no print"), "{said}");
    assert!(said.contains("9000000000,7,A,,cancel,99,0,0   speaks of a print that is not there"), "{said}");
    // The settings of that run hold, and what is said now is stronger.
    let dropped = run(&["explain", &out, "--set", "late.policy=drop"]).exits(0).stdout;
    assert!(dropped.contains("0 amend results, 1 came too late") && dropped.contains("not taken"), "{dropped}");
    assert_eq!(run(&["explain", "--input", &input]).exits(0).stdout, said);
}

#[test]
fn why_shows_the_row_and_all_that_it_is_made_of() {
    let folder = Folder::new();
    let (input, out) = (folder.write("tape.csv", TAPE), folder.arg("out"));
    run(&["--input", &input, "--out", &out]).exits(0);
    for time in ["1700000000", "1970-01-01T00:00:01.7Z"] {
        let said = run(&["explain", &out, "--why", "A", time]).exits(0).stdout;
        let expected = "\
symbol,ts_open,ts_close,open,high,low,close,volume,trades,vwap
A,1000000000,2000000000,8,20,8,20,2,2,14
5 records lie in [1000000000, 2000000000) or speak of one that does
  ts_event,seq,symbol,venue,action,ref_seq,price,size
  1000000000,1,A,,trade,,10,1   on time
  1500000000,2,A,,trade,,11,1   on time
  1600000000,4,A,,trade,,20,1   late by 7.40 s: amends
  9000000000,6,A,,cancel,2,0,0   on time: amends
  9500000000,8,A,,correct,1,8,1   on time: amends
";
        assert_eq!(said, expected);
    }
    let none = run(&["explain", &out, "--why", "B", "5000000000"]).exits(0).stdout;
    assert_eq!(none, "no row of bars about B holds 5000000000\n");
    run(&["explain", &out, "--why", "NOBODY", "1"]).exits(2).says(&["no such symbol"]);
    run(&["explain", &out, "--why", "A", "noon"]).exits(2).says(&["--why A noon"]);
}

#[test]
fn why_of_a_trade_beside_its_quote_shows_the_quote_and_a_venue_is_asked_for_by_its_name() {
    let folder = Folder::new();
    let tape = "ts_event,symbol,venue,seq,action,price,size,bid,bid_size,ask,ask_size
1000000000,A,X,1,quote,,,9,3,13,4
1100000000,A,X,2,quote,,,9,3,12,4
5500000000,A,X,3,,12,1,,,,
";
    let input = folder.write("tape.csv", tape);
    let why = |program: fn(&[&str]) -> Command, name: &str| {
        let args = ["explain", "--input", &input, "--window", "1s", "--why", name, "5500000000"];
        Running::start(&mut program(&args)).end().exits(0).stdout
    };
    let records = "\
2 records lie in [5000000000, 7000000000) or speak of one that does; 1 of them from before holds in it
  ts_event,seq,symbol,venue,action,ref_seq,price,size
  1100000000,2,A,X,quote,,9,3 (bid; ask 12,4)   on time
  5500000000,3,A,X,trade,,12,1   on time
";
    let said = why(program::tq, "A");
    assert!(said.ends_with(records), "{said}");
    let of_venue = why(program::feedqc, "X");
    assert!(
        of_venue.contains("\nX,5000000000,6000000000,1,1,") && of_venue.contains("\n1 records lie in"),
        "{of_venue}"
    );
    assert_eq!(why(program::feedqc, "A"), "no row of feedqc about A holds 5500000000\n");
}

#[test]
fn why_shows_all_windows_that_hold_the_time_and_the_records_of_all_of_them() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", TAPE);
    let sliding = ["--set", "window.kind=sliding", "--set", "window.slide=400ms"];
    let why = ["explain", "--input", &input, "--why", "A", "1550000000"];
    let said = run(&[&why[..], &sliding].concat()).exits(0).stdout;
    let rows: Vec<&str> = said.lines().filter(|line| line.starts_with("A,")).collect();
    assert!(rows.len() == 2 && rows[0].starts_with("A,800000000,") && rows[1].starts_with("A,1200000000,"), "{said}");
    assert!(said.contains("5 records lie in [800000000, 2200000000) or speak of one that does"), "{said}");
}

#[test]
fn a_print_that_was_not_taken_cannot_be_found() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", format!("{TAPE}9600000000,A,,,9,cancel,4\n"));
    let amend = run(&["explain", "--input", &input]).exits(0).stdout;
    assert!(amend.contains("4 cancels and corrections, of which 1 found no print"), "{amend}");
    let args = ["--input", &input, "--set", "late.policy=drop"];
    let drop = run(&[&["explain"], &args[..]].concat()).exits(0).stdout;
    assert!(drop.contains("4 cancels and corrections, of which 2 found no print"), "{drop}");
    assert_eq!(folder.play(&input, &args[2..]).ledger("unmatched"), 2);
}

#[test]
fn where_not_all_records_can_be_shown_those_that_amend_are() {
    let folder = Folder::new();
    let trades: String = (0..30).map(|i| format!("{},A,10,1,{i},,\n", 1_000_000_000 + i)).collect();
    let tape = format!("ts_event,symbol,price,size,seq,action,ref_seq\n{trades}1500000000,A,,,99,cancel,29\n");
    let input = folder.write("tape.csv", tape);
    let said = run(&["explain", "--input", &input, "--why", "A", "1000000000"]).exits(0).stdout;
    let first =
        "price,size\n  1500000000,99,A,,cancel,29,0,0   on time: amends\n  1000000000,0,A,,trade,,10,1   on time\n";
    assert!(said.contains(first) && said.ends_with("  and 11 more; --all shows them\n"), "{said}");
    let all = run(&["explain", "--input", &input, "--all", "--why", "A", "1000000000"]).exits(0).stdout;
    let of_row = |said: &str| said.lines().filter(|line| line.starts_with("  1")).count();
    assert_eq!((of_row(&said), of_row(&all)), (20, 31), "{all}");
    assert!(all.ends_with("  1500000000,99,A,,cancel,29,0,0   on time: amends\n"), "{all}");
}

#[test]
fn where_not_all_records_can_be_shown_those_that_the_pipeline_does_not_read_come_last() {
    let folder = Folder::new();
    let lines = |i: u32| format!("{0},A,,,{0},quote,9,11\n{0},A,10,1,{0},,,\n", 1_000_000_000 + i);
    let tape = format!("ts_event,symbol,price,size,seq,action,bid,ask\n{}", (0..15).map(lines).collect::<String>());
    let why = ["explain", "--input", &folder.write("tape.csv", tape), "--why", "A"];
    let said = run(&[&why[..], &["2026-01-05T15:00:00Z"]].concat()).exits(0).stdout;
    assert_eq!(said, "no row of bars about A holds 2026-01-05T15:00:00Z\n");
    let said = run(&[&why[..], &["1000000000"]].concat()).exits(0).stdout;
    let fates: Vec<&str> = said.lines().filter_map(|line| line.split("   ").nth(1)).collect();
    assert_eq!(fates, [["on time"; 15].as_slice(), &["ignored"; 5]].concat(), "{said}");
}

#[test]
fn each_pipeline_judges_by_the_clocks_that_it_has() {
    let folder = Folder::new();
    // The trade at 2 s is behind the quotes alone, the quote at 1.5 s is behind all, and the cancel finds nothing.
    let tape = "ts_event,symbol,seq,action,ref_seq,price,size,bid,ask
1000000000,A,1,,,10,1,,
5000000000,A,2,quote,,,,9,11
2000000000,A,3,,,10,1,,
1500000000,A,4,quote,,,,9,11
2000000000,A,5,cancel,99,,,,
";
    let input = folder.write("tape.csv", tape);
    let drop = ["--input", &input, "--set", "late.policy=drop"];
    for (program, late, unmatched) in [
        (program::ohlcv as fn(&[&str]) -> Command, 0, 1),
        (program::latest, 1, 1),
        (program::tq, 1, 1),
        (program::feedqc, 3, 0),
    ] {
        let out = folder.arg("out");
        Running::start(&mut program(&[&drop[..], &["--out", &out]].concat())).end().exits(0);
        let summary: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("out/summary.json")).unwrap()).unwrap();
        let ledger = ["late", "unmatched"].map(|column| summary["ledger"][column].as_u64().unwrap());
        assert_eq!(ledger, [late, unmatched]);
        let said = Running::start(&mut program(&["explain", &out])).end().exits(0).stdout;
        let told = [format!(" {late} came too late"), format!("of which {unmatched} found no print")];
        assert!(told.iter().all(|words| said.contains(words)), "{said}");
        std::fs::remove_dir_all(out).unwrap();
    }
}

#[test]
fn what_cannot_be_read_again_is_said() {
    let folder = Folder::new();
    let out = folder.arg("out");
    program::run_on(TAPE.as_bytes(), &["--input", "-", "--out", &out]).exits(0);
    run(&["explain", &out]).exits(2).says(&["standard input", "--input FILE"]);
    run(&["explain", &folder.arg("nothing")]).exits(1).says(&["summary.json"]);
    let of_ohlcv = Running::start(&mut program::vwap(&["explain", &out])).end().exits(2).stderr;
    assert!(of_ohlcv.ends_with(&format!("{out} is of a run of ohlcv: ohlcv explain {out}\n")), "{of_ohlcv}");
    let help = run(&["explain", "--help"]).exits(0).stdout;
    assert!(help.contains("--why <SYMBOL> <TIME>"), "{help}");
}

#[test]
fn the_tape_of_a_run_is_found_from_elsewhere_and_one_that_was_written_since_is_told() {
    let folder = Folder::new();
    let (input, other) = (folder.write("tape.csv", TAPE), folder.arg("elsewhere"));
    std::fs::create_dir(&other).unwrap();
    let there = |place: &str, args: &[&str]| Running::start(program::ohlcv(args).current_dir(place)).end();
    there(&folder.arg("."), &["--input", "tape.csv", "--out", "out"]).exits(0);
    let said = run(&["explain", &folder.arg("out")]).exits(0);
    assert!(said.stdout.starts_with("8 records") && said.stderr.is_empty(), "{} {}", said.stdout, said.stderr);
    // A tape of the same name is another one, and is not read.
    folder.write("elsewhere/tape.csv", "ts_event,symbol,price,size\n1,A,1,1\n");
    assert_eq!(there(&other, &["explain", "../out"]).exits(0).stdout, said.stdout);
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::write(&input, TAPE).unwrap();
    run(&["explain", &folder.arg("out")]).exits(0).says(&["tape.csv was written after that run had ended"]);
}

#[test]
fn why_shows_what_each_record_counts_for_and_whom_it_repeats() {
    let folder = Folder::new();
    let tape = "ts_event,symbol,venue,price,size,seq,action,ref_seq,conditions,bid,bid_size,ask,ask_size
1000000000,A,X,10,1,1,,,,,,,
1100000000,A,X,11,50,2,,,@ I,,,,
1200000000,A,Y,12,1,1,,,,,,,
1300000000,A,X,,,3,quote,,,9,3,13,4
1400000000,A,X,,,4,cancel,1,,,,,
1500000000,A,X,15,7,5,correct,2,9,,,,
5000000000,A,Y,12,1,1,,,,,,,
";
    let input = folder.write("tape.csv", tape);
    let said = run(&["explain", "--input", &input, "--why", "A", "1000000000"]).exits(0).stdout;
    // The print of Y has moved away, and nobody speaks of it but its repeat.
    let expected = "\
symbol,ts_open,ts_close,open,high,low,close,volume,trades,vwap
A,1000000000,2000000000,15,15,15,15,0,1,
7 records lie in [1000000000, 2000000000) or speak of one that does
  ts_event,seq,symbol,venue,action,ref_seq,price,size
  1000000000,1,A,X,trade,,10,1   on time
  1100000000,2,A,X,trade,,11,50 (does not count for open and close, high and low)   on time
  1200000000,1,A,Y,trade,,12,1   on time
  1300000000,3,A,X,quote,,9,3 (bid; ask 13,4)   ignored
  1400000000,4,A,X,cancel,1,0,0   on time: amends
  1500000000,5,A,X,correct,2,15,7 (does not count for volume)   on time: amends
  5000000000,1,A,Y,trade,,12,1   on time
";
    assert_eq!(said, expected);
}
