//! A warm run allocates for its rows and for what it has to keep, and not for its ticks: a minute is played on a clock that
//! stands still, and the allocations of the worker's thread are counted in it. What this can catch: whatever is allocated
//! a tick or a batch, between the feed and the sink. What it cannot: what readers, decoders and sinks allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use tapeflow::aggregate::Ohlcv;
use tapeflow::batch::BatchLimits;
use tapeflow::error::Result;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::runtime::{self, Nobody, Plan};
use tapeflow::sink::{Discard, Sink};
use tapeflow::source::{Block, Blocks, Feed, Pull, Surroundings};
use tapeflow::tape::{Pace, PartitionRules};
use tapeflow::tick::{Price, Symbol, Tick, Venue};
use tapeflow::time::{Clock, MS, SECOND};
use tapeflow::window::{Sliding, Tumbling, Windows};

/// Counts how often a thread asks for memory, or for more of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: all is done by the system's allocator; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SYMBOLS: u32 = 8;
/// Seconds of event time that warm up, and those that are counted.
const WARM_UP: i64 = 30;
const COUNTED: i64 = 60;
/// 2024-01-08, 14:30 UTC.
const OPEN: i64 = 1_704_724_200 * SECOND;
const DISORDER: i64 = 100 * MS;

/// Trades, a block a second, and what the worker had allocated when the counted minute began and when it ended.
struct Tape {
    seconds: std::vec::IntoIter<Arc<Block>>,
    pulled: i64,
    counts: Arc<Mutex<Vec<u64>>>,
}

impl Tape {
    /// So many ticks a second, of all symbols in turn; a tick in fifty is behind the one before it.
    fn new(per_second: i64, counts: Arc<Mutex<Vec<u64>>>) -> Self {
        let mut clock = 0;
        let mut tick = |n: i64| {
            let back = if n % 50 == 0 { DISORDER / 2 } else { 0 };
            let ts_event = OPEN + n * (SECOND / per_second) - back;
            clock = clock.max(ts_event);
            // Every other symbol has prices of four decimals, as almost all have, and the others of nine.
            let step = if n % 2 == 0 { Price::SCALE / 10_000 } else { 1 };
            let mut tick = Tick {
                venue: Venue(1),
                ..Tick::trade(
                    Symbol((n % i64::from(SYMBOLS)) as u32),
                    ts_event,
                    n as u64,
                    Price(Price::SCALE * 100 + n * 7_919 % 997 * step),
                    1 + (n % 50) as u32,
                )
            };
            tick.set_watermark(clock - DISORDER);
            tick
        };
        let mut second = |at: i64| {
            let ticks = (at * per_second..(at + 1) * per_second).map(&mut tick).collect();
            Arc::new(Block { ticks, ..Block::default() })
        };
        let seconds: Vec<_> = (0..WARM_UP + COUNTED + 1).map(&mut second).collect();
        Tape { seconds: seconds.into_iter(), pulled: 0, counts }
    }
}

impl Blocks for Tape {
    fn pull(&mut self) -> Result<Pull> {
        if self.pulled == WARM_UP || self.pulled == WARM_UP + COUNTED {
            self.counts.lock().unwrap().push(ALLOCATIONS.get());
        }
        self.pulled += 1;
        Ok(self.seconds.next().map_or(Pull::End, Pull::Block))
    }
}

/// How often the worker allocates in the counted minute, of so many ticks a second in batches of so many at most.
fn allocations(per_second: i64, batch: usize, horizon: &Horizon, windows: impl Into<Windows>) -> u64 {
    let around = Surroundings::alone(Clock::manual(), PartitionRules { disorder: DISORDER, max_jump: i64::MAX });
    (0..SYMBOLS).for_each(|symbol| _ = around.symbols.intern(&format!("S{symbol}")));
    around.venues.intern("XNAS");
    let (counts, windows) = (Arc::new(Mutex::new(Vec::new())), windows.into());
    let sessions = Sessions::new(TimeZone::UTC);
    let plan = Plan {
        around,
        knobs: runtime::Knobs {
            batch: BatchLimits::new(batch, Duration::ZERO, u64::MAX),
            spin: false,
            max_lead_ms: i64::MAX,
            warmup: 0,
            watchdog: None,
            memory: None,
        },
        dial: Arc::default(),
        lateness: Lateness { disorder: DISORDER, policy: LatePolicy::Amend, horizon: horizon.clone(), sessions },
        changes_every_ms: 1_000,
    };
    let feed = Feed::new(Box::new(Tape::new(per_second, counts.clone())), Pace::AsRead, DISORDER);
    let sinks = vec![Box::new(Discard) as Box<dyn Sink<_> + Send>];
    let outcome = runtime::run(plan, vec![feed], sinks, &mut Nobody, move |ticks| {
        ticks.window_aggregate::<Ohlcv>(windows.clone())
    });
    let ledger = outcome.unwrap().ledger;
    assert_eq!(ledger.on_time as i64, per_second * (WARM_UP + COUNTED + 1), "{ledger:?}");
    let counts = counts.lock().unwrap();
    counts[1] - counts[0]
}

fn second() -> Tumbling {
    Tumbling::new(SECOND).unwrap()
}

/// At the end of a window: a container of 8 KiB for its rows, and twice timely's books of who may send what, which have no
/// room of their own for so many entries. One more now and then, as long as some table grows.
const AT_AN_END: u64 = 3;

#[test]
fn neither_ticks_nor_batches_allocate() {
    let few = allocations(400, 64, &Horizon::None, second());
    assert!(few <= (COUNTED as u64 + 2) * AT_AN_END, "{few} in {COUNTED} windows");
    for (per_second, batch) in [(400, 1), (1_600, 64)] {
        let as_many = allocations(per_second, batch, &Horizon::None, second());
        assert_eq!(as_many, few, "{per_second} ticks a second in batches of {batch}");
    }
}

#[test]
fn overlapping_windows_allocate_at_their_ends_alone() {
    let slide = SECOND / 10;
    let windows = || Sliding::new(4 * SECOND, slide).unwrap();
    let few = allocations(400, 4, &Horizon::None, windows());
    assert!(few <= (COUNTED * SECOND / slide + 2) as u64 * AT_AN_END, "{few}");
    assert_eq!(allocations(1_600, 16, &Horizon::None, windows()), few);
}

#[test]
fn prints_that_are_kept_are_allocated_by_64() {
    let without = allocations(1_600, 64, &Horizon::None, second());
    for horizon in [Horizon::Session, Horizon::Span(5 * SECOND)] {
        let kept = allocations(1_600, 64, &horizon, second()) - without;
        let chunks = 1_600 * COUNTED as u64 / 64;
        // Each symbol begins a chunk of its own, and its lists of chunks and of summaries double now and then.
        assert!(kept <= chunks + 5 * u64::from(SYMBOLS), "{kept} for {chunks} chunks under {horizon:?}");
    }
}
