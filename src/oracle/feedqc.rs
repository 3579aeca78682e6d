use std::collections::{BTreeMap, BTreeSet};

use super::windows::tumbling;
use super::{Corrected, Expected};
use crate::quality::{Figures, Lags, Quality, Standard};
use crate::tick::{Kind, Symbol, Tick, Venue, stable_hash};
use crate::window::Window;

/// Each window of each venue, from all of its accepted records at once.
pub fn feedqc(tape: &Corrected, standard: &Standard) -> Expected<Quality> {
    let mut venues: BTreeMap<Venue, Vec<&Tick>> = BTreeMap::new();
    tape.records.iter().for_each(|tick| venues.entry(tick.venue).or_default().push(tick));
    let mut rows = Vec::new();
    for (venue, records) in venues {
        let place = (stable_hash(tape.texts.venue(venue).as_bytes()) >> 32) as u32;
        let sequence = sequence(tape, standard, &records);
        let mut windows: BTreeMap<Window, Vec<&Tick>> = BTreeMap::new();
        for tick in &records {
            windows.entry(tumbling(&standard.windows, tick.ts_event)).or_default().push(tick);
        }
        for (window, held) in windows {
            let figures = figures(window, &held, &records, sequence.get(&window), standard);
            rows.push(Quality { window, place, venue, figures });
        }
    }
    Expected { rows, ledger: Some(tape.records_ledger) }
}

/// Gaps, missing numbers, duplicates and steps backwards of each window.
fn sequence(tape: &Corrected, standard: &Standard, records: &[&Tick]) -> BTreeMap<Window, [u64; 4]> {
    let mut sequences: BTreeMap<(i64, Option<Symbol>), BTreeMap<u64, Vec<i64>>> = BTreeMap::new();
    for tick in records {
        let whose = (tape.sessions.of(tick.ts_event).0, standard.seq_per_symbol.then_some(tick.symbol));
        sequences.entry(whose).or_default().entry(tick.seq).or_default().push(tick.ts_event);
    }
    let mut counts: BTreeMap<Window, [u64; 4]> = BTreeMap::new();
    let mut count = |ts: i64, at: usize, n: u64| {
        let sum = &mut counts.entry(tumbling(&standard.windows, ts)).or_default()[at];
        *sum = sum.wrapping_add(n);
    };
    for numbers in sequences.values_mut() {
        numbers.values_mut().for_each(|times| times.sort());
        let mut before: Option<(u64, i64)> = None;
        for (seq, times) in numbers {
            times[1..].iter().for_each(|ts| count(*ts, 2, 1));
            if let Some((seq_before, ts_before)) = before {
                count(times[0], 0, u64::from(seq - seq_before > 1));
                count(times[0], 1, seq - seq_before - 1);
                count(times[0], 3, u64::from(times[0] < ts_before));
            }
            before = Some((*seq, times[0]));
        }
    }
    counts
}

/// The figures of a window that holds some of all records.
fn figures(window: Window, held: &[&Tick], all: &[&Tick], sequence: Option<&[u64; 4]>, standard: &Standard) -> Figures {
    let [gaps, missing, duplicates, backwards] = sequence.copied().unwrap_or_default();
    let kinds = [Kind::Trade, Kind::Cancel, Kind::Correct, Kind::Quote];
    let received = || held.iter().map(|tick| tick.recv_lag).filter(|lag| *lag != Tick::NOT_RECEIVED);
    let mut lags: Vec<u32> = received().filter_map(|lag| u32::try_from(lag).ok()).collect();
    lags.sort();
    let percentile = |share: f64| {
        let rank = (share * lags.len() as f64).ceil().max(1.0) as usize;
        lags.get(rank - 1).map(|lag| Lags::highest_alike(*lag)).min(lags.last().copied())
    };
    let symbols_since = |from: i64| -> BTreeSet<Symbol> {
        all.iter().filter(|tick| from <= tick.ts_event && tick.ts_event < window.end).map(|tick| tick.symbol).collect()
    };
    let active = symbols_since(window.start).len() as u64;
    let known = symbols_since(i64::MIN).len() as u64;
    // Not counted back from the end, since the end of time may cut that short.
    let stale_from = window.start - (standard.stale_windows - 1) * standard.windows.length();
    let quotes = || held.iter().filter(|tick| tick.kind == Kind::Quote && tick.price.0 != 0 && tick.ask().0 != 0);
    let peak = |ms: i64| {
        let mut rates: BTreeMap<i64, u64> = BTreeMap::new();
        held.iter().for_each(|tick| *rates.entry(tick.ts_event.div_euclid(ms * 1_000_000)).or_default() += 1);
        rates.into_values().max().unwrap_or(0)
    };
    Figures {
        kinds: kinds.map(|kind| held.iter().filter(|tick| tick.kind == kind).count() as u64),
        gaps,
        missing,
        duplicates,
        backwards,
        lags: [percentile(0.5), percentile(0.99), lags.last().copied()],
        negative_lags: received().filter(|lag| *lag < 0).count() as u64,
        lag_counts: std::array::from_fn(|bits| {
            let (from, until) = (if bits == 0 { 0 } else { 1 << (bits - 1) }, 1_u64 << bits);
            lags.iter().map(|lag| u64::from(*lag)).filter(|lag| (from..until).contains(lag)).count() as u64
        }),
        active,
        silent: known - active,
        stale: known - symbols_since(stale_from).len() as u64,
        locked: quotes().filter(|tick| tick.price == tick.ask()).count() as u64,
        crossed: quotes().filter(|tick| tick.price > tick.ask()).count() as u64,
        peaks: [peak(1_000), peak(100), peak(10)],
    }
}
