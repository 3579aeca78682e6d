use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use serde::{Deserialize, Serialize};

use super::{Figures, Lags, Standard};
use crate::tick::{Kind, Tick};
use crate::time::{EventTime, MS};

/// What is noted of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// When it happened.
    pub ts_event: EventTime,
    /// The trading session that it lies in, by its beginning.
    pub session: EventTime,
    /// Its sequence number.
    pub seq: u64,
    /// Nanoseconds until it was received, as in [`Tick`].
    pub recv_lag: i32,
    /// Whose record.
    pub symbol: u32,
    /// Where from.
    pub venue: u16,
    /// Which of the four kinds it is.
    pub kind: u8,
    /// Of a quote with both sides, how its bid stands to its ask.
    pub bid_to_ask: i8,
}

impl Noted {
    /// What is noted of a tick.
    pub fn new(tick: &Tick, session: EventTime) -> Self {
        let is_whole = tick.kind == Kind::Quote && tick.price.0 != 0 && tick.ask().0 != 0;
        Noted {
            ts_event: tick.ts_event,
            session,
            seq: tick.seq,
            recv_lag: tick.recv_lag,
            symbol: tick.symbol.0,
            venue: tick.venue.0,
            kind: tick.kind as u8,
            bid_to_ask: if is_whole { tick.price.cmp(&tick.ask()) as i8 } else { -1 },
        }
    }
}

/// Whose sequence number: the session, the symbol if each counts its own, the number.
type SeqKey = (EventTime, Option<u32>, u64);

/// What is known of one venue's feed.
#[derive(Clone, Debug, Default)]
pub struct VenueFeed {
    windows: BTreeMap<EventTime, WindowFeed>,
    /// The earliest time of each sequence number.
    times: BTreeMap<SeqKey, EventTime>,
    /// The first window of each symbol, and its latest record.
    symbols: BTreeMap<u32, (EventTime, EventTime)>,
}

/// What is known of one window of it.
#[derive(Clone, Debug, Default)]
struct WindowFeed {
    /// What adds up; the rest is filled in when it is told.
    sums: Figures,
    lags: Lags,
    symbols: BTreeSet<u32>,
    /// Records in each 10 ms since the epoch.
    rates: BTreeMap<i64, u64>,
}

impl VenueFeed {
    /// The windows that a record touches.
    pub fn touched(&self, record: &Noted, standard: &Standard) -> Vec<EventTime> {
        let own = standard.windows.window_of(record.ts_event).start;
        let length = standard.windows.length();
        let key = seq_key(record, standard);
        let known_from = self.symbols.get(&record.symbol).map_or(EventTime::MAX, |(first, _)| *first);
        let until = own.saturating_add(length.saturating_mul(standard.stale_windows)).max(known_from);
        let mut touched: Vec<EventTime> = self.windows.range(own..until).map(|(start, _)| *start).collect();
        let near = [self.times.get(&key).copied(), self.after(key).map(|(_, ts)| ts)];
        touched.extend(near.into_iter().flatten().map(|ts| standard.windows.window_of(ts).start));
        touched.push(own);
        touched
    }

    /// Adds a record.
    pub fn add(&mut self, record: &Noted, standard: &Standard) {
        let own = standard.windows.window_of(record.ts_event).start;
        let window = self.windows.entry(own).or_default();
        window.sums.kinds[usize::from(record.kind)] += 1;
        window.sums.locked += u64::from(record.bid_to_ask == 0);
        window.sums.crossed += u64::from(record.bid_to_ask > 0);
        window.symbols.insert(record.symbol);
        *window.rates.entry(record.ts_event.div_euclid(10 * MS)).or_default() += 1;
        if record.recv_lag != Tick::NOT_RECEIVED {
            window.lags.add(record.recv_lag);
        }
        let (first, latest) = self.symbols.entry(record.symbol).or_insert((own, record.ts_event));
        (*first, *latest) = (own.min(*first), record.ts_event.max(*latest));

        let key = seq_key(record, standard);
        let (before, after, known) = (self.before(key), self.after(key), self.times.get(&key).copied());
        let ts = known.map_or(record.ts_event, |known| known.min(record.ts_event));
        // The record after this one followed another one until now, or one of another time.
        if let Some(after) = after {
            let follows = known.map(|known| (key, known)).or(before);
            self.follow(follows, after, standard, |sum, one| *sum = sum.wrapping_sub(one));
            self.follow(Some((key, ts)), after, standard, |sum, one| *sum = sum.wrapping_add(one));
        }
        if let Some(known) = known {
            self.follow(before, (key, known), standard, |sum, one| *sum = sum.wrapping_sub(one));
            let repeats = standard.windows.window_of(known.max(record.ts_event)).start;
            self.windows.entry(repeats).or_default().sums.duplicates += 1;
        }
        self.follow(before, (key, ts), standard, |sum, one| *sum = sum.wrapping_add(one));
        self.times.insert(key, ts);
    }

    /// Counts what is said by a record's following another in their sequence.
    fn follow(
        &mut self,
        before: Option<(SeqKey, EventTime)>,
        (key, ts): (SeqKey, EventTime),
        standard: &Standard,
        count: impl Fn(&mut u64, u64),
    ) {
        let Some(((.., seq_before), ts_before)) = before else { return };
        let sums = &mut self.windows.entry(standard.windows.window_of(ts).start).or_default().sums;
        let missing = key.2 - seq_before - 1;
        count(&mut sums.gaps, u64::from(missing > 0));
        count(&mut sums.missing, missing);
        count(&mut sums.backwards, u64::from(ts < ts_before));
    }

    /// The number before in the same sequence, and its time.
    fn before(&self, key: SeqKey) -> Option<(SeqKey, EventTime)> {
        let before = self.times.range(..key).next_back()?;
        ((before.0.0, before.0.1) == (key.0, key.1)).then_some((*before.0, *before.1))
    }

    /// The next number in the same sequence, and its time.
    fn after(&self, key: SeqKey) -> Option<(SeqKey, EventTime)> {
        let after = self.times.range((Excluded(key), Unbounded)).next()?;
        ((after.0.0, after.0.1) == (key.0, key.1)).then_some((*after.0, *after.1))
    }

    /// The figures of the window that starts at `start`; none where it has no record.
    pub fn figures(&self, start: EventTime, standard: &Standard) -> Option<Figures> {
        let window = self.windows.get(&start)?;
        let known = self.symbols.values().filter(|(first, _)| *first <= start).count() as u64;
        let recent_from = start.saturating_sub(standard.windows.length().saturating_mul(standard.stale_windows - 1));
        let recent: BTreeSet<u32> =
            self.windows.range(recent_from..=start).flat_map(|(_, window)| &window.symbols).copied().collect();
        let active = window.symbols.len() as u64;
        let peak = |tens: i64| {
            let mut most: BTreeMap<i64, u64> = BTreeMap::new();
            window.rates.iter().for_each(|(ten, count)| *most.entry(ten.div_euclid(tens)).or_default() += count);
            most.into_values().max().unwrap_or(0)
        };
        Some(Figures {
            lags: [window.lags.percentile(50), window.lags.percentile(99), window.lags.max],
            negative_lags: window.lags.negative,
            lag_counts: window.lags.by_bits(),
            active,
            silent: known - active,
            stale: known - recent.len() as u64,
            peaks: [peak(100), peak(10), peak(1)],
            ..window.sums.clone()
        })
    }

    /// The latest record of each symbol.
    pub fn latest(&self) -> impl Iterator<Item = EventTime> {
        self.symbols.values().map(|(_, latest)| *latest)
    }

    /// Forgets the sessions before the one that begins at `session`.
    pub fn forget_before(&mut self, session: EventTime, standard: &Standard) {
        self.times = self.times.split_off(&(session, None, 0));
        let length = standard.windows.length();
        let needed = session.saturating_sub(length.saturating_mul(standard.stale_windows));
        self.windows = self.windows.split_off(&needed);
    }
}

fn seq_key(record: &Noted, standard: &Standard) -> SeqKey {
    (record.session, standard.seq_per_symbol.then_some(record.symbol), record.seq)
}
