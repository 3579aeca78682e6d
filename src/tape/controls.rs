//! Which part of a tape is played, and how: all of it by what the tape says, so that no clock has a part in it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::str::FromStr;

use super::leaf::Placed;
use crate::lateness::Sessions;
use crate::tick::{Symbol, Tick, mix};
use crate::time::{EventTime, SECOND};

/// What is played, by the clock of each record's partition, so that it is one piece of the merged tape.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The time to begin with.
    pub start: Option<EventTime>,
    /// The time to end before.
    pub end: Option<EventTime>,
    /// The symbols to play; else all.
    pub symbols: Option<HashSet<Symbol>>,
}

impl Selection {
    pub(super) fn has(&self, placed: &Placed) -> bool {
        let tick = &placed.record.tick;
        self.start.is_none_or(|start| placed.clock >= start)
            && self.symbols.as_ref().is_none_or(|symbols| symbols.contains(&tick.symbol))
    }

    pub(super) fn is_over(&self, clock: EventTime) -> bool {
        self.end.is_some_and(|end| clock >= end)
    }
}

/// What a schedule does with silences of the tape.
#[derive(Clone, Debug)]
pub enum Silences {
    /// They last as long as they did.
    Preserve,
    /// None lasts longer than this, in nanoseconds of event time.
    Compress(i64),
    /// The one between two sessions lasts a second; others last as long as they did.
    SkipOvernight(Sessions),
}

/// Event time with its silences shortened.
#[derive(Clone, Debug)]
pub(super) struct Shortened {
    silences: Silences,
    last: Option<EventTime>,
    skipped: i64,
}

impl Shortened {
    pub fn new(silences: Silences) -> Self {
        Shortened { silences, last: None, skipped: 0 }
    }

    /// The place of `clock`, which does not go back, in the shortened time.
    pub fn place(&mut self, clock: EventTime) -> EventTime {
        if let Some(last) = self.last.replace(clock) {
            let gap = clock.saturating_sub(last);
            let most = match &self.silences {
                Silences::Preserve => gap,
                Silences::Compress(most) => *most,
                Silences::SkipOvernight(sessions) if sessions.of(last) != sessions.of(clock) => SECOND,
                Silences::SkipOvernight(_) => gap,
            };
            self.skipped += (gap - most).max(0);
        }
        clock - self.skipped
    }
}

/// A part of all records, from 0 to 1, written as in `0.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part(pub f64);

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        match number.filter(|percent| (0.0..=100.0).contains(percent)) {
            Some(percent) => Ok(Part(percent / 100.0)),
            None => Err("is not a part of all records; write for example 0.5%".into()),
        }
    }
}

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Struck {
    /// Lost ones.
    pub dropped: u64,
    /// Those that came twice.
    pub duplicated: u64,
    /// Those that came late.
    pub late: u64,
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
    pub struck: Struck,
    /// When the last one was due.
    due: u64,
}

impl Faulty {
    pub fn new(faults: Faults) -> Self {
        Faulty { faults, ..Faulty::default() }
    }

    /// The next record that comes.
    pub fn pop(&mut self) -> Option<Placed> {
        self.out.pop_front()
    }

    /// A record sets out, in merged order. Late ones whose time has come go before it.
    pub fn push(&mut self, placed: Placed) {
        self.release(placed.clock);
        let (faults, tick) = (self.faults, &placed.record.tick);
        if faults.strikes(faults.drop, 1, tick) {
            self.struck.dropped += 1;
            return;
        }
        if faults.strikes(faults.late, 2, tick) {
            self.struck.late += 1;
            self.held.entry(placed.clock.saturating_add(faults.late_by)).or_default().push(placed);
        } else {
            self.out.push_back(placed);
        }
        if faults.strikes(faults.duplicate, 3, tick) {
            self.struck.duplicated += 1;
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
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::super::format::Record;
    use super::*;
    use crate::tick::{Kind, Price, Venue};

    fn placed(ts_event: EventTime, seq: u64) -> Placed {
        let tick = Tick {
            ts_event,
            seq,
            price: Price(1),
            ref_seq: 0,
            size: 1,
            ask_size: 0,
            symbol: Symbol(0),
            watermark_lead_ms: 0,
            recv_lag: Tick::NOT_RECEIVED,
            venue: Venue(0),
            kind: Kind::Trade,
        };
        let (side, conditions) = Default::default();
        let record = Record { tick, has_seq: true, due: None, ts_recv: None, side, conditions };
        Placed { record, clock: ts_event }
    }

    #[test]
    fn silences_are_shortened_and_nothing_else() {
        let place = |silences: Silences, clocks: &[i64]| -> Vec<i64> {
            let mut shortened = Shortened::new(silences);
            clocks.iter().map(|clock| shortened.place(*clock)).collect()
        };
        let clocks = [10, 12, 30, 31, 100];
        assert_eq!(place(Silences::Preserve, &clocks), clocks);
        assert_eq!(place(Silences::Compress(5), &clocks), [10, 12, 17, 18, 23]);
        let day = 86_400 * SECOND;
        let clocks = [SECOND, day - SECOND, 2 * day + 7, 2 * day + 9];
        let shortened = [SECOND, day - SECOND, day, day + 2];
        assert_eq!(place(Silences::SkipOvernight(Sessions::new(TimeZone::UTC)), &clocks), shortened);
    }

    #[test]
    fn parts_are_percentages() {
        assert_eq!("0.5%".parse(), Ok(Part(0.005)));
        for wrong in ["0.5", "101%", "-1%", "x%", "NaN%"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn faults_strike_records_wherever_they_stand(
            steps in prop::collection::vec(0i64..50, 1..200),
            parts in [0.0..0.5, 0.0..0.5, 0.0..0.5],
            (late_by, seed, split) in (0i64..200, any::<u64>(), 1usize..5),
        ) {
            let [drop, duplicate, late] = parts.map(Part);
            let faults = Faults { drop, duplicate, late, late_by, jitter: 9, seed };
            let mut clock = 0;
            let records: Vec<Placed> =
                steps.iter().zip(0..).map(|(step, seq)| (clock += step, placed(clock, seq)).1).collect();
            let play = |records: &mut dyn Iterator<Item = &Placed>| {
                let mut faulty = Faulty::new(faults);
                let mut came = Vec::new();
                for record in records {
                    faulty.push(*record);
                    came.extend(std::iter::from_fn(|| faulty.pop()));
                }
                faulty.end();
                came.extend(std::iter::from_fn(|| faulty.pop()));
                (came, faulty.struck)
            };
            let (came, struck) = play(&mut records.iter());
            // Clocks do not go back, and a record comes at its own or at its delay after it.
            prop_assert!(came.is_sorted_by_key(|placed| placed.clock));
            for placed in &came {
                let delay = placed.clock - placed.record.tick.ts_event;
                prop_assert!(delay == 0 || delay == late_by, "{}", delay);
            }
            prop_assert_eq!(came.len() as u64, records.len() as u64 - struck.dropped + struck.duplicated);
            // Jitter holds up by its most at most, and keeps the order.
            let mut faulty = Faulty::new(faults);
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
