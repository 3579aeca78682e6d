use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::claim::Claim;
use super::explain::Answering;
use super::follow::lead;
use super::outlet::Outlet;
use super::pipeline::{Pipeline, Playing};
use super::retune::{Read, Retune};
use super::signals::stop_on_hang_up;
use super::{out_folder, stop_on_signals};
use crate::config::{Config, Effective, Input, Output};
use crate::error::{Doing as _, Error, Result, say};
use crate::play;
use crate::report::{Absent, Batching, Decisions, LatencyLog, Progress, Report};
use crate::row::{Encoding, Rows};
use crate::runtime::Outcome;
use crate::sink::{self, Mode};
use crate::source::{Inputs, Surroundings};
use crate::tape::Rejects;

/// Plays a tape once, and reports; its batch limits change when they do in `files`, from which they are read again.
pub fn play_once(
    name: &str,
    config: &Config,
    effective: &Effective,
    (read_again, files): (&Read<'_>, &[PathBuf]),
    pipeline: &dyn Pipeline,
) -> Result<ExitCode> {
    let rows = pipeline.rows();
    let stop = stop_on_signals()?;
    // Where settings are of files, SIGHUP has them read again.
    if files.is_empty() {
        stop_on_hang_up(&stop)?;
    }
    if let Input::Files(inputs) = &config.input {
        tell_empty(inputs)?;
    }
    let folder = out_folder(config)?;
    let _claim = folder.map(Claim::of).transpose()?;
    let mut rejects = Rejects::new(folder.map(|folder| folder.join(REJECTED)))?;
    if let Some((address, to_topic)) = &config.rejected {
        let stop = stop.clone();
        rejects =
            rejects.also_to(sink::open_for_rejects(address, to_topic, Box::new(move || stop.load(Ordering::Relaxed)))?);
    }
    let cluster = lead(config, effective, &stop)?;
    let around = play::surroundings(config, cluster, rejects, stop.clone());
    let answering = Answering::begin(name, config, &around)?;
    let mut opened = play::open(config, &around)?;
    let finish = opened.finish.take();
    let latency_from = opened.latency_from.clone();
    if let Some(folder) = folder {
        remove_earlier(folder, &rows)?;
    }
    let log = folder.map(|folder| LatencyLog::create(&folder.join("latency.hlog"))).transpose()?;
    let outlet = Outlet::open(config, &around, &rows)?;
    let decisions = Decisions::new(folder.map(|folder| folder.join("decisions.jsonl")));
    let progress = Progress::new(log, decisions);
    let mut retune = Retune::new(name, progress, config.knobs.batch, effective, read_again, files)?;
    let playing = Playing { dial: retune.dial(), config, around: &around, opened, watch: &mut retune };
    let outcome = pipeline.play(playing, &outlet);
    let log = retune.end().end();
    // A run that fails keeps its rejects, too.
    let kept = around.rejects.flush();
    let outcome = outcome?;

    let report = report((name, &rows), config, effective, &around, &outcome, &latency_from.to_string(), &stop);
    outlet.settle(outcome.written.rows)?;
    let (log, ()) = (log?, kept?);
    // What was read is noted as read when all that came of it is safe.
    finish.map_or(Ok(()), |finish| finish())?;
    if let Output::Folder(folder) = &config.output {
        if let Some(mut log) = log {
            let (close, sink) = outcome.closes.histograms();
            let seconds = outcome.elapsed.div_ceil(1_000_000_000);
            log.whole("close", seconds, &close)?;
            log.whole("sink", seconds, &sink)?;
        }
        let [path, part] = ["summary.json", "summary.part"].map(|name| folder.join(name));
        let text = serde_json::to_string_pretty(&report).map_err(|e| Error::Input(format!("summary.json: {e}")))?;
        let written = fs::write(&part, text + "\n").and_then(|()| fs::rename(&part, &path));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
        written.doing(|| format!("writing {}", path.display()))?;
    }
    drop(answering);
    say(format!("\n{report}").trim_end());
    Ok(exit_code(&report, config.strict))
}

/// Says which files are empty: a download that failed looks like a day without trades.
fn tell_empty(inputs: &Inputs) -> Result<()> {
    let mut empty: Vec<String> = inputs.lengths()?.into_iter().filter(|it| it.1 == 0).map(|(path, _)| path).collect();
    // A pipe has no length, and may bring much.
    empty.retain(|path| Path::new(path).is_file());
    match &empty[..] {
        [] => {}
        [file] => say(&format!("reading {}: {file} is empty", inputs.path)),
        [file, ..] => say(&format!("reading {}: {} files are empty, such as {file}", inputs.path, empty.len())),
    }
    Ok(())
}

fn exit_code(report: &Report, strict: bool) -> ExitCode {
    if !report.ledger.balances() || (strict && report.ledger.rejected > 0) {
        ExitCode::FAILURE
    } else if report.complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(130)
    }
}

/// Where lines are kept that could not be read.
const REJECTED: &str = "rejected.jsonl";

/// Removes what an earlier run left in the folder, be it of this pipeline or another, and whether it has ended or was
/// killed, so that nothing there is of two runs.
fn remove_earlier(folder: &Path, rows: &Rows) -> Result<()> {
    let summary = fs::read(folder.join("summary.json")).unwrap_or_default();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap_or_default();
    let earlier = summary["rows_are"].as_str().filter(|name| name.chars().all(char::is_alphanumeric));
    let files_of = |mode: Mode, name: &str| Encoding::ALL.map(|encoding| mode.file(name, encoding));
    let names = || [rows.name].into_iter().chain(earlier);
    let files = Mode::ALL.into_iter().flat_map(|mode| names().flat_map(move |name| files_of(mode, name)));
    for name in files.chain(["summary.json".into(), "decisions.jsonl".into()]) {
        let path = folder.join(name);
        for path in [path.with_extension("part"), path] {
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    Err(e).doing(|| format!("removing {}", path.display()))?
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// How this program was called.
fn program() -> String {
    std::env::args_os().next().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default()
}

fn report(
    (name, rows): (&str, &Rows),
    config: &Config,
    effective: &Effective,
    around: &Surroundings,
    outcome: &Outcome,
    latency_from: &str,
    stop: &AtomicBool,
) -> Report {
    let program = if std::env::var_os("CARGO").is_some() { "cargo run --release --".into() } else { program() };
    let is_plain = std::env::args_os().len() == 1;
    let next = match (&config.input, &config.output) {
        (Input::Market(_), _) if is_plain => {
            format!("turn a knob, and the digest stays: {program} --batch 1 --workers 1 --speed max")
        }
        (Input::Market(_), _) => "turn a knob, and the digest stays: --batch, --workers, --speed or --rate".into(),
        (Input::Files(inputs), _) if outcome.ledger.read == 0 => {
            let is_whole = config.playback.controls.is_whole();
            let widen = if is_whole { "" } else { ", and widen --start, --end or --symbols" };
            format!("nothing was read of {}: see what is there with `replay inspect`{widen}", inputs.path)
        }
        (_, Output::Folder(folder)) if outcome.ledger.is_of_rejects() => {
            format!(
                "no record could be read: all of them, with their reasons, are in {}",
                folder.join(REJECTED).display()
            )
        }
        _ if outcome.ledger.is_of_rejects() => {
            "no record could be read: --out DIR keeps all of them, with their reasons, in rejected.jsonl".into()
        }
        _ if outcome.written.rows == 0 && outcome.written.retracted == 0 => {
            format!(
                "no {} came of them: the settings say what is looked at, such as the session: {program} config",
                rows.name
            )
        }
        (_, Output::Folder(folder)) => {
            format!("all of this, and the settings, are in {}/summary.json", folder.display())
        }
        _ => format!("keep the {}, the summary and the latencies: add --out DIR", rows.name),
    };
    let asked = &config.playback.controls.symbols;
    let absent = Absent::among(asked, &around.symbols);
    Report {
        pipeline: name.into(),
        version: env!("CARGO_PKG_VERSION"),
        folder: std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned(),
        complete: !stop.load(Ordering::Relaxed),
        digest: format!("{:016x}", outcome.written.digest),
        rows_are: rows.name,
        rows: outcome.written.rows.max(0) as u64,
        retracted: outcome.written.retracted,
        ledger: outcome.ledger,
        unfilled: outcome.unfilled,
        struck: around.strikes.so_far(),
        unknown_conditions: around.conditions.unknown(),
        symbols: if asked.is_empty() { around.symbols.len() } else { asked.len() - absent.len() },
        absent,
        workers: config.workers,
        processes: config.processes,
        batches: outcome.batches,
        elapsed: outcome.elapsed,
        cpu_seconds: outcome.cpu_seconds,
        latency: Report::latency(outcome, latency_from),
        batching: outcome.held.iter().map(Batching::of).collect(),
        disorder: config.rules.disorder,
        rejected: around.rejects.examples(),
        settings: effective.to_json(),
        next,
    }
}
