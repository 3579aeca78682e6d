use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::machine::Machine;
use super::{Measured, Results, Summary, Sweep, pareto, star, summary};
use crate::error::{Doing as _, Error, Result};
use crate::report::Percentiles;

/// Writes `sweep.csv` and `sweep.json` into a folder.
///
/// # Errors
/// When they cannot be written.
pub fn write(folder: &Path, sweep: &Sweep, results: &Results) -> Result<()> {
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).doing(|| format!("writing {}", path.display()))
    };
    put("sweep.csv", csv(sweep, results))?;
    let text = serde_json::to_string_pretty(&report(sweep, results));
    put("sweep.json", text.map_err(|e| Error::Input(format!("writing sweep.json: {e}")))? + "\n")
}

/// A row for each cell, repeat and stage.
fn csv(sweep: &Sweep, results: &Results) -> String {
    let keys: String = sweep.keys.iter().map(|key| format!("{key},")).collect();
    let mut out = format!(
        "cell,{keys}repeat,stage,count,p50,p90,p99,p99.9,p99.99,max,\
         offered,achieved,cpu_seconds,digest,censored,noisy\n"
    );
    for (at, runs) in results.runs.iter().enumerate() {
        let values: String = sweep.cells[at].values.iter().map(|value| quoted(value) + ",").collect();
        for run in runs {
            let (cpu, digest) = (run.cpu_seconds.map(|cpu| format!("{cpu:.2}")).unwrap_or_default(), &run.digest);
            let (cpu, digest) = (cpu, digest.as_deref().unwrap_or_default());
            let Measured { repeat, offered, achieved, censored, noisy, .. } = run;
            for (stage, p) in stages(run) {
                let Percentiles { count, p50, p90, p99, p99_9, p99_99, max } = p;
                let _ = writeln!(
                    out,
                    "{},{values}{},{stage},{count},{p50},{p90},{p99},{p99_9},{p99_99},{max},\
                     {offered},{achieved},{cpu},{digest},{censored},{noisy}",
                    at + 1,
                    repeat + 1,
                );
            }
        }
    }
    out
}

fn stages(run: &Measured) -> [(&'static str, Percentiles); 7] {
    let latency = &run.latency;
    [
        ("tick", latency.tick),
        ("source", latency.source),
        ("batch", latency.batch),
        ("operators", latency.operators),
        ("close", latency.close),
        ("sink", latency.sink),
        ("machine", run.control),
    ]
}

/// A field of CSV.
fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\n']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.to_owned() }
}

/// All of a sweep: how it was done, and each cell with its runs. Cells and repeats are counted from one, as in the CSV.
fn report(sweep: &Sweep, results: &Results) -> Value {
    let summaries: Vec<Option<Summary>> = results.runs.iter().map(|runs| summary(runs)).collect();
    let (front, starred) = (pareto(&summaries), sweep.goal.and_then(|goal| star(&summaries, &goal)));
    let numbered = |runs: &[Measured]| -> Vec<Value> {
        let one = |run: &Measured| {
            let mut numbers = json!(run);
            numbers["repeat"] = (run.repeat + 1).into();
            numbers
        };
        runs.iter().map(one).collect()
    };
    let cell = |at: usize| {
        let cell = &sweep.cells[at];
        let settings: serde_json::Map<String, Value> =
            sweep.keys.iter().cloned().zip(cell.values.iter().map(|it| it.as_str().into())).collect();
        json!({
            "cell": at + 1,
            "settings": settings,
            "ticks": cell.ticks(),
            "measured_span": cell.span,
            "summary": summaries[at],
            "pareto": front[at],
            "star": starred == Some(at),
            "runs": numbered(&results.runs[at]),
            "discarded_as_noisy": numbered(&results.discarded[at]),
        })
    };
    json!({
        "manifest": {
            "pipeline": sweep.pipeline,
            "version": env!("CARGO_PKG_VERSION"),
            "machine": Machine::here(),
            "repeat": sweep.repeat,
            "warmup": sweep.warmup,
            "goal": sweep.goal.map(|goal| goal.to_string()),
            "seed": sweep.seed,
            "order": results.order.iter().map(|(cell, repeat)| [cell + 1, repeat + 1]).collect::<Vec<_>>(),
            "complete": results.complete,
            "settings": sweep.settings,
        },
        "cells": (0..sweep.cells.len()).map(cell).collect::<Vec<_>>(),
    })
}
