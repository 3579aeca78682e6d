use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Figure, Subject};
use crate::error::{Doing as _, Error, Result};

/// The percentiles of a stage, as they are called in the files.
pub(super) const PERCENTILES: [&str; 6] = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];

/// The stages of latency, as they are called in the files.
pub(super) const STAGES: [&str; 6] = ["tick", "source", "batch", "operators", "close", "sink"];

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A run: `summary.json`.
    Run,
    /// A sweep: `sweep.json`.
    Sweep,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Side {
    /// The folder, as it was named.
    pub folder: String,
    /// What is in it.
    pub kind: Kind,
    /// The pipeline.
    pub pipeline: String,
    /// The version of tapeflow.
    pub version: String,
    /// The settings.
    pub settings: Value,
    /// The columns of a run's ledger.
    pub ledger: Vec<(String, u64)>,
    /// The run, or the cells.
    pub subjects: Vec<Subject>,
}

/// Reads the folder that a run or a sweep has written with `--out`.
///
/// # Errors
/// When there is nothing of the kind in it, or it has not ended, or it was interrupted.
pub fn read(folder: &Path) -> Result<Side> {
    let name = folder.display().to_string();
    let wrong = |text: &str| Err(Error::Input(format!("compare: {name} {text}")));
    if !folder.is_dir() {
        return wrong("is not a folder: name two folders that runs or sweeps have written with --out");
    }
    let has = |file: &str| folder.join(file).is_file();
    let kind = match (has("summary.json"), has("sweep.json")) {
        (true, true) => return wrong("holds both a run and a sweep: give each a folder of its own"),
        (true, false) => Kind::Run,
        (false, true) => Kind::Sweep,
        (false, false) if has("latency.hlog") => {
            return wrong("holds a run that has not ended, or failed: there is no summary.json yet");
        }
        (false, false) => return wrong("holds neither a run nor a sweep: there is no summary.json or sweep.json"),
    };
    let path = folder.join(if kind == Kind::Run { "summary.json" } else { "sweep.json" });
    let text = fs::read_to_string(&path).doing(|| format!("reading {}", path.display()))?;
    let json: Value = match serde_json::from_str(&text) {
        Ok(json) => json,
        Err(e) => return wrong(&format!("is of no use: {} is not sound: {e}", path.display())),
    };
    let about = if kind == Kind::Run { &json } else { &json["manifest"] };
    let (Some(pipeline), Some(complete)) = (about["pipeline"].as_str(), about["complete"].as_bool()) else {
        return wrong(&format!("is of no use: {} is not one of ours", path.display()));
    };
    if !complete {
        return wrong("was interrupted: run it to its end, so that both sides have played the same");
    }
    let subjects = match kind {
        Kind::Run => vec![run(&json)],
        Kind::Sweep => json["cells"].as_array().into_iter().flatten().map(cell).collect(),
    };
    let ledger = json["ledger"].as_object().into_iter().flatten();
    Ok(Side {
        folder: name,
        kind,
        pipeline: pipeline.to_owned(),
        version: about["version"].as_str().unwrap_or("unknown").to_owned(),
        settings: about["settings"].clone(),
        ledger: ledger.map(|(column, count)| (column.clone(), count.as_u64().unwrap_or(0))).collect(),
        subjects,
    })
}

/// Ticks a second over all of a run, and its figures.
fn run(json: &Value) -> Subject {
    let seconds = json["elapsed"].as_f64().map(|nanos| nanos / 1e9).filter(|seconds| *seconds > 0.0);
    let read = json["ledger"]["read"].as_f64().zip(json["ledger"]["rejected"].as_f64());
    let rate = read.zip(seconds).map(|((read, rejected), seconds)| (read - rejected) / seconds);
    let cores = json["cpu_seconds"].as_f64().zip(seconds).map(|(cpu, seconds)| cpu / seconds);
    let digest = json["digest"].as_str().map(str::to_owned);
    let figures = figures(rate.into_iter().collect(), cores.into_iter().collect(), &[json]);
    Subject { name: String::new(), digests: digest.into_iter().collect(), censored: false, figures }
}

fn cell(json: &Value) -> Subject {
    let settings = json["settings"].as_object().into_iter().flatten();
    let mut name: Vec<String> = settings.map(|(key, value)| format!("{key}={}", super::plain(value))).collect();
    // What is measured is part of what a cell is.
    name.extend(json["ticks"].as_u64().map(|ticks| format!("ticks={ticks}")));
    let runs: Vec<&Value> = json["runs"].as_array().into_iter().flatten().collect();
    let each = |key: &str| runs.iter().filter_map(|run| run[key].as_f64()).collect();
    let mut digests: Vec<String> = runs.iter().filter_map(|run| run["digest"].as_str().map(str::to_owned)).collect();
    digests.sort();
    digests.dedup();
    let censored = runs.iter().any(|run| run["censored"] == true);
    Subject { name: name.join(" "), digests, censored, figures: figures(each("achieved"), each("cores"), &runs) }
}

fn figures(rate: Vec<f64>, cores: Vec<f64>, runs: &[&Value]) -> Vec<Figure> {
    let mut figures: Vec<Figure> =
        [Figure::new(None, "rate", rate), Figure::new(None, "cores", cores)].into_iter().flatten().collect();
    for stage in STAGES {
        // A stage in which nothing was measured has no percentiles.
        let measured = || runs.iter().map(|run| &run["latency"][stage]).filter(|it| it["count"].as_u64() > Some(0));
        let of = |name| Figure::new(Some(stage), name, measured().filter_map(|it| it[name].as_f64()).collect());
        figures.extend(PERCENTILES.into_iter().filter_map(of));
    }
    figures
}
