use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::histogram;
use crate::error::lock;
use crate::time::RunTime;

/// So many window ends are kept one by one.
const MOST_BOUNDARIES: usize = 1_000;

/// Close latency: from the due instant of whatever moved the *global* watermark past a window's end, to the
/// instant at which the window's last row was flushed, over all workers. One sample a window end.
pub struct Closes {
    inner: Mutex<ClosesInner>,
    schedule: Option<Schedule>,
    from: RunTime,
    elsewhere: Option<Passed>,
}

/// Who is told where a worker's watermark went, and the due instant of what moved it there.
pub type Passed = Box<dyn Fn(usize, i64, RunTime) + Send + Sync>;

/// How long after it was due a window end had its rows out: those of whichever worker flushed first, and of the last. A
/// flush shows all rows of a worker at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// The window end, in milliseconds of event time.
    pub end_ms: i64,
    /// Until the first rows were flushed, in nanoseconds.
    pub first: u64,
    /// Until the last rows were flushed, in nanoseconds.
    pub last: u64,
}

/// When a schedule's clock brings the watermark, in milliseconds, somewhere.
pub type Schedule = Box<dyn Fn(i64) -> RunTime + Send + Sync>;

#[derive(Debug)]
struct ClosesInner {
    /// For each worker, the watermarks (ms) that it reached and the due instants of what moved it there.
    passed: Vec<VecDeque<(i64, RunTime)>>,
    /// For each worker, the watermark up to which all its rows are flushed.
    flushed: Vec<i64>,
    /// The first and the last flush for window ends that some worker has not flushed yet.
    open: BTreeMap<i64, (RunTime, RunTime)>,
    latency: Histogram<u64>,
    first: Histogram<u64>,
    sink: Histogram<u64>,
    boundaries: Vec<Boundary>,
}

impl Closes {
    /// A book for so many workers. Where event time has a `schedule`, each window end has its own due instant on
    /// it, however late, and with how many others, a worker comes to pass it.
    pub fn new(workers: usize, schedule: Option<Schedule>) -> Self {
        let inner = ClosesInner {
            passed: vec![VecDeque::new(); workers],
            flushed: vec![-1; workers],
            open: BTreeMap::new(),
            latency: histogram(),
            first: histogram(),
            sink: histogram(),
            boundaries: Vec::new(),
        };
        Closes { inner: Mutex::new(inner), schedule, from: 0, elsewhere: None }
    }

    /// The same book, where the first `writers` workers write the rows of all.
    pub fn written_by(self, writers: usize) -> Self {
        lock(&self.inner).flushed.truncate(writers);
        self
    }

    /// No book: it is kept in another process, where no rows are written but there.
    pub fn elsewhere(passed: Passed) -> Self {
        Closes { elsewhere: Some(passed), ..Closes::new(0, None) }
    }

    /// The same book, which leaves out the windows that were due to close before `from`.
    pub fn since(self, from: RunTime) -> Self {
        Closes { from, ..self }
    }

    /// The worker's watermark moved to `watermark_ms` because of something due at `due`.
    pub fn passed(&self, worker: usize, watermark_ms: i64, due: RunTime) {
        if let Some(elsewhere) = &self.elsewhere {
            return elsewhere(worker, watermark_ms, due);
        }
        let mut inner = lock(&self.inner);
        inner.passed[worker].push_back((watermark_ms, due));
        self.settle(&mut inner);
    }

    /// The worker's rows for the window end `end_ms` were flushed at `now`, after `sink_nanos` in the sink.
    pub fn closed(&self, end_ms: i64, now: RunTime, sink_nanos: u64) {
        if self.elsewhere.is_some() {
            return;
        }
        let mut inner = lock(&self.inner);
        let (first, last) = inner.open.entry(end_ms).or_insert((now, now));
        (*first, *last) = (now.min(*first), now.max(*last));
        if now >= self.from {
            inner.sink.saturating_record(sink_nanos);
        }
    }

    /// The worker has flushed all its rows of windows that end at or before `watermark_ms`.
    pub fn flushed(&self, worker: usize, watermark_ms: i64) {
        if self.elsewhere.is_some() {
            return;
        }
        let mut inner = lock(&self.inner);
        inner.flushed[worker] = watermark_ms;
        self.settle(&mut inner);
    }

    /// Closes the windows that all have passed and flushed. What another process tells of its workers may come after
    /// their rows.
    fn settle(&self, inner: &mut ClosesInner) {
        let passed = inner.passed.iter().map(|passed| passed.back().map_or(-1, |(ms, _)| *ms));
        let complete = inner.flushed.iter().copied().chain(passed).min().unwrap_or(-1);
        while let Some(entry) = inner.open.first_entry()
            && *entry.key() <= complete
        {
            let (end_ms, (first, last)) = entry.remove_entry();
            let moved = inner.passed.iter().map(|p| p.iter().find(|(ms, _)| *ms >= end_ms).map_or(0, |(_, due)| *due));
            let moved = moved.max().unwrap_or(0);
            let due = self.schedule.as_ref().map_or(moved, |passes_at| passes_at(end_ms).min(moved));
            if due >= self.from {
                let (first, last) = (first.saturating_sub(due), last.saturating_sub(due));
                inner.latency.saturating_record(last);
                inner.first.saturating_record(first);
                if inner.boundaries.len() < MOST_BOUNDARIES {
                    inner.boundaries.push(Boundary { end_ms, first, last });
                }
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
        let inner = lock(&self.inner);
        (inner.latency.clone(), inner.sink.clone())
    }

    /// As close latency, but to the window's first row.
    pub fn first_rows(&self) -> Histogram<u64> {
        lock(&self.inner).first.clone()
    }

    /// The window ends of a run's beginning one by one, in their order.
    pub fn boundaries(&self) -> Vec<Boundary> {
        lock(&self.inner).boundaries.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::values;
    use super::*;

    #[test]
    fn windows_that_were_due_in_the_warm_up_are_left_out() {
        let closes = Closes::new(1, Some(Box::new(|ms| ms as u64 * 10))).since(200);
        closes.passed(0, 30, 300);
        [10, 20, 30].into_iter().for_each(|end| closes.closed(end, 400, 1));
        closes.flushed(0, 30);
        assert_eq!(values(&closes.histograms().0), [100, 200]);
        assert_eq!(values(&closes.first_rows()), [100, 200]);
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
        assert_eq!(values(&closes.first_rows()), [20]);
        assert_eq!(closes.boundaries(), [Boundary { end_ms: 1_000, first: 20, last: 30 }]);
    }
}
