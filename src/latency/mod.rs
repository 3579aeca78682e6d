//! Latency, from the instant at which a tick was due: by stage for ticks, and for windows from the instant that
//! moved the watermark past their end. The clock is handed in.

mod closes;
mod costs;
mod pairs;
mod splits;

use std::collections::VecDeque;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use closes::{Boundary, Closes, Schedule};
pub use costs::{Costs, SizeCost};
pub use splits::{Slowest, Splits};

use crate::batch::{Kept, Tally};
use crate::time::RunTime;

/// The longest latency told apart, one hour in nanoseconds; longer ones count as this.
pub const LONGEST: u64 = 3_600_000_000_000;

/// The stages of a tick's way. Percentiles of stages do not add up to those of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Due until applied in its owner's state: the whole way.
    Tick,
    /// Due until handed to a batch: how late the replayer, or whoever feeds us, was.
    Source,
    /// In the batch, waiting for company.
    Batch,
    /// In the dataflow until applied.
    Operators,
}

impl Stage {
    /// All stages, the whole way first.
    pub const ALL: [Stage; 4] = [Stage::Tick, Stage::Source, Stage::Batch, Stage::Operators];

    /// The name in reports and in the tags of `latency.hlog`.
    pub fn name(self) -> &'static str {
        ["tick", "source", "batch", "operators"][self as usize]
    }
}

/// An empty histogram of nanoseconds, three significant digits from 1 ns to [`LONGEST`].
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds and digits are constants that HdrHistogram accepts")
}

/// A histogram for each stage, how the latency of ticks splits over them, and what batches cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stages {
    #[serde(with = "pairs")]
    histograms: [Histogram<u64>; 4],
    splits: Splits,
    costs: Costs,
    applied_at: u128,
}

impl Default for Stages {
    fn default() -> Self {
        let histograms = std::array::from_fn(|_| histogram());
        Stages { histograms, splits: Splits::default(), costs: Costs::default(), applied_at: 0 }
    }
}

impl Stages {
    /// One stage's histogram, in nanoseconds.
    pub fn get(&self, stage: Stage) -> &Histogram<u64> {
        &self.histograms[stage as usize]
    }

    /// How the latency of ticks splits over the stages.
    pub fn splits(&self) -> &Splits {
        &self.splits
    }

    /// What batches cost by their size.
    pub fn costs(&self) -> &Costs {
        &self.costs
    }

    /// When each tick was applied, in nanoseconds from when measuring began, summed up.
    pub fn applied_at(&self) -> u128 {
        self.applied_at
    }

    /// Adds what another worker, or another interval, recorded.
    pub fn add(&mut self, other: &Stages) {
        for (mine, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            mine.add(theirs).expect("histograms of equal bounds add");
        }
        self.splits.add(&other.splits);
        self.costs.add(&other.costs);
        self.applied_at += other.applied_at;
    }

    /// Forgets everything recorded.
    pub fn reset(&mut self) {
        self.histograms.iter_mut().for_each(Histogram::reset);
        self.splits.reset();
        self.costs.reset();
        self.applied_at = 0;
    }

    /// A tick that was never applied had waited so long when its run was given up: its latency is at least that.
    pub fn given_up(&mut self, nanos: u64) {
        self.record(Stage::Tick, nanos, 1);
    }

    fn record(&mut self, stage: Stage, nanos: u64, count: u64) {
        self.histograms[stage as usize].saturating_record_n(nanos, count);
    }
}

/// Ticks that arrived together.
#[derive(Debug)]
struct Arrival {
    count: usize,
    arrived: RunTime,
    /// Until then the worker let ticks come, to fill a batch that was begun.
    filled: RunTime,
    sealed: RunTime,
}

/// Follows one worker's ticks in the order in which they go in and come out.
#[derive(Debug, Default)]
pub struct Recorder {
    stages: Box<Stages>,
    arrivals: VecDeque<Arrival>,
    /// Runs of ticks that were due at the same instant, and how many ticks that is: all that are read together
    /// where there is no schedule.
    dues: VecDeque<(RunTime, usize)>,
    outstanding: usize,
    unsealed: usize,
    from: RunTime,
    kept: Option<Kept>,
}

impl Recorder {
    /// A recorder that leaves out what was due before `from`.
    pub fn since(from: RunTime) -> Self {
        Recorder { from, ..Recorder::default() }
    }

    /// Counts from now on how a target is kept, or no longer.
    pub fn keep(&mut self, kept: Option<Kept>) {
        self.kept = kept;
    }

    /// How the target was kept since this was last asked.
    pub fn take_recent(&mut self) -> Tally {
        self.kept.as_mut().map(Kept::take_recent).unwrap_or_default()
    }

    /// The same by the intervals in which ticks were due; see [`Kept::take_untold`].
    pub fn take_untold(&mut self) -> Vec<(u64, Tally)> {
        self.kept.as_mut().map(Kept::take_untold).unwrap_or_default()
    }

    /// So many ticks were handed to the batch at `now`; `dues` are the instants at which they were due, and the others are
    /// due now. What was due before `filled` was left to gather for a batch that was begun, so it waited for company, and
    /// nobody was late.
    pub fn arrived(&mut self, dues: &[RunTime], count: usize, now: RunTime, filled: RunTime) {
        if count > 0 {
            self.dues.extend(dues.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())));
            self.dues.extend(Some((now, count - dues.len())).filter(|(_, others)| *others > 0));
            self.outstanding += count;
            let filled = filled.min(now);
            self.arrivals.push_back(Arrival { count, arrived: now, filled, sealed: 0 });
            self.unsealed += 1;
        }
    }

    /// The batch went into the dataflow at `now`.
    pub fn sealed(&mut self, now: RunTime) {
        let from = self.arrivals.len() - self.unsealed;
        self.arrivals.range_mut(from..).for_each(|arrival| arrival.sealed = now);
        self.unsealed = 0;
    }

    /// The oldest `count` ticks that were not applied yet are applied at `now`.
    pub fn applied(&mut self, mut count: usize, now: RunTime) {
        self.cost(count, now);
        while count > 0
            && let Some(arrival) = self.arrivals.front_mut()
        {
            let n = count.min(arrival.count);
            let (mut left, mut measured, mut gathered) = (n, 0, 0);
            let (batch, operators) = (arrival.sealed - arrival.arrived, now - arrival.sealed);
            while left > 0
                && let Some((due, run)) = self.dues.front_mut()
            {
                let together = left.min(*run);
                let latency = now.saturating_sub(*due);
                if *due >= self.from {
                    let source = arrival.arrived.saturating_sub(arrival.filled.max(*due));
                    let mut waited = batch;
                    if *due < arrival.filled {
                        waited = arrival.sealed - *due - source;
                        self.stages.record(Stage::Batch, waited, together as u64);
                        gathered += together as u64;
                    }
                    self.stages.record(Stage::Tick, latency, together as u64);
                    self.stages.record(Stage::Source, source, together as u64);
                    self.stages.splits.record([source, waited, operators], together as u64);
                    measured += together as u64;
                }
                if let Some(kept) = &mut self.kept {
                    kept.count(*due, latency, together as u64);
                }
                left -= together;
                *run -= together;
                if *run == 0 {
                    self.dues.pop_front();
                }
            }
            self.outstanding -= n;
            if measured > 0 {
                self.stages.record(Stage::Batch, batch, measured - gathered);
                self.stages.record(Stage::Operators, operators, measured);
                self.stages.applied_at += u128::from(measured) * u128::from(now.saturating_sub(self.from));
            }
            arrival.count -= n;
            count -= n;
            if arrival.count == 0 {
                self.arrivals.pop_front();
            }
        }
    }

    /// Keeps what a batch cost that is applied as a whole, after the warm-up.
    fn cost(&mut self, count: usize, now: RunTime) {
        if let Some(sealed) = self.arrivals.front().map(|it| it.sealed).filter(|sealed| *sealed >= self.from) {
            let batch: usize = self.arrivals.iter().take_while(|it| it.sealed == sealed).map(|it| it.count).sum();
            if count == batch {
                self.stages.costs.record(count, now - sealed);
            }
        }
    }

    /// Ticks that were handed over and are not applied.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Hands out what was recorded so far and goes on with `empty`.
    pub fn swap(&mut self, empty: Box<Stages>) -> Box<Stages> {
        std::mem::replace(&mut self.stages, empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn values(histogram: &Histogram<u64>) -> Vec<u64> {
        histogram.iter_recorded().flat_map(|v| vec![v.value_iterated_to(); v.count_at_value() as usize]).collect()
    }

    #[test]
    fn every_stage_of_every_tick_is_counted_from_when_it_was_due() {
        let mut recorder = Recorder::default();
        recorder.arrived(&[10, 20], 2, 30, 0);
        recorder.arrived(&[40], 1, 45, 0);
        recorder.sealed(50);
        recorder.applied(3, 60);
        let stages = recorder.swap(Box::default());
        assert_eq!(values(stages.get(Stage::Tick)), [20, 40, 50]);
        assert_eq!(values(stages.get(Stage::Source)), [5, 10, 20]);
        assert_eq!(values(stages.get(Stage::Batch)), [5, 20, 20]);
        assert_eq!(values(stages.get(Stage::Operators)), [10, 10, 10]);
        assert_eq!(stages.costs().sizes(), [SizeCost { batches: 1, ticks: 3.0, nanos: 10.0 }]);
        // The slowest is the one that was due at 10 and came at 30.
        let slowest = Slowest { ticks: 1, at_least: 50, source: 20, batch: 20, operators: 10 };
        assert_eq!(stages.splits().slowest(0.01), slowest);
    }

    #[test]
    fn what_gathers_for_a_batch_waits_in_it_and_only_a_late_waking_is_late() {
        let mut recorder = Recorder::default();
        recorder.arrived(&[10], 1, 12, 0);
        // The worker meant to look again at 30, and did at 33.
        recorder.arrived(&[20, 30, 31], 3, 33, 30);
        recorder.sealed(33);
        recorder.applied(4, 40);
        let stages = recorder.swap(Box::default());
        assert_eq!(values(stages.get(Stage::Tick)), [9, 10, 20, 30]);
        assert_eq!(values(stages.get(Stage::Source)), [2, 2, 3, 3]);
        assert_eq!(values(stages.get(Stage::Batch)), [0, 0, 10, 21]);
    }

    #[test]
    fn what_was_due_in_the_warm_up_is_left_out() {
        let mut recorder = Recorder::since(20);
        recorder.arrived(&[10, 19, 20, 25], 4, 30, 0);
        recorder.sealed(50);
        recorder.applied(1, 55);
        assert_eq!(recorder.outstanding(), 3);
        recorder.applied(3, 60);
        let stages = recorder.swap(Box::default());
        assert_eq!(values(stages.get(Stage::Tick)), [35, 40]);
        assert_eq!(stages.applied_at(), 2 * 40);
        assert_eq!(values(stages.get(Stage::Source)), [5, 10]);
        assert_eq!(values(stages.get(Stage::Batch)), [20, 20]);
        assert_eq!(values(stages.get(Stage::Operators)), [10, 10]);
    }
}
