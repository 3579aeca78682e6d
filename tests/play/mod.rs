//! Plays a tape in memory through the real runtime and hands back what came out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tapeflow::aggregate::{Bar, Ohlcv};
use tapeflow::batch::BatchLimits;
use tapeflow::error::Result;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness};
use tapeflow::ledger::{Ledger, Unfilled};
use tapeflow::operators::{Changes, Summary, Ticks};
use tapeflow::row::{Row, Texts};
use tapeflow::runtime::{self, Nobody, Plan};
use tapeflow::sink::Sink;
use tapeflow::source::{Pacing, Surroundings, in_memory};
use tapeflow::tape::PartitionRules;
use tapeflow::tick::{Names, Tick};
use tapeflow::time::{Clock, SECOND};
use tapeflow::window::Tumbling;

use crate::tapes::NAMES;

/// What must not show in the result.
#[derive(Clone, Debug)]
pub struct Knobs {
    pub max_ticks: usize,
    pub linger_ms: u64,
    pub workers: usize,
    /// Times event time, or as fast as it goes.
    pub speed: Option<f64>,
    pub watchdog: Option<Duration>,
}

impl Default for Knobs {
    fn default() -> Self {
        Knobs { max_ticks: 16_384, linger_ms: 0, workers: 1, speed: None, watchdog: None }
    }
}

/// Knobs that must not show: batch size, linger (ms), workers.
#[allow(dead_code, reason = "not every test draws its knobs")]
pub fn knobs() -> impl Strategy<Value = Knobs> {
    let max_ticks = prop::sample::select(vec![1, 7, 256, 65_536]);
    let linger_ms = prop::sample::select(vec![0, 1, 20]);
    (max_ticks, linger_ms, 1..=3_usize).prop_map(|(max_ticks, linger_ms, workers)| Knobs {
        max_ticks,
        linger_ms,
        workers,
        ..Knobs::default()
    })
}

/// Rules of lateness: policy, horizon and time zone.
#[allow(dead_code, reason = "not every test draws its rules")]
pub fn lateness() -> impl Strategy<Value = (LatePolicy, Horizon, &'static str)> {
    let policy = prop::sample::select(vec![LatePolicy::Amend, LatePolicy::Drop]);
    let horizon = prop_oneof![
        Just(Horizon::None),
        prop::sample::select(vec![5, 20, 60]).prop_map(|seconds| Horizon::Span(seconds * SECOND)),
        Just(Horizon::Session),
    ];
    let zone = prop::sample::select(vec!["UTC", "America/New_York"]);
    (policy, horizon, zone)
}

/// What came out.
pub struct Played<R> {
    /// The rows that stand in the end, in order.
    pub rows: Vec<R>,
    /// The net changes at each logical time.
    pub changes: BTreeMap<(u64, R), isize>,
    pub digest: u64,
    pub ledger: Ledger,
    #[allow(dead_code, reason = "not every test fills windows")]
    pub unfilled: Unfilled,
}

pub type Seen<R> = Arc<Mutex<Vec<(R, isize)>>>;

/// A sink that remembers.
pub struct Remember<R>(pub Seen<R>);

impl<R: Row> Sink<R> for Remember<R> {
    fn change(&mut self, row: &R, _texts: &Texts, diff: isize) -> Result<()> {
        self.0.lock().unwrap().push((row.clone(), diff));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The tape as one partition, with its watermarks set.
pub fn partition(tape: &[Tick], disorder: i64) -> Vec<Tick> {
    let mut clock = i64::MIN;
    let mut tape = tape.to_vec();
    for tick in &mut tape {
        clock = clock.max(tick.ts_event);
        tick.set_watermark(clock - disorder);
    }
    tape
}

/// The table of the tapes' symbols.
fn symbols() -> Arc<Names> {
    let symbols = Names::default();
    NAMES.iter().for_each(|name| _ = symbols.intern(name));
    Arc::new(symbols)
}

/// The table of the tapes' venues but for the first, which is none.
fn venues() -> Arc<Names> {
    let venues = Names::default();
    ["XNAS", "ARCX"].iter().for_each(|name| _ = venues.intern(name));
    Arc::new(venues)
}

/// The texts of the tapes' symbols and venues.
pub fn texts() -> Texts {
    Texts::new(symbols(), venues())
}

/// Plays a tape through the pipeline of bars.
#[allow(dead_code, reason = "not every test is about bars")]
pub fn play(tape: &[Tick], rules: &Lateness, window: i64, knobs: &Knobs) -> Played<Summary<Bar>> {
    let windows = Tumbling::new(window).unwrap();
    play_through(tape, rules, knobs, move |ticks| ticks.window_aggregate::<Ohlcv>(windows))
}

/// Plays a tape through a pipeline.
pub fn play_through<R, F>(tape: &[Tick], rules: &Lateness, knobs: &Knobs, pipeline: F) -> Played<R>
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    play_by(Clock::wall(), tape, rules, knobs, pipeline)
}

/// The same by this clock.
pub fn play_by<R, F>(clock: Clock, tape: &[Tick], rules: &Lateness, knobs: &Knobs, pipeline: F) -> Played<R>
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let tape = partition(tape, rules.disorder);
    let alone = Surroundings::alone(clock, PartitionRules { disorder: rules.disorder, max_jump: i64::MAX });
    let around = Surroundings { symbols: symbols(), venues: venues(), ..alone };
    let pacing = knobs.speed.map_or(Pacing::Max, Pacing::Speed);
    let opened = in_memory(&tape, pacing, knobs.workers, &around);
    let (seen, changes) = (Seen::<R>::default(), Arc::new(Mutex::new(BTreeMap::new())));
    let sinks = (0..knobs.workers).map(|_| Box::new(Remember(seen.clone())) as Box<dyn Sink<_> + Send>).collect();
    let plan = Plan {
        around,
        knobs: runtime::Knobs {
            batch: BatchLimits::new(knobs.max_ticks, Duration::from_millis(knobs.linger_ms), u64::MAX),
            spin: false,
            max_lead_ms: 60_000,
            warmup: 0,
            watchdog: knobs.watchdog,
            memory: None,
        },
        dial: Arc::default(),
        lateness: rules.clone(),
        changes_every_ms: 1_000,
    };
    let times = changes.clone();
    let outcome = runtime::run(plan, opened.feeds, sinks, &mut Nobody, move |ticks| {
        let times = times.clone();
        pipeline(ticks).inspect(move |(row, time, diff)| {
            *times.lock().unwrap().entry((*time, row.clone())).or_insert(0) += *diff;
        })
    });
    let outcome = outcome.unwrap();
    let mut net: BTreeMap<R, isize> = BTreeMap::new();
    seen.lock().unwrap().iter().for_each(|(row, diff)| *net.entry(row.clone()).or_default() += diff);
    assert!(net.values().all(|n| *n == 0 || *n == 1), "a row stands more than once, or was retracted in vain");
    let rows: Vec<_> = net.into_iter().filter(|(_, n)| *n == 1).map(|(row, _)| row).collect();
    assert_eq!(outcome.written.rows, rows.len() as i64);
    let mut changes = std::mem::take(&mut *changes.lock().unwrap());
    changes.retain(|_, net| *net != 0);
    Played { rows, changes, digest: outcome.written.digest, ledger: outcome.ledger, unfilled: outcome.unfilled }
}
