//! Trade conditions from the tape to the row: what each lets a trade count for, by tables that come along or are given.
//! What this can catch: a figure that takes in a trade that does not count for it, conditions that are lost in a format or
//! on a feed, a correction that changes or keeps them wrongly, an unknown code that is not told. What it cannot: a plan
//! that reads a code differently than our tables do.

mod program;

use std::path::Path;

use program::{Folder, Running, at, latest, movers, run, run_on};

const TAPE: &str = "\
ts_event,symbol,price,size,seq,conditions,action,ref_seq
1000000000,A,10,100,1,@,,
1200000000,A,99,5,2,I,,
1500000000,A,11,100,3,@F,,
2100000000,A,50,7,4,@ TI,,
3200000000,A,90,10,6,Z,,
3300000000,A,12,100,7,,,
3400000000,A,13,100,8,9,,
5000000000,A,,,9,,cancel,7
5100000000,A,20,100,10,,correct,3
5200000000,A,30,100,11,I,correct,1
";

const FINAL: [&str; 2] = ["--set", "output.mode=final"];

fn bars(input: &str, more: &[&str]) -> String {
    run(&[&["--input", input, "--window", "1s"], &FINAL[..], more].concat()).exits(0).stdout
}

#[test]
fn each_figure_is_of_the_trades_that_count_for_it() {
    let folder = Folder::new();
    // All but the cancel and the corrections.
    let lines: Vec<&str> = TAPE.lines().collect();
    let input = folder.write("tape.csv", lines[..8].join("\n"));
    let rows = |more: &[&str]| bars(&input, more).lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let seconds = |rest: [&str; 3]| [1, 2, 3].map(|s| format!("A,{s}000000000,{}000000000,{}", s + 1, rest[s - 1]));
    let plain = seconds(["10,99,10,11,205,3,12.658536585", "50,50,50,50,7,1,50", "90,90,12,13,210,3,16.19047619"]);
    assert_eq!(rows(&["--set", "conditions.table=off"]), plain);
    let sip = seconds(["10,11,10,11,205,3,12.658536585", ",,,,7,1,50", "12,90,12,13,110,3,19.090909091"]);
    assert_eq!(rows(&[]), sip);
    assert_eq!(rows(&["--set", "conditions.table=utp"]), sip);
    // With a table of one's own, odd lots count for all; what it does not name does, too.
    let table = folder.write("table.csv", "code,last,high_low,volume,name\n@,yes,yes,yes,\nZ,no,yes,yes,late\n");
    let own = run(&["--input", &input, "--set", &format!("conditions.table={table}"), "--window", "1s"]).exits(0);
    own.says(&["4 trades have conditions that conditions.table does not name, such as `9`, `F`, `I`, `TI`"]);
    // Averages, the day so far and rankings obey them too; every pipeline is verified with them.
    let in_all = ["--input", &input, "--window", "1s"];
    let told = |mut command: std::process::Command| Running::start(command.args(FINAL)).end().exits(0).stdout;
    assert!(told(latest(&in_all)).contains("\nA,2000000000,3000000000,1500000000,11,100,,,,,,10,11,10,212,4,,,\n"));
    let ranked = told(movers(&[&in_all[..], &["--set", "movers.by=volume"]].concat()));
    assert!(ranked.contains("\n2000000000,3000000000,,1,A,,11,,,7,350,1\n"), "{ranked}");
    let all = Path::new(env!("CARGO_BIN_EXE_ohlcv")).parent().unwrap();
    let tape = folder.write("all.csv", TAPE);
    for pipeline in ["ohlcv", "vwap", "quantiles", "latest", "movers", "bursts", "corr", "tq"] {
        let path = all.join(pipeline);
        let said = Running::start(&mut at(path.to_str().unwrap(), &["verify", "--input", &tape])).end().exits(0);
        assert!(said.stdout.starts_with("equal: "), "{pipeline}: {}", said.stdout);
    }
}

#[test]
fn cancels_and_corrections_of_such_trades_ripple() {
    let folder = Folder::new();
    let rows = bars(&folder.write("tape.csv", TAPE), &[]);
    // The correction of 3 says nothing of conditions, so it stays the last; that of 1 makes it an odd lot.
    let first = "A,1000000000,2000000000,20,20,20,20,205,3,26.804878049";
    // 9 is the last, since 7 was cancelled, and counts for no volume.
    let third = "A,3000000000,4000000000,13,90,13,13,10,2,90";
    assert_eq!(rows.lines().skip(1).collect::<Vec<_>>(), [first, "A,2000000000,3000000000,,,,,7,1,50", third]);
    // The close goes on behind the last bar, and the bar without one stays as it is.
    let fill = ["--set", "window.fill=prev", "--set", "source.zone=UTC", "--set", "session.open=00:00"];
    let filled = bars(&folder.arg("tape.csv"), &[&fill[..], &["--set", "session.close=00:00:06"]].concat());
    let flat = |s: u32, close: u32| format!("A,{s}000000000,{}000000000,{close},{close},{close},{close},0,0,", s + 1);
    assert_eq!(filled.lines().skip(4).collect::<Vec<_>>(), [flat(4, 13), flat(5, 13)]);
}

#[test]
fn every_format_and_feed_carries_them() {
    let folder = Folder::new();
    let csv = folder.write("csv/tape.csv", TAPE);
    let expected = folder.play(&csv, &["--window", "1s"]);
    let replay = |args: &[&str]| Running::start(&mut at(env!("CARGO_BIN_EXE_replay"), args)).end().exits(0).stdout;
    replay(&["convert", &csv, "--to", "jsonl", "--out", &folder.arg("jsonl")]);
    let played = folder.play(&folder.arg("jsonl"), &["--window", "1s"]);
    assert_eq!((played.digest(), &played.bars), (expected.digest(), &expected.bars));
    for form in ["csv", "jsonl", "bin"] {
        let sent = folder.arg(&format!("sent.{form}"));
        replay(&["play", &csv, "--speed", "max", "--as", form, "--to", &format!("file:{sent}")]);
        assert_eq!(folder.play(&sent, &["--window", "1s"]).digest(), expected.digest(), "{form}");
    }
    // The same in two processes, each of which reads all of it.
    let spawned = folder.play(&csv, &["--window", "1s", "--spawn", "2", "--workers", "1"]);
    assert_eq!(spawned.digest(), expected.digest());
}

#[test]
fn unknown_codes_are_counted_once_and_a_wrong_table_is_a_mistake() {
    let folder = Folder::new();
    let tape = "ts_event,symbol,price,size,conditions,action,bid,ask\n1,A,1,1,@J,,,\n2,A,2,1,late,,,\n3,A,3,1,@J,,,\n4,A,,,J,quote,1,2\n";
    let input = folder.write("tape.csv", tape);
    for processes in [&[][..], &["--spawn", "2", "--workers", "1"]] {
        let played = folder.play(&input, processes);
        let unknown = serde_json::json!({"records": 3, "codes": ["J", "late"]});
        assert_eq!(played.summary["unknown_conditions"], unknown);
        assert!(played.stderr.contains("3 trades have conditions"), "{}", played.stderr);
        assert_eq!(played.rows(), ["A,0,1000000000,1,3,1,3,3,3,2"]);
    }
    let off = run_on(tape.as_bytes(), &["--input", "-", "--set", "conditions.table=off"]).exits(0);
    assert!(!off.stderr.contains("have conditions"), "{}", off.stderr);
    let check = |table: &str| run(&["check", "--set", &format!("conditions.table={table}")]);
    for table in ["sip", "cta", "utp", "off"] {
        check(table).exits(0);
    }
    check("nyse").exits(78).says(&["conditions.table", "no table of trade conditions", "nyse: No such file"]);
    let table = folder.write("table.csv", "\nI,no,no,yes\n");
    check(&table).exits(78).says(&["line 2, `I,no,no,yes`, is not the header"]);
    let table = folder.write("table.csv", "code,last,high_low,volume\nI,no,no,maybe\n");
    check(&table).exits(78).says(&["line 2, `I,no,no,maybe`, says other than yes or no"]);
}
