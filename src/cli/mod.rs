//! `main` for every pipeline: flags, configuration, Ctrl-C, exit codes.

mod flags;
mod sweep;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{Config, Effective, Input, Output, Settings};
use crate::error::{Doing as _, Error, Result};
use crate::lab::Asked;
use crate::operators::{Changes, Ticks};
use crate::play;
use crate::report::{LatencyLog, Progress, Report};
use crate::row::Row;
use crate::runtime::Outcome;
use crate::sink::{Discard, Run, Settling, Sink, Stdout, settle};
use crate::source::Surroundings;
use crate::tape::Rejects;
use flags::Flags;
use sweep::{ReportFlags, SweepFlags};

/// Plays a tape through a pipeline over stock ticks, and reports latency from when each tick was due.
#[derive(Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Print the settings of a run and where each came from, and run nothing
    Config,
    /// Look for mistakes in the settings, and run nothing
    Check,
    /// Run every combination of settings, and compare their latency, throughput and CPU
    ///
    /// What varies is given as lists: --batch 1,16,256 --linger 0s,1ms --rate 100k/s,500k/s --workers 1,2, and --vary
    /// for any other setting, or in the [sweep.vary] table of the settings. Every combination is a cell. All cells are
    /// run open loop on the made-up market, in a shuffled order and several times over, each for as long as --for says
    /// beside its warm-up. Cells that play the same ticks must have the same result, else the exit code is 1.
    ///
    /// The table goes to standard output. With --out DIR, report.html shows it all in charts, sweep.svg in a picture;
    /// sweep.csv, timeline.csv, closes.csv and sweep.json hold the numbers, and cell-N.hlog and cell-N.hgrm the
    /// histograms for HdrHistogram's tools.
    Sweep(SweepFlags),
    /// Make report.html anew from the folders of saved sweeps; of several, it shows them side by side
    ///
    /// It is written into the folder of the sweep; of several, into the current folder, or where --out says.
    Report(ReportFlags),
}

/// Runs a pipeline as a program: `defaults` is its commented TOML, which is its manual too.
pub fn main<S, R, F>(name: &'static str, defaults: &'static str, pipeline: F) -> ExitCode
where
    S: Settings,
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>, &S) -> Changes<'scope, R> + Send + Sync + 'static,
{
    // A worker that panics is not missed by the others: they would wait for it for ever.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        hook(info);
        tell(format_args!("{name}: a thread panicked, which is a bug in {name}; the run is over\n"));
        std::process::exit(101);
    }));
    let command = Cli::command().name(name).bin_name(name);
    let cli = match command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version that nobody reads to the end are fine.
            let _ = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    match run(name, defaults, cli, pipeline) {
        Ok(code) => code,
        Err(Error::ClosedPipe) => ExitCode::SUCCESS,
        Err(error) => {
            match &error {
                Error::Config(text) => tell(format_args!("{}\n", text.trim_end())),
                _ => tell(format_args!("{name}: error: {error}\n")),
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run<S, R, F>(name: &str, defaults: &'static str, cli: Cli, pipeline: F) -> Result<ExitCode>
where
    S: Settings,
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>, &S) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let Cli { flags, command } = cli;
    if let Some(Command::Sweep(asked)) = &command {
        return sweep::sweep(name, defaults, flags, asked, pipeline);
    }
    if let Some(Command::Report(asked)) = &command {
        return sweep::report(asked, flags.out.as_deref());
    }
    let mut layers = flags.layers(name, defaults)?;
    let (config, settings) = (Config::read(&mut layers), S::read(&mut layers));
    let asked = Asked::read(&mut layers);
    let effective = layers.finish()?;
    let (Some(config), Some(settings), Some(_)) = (config, settings, asked) else {
        return Err(lacking(name));
    };
    match command {
        Some(Command::Config) => print(&effective.to_toml_with_origins()),
        Some(Command::Check) => print("the settings are fine\n"),
        Some(Command::Sweep(_) | Command::Report(_)) | None => {
            play_once(name, &config, &effective, move |ticks| pipeline(ticks, &settings))
        }
    }
}

fn lacking(name: &str) -> Error {
    Error::Config(format!("{name}.toml lacks a setting that {name} reads"))
}

/// Writes to standard error. If its reader is gone there is nobody to tell, and `eprint` would panic.
fn tell(text: std::fmt::Arguments<'_>) {
    let _ = std::io::stderr().write_fmt(text);
}

fn print(text: &str) -> Result<ExitCode> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::ClosedPipe),
        other => other.doing(|| "writing to standard output").map(|()| ExitCode::SUCCESS),
    }
}

fn play_once<R, F>(name: &str, config: &Config, effective: &Effective, pipeline: F) -> Result<ExitCode>
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let stop = stop_on_signals()?;
    let folder = match &config.output {
        Output::Folder(folder) => {
            fs::create_dir_all(folder).doing(|| format!("making the folder {}", folder.display()))?;
            Some(folder.as_path())
        }
        _ => None,
    };
    let rejects = Rejects::new(folder.map(|folder| folder.join("rejected.jsonl")))?;
    let around = play::surroundings(config, Arc::default(), rejects, stop.clone());
    let opened = play::open(config, &around)?;
    let latency_from = opened.latency_from;
    if let Some(folder) = folder {
        remove_earlier::<R>(folder)?;
    }
    let log = folder.map(|folder| LatencyLog::create(&folder.join("latency.hlog"))).transpose()?;
    let runs = Arc::default();
    let sinks = sinks::<R>(config, &around, &runs)?;
    let mut progress = Progress::new(log);
    let outcome = play::play(config, &around, opened, sinks, &mut progress, pipeline);
    let log = progress.end();
    let outcome = outcome?;

    around.rejects.flush()?;
    let report = report::<R>(name, config, effective, &around, &outcome, latency_from, &stop);
    if let Output::Folder(folder) = &config.output {
        let extension = if config.encoding == crate::row::Encoding::Csv { "csv" } else { "jsonl" };
        let header = config.encoding.header(&R::columns());
        let runs = std::mem::take(&mut *runs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        settle(runs, &folder.join(format!("{}.{extension}", R::NAME)), &header, &around.symbols)?;
        if let Some(mut log) = log {
            let (close, sink) = outcome.closes.histograms();
            let seconds = outcome.elapsed.div_ceil(1_000_000_000);
            log.whole("close", seconds, &close)?;
            log.whole("sink", seconds, &sink)?;
        }
        let path = folder.join("summary.json");
        let text = serde_json::to_string_pretty(&report).map_err(|e| Error::Input(format!("summary.json: {e}")))?;
        fs::write(&path, text + "\n").doing(|| format!("writing {}", path.display()))?;
    }
    tell(format_args!("\n{report}"));
    Ok(exit_code(&report, config.strict))
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

/// A flag that the first Ctrl-C sets, to end the run after what was read; the second ends the program at once.
///
/// # Errors
/// When the system does not let us listen.
pub fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .doing(|| "asking for Ctrl-C")?;
    }
    Ok(stop)
}

fn sinks<R: Row>(
    config: &Config,
    around: &Surroundings,
    runs: &Arc<Mutex<Vec<Run>>>,
) -> Result<Vec<Box<dyn Sink<R> + Send>>> {
    let sink = |worker: usize| -> Result<Box<dyn Sink<R> + Send>> {
        Ok(match &config.output {
            Output::Nowhere => Box::new(Discard),
            Output::Stdout => Box::new(Stdout::new::<R>(config.encoding, worker == 0)?),
            Output::Folder(folder) => Box::new(Settling::new::<R>(
                config.encoding,
                folder,
                around.symbols.clone(),
                worker,
                config.buffer_bytes / config.workers,
                runs.clone(),
            )),
        })
    };
    (0..config.workers).map(sink).collect()
}

/// Removes what an earlier run left in the folder, so that nothing there is of two runs.
fn remove_earlier<R: Row>(folder: &Path) -> Result<()> {
    for name in [format!("{}.csv", R::NAME), format!("{}.jsonl", R::NAME), "summary.json".into()] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).doing(|| format!("removing {}", path.display()))?
            }
            _ => {}
        }
    }
    Ok(())
}

/// How this program was called.
fn program() -> String {
    std::env::args_os().next().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default()
}

fn report<R: Row>(
    name: &str,
    config: &Config,
    effective: &Effective,
    around: &Surroundings,
    outcome: &Outcome,
    latency_from: &str,
    stop: &AtomicBool,
) -> Report {
    let program = if std::env::var_os("CARGO").is_some() { "cargo run --release --".into() } else { program() };
    let next = match (&config.input, &config.output) {
        (Input::Market(_), _) => {
            format!("turn a knob, and the digest stays: {program} --batch 1 --workers 1 --speed max")
        }
        (_, Output::Folder(folder)) => {
            format!("all of this, and the settings, are in {}/summary.json", folder.display())
        }
        _ => format!("keep the {}, the summary and the latencies: add --out DIR", R::NAME),
    };
    Report {
        pipeline: name.into(),
        version: env!("CARGO_PKG_VERSION"),
        complete: !stop.load(Ordering::Relaxed),
        digest: format!("{:016x}", outcome.written.digest),
        rows_are: R::NAME,
        rows: outcome.written.rows.max(0) as u64,
        retracted: outcome.written.retracted,
        ledger: outcome.ledger,
        symbols: around.symbols.len(),
        workers: config.workers,
        batches: outcome.batches,
        elapsed: outcome.elapsed,
        latency: Report::latency(outcome, latency_from),
        disorder: config.rules.disorder,
        rejected: around.rejects.examples(),
        settings: effective.to_json(),
        next,
    }
}
