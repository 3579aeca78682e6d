use crate::error::say;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how a sweep stands: one line that is redrawn on a terminal, else a plain line for each run.
pub struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    /// How long a run is thought to take before the first has ended.
    each: Duration,
    done: usize,
    runs: usize,
}

impl Progress {
    /// Progress through so many runs on standard error.
    pub fn new(runs: usize, each: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new_spinner().with_style(style)
        });
        Progress { bar, began: Instant::now(), each, done: 0, runs }
    }

    /// More runs are to come than were thought.
    pub fn more(&mut self, runs: usize) {
        self.runs += runs;
    }

    /// How many runs have ended.
    pub fn done(&self) -> usize {
        self.done
    }

    /// So many runs were enough, or needed, where so many were thought of.
    pub fn took(&mut self, runs: usize, thought: usize) {
        self.runs = (self.runs + runs).saturating_sub(thought).max(self.done);
    }

    /// A run begins.
    pub fn begin(&self, what: &str) {
        let runs = self.runs.max(self.done + 1);
        let left = minutes(time_left(self.began.elapsed(), self.done, runs, self.each));
        let line = format!("{:>4}/{}  {left} left  {what}", self.done + 1, runs);
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => say(&line),
        }
    }

    /// A run goes on.
    pub fn tick(&self) {
        self.bar.iter().for_each(ProgressBar::tick);
    }

    /// A run has ended.
    pub fn end(&mut self) {
        self.done += 1;
        self.runs = self.runs.max(self.done);
    }

    /// Takes the line away.
    pub fn clear(self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// The runs that are left take as long as those that are done.
fn time_left(elapsed: Duration, done: usize, runs: usize, each: Duration) -> Duration {
    let each = if done == 0 { each } else { elapsed / done as u32 };
    each * (runs - done) as u32
}

fn minutes(span: Duration) -> String {
    format!("{}:{:02}", span.as_secs() / 60, span.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_told_from_the_time_gone() {
        let seconds = Duration::from_secs;
        assert_eq!(time_left(seconds(0), 0, 4, seconds(2)), seconds(8));
        assert_eq!(time_left(seconds(9), 3, 4, seconds(2)), seconds(3));
        assert_eq!([minutes(seconds(59)), minutes(seconds(601))], ["0:59", "10:01"]);
    }
}
