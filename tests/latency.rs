//! Latency by a clock that is moved by hand: every histogram is exact. What this can catch: a stall that is not
//! counted from when ticks were due (coordinated omission), a wait that is put into the wrong stage, a close that
//! is measured from the wrong instant. What it cannot: the cost of anything, which is for the benches.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use jiff::tz::TimeZone;
use tapeflow::aggregate::{Aggregate, Bar, Ohlcv, Print};
use tapeflow::batch::{BatchLimits, Dial};
use tapeflow::error::Result;
use tapeflow::latency::Stage;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::operators::Summary;
use tapeflow::runtime::{self, Knobs, Nobody, Outcome, Plan};
use tapeflow::sink::{Discard, Sink};
use tapeflow::source::{Block, Blocks, Feed, Pacing, Pull, Surroundings, in_memory};
use tapeflow::tape::{Pace, PartitionRules};
use tapeflow::tick::{Price, Symbol, Tick};
use tapeflow::time::{Clock, MS};
use tapeflow::window::Tumbling;

const DISORDER: i64 = 100 * MS;

/// One tick a millisecond of one symbol, for so many milliseconds of event time from 1,000 s.
fn tape(millis: i64) -> Vec<Tick> {
    let tick = |i: i64| {
        let mut tick = Tick::trade(Symbol(0), 1_000_000 * MS + i * MS, i as u64 + 1, Price(i + 1), 1);
        tick.set_watermark(tick.ts_event - DISORDER);
        tick
    };
    (0..millis).map(tick).collect()
}

/// Plays the tape at its own speed through windows of one second on a manual clock.
fn play<A: Aggregate<Value = Bar>>(
    tape: &[Tick],
    clock: &Clock,
    batch: BatchLimits,
    sink: Box<dyn Sink<Summary<Bar>> + Send>,
) -> Outcome {
    play_after::<A>(0, tape, clock, batch, Arc::default(), sink)
}

/// The same with a warm-up of so many nanoseconds.
fn play_after<A: Aggregate<Value = Bar>>(
    warmup: u64,
    tape: &[Tick],
    clock: &Clock,
    batch: BatchLimits,
    dial: Arc<Dial>,
    sink: Box<dyn Sink<Summary<Bar>> + Send>,
) -> Outcome {
    let around = alone(clock);
    around.symbols.intern("S");
    let opened = in_memory(tape, Pacing::Speed(1.0), 1, &around);
    run_feeds::<A>(opened.feeds, warmup, around, batch, dial, sink)
}

fn alone(clock: &Clock) -> Surroundings {
    Surroundings::alone(clock.clone(), PartitionRules { disorder: DISORDER, max_jump: i64::MAX })
}

/// Runs what is opened.
fn run_feeds<A: Aggregate<Value = Bar>>(
    feeds: Vec<Feed>,
    warmup: u64,
    around: Surroundings,
    batch: BatchLimits,
    dial: Arc<Dial>,
    sink: Box<dyn Sink<Summary<Bar>> + Send>,
) -> Outcome {
    let sessions = Sessions::new(TimeZone::UTC);
    let plan = Plan {
        around,
        knobs: Knobs { batch, spin: false, max_lead_ms: 60_000, warmup, watchdog: None, memory: None },
        dial,
        lateness: Lateness { disorder: DISORDER, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions },
        changes_every_ms: 1_000,
    };
    let windows = Tumbling::new(1_000 * MS).unwrap();
    runtime::run(plan, feeds, vec![sink], &mut Nobody, move |ticks| ticks.window_aggregate::<A>(windows)).unwrap()
}

fn greedy() -> BatchLimits {
    BatchLimits::new(usize::MAX, Duration::ZERO, u64::MAX)
}

/// What a histogram holds, in milliseconds and their counts. HdrHistogram keeps three digits, so values that are
/// whole milliseconds come back within a thousandth, and round to what they were.
fn millis(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    let value = |nanos: u64| (nanos as f64 / 1e6).round() as u64;
    histogram.iter_recorded().map(|v| (value(v.value_iterated_to()), v.count_at_value())).collect()
}

/// Each of these once, and `rest` times zero.
fn once_each(values: std::ops::RangeInclusive<u64>, rest: u64) -> Vec<(u64, u64)> {
    std::iter::once((0, rest)).chain(values.map(|value| (value, 1))).collect()
}

#[test]
fn a_tick_that_is_served_when_it_is_due_has_no_latency() {
    let outcome = play::<Ohlcv>(&tape(3_000), &Clock::manual(), greedy(), Box::new(Discard));
    for stage in Stage::ALL {
        assert_eq!(millis(outcome.stages.get(stage)), [(0, 3_000)], "{}", stage.name());
    }
    let (close, sink) = outcome.closes.histograms();
    assert_eq!(millis(&close), [(0, 3)]);
    assert_eq!(millis(&sink), [(0, 3)]);
    assert_eq!((outcome.written.rows, outcome.batches), (3, 3_000));
}

#[test]
fn a_linger_is_in_the_batch_stage_of_each_tick() {
    // Batches of the oldest tick and the four that come while it waits. The very first tick goes alone: it moves the
    // watermark from nowhere, past an edge. The 999 others make 199 batches, and four are left for the end.
    let linger = BatchLimits::new(usize::MAX, Duration::from_millis(4), u64::MAX);
    let outcome = play::<Ohlcv>(&tape(1_000), &Clock::manual(), linger, Box::new(Discard));
    let expected = [(0, 201), (1, 200), (2, 200), (3, 200), (4, 199)];
    assert_eq!(millis(outcome.stages.get(Stage::Batch)), expected);
    assert_eq!(millis(outcome.stages.get(Stage::Tick)), expected);
    assert_eq!(millis(outcome.stages.get(Stage::Source)), [(0, 1_000)]);
    assert_eq!(millis(outcome.stages.get(Stage::Operators)), [(0, 1_000)]);
    assert_eq!(outcome.batches, 201);
}

#[test]
fn a_linger_never_delays_a_close() {
    // A batch that would wait a minute is sealed by the edges alone.
    let linger = BatchLimits::new(usize::MAX, Duration::from_secs(60), u64::MAX);
    let outcome = play::<Ohlcv>(&tape(3_000), &Clock::manual(), linger, Box::new(Discard));
    assert_eq!(millis(&outcome.closes.histograms().0), [(0, 3)]);
}

#[test]
fn a_warm_up_is_cut_by_due_time_and_changes_no_row() {
    let (clock, linger) = (Clock::manual(), BatchLimits::new(usize::MAX, Duration::from_millis(4), u64::MAX));
    let all = play::<Ohlcv>(&tape(3_000), &clock, linger, Box::new(Discard));
    let clock = Clock::manual();
    let cut = play_after::<Ohlcv>(1_500 * MS as u64, &tape(3_000), &clock, linger, Arc::default(), Box::new(Discard));
    assert_eq!(cut.written.digest, all.written.digest);
    for stage in Stage::ALL {
        assert_eq!(cut.stages.get(stage).len(), 1_500, "{}", stage.name());
    }
    // Windows close 100 ms after 1, 2 and, with the input, 3 seconds.
    assert_eq!((all.closes.histograms().0.len(), cut.closes.histograms().0.len()), (3, 2));
    assert_eq!((cut.elapsed / MS as u64, cut.applied_by / MS as u64), (2_999, 2_999));
}

thread_local! {
    static CLOCK: RefCell<Option<Clock>> = const { RefCell::new(None) };
}

/// Bars by an operator that stalls for 100 ms at the 500th print. The clock is the worker's own thread's.
#[derive(Clone, Default)]
struct Stalling(Ohlcv);

impl Aggregate for Stalling {
    type Value = Bar;

    fn add(&mut self, print: &Print) {
        if print.seq == 500 {
            CLOCK.with_borrow(|clock| clock.as_ref().unwrap().advance(Duration::from_millis(100)));
        }
        self.0.add(print);
    }

    fn remove(&mut self, print: &Print) -> bool {
        self.0.remove(print)
    }

    fn combine(&mut self, other: &Self) {
        self.0.combine(&other.0);
    }

    fn lower(&self) -> Option<Bar> {
        self.0.lower()
    }
}

/// A sink that stalls for 100 ms at its `stall`-th flush, and lends its clock to the thread it runs on.
struct Stall {
    clock: Clock,
    stall: usize,
    flushes: usize,
}

impl Sink<Summary<Bar>> for Stall {
    fn change(&mut self, _row: &Summary<Bar>, _texts: &tapeflow::row::Texts, _diff: isize) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        CLOCK.set(Some(self.clock.clone()));
        self.flushes += 1;
        if self.flushes == self.stall {
            self.clock.advance(Duration::from_millis(100));
        }
        Ok(())
    }
}

#[test]
fn a_stalled_operator_shows_in_the_latency_of_every_tick_that_was_due_meanwhile() {
    let clock = Clock::manual();
    // The first window closes, and the sink lends the clock, before the 1,500th print.
    let mut tape = tape(3_000);
    for (i, tick) in tape.iter_mut().enumerate() {
        tick.seq = if i == 1_500 { 500 } else { 10_000 + i as u64 };
    }
    let sink = Stall { clock: clock.clone(), stall: usize::MAX, flushes: 0 };
    let outcome = play::<Stalling>(&tape, &clock, greedy(), Box::new(sink));
    assert_eq!(millis(outcome.stages.get(Stage::Tick)), once_each(1..=100, 2_900));
    assert_eq!(millis(outcome.stages.get(Stage::Operators)), [(0, 2_999), (100, 1)]);
    assert_eq!(millis(outcome.stages.get(Stage::Source)), once_each(1..=99, 2_901));
}

#[test]
fn a_stalled_sink_shows_in_full_in_the_close_latency() {
    let clock = Clock::manual();
    let sink = Stall { clock: clock.clone(), stall: 2, flushes: 0 };
    let outcome = play::<Ohlcv>(&tape(3_000), &clock, greedy(), Box::new(sink));
    let (close, sink) = outcome.closes.histograms();
    assert_eq!(millis(&close), [(0, 2), (100, 1)]);
    assert_eq!(millis(&sink), [(0, 2), (100, 1)]);
    // The ticks that were due while the worker stood in the sink came late to it; the one that closed the window,
    // due at the same instant, had gone before.
    assert_eq!(millis(outcome.stages.get(Stage::Source)), once_each(1..=99, 2_901));
}

/// A sink that turns a dial at its second flush.
struct Turn {
    dial: Arc<Dial>,
    to: BatchLimits,
    flushes: usize,
}

impl Sink<Summary<Bar>> for Turn {
    fn change(&mut self, _row: &Summary<Bar>, _texts: &tapeflow::row::Texts, _diff: isize) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.flushes += 1;
        if self.flushes == 2 {
            self.dial.turn(self.to);
        }
        Ok(())
    }
}

#[test]
fn other_limits_hold_at_once_and_split_the_latencies() {
    let dial = Arc::new(Dial::default());
    let linger = BatchLimits::new(usize::MAX, Duration::from_millis(4), u64::MAX);
    let sink = Turn { dial: dial.clone(), to: linger, flushes: 0 };
    let outcome = play_after::<Ohlcv>(0, &tape(3_000), &Clock::manual(), greedy(), dial, Box::new(sink));
    let held: Vec<_> = outcome.held.iter().map(|held| (held.limits, held.from.unwrap() / MS as u64)).collect();
    // The second window, whose rows are the second flush, closes 100 ms after its end with the tick that is due then.
    assert_eq!(held, [(greedy(), 0), (linger, 2_100)]);
    assert_eq!(millis(outcome.held[0].stages.get(Stage::Tick)), [(0, 2_101)]);
    // 179 batches of five ticks, and four ticks at the end, the last of which is not waited for.
    let waited = [(0, 180), (1, 180), (2, 180), (3, 180), (4, 179)];
    assert_eq!(millis(outcome.held[1].stages.get(Stage::Batch)), waited);
    assert_eq!(outcome.stages.get(Stage::Tick).len(), 3_000);
    let same = play::<Ohlcv>(&tape(3_000), &Clock::manual(), greedy(), Box::new(Discard));
    assert_eq!(outcome.written.digest, same.written.digest);
}

#[test]
fn a_batch_that_waits_goes_when_the_limits_change_and_counts_before() {
    let dial = Arc::new(Dial::default());
    let minute = BatchLimits::new(usize::MAX, Duration::from_secs(60), u64::MAX);
    let sink = Turn { dial: dial.clone(), to: greedy(), flushes: 0 };
    let outcome = play_after::<Ohlcv>(0, &tape(3_000), &Clock::manual(), minute, dial, Box::new(sink));
    let counts: Vec<u64> = outcome.held.iter().map(|held| held.stages.get(Stage::Tick).len()).collect();
    assert_eq!(counts, [2_101, 899]);
    assert_eq!(millis(outcome.held[1].stages.get(Stage::Tick)), [(0, 899)]);
}

#[test]
fn a_target_is_kept_by_itself_and_a_stall_spoils_the_interval_in_which_ticks_were_due() {
    let target = Duration::from_millis(20);
    let limits = BatchLimits::new(usize::MAX, target, u64::MAX).keeping(target);
    let clock = Clock::manual();
    let sink = Stall { clock: clock.clone(), stall: 2, flushes: 0 };
    let outcome = play::<Ohlcv>(&tape(6_000), &clock, limits, Box::new(sink));
    let held = &outcome.held[0];
    // The manual clock stands still while batches are worked on, so they cost nothing and 18 ms are waited.
    let account = held.accounts[0];
    assert_eq!((account.delays, account.inputs.a, account.inputs.b), (Some((18_000_000, 18_000_000)), 0.0, 0.0));
    assert_eq!(millis(held.stages.get(Stage::Batch)).last().unwrap().0, 18);
    // The sink stalls from 2.1 s to 2.2 s, in the ninth interval; there are 24.
    assert_eq!((held.intervals.count(), held.intervals.met()), (24, 23));
    let same = play::<Ohlcv>(&tape(6_000), &Clock::manual(), greedy(), Box::new(Discard));
    assert_eq!(outcome.written.digest, same.written.digest);
}

/// A live input of which all has come already.
struct Come(Option<Block>);

impl Blocks for Come {
    fn pull(&mut self) -> Result<Pull> {
        Ok(self.0.take().map_or(Pull::End, |block| Pull::Block(Arc::new(block))))
    }
}

#[test]
fn what_came_before_the_workers_were_there_is_kept_in_the_latencies() {
    let clock = Clock::manual();
    let around = alone(&clock);
    around.symbols.intern("S");
    // The workers begin at 50 ms, when all has come, a tick a millisecond from 10 ms on.
    let (ticks, dues) = (tape(20), (10..30).map(|at| at * MS as u64).collect());
    clock.advance(Duration::from_millis(50));
    let block = Block { watermark_ms: ticks[19].watermark_ms, ticks, dues, moved_at: None };
    let feed = Feed::new(Box::new(Come(Some(block))), Pace::AsRead, DISORDER).live(u64::MAX, 0).by_blocks();
    let outcome = run_feeds::<Ohlcv>(vec![feed], 0, around, greedy(), Arc::default(), Box::new(Discard));
    let waited: Vec<(u64, u64)> = (21..=40).map(|millis| (millis, 1)).collect();
    assert_eq!(millis(outcome.stages.get(Stage::Tick)), waited);
    assert_eq!(millis(outcome.stages.get(Stage::Source)), waited);
    assert_eq!(millis(&outcome.closes.histograms().0), [(21, 1)]);
}
