use std::fmt::{self, Formatter};

use serde::Serialize;

use super::Percentiles;
use super::text::{count, row, span};
use crate::batch::{INTERVAL, Inputs};
use crate::latency::Stage;
use crate::runtime::Held;

/// One setting of a run's batch limits, and what the run under it came to.
#[derive(Clone, Debug, Serialize)]
pub struct Batching {
    /// The limits in words.
    pub limits: String,
    /// From when on they held, in nanoseconds from the run's beginning.
    pub from: u64,
    /// Latency of ticks that were applied under them, due until applied.
    pub tick: Percentiles,
    /// Of it, due until handed to a batch.
    pub source: Percentiles,
    /// Of it, in the batch.
    pub batch: Percentiles,
    /// Of it, in the dataflow.
    pub operators: Percentiles,
    /// How the target was kept, where there was one.
    pub auto: Option<Target>,
}

/// How a target was kept.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// The p99 to keep to, in nanoseconds.
    pub target_p99: u64,
    /// Intervals in which ticks were due, each of a quarter of a second.
    pub intervals: u64,
    /// Those whose ticks had a p99 that kept to the target.
    pub met: u64,
    /// The shortest and the longest delay that was chosen, in nanoseconds; none if none ever was.
    pub delays: Option<(u64, u64)>,
    /// How often something was decided.
    pub decisions: u64,
    /// The share of the time that was spent learning what batches cost.
    pub learning: f64,
    /// The share of the time that was spent greedy, because of the load.
    pub greedy: f64,
    /// The share of the time in which nothing was decided, because of the machine.
    pub frozen: f64,
    /// What each worker knew in the end: its fit of the costs, arrivals, noise.
    pub workers: Vec<Inputs>,
}

impl Batching {
    /// What is to be told of limits that held.
    pub fn of(held: &Held) -> Self {
        let stage = |stage| Percentiles::of(held.stages.get(stage));
        Batching {
            limits: held.limits.to_string(),
            from: held.from.unwrap_or(0),
            tick: stage(Stage::Tick),
            source: stage(Stage::Source),
            batch: stage(Stage::Batch),
            operators: stage(Stage::Operators),
            auto: held.limits.target_p99.map(|target| Target::of(target.as_nanos() as u64, held)),
        }
    }

    /// The lines of a table of percentiles.
    pub(super) fn table(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  from {} on: {}", span(self.from), self.limits)?;
        row(f, "  tick: due -> applied", &self.tick)?;
        row(f, "    source: due -> read", &self.source)?;
        row(f, "    batch: waiting for company", &self.batch)?;
        row(f, "    operators: in the dataflow", &self.operators)
    }
}

impl Target {
    fn of(target_p99: u64, held: &Held) -> Self {
        let followed: u64 = held.accounts.iter().map(|account| account.followed).sum();
        let share = |nanos: u64| nanos as f64 / followed.max(1) as f64;
        let delays = || held.accounts.iter().filter_map(|account| account.delays);
        let (low, high) = (delays().map(|(low, _)| low).min(), delays().map(|(_, high)| high).max());
        Target {
            target_p99,
            intervals: held.intervals.count(),
            met: held.intervals.met(),
            delays: low.zip(high),
            decisions: held.accounts.iter().map(|account| account.decisions).sum(),
            learning: share(held.accounts.iter().map(|account| account.learning).sum()),
            greedy: share(held.accounts.iter().map(|account| account.greedy).sum()),
            frozen: share(held.accounts.iter().map(|account| account.frozen).sum()),
            workers: held.accounts.iter().map(|account| account.inputs).collect(),
        }
    }

    /// The lines of the summary.
    pub(super) fn lines(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Target { intervals, met, decisions, .. } = self;
        let percent = |share: f64| format!("{:.0}%", 100.0 * share);
        let kept = percent(*met as f64 / (*intervals).max(1) as f64);
        let target = span(self.target_p99);
        let (met, intervals, every) = (count(*met), count(*intervals), span(INTERVAL));
        writeln!(f, "  target   p99 <= {target} was met in {met} of {intervals} intervals of {every} ({kept})")?;
        let waits = match self.delays {
            Some((low, high)) => format!("batches waited {} to {}", span(low), span(high)),
            None => "batches never waited, since what they cost was not known".into(),
        };
        let [learning, greedy, frozen] = [self.learning, self.greedy, self.frozen].map(percent);
        let shares =
            format!("learning {learning} and greedy {greedy} of the time, with nothing decided in {frozen} of it");
        writeln!(f, "           {waits}, by {} decisions; {shares}", count(*decisions))?;
        let range = |of: fn(&Inputs) -> f64| {
            let values = || self.workers.iter().map(of);
            let nanos = |value: f64| span(value.max(0.0).round() as u64);
            let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
            if nanos(low) == nanos(high) { nanos(low) } else { format!("{}..{}", nanos(low), nanos(high)) }
        };
        let (a, b, noise) = (range(|it| it.a), range(|it| it.b), range(|it| it.noise));
        if self.workers.is_empty() {
            return Ok(());
        }
        writeln!(f, "           in the end a batch cost {a} + {b} a tick, and {noise} of noise were left room for")
    }
}
