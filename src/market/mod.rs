//! Days that are made up: realistic ones (`generate`), the dataset of the course (`course`), and here a market in memory
//! for runs without a dataset: the generator's trades, of a whole day's moves in the length of a run, as busy throughout;
//! some late, some cancelled or corrected.

pub mod course;
pub mod generate;

use std::num::NonZeroUsize;

use crate::calendar::Session;
use crate::error::Result;
use crate::random::Random;
use crate::tape::PartitionRules;
use crate::tape::folder::in_parallel;
use crate::tick::{Kind, Names, Price, Symbol, Tick, stable_hash};
use crate::time::{EventTime, MS, SECOND};
use generate::{Day, MarketPath, Shape, made_up_bar, made_up_name, zipf};

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

/// A print that is delayed comes up to half of this after its time, and one that is late twice of it and up to a second
/// more, however long a run waits for them: so much is `late.disorder` without a setting.
const DISORDER: u64 = 100 * MS as u64;

/// Of so many of its symbol's last prints a cancel or correction may speak.
const RECENT: u64 = 64;

/// Shares of a trade, on average.
const MEAN_SIZE: u64 = 100;

impl Market {
    /// Makes the tape, in order of arrival, with watermarks set; symbols are named `S000` and so on.
    pub fn tape(&self, names: &Names, rules: PartitionRules) -> Vec<Tick> {
        let ids: Vec<Symbol> =
            (0..self.symbols).map(|n| Symbol(names.intern(&made_up_name(n, self.symbols)))).collect();
        let counts: Vec<u64> = zipf(self.ticks, self.symbols).collect();
        let path = MarketPath::new(self.random("market path"), Shape::Flat);
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let made = in_parallel(threads, ids.len(), |n, made: &mut Vec<(usize, Vec<(EventTime, Tick)>)>| {
            if counts[n] > 0 {
                made.push((n, self.symbol(n, ids[n], counts[n], &path)));
            }
            Result::Ok(())
        });
        // Making ticks cannot fail.
        let mut made: Vec<_> = made.unwrap_or_default().into_iter().flatten().collect();
        made.sort_unstable_by_key(|(n, _)| *n);
        let ticks: Vec<(EventTime, Tick)> = made.into_iter().flat_map(|(_, ticks)| ticks).collect();
        // Those that arrive at once come by symbol.
        let mut order: Vec<(EventTime, u32)> = ticks.iter().map(|(arrival, _)| *arrival).zip(0..).collect();
        order.sort_unstable();
        let mut clock = EventTime::MIN;
        let in_order = order.into_iter().map(|(_, at)| {
            let mut tick = ticks[at as usize].1;
            clock = clock.max(tick.ts_event);
            tick.set_watermark(clock.saturating_sub(rules.disorder));
            tick
        });
        in_order.collect()
    }

    fn random(&self, of: &str) -> Random {
        Random(stable_hash(format!("{}/{of}", self.seed).as_bytes()))
    }

    /// The ticks of one symbol, and when each arrives.
    fn symbol(&self, n: usize, symbol: Symbol, ticks: u64, market: &MarketPath) -> Vec<(EventTime, Tick)> {
        let name = made_up_name(n as u32, self.symbols);
        let length = (self.ticks as f64 / self.per_second * SECOND as f64) as i64;
        let day = Day {
            session: Session { open: OPEN, close: OPEN + length.max(1) },
            shape: Shape::Flat,
            auctions: false,
            bar: made_up_bar(self.seed, &name, ticks * MEAN_SIZE),
            count: ticks as usize,
            market,
            halt: None,
        };
        let mut random = self.random(&format!("{name}/ticks"));
        let prints = day.prints(&mut random);
        let mut arrivals: Vec<(EventTime, Tick)> = Vec::with_capacity(prints.len());
        for (print, seq) in prints.iter().zip(1..) {
            let mut tick = Tick::trade(symbol, print.ts_event, seq, print.quoted.price, print.size);
            // A cancel or correction takes the place of a print, and speaks of one of its symbol's recent ones.
            let said = random.below(10_000);
            if said < CANCELS + CORRECTIONS && seq > 1 {
                let before = &arrivals[..arrivals.len() - random.below((seq - 1).min(RECENT)) as usize];
                if let Some((_, print)) = before.iter().rev().find(|(_, tick)| tick.kind == Kind::Trade) {
                    tick.kind = if said < CANCELS { Kind::Cancel } else { Kind::Correct };
                    tick.ref_seq = print.seq;
                }
                if tick.kind == Kind::Cancel {
                    (tick.price, tick.size) = (Price(0), 0);
                }
            }
            let delay = match random.below(10_000) {
                _ if tick.kind != Kind::Trade => 0,
                0..LATE => 2 * DISORDER + random.below(SECOND as u64),
                LATE..DELAYED => random.below(DISORDER / 2),
                _ => 0,
            };
            arrivals.push((tick.ts_event.saturating_add_unsigned(delay), tick));
        }
        arrivals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_market_has_as_many_ticks_as_its_rate_and_length_say() {
        let rules = PartitionRules { disorder: 100_000_000, max_jump: 0 };
        for (symbols, ticks) in [(1, 1), (3, 2), (500, 20_000), (5_000, 777)] {
            let market = Market { seed: 42, symbols, per_second: 10_000.0, ticks };
            let names = Names::default();
            let tape = market.tape(&names, rules);
            assert_eq!((tape.len() as u64, names.len() as u32), (ticks, symbols));
            let length = (ticks as f64 / 10_000.0 * 1e9) as i64;
            assert!(tape.iter().all(|tick| (OPEN..OPEN + length).contains(&tick.ts_event)));
            assert_eq!(market.tape(&Names::default(), rules), tape);
        }
    }

    #[test]
    fn how_long_a_run_waits_changes_nothing_of_the_market() {
        let market = Market { seed: 7, symbols: 20, per_second: 10_000.0, ticks: 20_000 };
        let of = |disorder| {
            let tape = market.tape(&Names::default(), PartitionRules { disorder, max_jump: 0 });
            tape.into_iter().map(|tick| Tick { watermark_ms: 0, ..tick }).collect::<Vec<_>>()
        };
        assert_eq!(of(0), of(SECOND));
        let late = |disorder| {
            let mut clock = 0;
            let mut is_late = |tick: &Tick| {
                clock = clock.max(tick.ts_event);
                tick.ts_event < clock - disorder
            };
            of(0).iter().filter(|tick| is_late(tick)).count()
        };
        assert!(
            late(0) > late(100 * MS) && late(100 * MS) > late(SECOND),
            "{} {} {}",
            late(0),
            late(100 * MS),
            late(SECOND)
        );
    }

    #[test]
    fn the_nth_symbol_is_a_nth_as_busy_as_the_first() {
        let market = Market { seed: 1, symbols: 100, per_second: 10_000.0, ticks: 50_000 };
        let tape = market.tape(&Names::default(), PartitionRules { disorder: 0, max_jump: 0 });
        let count = |n: u32| tape.iter().filter(|tick| tick.symbol.0 == n).count();
        assert!(count(0).abs_diff(10 * count(9)) < 20, "{} {}", count(0), count(9));
    }
}
