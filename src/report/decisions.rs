use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::text::span;
use crate::batch::{Decision, Why};
use crate::error::{Doing as _, Error, Result};

/// Between two lines about changes of state; of those that come sooner the last one is shown.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// Keeps what the controllers of batches decide, a line of JSON each, and says what is worth a line on a terminal.
#[derive(Default)]
pub struct Decisions {
    path: Option<PathBuf>,
    file: Option<BufWriter<File>>,
    to_say: Option<String>,
    said: Option<Instant>,
}

#[derive(Serialize)]
struct Line<'a> {
    at: u64,
    worker: usize,
    #[serde(flatten)]
    decision: &'a Decision,
}

impl Decisions {
    /// Decisions are kept at `path`, if there is one; the file is made with the first of them.
    pub fn new(path: Option<PathBuf>) -> Self {
        Decisions { path, ..Decisions::default() }
    }

    /// Keeps a decision that a worker took so many nanoseconds after the run's beginning.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, worker: usize, at: u64, decision: &Decision) -> Result<()> {
        self.to_say = in_words(worker, decision).or(self.to_say.take());
        let Some(path) = &self.path else { return Ok(()) };
        let doing = || format!("writing {}", path.display());
        let line = serde_json::to_string(&Line { at, worker, decision })
            .map_err(|e| Error::Input(format!("{}: {e}", doing())))?;
        if self.file.is_none() {
            self.file = Some(BufWriter::new(File::create(path).doing(doing)?));
        }
        self.file.as_mut().map_or(Ok(()), |file| writeln!(file, "{line}")).doing(doing)
    }

    /// What there is to say now, if anything.
    pub fn to_say(&mut self) -> Option<String> {
        if self.said.is_some_and(|said| said.elapsed() < SAID_EVERY) {
            return None;
        }
        let line = self.to_say.take()?;
        self.said = Some(Instant::now());
        Some(line)
    }

    /// Writes everything out.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end(mut self) -> Result<()> {
        let path = self.path.take().unwrap_or_default();
        self.file.as_mut().map_or(Ok(()), BufWriter::flush).doing(|| format!("writing {}", path.display()))
    }
}

/// A change of state in words; other decisions are for the file.
fn in_words(worker: usize, decision: &Decision) -> Option<String> {
    let (load, delay) = (decision.inputs.load * 100.0, span(decision.delay));
    let what = match decision.why {
        Why::Overload => format!("greedy: load {load:.0}%"),
        Why::Recovered => format!("keeps to its target again: load {load:.0}%, batches wait {delay}"),
        Why::Noise => format!("frozen at {delay}: the machine is too restless to conclude anything"),
        Why::Quiet => format!("goes on: the machine is quiet, batches wait {delay}"),
        Why::Learned | Why::Model | Why::Missed | Why::Easy => return None,
    };
    Some(format!("auto: worker {worker} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Inputs, State};

    #[test]
    fn every_decision_is_kept_and_of_changes_of_state_the_last_one_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decisions.jsonl");
        let mut decisions = Decisions::new(Some(path.clone()));
        assert!(!path.exists());
        let inputs = Inputs { load: 0.91, ..Inputs::default() };
        let mut decision = Decision { why: Why::Overload, state: State::Greedy, frozen: false, delay: 0, inputs };
        decisions.add(1, 77, &decision).unwrap();
        assert_eq!(decisions.to_say().as_deref(), Some("auto: worker 1 greedy: load 91%"));
        decisions.add(1, 78, &decision).unwrap();
        (decision.why, decision.state, decision.delay) = (Why::Recovered, State::Keeping, 1_500);
        decisions.add(0, 79, &decision).unwrap();
        decision.why = Why::Model;
        decisions.add(0, 80, &decision).unwrap();
        // Within a second, nothing is said.
        assert_eq!(decisions.to_say(), None);
        decisions.said = None;
        let again = "auto: worker 0 keeps to its target again: load 91%, batches wait 1.50 us";
        assert_eq!((decisions.to_say().as_deref(), decisions.to_say()), (Some(again), None));
        decisions.end().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((text.lines().count(), &first["at"], &first["worker"]), (4, &77.into(), &1.into()));
        assert_eq!((&first["why"], &first["state"]), (&"overload".into(), &"greedy".into()));
        assert_eq!(first["inputs"]["load"], 0.91);
    }
}
