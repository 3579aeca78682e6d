//! Latency, from the instant at which a tick was due: by stage for ticks, and for windows from the instant that
//! moved the watermark past their end. The clock is handed in.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use hdrhistogram::Histogram;

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

/// A histogram for each stage.
#[derive(Clone, Debug)]
pub struct Stages([Histogram<u64>; 4]);

impl Default for Stages {
    fn default() -> Self {
        Stages(std::array::from_fn(|_| histogram()))
    }
}

impl Stages {
    /// One stage's histogram, in nanoseconds.
    pub fn get(&self, stage: Stage) -> &Histogram<u64> {
        &self.0[stage as usize]
    }

    /// Adds what another worker, or another interval, recorded.
    pub fn add(&mut self, other: &Stages) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            mine.add(theirs).expect("histograms of equal bounds add");
        }
    }

    /// Forgets everything recorded.
    pub fn reset(&mut self) {
        self.0.iter_mut().for_each(Histogram::reset);
    }

    fn record(&mut self, stage: Stage, nanos: u64, count: u64) {
        self.0[stage as usize].saturating_record_n(nanos, count);
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

    /// Counts from now on how a target is kept, or no longer; returns what was counted before.
    pub fn keep(&mut self, kept: Option<Kept>) -> Option<Kept> {
        std::mem::replace(&mut self.kept, kept)
    }

    /// How the target was kept since this was last asked.
    pub fn take_recent(&mut self) -> Tally {
        self.kept.as_mut().map(Kept::take_recent).unwrap_or_default()
    }

    /// Ticks were handed to the batch at `now`; `dues` are the instants at which they were due. What was due before
    /// `filled` was left to gather for a batch that was begun, so it waited for company, and nobody was late.
    pub fn arrived(&mut self, dues: &[RunTime], now: RunTime, filled: RunTime) {
        if !dues.is_empty() {
            self.dues.extend(dues.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())));
            self.outstanding += dues.len();
            let filled = filled.min(now);
            self.arrivals.push_back(Arrival { count: dues.len(), arrived: now, filled, sealed: 0 });
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
        while count > 0
            && let Some(arrival) = self.arrivals.front_mut()
        {
            let n = count.min(arrival.count);
            let (mut left, mut measured, mut gathered) = (n, 0, 0);
            while left > 0
                && let Some((due, run)) = self.dues.front_mut()
            {
                let together = left.min(*run);
                let latency = now.saturating_sub(*due);
                if *due >= self.from {
                    self.stages.record(Stage::Tick, latency, together as u64);
                    let late = arrival.arrived.saturating_sub(arrival.filled.max(*due));
                    self.stages.record(Stage::Source, late, together as u64);
                    if *due < arrival.filled {
                        self.stages.record(Stage::Batch, arrival.sealed - *due - late, together as u64);
                        gathered += together as u64;
                    }
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
                self.stages.record(Stage::Batch, arrival.sealed - arrival.arrived, measured - gathered);
                self.stages.record(Stage::Operators, now - arrival.sealed, measured);
            }
            arrival.count -= n;
            count -= n;
            if arrival.count == 0 {
                self.arrivals.pop_front();
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

/// Close latency: from the due instant of whatever moved the *global* watermark past a window's end, to the
/// instant at which the window's last row was flushed, over all workers. One sample a window end.
pub struct Closes {
    inner: Mutex<ClosesInner>,
    schedule: Option<Schedule>,
    from: RunTime,
}

/// When a schedule's clock brings the watermark, in milliseconds, somewhere.
pub type Schedule = Box<dyn Fn(i64) -> RunTime + Send + Sync>;

#[derive(Debug)]
struct ClosesInner {
    /// For each worker, the watermarks (ms) that it reached and the due instants of what moved it there.
    passed: Vec<VecDeque<(i64, RunTime)>>,
    /// For each worker, the watermark up to which all its rows are flushed.
    flushed: Vec<i64>,
    /// The last flush for window ends that some worker has not flushed yet.
    open: BTreeMap<i64, RunTime>,
    latency: Histogram<u64>,
    sink: Histogram<u64>,
}

impl Closes {
    /// A book for so many workers. Where event time has a `schedule`, each window end has its own due instant on
    /// it, however late, and with how many others, a worker comes to pass it.
    pub fn new(workers: usize, schedule: Option<Schedule>) -> Self {
        let (latency, sink) = (histogram(), histogram());
        let passed = vec![VecDeque::new(); workers];
        let inner = ClosesInner { passed, flushed: vec![-1; workers], open: BTreeMap::new(), latency, sink };
        Closes { inner: Mutex::new(inner), schedule, from: 0 }
    }

    /// The same book, which leaves out the windows that were due to close before `from`.
    pub fn since(self, from: RunTime) -> Self {
        Closes { from, ..self }
    }

    /// The worker's watermark moved to `watermark_ms` because of something due at `due`.
    pub fn passed(&self, worker: usize, watermark_ms: i64, due: RunTime) {
        self.lock().passed[worker].push_back((watermark_ms, due));
    }

    /// The worker's rows for the window end `end_ms` were flushed at `now`, after `sink_nanos` in the sink.
    pub fn closed(&self, end_ms: i64, now: RunTime, sink_nanos: u64) {
        let mut inner = self.lock();
        let last = inner.open.entry(end_ms).or_insert(now);
        *last = now.max(*last);
        if now >= self.from {
            inner.sink.saturating_record(sink_nanos);
        }
    }

    /// The worker has flushed all its rows of windows that end at or before `watermark_ms`.
    pub fn flushed(&self, worker: usize, watermark_ms: i64) {
        let mut inner = self.lock();
        inner.flushed[worker] = watermark_ms;
        let complete = inner.flushed.iter().copied().min().unwrap_or(-1);
        while let Some(entry) = inner.open.first_entry()
            && *entry.key() <= complete
        {
            let (end_ms, flushed_at) = entry.remove_entry();
            let moved = inner.passed.iter().map(|p| p.iter().find(|(ms, _)| *ms >= end_ms).map_or(0, |(_, due)| *due));
            let moved = moved.max().unwrap_or(0);
            let due = self.schedule.as_ref().map_or(moved, |passes_at| passes_at(end_ms).min(moved));
            if due >= self.from {
                inner.latency.saturating_record(flushed_at.saturating_sub(due));
            }
        }
        for passed in &mut inner.passed {
            while passed.len() > 1 && passed[0].0 <= complete {
                passed.pop_front();
            }
        }
    }

    /// Close latency, one sample a window end, and the time rows spent in the sink, one a worker and window end.
    pub fn histograms(&self) -> (Histogram<u64>, Histogram<u64>) {
        let inner = self.lock();
        (inner.latency.clone(), inner.sink.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ClosesInner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(histogram: &Histogram<u64>) -> Vec<u64> {
        histogram.iter_recorded().flat_map(|v| vec![v.value_iterated_to(); v.count_at_value() as usize]).collect()
    }

    #[test]
    fn every_stage_of_every_tick_is_counted_from_when_it_was_due() {
        let mut recorder = Recorder::default();
        recorder.arrived(&[10, 20], 30, 0);
        recorder.arrived(&[40], 45, 0);
        recorder.sealed(50);
        recorder.applied(3, 60);
        let stages = recorder.swap(Box::default());
        assert_eq!(values(stages.get(Stage::Tick)), [20, 40, 50]);
        assert_eq!(values(stages.get(Stage::Source)), [5, 10, 20]);
        assert_eq!(values(stages.get(Stage::Batch)), [5, 20, 20]);
        assert_eq!(values(stages.get(Stage::Operators)), [10, 10, 10]);
    }

    #[test]
    fn what_gathers_for_a_batch_waits_in_it_and_only_a_late_waking_is_late() {
        let mut recorder = Recorder::default();
        recorder.arrived(&[10], 12, 0);
        // The worker meant to look again at 30, and did at 33.
        recorder.arrived(&[20, 30, 31], 33, 30);
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
        recorder.arrived(&[10, 19, 20, 25], 30, 0);
        recorder.sealed(50);
        recorder.applied(1, 55);
        assert_eq!(recorder.outstanding(), 3);
        recorder.applied(3, 60);
        let stages = recorder.swap(Box::default());
        assert_eq!(values(stages.get(Stage::Tick)), [35, 40]);
        assert_eq!(values(stages.get(Stage::Source)), [5, 10]);
        assert_eq!(values(stages.get(Stage::Batch)), [20, 20]);
        assert_eq!(values(stages.get(Stage::Operators)), [10, 10]);

        let closes = Closes::new(1, Some(Box::new(|ms| ms as u64 * 10))).since(200);
        closes.passed(0, 30, 300);
        [10, 20, 30].into_iter().for_each(|end| closes.closed(end, 400, 1));
        closes.flushed(0, 30);
        assert_eq!(values(&closes.histograms().0), [100, 200]);
    }

    #[test]
    fn windows_that_are_passed_together_have_each_their_own_due_instant() {
        let closes = Closes::new(1, Some(Box::new(|ms| ms as u64 * 10)));
        closes.passed(0, 30, 300);
        [10, 20, 30].into_iter().for_each(|end| closes.closed(end, 400, 1));
        closes.flushed(0, 30);
        assert_eq!(values(&closes.histograms().0), [100, 200, 300]);
    }

    #[test]
    fn a_window_is_closed_by_the_last_worker_to_pass_and_the_last_to_flush() {
        let closes = Closes::new(2, None);
        closes.passed(0, 1_000, 100);
        closes.passed(1, 900, 90);
        closes.passed(1, 1_000, 150);
        closes.closed(1_000, 170, 5);
        closes.flushed(0, 1_000);
        assert_eq!(closes.histograms().0.len(), 0);
        closes.closed(1_000, 180, 7);
        closes.flushed(1, 1_000);
        assert_eq!(values(&closes.histograms().0), [30]);
        assert_eq!(values(&closes.histograms().1), [5, 7]);
    }
}
