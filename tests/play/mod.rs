//! Plays a tape in memory through the real runtime and hands back what came out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tapeflow::aggregate::{Bar, Ohlcv};
use tapeflow::batch::BatchLimits;
use tapeflow::error::Result;
use tapeflow::lateness::Lateness;
use tapeflow::ledger::Ledger;
use tapeflow::operators::Summary;
use tapeflow::row::Texts;
use tapeflow::runtime::{self, Interval, Plan, Snapshot, Watch};
use tapeflow::sink::Sink;
use tapeflow::source::{Pacing, Surroundings, in_memory};
use tapeflow::tape::{PartitionRules, Rejects};
use tapeflow::tick::{Names, Tick};
use tapeflow::time::Clock;
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
}

impl Default for Knobs {
    fn default() -> Self {
        Knobs { max_ticks: 16_384, linger_ms: 0, workers: 1, speed: None }
    }
}

/// What came out.
pub struct Played {
    /// The rows that stand in the end, in order.
    pub rows: Vec<Summary<Bar>>,
    /// The net changes at each logical time.
    pub changes: BTreeMap<(u64, Summary<Bar>), isize>,
    pub digest: u64,
    pub ledger: Ledger,
}

pub type Bars = Arc<Mutex<Vec<(Summary<Bar>, isize)>>>;

/// A sink that remembers.
pub struct Remember(pub Bars);

impl Sink<Summary<Bar>> for Remember {
    fn change(&mut self, row: &Summary<Bar>, _texts: &Texts, diff: isize) -> Result<()> {
        self.0.lock().unwrap().push((row.clone(), diff));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A watcher that looks away.
pub struct Nobody;

impl Watch for Nobody {
    fn progress(&mut self, _snapshot: &Snapshot<'_>) {}

    fn interval(&mut self, _interval: &Interval<'_>) -> Result<()> {
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

/// The texts of the tapes' symbols.
pub fn texts() -> Texts {
    Texts::new(symbols(), Arc::default())
}

pub fn play(tape: &[Tick], rules: &Lateness, window: i64, knobs: &Knobs) -> Played {
    let tape = partition(tape, rules.disorder);
    let clock = Clock::wall();
    let symbols = symbols();
    let around = Surroundings {
        clock: clock.clone(),
        rules: PartitionRules { disorder: rules.disorder, max_jump: i64::MAX },
        symbols: symbols.clone(),
        venues: Arc::default(),
        rejects: Rejects::default(),
        stop: Arc::default(),
        play_for: None,
        idle: 0,
    };
    let pacing = knobs.speed.map_or(Pacing::Max, Pacing::Speed);
    let opened = in_memory(&tape, pacing, knobs.workers, &around);
    let (seen, changes) = (Bars::default(), Arc::new(Mutex::new(BTreeMap::new())));
    let sinks = (0..knobs.workers).map(|_| Box::new(Remember(seen.clone())) as Box<dyn Sink<_> + Send>).collect();
    let plan = Plan {
        clock,
        knobs: runtime::Knobs {
            batch: BatchLimits::new(knobs.max_ticks, Duration::from_millis(knobs.linger_ms), u64::MAX),
            spin: false,
            max_lead_ms: 60_000,
            warmup: 0,
        },
        dial: Arc::default(),
        lateness: rules.clone(),
        changes_every_ms: 1_000,
        symbols,
        venues: Arc::default(),
        stop: Arc::default(),
    };
    let times = changes.clone();
    let outcome = runtime::run(plan, opened.feeds, sinks, &mut Nobody, move |ticks| {
        let times = times.clone();
        let rows = ticks.window_aggregate::<Ohlcv>(Tumbling::new(window).unwrap());
        rows.inspect(move |(row, time, diff)| {
            *times.lock().unwrap().entry((*time, row.clone())).or_insert(0) += *diff;
        })
    });
    let outcome = outcome.unwrap();
    let mut net: BTreeMap<Summary<Bar>, isize> = BTreeMap::new();
    seen.lock().unwrap().iter().for_each(|(row, diff)| *net.entry(row.clone()).or_default() += diff);
    assert!(net.values().all(|n| *n == 0 || *n == 1), "a row stands more than once, or was retracted in vain");
    let rows: Vec<_> = net.into_iter().filter(|(_, n)| *n == 1).map(|(row, _)| row).collect();
    assert_eq!(outcome.written.rows, rows.len() as i64);
    let mut changes = std::mem::take(&mut *changes.lock().unwrap());
    changes.retain(|_, net| *net != 0);
    Played { rows, changes, digest: outcome.written.digest, ledger: outcome.ledger }
}
