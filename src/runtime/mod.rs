//! The run: workers, and the loop that feeds each of them its ticks when they are due.

mod ceiling;
mod cpu;
mod drive;
mod follow;
mod gauge;
mod latencies;
mod message;
mod others;
mod outcome;
mod plan;
mod tuning;
mod watch;
mod watchdog;

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use crate::error::{Error, Result, lock};
use crate::latency::{Closes, Schedule};
use crate::lateness::Lateness;
use crate::memory;
use crate::operators::{Changes, Context, Failure, Ticks, Written, write_to};
use crate::row::Row;
use crate::sink::Sink;
use crate::source::{Feed, Surroundings};
use crate::time::{Clock, RunTime};
use ceiling::Ceiling;
use cpu::cpu_seconds;
use drive::Drive;
use follow::Follow;
use gauge::{Gauge, Watched};
use latencies::Latencies;
use message::{Message, Post, Share};
use others::Others;
use tuning::Tuning;
use watchdog::Watchdog;

pub use others::{hand_on_rejects, tell_failure};
pub use outcome::{Held, Outcome};
pub use plan::{Knobs, Plan};
pub use watch::{Interval, Nobody, Snapshot, Watch};

/// A worker's feed, dataflow, post and rules, waiting for its thread to start.
type Seat = Mutex<Option<(Feed, Box<Build>, Post, Lateness)>>;

/// Builds a worker's dataflow to its end, whatever its rows are, and shows on the gauge of this number when it writes: all
/// of a run that does not know its rows is compiled once, and not for each pipeline.
type Build = dyn for<'scope> FnOnce(Ticks<'scope>, Arc<Vec<Gauge>>, usize) -> End + Send;

/// How far a dataflow's end has come, and what it has written.
type End = (ProbeHandle<u64>, Rc<Cell<Written>>);

/// How long after the start of a run its schedule begins: time for threads to start, and for processes to hear of it.
const HEAD_START: RunTime = 20_000_000;
const HEAD_START_TOGETHER: RunTime = 200_000_000;

/// Runs a pipeline over the feeds, one worker each. In all processes but the first, the outcome is empty: what happens
/// there is in that of the first. How this process has its memory from the system depends on the run ([`memory`]).
///
/// Bars of a second of three trades, the last of which comes 600 ms late:
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
///
/// use tapeflow::aggregate::Ohlcv;
/// use tapeflow::batch::BatchLimits;
/// use tapeflow::jiff::tz::TimeZone;
/// use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
/// use tapeflow::runtime::{self, Knobs, Nobody, Plan};
/// use tapeflow::sink::{Discard, Sink};
/// use tapeflow::source::{Pacing, Surroundings, in_memory};
/// use tapeflow::tape::PartitionRules;
/// use tapeflow::tick::{Price, Symbol, Tick};
/// use tapeflow::time::{Clock, MS, SECOND};
/// use tapeflow::window::Tumbling;
///
/// # fn main() -> tapeflow::error::Result<()> {
/// // Feeds, watermarks and rules of lateness must agree on the disorder.
/// let (disorder, workers) = (50 * MS, 2);
/// let around = Surroundings::alone(Clock::wall(), PartitionRules { disorder, max_jump: i64::MAX });
/// let symbol = Symbol(around.symbols.intern("AAPL"));
/// let trades = [(SECOND + 100 * MS, 1, 101), (2 * SECOND + 500 * MS, 2, 103), (SECOND + 900 * MS, 3, 105)];
/// let mut clock = 0;
/// let tape = trades.map(|(ts_event, seq, price)| {
///     let mut tick = Tick::trade(symbol, ts_event, seq, Price(price * Price::SCALE), 10);
///     clock = clock.max(ts_event);
///     tick.set_watermark(clock - disorder);
///     tick
/// });
///
/// let plan = Plan {
///     around: around.clone(),
///     knobs: Knobs::of(BatchLimits::new(256, Duration::ZERO, u64::MAX)),
///     dial: Arc::default(),
///     lateness: Lateness {
///         disorder,
///         policy: LatePolicy::Amend,
///         horizon: Horizon::Session,
///         sessions: Sessions::new(TimeZone::UTC),
///     },
///     changes_every_ms: 1_000,
/// };
/// let feeds = in_memory(&tape, Pacing::Max, workers, &around).feeds;
/// let sinks = feeds.iter().map(|_| Box::new(Discard) as Box<dyn Sink<_> + Send>).collect();
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let (rows, second) = (seen.clone(), Tumbling::new(SECOND).expect("a second is longer than nothing"));
/// let outcome = runtime::run(plan, feeds, sinks, &mut Nobody, move |ticks| {
///     let rows = rows.clone();
///     let bars = ticks.window_aggregate::<Ohlcv>(second);
///     bars.inspect(move |(row, _time, diff)| {
///         let bar = (row.window.start / SECOND, row.value.close.map(|price| price.0 / Price::SCALE));
///         rows.lock().unwrap().push((bar, *diff));
///     })
/// })?;
/// assert_eq!(outcome.written.rows, 2);
/// let mut seen = seen.lock().unwrap().clone();
/// seen.sort();
/// // The bar of the first second was told without the late trade, and then with it.
/// assert_eq!(seen, [((1, Some(101)), -1), ((1, Some(101)), 1), ((1, Some(105)), 1), ((2, Some(103)), 1)]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The first failure of an input, an operator or a sink; or when a worker panics or hangs, or another process is gone.
pub fn run<R, F>(
    plan: Plan,
    feeds: Vec<Feed>,
    sinks: Vec<Box<dyn Sink<R> + Send>>,
    watch: &mut dyn Watch,
    pipeline: F,
) -> Result<Outcome>
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let pipeline = Arc::new(pipeline);
    let build = |sink| {
        let pipeline = pipeline.clone();
        let build = move |ticks: Ticks<'_>, gauges, at| {
            let context = ticks.context.clone();
            write_to(pipeline(ticks), Box::new(Watched { sink, gauges, at }), &context)
        };
        Box::new(build) as Box<Build>
    };
    run_built(plan, feeds, sinks.into_iter().map(build).collect(), watch)
}

fn run_built(plan: Plan, mut feeds: Vec<Feed>, builds: Vec<Box<Build>>, watch: &mut dyn Watch) -> Result<Outcome> {
    let Plan { around, knobs, dial, lateness, changes_every_ms } = plan;
    let Surroundings { cluster, clock, symbols, venues, rejects, conditions, stop, inquiry, .. } = around;
    let (place, here) = (cluster.place, feeds.len());
    let (workers, mine) = (place.all(here), place.mine(here));
    let failure = Failure::default();
    let (sender, messages) = channel();
    cluster.gives_up_after(knobs.watchdog);
    let mut others = Others::listen(&cluster, &sender, &stop, &failure, &dial, (&inquiry, mine.clone()));
    // A schedule begins when the workers are there to keep it.
    let scheduled = feeds.iter().any(Feed::is_scheduled) && matches!(clock, Clock::Wall(_));
    let head_start = if place.processes > 1 { HEAD_START_TOGETHER } else { HEAD_START };
    let began = others.begin(&messages, &stop, watch.every(), (&rejects, &conditions), || {
        clock.now() + if scheduled { head_start } else { 0 }
    })?;
    let cpu_before = cpu_seconds();
    memory::keep_steady(scheduled || feeds.iter().any(Feed::is_live));
    feeds.iter_mut().for_each(|feed| feed.begin(began));
    let schedule = feeds.first().and_then(Feed::schedule).map(|schedule| Box::new(schedule) as Schedule);
    // What comes as it comes may have come before the workers were there, and has waited since: all of it counts.
    let measured_from = if feeds.iter().any(Feed::is_live) { 0 } else { began + knobs.warmup };
    let closes = if place.is_first() {
        Closes::new(workers, schedule).written_by(here).since(measured_from)
    } else {
        let sender = Mutex::new(sender.clone());
        Closes::elsewhere(Box::new(move |worker, watermark_ms, due| {
            let sender = lock(&sender);
            // Nobody is left to read it only when the whole run is being torn down.
            let _ = sender.send(Message::Passed { worker, watermark_ms, due });
        }))
    };
    let closes = Arc::new(closes);
    let gauges: Arc<Vec<Gauge>> = Arc::new((0..here).map(|_| Gauge::default()).collect());
    let mut returns = Vec::new();
    let seats: Vec<Seat> = feeds
        .into_iter()
        .zip(builds)
        .zip(mine.clone())
        .map(|((feed, build), worker)| {
            let (back, empty) = channel();
            returns.push(back);
            Mutex::new(Some((feed, build, Post { worker, messages: sender.clone(), empty }, lateness.clone())))
        })
        .collect();
    drop(sender);
    let worker_main = {
        let (closes, failure, gauges, clock) = (closes.clone(), failure.clone(), gauges.clone(), clock.clone());
        let (dial, stop, first) = (dial.clone(), stop.clone(), mine.start);
        move |worker: &mut Worker| {
            let index = worker.index();
            let seat = lock(&seats[index - first]).take();
            let Some((feed, build, post, lateness)) = seat else { return };
            let context = Context::new(
                [index, seats.len()],
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
                build(ticks, gauges.clone(), index - first)
            });
            let gauge = &gauges[index - first];
            let tuning = Tuning::new(knobs.batch, dial.clone(), began, measured_from);
            let mut drive = Drive::new(knobs, tuning, (stop.clone(), inquiry.clone()), context, feed, post, gauge);
            let batches = drive.play(worker, input, &probe, &written);
            let mut ledger = drive.context.ledger();
            ledger.read = drive.sent;
            let (unfilled, written, applied_at) = (drive.context.unfilled(), written.get(), drive.applied_at);
            drive.tell(Message::Share(Share { ledger, unfilled, written, batches, applied_at, cpu_seconds: None }));
            gauge.beats.store(watchdog::OVER, Ordering::Relaxed);
        }
    };
    let (builders, guard) = others::builders(&cluster, here)?;
    let worker_config = timely::WorkerConfig::default().idle_spin(Duration::ZERO);
    let guards = timely::execute::execute_from(builders, guard, worker_config, worker_main)
        .map_err(|e| Error::Input(format!("starting workers: {e}")))?;
    // A worker that hangs, or waits for a process that is gone, would be waited for for ever.
    let guards = ManuallyDrop::new(guards);

    let watchdog = Watchdog::new(knobs.watchdog, here + others.beats().count());
    let mut latencies = Latencies::new(knobs.batch, workers, dial);
    let mut follow = Follow {
        cluster: &cluster,
        clock: &clock,
        began,
        stop: &stop,
        failure: &failure,
        counted: (&rejects, &conditions),
        closes: &closes,
        gauges: &gauges,
        returns,
        others: &mut others,
        latencies: &mut latencies,
        ceiling: Ceiling::new(knobs.memory),
        watchdog,
    };
    let mut total = follow.until_the_end(&messages, watch)?;
    for ended in ManuallyDrop::into_inner(guards).join() {
        ended.map_err(|e| Error::Input(format!("a worker ended early: {e}")))?;
    }
    let (stages, held) = latencies.end(watch)?;
    let cpu = cpu_before.zip(cpu_seconds()).map(|(before, after)| after - before);
    total.add(&Share { cpu_seconds: cpu, ..Share::default() });
    others.end(&failure, conditions.unknown(), total);
    if let Some(error) = failure.take() {
        return Err(error);
    }
    let elapsed = clock.now().saturating_sub(began);
    let Share { ledger, unfilled, written, batches, applied_at, cpu_seconds } = total;
    let applied_by = applied_at.saturating_sub(began);
    Ok(Outcome { ledger, unfilled, written, stages, closes, batches, held, elapsed, applied_by, cpu_seconds })
}
