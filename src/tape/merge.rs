use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::controls::{Controls, Selection, Shortened, Silences};
use super::faults::{Faults, Faulty, Strikes};
use super::leaf::{Leaf, Placed};
use super::pace::Timetable;
use crate::error::Result;
use crate::lateness::Sessions;
use crate::tick::{Names, Tick};
use crate::time::{EventTime, SECOND};

/// Of more partitions than this, those whose time has not come are closed again.
const OPEN_AT_ONCE: usize = 64;

/// A record in the merged order of a tape.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// The record, with its sequence number, and its partition's clock.
    pub placed: Placed,
    /// When it is due by the schedule, from its beginning, if there is one.
    pub due: Option<u64>,
}

/// The place of each tick among its symbol's, which stands in for a sequence number.
#[derive(Clone, Debug, Default)]
pub struct Positions(Vec<u64>);

impl Positions {
    /// Counts the next tick, and numbers it if it has no number of its own.
    pub fn number(&mut self, tick: &mut Tick, has_seq: bool) {
        let symbol = tick.symbol.0 as usize;
        if self.0.len() <= symbol {
            self.0.resize(symbol + 1, 0);
        }
        if !has_seq {
            tick.seq = self.0[symbol];
        }
        self.0[symbol] += 1;
    }
}

/// Merges partitions by time: by each one's highest event time so far, ties by the order of the partitions.
/// A partition's own order is kept, disorder and all, and due times never go back.
pub struct Merge {
    leaves: Vec<Leaf>,
    heads: Vec<Option<Placed>>,
    order: BinaryHeap<Reverse<(EventTime, usize)>>,
    primed: bool,
    positions: Positions,
    index: u64,
    limit: u64,
    ends_at: u64,
    selection: Selection,
    silences: Option<Shortened>,
    faulty: Option<Faulty>,
    open: Option<Open>,
    again: Option<Again>,
    /// Records of this pass that are earlier are passed over.
    from: EventTime,
    /// How far each symbol was numbered when the pass began.
    numbered_before: Positions,
    /// The next record, where it was looked for already.
    ready: Option<Placed>,
}

/// Opens the tape's partitions once more.
type Open = Box<dyn FnMut() -> Result<Vec<Leaf>> + Send>;

/// A tape that is played over and over.
struct Again {
    sessions: Sessions,
    /// The clocks of the first and the last record of a pass.
    span: Option<(EventTime, EventTime)>,
    /// How much later this pass is than the first one.
    shift: i64,
}

const DAY: i64 = 86_400 * SECOND;

impl Merge {
    /// A merge of `leaves` that ends after `limit` records, and before the first that is due
    /// `ends_at` nanoseconds after the schedule's beginning.
    pub fn new(leaves: Vec<Leaf>, limit: u64, ends_at: u64) -> Self {
        let heads = leaves.iter().map(|_| None).collect();
        let order = BinaryHeap::new();
        Merge {
            leaves,
            heads,
            order,
            primed: false,
            positions: Positions::default(),
            index: 0,
            limit,
            ends_at,
            selection: Selection::default(),
            silences: None,
            faulty: None,
            open: None,
            again: None,
            from: EventTime::MIN,
            numbered_before: Positions::default(),
            ready: None,
        }
    }

    /// The same of a part of the tape, with its silences shortened in the schedule and with faults, which are counted.
    pub fn controlled(mut self, controls: &Controls, names: &Arc<Names>, strikes: &Strikes) -> Self {
        self.selection = controls.selection(names);
        let shortens = !matches!(controls.silences, Silences::Preserve);
        self.silences = shortens.then(|| Shortened::new(controls.silences.clone()));
        let fails = controls.faults != Faults::default();
        self.faulty = fails.then(|| Faulty::new(controls.faults, strikes.clone()));
        self
    }

    /// The same of partitions that `open` opens anew, for another pass or to go back.
    pub fn opened_by(mut self, open: Open) -> Self {
        self.open = Some(open);
        self
    }

    /// The same over and over, if it can be opened anew: each pass is later by as many days as the first one has from
    /// its first session to its last.
    pub fn again(mut self, sessions: Sessions) -> Self {
        self.again = Some(Again { sessions, span: None, shift: 0 });
        self
    }

    /// Goes on with the next record whose clock is `to` or later; to go back, this pass is begun anew, where the tape
    /// can be opened anew. The record that came last was not played.
    ///
    /// # Errors
    /// When an input cannot be opened.
    pub fn seek(&mut self, to: EventTime, is_back: bool) -> Result<()> {
        self.index = self.index.saturating_sub(1);
        (self.from, self.ready) = (to, None);
        self.silences.iter_mut().for_each(Shortened::restart);
        if is_back && self.reopen()? {
            self.faulty.iter_mut().for_each(Faulty::restart);
            self.positions = self.numbered_before.clone();
        }
        Ok(())
    }

    /// The event time that the merged tape, or its selected part, begins with, or `None` if it is empty.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub fn first(&mut self) -> Result<Option<EventTime>> {
        self.prime()?;
        if self.ready.is_none() {
            self.ready = self.faultless_or_not()?;
        }
        Ok(self.ready.as_ref().map(|placed| placed.clock))
    }

    /// Whether the next record, or the end, is here already. A merge of several partitions needs the head of each.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub fn is_buffered(&mut self) -> Result<bool> {
        if self.index == self.limit {
            return Ok(true);
        }
        for leaf in &mut self.leaves {
            if !leaf.is_buffered()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next record by time.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub fn next(&mut self, timetable: &mut Timetable) -> Result<Option<Due>> {
        if self.index == self.limit {
            return Ok(None);
        }
        let placed = match self.ready.take() {
            Some(placed) => Some(placed),
            None => self.faultless_or_not()?,
        };
        let Some(placed) = placed else { return Ok(None) };
        let clock = self.silences.as_mut().map_or(placed.clock, |silences| silences.place(placed.clock));
        let mut due = timetable.due(clock);
        if let (Some(faulty), Some(due)) = (&mut self.faulty, &mut due) {
            *due = faulty.jittered(*due, &placed);
        }
        if due.is_some_and(|due| due >= self.ends_at) {
            self.limit = self.index;
            return Ok(None);
        }
        self.index += 1;
        Ok(Some(Due { placed, due }))
    }

    /// The next record after faults, if there are any, from where the tape was sought.
    #[inline]
    fn faultless_or_not(&mut self) -> Result<Option<Placed>> {
        loop {
            let next = if self.faulty.is_none() { self.selected()? } else { self.struck()? };
            if next.is_none_or(|placed| placed.clock >= self.from) {
                return Ok(next);
            }
        }
    }

    /// The next record after faults. What is passed over is struck, too, since some of it may come late.
    fn struck(&mut self) -> Result<Option<Placed>> {
        loop {
            if let Some(placed) = self.faulty.as_mut().and_then(Faulty::pop) {
                return Ok(Some(placed));
            }
            let next = self.selected()?;
            let Some(faulty) = &mut self.faulty else { return Ok(next) };
            match next {
                Some(placed) => faulty.push(placed, self.from),
                None => {
                    faulty.end();
                    return Ok(faulty.pop());
                }
            }
        }
    }

    /// The next record of the selected part, in this pass or the next.
    #[inline]
    fn selected(&mut self) -> Result<Option<Placed>> {
        loop {
            let Some(mut placed) = self.in_order()?.filter(|placed| !self.selection.is_over(placed.clock)) else {
                if self.begin_again()? {
                    continue;
                }
                return Ok(None);
            };
            self.positions.number(&mut placed.record.tick, placed.record.has_seq);
            if !self.selection.has(&placed) {
                continue;
            }
            if let Some(again) = &mut self.again {
                again.span = Some((again.span.map_or(placed.clock, |(first, _)| first), placed.clock));
                placed.clock += again.shift;
                placed.record.tick.ts_event += again.shift;
                placed.record.ts_recv = placed.record.ts_recv.map(|ts_recv| ts_recv + again.shift);
            }
            return Ok(Some(placed));
        }
    }

    /// Opens the tape for its next pass, if it is played over and over. A pass of nothing is not played again.
    #[cold]
    fn begin_again(&mut self) -> Result<bool> {
        let Some(again) = &mut self.again else { return Ok(false) };
        let Some((first, last)) = again.span.take() else { return Ok(false) };
        let (first, last) = (again.sessions.of(first).0, again.sessions.of(last).1);
        // Days of 23 and 25 hours make no difference to how many there are.
        again.shift += (last - first + DAY / 2) / DAY * DAY;
        self.numbered_before = self.positions.clone();
        self.reopen()
    }

    /// Opens the tape anew; false if it cannot be.
    fn reopen(&mut self) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        self.leaves = open()?;
        self.heads = self.leaves.iter().map(|_| None).collect();
        (self.primed, self.order) = (false, BinaryHeap::new());
        Ok(true)
    }

    /// The next record of all partitions.
    #[inline]
    fn in_order(&mut self) -> Result<Option<Placed>> {
        // A single partition needs no look ahead, which a live one could not give.
        if self.leaves.len() == 1 && !self.primed {
            return self.leaves[0].next_record();
        }
        self.prime()?;
        self.pop()
    }

    fn prime(&mut self) -> Result<()> {
        if !self.primed {
            self.primed = true;
            for leaf in 0..self.leaves.len() {
                self.refill(leaf)?;
                if self.leaves.len() > OPEN_AT_ONCE {
                    self.leaves[leaf].set_aside();
                }
            }
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Option<Placed>> {
        let Some(Reverse((_, leaf))) = self.order.pop() else { return Ok(None) };
        let placed = self.heads[leaf].take();
        self.refill(leaf)?;
        Ok(placed)
    }

    fn refill(&mut self, leaf: usize) -> Result<()> {
        self.heads[leaf] = self.leaves[leaf].next_record()?;
        if let Some(head) = &self.heads[leaf] {
            self.order.push(Reverse((head.clock, leaf)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::super::format::{Columns, Decoder, Format};
    use super::super::{Pace, PartitionRules, Rejects};
    use super::*;

    /// Partitions of these event times, in hours; a record's price tells its partition and its place in it.
    fn leaves(partitions: &[Vec<i64>], symbols: &Arc<Names>) -> Vec<Leaf> {
        let leaf = |(p, hours): (usize, &Vec<i64>)| {
            let lines =
                hours.iter().enumerate().map(|(i, hour)| format!("{},S{},{},1\n", hour * HOUR, i % 2, price(p, i)));
            let text = "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>();
            let columns = Columns::new(&[], TimeZone::UTC, symbols.clone(), Arc::default());
            let rules = PartitionRules { disorder: 0, max_jump: i64::MAX };
            let decoder = Decoder::new(Some(Format::Csv), columns);
            Leaf::pipe("test", Box::new(Cursor::new(text.into_bytes())), decoder, rules, Rejects::default())
        };
        partitions.iter().enumerate().map(leaf).collect()
    }

    fn price(partition: usize, place: usize) -> usize {
        1 + partition * 1000 + place
    }

    const HOUR: i64 = 3_600 * SECOND;

    proptest! {
        #[test]
        fn a_part_of_a_merged_tape_over_and_over_is_that_part_of_all_records_by_time(
            partitions in prop::collection::vec(prop::collection::vec(0i64..100, 0..30), 1..5),
            (start, end) in (prop::option::of(0i64..100), prop::option::of(0i64..100)),
            only_first: bool,
            most in prop::option::of(1i64..40),
        ) {
            let symbols = Arc::new(Names::default());
            // All records by the clocks of their partitions, ties by partition.
            let mut read = Vec::new();
            for (p, hours) in partitions.iter().enumerate() {
                let mut clock = 0;
                for (i, hour) in hours.iter().enumerate() {
                    clock = clock.max(*hour);
                    read.push((clock, p, i, *hour));
                }
            }
            read.sort_unstable();
            read.retain(|(clock, ..)| end.is_none_or(|end| *clock < end));
            // Those that are read are numbered, whether they are played or not.
            let mut counts = [0u64; 2];
            let mut expected = Vec::new();
            for (clock, p, i, hour) in read {
                let seq = counts[i % 2];
                counts[i % 2] += 1;
                if start.is_none_or(|start| clock >= start) && (!only_first || i % 2 == 0) {
                    expected.push((clock, p, i, hour, seq));
                }
            }
            let days = match (expected.first(), expected.last()) {
                (Some(first), Some(last)) => last.0 / 24 - first.0 / 24 + 1,
                _ => 0,
            };
            let passes = (0..3).flat_map(|pass| expected.iter().map(move |record| (record, pass)));
            let passes: Vec<_> = passes.collect();
            let (mut now, mut last) = (0, None::<i64>);
            let expected: Vec<(i64, i64, i64, u64, u64)> = passes
                .iter()
                .map(|((clock, p, i, hour, seq), pass)| {
                    let shift = pass * days * 24;
                    let clock = clock + shift;
                    now += last.map_or(0, |last: i64| (clock - last).min(most.unwrap_or(i64::MAX)));
                    last = Some(clock);
                    let seq = seq + *pass as u64 * counts[i % 2];
                    (clock * HOUR, (hour + shift) * HOUR, price(*p, *i) as i64, seq, (now * HOUR) as u64)
                })
                .collect();

            let controls = Controls {
                start: start.map(|hour| hour * HOUR),
                end: end.map(|hour| hour * HOUR),
                symbols: only_first.then(|| "S0".to_owned()).into_iter().collect(),
                silences: most.map_or(Silences::Preserve, |most| Silences::Compress(most * HOUR)),
                ..Controls::default()
            };
            let mut merge = Merge::new(leaves(&partitions, &symbols), expected.len() as u64, u64::MAX)
                .controlled(&controls, &symbols, &Strikes::default())
                .opened_by({
                    let (partitions, symbols) = (partitions.clone(), symbols.clone());
                    Box::new(move || Ok(leaves(&partitions, &symbols)))
                })
                .again(Sessions::new(TimeZone::UTC));
            let origin = merge.first().unwrap().unwrap_or(0);
            let mut timetable = Pace::Speed { origin, speed: 1.0 }.timetable();
            let mut played = Vec::new();
            while let Some(Due { placed, due }) = merge.next(&mut timetable).unwrap() {
                let tick = placed.record.tick;
                played.push((placed.clock, tick.ts_event, tick.price.0 / 1_000_000_000, tick.seq, due.unwrap()));
            }
            prop_assert_eq!(played, expected);
        }

        #[test]
        fn a_seek_plays_what_would_have_come_from_there(
            partitions in prop::collection::vec(prop::collection::vec(0i64..100, 1..30), 1..4),
            seeks in prop::collection::vec((1usize..40, 0i64..250, any::<bool>()), 1..4),
        ) {
            let symbols = Arc::new(Names::default());
            let merge = || {
                let (partitions, symbols) = (partitions.clone(), symbols.clone());
                Merge::new(leaves(&partitions, &symbols), 400, u64::MAX)
                    .opened_by(Box::new(move || Ok(leaves(&partitions, &symbols))))
                    .again(Sessions::new(TimeZone::UTC))
            };
            let next = |merge: &mut Merge| {
                let placed = merge.next(&mut Pace::AsRead.timetable()).unwrap().unwrap().placed;
                let tick = placed.record.tick;
                (placed.clock, tick.ts_event, tick.symbol, tick.seq, tick.price)
            };
            let mut undisturbed = merge();
            let all: Vec<_> = (0..400).map(|_| next(&mut undisturbed)).collect();
            let records: usize = partitions.iter().map(Vec::len).sum();
            let mut sought = merge();
            let mut at = 0;
            for (count, to, is_back) in seeks {
                for _ in 0..count {
                    if at < 300 {
                        prop_assert_eq!(next(&mut sought), all[at]);
                        at += 1;
                    }
                }
                // Forwards from the one that comes next; back, from the first one of this pass.
                let from = if is_back { (at - 1) / records * records } else { at };
                let Some(found) = all[from..350].iter().position(|(clock, ..)| *clock >= to * HOUR) else { break };
                at = from + found;
                sought.seek(to * HOUR, is_back).unwrap();
            }
        }
    }
}
