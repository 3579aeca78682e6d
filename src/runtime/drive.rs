use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use super::{Gauge, Knobs, Post, Report};
use crate::latency::Recorder;
use crate::operators::{Context, Written, stamp_of, watermark_of};
use crate::source::{Arrivals, Feed, Next};
use crate::tick::Tick;
use crate::time::{Clock, RunTime};

/// Latencies are handed over so often.
const REPORT_EVERY: RunTime = 1_000_000_000;

/// The longest a worker sleeps before it looks again whether it is to stop.
const LONGEST_SLEEP: RunTime = 10_000_000;

type Input = InputHandle<u64, CapacityContainerBuilder<Vec<Tick>>>;

/// Feeds one worker.
pub(super) struct Drive<'a> {
    knobs: Knobs,
    stop: Arc<AtomicBool>,
    pub context: Context,
    feed: Feed,
    recorder: Recorder,
    post: Post,
    gauge: &'a Gauge,
    began: RunTime,
    /// The last report: when it was, and what had been applied and sent by then.
    reported: (RunTime, u64, u64),
    report_at: RunTime,
    retired: u64,
    batches: u64,
    pub applied_at: RunTime,
}

impl<'a> Drive<'a> {
    pub fn new(
        knobs: Knobs,
        stop: Arc<AtomicBool>,
        context: Context,
        feed: Feed,
        post: Post,
        gauge: &'a Gauge,
        began: RunTime,
    ) -> Self {
        let (recorder, report_at) = (Recorder::since(began + knobs.warmup), began + REPORT_EVERY);
        let (reported, retired, batches, applied_at) = ((began, 0, 0), 0, 0, began);
        Drive {
            knobs,
            stop,
            context,
            feed,
            recorder,
            post,
            gauge,
            began,
            reported,
            report_at,
            retired,
            batches,
            applied_at,
        }
    }

    /// Plays the feed to its end, or until the run is stopped, and sees everything through the dataflow. Returns
    /// the number of batches.
    pub fn play(
        &mut self,
        worker: &mut Worker,
        mut input: Input,
        probe: &ProbeHandle<u64>,
        written: &Rc<Cell<Written>>,
    ) -> u64 {
        let limits = self.knobs.batch;
        let clock = self.context.clock.clone();
        let mut batch = Arrivals::default();
        let mut oldest = 0;
        // The next watermark at which something happens, and when the schedule's clock gets there.
        let mut edge_ms = self.context.next_edge_ms(0);
        let mut edge_at = self.feed.passes_at(edge_ms);
        loop {
            let mut now = clock.now();
            if self.stop.load(Ordering::Relaxed) || self.context.failure.is_set() {
                break;
            }
            let sent_ms = watermark_of(*input.time());
            let slowest_ms =
                probe.with_frontier(|frontier| frontier.first().map_or(i64::MAX, |stamp| watermark_of(*stamp)));
            let leads = sent_ms > slowest_ms.saturating_add(self.knobs.max_lead_ms);
            let waiting = batch.ticks.len();
            let next = if leads {
                Next::Later
            } else {
                match self.feed.poll(now, limits.max_ticks - waiting, edge_ms, &mut batch) {
                    Ok(next) => next,
                    Err(error) => {
                        self.context.failure.set(error);
                        break;
                    }
                }
            };
            if batch.ticks.len() > waiting {
                // Reading takes its time, too. A tick without a due time is due when it is read.
                now = clock.now();
                batch.dues.resize(batch.ticks.len() - waiting, now);
                self.recorder.arrived(&batch.dues, now);
                batch.dues.clear();
            }
            if waiting == 0 {
                oldest = now;
            }

            let crosses = self.feed.watermark_ms() >= edge_ms;
            let ticks = batch.ticks.len();
            if ticks > 0 && (crosses || next == Next::End || limits.is_ready(ticks, oldest, now)) {
                self.recorder.sealed(now);
                input.send_batch(&mut batch.ticks);
                self.batches += 1;
            }
            if crosses && batch.ticks.is_empty() {
                let to_ms = self.feed.watermark_ms();
                self.context.closes.passed(self.context.worker, to_ms, self.feed.moved_at());
                input.advance_to(stamp_of(to_ms));
                edge_ms = self.context.next_edge_ms(to_ms);
                edge_at = self.feed.passes_at(edge_ms);
            }
            if next == Next::End {
                break;
            }
            self.step(worker);
            self.retire(written, now);

            let deadline = if batch.ticks.is_empty() { RunTime::MAX } else { limits.deadline(oldest) };
            let wake = match next {
                Next::Now => continue,
                Next::At(due) => due,
                Next::Later | Next::End => RunTime::MAX,
            };
            // An edge that is due already waits for what comes before it, not for the clock.
            let edge_at = edge_at.filter(|at| *at > now).unwrap_or(RunTime::MAX);
            let wake = wake.min(deadline).min(edge_at).min(now + LONGEST_SLEEP);
            self.wait(worker, wake);
        }
        if !batch.ticks.is_empty() {
            self.recorder.sealed(clock.now());
            input.send_batch(&mut batch.ticks);
            self.batches += 1;
        }
        self.context.closes.passed(self.context.worker, i64::MAX, self.feed.last_due());
        input.close();
        while !probe.done() {
            worker.step_or_park(Some(Duration::from_nanos(LONGEST_SLEEP)));
            self.retire(written, clock.now());
        }
        self.report(clock.now());
        self.batches
    }

    /// Counts what the operators have applied.
    fn retire(&mut self, written: &Rc<Cell<Written>>, now: RunTime) {
        let applied = self.context.counters.applied.get();
        if applied > self.retired {
            self.applied_at = self.context.clock.now();
            self.recorder.applied((applied - self.retired) as usize, self.applied_at);
            self.retired = applied;
            self.gauge.applied.store(applied, Ordering::Relaxed);
            self.gauge.rows.store(written.get().rows, Ordering::Relaxed);
        }
        if now >= self.report_at {
            self.report(now);
        }
    }

    fn report(&mut self, now: RunTime) {
        let backlog = self.feed.backlog(now) + self.recorder.outstanding() as u64;
        self.gauge.backlog.store(backlog, Ordering::Relaxed);
        let (since, applied, batches) = std::mem::replace(&mut self.reported, (now, self.retired, self.batches));
        let second = since.saturating_sub(self.began) / REPORT_EVERY;
        while self.report_at <= now {
            self.report_at += REPORT_EVERY;
        }
        let report = Report {
            worker: self.context.worker,
            second,
            nanos: now.saturating_sub(since),
            applied: self.retired - applied,
            batches: self.batches - batches,
            backlog,
            stages: self.recorder.swap(self.post.empty.try_recv().unwrap_or_default()),
        };
        // Nobody is left to read it only when the whole run is being torn down.
        let _ = self.post.reports.send(report);
    }

    /// Lets the dataflow work on what it was given.
    fn step(&self, worker: &mut Worker) {
        // Nothing but us moves a manual clock, so the dataflow is let come to rest before it moves on.
        let steps = if matches!(self.context.clock, Clock::Manual(_)) { 8 } else { 1 };
        (0..steps).for_each(|_| _ = worker.step());
    }

    /// Waits until `wake`, or until the dataflow has something to do.
    fn wait(&self, worker: &mut Worker, wake: RunTime) {
        let span = Duration::from_nanos(wake.saturating_sub(self.context.clock.now()));
        match &self.context.clock {
            clock @ Clock::Manual(_) => clock.wait(span),
            Clock::Wall(_) if self.knobs.spin || span.is_zero() => {}
            Clock::Wall(_) => _ = worker.step_or_park(Some(span)),
        }
    }
}
