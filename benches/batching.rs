//! What a batch buys: `cargo bench --bench batching`, with `-- --quick` in a minute, for figures that mean little.
//!
//! Measured, by the program itself as a user would do it: first the sweep of batch sizes and lingers whose table and
//! picture are in the README, then a million ticks a second served greedily by one worker and by two, which spin or
//! park when they have nothing to do; and last, half a million a second on one worker, on two threads and in two
//! processes. What these contend for is told in docs/batching.md: threads for memory that one allocates and the other
//! frees, processes for the cores, on which they have four more threads that move bytes between them.
//!
//! The limit: what the machine does to a thread that only sleeps, measured meanwhile. Nobody's p99 can be expected
//! below that noise floor; the aim is to be within twice of it.
//!
//! Reading it: latency is from when each tick was due; figures are medians of repeats in a shuffled order. The folders
//! named at the end hold the reports. The bench fails if cells that played the same ticks have different results.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;
use tapeflow::report::span;

/// The sweep of the README.
const TABLE: &str = "--batch 1,16,256,4096 --linger 0s,1ms --rate 500k/s";

/// A million ticks a second, greedily.
const MILLION: &str = "--workers 1,2 --vary run.wait=spin,park --rate 1M/s --linger 0s";

/// One worker, two threads, two processes.
const PROCESSES: &str =
    "--vary workers=1,2 --vary processes=1,2 --skip workers=2,processes=2 --rate 500k/s --linger 0s";

fn main() -> ExitCode {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let sweeps = [
        ("sweep", TABLE, "2s", "3", &["--goal", "p99 <= 2ms"][..]),
        ("million", MILLION, "5s", "5", &[]),
        ("processes", PROCESSES, "2s", "3", &[]),
    ];
    let swept: Result<Vec<PathBuf>, String> = sweeps
        .iter()
        .map(|(name, args, span, repeat, more)| {
            let (span, repeat) = if quick { ("500ms", "1") } else { (*span, *repeat) };
            sweep(&(*name, format!("{args} --for {span} --repeat {repeat}")), more)
        })
        .collect();
    match swept.and_then(|folders| greedy(&folders[1]).map(|()| folders)) {
        Ok(folders) => {
            let reports: Vec<String> =
                folders.iter().map(|folder| folder.join("report.html").display().to_string()).collect();
            println!("\nreports: {}", reports.join(", "));
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a sweep, which prints its table, and says where it left its files.
fn sweep((name, args): &(&str, String), more: &[&str]) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("batching").join(name);
    let quoted = more.iter().map(|it| if it.contains(' ') { format!(" '{it}'") } else { format!(" {it}") });
    println!("ohlcv sweep {args}{}\n", quoted.collect::<String>());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ohlcv"));
    command.arg("sweep").args(args.split(' ')).args(more).arg("--out").arg(&folder).stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(folder),
        Ok(status) => Err(format!("the sweep ended with {status}")),
        Err(error) => Err(format!("the sweep could not be run: {error}")),
    }
}

/// Prints the percentiles of each cell beside those of the noise in the run that stands for it.
fn greedy(folder: &Path) -> Result<(), String> {
    let path = folder.join("sweep.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    let sweep: Value = serde_json::from_str(&text).map_err(|error| format!("reading {}: {error}", path.display()))?;
    println!(
        "\n{:<26}{:>12}{:>10}{:>10}{:>10}{:>10}{:>12}",
        "1M ticks/s, greedy", "", "p50", "p99", "p99.9", "p99.99", "p99 / noise"
    );
    let none = Vec::new();
    for cell in sweep["cells"].as_array().unwrap_or(&none) {
        let run = &cell["runs"][cell["median_run"].as_u64().unwrap_or(1) as usize - 1];
        let row = |of: &Value| {
            let at = |name: &str| of[name].as_u64().unwrap_or(0);
            (["p50", "p99", "p99.9", "p99.99"].map(|name| format!("{:>10}", span(at(name)))).concat(), at("p99"))
        };
        let (ticks, noise) = (row(&cell["summary"]["tick"]), row(&run["control"]));
        let name = cell["name"].as_str().unwrap_or_default();
        println!("{name:<26}{:>12}{}{:>12.1}", "ticks", ticks.0, ticks.1 as f64 / noise.1.max(1) as f64);
        println!("{:<26}{:>12}{}", "", "noise floor", noise.0);
    }
    Ok(())
}
