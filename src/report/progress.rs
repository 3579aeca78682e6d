use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::text::{count, span};
use super::{Decisions, LatencyLog};
use crate::batch::Decision;
use crate::error::Result;
use crate::latency::Stage;
use crate::runtime::{Interval, Snapshot, Watch};

/// Between two plain lines of progress.
const PLAIN_EVERY: Duration = Duration::from_secs(3);

/// Shows how a run stands: one line that is redrawn on a terminal, else a plain line every few seconds; and keeps
/// the latencies of every second.
pub struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    shown: Instant,
    applied: u64,
    log: Option<LatencyLog>,
    decisions: Decisions,
}

impl Progress {
    /// Progress on standard error; latencies go to `log`, if there is one, and decisions to where they are kept.
    pub fn new(log: Option<LatencyLog>, decisions: Decisions) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new_spinner().with_style(style)
        });
        let now = Instant::now();
        Progress { bar, began: now, shown: now, applied: 0, log, decisions }
    }

    /// Says something between two lines of progress.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            // A run does not end because nobody follows it.
            None => _ = writeln!(std::io::stderr(), "{line}"),
        }
    }

    /// Takes the line away, writes the decisions out, and hands the log back.
    ///
    /// # Errors
    /// When the decisions cannot be written.
    pub fn end(self) -> Result<Option<LatencyLog>> {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        self.decisions.end()?;
        Ok(self.log)
    }
}

impl Watch for Progress {
    fn progress(&mut self, snapshot: &Snapshot<'_>) {
        if let Some(line) = self.decisions.to_say() {
            self.say(&line);
        }
        let since = self.shown.elapsed();
        let every = if self.bar.is_some() { Duration::from_secs(1) } else { PLAIN_EVERY };
        if since < every {
            return;
        }
        let rate = (snapshot.applied - self.applied) as f64 / since.as_secs_f64();
        (self.applied, self.shown) = (snapshot.applied, Instant::now());
        let ticks = snapshot.stages.get(Stage::Tick);
        let line = format!(
            "{:>4.0}s  {} ticks  {}/s  backlog {}  rows {}  p50 {}  p99 {}",
            self.began.elapsed().as_secs_f64(),
            count(snapshot.applied),
            count(rate as u64),
            count(snapshot.backlog),
            count(snapshot.rows.max(0) as u64),
            span(ticks.value_at_quantile(0.5)),
            span(ticks.value_at_quantile(0.99)),
        );
        match &self.bar {
            Some(bar) => {
                bar.set_message(line);
                bar.tick();
            }
            None => self.say(&line),
        }
    }

    fn decided(&mut self, worker: usize, at: u64, decision: &Decision) -> Result<()> {
        self.decisions.add(worker, at, decision)
    }

    fn interval(&mut self, interval: &Interval<'_>) -> Result<()> {
        self.log.as_mut().map_or(Ok(()), |log| log.second(interval.second, interval.stages))
    }
}
