//! `PIPELINE explain` of runs that are under way: who holds the watermark, what waits, what a result is made of so far;
//! and of runs that were killed, that cannot be asked, or are asked by several. What this can catch: an answer that
//! does not follow from what was sent, and a run that suffers from being asked. What it cannot: how the words read.

mod program;

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use program::{Done, Folder, Played, Running, at, ohlcv, run, wait_until};
use serde_json::Value;

const HEADER: &str = "ts_event,symbol,price,size,seq,action,ref_seq\n";

/// What a run that is under way tells, once `is_so`.
#[track_caller]
fn told(args: &[&str], what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut told = Value::Null;
    wait_until(what, || {
        let done = run(&[&["explain", "--json"], args].concat());
        told = serde_json::from_str(&done.stdout).unwrap_or_default();
        is_so(&told)
    });
    told
}

/// The sum of something over workers or partitions.
fn sum(all: &Value, of: &str) -> u64 {
    all.as_array().into_iter().flatten().map(|one| one[of].as_u64().unwrap()).sum()
}

fn has_read(told: &Value, ticks: u64) -> bool {
    sum(&told["workers"], "applied") == ticks && told["silent"] == Value::Array(Vec::new())
}

#[track_caller]
fn says(done: &Done, words: &[&str]) {
    words.iter().for_each(|word| assert!(done.stdout.contains(word), "`{word}` is not in:\n{}", done.stdout));
}

#[test]
fn the_silent_connection_is_named_until_it_goes_on() {
    let folder = Folder::new();
    let (feed, out) = (folder.arg("feed"), folder.arg("out"));
    let input = format!("unix-listen://{feed}");
    let pipeline = Running::start(&mut ohlcv(&["--input", &input, "--out", &out, "--set", "source.idle=1h"]));
    wait_until("it listens", || Path::new(&feed).exists());
    let [mut fast, mut slow] = [(); 2].map(|()| UnixStream::connect(&feed).unwrap());
    let names = [1, 2].map(|n| format!("unix://{feed} ({n})"));

    // One has said nothing at all yet.
    fast.write_all(format!("{HEADER}1000000000,A,10,1,1,,\n1500000000,A,11,1,2,,\n9000000000,A,12,1,3,,\n").as_bytes())
        .unwrap();
    let silent = |told: &Value| has_read(told, 3) && told["held_by"]["name"] == names[1].as_str();
    told(&[&out], "the second connection holds everything", silent);
    says(&run(&["explain", &out]), &["watermark  none yet", &format!("held by    {}: no tick has come", names[1])]);

    // It stays behind the other.
    slow.write_all(format!("{HEADER}1000000000,B,7,1,4,,\n1200000000,B,8,1,5,,\n").as_bytes()).unwrap();
    let state = told(&[&out], "the second connection is behind", |told| {
        has_read(told, 5) && told["workers"].as_array().unwrap().iter().all(|worker| worker["watermark_ms"] == 1_100)
    });
    assert_eq!(
        (&state["held_by"]["cause"], &state["held_by"]["name"]),
        (&"partition".into(), &names[1].as_str().into())
    );
    let done = run(&["explain", &out]).exits(0);
    says(
        &done,
        &[
            "watermark  1970-01-01T00:00:01.1Z, for ",
            &format!("held by    {}: its latest tick is B 5 of 1970-01-01T00:00:01.2Z, and nothing has come", names[1]),
            "until      a tick of 1970-01-01T00:00:02.1Z or later comes from it",
            "(source.idle is 3600 s)",
            "or it ends",
            "open       windows of bars, by when they may be over: 2 at 1970-01-01T00:00:02Z, 1 at 1970-01-01T00:00:10Z",
            "ledger     read 5 = on time 5 +",
            "rows       0 stand",
        ],
    );

    // It goes on, and the other one holds the watermark.
    slow.write_all(b"9500000000,B,9,1,6,,\n").unwrap();
    let moved = |told: &Value| has_read(told, 6) && told["held_by"]["name"] == names[0].as_str();
    let state = told(&[&out], "the first connection holds the watermark", moved);
    assert_eq!(state["workers"][0]["watermark_ms"], 8_900);
    says(&run(&["explain", &out]), &["watermark  1970-01-01T00:00:08.9Z", "rows       2 stand"]);

    // A late tick waits for its time, amends a bar, and is told of as long as it is kept.
    let why = [&out, "--why", "A", "1200000000"];
    says(&run(&[&["explain"], &why[..]].concat()), &["A,1000000000,2000000000,10,11,10,11,2,2,10.5   was written"]);
    fast.write_all(b"1600000000,A,20,1,7,,\n9050000000,A,,,8,cancel,1\n").unwrap();
    let amendments =
        |told: &Value| has_read(told, 8) && told["workers"].to_string().contains("\"amendments\":[[9000,2]]");
    told(&[&out], "the late tick waits", amendments);
    says(
        &run(&[&["explain"], &why[..]].concat()),
        &[
            "amendments late ticks, cancels and corrections that wait for their time: 2 at 1970-01-01T00:00:09Z",
            "A,1000000000,2000000000,10,11,10,11,2,2,10.5   was written",
            "1000000000,1,A,,trade,,10,1   counts",
            "1600000000,7,A,,trade,,20,1   7.40 s behind its symbol, will be applied at 1970-01-01T00:00:09Z",
        ],
    );
    fast.write_all(b"9900000000,A,12,1,9,,\n").unwrap();
    slow.write_all(b"9900000000,B,12,1,10,,\n").unwrap();
    told(&[&out], "the late tick was applied", |told| {
        has_read(told, 10) && told["workers"].as_array().unwrap().iter().all(|worker| worker["watermark_ms"] == 9_800)
    });
    says(
        &run(&[&["explain"], &why[..]].concat()),
        &[
            "A,1000000000,2000000000,11,20,11,20,2,2,15.5   was written",
            "1000000000,1,A,,trade,,10,1   was cancelled or corrected",
            "1600000000,7,A,,trade,,20,1   7.40 s behind its symbol, was applied at 1970-01-01T00:00:09Z",
            "9050000000,8,A,,cancel,1,0,0   was applied at 1970-01-01T00:00:09Z",
            "4 records of it, or that speak of one, are kept",
        ],
    );
    says(&run(&["explain", &out, "--why", "NOBODY", "1"]), &["no tick of NOBODY has come"]);
    run(&["explain", &out, "--set", "late.policy=drop"]).exits(2).says(&["settings of its own"]);

    drop((fast, slow));
    let done = pipeline.end().exits(0);
    // The run ends with its socket gone, and with what it would have come to without being asked.
    assert_eq!(Played::read(Path::new(&out), done.stderr).ledger("read"), 10);
    run(&["explain", &out]).exits(2).says(&["is gone", "--input FILE"]);
    run(&["explain", &out, "--json"]).exits(2).says(&["under way"]);
}

/// A pipeline that reads a silent standard input, and has two ticks.
fn silent(args: &[&str], folder: &Folder) -> (Running, std::process::ChildStdin) {
    let args = [&["--input", "-", "--set", "source.idle=1h"], args].concat();
    let mut child = ohlcv(&args).env("TMPDIR", folder.path()).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(format!("{HEADER}1000000000,A,10,1,1,,\n1500000000,A,11,1,2,,\n").as_bytes()).unwrap();
    (Running::follow(child), stdin)
}

#[test]
fn a_run_without_a_folder_is_asked_by_its_process_and_by_several_at_once() {
    let folder = Folder::new();
    let (pipeline, stdin) = silent(&[], &folder);
    let pid = pipeline.child.id().to_string();
    let ask = |args: &[&str]| {
        let args = [&["explain", "--pid", &pid], args].concat();
        Running::start(ohlcv(&args).env("TMPDIR", folder.path())).end()
    };
    wait_until("it has read", || serde_json::from_str(&ask(&["--json"]).stdout).is_ok_and(|told| has_read(&told, 2)));
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..5).map(|_| scope.spawn(|| ask(&[]).exits(0))).collect();
        for done in asked {
            says(
                &done.join().unwrap(),
                &["held by    standard input: its latest tick is A 2 of 1970-01-01T00:00:01.5Z"],
            );
        }
    });
    // Somebody who connects and asks nothing keeps nobody from asking.
    let mut rude = UnixStream::connect(folder.path().join(format!("tapeflow-{pid}.sock"))).unwrap();
    rude.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    ask(&[]).exits(0);
    drop(stdin);
    pipeline.end().exits(0);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "something was left behind");
    ask(&[]).exits(2).says(&["no run answers", "--out folder"]);
}

#[test]
fn every_pipeline_tells_what_holds_it_and_which_windows_are_open() {
    let tape = "ts_event,symbol,seq,action,price,size,bid,ask\n1000000000,A,1,quote,,,9,11\n1500000000,A,2,,10,1,,\n";
    for (program, open) in [
        (env!("CARGO_BIN_EXE_ohlcv"), "windows of bars, by when they may be over: 1 at 1970-01-01T00:00:02Z"),
        (env!("CARGO_BIN_EXE_vwap"), "windows of averages, by when they may be over: 1 at 1970-01-01T00:01:00Z"),
        (env!("CARGO_BIN_EXE_latest"), "windows of quotes, by when they may be over: 1 at 1970-01-01T00:00:02Z"),
        (env!("CARGO_BIN_EXE_movers"), "windows of turnovers, by when they may be over: 1 at 1970-01-01T00:00:02Z"),
        (env!("CARGO_BIN_EXE_bursts"), "windows of turnovers, by when they may be over: 1 at "),
        (env!("CARGO_BIN_EXE_corr"), "windows of bars, by when they may be over: 1 at "),
        (env!("CARGO_BIN_EXE_tq"), "windows of trades, by when they may be over: 1 at 1970-01-01T00:00:02Z"),
        (env!("CARGO_BIN_EXE_tq"), "no windows of trades whose markouts are to come"),
        (env!("CARGO_BIN_EXE_feedqc"), "windows of feeds, by their records, by when they may be over: 2 at "),
    ] {
        let (folder, over) =
            (Folder::new(), if program.ends_with("vwap") { "vwap.over=trades" } else { "run.wait=park" });
        let out = folder.arg("out");
        let args = ["--input", "-", "--out", &out, "--set", "source.idle=1h", "--set", over];
        let mut child = at(program, &args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(tape.as_bytes()).unwrap();
        let pipeline = Running::follow(child);
        told(&[&out], program, |told| has_read(told, 2));
        let held = "held by    standard input: its latest tick is A 2 of 1970-01-01T00:00:01.5Z";
        says(&run(&["explain", &out]), &[held, &format!("open       {open}")]);
        drop(stdin);
        pipeline.end().exits(0);
    }
}

#[test]
fn what_a_killed_run_left_is_told_and_replaced() {
    let folder = Folder::new();
    let out = folder.arg("out");
    let (mut pipeline, stdin) = silent(&["--out", &out], &folder);
    told(&[&out], "it has read", |told| has_read(told, 2));
    // While it runs, nobody else writes there.
    let input = folder.write("tape.csv", format!("{HEADER}1000000000,A,10,1,1,,\n"));
    run(&["--input", &input, "--out", &out]).exits(2).says(&["another run is under way"]);
    pipeline.child.kill().unwrap();
    pipeline.end();
    drop(stdin);
    run(&["explain", &out]).exits(1).says(&["was killed", "summary.json", "--input"]);
    run(&["--input", &input, "--out", &out]).exits(0);
    assert_eq!(Played::read(Path::new(&out), String::new()).ledger("read"), 1);
    let said = run(&["explain", &out]).exits(0);
    says(&said, &["1 records, of which 0 were late"]);
}

#[test]
fn a_run_that_cannot_have_a_socket_in_its_folder_says_how_it_is_asked() {
    let folder = Folder::new();
    let out = folder.arg(&"long".repeat(30));
    let (pipeline, stdin) = silent(&["--out", &out], &folder);
    let pid = pipeline.child.id().to_string();
    let ask = || Running::start(ohlcv(&["explain", "--pid", &pid, "--json"]).env("TMPDIR", folder.path())).end();
    wait_until("it has read", || serde_json::from_str(&ask().stdout).is_ok_and(|told| has_read(&told, 2)));
    let input = folder.write("tape.csv", format!("{HEADER}1000000000,A,10,1,1,,\n"));
    run(&["--input", &input, "--out", &out]).exits(2).says(&["another run is under way"]);
    drop(stdin);
    pipeline.end().exits(0).says(&[&format!("explain --pid {pid}")]);

    // A run that cannot be asked at all is a run all the same; nor is a file of the user's in its way, or gone.
    let (out, input) = (folder.arg("out"), folder.write("tape.csv", format!("{HEADER}1000000000,A,10,1,1,,\n")));
    let precious = folder.write("out/explain.sock", "precious");
    let nowhere = folder.arg("nowhere");
    let mut command = ohlcv(&["--input", &input, "--out", &out]);
    Running::start(command.env("TMPDIR", nowhere)).end().exits(0).says(&["is no socket", "cannot be asked"]);
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "precious");
}
