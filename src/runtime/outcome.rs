//! What a run came to.

use std::sync::Arc;

use super::message::HeldBy;
use crate::batch::{Account, BatchLimits, Intervals};
use crate::latency::{Closes, Stages};
use crate::ledger::{Ledger, Unfilled};
use crate::operators::Written;
use crate::time::RunTime;

/// What the run under one setting of its batch limits came to.
#[derive(Clone, Debug)]
pub struct Held {
    /// The limits.
    pub limits: BatchLimits,
    /// From when on they held, in nanoseconds from the run's beginning; none if they were replaced before any worker
    /// saw them.
    pub from: Option<u64>,
    /// Latencies of ticks that were applied under them.
    pub stages: Stages,
    /// Where there is a target, how it was kept, by the intervals ([`crate::batch::INTERVAL`]) of the measured span in
    /// which ticks were due.
    pub intervals: Intervals,
    /// Where there is a target, what each worker's controller did.
    pub accounts: Vec<Account>,
}

impl Held {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Held { limits, from: None, stages: Stages::default(), intervals: Intervals::default(), accounts: Vec::new() }
    }

    /// Adds what a worker says about these limits.
    pub(super) fn add(&mut self, by: HeldBy, began: RunTime) {
        let from = by.from.saturating_sub(began);
        self.from = self.from.map_or(Some(from), |earliest| Some(earliest.min(from)));
        self.accounts.extend(by.account);
    }
}

/// What a run came to.
pub struct Outcome {
    /// What became of every record; `rejected`, and its share of `read`, are the caller's to add.
    pub ledger: Ledger,
    /// What is left in windows that were not filled.
    pub unfilled: Unfilled,
    /// What was written.
    pub written: Written,
    /// Latencies of ticks by stage.
    pub stages: Stages,
    /// The book of window closes.
    pub closes: Arc<Closes>,
    /// Batches that went into the dataflow.
    pub batches: u64,
    /// The batch limits that held, one after the other.
    pub held: Vec<Held>,
    /// From the schedule's beginning, or the first read, to the last row flushed, in nanoseconds.
    pub elapsed: u64,
    /// From there to the last tick applied, in nanoseconds.
    pub applied_by: u64,
    /// Seconds of processor time that all processes took, where the system tells.
    pub cpu_seconds: Option<f64>,
}
