//! Results compared with pandas, which shares nothing with us: neither code nor language nor authors. The scripts are
//! in `tests/oracles`. They need a Python with pandas: `python3`, or the one that TAPEFLOW_PYTHON names; where there is
//! none, the tests say that they were skipped.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tapeflow::tick::mix;

/// The Python that has pandas.
fn python() -> Option<String> {
    let python = std::env::var("TAPEFLOW_PYTHON").unwrap_or_else(|_| "python3".into());
    let found =
        Command::new(&python).args(["-c", "import pandas"]).output().is_ok_and(|output| output.status.success());
    if !found {
        // Not by `eprintln`, which the test harness keeps to itself.
        let text = format!("SKIPPED: {python} has no pandas; name one that has it with TAPEFLOW_PYTHON\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    found.then_some(python)
}

fn run(program: &str, args: &[&str]) -> String {
    // Python leaves no compiled files beside the scripts.
    let mut command = Command::new(program);
    let output = command.args(args).env_remove("CARGO").env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {out}{err}");
    out.into_owned()
}

fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(name).to_str().unwrap().to_owned()
}

/// So many records of three symbols on disk: trades, cancels, corrections and quotes, some out of order by up to a
/// tenth of a second and some late by up to a minute, over two minutes.
fn ticks(path: &Path, records: u64) {
    let mut lines = Vec::new();
    let symbols = ["AAA", "B.B", "c"];
    for i in 0..records {
        let dice = |n: u64, salt: u64| mix(i.wrapping_mul(64) + salt) % n;
        let symbol = dice(3, 0);
        let ts = 1_767_623_400_000_000_000 + i * (120_000_000_000 / records) + dice(1_000_000, 1);
        let cents = 10_000 + 5_000 * symbol + mix(i / 50 + 1_000 * symbol) % 40 + dice(6, 2);
        let (price, size) = (format!("{}.{:02}5", cents / 100, cents % 100), dice(500, 3));
        let arrival = ts + if dice(20, 4) == 0 { dice(60_000_000_000, 5) } else { dice(100_000_000, 5) };
        let (ask, about) = (cents + dice(4, 6), i.saturating_sub(1 + dice(300, 7)));
        let ask = if dice(40, 8) == 0 { String::new() } else { format!("{}.{:02}5", ask / 100, ask % 100) };
        // A cancel or correction speaks of a record of its symbol, which may be no print.
        let about = (0..=about).rev().find(|j| mix(j.wrapping_mul(64)) % 3 == symbol).unwrap_or(0) + 1;
        let rest = match dice(40, 9) {
            0 => format!("cancel,{about},,,,,,"),
            1 => format!("correct,{about},{price},{size},,,,"),
            2..18 => format!("quote,,,,{price},{size},{ask},{}", dice(500, 10)),
            _ => format!("trade,,{price},{size},,,,"),
        };
        lines.push((arrival, format!("{ts},,{},{},{rest}", symbols[symbol as usize], i + 1)));
    }
    lines.sort();
    let mut text = String::from("ts_event,venue,symbol,seq,action,ref_seq,price,size,bid,bid_size,ask,ask_size\n");
    lines.iter().for_each(|(_, line)| writeln!(text, "{line}").unwrap());
    fs::write(path, text).unwrap();
}

#[test]
fn correlations_over_everything_equal_pandas() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (data, minute) = (path("data"), path("data/minute"));
    run(env!("CARGO_BIN_EXE_replay"), &["generate", "--layout", "tutorial", "--scale", "0.002", "--out", &data]);
    for on in ["levels", "returns"] {
        let (out, set) = (path(on), format!("corr.on={on}"));
        let all = ["--set", "corr.window=all", "--set", "corr.top=all", "--set", "corr.min=2", "--set", &set];
        let args = [&["--input", &minute, "--window", "1m", "--out", &out], &all[..]].concat();
        run(env!("CARGO_BIN_EXE_corr"), &args);
        run(&python, &[&script("corr.py"), &minute, &format!("{out}/corr.csv"), on]);
    }
}

/// The tapes: a nasty one in a file, and a generated day in a folder.
fn tapes(folder: &Path) -> [String; 2] {
    let [nasty, day] = ["ticks.csv", "day"].map(|name| folder.join(name).to_str().unwrap().to_owned());
    ticks(Path::new(&nasty), 20_000);
    let mix = ["--cancels", "100", "--corrections", "100"];
    let generate = ["generate", "--symbols", "3", "--trades-per-day", "3000", "--out", &day];
    run(env!("CARGO_BIN_EXE_replay"), &[&generate[..], &mix].concat());
    [nasty, day]
}

#[test]
fn bars_equal_pandas() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (input, at) in tapes(folder.path()).iter().zip(0..) {
        let out = folder.path().join(format!("out{at}")).to_str().unwrap().to_owned();
        run(env!("CARGO_BIN_EXE_ohlcv"), &["--input", input, "--window", "1s", "--out", &out]);
        run(&python, &[&script("ohlcv.py"), input, &format!("{out}/bars.csv")]);
    }
}

#[test]
fn averages_equal_pandas() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [nasty, day] = tapes(folder.path());
    // The session opens 20 s after the nasty tape and closes 23 s before its end, within a step.
    let session = ["vwap.over=session", "vwap.every=10s", "session.open=09:30:20", "session.close=09:31:37"];
    let hours = ["10000000000", "1767623420000000000", "1767623497000000000"];
    let whole_session = ["vwap.over=session", "vwap.every=30m"];
    let whole_hours = ["1800000000000", "1767623400000000000", "1767646800000000000"];
    let cases: [(_, _, &[&str], &[&str]); 6] = [
        (&nasty, "window", &["vwap.over=window", "window.length=2s"], &["2000000000"]),
        (&nasty, "session", &session, &hours),
        (&nasty, "trades", &["vwap.over=trades", "vwap.every=5s", "vwap.trades=25"], &["5000000000", "25"]),
        (&day, "window", &["vwap.over=window", "window.length=1m"], &["60000000000"]),
        (&day, "session", &whole_session, &whole_hours),
        (&day, "trades", &["vwap.over=trades", "vwap.every=1m", "vwap.trades=25"], &["60000000000", "25"]),
    ];
    for ((input, over, set, theirs), at) in cases.into_iter().zip(0..) {
        let (out, script) = (folder.path().join(format!("out{at}")).to_str().unwrap().to_owned(), script("vwap.py"));
        let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
        run(env!("CARGO_BIN_EXE_vwap"), &[&["--input", input, "--out", &out], &set[..]].concat());
        run(&python, &[&[&script, input, &format!("{out}/averages.csv"), over][..], theirs].concat());
    }
}

#[test]
fn trades_beside_quotes_equal_pandas() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (input, at) in tapes(folder.path()).iter().zip(0..) {
        for (strict, tolerance, nanos) in [("not-strict", "1s", "1000000000"), ("strict", "40ms", "40000000")] {
            let out = folder.path().join(format!("{strict}{at}")).to_str().unwrap().to_owned();
            let sets = [format!("tq.strict={}", strict == "strict"), format!("tq.tolerance={tolerance}")];
            run(env!("CARGO_BIN_EXE_tq"), &["--input", input, "--out", &out, "--set", &sets[0], "--set", &sets[1]]);
            run(&python, &[&script("tq.py"), input, &format!("{out}/tq.csv"), strict, nanos, "1000000000"]);
        }
    }
}
