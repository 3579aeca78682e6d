//! `PIPELINE explain`: of a run that is under way, what holds it up; of a finished one, what became of its records.

mod answer;
mod tape;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

pub use answer::Answering;
use answer::{Reply, ask, socket_in, socket_of};
pub use tape::explain;

use super::flags::Flags;
use super::print;
use super::records::SHOWN;
use crate::config::{HIDDEN, Input, Layers};
use crate::error::{Doing as _, Error, Result, say};
use crate::report::count;
use crate::standing::Question;
use crate::time::EventTime;

/// The flags of an explanation, beside those of a run.
#[derive(Args)]
#[command(next_help_heading = "Of an explanation")]
pub struct ExplainFlags {
    /// The --out folder of a run that is under way, or of a finished one, whose input and settings are in its
    /// summary.json
    #[arg(value_name = "DIR", conflicts_with = "pid")]
    folder: Option<PathBuf>,
    /// A run that is under way and has no --out folder, by its process number
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Explain the rows about this symbol (of a finished feedqc, this venue) that hold this time, in nanoseconds or as
    /// 2024-01-31T14:30:00Z
    #[arg(long, num_args = 2, value_names = ["SYMBOL", "TIME"])]
    why: Option<Vec<String>>,
    /// Show all records, and not only the first 20
    #[arg(long)]
    all: bool,
    /// Of a run that is under way: print all that it told, as JSON
    #[arg(long)]
    json: bool,
}

impl ExplainFlags {
    /// Asks the run that is under way, if it is one.
    pub fn ask_running(&self, name: &str, flags: &Flags) -> Result<Option<ExitCode>> {
        let why = self.asked()?.map(|(symbol, time)| (symbol.to_owned(), time));
        if let Some(file) = self.folder.as_ref().filter(|folder| folder.is_file()) {
            let (file, text) = (file.display(), "is a file, and explain takes the folder that a run had as --out");
            return Err(Error::Input(format!("{file} {text}; if it is a tape: {name} explain --input {file}")));
        }
        let (path, run) = match (&self.folder, self.pid) {
            (Some(folder), _) => (socket_in(folder), format!("the run in {}", folder.display())),
            (None, Some(pid)) => (socket_of(pid), format!("process {pid}")),
            (None, None) => return self.of_no_run(),
        };
        match ask(&path, &run, &Question { why })? {
            Reply::Told(text, told) => {
                if flags.input.is_some() || !flags.set.is_empty() || !flags.config.is_empty() {
                    let text = format!("{run} is under way and has settings of its own: explain it without others");
                    return Err(Error::Usage(text));
                }
                if self.json {
                    print(&text)
                } else {
                    print(&words::in_words(name, &told, self.asked()?.map(|(symbol, _)| symbol), self.shown()))
                }
                .map(Some)
            }
            Reply::Nobody { .. } if self.pid.is_some() => Err(Error::Usage(format!(
                "no run answers at {}: has {run} ended, or has it an --out folder? Then give that: {name} explain DIR",
                path.display()
            ))),
            Reply::Nobody { was_killed } => {
                if was_killed {
                    say(&format!("{name}: {run} was killed: nobody answers at {}", path.display()));
                }
                self.of_no_run()
            }
        }
    }

    /// What is asked of a finished run, or of an input.
    fn of_no_run(&self) -> Result<Option<ExitCode>> {
        if self.json {
            return Err(Error::Usage(
                "--json is for a run that is under way, named by its --out folder or --pid".into(),
            ));
        }
        Ok(None)
    }

    /// Adds the settings of the finished run that is explained, by the pipeline of that name.
    pub fn settings(&self, name: &str, layers: &mut Layers) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = summary_of(folder);
        let unreadable = |e: String| Error::Input(format!("reading {}: {e}", path.display()));
        let summary = read_summary(&path)?;
        if let Some(other) = summary.get("pipeline").and_then(|it| it.as_str()).filter(|it| *it != name) {
            let folder = folder.display();
            return Err(Error::Usage(format!("{folder} is of a run of {other}: {other} explain {folder}")));
        }
        let mut settings = summary.get("settings").cloned().ok_or_else(|| unreadable("it has no settings".into()))?;
        leave_hidden_out(&mut settings);
        if let Some(there) = summary["folder"].as_str().map(Path::new).filter(|there| there.is_dir()) {
            let is_tape = |path: &str| path != "market" && path != "-" && !path.contains(':');
            keep_path(there, settings.pointer_mut("/source/input"), is_tape);
            for file in FILES {
                keep_path(there, settings.pointer_mut(file), |path| there.join(path).is_file());
            }
        }
        let settings = toml::to_string(&settings).map_err(|e| unreadable(e.to_string()))?;
        layers.earlier(&path, settings);
        Ok(())
    }

    /// Says so where the finished run did not read as many records as there are now, or they were written since.
    fn tell_other_tape(&self, input: &Input, records: u64) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let summary = summary_of(folder);
        let read = read_summary(&summary)?["ledger"]["read"].as_u64();
        if let Some(read) = read.filter(|read| *read != records) {
            let [read, records] = [read, records].map(count);
            say(&format!("that run read {read} records, and what follows is of the {records} that there are now"));
        } else if let Input::Files(inputs) = input
            && let Some(file) = inputs.written_since(&summary)
        {
            say(&format!(
                "{} was written after that run had ended: what follows is of what is there now",
                file.display()
            ));
        }
        Ok(())
    }

    /// The symbol and the time that are asked for.
    fn asked(&self) -> Result<Option<(&str, EventTime)>> {
        let Some([symbol, time]) = self.why.as_deref() else { return Ok(None) };
        let parsed = time.parse::<i64>().ok().or_else(|| {
            let timestamp: jiff::Timestamp = time.parse().ok()?;
            EventTime::try_from(timestamp.as_nanosecond()).ok()
        });
        let usage =
            || Error::Usage(format!("--why {symbol} {time}: write the time in nanoseconds or as 2024-01-31T14:30:00Z"));
        parsed.map(|time| Some((symbol.as_str(), time))).ok_or_else(usage)
    }

    /// The time that is asked for, as it was written.
    fn time(&self) -> &str {
        self.why.as_ref().map_or("", |why| &why[1])
    }

    /// So many records are shown at most.
    fn shown(&self) -> usize {
        if self.all { usize::MAX } else { SHOWN }
    }

    /// The folder of the finished run that is explained.
    fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
}

fn summary_of(folder: &Path) -> PathBuf {
    folder.join("summary.json")
}

fn read_summary(path: &Path) -> Result<serde_json::Value> {
    let text = "which a finished run leaves in its --out folder (no run is under way there; of one that was killed, give \
                what it read with --input)";
    let bytes = fs::read(path).doing(|| format!("reading {}, {text}", path.display()))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::Input(format!("reading {}: {e}", path.display())))
}

/// The settings that may be names of files, beside what is read.
const FILES: [&str; 3] = ["/session/calendar", "/conditions/table", "/movers/sectors"];

/// Makes a path that begins in another folder one that is the same from here.
fn keep_path(there: &Path, setting: Option<&mut serde_json::Value>, is_path: impl Fn(&str) -> bool) {
    if let Some(serde_json::Value::String(path)) = setting
        && is_path(path)
    {
        *path = there.join(&path).to_string_lossy().into_owned();
    }
}

/// Leaves out the secrets, which a summary does not tell: whoever explains gives them anew.
fn leave_hidden_out(settings: &mut serde_json::Value) {
    if let Some(table) = settings.as_object_mut() {
        table.retain(|_, value| *value != HIDDEN);
        table.values_mut().for_each(leave_hidden_out);
    }
}
