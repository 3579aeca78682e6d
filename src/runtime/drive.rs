use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use super::message::{Message, Post, Report};
use super::tuning::Tuning;
use super::{Gauge, Knobs};
use crate::latency::Recorder;
use crate::operators::{Context, Written, stamp_of, watermark_of};
use crate::source::{Arrivals, Feed, Next, Part};
use crate::standing::{self, FOR_GOOD, Inquiry, Question, Waits};
use crate::time::{Clock, RunTime};

/// Latencies are handed over so often.
const REPORT_EVERY: RunTime = 1_000_000_000;

/// Batches that wait already go into the dataflow together, so many ticks at most, before it works on them: a round costs
/// as much as hundreds of ticks, and batches of few could not keep up if each had one of its own.
const ROUND: u64 = 64;

/// The longest a worker sleeps before it looks again whether it is to stop.
const LONGEST_SLEEP: RunTime = 10_000_000;

type Input = InputHandle<u64, CapacityContainerBuilder<Vec<Part>>>;

/// Feeds one worker.
pub(super) struct Drive<'a> {
    knobs: Knobs,
    tuning: Tuning,
    stop: Arc<AtomicBool>,
    inquiry: Arc<Inquiry>,
    /// The last question that was answered.
    answered: u64,
    pub context: Context,
    feed: Feed,
    recorder: Recorder,
    post: Post,
    gauge: &'a Gauge,
    /// The last report: when it was, and what had been applied and sent by then.
    reported: (RunTime, u64, u64),
    report_at: RunTime,
    /// Ticks that went into the dataflow.
    pub sent: u64,
    retired: u64,
    batches: u64,
    pub applied_at: RunTime,
}

impl<'a> Drive<'a> {
    pub fn new(
        knobs: Knobs,
        tuning: Tuning,
        (stop, inquiry): (Arc<AtomicBool>, Arc<Inquiry>),
        context: Context,
        feed: Feed,
        post: Post,
        gauge: &'a Gauge,
    ) -> Self {
        let began = tuning.began;
        let mut recorder = Recorder::since(tuning.measured_from);
        recorder.keep(tuning.kept());
        let report_at = began + REPORT_EVERY;
        let (reported, sent, retired, batches, applied_at) = ((began, 0, 0), 0, 0, 0, began);
        Drive {
            knobs,
            tuning,
            stop,
            inquiry,
            answered: 0,
            context,
            feed,
            recorder,
            post,
            gauge,
            reported,
            report_at,
            sent,
            retired,
            batches,
            applied_at,
        }
    }

    /// Plays the feed to its end, or until the run is stopped, and sees everything through the dataflow. Returns
    /// the number of batches.
    // `benches/instructions.rs` counts what happens in here, by its name.
    #[inline(never)]
    pub fn play(
        &mut self,
        worker: &mut Worker,
        mut input: Input,
        probe: &ProbeHandle<u64>,
        written: &Rc<Cell<Written>>,
    ) -> u64 {
        let clock = self.context.clock.clone();
        let mut batch = Arrivals::default();
        // When the oldest tick of the batch was due, and until when its company was let come.
        let (mut oldest, mut gathers_until) = (0, 0);
        // The next watermark at which something happens, and when the schedule's clock gets there.
        let mut edge_ms = self.next_edge_ms(0);
        let mut edge_at = self.feed.passes_at(edge_ms);
        loop {
            let began = clock.now();
            let mut now = began;
            self.gauge.beats.fetch_add(1, Ordering::Relaxed);
            let is_stopped = self.stop.load(Ordering::Relaxed) && !self.feed.is_live();
            if is_stopped || self.context.failure.is_set() {
                break;
            }
            if self.tuning.is_turned() {
                if batch.count() > 0 {
                    self.send(&mut input, &mut batch, oldest, began, now);
                    self.step(worker);
                    self.retire(written, now);
                }
                self.turn(now);
            }
            let limits = self.tuning.limits;
            let sent_ms = watermark_of(*input.time());
            let slowest_ms =
                probe.with_frontier(|frontier| frontier.first().map_or(i64::MAX, |stamp| watermark_of(*stamp)));
            let leads = !self.feed.is_led() && sent_ms > slowest_ms.saturating_add(self.knobs.max_lead_ms);
            // A controller may have thought better of a batch that was begun.
            let (waiting, room) = (batch.count(), limits.max_ticks.saturating_sub(batch.count()));
            let next = if leads {
                Next::Later
            } else {
                match self.feed.poll(now, room, edge_ms, &mut batch) {
                    Ok(next) => next,
                    Err(error) => {
                        self.context.failure.set(error);
                        break;
                    }
                }
            };
            if batch.count() > waiting {
                // Reading takes its time, too. A tick without a due time is due when it is read.
                now = clock.now();
                if waiting == 0 {
                    oldest = batch.dues.first().map_or(now, |due| now.min(*due));
                }
                self.recorder.arrived(&batch.dues, batch.count() - waiting, now, gathers_until);
                batch.dues.clear();
            }
            gathers_until = 0;

            let crosses = self.feed.watermark_ms() >= edge_ms;
            let ticks = batch.count();
            if ticks > 0 && (crosses || next == Next::End || limits.is_ready(ticks, oldest, now)) {
                self.send(&mut input, &mut batch, oldest, began, now);
            }
            if crosses && batch.count() == 0 {
                let to_ms = self.feed.watermark_ms();
                self.context.closes.passed(self.context.worker, to_ms, self.feed.moved_at());
                input.advance_to(stamp_of(to_ms));
                edge_ms = self.next_edge_ms(to_ms);
                edge_at = self.feed.passes_at(edge_ms);
            }
            if next == Next::End {
                break;
            }
            let is_full = self.sent - self.retired >= ROUND;
            if next == Next::Now && batch.count() == 0 && !crosses && !is_full {
                continue;
            }
            self.step(worker);
            self.retire(written, now);

            let gathers = batch.count() > 0;
            let deadline = if gathers { limits.deadline(oldest) } else { RunTime::MAX };
            if self.inquiry.asked() != self.answered {
                let waits = match next {
                    _ if leads => Waits::Others,
                    Next::Now | Next::End => Waits::Nothing,
                    _ if gathers => Waits::Batch { until: deadline },
                    Next::At(due_at) => Waits::Schedule { due_at },
                    Next::Later => Waits::Input,
                };
                self.answered = self.inquiry.asked();
                self.answer(waits, batch.count(), edge_ms, probe, written);
            }
            let wake = match next {
                Next::Now => continue,
                // Nothing is done about ticks that come while a batch waits, until they fill it.
                Next::At(due) if gathers => {
                    let room = limits.max_ticks.saturating_sub(batch.count());
                    self.feed.gathers_until(room, edge_ms).unwrap_or(due)
                }
                Next::At(due) => due,
                Next::Later | Next::End => RunTime::MAX,
            };
            // An edge that is due already waits for what comes before it, not for the clock.
            let edge_at = edge_at.filter(|at| *at > now).unwrap_or(RunTime::MAX);
            let wake = wake.min(deadline).min(edge_at).min(now + LONGEST_SLEEP);
            if gathers && !self.knobs.spin {
                gathers_until = wake;
            }
            self.wait(worker, wake);
        }
        if batch.count() > 0 {
            let now = clock.now();
            self.send(&mut input, &mut batch, oldest, now, now);
        }
        self.context.closes.passed(self.context.worker, i64::MAX, self.feed.last_due());
        input.close();
        self.drain(worker, edge_ms, probe, written);
        self.batches
    }

    /// Sees everything through the dataflow once the input is closed.
    fn drain(&mut self, worker: &mut Worker, edge_ms: i64, probe: &ProbeHandle<u64>, written: &Rc<Cell<Written>>) {
        while !probe.done() {
            if self.inquiry.asked() != self.answered {
                self.answered = self.inquiry.asked();
                self.answer(Waits::End, 0, edge_ms, probe, written);
            }
            self.gauge.beats.fetch_add(1, Ordering::Relaxed);
            worker.step_or_park(Some(Duration::from_nanos(LONGEST_SLEEP)));
            self.retire(written, self.context.clock.now());
        }
        self.report(self.context.clock.now());
        self.post_held(None);
        self.answered = FOR_GOOD;
        self.answer(Waits::End, 0, edge_ms, probe, written);
    }

    /// The next watermark at which the input's time moves on: where something happens, and before the others, which have
    /// read as far, would take this worker for one that is too far behind them and wait for it.
    fn next_edge_ms(&self, ms: i64) -> i64 {
        self.context.next_edge_ms(ms).min(ms.saturating_add(self.knobs.max_lead_ms.max(1)))
    }

    /// Tells whoever has asked how this worker stands.
    fn answer(
        &self,
        waits: Waits,
        in_batch: usize,
        next_ms: i64,
        probe: &ProbeHandle<u64>,
        written: &Rc<Cell<Written>>,
    ) {
        let at = self.context.clock.now();
        let mut ledger = self.context.ledger();
        ledger.read = self.context.applied();
        // What is asked later is not known yet.
        let question = if self.answered == FOR_GOOD { Question::default() } else { self.inquiry.question() };
        self.inquiry.tell(
            self.answered,
            standing::Worker {
                worker: self.context.worker,
                at,
                waits,
                watermark_ms: self.feed.watermark_ms(),
                moved_at: self.feed.moved_at(),
                written_ms: probe.with_frontier(|frontier| frontier.first().map(|stamp| watermark_of(*stamp))),
                next_ms,
                applied: self.retired,
                in_batch: in_batch as u64,
                in_dataflow: self.sent - self.retired,
                backlog: self.feed.backlog(at),
                rows: written.get().rows,
                ledger,
                operators: self.context.told(&question),
            },
        );
    }

    /// Sends a batch into the dataflow. The worker turned to it at `began`.
    fn send(&mut self, input: &mut Input, batch: &mut Arrivals, oldest: RunTime, began: RunTime, now: RunTime) {
        self.recorder.sealed(now);
        self.tuning.sealed(batch.count(), oldest, began, now);
        self.sent += batch.count() as u64;
        self.batches += 1;
        input.send_batch(&mut batch.replace(self.context.empty_batch()));
    }

    /// Goes over to other limits: what was recorded so far is that of the limits before.
    fn turn(&mut self, now: RunTime) {
        let backlog = self.backlog(now);
        let latencies = Report { backlog, ..self.latencies() };
        self.tell(Message::Report(latencies));
        self.post_held(Some(now));
    }

    /// Hands over how the limits were kept that held until now.
    fn post_held(&mut self, turned_at: Option<RunTime>) {
        let held = match turned_at {
            Some(now) => self.tuning.turn(now, &mut self.recorder),
            None => self.tuning.end(),
        };
        self.tell(Message::Held(held));
    }

    pub fn tell(&self, message: Message) {
        // Nobody is left to read it only when the whole run is being torn down.
        let _ = self.post.messages.send(message);
    }

    /// Counts what the operators have applied.
    fn retire(&mut self, written: &Rc<Cell<Written>>, now: RunTime) {
        let applied = self.context.applied();
        if applied > self.retired {
            self.applied_at = self.context.clock.now();
            self.recorder.applied((applied - self.retired) as usize, self.applied_at);
            self.retired = applied;
            self.gauge.applied.store(applied, Ordering::Relaxed);
            if self.retired == self.sent
                && let Some(decision) = self.tuning.applied(self.applied_at, &mut self.recorder)
            {
                let (worker, at) = (self.context.worker, self.applied_at.saturating_sub(self.tuning.began));
                self.tell(Message::Decided { worker, at, decision });
            }
        }
        // Rows are written when their windows are over, which may be long after their ticks were applied.
        self.gauge.rows.store(written.get().rows, Ordering::Relaxed);
        if now >= self.report_at {
            self.report(now);
        }
    }

    /// What is due and not applied, as far as is known here.
    fn backlog(&self, now: RunTime) -> u64 {
        let backlog = self.feed.backlog(now) + self.recorder.outstanding() as u64;
        self.gauge.backlog.store(backlog, Ordering::Relaxed);
        backlog
    }

    fn report(&mut self, now: RunTime) {
        let (backlog, report) = (self.backlog(now), self.latencies());
        let (since, applied, batches) = std::mem::replace(&mut self.reported, (now, self.retired, self.batches));
        while self.report_at <= now {
            self.report_at += REPORT_EVERY;
        }
        let report = Report {
            nanos: now.saturating_sub(since),
            applied: self.retired - applied,
            batches: self.batches - batches,
            backlog,
            ..report
        };
        self.tell(Message::Report(report));
    }

    /// A report about the second under way, of latencies alone.
    fn latencies(&mut self) -> Report {
        let second = self.reported.0.saturating_sub(self.tuning.began) / REPORT_EVERY;
        let stages = self.recorder.swap(self.post.empty.try_recv().unwrap_or_default());
        let (worker, setting) = (self.context.worker, self.tuning.setting);
        let intervals = self.recorder.take_untold();
        Report { worker, second, setting, nanos: 0, applied: 0, batches: 0, backlog: 0, intervals, stages }
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

impl Drop for Drive<'_> {
    /// The operators hold on to the context, and it to them.
    fn drop(&mut self) {
        self.context.let_go();
    }
}
