//! The records of a tape as they are played: merged by time, numbered, a part of them or over and over, with faults,
//! and each with the time at which it is due.

mod by_time;
mod due;

use std::sync::Arc;

use super::controls::{Controls, Selection, Shortened, Silences};
use super::faults::{Faults, Faulty, Strikes};
use super::format::Record;
use super::format::values::in_range;
use super::leaf::{Head, Heads, Leaf, Placed};
use super::pace::Timetable;
use crate::error::{Error, Result};
use crate::lateness::Sessions;
use crate::tick::{Names, Tick, watermark_ms};
use crate::time::{EventTime, SECOND};
use by_time::{ByTime, Open};
use due::Found;
pub use due::{Due, Ready};

/// The place of each tick among its symbol's, which stands in for a sequence number.
#[derive(Clone, Debug, Default)]
pub struct Positions(Vec<u64>);

impl Positions {
    /// Counts the next tick, and returns its number, which is its place if it has none of its own.
    #[inline]
    pub fn number(&mut self, tick: &Tick, has_seq: bool) -> u64 {
        let symbol = tick.symbol.0 as usize;
        if self.0.len() <= symbol {
            self.0.resize(symbol + 1, 0);
        }
        let place = self.0[symbol];
        self.0[symbol] += 1;
        if has_seq { tick.seq } else { place }
    }
}

/// Merges partitions by time: by each one's highest event time so far, ties by the order of the partitions.
/// A partition's own order is kept, disorder and all, and due times never go back.
pub struct Merge {
    partitions: ByTime,
    positions: Positions,
    index: u64,
    limit: u64,
    ends_at: u64,
    selection: Selection,
    silences: Option<Shortened>,
    faulty: Option<Faulty>,
    again: Option<Again>,
    /// Records of this pass that are earlier are passed over.
    from: EventTime,
    /// How far each symbol was numbered when the pass began.
    numbered_before: Positions,
    /// The record that was looked for last is the head of the partitions, or this one where there are faults.
    struck: Option<Placed>,
    /// What is known of it where it was looked for before it was wanted.
    found: Option<Found>,
}

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
        Merge {
            partitions: ByTime::new(leaves),
            positions: Positions::default(),
            index: 0,
            limit,
            ends_at,
            selection: Selection::default(),
            silences: None,
            faulty: None,
            again: None,
            from: EventTime::MIN,
            numbered_before: Positions::default(),
            struck: None,
            found: None,
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
        self.partitions.open = Some(open);
        self
    }

    /// The same over and over, if it can be opened anew: each pass is later by as many days as the first one has from
    /// its first session to its last.
    pub fn again(mut self, sessions: Sessions) -> Self {
        self.again = Some(Again { sessions, span: None, shift: 0 });
        self
    }

    /// Whether it can go back, which takes a tape that can be opened anew.
    pub fn goes_back(&self) -> bool {
        self.partitions.open.is_some()
    }

    /// Goes on with the next record whose clock is `to` or later; to go back, this pass is begun anew. The record that
    /// came last was not played.
    ///
    /// # Errors
    /// When an input cannot be opened.
    pub fn seek(&mut self, to: EventTime, is_back: bool) -> Result<()> {
        self.index = self.index.saturating_sub(1);
        (self.from, self.found) = (to, None);
        self.silences.iter_mut().for_each(Shortened::restart);
        if is_back && self.partitions.reopen()? {
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
        self.partitions.prime()?;
        if self.found.is_none() {
            self.found = self.find()?;
        }
        Ok(self.found.map(|found| found.clock))
    }

    /// Reads no more: what is left are records that wait to be confirmed.
    pub fn end(&mut self) {
        self.partitions.end();
    }

    /// Whether the next record, or the end, is here already. A merge of several partitions needs the head of each.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub fn is_buffered(&mut self) -> Result<bool> {
        if self.index == self.limit || self.found.is_some() {
            return Ok(true);
        }
        self.partitions.is_buffered()
    }

    /// The next record by time.
    ///
    /// # Errors
    /// When an input cannot be read.
    #[inline(always)]
    pub fn next(&mut self, timetable: &mut Timetable) -> Result<Option<Due<'_>>> {
        if self.index == self.limit {
            return Ok(None);
        }
        let found = match self.found.take() {
            None => self.find()?,
            found => found,
        };
        let Some(found) = found else { return Ok(None) };
        let clock = self.silences.as_mut().map_or(found.clock, |silences| silences.place(found.clock));
        let mut due = timetable.due(clock);
        if let (Some(faulty), Some(struck), Some(due)) = (&mut self.faulty, &self.struck, &mut due) {
            *due = faulty.jittered(*due, struck);
        }
        if due.is_some_and(|due| due >= self.ends_at) {
            self.limit = self.index;
            return Ok(None);
        }
        self.index += 1;
        let record = match &self.struck {
            Some(struck) => Some(&struck.record),
            None => self.partitions.head().map(|head| &*head.record),
        };
        Ok(record.map(|record| Due { record, found, due }))
    }

    /// The next records by time, `most` of them at most: one, or all that are there without another look; none at the end.
    ///
    /// # Errors
    /// When an input cannot be read.
    #[inline(always)]
    pub fn ready(&mut self, timetable: &mut Timetable, most: usize) -> Result<Ready<'_>> {
        let plain = if self.is_plain(timetable) { self.advance_all(most) } else { Heads::default() };
        if plain.count > 0 {
            return Ok(Ready::plain(plain, self.partitions.last(plain.count), &mut self.positions));
        }
        self.next(timetable).map(Ready::One)
    }

    /// Whether the tape is played whole, as it is and without a schedule, and a record is there without another look.
    /// Where a line is decoded after the other, that is all it costs.
    #[inline(always)]
    fn is_plain(&self, timetable: &Timetable) -> bool {
        self.partitions.has_decoded()
            && self.found.is_none()
            && self.faulty.is_none()
            && self.again.is_none()
            && self.from == EventTime::MIN
            && self.selection.is_all()
            && timetable.is_as_read()
    }

    #[inline(always)]
    fn advance_all(&mut self, most: usize) -> Heads {
        let most = usize::try_from(self.limit - self.index).map_or(most, |left| left.min(most));
        let heads = self.partitions.advance_all(most);
        self.index += heads.count as u64;
        heads
    }

    /// Finds the next record after faults, if there are any, from where the tape was sought.
    #[inline(always)]
    fn find(&mut self) -> Result<Option<Found>> {
        loop {
            let found = if self.faulty.is_none() { self.select()? } else { self.strike()? };
            if found.is_none_or(|found| found.clock >= self.from) {
                return Ok(found);
            }
        }
    }

    /// Finds the next record after faults. What is passed over is struck, too, since some of it may come late.
    fn strike(&mut self) -> Result<Option<Found>> {
        loop {
            self.struck = self.faulty.as_mut().and_then(Faulty::pop);
            if self.struck.is_some() {
                break;
            }
            let found = self.select()?;
            let Some(faulty) = &mut self.faulty else { return Ok(found) };
            match found.zip(self.partitions.head()) {
                Some((found, head)) => faulty.push(found.placed(head.record), self.from),
                None => {
                    faulty.end();
                    self.struck = faulty.pop();
                    break;
                }
            }
        }
        Ok(self.struck.map(|Placed { record: Record { tick, .. }, clock }| {
            let Tick { seq, watermark_ms, .. } = tick;
            Found { seq, watermark_ms, clock }
        }))
    }

    /// Finds the next record of the selected part, in this pass or the next.
    #[inline(always)]
    fn select(&mut self) -> Result<Option<Found>> {
        loop {
            let head = if self.partitions.advance()? { self.partitions.head() } else { None };
            let Some(head) = head else {
                if self.begin_again()? {
                    continue;
                }
                return Ok(None);
            };
            let Head { record, mut clock, mut watermark } = head;
            let seq = self.positions.number(&record.tick, record.has_seq);
            if !self.selection.has(&record.tick) {
                continue;
            }
            if let Some(again) = &mut self.again {
                again.span = Some((again.span.map_or(clock, |(first, _)| first), clock));
                (clock, watermark) = (clock + again.shift, watermark + again.shift);
                record.tick.ts_event += again.shift;
                record.ts_recv = record.ts_recv.map(|ts_recv| ts_recv.saturating_add(again.shift));
            }
            return Ok(Some(Found { seq, watermark_ms: watermark_ms(watermark), clock }));
        }
    }

    /// Opens the tape for its next pass, if it is played over and over. A pass of nothing is not played again.
    #[cold]
    fn begin_again(&mut self) -> Result<bool> {
        let Some(again) = &mut self.again else { return Ok(false) };
        let Some((first, last)) = again.span.take() else { return Ok(false) };
        let (begin, end) = (again.sessions.of(first).0, again.sessions.of(last).1);
        // Days of 23 and 25 hours make no difference to how many there are.
        again.shift += (end - begin + DAY / 2) / DAY * DAY;
        in_range(last.saturating_add(again.shift)).map_err(|why| {
            Error::Input(format!("the tape {why} when it is played once more: loop it less often, by a limit"))
        })?;
        self.numbered_before = self.positions.clone();
        self.partitions.reopen()
    }
}

#[cfg(test)]
mod tests;
