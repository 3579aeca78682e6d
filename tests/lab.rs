//! `ohlcv sweep` from outside: what it runs, what it writes, and what it refuses. What this can catch: a cell that is
//! not run or not written, settings that show in the digest, a flag that does not do what it says. What it cannot: any
//! figure, which is for a quiet machine.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A small market, so that a cell is over soon.
const SMALL: &str = "--rate 5k/s --for 300ms --warmup 100ms --set market.symbols=20 --set window.length=50ms";

fn sweep(args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ohlcv"));
    command.arg("sweep").args(args.split_whitespace()).stdin(Stdio::null()).output().unwrap()
}

/// Of a sweep that must not begin: its standard error, behind the exit code.
fn refused(args: &str) -> String {
    let output = sweep(args);
    assert_eq!(output.stdout, b"", "{args}");
    format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_cell_is_run_and_written_and_has_the_same_digest() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("sweep");
    let args = format!("{SMALL} --batch 1,64 --repeat 2 --goal max<=1h --out {}", folder.display());
    let output = sweep(&args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("/4  ") && text.contains("batch=64, repeat 2"), "{text}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("ohlcv sweep: 2 cells x 2 repeats"), "{table}");

    let csv = fs::read_to_string(folder.join("sweep.csv")).unwrap();
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let column = |head: &str| heads.iter().position(|it| *it == head).unwrap();
    let distinct = |head: &str| rows.iter().map(|row| row[column(head)]).collect::<BTreeSet<_>>();
    assert_eq!(rows.len(), 2 * 2 * 7, "{csv}");
    assert_eq!(distinct("batch.max_ticks"), BTreeSet::from(["1", "64"]));
    assert_eq!(distinct("repeat"), BTreeSet::from(["1", "2"]));
    assert_eq!((distinct("digest").len(), distinct("digest").contains("")), (1, false), "{csv}");
    // Warm-up: 1,500 of 2,000 ticks are measured, in each of their stages.
    for row in rows.iter().filter(|row| ["tick", "source", "batch", "operators"].contains(&row[column("stage")])) {
        assert_eq!((row[column("count")], row[column("offered")], row[column("censored")]), ("1500", "5000", "false"));
    }

    let json: Value = serde_json::from_str(&fs::read_to_string(folder.join("sweep.json")).unwrap()).unwrap();
    assert!(json["manifest"]["order"].as_array().unwrap().len() >= 4);
    assert_eq!(json["manifest"]["goal"], "max <= 1h");
    let cells = json["cells"].as_array().unwrap();
    assert_eq!(cells.iter().map(|cell| cell["runs"].as_array().unwrap().len()).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(cells[0]["settings"]["batch.max_ticks"], "1");
}

#[test]
fn what_varies_may_stand_in_a_file_and_cells_may_be_skipped() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("my.toml");
    fs::write(&file, "[sweep]\nrepeat = 1\n[sweep.vary]\nworkers = [1, 2]\nbatch.max_delay = [\"0s\", \"2ms\"]\n")
        .unwrap();
    let args = format!("{SMALL} --config {} --skip workers=2,linger=2ms", file.display());
    let output = sweep(&args);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(table.starts_with("ohlcv sweep: 3 cells x 1 repeat,"), "{table}");
    assert!(!table.contains('*'), "{table}");
}

#[test]
fn a_sweep_that_makes_no_sense_is_refused_before_anything_is_run() {
    assert!(refused("--for 1s").starts_with("Some(2) ohlcv: error: sweep: nothing varies;"));
    assert!(refused("--batch 1,2 --input data").contains("only the made-up market can be swept so far"));
    assert!(refused("--batch 1,2 --speed max").contains("cells are played at a rate"));
    assert!(refused("--batch 1,2 --limit 10").contains("give --for instead of --limit"));
    assert!(refused("--batch 1,2 --vary batch=3,4").contains("batch.max_ticks is varied twice"));
    assert!(refused("--batch 1,2 --skip rate=1/s").contains("`rate` does not vary in this sweep"));
    assert!(refused("--batch 1,2 --rate 1M/s --for 10m").contains("give a shorter --for"));
    assert!(refused("--batch 1,x").starts_with("Some(78) "));
    assert!(refused("--vary batch.max_tick=1,2").contains("did you mean `max_ticks`?"));
    assert!(refused("--batch 1,2 --repeat 0").contains("not a number of repeats"));
    assert!(refused("--batch 1,2 --goal p99").contains("is not a goal"));
}
