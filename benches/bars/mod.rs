//! What the benches share: how the pipeline of bars is run, and how numbers are told.

#![allow(dead_code)] // each bench uses its part

pub mod exchange;
pub mod limit;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tapeflow::aggregate::{Bar, Ohlcv};
use tapeflow::batch::BatchLimits;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::market::Market;
use tapeflow::operators::{Changes, Summary, Ticks};
use tapeflow::row;
use tapeflow::runtime::{self, Knobs, Nobody, Outcome, Plan, Watch};
use tapeflow::sink::Sink;
use tapeflow::source::{Feed, Surroundings};
use tapeflow::tape::PartitionRules;
use tapeflow::tick::{Kind, Names, Tick};
use tapeflow::time::{Clock, MS, SECOND};
use tapeflow::window::Tumbling;

/// The binaries' allocator, and a count of the bytes that each thread has taken and not given back.
struct Counting;

thread_local! {
    static IN_USE: Cell<i64> = const { Cell::new(0) };
}

// SAFETY: all is done by mimalloc; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.set(IN_USE.get() + layout.size() as i64);
        unsafe { mimalloc::MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        IN_USE.set(IN_USE.get() + layout.size() as i64);
        unsafe { mimalloc::MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        IN_USE.set(IN_USE.get() + size as i64 - layout.size() as i64);
        unsafe { mimalloc::MiMalloc.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.set(IN_USE.get() - layout.size() as i64);
        unsafe { mimalloc::MiMalloc.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The bytes that the calling thread has taken and not given back.
pub fn in_use() -> i64 {
    IN_USE.get()
}

/// The windows' length.
pub const WINDOW: i64 = SECOND;

/// The tape's normal disorder.
pub const DISORDER: i64 = 50 * MS;

/// One of the final rows.
pub type Row = Summary<Bar>;

/// Windows of [`WINDOW`].
pub fn windows() -> Tumbling {
    Tumbling::new(WINDOW).expect("a second is longer than nothing")
}

/// How the benches' partitions are judged.
pub fn partition_rules() -> PartitionRules {
    PartitionRules { disorder: DISORDER, max_jump: i64::MAX }
}

/// The rules of lateness with this horizon.
pub fn lateness(horizon: Horizon) -> Lateness {
    let sessions = Sessions::new(TimeZone::UTC);
    Lateness { disorder: DISORDER, policy: LatePolicy::Amend, horizon, sessions }
}

/// A run's surroundings.
pub fn surroundings(symbols: &Arc<Names>) -> Surroundings {
    Surroundings { symbols: symbols.clone(), ..Surroundings::alone(Clock::wall(), partition_rules()) }
}

/// Plays the feeds through the pipeline of bars, as fast as it goes.
pub fn play(
    feeds: Vec<Feed>,
    sinks: Vec<Box<dyn Sink<Row> + Send>>,
    max_ticks: usize,
    horizon: Horizon,
    around: &Surroundings,
) -> Outcome {
    play_with(as_fast_as_it_goes(max_ticks), feeds, sinks, horizon, around, &mut Nobody)
}

/// Knobs of a run that is not paced.
pub fn as_fast_as_it_goes(max_ticks: usize) -> Knobs {
    let batch = BatchLimits::new(max_ticks, Duration::ZERO, u64::MAX);
    Knobs { batch, spin: false, max_lead_ms: 60_000, warmup: 0, watchdog: None, memory: None }
}

/// The same with knobs, and somebody who follows.
pub fn play_with(
    knobs: Knobs,
    feeds: Vec<Feed>,
    sinks: Vec<Box<dyn Sink<Row> + Send>>,
    horizon: Horizon,
    around: &Surroundings,
    watch: &mut dyn Watch,
) -> Outcome {
    play_through(knobs, feeds, sinks, horizon, around, watch, |ticks| ticks.window_aggregate::<Ohlcv>(windows()))
}

/// Plays the feeds through any pipeline.
pub fn play_through<R, F>(
    knobs: Knobs,
    feeds: Vec<Feed>,
    sinks: Vec<Box<dyn Sink<R> + Send>>,
    horizon: Horizon,
    around: &Surroundings,
    watch: &mut dyn Watch,
    pipeline: F,
) -> Outcome
where
    R: row::Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let plan = Plan {
        around: around.clone(),
        knobs,
        dial: Arc::default(),
        lateness: lateness(horizon),
        changes_every_ms: 1_000,
    };
    let outcome = runtime::run(plan, feeds, sinks, watch, pipeline);
    outcome.unwrap_or_else(|error| panic!("the run failed: {error}"))
}

/// Whether the bench is to be over soon: `cargo bench -- --quick`.
pub fn is_quick() -> bool {
    std::env::args().any(|arg| arg == "--quick")
}

/// The processor time that this process has used so far, in seconds; `None` where the system does not tell.
pub fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The fields after the program's name, which may hold spaces; times are in hundredths of a second.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

/// The machine in a line, and how busy it is with other things.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_matches([' ', '\t', ':']);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{model}, {cores} cores, load {load}")
}

/// What several repetitions came to.
#[derive(Clone, Copy, Default)]
pub struct Rates {
    pub median: f64,
    pub fastest: f64,
    /// From the slowest to the fastest, as a share of the median.
    pub spread: f64,
}

impl Rates {
    pub fn of(mut rates: Vec<f64>) -> Self {
        rates.sort_by(f64::total_cmp);
        let (slowest, median, fastest) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
        Rates { median, fastest, spread: (fastest - slowest) / median }
    }
}

/// A whole number with its thousands apart.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap_or_default()).collect();
    groups.join(",")
}

/// The trades of a market.
pub fn trades(market: Market, symbols: &Names) -> Vec<Tick> {
    let mut tape = market.tape(symbols, partition_rules());
    tape.retain(|tick| tick.kind == Kind::Trade);
    tape
}

/// Trades as CSV.
pub fn csv_ticks(tape: &[Tick], symbols: &Names) -> Vec<u8> {
    let names = symbols.all();
    let mut out = b"ts_event,symbol,price,size,seq,venue\n".to_vec();
    for tick in tape {
        let _ = write!(out, "{},{},", tick.ts_event, names[tick.symbol.0 as usize]);
        tick.price.write(&mut out);
        let _ = writeln!(out, ",{},{},XNAS", tick.size, tick.seq);
    }
    out
}

/// The same as JSON lines.
pub fn jsonl_ticks(tape: &[Tick], symbols: &Names) -> Vec<u8> {
    let names = symbols.all();
    let mut out = Vec::new();
    for tick in tape {
        let symbol = &names[tick.symbol.0 as usize];
        out.extend(format!("{{\"ts_event\": {}, \"symbol\": \"{symbol}\", \"price\": ", tick.ts_event).bytes());
        tick.price.write(&mut out);
        out.extend(format!(", \"size\": {}, \"seq\": {}, \"venue\": \"XNAS\"}}\n", tick.size, tick.seq).bytes());
    }
    out
}
