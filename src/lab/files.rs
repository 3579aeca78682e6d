use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::machine::{Machine, command_line};
use super::together::Together;
use super::traces::middle;
use super::{Measured, Results, Summary, Sweep, pareto, star, summary};
use crate::error::{Doing as _, Error, Result};
use crate::report::{LatencyLog, Percentiles, hgrm};

/// Writes all that a sweep leaves behind into a folder, instead of what an earlier one left: tables as CSV, for each cell
/// its histograms for HdrHistogram's tools, and at last `sweep.json`.
///
/// # Errors
/// When they cannot be written.
pub fn write(folder: &Path, sweep: &Sweep, results: &Results) -> Result<()> {
    let mut files = Together::into(folder);
    files.put("sweep.csv", sweep_csv(sweep, results))?;
    files.put("percentiles.csv", percentiles_csv(sweep, results))?;
    files.put("timeline.csv", timeline_csv(sweep, results))?;
    files.put("closes.csv", closes_csv(sweep, results))?;
    for (at, runs) in results.runs.iter().enumerate() {
        let name = cell_file(at + 1);
        log(&files.begin(&format!("{name}.hlog")), runs)?;
        if let Some((_, ticks)) = middle(runs).and_then(|run| runs[run].traces.histograms.first()) {
            files.put(&format!("{name}.hgrm"), hgrm(ticks))?;
        }
    }
    let text = serde_json::to_string_pretty(&report(sweep, results));
    files.put("sweep.json", text.map_err(|e| Error::Input(format!("writing sweep.json: {e}")))? + "\n")?;
    remove_earlier(folder)?;
    files.settle()
}

/// What the files of a cell, counted from one, are called, without their extension.
pub fn cell_file(cell: usize) -> String {
    format!("cell-{cell}")
}

/// Removes what an earlier sweep left, of which there may have been more cells, and whose page says nothing of this one.
fn remove_earlier(folder: &Path) -> Result<()> {
    for name in ["sweep.json", "report.html", "sweep.svg"] {
        let path = folder.join(name);
        if path.exists() {
            fs::remove_file(&path).doing(|| format!("removing {}", path.display()))?;
        }
    }
    for cell in 1.. {
        let files = ["hlog", "hgrm"].map(|extension| folder.join(cell_file(cell)).with_extension(extension));
        let there: Vec<_> = files.iter().filter(|file| file.exists()).collect();
        if there.is_empty() {
            break;
        }
        for file in there {
            fs::remove_file(file).doing(|| format!("removing {}", file.display()))?;
        }
    }
    Ok(())
}

/// The histograms of a cell's runs, one run after the other.
fn log(path: &Path, runs: &[Measured]) -> Result<()> {
    let (mut log, mut start) = (LatencyLog::create(path)?, Duration::ZERO);
    for run in runs {
        let length = Duration::from_nanos(run.elapsed);
        for (tag, histogram) in &run.traces.histograms {
            log.interval(tag, start, length, histogram)?;
        }
        start += length;
    }
    log.flush()
}

/// A table with a row for whatever `rows` writes about each run, behind the cell, its values and the repeat.
fn table(sweep: &Sweep, results: &Results, heads: &str, mut rows: impl FnMut(&mut String, &str, &Measured)) -> String {
    let keys: String = sweep.keys.iter().map(|key| format!("{key},")).collect();
    let mut out = format!("cell,{keys}repeat,{heads}\n");
    for (at, runs) in results.runs.iter().enumerate() {
        let values: String = sweep.cells[at].values.iter().map(|value| quoted(value) + ",").collect();
        for run in runs {
            rows(&mut out, &format!("{},{values}{},", at + 1, run.repeat + 1), run);
        }
    }
    out
}

/// A row for each cell, repeat and stage.
fn sweep_csv(sweep: &Sweep, results: &Results) -> String {
    let heads = "stage,count,p50,p90,p99,p99.9,p99.99,max,share_of_slowest,\
                 offered,achieved,cpu_seconds,digest,censored,noisy,\
                 steal,stalled,run_delay,mean_backlog,rate_x_mean_wait";
    table(sweep, results, heads, |out, which, run| {
        let cpu = run.cpu_seconds.map(|cpu| format!("{cpu:.2}")).unwrap_or_default();
        let Measured { offered, achieved, censored, noisy, .. } = run;
        let digest = run.digest.as_deref().unwrap_or_default();
        let shares =
            run.pressure.shares().map(|share| share.map(|it| format!("{it:.5}")).unwrap_or_default()).join(",");
        let little = run.little.map_or(",".into(), |it| format!("{:.3},{:.3}", it.backlog, it.expected));
        for (stage, histogram) in &run.traces.histograms {
            let Percentiles { count, p50, p90, p99, p99_9, p99_99, max } = Percentiles::of(histogram);
            let share = run.traces.slowest.share(stage).map(|share| format!("{share:.4}")).unwrap_or_default();
            let _ = writeln!(
                out,
                "{which}{stage},{count},{p50},{p90},{p99},{p99_9},{p99_99},{max},{share},\
                 {offered},{achieved},{cpu},{digest},{censored},{noisy},{shares},{little}",
            );
        }
    })
}

/// Those of `percentiles.csv`.
const PERCENTILES: [f64; 13] = [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 99.999, 100.0];

/// A row for each cell, repeat, stage and percentile.
fn percentiles_csv(sweep: &Sweep, results: &Results) -> String {
    table(sweep, results, "stage,percentile,nanos", |out, which, run| {
        for (stage, histogram) in &run.traces.histograms {
            for percentile in PERCENTILES {
                let nanos = histogram.value_at_percentile(percentile);
                let _ = writeln!(out, "{which}{stage},{percentile},{nanos}");
            }
        }
    })
}

/// A row for each cell, repeat and second.
fn timeline_csv(sweep: &Sweep, results: &Results) -> String {
    let heads = "second,nanos,offered,applied,backlog,mean_batch,measured,p50,p99,max";
    table(sweep, results, heads, |out, which, run| {
        for it in &run.traces.timeline {
            let _ = writeln!(
                out,
                "{which}{},{},{},{},{},{:.2},{},{},{},{}",
                it.second,
                it.nanos,
                it.offered,
                it.applied,
                it.backlog,
                it.mean_batch,
                it.measured,
                it.p50,
                it.p99,
                it.max
            );
        }
    })
}

/// A row for each cell, repeat and window end.
fn closes_csv(sweep: &Sweep, results: &Results) -> String {
    table(sweep, results, "window_end_ms,first,last", |out, which, run| {
        for it in &run.traces.closes {
            let _ = writeln!(out, "{which}{},{},{}", it.end_ms, it.first, it.last);
        }
    })
}

/// A field of CSV.
pub fn quoted(value: &str) -> String {
    if value.contains([',', '"', '\n']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.to_owned() }
}

/// All of a sweep: how it was done, and each cell with its runs. Cells and repeats are counted from one, as in the CSV.
fn report(sweep: &Sweep, results: &Results) -> Value {
    let summaries: Vec<Option<Summary>> = results.runs.iter().map(|runs| summary(runs)).collect();
    let law = results.cost_law();
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
            "name": sweep.name(at),
            "settings": settings,
            "ticks": cell.ticks(),
            "measured_span": cell.span,
            "summary": summaries[at],
            "pareto": front[at],
            "star": starred == Some(at),
            "theory": law.as_ref().and_then(|law| cell.theory(law)),
            "median_run": middle(&results.runs[at]).map(|run| run + 1),
            "runs": numbered(&results.runs[at]),
            "discarded_as_noisy": numbered(&results.discarded[at]),
        })
    };
    json!({
        "manifest": {
            "pipeline": sweep.pipeline,
            "version": env!("CARGO_PKG_VERSION"),
            "commit": option_env!("TAPEFLOW_COMMIT"),
            "at": jiff::Timestamp::now().to_string(),
            "command": command_line(),
            "machine": Machine::here(),
            "repeat": sweep.repeat,
            "warmup": sweep.warmup,
            "goal": sweep.goal.map(|goal| goal.to_string()),
            "seed": sweep.seed,
            "labels": sweep.labels,
            "keys": sweep.keys,
            "order": results.order.iter().map(|(cell, repeat)| [cell + 1, repeat + 1]).collect::<Vec<_>>(),
            "complete": results.complete,
            "cost_law": law,
            "disagreement": sweep.disagreement(results),
            "settings": sweep.settings,
        },
        "cells": (0..sweep.cells.len()).map(cell).collect::<Vec<_>>(),
    })
}
