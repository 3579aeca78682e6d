//! The record everything speaks: a tick, its price, and the names of symbols and venues.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use serde::{Deserialize, Serialize};

use crate::decimal::write_units;
use crate::time::{EventTime, MS};

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A new print.
    Trade,
    /// The print `ref_seq` of the same venue and symbol never happened.
    Cancel,
    /// The print `ref_seq` of the same venue and symbol had this price and size.
    Correct,
    /// A venue's best bid and ask. Pipelines over trades count it as ignored.
    Quote,
}

/// A price in units of 1e-9 of the currency, exact. The scale is DBN's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Price(pub i64);

impl Price {
    /// Units of [`Price`] in one unit of the currency.
    pub const SCALE: i64 = 1_000_000_000;
}

impl Price {
    /// Appends the shortest exact decimal: `12`, `12.34`, `-0.000000001`.
    #[inline]
    pub fn write(self, out: &mut Vec<u8>) {
        write_units(self.0 < 0, self.0.unsigned_abs(), out);
    }
}

impl fmt::Display for Price {
    /// As [`Price::write`] has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// A symbol's dense id within this run. Route by its text's hash, sort by its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Symbol(pub u32);

/// A venue's dense id within this run; 0 is "no venue given".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Venue(pub u16);

/// What a print counts for, which its conditions say: a bit each, and a fourth where a correction says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Eligible(u8);

impl Eligible {
    /// It counts for all, as most prints do.
    pub const ALL: Eligible = Eligible(0b111);

    /// Of a correction that has no conditions: what its trade counts for stays.
    pub const UNSAID: Eligible = Eligible(0b1111);

    /// Whether it can be the last price, which is an open or a close; whether it can be a high or a low; whether its
    /// shares are volume.
    pub const fn new(last: bool, high_low: bool, volume: bool) -> Self {
        Eligible(last as u8 | (high_low as u8) << 1 | (volume as u8) << 2)
    }

    /// Its bits, of which the fourth and higher ones are zero unless a correction says nothing.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// What has these bits.
    pub(crate) const fn of_bits(bits: u8) -> Self {
        Eligible(bits)
    }

    /// Whether its price can be an open or a close.
    pub const fn last(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether its price can be a high or a low.
    pub const fn high_low(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether its shares are volume.
    pub const fn volume(self) -> bool {
        self.0 & 4 != 0
    }

    /// What a print counts for that has the conditions of both: what either lets it.
    pub const fn and(self, other: Eligible) -> Self {
        Eligible(self.0 & other.0)
    }

    /// This, or what the trade counts for where a correction does not say.
    pub fn or(self, trade: Eligible) -> Self {
        if self == Eligible::UNSAID { trade } else { self }
    }
}

/// One record of a tape on its way through the dataflow: 64 bytes, no clock reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Tick {
    /// When it happened, by the exchange.
    pub ts_event: EventTime,
    /// The watermark of its partition once the tick is counted, in milliseconds since the epoch: the partition's highest
    /// `ts_event` so far less the disorder, rounded down, never below zero.
    pub watermark_ms: i64,
    /// The venue's sequence number, or the position among its symbol's ticks where a tape has none.
    pub seq: u64,
    /// The price; zero in a cancel. Of a quote the bid, zero where there is none.
    pub price: Price,
    /// The sequence number of the print that a cancel or correction speaks of. Of a quote it holds the ask, see
    /// [`Tick::ask`]. Else zero.
    pub ref_seq: u64,
    /// Shares, of a quote those bid for; zero where the tape gives none.
    pub size: u32,
    /// Of a quote, the shares that are asked for; else zero.
    pub ask_size: u32,
    /// Whose print it is.
    pub symbol: Symbol,
    /// Nanoseconds from `ts_event` until it was received, at most some two seconds either way; [`Tick::NOT_RECEIVED`]
    /// where the tape does not say.
    pub recv_lag: i32,
    /// Where it was printed.
    pub venue: Venue,
    /// What it says.
    pub kind: Kind,
    /// Of a trade or a correction, what its print counts for.
    pub eligible: Eligible,
}

const _: () = assert!(size_of::<Tick>() == 64);

impl Tick {
    /// The `recv_lag` of a tick that does not say when it was received.
    pub const NOT_RECEIVED: i32 = i32::MIN;

    /// A trade at no venue that counts for all, without a watermark and a time of receipt.
    pub fn trade(symbol: Symbol, ts_event: EventTime, seq: u64, price: Price, size: u32) -> Self {
        Tick {
            ts_event,
            seq,
            price,
            ref_seq: 0,
            size,
            symbol,
            ask_size: 0,
            watermark_ms: 0,
            recv_lag: Tick::NOT_RECEIVED,
            venue: Venue::default(),
            kind: Kind::Trade,
            eligible: Eligible::ALL,
        }
    }

    /// The ask of a quote, zero where there is none.
    pub fn ask(&self) -> Price {
        Price(self.ref_seq as i64)
    }

    /// Makes `ask` the ask of a quote.
    pub fn set_ask(&mut self, ask: Price) {
        self.ref_seq = ask.0 as u64;
    }

    /// Notes when the tick was received, saturating some two seconds from `ts_event`.
    pub fn set_received(&mut self, ts_recv: EventTime) {
        let lag = ts_recv.saturating_sub(self.ts_event);
        self.recv_lag = lag.clamp(i64::from(-i32::MAX), i64::from(i32::MAX)) as i32;
    }

    /// Sets the watermark of this tick's partition.
    pub fn set_watermark(&mut self, watermark: EventTime) {
        self.watermark_ms = watermark_ms(watermark);
    }

    /// Whether it lies at its partition's watermark or beyond, and not before this time.
    #[inline(always)]
    pub fn is_ahead(&self, sent: EventTime) -> bool {
        self.watermark_ms * MS <= self.ts_event && self.ts_event >= sent
    }
}

/// A watermark as ticks carry it: in whole milliseconds, rounded down, never below zero.
#[inline(always)]
pub fn watermark_ms(watermark: EventTime) -> i64 {
    (watermark.max(0) as u64 / MS as u64) as i64
}

/// A hash of bytes that is the same in every process and release: FNV-1a, finished by splitmix64's mixer.
pub fn stable_hash(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)))
}

/// splitmix64's finalizer: spreads every bit of `x` over the result.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A table of names and their dense ids, shared by all threads of a run; it only grows. Where a run has several
/// processes, one of them has the table, and the others a copy of its beginning each, so that an id means the same
/// everywhere.
#[derive(Debug, Default)]
pub struct Names {
    inner: RwLock<Table>,
    original: Option<Box<dyn Original>>,
}

/// The table that another one is a copy of.
pub trait Original: fmt::Debug + Send + Sync {
    /// Gives `name` an id, if there is a name, and tells all names from the `known`-th on.
    fn ask(&self, known: usize, name: Option<&str>) -> Vec<String>;
}

#[derive(Debug, Default)]
struct Table {
    ids: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Table {
    fn add(&mut self, name: &str) -> u32 {
        let (name, id): (Arc<str>, u32) = (name.into(), self.texts.len() as u32);
        self.ids.insert(name.clone(), id);
        self.texts.push(name);
        id
    }
}

impl Names {
    /// A copy of another table, as far as it is needed.
    pub fn copy_of(original: Box<dyn Original>) -> Self {
        Names { original: Some(original), ..Names::default() }
    }

    /// The id of `name`, given at first sight.
    pub fn intern(&self, name: &str) -> u32 {
        if let Some(id) = self.read().ids.get(name) {
            return *id;
        }
        let mut inner = self.inner.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(original) = &self.original
            && !inner.ids.contains_key(name)
        {
            original.ask(inner.texts.len(), Some(name)).iter().for_each(|name| _ = inner.add(name));
        }
        match inner.ids.get(name) {
            Some(id) => *id,
            None => inner.add(name),
        }
    }

    /// Makes sure that an id is known here that came from elsewhere.
    pub fn learn(&self, id: u32) {
        let is_known = |table: &Table| (id as usize) < table.texts.len();
        let Some(original) = &self.original else { return };
        if !is_known(&self.read()) {
            let mut inner = self.inner.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            if !is_known(&inner) {
                original.ask(inner.texts.len(), None).iter().for_each(|name| _ = inner.add(name));
            }
        }
    }

    /// The text of an id that [`Names::intern`] gave.
    pub fn text(&self, id: u32) -> Arc<str> {
        self.learn(id);
        self.read().texts[id as usize].clone()
    }

    /// All names by id, as far as they are known now.
    pub fn all(&self) -> Vec<Arc<str>> {
        self.read().texts.clone()
    }

    /// The names from the `known`-th on.
    pub fn since(&self, known: usize) -> Vec<Arc<str>> {
        self.read().texts.get(known..).unwrap_or_default().to_vec()
    }

    /// Whether this name is known now.
    pub fn has(&self, name: &str) -> bool {
        self.read().ids.contains_key(name)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.read().texts.len()
    }

    /// Whether no name was given yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.inner.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Which of all `workers` owns a symbol: by the stable hash of its text, so that every process agrees.
pub fn owner(symbol: &str, workers: usize) -> usize {
    (stable_hash(symbol.as_bytes()) % workers as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_the_shortest_exact_decimal() {
        let prices = [0, 1, -1, 1_000_000_000, 12_340_000_000, -5_000_000_100, i64::MAX, i64::MIN].map(Price);
        let texts = [
            "0",
            "0.000000001",
            "-0.000000001",
            "1",
            "12.34",
            "-5.0000001",
            "9223372036.854775807",
            "-9223372036.854775808",
        ];
        assert_eq!(prices.map(|price| price.to_string()), texts);
    }
}
