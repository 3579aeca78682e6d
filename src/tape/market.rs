//! A made-up market, for runs without a dataset: random walks on the cent grid, a few symbols much busier than
//! the rest, prints slightly out of order, some late, some cancelled or corrected.

use std::collections::VecDeque;

use crate::tick::{Kind, Names, Price, Symbol, Tick, Venue, mix};
use crate::time::{EventTime, SECOND};

use super::leaf::PartitionRules;
use super::random::Random;

/// What to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Market {
    /// Everything follows from it.
    pub seed: u64,
    /// How many symbols; the n-th is about 1/n as busy as the first.
    pub symbols: u32,
    /// Ticks per second of event time.
    pub per_second: f64,
    /// How many ticks in all.
    pub ticks: u64,
}

/// 2026-01-05 09:30:00 in New York.
const OPEN: EventTime = 1_767_623_400 * SECOND;

/// Of 10,000 prints: cancelled and corrected as KX counts them on a real feed; delayed and late are our choice.
const CANCELS: u64 = 7;
const CORRECTIONS: u64 = 3;
const DELAYED: u64 = 100;
const LATE: u64 = 5;

/// Of so many of its symbol's last prints a cancel or correction may speak.
const RECENT: usize = 64;

impl Market {
    /// Makes the tape, in order of arrival, with watermarks set; symbols are named `S000` and so on.
    pub fn tape(&self, names: &Names, rules: PartitionRules) -> Vec<Tick> {
        let mut random = Random(mix(self.seed));
        let width = self.symbols.saturating_sub(1).to_string().len().max(3);
        let ids: Vec<Symbol> = (0..self.symbols).map(|i| Symbol(names.intern(&format!("S{i:0width$}")))).collect();
        let busy = Busyness::new(self.symbols);
        let mut cents: Vec<i64> = (0..self.symbols).map(|_| 1_000 + random.below(40_000) as i64).collect();
        let step = SECOND as f64 / self.per_second;
        let mut arrivals: Vec<(EventTime, Tick)> = Vec::with_capacity(self.ticks as usize);
        let mut recent: Vec<VecDeque<u64>> = vec![VecDeque::with_capacity(RECENT); self.symbols as usize];
        for i in 0..self.ticks {
            let ts_event = OPEN + (i as f64 * step) as i64 + random.below(1 + step as u64) as i64;
            let symbol = busy.pick(&mut random);
            cents[symbol] = (cents[symbol] + random.below(5) as i64 - 2).max(100);
            let mut tick = Tick {
                ts_event,
                seq: i + 1,
                price: Price(cents[symbol] * (Price::SCALE / 100)),
                ref_seq: 0,
                size: if random.below(3) == 0 { 100 } else { 1 + random.below(300) as u32 },
                symbol: ids[symbol],
                ask_size: 0,
                watermark_lead_ms: 0,
                recv_lag: Tick::NOT_RECEIVED,
                venue: Venue::default(),
                kind: Kind::Trade,
            };
            // A cancel or correction speaks of one of its symbol's recent prints.
            let said = random.below(10_000);
            let recent = &mut recent[symbol];
            if said < CANCELS + CORRECTIONS && !recent.is_empty() {
                tick.kind = if said < CANCELS { Kind::Cancel } else { Kind::Correct };
                tick.ref_seq = recent[random.below(recent.len() as u64) as usize];
            } else {
                if recent.len() == RECENT {
                    recent.pop_front();
                }
                recent.push_back(tick.seq);
            }
            // A delay within half the disorder keeps a print on time; beyond it, it is late.
            let delay = match random.below(10_000) {
                _ if tick.kind != Kind::Trade => 0,
                0..LATE => (rules.disorder as u64).saturating_mul(2).saturating_add(random.below(SECOND as u64)),
                LATE..DELAYED => random.below((rules.disorder / 2).max(1) as u64),
                _ => 0,
            };
            arrivals.push((ts_event.saturating_add_unsigned(delay), tick));
        }
        arrivals.sort_by_key(|(arrival, tick)| (*arrival, tick.seq));
        let mut clock = EventTime::MIN;
        arrivals.iter_mut().for_each(|(_, tick)| {
            clock = clock.max(tick.ts_event);
            tick.set_watermark(clock.saturating_sub(rules.disorder));
        });
        arrivals.into_iter().map(|(_, tick)| tick).collect()
    }
}

/// Picks symbols by Zipf's law with exponent 1.
struct Busyness(Vec<f64>);

impl Busyness {
    fn new(symbols: u32) -> Self {
        let mut sum = 0.0;
        Busyness((1..=symbols).map(|rank| (sum += 1.0 / f64::from(rank), sum).1).collect())
    }

    fn pick(&self, random: &mut Random) -> usize {
        let total = self.0.last().copied().unwrap_or(0.0);
        let at = random.fraction() * total;
        self.0.partition_point(|sum| *sum <= at).min(self.0.len() - 1)
    }
}
