//! The run: workers, and the loop that feeds each of them its ticks when they are due.

mod drive;
mod tuning;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::dataflow::InputHandle;
use timely::worker::Worker;

use crate::batch::{Account, BatchLimits, Decision, Dial, Tally};
use crate::error::{Error, Result};
use crate::latency::{Closes, Schedule, Stages};
use crate::lateness::Lateness;
use crate::ledger::Ledger;
use crate::operators::{Changes, Context, Failure, Ticks, Written, write_to};
use crate::row::Row;
use crate::sink::Sink;
use crate::source::Feed;
use crate::standing::Inquiry;
use crate::tick::Names;
use crate::time::{Clock, RunTime};
use drive::Drive;
use tuning::Tuning;

/// The knobs of a run: none of them shows in its rows.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// When batches go.
    pub batch: BatchLimits,
    /// Whether workers spin when they have nothing to do, rather than park.
    pub spin: bool,
    /// How far a worker's watermark may be ahead of the slowest's, in milliseconds of event time.
    pub max_lead_ms: i64,
    /// What is due in the first so many nanoseconds of the schedule is played and left out of the latencies.
    pub warmup: RunTime,
}

/// How a run is to be done.
pub struct Plan {
    /// The run's clock.
    pub clock: Clock,
    /// How it is fed.
    pub knobs: Knobs,
    /// Other batch limits than those of the knobs, from when it is turned on.
    pub dial: Arc<Dial>,
    /// Which ticks are late.
    pub lateness: Lateness,
    /// Amendments are applied at multiples of so many milliseconds of watermark.
    pub changes_every_ms: i64,
    /// The symbols' texts.
    pub symbols: Arc<Names>,
    /// The venues' texts.
    pub venues: Arc<Names>,
    /// Set when the run is to end early, with what was read.
    pub stop: Arc<AtomicBool>,
    /// Where workers tell how they stand.
    pub inquiry: Arc<Inquiry>,
}

/// How a run stands.
pub struct Snapshot<'a> {
    /// Since the schedule's beginning, or the first read, in nanoseconds.
    pub elapsed: u64,
    /// Ticks applied so far.
    pub applied: u64,
    /// Ticks that are due and not yet in the dataflow, as far as the feeds know.
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
    pub intervals: Vec<Tally>,
    /// Where there is a target, what each worker's controller did.
    pub accounts: Vec<Account>,
}

impl Held {
    fn new(limits: BatchLimits) -> Self {
        Held { limits, from: None, stages: Stages::default(), intervals: Vec::new(), accounts: Vec::new() }
    }
}

/// What a run came to.
pub struct Outcome {
    /// What became of every record; `rejected`, and its share of `read`, are the caller's to add.
    pub ledger: Ledger,
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
}

/// What one worker came to.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    ledger: Ledger,
    written: Written,
    batches: u64,
    applied_at: RunTime,
}

/// What one worker shows of itself while it runs.
#[derive(Debug, Default)]
struct Gauge {
    applied: AtomicU64,
    backlog: AtomicU64,
    rows: AtomicI64,
}

/// What a worker recorded in one second of the run, under the batch limits of this number.
struct Report {
    worker: usize,
    second: u64,
    setting: usize,
    nanos: u64,
    applied: u64,
    batches: u64,
    backlog: u64,
    stages: Box<Stages>,
}

/// What one worker says about batch limits that held on it.
struct HeldBy {
    setting: usize,
    from: RunTime,
    intervals: Vec<Tally>,
    account: Option<Account>,
}

/// What a worker tells while it runs.
enum Message {
    Report(Report),
    Decided { worker: usize, at: u64, decision: Decision },
    Held(HeldBy),
}

/// Messages on their way from a worker to whoever watches, and empty histograms on the way back.
struct Post {
    messages: Sender<Message>,
    empty: Receiver<Box<Stages>>,
}

/// A worker's feed, sink, post and rules, waiting for its thread to start.
type Seat<R> = Mutex<Option<(Feed, Box<dyn Sink<R> + Send>, Post, Lateness)>>;

/// How long after the start of a run its schedule begins: time for threads to start.
const HEAD_START: RunTime = 20_000_000;

/// Runs a pipeline over the feeds, one worker each.
///
/// # Errors
/// The first failure of an input, an operator or a sink.
pub fn run<R, F>(
    plan: Plan,
    mut feeds: Vec<Feed>,
    sinks: Vec<Box<dyn Sink<R> + Send>>,
    watch: &mut dyn Watch,
    pipeline: F,
) -> Result<Outcome>
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let Plan { clock, knobs, dial, lateness, changes_every_ms, symbols, venues, stop, inquiry } = plan;
    let workers = feeds.len();
    // A schedule begins when the workers are there to keep it.
    let scheduled = feeds.iter().any(Feed::is_scheduled) && matches!(clock, Clock::Wall(_));
    let began = clock.now() + if scheduled { HEAD_START } else { 0 };
    feeds.iter_mut().for_each(|feed| feed.begin(began));
    let schedule = feeds.first().and_then(Feed::schedule).map(|schedule| Box::new(schedule) as Schedule);
    let (closes, failure) = (Closes::new(workers, schedule).since(began + knobs.warmup), Failure::default());
    let closes = Arc::new(closes);
    let (sender, messages) = channel();
    let mut returns = Vec::new();
    let seats: Vec<Seat<R>> = feeds
        .into_iter()
        .zip(sinks)
        .map(|(feed, sink)| {
            let (back, empty) = channel();
            returns.push(back);
            Mutex::new(Some((feed, sink, Post { messages: sender.clone(), empty }, lateness.clone())))
        })
        .collect();
    drop(sender);
    let gauges: Arc<Vec<Gauge>> = Arc::new((0..workers).map(|_| Gauge::default()).collect());
    let worker_main = {
        let (closes, failure, gauges, clock) = (closes.clone(), failure.clone(), gauges.clone(), clock.clone());
        let dial = dial.clone();
        move |worker: &mut Worker| {
            let seat = seats[worker.index()].lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
            let Some((feed, sink, post, lateness)) = seat else { return Share::default() };
            let index = worker.index();
            let context = Context::new(
                index,
                clock.clone(),
                [symbols.clone(), venues.clone()],
                lateness,
                changes_every_ms,
                closes.clone(),
                failure.clone(),
            );
            let mut input = InputHandle::new();
            let (probe, written) = worker.dataflow(|scope| {
                let ticks = Ticks { stream: input.to_stream(scope), context: context.clone() };
                write_to(pipeline(ticks), sink, &context)
            });
            let gauge = &gauges[index];
            let tuning = Tuning::new(knobs.batch, dial.clone(), began, began + knobs.warmup);
            let mut drive = Drive::new(knobs, tuning, (stop.clone(), inquiry.clone()), context, feed, post, gauge);
            let batches = drive.play(worker, input, &probe, &written);
            let mut ledger = drive.context.ledger();
            ledger.read = drive.context.applied();
            Share { ledger, written: written.get(), batches, applied_at: drive.applied_at }
        }
    };
    let mut config = if workers == 1 { timely::Config::thread() } else { timely::Config::process(workers) };
    config.worker = config.worker.idle_spin(Duration::ZERO);
    let guards = timely::execute(config, worker_main).map_err(|e| Error::Input(format!("starting workers: {e}")))?;

    let mut latencies = Latencies::new(knobs.batch, workers, dial);
    loop {
        match messages.recv_timeout(watch.every()) {
            Ok(Message::Report(report)) => {
                let back = &returns[report.worker];
                // A worker that is done needs no empty histograms.
                let _ = back.send(latencies.add(report, watch));
            }
            Ok(Message::Decided { worker, at, decision }) => latencies.keep(watch.decided(worker, at, &decision)),
            Ok(Message::Held(held)) => latencies.of_setting(held.setting).add(held, began),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let sum = |gauge: fn(&Gauge) -> u64| gauges.iter().map(gauge).sum();
        watch.progress(&Snapshot {
            elapsed: clock.now().saturating_sub(began),
            applied: sum(|gauge| gauge.applied.load(Ordering::Relaxed)),
            backlog: sum(|gauge| gauge.backlog.load(Ordering::Relaxed)),
            rows: gauges.iter().map(|gauge| gauge.rows.load(Ordering::Relaxed)).sum(),
            stages: &latencies.total,
        });
    }
    let (stages, held) = latencies.end(watch)?;
    let mut total = Share::default();
    for share in guards.join() {
        let share = share.map_err(|e| Error::Input(format!("a worker ended early: {e}")))?;
        total.ledger.add(&share.ledger);
        total.written.rows += share.written.rows;
        total.written.retracted += share.written.retracted;
        total.written.digest = total.written.digest.wrapping_add(share.written.digest);
        total.batches += share.batches;
        total.applied_at = total.applied_at.max(share.applied_at);
    }
    if let Some(error) = failure.take() {
        return Err(error);
    }
    let elapsed = clock.now().saturating_sub(began);
    let Share { ledger, written, batches, applied_at } = total;
    let applied_by = applied_at.saturating_sub(began);
    Ok(Outcome { ledger, written, stages, closes, batches, held, elapsed, applied_by })
}

/// Gathers what the workers report, second by second and setting by setting.
struct Latencies {
    total: Stages,
    current: Option<Report>,
    /// Each worker's, when it last reported.
    backlogs: Vec<u64>,
    kept: Result<()>,
    held: Vec<Held>,
    dial: Arc<Dial>,
}

impl Latencies {
    fn new(limits: BatchLimits, workers: usize, dial: Arc<Dial>) -> Self {
        let (backlogs, held) = (vec![0; workers], vec![Held::new(limits)]);
        Latencies { total: Stages::default(), current: None, backlogs, kept: Ok(()), held, dial }
    }

    /// What is known of the batch limits of this number: those that the run began with, or of a turn of the dial.
    fn of_setting(&mut self, setting: usize) -> &mut Held {
        if setting >= self.held.len() {
            let settings = self.dial.settings();
            self.held.extend(settings[self.held.len() - 1..setting].iter().copied().map(Held::new));
        }
        &mut self.held[setting]
    }

    /// Adds a report, and gives its histograms back empty.
    fn add(&mut self, mut report: Report, watch: &mut dyn Watch) -> Box<Stages> {
        self.total.add(&report.stages);
        self.of_setting(report.setting).stages.add(&report.stages);
        match &mut self.current {
            // A worker that reports behind the others is counted in their second.
            Some(current) if report.second <= current.second => {
                current.stages.add(&report.stages);
                current.nanos = current.nanos.max(report.nanos);
                current.applied += report.applied;
                current.batches += report.batches;
            }
            _ => {
                self.hand_over(watch);
                self.current = Some(Report { stages: report.stages.clone(), ..report });
            }
        }
        self.backlogs[report.worker] = report.backlog;
        report.stages.reset();
        report.stages
    }

    fn hand_over(&mut self, watch: &mut dyn Watch) {
        if let Some(Report { second, nanos, applied, batches, stages, .. }) = self.current.take()
            && self.kept.is_ok()
        {
            let backlog = self.backlogs.iter().sum();
            self.kept = watch.interval(&Interval { second, nanos, applied, batches, backlog, stages: &stages });
        }
    }

    /// Keeps the first thing that failed.
    fn keep(&mut self, result: Result<()>) {
        if self.kept.is_ok() {
            self.kept = result;
        }
    }

    fn end(mut self, watch: &mut dyn Watch) -> Result<(Stages, Vec<Held>)> {
        self.hand_over(watch);
        self.held.retain(|held| held.from.is_some());
        self.kept.map(|()| (self.total, self.held))
    }
}
