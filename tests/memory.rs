//! What is kept is bounded by symbols, open windows and horizon, and not by the length of the tape: a week is played,
//! and no day takes more memory than the days before it. Bytes are counted by the allocator, on a clock that stands
//! still and on one worker, so the figures differ by some kilobytes at most. What this can catch: anything that grows
//! with the tape. What it cannot: how much a run takes; and what a file, a feed or the terminal keep.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::time;
use jiff::tz::TimeZone;
use tapeflow::aggregate::{Ohlcv, Quantiles, Traded, Vwap};
use tapeflow::asof::AsOf;
use tapeflow::batch::BatchLimits;
use tapeflow::calendar::Days;
use tapeflow::error::Result;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::operators::{Boards, By, Changes, Every, Places, Ranking, Ticks, bursts, correlate, filled, movers};
use tapeflow::pairs::{Correlation, Measure};
use tapeflow::quality::Standard;
use tapeflow::row::Row;
use tapeflow::runtime::{self, Nobody, Plan};
use tapeflow::sink::{Discard, Sink};
use tapeflow::source::{Block, Blocks, Feed, Pull, Surroundings};
use tapeflow::tape::{Pace, PartitionRules};
use tapeflow::tick::{Eligible, Kind, Price, Symbol, Tick, Venue};
use tapeflow::time::{Clock, MS, SECOND};
use tapeflow::window::{
    Anchored, Count, Early, Fill, Gap, Hours, Last, Measure as Of, Sliding, Tumbling, TumblingDaily, Windows,
};

/// Counts the bytes that are in use.
struct Counting;

static IN_USE: AtomicI64 = AtomicI64::new(0);

// SAFETY: all is done by the system's allocator; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DAYS: i64 = 7;
const SYMBOLS: u32 = 8;
/// A day's trading, in seconds: in each, every symbol has a quote and a trade.
const SECONDS: i64 = 600;
/// Monday, 2024-01-08, 14:30 UTC: the open in New York.
const MONDAY: i64 = 1_704_724_200 * SECOND;
const DISORDER: i64 = 100 * MS;

/// A week and some days before it of trades and quotes, second by second as it is asked for, and the most bytes that were
/// in use on each day.
struct Week {
    days: i64,
    second: i64,
    clock: i64,
    peaks: Arc<Mutex<Vec<i64>>>,
}

impl Week {
    fn tick(&mut self, symbol: u32, kind: Kind, at: i64, seq: u64, ref_seq: u64) -> Tick {
        let (day, second) = (self.second / SECONDS, self.second % SECONDS);
        let ts_event = MONDAY + day * 86_400 * SECOND + second * SECOND + at * MS;
        self.clock = self.clock.max(ts_event);
        let cents = (self.second * 7 + i64::from(symbol) * 131) % 997;
        let mut tick = Tick {
            ts_event,
            seq,
            price: Price(if kind == Kind::Cancel { 0 } else { Price::SCALE * 100 + cents * Price::SCALE / 100 }),
            ref_seq,
            size: 1 + (cents % 50) as u32,
            ask_size: 1,
            symbol: Symbol(symbol),
            watermark_ms: 0,
            recv_lag: 1_000,
            venue: Venue(1),
            kind,
            eligible: Eligible::ALL,
        };
        if kind == Kind::Quote {
            tick.set_ask(Price(tick.price.0 + Price::SCALE / 100));
        }
        tick.set_watermark(self.clock - DISORDER);
        tick
    }
}

impl Blocks for Week {
    fn pull(&mut self) -> Result<Pull> {
        let (day, second) = (self.second / SECONDS, self.second % SECONDS);
        let in_use = IN_USE.load(Ordering::Relaxed);
        let mut peaks = self.peaks.lock().unwrap();
        let at = (day as usize).min(self.days as usize - 1);
        peaks[at] = peaks[at].max(in_use);
        drop(peaks);
        if day == self.days {
            return Ok(Pull::End);
        }
        let mut block = Block::default();
        for symbol in 0..SYMBOLS {
            // Numbers begin anew each day. A trade in twenty comes half a second late, one in 25 is cancelled and one
            // in 30 corrected, some seconds after.
            let seq = (second * i64::from(SYMBOLS) + i64::from(symbol)) as u64 * 4;
            let turn = second + i64::from(symbol);
            block.ticks.push(self.tick(symbol, Kind::Quote, 700, seq, 0));
            block.ticks.push(self.tick(symbol, Kind::Trade, if turn % 20 == 0 { 250 } else { 800 }, seq + 1, 0));
            let before = (seq + 1).checked_sub(5 * u64::from(SYMBOLS) * 4);
            if let Some(before) = before.filter(|_| turn % 25 == 0) {
                block.ticks.push(self.tick(symbol, Kind::Cancel, 850, seq + 2, before));
            }
            if let Some(before) = before.filter(|_| turn % 30 == 0) {
                block.ticks.push(self.tick(symbol, Kind::Correct, 900, seq + 3, before));
            }
        }
        self.second += 1;
        Ok(Pull::Block(Arc::new(block)))
    }
}

/// Plays the week, and asserts that the last days take no more than those before.
#[track_caller]
fn stays_flat<R, F>(horizon: Horizon, pipeline: F)
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    comes_to_rest(0, horizon, pipeline);
}

/// The same of a week that begins after so many days.
#[track_caller]
fn comes_to_rest<R, F>(after: usize, horizon: Horizon, pipeline: F)
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let around = Surroundings::alone(Clock::manual(), PartitionRules { disorder: DISORDER, max_jump: i64::MAX });
    (0..SYMBOLS).for_each(|symbol| _ = around.symbols.intern(&format!("S{symbol}")));
    around.venues.intern("XNAS");
    let before = IN_USE.load(Ordering::Relaxed);
    let days = DAYS + after as i64;
    let peaks = Arc::new(Mutex::new(vec![0; days as usize]));
    let week = Week { days, second: 0, clock: 0, peaks: peaks.clone() };
    let sessions = Sessions::new(TimeZone::get("America/New_York").unwrap());
    let plan = Plan {
        around,
        knobs: runtime::Knobs {
            batch: BatchLimits::new(64, Duration::ZERO, u64::MAX),
            spin: false,
            max_lead_ms: i64::MAX,
            warmup: 0,
            watchdog: None,
            memory: None,
        },
        dial: Arc::default(),
        lateness: Lateness { disorder: DISORDER, policy: LatePolicy::Amend, horizon, sessions },
        changes_every_ms: 1_000,
    };
    let feed = Feed::new(Box::new(week), Pace::AsRead, DISORDER);
    let sinks = vec![Box::new(Discard) as Box<dyn Sink<R> + Send>];
    let outcome = runtime::run(plan, vec![feed], sinks, &mut Nobody, pipeline).unwrap();
    assert!(outcome.ledger.amended > 0 && outcome.ledger.late == 0, "nothing was amended: {:?}", outcome.ledger);
    let days: Vec<i64> = peaks.lock().unwrap().iter().map(|peak| peak - before).collect();
    let [earlier, later] =
        [&days[after + 1..after + 4], &days[after + 4..]].map(|days| days.iter().copied().max().unwrap());
    // That is less than five bytes a print of three days, so one number kept of each would be seen. What is in use goes
    // up and down by a third of it: batches lie otherwise on each day, and histograms fill.
    assert!(later <= earlier + 64 * 1_024, "the most bytes in use on each day: {days:?}");
}

const FIVE_MINUTES: Horizon = Horizon::Span(300 * SECOND);

fn second() -> Tumbling {
    Tumbling::new(SECOND).unwrap()
}

fn bars(horizon: Horizon, windows: impl Into<Windows>) {
    let windows = windows.into();
    stays_flat(horizon, move |ticks| ticks.window_aggregate::<Ohlcv>(windows.clone()));
}

/// A session from the open to this time.
fn hours(hour: i8, minute: i8) -> Hours {
    let days = Days::new(TimeZone::get("America/New_York").unwrap());
    Hours::new(days, time(9, 30, 0, 0), time(hour, minute, 0, 0)).unwrap()
}

fn bars_of_each_kind_of_window_and_horizon() {
    for horizon in [Horizon::Session, FIVE_MINUTES] {
        bars(horizon, second());
    }
    bars(FIVE_MINUTES, TumblingDaily::new(7 * SECOND, 0, hours(16, 0)).unwrap());
    bars(FIVE_MINUTES, Early::new(Tumbling::new(4 * SECOND).unwrap(), SECOND).unwrap());
    bars(FIVE_MINUTES, Sliding::new(4 * SECOND, SECOND).unwrap());
    bars(FIVE_MINUTES, Gap::new(SECOND / 2).unwrap());
    bars(FIVE_MINUTES, Count::new(Of::Trades, 10, false).unwrap());
    bars(FIVE_MINUTES, Count::new(Of::Volume, 100, true).unwrap());
}

fn bars_of_windows_without_a_trade() {
    // The windows of cancelled prints are filled, and five minutes after the day's last trade.
    let windows = Windows::from(second());
    let fill = Fill::new(&windows, hours(9, 45)).unwrap();
    stays_flat(FIVE_MINUTES, move |ticks| {
        let context = ticks.context.clone();
        filled(ticks.window_aggregate::<Ohlcv>(windows.clone()), fill.clone(), &context)
    });
}

fn spreads_of_prices_and_sizes() {
    let windows = Windows::from(second());
    stays_flat(FIVE_MINUTES, move |ticks| ticks.window_aggregate::<Quantiles>(windows.clone()));
}

fn averages_of_the_session_and_of_the_last_trades() {
    let session = Anchored::new(60 * SECOND, hours(16, 0)).unwrap();
    stays_flat(FIVE_MINUTES, move |ticks| ticks.window_aggregate::<Vwap>(session.clone()));
    let last = Last::new(20, second()).unwrap();
    stays_flat(FIVE_MINUTES, move |ticks| ticks.window_aggregate::<Vwap>(last));
}

fn rankings() {
    let places = Places { by: By::Notional, least: false, n: 3, keep: Some(3_600 * SECOND) };
    for boards in [Boards::Windows, Boards::Sessions] {
        let ranking = Ranking { boards, places, sectors: None };
        stays_flat(FIVE_MINUTES, move |ticks| {
            let context = ticks.context.clone();
            movers(ticks.window_aggregate::<Traded>(second()), ranking.clone(), &context)
        });
    }
    let gap = Gap::new(SECOND / 2).unwrap();
    stays_flat(FIVE_MINUTES, move |ticks| {
        let context = ticks.context.clone();
        bursts(ticks.window_aggregate::<Traded>(gap), gap, places, &context)
    });
}

fn correlations() {
    let every = Tumbling::new(10 * SECOND).unwrap();
    // Of a rolling report's pairs, which are put in and taken out again, some are still held in the first week: what is
    // held was measured to grow until then, and to stay as it is for the two weeks and a half after that.
    for (span, top, after) in [(Some(60 * SECOND), None, 0), (None, Some(5), 0), (Some(60 * SECOND), Some(5), 6)] {
        let rule = Correlation { on: Measure::Returns, span, every, min: 3, top };
        comes_to_rest(after, FIVE_MINUTES, move |ticks| {
            let context = ticks.context.clone();
            correlate(ticks.window_aggregate::<Ohlcv>(second()), second(), rule, &context)
        });
    }
}

fn trades_beside_quotes_and_the_quality_of_feeds() {
    let rule = AsOf { strict: false, tolerance: None, markout: SECOND };
    stays_flat(FIVE_MINUTES, move |ticks| ticks.match_quotes(second(), rule));
    let standard = Standard { windows: second(), stale_windows: 60, seq_per_symbol: true };
    stays_flat(FIVE_MINUTES, move |ticks| ticks.check_feed(standard));
}

fn last_trades_and_quotes() {
    for boards in [Boards::Windows, Boards::Sessions] {
        let every = Every { windows: second(), boards, keep: Some(3_600 * SECOND) };
        stays_flat(FIVE_MINUTES, move |ticks| ticks.latest(every));
    }
}

/// One test, so that nothing else is allocated meanwhile.
#[test]
fn a_week_takes_no_more_than_its_first_days() {
    bars_of_each_kind_of_window_and_horizon();
    bars_of_windows_without_a_trade();
    averages_of_the_session_and_of_the_last_trades();
    spreads_of_prices_and_sizes();
    rankings();
    correlations();
    trades_beside_quotes_and_the_quality_of_feeds();
    last_trades_and_quotes();
}
