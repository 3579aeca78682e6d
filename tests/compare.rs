//! `ohlcv compare` from outside. What this can catch: a difference that is not shown, a condition that does not decide
//! the exit code, a folder that is taken for what it is not.

mod program;

use program::{Folder, run};
use serde_json::{Value, json};

const SMALL: [&str; 8] =
    ["--set", "market.rate=20k/s", "--set", "market.symbols=20", "--set", "market.length=2s", "--speed", "max"];

/// Runs the small market with these flags into a folder, and returns its path.
fn played(folder: &Folder, name: &str, args: &[&str]) -> String {
    let out = folder.arg(name);
    run(&[&SMALL, args, &["--out", &out]].concat()).exits(0);
    out
}

#[test]
fn two_runs_are_compared_and_a_condition_decides_the_exit_code() {
    let folder = Folder::new();
    let (base, knob) = (played(&folder, "base", &[]), played(&folder, "knob", &["--batch", "7"]));
    let text =
        run(&["compare", &base, &knob, "--fail-if", "digest", "--fail-if", "p99 > +1000000000%"]).exits(0).stdout;
    for line in ["  settings  batch.max_ticks 16384 -> 7\n", "  ledger    equal\n", "  digest    equal: "] {
        assert!(text.contains(line), "{line} is not in: {text}");
    }
    assert!(!text.contains("output.to"), "{text}");
    for figure in ["rate ", "tick p50 ", "tick p99.9 ", "batch max ", "close p99 ", "sink p99 "] {
        assert!(text.contains(&format!("    {figure}")), "{figure} is not in: {text}");
    }
    let seed = played(&folder, "seed", &["--set", "market.seed=43"]);
    let done = run(&["compare", &base, &seed, "--fail-if", "digest", "--fail-if", "p99 < -100%"]).exits(3);
    assert!(done.stdout.contains("  digest    DIFFERENT: "), "{}", done.stdout);
    assert!(done.stdout.contains("  settings  market.seed 42 -> 43\n"), "{}", done.stdout);
    assert_eq!(done.stderr, "ohlcv: it holds that digest\n");
    run(&["compare", &base, &seed, "--fail-if", "rate > -101%"]).exits(3).says(&["it holds that rate > -101%"]);
    run(&["compare", &base, &seed, "--fail-if", "p98 > 1%"]).exits(2).says(&["p98", "figures are p50"]);
}

/// A sweep's file with one cell and these p99 of its repeats.
fn sweep(folder: &Folder, name: &str, p99: &[u64], digest: &str) -> String {
    let run = |p99: &u64| {
        let percentiles = json!({ "count": 9, "p50": 1_000, "p99": p99 });
        json!({ "latency": { "tick": percentiles }, "achieved": 5e5, "cores": 0.5, "digest": digest })
    };
    let runs: Vec<Value> = p99.iter().map(run).collect();
    let cell = |batch: u64| json!({ "settings": { "batch.max_ticks": batch }, "ticks": 100, "runs": runs });
    let manifest = json!({ "pipeline": "ohlcv", "complete": true, "version": "0", "settings": { "workers": 2 } });
    let text = json!({ "manifest": manifest, "cells": [cell(16), cell(p99.len() as u64)] }).to_string();
    folder.write(&format!("{name}/sweep.json"), text);
    folder.arg(name)
}

#[test]
fn of_sweeps_only_what_lies_beyond_the_ranges_of_the_repeats_is_a_difference() {
    let folder = Folder::new();
    let base = sweep(&folder, "base", &[100_000, 110_000, 120_000], "a");
    let worse = sweep(&folder, "worse", &[130_000, 140_000, 150_000, 160_000], "a");
    let restless = sweep(&folder, "restless", &[119_000, 200_000, 900_000], "b");
    let done = run(&["compare", &base, &worse, "--fail-if", "p99>+10%"]).exits(3);
    let row = "tick p99  110 us (100 us..120 us)  150 us (130 us..160 us)  +36.4%  differs\n";
    assert!(done.stdout.contains(row), "{}", done.stdout);
    let mut cores = done.stdout.lines().filter(|line| line.starts_with("    cores ")).map(str::split_whitespace);
    assert!(cores.next().unwrap().eq(["cores", "0.50", "0.50", "+0.0%", "equal"]), "{}", done.stdout);
    assert!(done.stdout.contains("only in base: batch.max_ticks=3 ticks=100"), "{}", done.stdout);
    assert!(done.stdout.contains("only in new: batch.max_ticks=4 ticks=100"), "{}", done.stdout);
    assert_eq!(done.stderr, "ohlcv: it holds that p99 > +10% in batch.max_ticks=16 ticks=100\n");
    let done = run(&["compare", &base, &restless, "--fail-if", "p99>+10%"]).exits(0);
    assert!(done.stdout.contains("+81.8%  no difference to be believed\n"), "{}", done.stdout);
    assert!(done.stdout.contains("  digest    DIFFERENT: a -> b\n"), "{}", done.stdout);
    run(&["compare", &base, &worse, "--fail-if", "close.p99>1%"]).exits(1).says(&["does not have that figure"]);
    let none = "have no cell in common";
    folder.write("none/sweep.json", r#"{"manifest":{"pipeline":"ohlcv","complete":true},"cells":[]}"#);
    run(&["compare", &base, &folder.arg("none")]).exits(1).says(&[none]);
}

#[test]
fn cells_that_did_not_drain_are_marked_and_single_runs_have_no_ranges() {
    let folder = Folder::new();
    let sweep = |name: &str, censored: bool| {
        let percentiles = json!({ "count": 9, "p50": 1_000, "p99": 2_000 });
        let digest = if censored { Value::Null } else { "a".into() };
        let run =
            json!({ "latency": { "tick": percentiles }, "achieved": 5e5, "digest": digest, "censored": censored });
        let cell = json!({ "settings": { "batch.max_ticks": 1 }, "ticks": 100, "runs": [run] });
        let manifest = json!({ "pipeline": "ohlcv", "complete": true, "version": "0", "settings": {} });
        folder.write(&format!("{name}/sweep.json"), json!({ "manifest": manifest, "cells": [cell] }).to_string());
        folder.arg(name)
    };
    let (drained, stopped) = (sweep("drained", false), sweep("stopped", true));
    let shown = |base: &str, new: &str| run(&["compare", base, new]).exits(0).stdout;
    let text = shown(&drained, &stopped);
    assert!(text.contains("\n  censored  new: it did not drain, so latencies are at least these\n"), "{text}");
    assert!(text.contains("\n  digest    DIFFERENT: a -> none\n"), "{text}");
    assert!(text.contains("one run a cell has no range") && !text.contains("where those ranges overlap"), "{text}");
    let text = shown(&stopped, &stopped);
    assert!(text.contains("\n  censored  base and new: ") && text.contains("\n  digest    unknown: "), "{text}");
    assert!(!shown(&drained, &drained).contains("censored"));
    run(&["compare", &stopped, &stopped, "--fail-if", "digest"]).exits(1).says(&["digest cannot be told"]);
}

#[test]
fn a_real_sweep_is_compared_with_itself() {
    let folder = Folder::new();
    let out = folder.arg("sweep");
    let args = "sweep --batch 1,64 --repeat 2 --rate 5k/s --for 200ms --warmup 50ms --set market.symbols=20 --out";
    run(&[&args.split(' ').collect::<Vec<_>>()[..], &[&out]].concat()).exits(0);
    let done = run(&["compare", &out, &out, "--fail-if", "p99>0%", "--fail-if", "digest"]).exits(0);
    for word in ["settings  equal", "digest    equal", "tick p99 ", "cores ", "rate ", "batch.max_ticks=64"] {
        assert!(done.stdout.contains(word), "{word} is not in: {}", done.stdout);
    }
}

#[test]
fn folders_that_cannot_be_compared_are_named_with_the_reason() {
    let folder = Folder::new();
    let base = played(&folder, "base", &[]);
    let refused = |other: &str, why: &str| run(&["compare", &base, other]).exits(1).says(&[other, why]);
    refused(&folder.arg("nowhere"), "is not a folder");
    folder.write("empty/some.txt", "");
    refused(&folder.arg("empty"), "holds neither a run nor a sweep");
    folder.write("half/latency.hlog", "");
    refused(&folder.arg("half"), "holds a run that has not ended");
    folder.write("broken/summary.json", "{");
    refused(&folder.arg("broken"), "is not sound");
    folder.write("foreign/summary.json", "{}");
    refused(&folder.arg("foreign"), "is not one of ours");
    folder.write("cut/summary.json", r#"{"pipeline":"ohlcv","complete":false}"#);
    refused(&folder.arg("cut"), "was interrupted");
    folder.write("other/summary.json", r#"{"pipeline":"vwap","complete":true}"#);
    refused(&folder.arg("other"), "is of the pipeline vwap");
    refused(&sweep(&folder, "sweep", &[1], "a"), "one is a run and one is a sweep");
    folder.write("both/summary.json", "{}");
    folder.write("both/sweep.json", "{}");
    refused(&folder.arg("both"), "holds both a run and a sweep");
}
