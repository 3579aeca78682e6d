//! Whoever follows a run, and what it is shown.

use std::time::Duration;

use crate::batch::Decision;
use crate::error::Result;
use crate::latency::Stages;

/// How a run stands.
pub struct Snapshot<'a> {
    /// Since the schedule's beginning, or the first read, in nanoseconds.
    pub elapsed: u64,
    /// Ticks applied so far.
    pub applied: u64,
    /// Ticks that are due and not yet applied, as far as the feeds know.
    pub backlog: u64,
    /// Rows that stand so far.
    pub rows: i64,
    /// Latencies so far.
    pub stages: &'a Stages,
}

/// One second of a run, all workers together.
pub struct Interval<'a> {
    /// Which one, from zero.
    pub second: u64,
    /// How long it was, in nanoseconds: less than a second at the end of a run, more if a worker was held up.
    pub nanos: u64,
    /// Ticks applied in it.
    pub applied: u64,
    /// Batches that went into the dataflow in it.
    pub batches: u64,
    /// Ticks that were due and not applied at its end, as far as the feeds know.
    pub backlog: u64,
    /// Its latencies.
    pub stages: &'a Stages,
}

/// Whoever follows a run.
pub trait Watch {
    /// How the run stands, about as often as [`Watch::every`] says.
    fn progress(&mut self, snapshot: &Snapshot<'_>);

    /// Between two looks at how the run stands.
    fn every(&self) -> Duration {
        Duration::from_millis(200)
    }

    /// A second of the run is over.
    ///
    /// # Errors
    /// When they cannot be kept; the run goes on and ends with this error.
    fn interval(&mut self, interval: &Interval<'_>) -> Result<()>;

    /// A worker changed how long its batches wait, so many nanoseconds after the run's beginning.
    ///
    /// # Errors
    /// When that cannot be kept; the run goes on and ends with this error.
    fn decided(&mut self, _worker: usize, _at: u64, _decision: &Decision) -> Result<()> {
        Ok(())
    }
}

/// Nobody follows it.
pub struct Nobody;

impl Watch for Nobody {
    fn progress(&mut self, _snapshot: &Snapshot<'_>) {}

    fn interval(&mut self, _interval: &Interval<'_>) -> Result<()> {
        Ok(())
    }
}
