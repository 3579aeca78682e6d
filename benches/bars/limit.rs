//! The limit of the engine: the same bars of the same ticks as a bare loop, one pass over a slice with a slot for each
//! symbol. No dataflow, no batches, no latencies. With a horizon it keeps every print, too, but does nothing about
//! cancels, corrections and late ticks.

use tapeflow::aggregate::{Aggregate as _, Ohlcv, Print};
use tapeflow::lateness::{Horizon, Lateness};
use tapeflow::operators::Summary;
use tapeflow::prefetch::prefetched;
use tapeflow::prints::PrintLog;
use tapeflow::row::{Row as _, Texts};
use tapeflow::tick::{Kind, Symbol, Tick};
use tapeflow::window::{Tumbling, Window};

use super::DISORDER;

/// A window of a symbol.
struct Slice {
    window: Window,
    bar: Ohlcv,
    closed: bool,
}

/// A symbol. Nearly every tick falls into the newest window.
struct Slot {
    clock: i64,
    newest: Slice,
    others: Vec<Slice>,
    log: PrintLog,
}

/// The loop, which sums up the digest of all bars.
pub struct BareLoop<'a> {
    windows: Tumbling,
    rules: &'a Lateness,
    texts: &'a Texts,
    slots: Vec<Slot>,
    digest: u64,
    clock: i64,
    next_end: i64,
}

impl<'a> BareLoop<'a> {
    /// A loop that was given nothing yet.
    pub fn new(symbols: usize, windows: Tumbling, rules: &'a Lateness, texts: &'a Texts) -> Self {
        let slot = |_| Slot {
            clock: 0,
            newest: Slice { window: Window { start: 0, end: 0 }, bar: Ohlcv::default(), closed: true },
            others: Vec::new(),
            log: PrintLog::default(),
        };
        let slots = (0..symbols).map(slot).collect();
        BareLoop { windows, rules, texts, slots, digest: 0, clock: 0, next_end: 0 }
    }

    /// Takes in the next ticks.
    pub fn play(&mut self, ticks: &[Tick]) {
        let keeps_prints = self.rules.horizon != Horizon::None;
        let BareLoop { windows, rules, texts, .. } = *self;
        let (mut digest, mut clock, mut next_end) = (self.digest, self.clock, self.next_end);
        let slots = &mut self.slots[..];
        for tick in prefetched(ticks) {
            let slot = &mut slots[tick.symbol.0 as usize];
            if tick.ts_event >= slot.clock - DISORDER {
                slot.clock = slot.clock.max(tick.ts_event);
                if tick.kind == Kind::Trade {
                    let print = print_of(tick);
                    if keeps_prints {
                        slot.log.push(tick.venue, print, &rules.sessions);
                    }
                    if slot.newest.window.contains(print.ts_event) && !slot.newest.closed {
                        slot.newest.bar.add(&print);
                    } else {
                        let window = windows.window_of(print.ts_event);
                        let change = slot.add(tick.symbol, &print, window, clock - DISORDER, texts);
                        digest = digest.wrapping_add(change);
                    }
                }
            }
            clock = clock.max(tick.ts_event);
            if clock - DISORDER >= next_end {
                digest = digest.wrapping_add(close(slots, clock - DISORDER, texts));
                next_end = windows.window_of(clock - DISORDER).end;
            }
        }
        (self.digest, self.clock, self.next_end) = (digest, clock, next_end);
    }

    /// Closes all windows; returns the digest.
    pub fn end(&mut self) -> u64 {
        self.digest.wrapping_add(close(&mut self.slots, i64::MAX, self.texts))
    }
}

/// Closes the windows that end at the watermark or before; returns the sum of their rows' digests.
fn close(slots: &mut [Slot], watermark: i64, texts: &Texts) -> u64 {
    let mut digest = 0u64;
    for (symbol, slot) in slots.iter_mut().enumerate() {
        for slice in std::iter::once(&mut slot.newest).chain(&mut slot.others) {
            if !slice.closed && slice.window.end <= watermark {
                slice.closed = true;
                digest = digest.wrapping_add(digest_of(slice.window, Symbol(symbol as u32), &slice.bar, texts));
            }
        }
    }
    digest
}

impl Slot {
    /// Adds a print to a window that is not the newest, or is closed; returns by how much this changes the digest.
    #[cold]
    fn add(&mut self, symbol: Symbol, print: &Print, window: Window, watermark: i64, texts: &Texts) -> u64 {
        let mut slices = std::iter::once(&mut self.newest).chain(&mut self.others);
        if let Some(slice) = slices.find(|slice| slice.window == window) {
            let before = if slice.closed { digest_of(window, symbol, &slice.bar, texts) } else { 0 };
            slice.bar.add(print);
            let after = if slice.closed { digest_of(window, symbol, &slice.bar, texts) } else { 0 };
            return after.wrapping_sub(before);
        }
        let mut slice = Slice { window, bar: Ohlcv::default(), closed: window.end <= watermark };
        slice.bar.add(print);
        let digest = if slice.closed { digest_of(window, symbol, &slice.bar, texts) } else { 0 };
        if window.start > self.newest.window.start {
            slice = std::mem::replace(&mut self.newest, slice);
        }
        // What the symbol's own clock has passed can change no more.
        self.others.retain(|slice| !slice.closed || slice.window.end > self.clock - DISORDER);
        self.others.push(slice);
        digest
    }
}

/// The digest of a window's row.
pub fn digest_of(window: Window, symbol: Symbol, bar: &Ohlcv, texts: &Texts) -> u64 {
    bar.lower().map_or(0, |value| Summary { window, place: 0, symbol, value }.digest(texts))
}

/// The print that a trade is.
pub fn print_of(tick: &Tick) -> Print {
    let Tick { ts_event, seq, price, size, eligible, .. } = *tick;
    Print { ts_event, seq, price, size, eligible, live: true }
}
