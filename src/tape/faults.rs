//! What goes wrong on a tape's way: records that are lost, come twice or come late, by what they say and a seed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::leaf::Placed;
use crate::tick::{Tick, mix};
use crate::time::{EventTime, MS};

/// A part of all records, from 0 to 1, written as in `0.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part(pub f64);

/// What goes wrong on the way. What happens to a record follows from the seed and from what the record says, not from
/// where it stands in the order, so that it happens to it in any partitioning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Of all records, the part that is lost; the numbers of those that are left have gaps.
    pub drop: Part,
    /// The part that comes twice.
    pub duplicate: Part,
    /// The part that comes late.
    pub late: Part,
    /// How late, in nanoseconds of event time.
    pub late_by: i64,
    /// Each is due later by up to so many nanoseconds, but in the same order.
    pub jitter: u64,
    /// What decides who is struck.
    pub seed: u64,
}

/// How many records each fault has struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Struck {
    /// Lost ones.
    pub dropped: u64,
    /// Those that came twice.
    pub duplicated: u64,
    /// Those that came late.
    pub late: u64,
}

/// The same, counted by all who read a tape.
#[derive(Clone, Debug, Default)]
pub struct Strikes(Arc<[AtomicU64; 3]>);

impl Strikes {
    /// How many there were so far.
    pub fn so_far(&self) -> Struck {
        let [dropped, duplicated, late] = [0, 1, 2].map(|fault| self.0[fault].load(Ordering::Relaxed));
        Struck { dropped, duplicated, late }
    }

    fn count(&self, fault: usize) {
        self.0[fault].fetch_add(1, Ordering::Relaxed);
    }
}

impl Faults {
    /// Whether a record is struck by the `nth` fault.
    fn strikes(&self, part: Part, nth: u64, tick: &Tick) -> bool {
        ((self.dice(nth, tick) >> 11) as f64 / (1u64 << 53) as f64) < part.0
    }

    /// A random number that follows from the seed and the record.
    fn dice(&self, nth: u64, tick: &Tick) -> u64 {
        let said = [tick.ts_event as u64, tick.seq, tick.price.0 as u64, tick.size.into(), tick.kind as u64];
        said.iter().fold(mix(self.seed.wrapping_add(nth)), |hash, word| mix(hash.rotate_left(5) ^ word))
    }
}

/// Records on a way on which things go wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Faulty {
    faults: Faults,
    /// Late ones, by the time at which they come and in their order.
    held: BTreeMap<EventTime, Vec<Placed>>,
    /// What comes next.
    out: VecDeque<Placed>,
    strikes: Strikes,
    /// When the last one was due.
    due: u64,
}

impl Faulty {
    pub fn new(faults: Faults, strikes: Strikes) -> Self {
        Faulty { faults, strikes, ..Faulty::default() }
    }

    /// Time goes on from anywhere, and nothing is on the way.
    pub fn restart(&mut self) {
        (self.held, self.out, self.due) = (BTreeMap::new(), VecDeque::new(), 0);
    }

    /// The next record that comes.
    pub fn pop(&mut self) -> Option<Placed> {
        self.out.pop_front()
    }

    /// A record sets out, in merged order; it is counted from this time on. Late ones whose time has come go before it.
    pub fn push(&mut self, placed: Placed, counted_from: EventTime) {
        self.release(placed.clock);
        let (faults, tick) = (self.faults, &placed.record.tick);
        let count = |fault| {
            if placed.clock >= counted_from {
                self.strikes.count(fault);
            }
        };
        if faults.strikes(faults.drop, 1, tick) {
            count(0);
            return;
        }
        if faults.strikes(faults.late, 2, tick) {
            count(2);
            // It comes when its partition's time, and watermark, have gone on by so much, whatever else is played then.
            let (at, mut late) = (placed.clock.saturating_add(faults.late_by), placed);
            late.record.tick.set_watermark((tick.watermark_ms * MS).saturating_add(faults.late_by));
            self.held.entry(at).or_default().push(late);
        } else {
            self.out.push_back(placed);
        }
        if faults.strikes(faults.duplicate, 3, tick) {
            count(1);
            self.out.push_back(placed);
        }
    }

    /// When a record is due that would be due at `due` if nothing held it up.
    pub fn jittered(&mut self, due: u64, placed: &Placed) -> u64 {
        let most = self.faults.jitter;
        let up = if most == 0 { 0 } else { self.faults.dice(4, &placed.record.tick) % (most + 1) };
        self.due = self.due.max(due.saturating_add(up));
        self.due
    }

    /// Nothing more sets out: what is late comes now.
    pub fn end(&mut self) {
        self.release(EventTime::MAX);
    }

    fn release(&mut self, clock: EventTime) {
        while let Some(entry) = self.held.first_entry()
            && *entry.key() <= clock
        {
            let (at, held) = entry.remove_entry();
            self.out.extend(held.into_iter().map(|placed| Placed { clock: at, ..placed }));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::format::Record;
    use super::*;
    use crate::tick::{Price, Symbol, watermark_ms};

    fn placed(ts_event: EventTime, seq: u64) -> Placed {
        let tick = Tick { watermark_ms: watermark_ms(ts_event), ..Tick::trade(Symbol(0), ts_event, seq, Price(1), 1) };
        Placed { record: Record::from(tick), clock: ts_event }
    }

    proptest! {
        #[test]
        fn faults_strike_records_wherever_they_stand(
            steps in prop::collection::vec(0i64..50, 1..200),
            parts in [0.0..0.5, 0.0..0.5, 0.0..0.5],
            (late_by, seed, split) in (0i64..200, any::<u64>(), 1usize..5),
        ) {
            let [drop, duplicate, late] = parts.map(Part);
            let late_by = late_by * MS;
            let faults = Faults { drop, duplicate, late, late_by, jitter: 9, seed };
            let mut clock = 0;
            let records: Vec<Placed> =
                steps.iter().zip(0..).map(|(step, seq)| (clock += step * MS, placed(clock, seq)).1).collect();
            let play = |records: &mut dyn Iterator<Item = &Placed>| {
                let mut faulty = Faulty::new(faults, Strikes::default());
                let mut came = Vec::new();
                for record in records {
                    faulty.push(*record, EventTime::MIN);
                    came.extend(std::iter::from_fn(|| faulty.pop()));
                }
                faulty.end();
                came.extend(std::iter::from_fn(|| faulty.pop()));
                (came, faulty.strikes.so_far())
            };
            let (came, struck) = play(&mut records.iter());
            // Clocks do not go back, and a record comes at its own or at its delay after it.
            prop_assert!(came.is_sorted_by_key(|placed| placed.clock));
            // Nor do watermarks: by them changes get their logical times, and batches their ends.
            prop_assert!(came.is_sorted_by_key(|placed| placed.record.tick.watermark_ms));
            for placed in &came {
                let delay = placed.clock - placed.record.tick.ts_event;
                prop_assert!(delay == 0 || delay == late_by, "{}", delay);
            }
            prop_assert_eq!(came.len() as u64, records.len() as u64 - struck.dropped + struck.duplicated);
            // Jitter holds up by its most at most, and keeps the order.
            let mut faulty = Faulty::new(faults, Strikes::default());
            let dues: Vec<u64> = records.iter().map(|record| faulty.jittered(record.clock as u64, record)).collect();
            prop_assert!(dues.is_sorted());
            prop_assert!(records.iter().zip(&dues).all(|(record, due)| (0..=9).contains(&(*due as i64 - record.clock))));
            // Each partition alone gives the same records, as often.
            let numbers = |came: &[Placed]| {
                let mut numbers: Vec<(u64, i64)> =
                    came.iter().map(|placed| (placed.record.tick.seq, placed.clock)).collect();
                numbers.sort_unstable();
                numbers
            };
            let parted = (0..split).flat_map(|n| play(&mut records.iter().skip(n).step_by(split)).0);
            prop_assert_eq!(numbers(&came), numbers(&parted.collect::<Vec<_>>()));
        }
    }
}
