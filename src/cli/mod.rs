//! `main` for every pipeline: flags, configuration, Ctrl-C, exit codes.

mod capacity;
mod cells;
mod claim;
mod compare;
mod difference;
mod explain;
mod flags;
mod follow;
mod outlet;
mod pipeline;
mod records;
mod retune;
mod run;
mod signals;
mod sweep;
mod tune;
mod verify;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{Config, Input, Output, Settings};
use crate::error::{Doing as _, Error, Result, say};
use crate::lab::Asked;
use crate::operators::{Changes, Ticks};
use crate::oracle::{Corrected, Expected};
use crate::row::Row;
use crate::tape::make_folder;
use capacity::CapacityFlags;
use compare::CompareFlags;
use explain::ExplainFlags;
use flags::Flags;
use follow::FollowFlags;
use pipeline::{Closures, Configure};
pub use signals::{outlive_full_files, stop_on_signals};
use sweep::{ReportFlags, SweepFlags};
use tune::TuneFlags;

/// Who listens to a process that is gone has ended the run after so long.
const LISTENERS_TAKE: Duration = Duration::from_secs(5);

/// What can be explained, a command each.
const EXPLANATIONS: &str = "\
Examples:
  explain out                  a run, under way or finished, by its --out folder
  explain --pid 4242           a run that is under way without one
  explain out --why IBM 2024-01-31T14:30:00Z
  explain --input ticks.csv --set late.disorder=5ms";

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
    /// Check that this pipeline is right on your input: play it, compute it once more by plain code, and compare
    ///
    /// The input is read as a run reads it and played through the dataflow, as fast as it goes. Then an oracle, which
    /// shares no code with the dataflow and looks at the whole tape at once, makes the rows that should have come out.
    /// Rows, ledger and digest are compared bit for bit. Prints "equal: ...", or the first row that differs with the
    /// records of its window, and exits with 1.
    ///
    /// The oracle holds the whole tape: it takes up to 768 bytes a record, and what would not fit into the memory that
    /// is free is refused. --limit N verifies the beginning of a longer tape.
    Verify,
    /// Say what holds up a run that is under way; or which records were late, and what a result was made of
    ///
    /// A run that is under way is asked over a socket: where its watermark stands, which partition (its tick),
    /// schedule, batch or worker holds it there, since when, and what would release it; which windows are open; what
    /// waits; the ledger so far and the last late records. With --why SYMBOL TIME, what is kept of the records behind a
    /// result. The run's own speed does not suffer: workers tell what they know only when they are asked.
    ///
    /// Of a finished run, or of an --input, the records are read once more and judged by the rules of a run: which
    /// records were late by their symbol's own order, by how much, and whether they amended results or came too late;
    /// which cancels and corrections found no print.
    /// With --why SYMBOL TIME, the rows about a symbol at a time are shown, with every record that they are made of, or
    /// that amended them. It needs memory as verify does.
    #[command(after_long_help = EXPLANATIONS)]
    Explain(ExplainFlags),
    /// Run every combination of settings, and compare their latency, throughput and CPU
    ///
    /// What varies is given as lists: --batch 1,16,256 --linger 0s,1ms --rate 100k/s,500k/s --workers 1,2, and --vary
    /// for any other setting, or in the [sweep.vary] table of the settings. Every combination is a cell. All cells are
    /// run open loop on the made-up market, or on --input from memory, in a shuffled order and several times over, each
    /// for as long as --for says beside its warm-up. Cells that play the same ticks must have the same result, else the
    /// exit code is 1.
    ///
    /// The table goes to standard output. With --out DIR, report.html shows it all in charts, sweep.svg in a picture;
    /// sweep.csv, percentiles.csv, timeline.csv, closes.csv and sweep.json hold the numbers, and cell-N.hlog and
    /// cell-N.hgrm the histograms for HdrHistogram's tools.
    Sweep(SweepFlags),
    /// Make report.html anew from the folders of saved sweeps; of several, it shows them side by side
    ///
    /// It is written into the folder of the sweep, with sweep.svg; of several, into the current folder. --out DIR puts
    /// it elsewhere.
    Report(ReportFlags),
    /// Compare two runs or two sweeps, by the folders that they wrote with --out
    ///
    /// Shows which settings differ, whether digests and ledgers are equal, and the figures beside each other. Of
    /// sweeps, cells of equal settings are compared, and a difference is claimed only where the ranges of the repeats
    /// do not overlap. The exit code is 3 when a --fail-if holds.
    Compare(CompareFlags),
    /// Search for the highest rate that each setting sustains, and tell its latency below it
    ///
    /// Settings are given as for a sweep: --batch 1,16,256 --workers 1,2. The rate grows by half, from --rate on, until
    /// it fails, and what is in doubt is then halved until it is known within 2%. A rate holds if the backlog did not
    /// grow, the last tick was applied in time (5 ms, 0.1% of the span, or the machine's longest pause), nothing was
    /// lost, and latency kept to --slo; it fails when it failed twice. Then latency is measured at 50% and 80% of the
    /// highest rate.
    ///
    /// The table goes to standard output; with --out DIR, capacity.csv and capacity.json hold every run.
    Capacity(CapacityFlags),
    /// Find the batch settings that keep a latency target at a rate with the fewest cores
    ///
    /// Greedy batches have the lowest latency, and the longer a linger the fewer the cores: lingers are tried up to the
    /// longest that keeps --target-p99 at --rate, beginning with what the cost of batches says. The one with the fewest
    /// cores is taken, of those that cost the same the fastest, and run three times before it is believed. All that was
    /// tried, and what ruled it out, goes to standard error; the lines of the [batch] section to standard output, or with
    /// --write FILE into that file, whose other lines stay. The exit code is 1 when no setting keeps the target.
    Tune(TuneFlags),
    /// Play a share of the run of the process that started this one
    #[command(hide = true)]
    Follow(FollowFlags),
}

/// Runs a pipeline as a program: `defaults` is its commented TOML, which is its manual too, and `oracle` makes the same
/// rows from the whole tape, for `verify`.
pub fn main<S, R, F, O, E>(name: &'static str, defaults: &'static str, pipeline: F, oracle: O) -> ExitCode
where
    S: Settings,
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>, &S) -> Changes<'scope, R> + Send + Sync + 'static,
    O: Fn(&Corrected, &S) -> E + 'static,
    E: Into<Expected<R>>,
{
    Program { name, defaults, closures: &Closures::new(pipeline, oracle) }.main()
}

/// A pipeline as a program.
struct Program<'a> {
    name: &'static str,
    defaults: &'static str,
    closures: &'a dyn Configure,
}

impl Program<'_> {
    fn main(&self) -> ExitCode {
        let &Program { name, defaults, .. } = self;
        // A worker that panics is not missed by the others: they would wait for it for ever.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if crate::error::is_caught() {
                return;
            }
            // Timely's connections panic when a process is gone. Who listens to that process notices, too, and can tell
            // more.
            if std::thread::current()
                .name()
                .is_some_and(|it| it.starts_with("timely:send") || it.starts_with("timely:recv"))
            {
                std::thread::sleep(LISTENERS_TAKE);
                say(&format!("{name}: error: the connection to another process broke; the run is over"));
                std::process::exit(1);
            }
            if info.payload().downcast_ref::<String>().is_some_and(|text| text.contains("failed to spawn thread")) {
                let text = "the system gives this process no more threads, or no memory for them: see ulimit -u and -v";
                say(&format!("{name}: error: starting a thread: {text}; the run is over"));
                std::process::exit(1);
            }
            hook(info);
            say(&format!("{name}: a thread panicked, which is a bug in {name}; the run is over"));
            std::process::exit(101);
        }));
        // Only a pipeline that ranks has a number of places.
        let settings: toml::Table = toml::from_str(defaults).unwrap_or_default();
        let has_top = settings.get(name).is_some_and(|own| own.get("top").is_some());
        let refused = |_: &str| Err::<String, _>("nothing is ranked here; corr, movers and bursts have a --top");
        let command = Cli::command().name(name).bin_name(name);
        let general = command.get_about().map(ToString::to_string).unwrap_or_default();
        let command = match purpose(name, defaults) {
            Some(purpose) => command.about(format!("{purpose}\n\n{general}")),
            None => command,
        };
        let command =
            if has_top { command } else { command.mut_arg("top", |top| top.hide(true).value_parser(refused)) };
        let cli = match command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches)) {
            Ok(cli) => cli,
            Err(error) => {
                // Help and version that nobody reads to the end are fine.
                let _ = error.print();
                if let Some(path) = input_without_flag(&error) {
                    say(&format!("if the input is {path}: {name} --input {path}"));
                }
                return ExitCode::from(error.exit_code() as u8);
            }
        };
        match self.run(cli) {
            Ok(code) => code,
            Err(Error::ClosedPipe) => ExitCode::SUCCESS,
            Err(error) => {
                match &error {
                    Error::Config(text) => say(text.trim_end()),
                    _ => say(&format!("{name}: error: {error}")),
                }
                ExitCode::from(error.exit_code())
            }
        }
    }

    fn run(&self, cli: Cli) -> Result<ExitCode> {
        outlive_full_files()?;
        let &Program { name, defaults, closures } = self;
        let Cli { flags, command } = cli;
        let command = match command {
            Some(Command::Sweep(asked)) => return sweep::sweep(self, flags, &asked),
            Some(Command::Capacity(asked)) => return capacity::capacity(self, flags, &asked),
            Some(Command::Tune(asked)) => return tune::tune(self, flags, &asked),
            Some(Command::Report(asked)) => return sweep::report(&asked, flags.out.as_deref()),
            Some(Command::Compare(asked)) => return compare::compare(name, &asked),
            other => other,
        };
        if let Some(Command::Explain(asked)) = &command
            && let Some(code) = asked.ask_running(name, &flags)?
        {
            return Ok(code);
        }
        let read = || {
            let mut layers = flags.layers(name, defaults)?;
            if let Some(Command::Explain(asked)) = &command {
                asked.settings(name, &mut layers)?;
            }
            let (config, pipeline) = (Config::read(&mut layers), closures.configure(&mut layers));
            let asked = Asked::read(&mut layers);
            let effective = layers.finish()?;
            match (config, pipeline, asked) {
                (Some(config), Some(pipeline), Some(asked)) => Ok((config, pipeline, asked, effective)),
                _ => Err(lacking(name)),
            }
        };
        let (config, pipeline, asked, effective) = read()?;
        let pipeline = &*pipeline;
        match &command {
            Some(Command::Config) => print(&effective.to_toml_with_origins()),
            Some(Command::Check) => {
                cells::check(self, &flags, asked)?;
                print("the settings are fine\n")
            }
            Some(Command::Explain(asked)) => explain::explain(&config, asked, pipeline),
            Some(Command::Verify) => verify::verify(&config, pipeline),
            Some(Command::Follow(flags)) => follow::follow(name, config, &effective, &asked, Some(flags), pipeline),
            _ if config.process > 0 => follow::follow(name, config, &effective, &asked, None, pipeline),
            _ => {
                let again = || read().map(|(config, _, _, effective)| (config, effective));
                let tuned = (&again as &retune::Read<'_>, &flags.config[..]);
                run::play_once(name, &config, &effective, tuned, pipeline)
            }
        }
    }
}

/// The path that was given as if it were a command, if there is one there.
fn input_without_flag(error: &clap::Error) -> Option<&str> {
    match error.get(ContextKind::InvalidSubcommand).or(error.get(ContextKind::InvalidArg))? {
        ContextValue::String(given) => Some(given.as_str()).filter(|given| Path::new(given).exists()),
        _ => None,
    }
}

/// What a pipeline is for, as its manual begins: a paragraph `# NAME: ...`.
fn purpose(name: &str, manual: &str) -> Option<String> {
    let lines = manual.lines().map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
    lines.strip_prefix(&format!("{name}: ")).map(str::to_owned)
}

/// The folder for what is written, which is made, where one is named.
fn out_folder(config: &Config) -> Result<Option<&Path>> {
    let Output::Folder(folder) = &config.output else { return Ok(None) };
    if let Input::Files(inputs) = &config.input {
        inputs.check_apart(folder)?;
    }
    make_folder(folder)?;
    Ok(Some(folder))
}

fn lacking(name: &str) -> Error {
    Error::Config(format!("{name}.toml lacks a setting that {name} reads"))
}

fn print(text: &str) -> Result<ExitCode> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::ClosedPipe),
        other => other.doing(|| "writing to standard output").map(|()| ExitCode::SUCCESS),
    }
}
