//! `PIPELINE verify` as a user meets it: what is right is told to be equal, with the digest of a run, and what is wrong
//! is shown with its window and its ticks. What this can catch: a verification that reads another tape than a run, or
//! that cannot say no. What it cannot: a rule that oracle and operator both misread.

mod program;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use program::{Folder, Running, corr, feedqc, latest, movers, ohlcv, run, run_on, tq, vwap};

const TAPE: &str = "ts_event,symbol,price,size,seq,action,ref_seq
1700000040000000000,A,10,1,1,,
1700000040100000000,B,20,2,2,,
not a line
1700000041500000000,A,11,1,3,,
1700000042000000000,A,,,4,cancel,1
1700000042000000000,B,21,5,5,correct,2
1700000042000000000,A,,,6,cancel,99
1700000049000000000,A,12,1,7,,
1700000042100000000,A,13,1,8,quote,
";

/// What `verify` says is equal: the rows, and the digest.
fn digest_of(said: &str) -> &str {
    assert!(said.starts_with("equal: 3 bars, digest "), "{said}");
    &said.lines().next().unwrap()["equal: 3 bars, digest ".len()..]
}

#[test]
fn what_is_equal_has_the_digest_and_the_ledger_of_a_run() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", TAPE);
    let said = run(&["verify", "--input", &input]).exits(0).stdout;
    let played = folder.play(&input, &[]);
    assert_eq!(digest_of(&said), played.digest());
    let ledger = "read 9 = on time 4 + amended 2 + late 0 + rejected 1 + unmatched 1 + ignored 1";
    assert!(said.contains(ledger), "{said}");
    for knobs in [&["-w", "1", "--batch", "1"][..], &["-w", "3", "--set", "output.to=none"]] {
        let again = run(&[&["verify", "--input", &input], knobs].concat()).exits(0).stdout;
        assert_eq!(again, said);
    }
    assert_eq!(run_on(TAPE.as_bytes(), &["verify", "--input", "-"]).exits(0).stdout, said);
}

#[test]
fn filled_windows_and_early_looks_are_verified() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", TAPE);
    let early = ["--set", "window.early=200ms"];
    let said = run(&[&["verify", "--input", &input], &early[..]].concat()).exits(0).stdout;
    assert_eq!(digest_of(&said), folder.play(&input, &[]).digest());
    // The tape begins at 17:14: A has bars of its second and its tenth second, B of its first alone.
    let fill = ["--set", "window.fill=prev", "--set", "session.close=17:14:12"];
    let said = run(&[&["verify", "--input", &input], &fill[..], &early[..]].concat()).exits(0).stdout;
    assert!(said.starts_with("equal: 23 bars, "), "{said}");
    let played = folder.play(&input, &fill);
    assert!(said.contains(played.digest()), "{said}");
    assert_eq!(played.rows().iter().filter(|row| row.ends_with(",0,0,")).count(), 20);
}

#[test]
fn the_made_up_market_and_a_part_of_a_tape_can_be_verified() {
    let market = ["--set", "market.length=1s", "--set", "market.rate=20k/s", "--window", "100ms"];
    let said = run(&[&["verify"], &market[..]].concat()).exits(0).stdout;
    assert!(said.starts_with("equal: ") && said.contains("read 20000"), "{said}");
    let said = run(&[&["verify", "--for", "500ms"], &market[..]].concat()).exits(0).stdout;
    assert!(said.starts_with("equal: ") && !said.contains("read 20000"), "{said}");
    let folder = Folder::new();
    let input = folder.write("tape.csv", TAPE);
    let said = run(&["verify", "--input", &input, "--limit", "2"]).exits(0).stdout;
    assert!(said.contains("equal: 2 bars"), "{said}");
    let said = run(&["verify", "--input", &input, "--speed", "1x", "--for", "1s"]).exits(0).stdout;
    assert!(said.contains("equal: 2 bars"), "{said}");
}

#[test]
fn verifying_writes_nothing_and_refuses_what_a_run_refuses() {
    let folder = Folder::new();
    let (input, out) = (folder.write("tape.csv", TAPE), folder.arg("out"));
    run(&["verify", "--input", &input, "--out", &out]).exits(0);
    assert!(!Path::new(&out).exists());
    run(&["verify", "--input", &folder.arg("none.csv")]).exits(1).says(&["none.csv"]);
    run(&["verify", "--set", "late.policy=ammend"]).exits(78).says(&["did you mean `amend`"]);
    let help = run(&["verify", "--help"]).exits(0).stdout;
    assert!(help.contains("768 bytes a record"), "{help}");
}

#[test]
fn windows_that_the_end_of_time_cuts_short_are_verified() {
    let folder = Folder::new();
    let tape = |days: &[i64]| {
        let line = |(n, ts): (usize, i64)| format!("{ts},{},{},100\n", ["A", "B", "C"][n / 4 % 3], 1 + n % 5);
        let times = days.iter().flat_map(|day| (0..6).map(move |minute| day + minute * 60_000_000_000));
        "ts_event,symbol,price,size\n".to_owned() + &times.enumerate().map(line).collect::<String>()
    };
    // 2026-01-05 14:30 UTC, when New York opens; the first and the last days that there are, and one of 2100 between.
    let today = 1_767_623_400_000_000_000;
    let tapes = [tape(&[today]), tape(&[0, today, 4_102_444_800_000_000_000, i64::MAX - 90_000_000_000_000])];
    let tapes = [0, 1].map(|at| folder.write(&format!("{at}.csv"), &tapes[at]));
    let check = |program: fn(&[&str]) -> Command, settings: &[&str]| {
        for tape in &tapes {
            let settings = settings.iter().flat_map(|setting| ["--set", setting]);
            let args: Vec<&str> = ["verify", "--input", tape].into_iter().chain(settings).collect();
            let done = Running::start(&mut program(&args)).end();
            assert!(done.code == Some(0) && done.stdout.starts_with("equal: "), "{args:?}: {done:?}");
        }
    };
    for kind in [
        &["window.length=300y"][..],
        &["window.length=300y", "window.offset=291y"],
        &["window.length=1d", "source.zone=UTC", "window.fill=prev"],
        &["window.length=300y", "window.early=11d"],
        &["window.length=300y", "window.align=session"],
        &["window.length=300y", "window.align=session", "window.offset=106751d23h"],
        &["window.align=session", "session.auction=300y", "window.length=1h", "window.offset=300y"],
        &["window.kind=sliding", "window.length=300y", "window.slide=11d"],
        &["window.kind=sliding", "window.length=300y", "window.slide=300y", "window.offset=291y"],
        &["window.kind=session", "window.gap=240y"],
        &["window.kind=session", "window.gap=300y"],
        &["window.kind=count", "window.every=9223372036854775807", "window.of=notional"],
        &["window.kind=count", "window.every=2"],
    ] {
        check(ohlcv, kind);
        let averaged: Vec<&str> = kind.iter().copied().filter(|setting| !setting.starts_with("window.fill")).collect();
        check(vwap, &[&["vwap.over=window"], &averaged[..]].concat());
    }
    for over in ["session", "trades"] {
        check(vwap, &[&format!("vwap.over={over}"), "vwap.every=300y"]);
    }
    check(tq, &["tq.markout=300y", "window.length=300y"]);
    check(feedqc, &["window.length=200y", "feedqc.stale=200y"]);
    check(corr, &["window.length=200y", "corr.window=200y", "corr.every=200y", "corr.min=1"]);
    check(movers, &["window.length=300y"]);
    check(latest, &["window.length=1d", "source.zone=UTC"]);
}

#[test]
fn averages_are_verified_as_often_as_they_can_be_told() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", TAPE);
    let averages = |command: &str, settings: &[&str]| {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let args: Vec<&str> = [command, "--input", &input].into_iter().chain(settings).collect();
        Running::start(&mut vwap(&args)).end()
    };
    // The tape begins at 17:14; a session of six and a half hours has 100,000 times 234 ms.
    let session = ["session.open=13:00", "session.close=19:30"];
    let every = |every: &'static str| [&session[..], &[every]].concat();
    let said = averages("verify", &every("vwap.every=234ms")).exits(0).stdout;
    assert!(said.starts_with("equal: 3 averages"), "{said}");
    for setting in ["vwap.every=233ms", "vwap.every=1ns"] {
        let most = "100000 are the most: lengthen vwap.every";
        averages("check", &every(setting)).exits(78).says(&[setting.split_once('=').unwrap().0, "--set:1:14", most]);
    }
    let said = averages("verify", &["vwap.over=trades", "vwap.every=1ns"]).exits(0).stdout;
    assert!(said.starts_with("equal: 3 averages"), "{said}");
}

#[test]
fn an_interrupt_ends_it_wherever_it_is() {
    for (signal, command, said) in
        [("INT", "verify", "verified"), ("TERM", "verify", "verified"), ("INT", "explain", "explained")]
    {
        let mut child = ohlcv(&[command, "--input", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // What the pipe cannot hold was read, so the signal is listened for.
        stdin.write_all(TAPE.repeat(2_000).as_bytes()).unwrap();
        let running = Running::follow(child);
        running.signal(signal);
        running.end().exits(130).says(&["interrupted", &format!("nothing was {said}")]);
    }
}
