//! Several processes come to what one comes to, and end together, however one of them ends.
#![cfg(unix)]

mod program;

use std::net::TcpListener;
use std::process::Command;

use program::{Done, Folder, Running, at, ohlcv, wait_until};

const MARKET: [&str; 8] =
    ["--speed", "max", "--set", "market.length=3s", "--set", "market.rate=10k/s", "--set", "market.symbols=40"];

fn program(name: &str) -> &'static str {
    match name {
        "ohlcv" => env!("CARGO_BIN_EXE_ohlcv"),
        "bursts" => env!("CARGO_BIN_EXE_bursts"),
        "movers" => env!("CARGO_BIN_EXE_movers"),
        "corr" => env!("CARGO_BIN_EXE_corr"),
        "feedqc" => env!("CARGO_BIN_EXE_feedqc"),
        "latest" => env!("CARGO_BIN_EXE_latest"),
        "quantiles" => env!("CARGO_BIN_EXE_quantiles"),
        "tq" => env!("CARGO_BIN_EXE_tq"),
        "vwap" => env!("CARGO_BIN_EXE_vwap"),
        other => panic!("{other} is not tested here"),
    }
}

/// Runs a program on an input, and reads the rows and the summary that it wrote.
fn play(name: &str, input: &[&str], knobs: &[&str]) -> (String, serde_json::Value) {
    let folder = Folder::new();
    let out = folder.arg("out");
    Running::start(&mut at(program(name), &[input, knobs, &["--out", &out]].concat())).end().exits(0);
    let summary = std::fs::read_to_string(folder.path().join("out/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let files = std::fs::read_dir(&out).unwrap().map(|file| file.unwrap().path());
    let rows: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "csv")).collect();
    let [rows] = &rows[..] else { panic!("one file of rows: {rows:?}") };
    (std::fs::read_to_string(rows).unwrap(), summary)
}

/// What must be the same whatever the processes, and the rows.
fn same(name: &str, input: &[&str], knobs: &[&str]) -> (String, String) {
    let (rows, summary) = play(name, input, knobs);
    let latency = &summary["latency"]["tick"]["count"];
    assert_eq!(latency.as_u64(), summary["ledger"]["read"].as_u64().map(|read| read - rejected(&summary)));
    (
        rows,
        ["digest", "rows", "retracted", "ledger", "unfilled", "symbols", "struck"]
            .map(|key| summary[key].to_string())
            .join(" "),
    )
}

fn rejected(summary: &serde_json::Value) -> u64 {
    summary["ledger"]["rejected"].as_u64().unwrap()
}

#[test]
fn two_processes_come_to_what_one_comes_to() {
    for name in ["ohlcv", "quantiles", "bursts", "movers", "corr", "feedqc", "latest", "tq"] {
        let more = match name {
            "corr" => {
                &["--window", "500ms", "--set", "corr.window=1s", "--set", "corr.every=500ms", "--set", "corr.min=2"]
            }
            "bursts" => &["--set", "window.gap=20ms"][..],
            _ => &["--window", "500ms"],
        };
        let input = [&MARKET[..], more].concat();
        let alone = same(name, &input, &["--workers", "1"]);
        assert!(alone.0.lines().count() > 1, "{name} has no rows");
        for workers in ["1", "2"] {
            let together = same(name, &input, &["--workers", workers, "--spawn", "2"]);
            assert_eq!(together, alone, "{name} with {workers} workers in each of two processes");
        }
    }
}

#[test]
fn files_are_read_by_all_and_what_is_wrong_with_them_is_counted_once() {
    let folder = Folder::new();
    let mut mixed = String::from("ts_event,symbol,price,size,venue,seq\n");
    for n in 0..500_i64 {
        mixed += &format!("{},S{},{}.5,1,V{},{n}\n", 1_000_000_000 + n * 7_000_000, n % 13, 10 + n % 5, n % 3);
        mixed += if n % 100 == 50 { "nonsense\n" } else { "" };
    }
    let mixed = folder.write("mixed.csv", mixed);
    // The symbols of a venue are read in several processes, and the venue is judged in one.
    for name in ["ohlcv", "feedqc"] {
        let alone = same(name, &["--input", &mixed], &["--workers", "1"]);
        assert_eq!(same(name, &["--input", &mixed], &["--workers", "2", "--spawn", "3"]), alone);
        assert!(alone.1.contains("\"rejected\":5"), "{}", alone.1);
    }

    let looped = ["--input", &mixed, "--set", "source.loop=true", "--limit", "1200"];
    let alone = same("ohlcv", &looped, &["--workers", "1"]);
    assert_eq!(same("ohlcv", &looped, &["--workers", "1", "--spawn", "2"]), alone);

    for symbol in 0..5 {
        let mut bars = String::from("timestamp,open,high,low,close\n");
        for n in 0..20 {
            bars += &format!("2013-08-05 10:{n:02}:00,1{symbol},20,5,1{symbol}\n");
        }
        folder.write(&format!("tree/S{symbol}/2013-08-05.csv"), bars + "2013-08-05 10:30:00,much,20,5,1\n");
    }
    let tree = folder.arg("tree");
    let alone = same("ohlcv", &["--input", &tree, "--window", "5m"], &["--workers", "1"]);
    assert_eq!(same("ohlcv", &["--input", &tree, "--window", "5m"], &["--workers", "1", "--spawn", "2"]), alone);
    assert!(alone.1.contains("\"rejected\":5"), "{}", alone.1);
    let struck = ["--input", &tree, "--window", "5m", "--set", "source.drop=20%"];
    let alone = same("ohlcv", &struck, &["--workers", "1"]);
    assert_eq!(same("ohlcv", &struck, &["--workers", "1", "--spawn", "2"]), alone);
}

/// Two days on which prints come late and twice, are cancelled and corrected, have conditions, and stop for halts: a
/// file of all symbols in order of receipt, with a line that is no record.
fn nasty(folder: &Folder) -> String {
    let replay = |args: &[&str]| Running::start(&mut at(env!("CARGO_BIN_EXE_replay"), args)).end().exits(0);
    let (tape, path) = (folder.arg("tape"), folder.arg("nasty.csv"));
    let size = ["--symbols", "5", "--days", "2", "--trades-per-day", "80", "--quotes-per-trade", "1"];
    let mix = ["--cancels", "900", "--corrections", "900", "--halts", "50%"];
    replay(&[&["generate"], &size[..], &mix, &["--out", &tape]].concat());
    let late = ["--late", "20%", "--late-by", "2m", "--duplicate", "5%"];
    replay(&[&["play", &tape, "--speed", "max", "--as", "csv", "--to", &path], &late[..]].concat());
    let with_conditions = |(turn, line): (usize, &str)| {
        let mut columns: Vec<&str> = line.split(',').collect();
        // Of prints: those that set no price, those that are no close, and those with a code that is in no table.
        if turn > 0 && !columns[3].is_empty() {
            columns[8] = ["", "I", "", "Z", "@", "9"][turn % 6];
        }
        columns.join(",") + "\n"
    };
    let lines: String = std::fs::read_to_string(&path).unwrap().lines().enumerate().map(with_conditions).collect();
    folder.write("nasty.csv", lines + "nonsense\n")
}

/// Some of the records come later than the horizon allows.
const FAULTS: [&str; 3] = ["late.horizon=5m", "source.late=5%", "source.late_by=20m"];

/// Pipelines and settings under which several processes are to come to what one comes to on a nasty tape.
const NASTY: [(&str, &[&str]); 22] = [
    ("ohlcv", &["window.length=1m"]),
    ("ohlcv", &["window.kind=sliding", "window.length=5m", "window.slide=2m"]),
    ("ohlcv", &["window.kind=session", "window.gap=30s"]),
    ("ohlcv", &["window.kind=count", "window.every=7"]),
    ("ohlcv", &["window.kind=count", "window.of=volume", "window.every=500"]),
    ("ohlcv", &["window.kind=count", "window.of=volume", "window.every=500", "window.overshoot=split"]),
    ("ohlcv", &["window.kind=count", "window.of=notional", "window.every=50k", "window.overshoot=split"]),
    ("ohlcv", &["window.length=7m", "window.align=session", "session.auction=1s"]),
    ("ohlcv", &["window.length=5m", "window.early=30s", "output.mode=changes"]),
    ("ohlcv", &["window.length=1m", "window.fill=prev"]),
    ("vwap", &["vwap.over=session"]),
    ("vwap", &["vwap.over=window", "window.kind=sliding", "window.length=5m", "window.slide=1m"]),
    ("vwap", &["vwap.over=trades", "vwap.trades=20"]),
    ("quantiles", &["window.kind=session", "window.gap=30s"]),
    ("latest", &["window.length=1m", "output.mode=changes"]),
    ("movers", &["window.length=5m", "movers.over=day"]),
    ("movers", &["window.length=5m", "movers.by=volume", "movers.top=3"]),
    ("bursts", &["window.gap=30s"]),
    ("corr", &["window.length=1m", "corr.every=5m"]),
    ("corr", &["window.length=1m", "corr.window=all", "corr.on=levels"]),
    ("tq", &["window.length=1m"]),
    ("feedqc", &["window.length=1m"]),
];

#[test]
fn several_processes_come_to_what_one_comes_to_on_a_nasty_tape() {
    let folder = Folder::new();
    let path = nasty(&folder);
    let summary = |knobs: &[&str]| play("ohlcv", &[&["--input", &path], knobs].concat(), &set(&FAULTS)).1;
    assert_ne!(summary(&[])["digest"], summary(&["--set", "conditions.table=off"])["digest"]);
    let ledger = &summary(&[])["ledger"];
    for column in ["on_time", "amended", "late", "rejected", "unmatched", "ignored"] {
        assert!(ledger[column].as_u64() > Some(0), "the tape is tame: {ledger}");
    }
    for ((name, settings), turn) in NASTY.into_iter().zip(0..) {
        let input = [&["--input", path.as_str()], &set(&FAULTS)[..], &set(settings)].concat();
        let alone = same(name, &input, &["--workers", "1"]);
        assert!(alone.0.lines().count() > 5, "{name} {settings:?} has no rows: {}", alone.0);
        let together = same(name, &input, &["--workers", "1", "--spawn", "2"]);
        assert_eq!(together, alone, "{name} {settings:?} in two processes");
        if turn % 3 == 0 {
            let together = same(name, &input, &["--workers", "2", "--spawn", "3", "--batch", "37"]);
            assert_eq!(together, alone, "{name} {settings:?} in three processes");
        }
    }
}

/// Settings as flags.
fn set<'a>(settings: &[&'a str]) -> Vec<&'a str> {
    settings.iter().flat_map(|setting| ["--set", setting]).collect()
}

/// The children of a process.
fn children(of: u32) -> Vec<u32> {
    let found = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap();
    found.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn kill(signal: &str, pid: u32) {
    assert!(Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap().success());
}

fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// How many messages there are beside the lines of figures: a process that goes down with others has none of its own.
fn messages(done: &Done) -> usize {
    done.stderr.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).count()
}

/// A run of two processes that goes on for minutes, and the child, once both are under way.
fn long_run(folder: &Folder, more: &[&str]) -> (Running, u32) {
    let out = folder.arg("out");
    let _ = std::fs::remove_dir_all(&out);
    let args = ["--spawn", "2", "--workers", "1", "--set", "market.rate=1k/s", "--set", "market.length=5m"];
    let run = Running::start(&mut ohlcv(&[&args, more, &["--out", &out]].concat()));
    let log = folder.path().join("out/latency.hlog");
    wait_until("a second of the run", || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("Tag=")));
    let child = children(run.child.id())[0];
    (run, child)
}

#[test]
fn a_process_that_is_killed_takes_the_run_down() {
    let folder = Folder::new();
    let (run, child) = long_run(&folder, &[]);
    kill("KILL", child);
    let done = run.end().exits(1).says(&["process 1 ended before the run was over", "SIGKILL"]);
    assert_eq!(messages(&done), 1, "{}", done.stderr);

    let (run, child) = long_run(&folder, &[]);
    // It is killed by that.
    drop(run);
    wait_until("the end of the other process", || !is_there(child));
}

#[test]
fn a_process_that_stands_still_is_found_and_an_interrupted_run_tells_what_it_came_to() {
    let folder = Folder::new();
    let (run, child) = long_run(&folder, &["--set", "run.watchdog=1s"]);
    kill("STOP", child);
    let done = run.end().exits(1).says(&["process 1 has done nothing for 1s"]);
    assert_eq!(messages(&done), 1, "{}", done.stderr);
    assert!(!is_there(child));

    // The first process is watched by the others, for nobody else would end them.
    let (run, child) = long_run(&folder, &["--set", "run.watchdog=1s"]);
    run.signal("STOP");
    wait_until("the end of the other process", || !is_there(child));
    run.signal("CONT");
    let done = run.end().exits(1);
    assert!(done.stderr.contains("process 0 has done nothing for 1s"), "{}", done.stderr);

    let (run, child) = long_run(&folder, &[]);
    kill("INT", child);
    let done = run.end().exits(130);
    assert!(done.stderr.contains("interrupted"), "{}", done.stderr);
}

#[test]
fn processes_that_are_started_by_hand_find_each_other() {
    let folder = Folder::new();
    let ports: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let lines: Vec<String> = ports.iter().map(|port| port.local_addr().unwrap().to_string()).collect();
    drop(ports);
    let hosts = folder.write("hosts", lines.join("\n"));
    let out = folder.arg("out");
    let start = |process: &str, more: &[&str]| {
        let together = ["--processes", "3", "--process", process, "--hosts", &hosts, "--workers", "1"];
        Running::start(&mut ohlcv(&[&MARKET[..], &together, more].concat()))
    };
    let first = start("0", &["--out", &out]);
    // Whoever waits for longer than a second says so.
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let others = [start("1", &[]), start("2", &[])];
    let done = first.end().exits(0);
    assert!(done.stderr.contains(&format!("waiting for process 1 ({}) for up to 60 s\n", lines[1])), "{}", done.stderr);
    for other in others {
        let done = other.end().exits(0);
        assert!(done.stderr.contains("is told by process 0"), "{}", done.stderr);
    }
    let summary = std::fs::read_to_string(folder.path().join("out/summary.json")).unwrap();
    let alone = play("ohlcv", &MARKET, &["--workers", "1"]).1;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&summary).unwrap()["digest"], alone["digest"]);

    let first = start("0", &[]);
    let other = start("1", &["--window", "3s"]).end().exits(2);
    assert!(other.stderr.contains("its window.length is another"), "{}", other.stderr);
    first.signal("INT");
    first.end().exits(130).says(&["interrupted while it waited"]);
}

/// A file of so many addresses at which nobody listens.
fn free_hosts(folder: &Folder, processes: usize) -> (String, Vec<String>) {
    let ports: Vec<TcpListener> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let lines: Vec<String> = ports.iter().map(|port| port.local_addr().unwrap().to_string()).collect();
    (folder.write("hosts", lines.join("\n")), lines)
}

#[test]
fn a_process_that_waits_for_others_may_be_replaced_and_interrupted_and_silent_visitors_hold_up_nobody() {
    let folder = Folder::new();
    let (hosts, addresses) = free_hosts(&folder, 3);
    let start = |process: &str| {
        let together = ["--processes", "3", "--process", process, "--hosts", &hosts, "--workers", "1"];
        Running::start(&mut ohlcv(&[&MARKET[..], &together].concat()))
    };
    let joined = |process: &Running| {
        // Each of the two ends of the link is one, beside the port at which it listens.
        let sockets = || std::fs::read_dir(format!("/proc/{}/fd", process.child.id())).into_iter().flatten().flatten();
        let is_socket = |fd: &std::fs::DirEntry| {
            std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        };
        wait_until("it has connected", || sockets().filter(is_socket).count() >= 2);
        std::thread::sleep(std::time::Duration::from_millis(300));
    };
    let first = start("0");
    wait_until("it listens", || std::net::TcpStream::connect(&addresses[0]).is_ok());
    // Listened to one after the other, these would take longer than the processes wait for each other.
    let silent: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(&addresses[0]).unwrap()).collect();
    let mut killed = start("1");
    joined(&killed);
    killed.child.kill().unwrap();
    killed.end();
    let others = [start("1"), start("2")];
    first.end().exits(0);
    others.into_iter().for_each(|other| _ = other.end().exits(0));
    drop(silent);

    for (process, alone) in [("0", true), ("1", true), ("1", false)] {
        let first = (!alone).then(|| start("0"));
        let waits = start(process);
        std::thread::sleep(std::time::Duration::from_millis(800));
        waits.signal("INT");
        waits.end().exits(130).says(&["interrupted while it waited for the other processes"]);
        first.into_iter().for_each(|first| (first.signal("INT"), _ = first.end().exits(130)).1);
    }
}

#[test]
fn processes_that_see_other_tapes_do_not_run_together() {
    let folder = Folder::new();
    let (hosts, _) = free_hosts(&folder, 2);
    let text = "ts_event,symbol,price,size\n1767623400000000000,A,1,1\n";
    for path in ["here/tape/a.csv", "here/tape/b.csv", "there/tape/a.csv"] {
        folder.write(path, text);
    }
    for (place, counts) in [("here", "no"), ("there", "yes")] {
        folder.write(&format!("{place}/codes.csv"), format!("code,last,high_low,volume\nI,no,no,{counts}\n"));
    }
    let start = |process: &str, place: &str| {
        let tape = ["--input", "tape", "--set", "conditions.table=codes.csv"];
        let together = ["--processes", "2", "--process", process, "--hosts", &hosts, "--workers", "1"];
        Running::start(ohlcv(&[&tape[..], &together].concat()).current_dir(folder.path().join(place)))
    };
    let told = "tape/b.csv is there for one of the two alone, or of another length";
    let first = start("0", "here");
    start("1", "there").end().exits(2).says(&["its conditions.table is another than that of the first process"]);
    folder.write("there/codes.csv", std::fs::read(folder.path().join("here/codes.csv")).unwrap());
    start("1", "there").end().exits(2).says(&[told]);
    folder.write("there/tape/b.csv", &text[..text.len() - 4]);
    start("1", "there").end().exits(2).says(&[told]);
    folder.write("there/tape/b.csv", text);
    start("1", "there").end().exits(0);
    first.end().exits(0).says(&["read 2 ", told]);
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    let two = folder.write("two", format!("{}\n127.0.0.1:1\n", taken.1));
    let wrong = folder.write("wrong", "here\nthere\n");
    let nobody = folder.write("nobody", ":4000\n127.0.0.1:1\n");
    let twice = folder.write("twice", "127.0.0.1:1\n127.0.0.1:1\n");
    let cases: [(&[&str], i32, &str); 10] = [
        (&["--processes", "2", "--hosts", &twice], 2, "127.0.0.1:1 is there twice"),
        (&["--process", "1"], 78, "no such process"),
        (&["--processes", "2", "--process", "1"], 78, "--hosts FILE"),
        (&["--hosts", &two], 78, "only one process"),
        (&["--processes", "3", "--hosts", &two], 2, "has 2 addresses, and there are 3 processes"),
        (&["--processes", "2", "--hosts", &wrong], 2, "`here` is no address"),
        (&["--processes", "2", "--hosts", &nobody], 2, "`:4000` is no address"),
        (&["--processes", "2", "--hosts", "/nowhere"], 1, "reading the addresses"),
        (&["--processes", "2", "--hosts", &two], 1, "listening at"),
        (&["--spawn", "2", "--input", "-"], 2, "standard input cannot feed several processes"),
    ];
    for (args, code, text) in cases {
        let done = Running::start(&mut ohlcv(args)).end().exits(code);
        assert!(done.stderr.contains(text), "{args:?}: {}", done.stderr);
    }
}

#[test]
fn a_sweep_varies_processes() {
    let args = ["sweep", "--vary", "processes=1,2", "--vary", "workers=1,2", "--rate", "20k/s", "--for", "200ms"];
    let more = ["--repeat", "1", "--warmup", "50ms"];
    let done = Running::start(&mut ohlcv(&[&args[..], &more].concat())).end().exits(0);
    assert!(done.stdout.contains("processes"), "{}", done.stdout);
}

#[test]
fn capacity_and_tune_run_in_several_processes() {
    let folder = Folder::new();
    let out = folder.arg("out");
    let args = ["--workers", "1", "--set", "market.symbols=20", "--for", "200ms", "--warmup", "50ms", "--rate", "2k/s"];
    // A latency that nothing keeps to ends the search at its lowest rate, and one that all do lets the tuning choose.
    let capacity = [&["capacity", "--vary", "processes=1,2", "--slo", "p99 <= 1ns", "--out", &out], &args[..]].concat();
    let done = Running::start(&mut ohlcv(&capacity)).end().exits(0);
    assert!(done.stdout.contains("processes"), "{}", done.stdout);
    let found: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("out/capacity.json")).unwrap()).unwrap();
    for setting in found["settings"].as_array().unwrap() {
        for tried in setting["capacity"]["tried"].as_array().unwrap() {
            let run = &tried["run"];
            assert!(run["balances"] == true && run["censored"] == false, "{run}");
            assert_eq!(
                run["latency"]["tick"]["count"].as_f64(),
                run["offered"].as_f64().map(|rate| (rate * 0.2).round())
            );
        }
    }
    let [alone, together] = [0, 1].map(|at| &found["settings"][at]["capacity"]["tried"][0]["run"]["digest"]);
    assert!(alone.is_string() && alone == together, "{alone} {together}");

    let tune = ["tune", "--spawn", "2", "--target-p99", "1h", "--workers", "1", "--rate", "2k/s", "--budget", "2s"];
    let more = ["--set", "market.symbols=20", "--warmup", "50ms"];
    let done = Running::start(&mut ohlcv(&[&tune[..], &more].concat())).end();
    assert!(done.stderr.contains("at 2,000 ticks/s on 2 workers"), "{}", done.stderr);
}

#[test]
fn all_processes_tell_how_they_stand() {
    let folder = Folder::new();
    let (run, _) = long_run(&folder, &[]);
    let ask = |args: &[&str]| {
        let out = folder.arg("out");
        Running::start(&mut ohlcv(&[&["explain", &out], args].concat())).end().exits(0).stdout
    };
    let told: serde_json::Value = serde_json::from_str(&ask(&["--json"])).unwrap();
    let workers: Vec<u64> =
        told["workers"].as_array().unwrap().iter().map(|worker| worker["worker"].as_u64().unwrap()).collect();
    assert_eq!((workers, &told["silent"]), (vec![0, 1], &serde_json::json!([])), "{told}");
    let text = ask(&[]);
    assert!(text.contains("and another one") && text.contains("1 in process 1"), "{text}");
    run.signal("INT");
    run.end().exits(130);
}
