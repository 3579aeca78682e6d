//! Records as the order of a tape gives them.

use std::slice;

use super::super::format::Record;
use super::super::leaf::{Heads, Placed};
use super::Positions;
use crate::tick::{Tick, watermark_ms};
use crate::time::EventTime;

/// A record in the merged order of a tape, where it was decoded; what the order gives its tick is beside it.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    pub(super) record: &'a Record,
    pub(super) found: Found,
    /// When it is due by the schedule, from its beginning, if there is one.
    pub due: Option<u64>,
}

/// What a record is given by the order of a tape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub seq: u64,
    pub watermark_ms: i64,
    pub clock: EventTime,
}

impl Found {
    #[inline(always)]
    pub fn tick(self, record: &Record) -> Tick {
        Tick { seq: self.seq, watermark_ms: self.watermark_ms, ..record.tick }
    }

    pub fn placed(self, record: &Record) -> Placed {
        Placed { record: Record { tick: self.tick(record), ..*record }, clock: self.clock }
    }
}

impl Due<'_> {
    /// The record's tick, with its sequence number and watermark.
    #[inline(always)]
    pub fn tick(&self) -> Tick {
        self.found.tick(self.record)
    }

    /// When the record's line was due, in nanoseconds since the epoch by its sender's clock, if it says so.
    pub fn carried(&self) -> Option<i64> {
        self.record.due
    }

    /// The clock of the record's partition.
    pub fn clock(&self) -> EventTime {
        self.found.clock
    }

    /// The record with its tick, and the clock.
    pub fn placed(&self) -> Placed {
        self.found.placed(self.record)
    }
}

/// The next records of a tape. All of them have been gone to, whether they are taken or not.
pub enum Ready<'a> {
    /// The next one, or none at the end.
    One(Option<Due<'a>>),
    /// Records of one partition that come one after the other, without a schedule.
    Plain(Plain<'a>),
}

/// Records of a partition, and where its clock stands before the next of them.
pub struct Plain<'a> {
    records: slice::Iter<'a, Record>,
    positions: &'a mut Positions,
    clock: EventTime,
    disorder: i64,
}

impl<'a> Ready<'a> {
    #[inline(always)]
    pub(super) fn plain(heads: Heads, records: &'a [Record], positions: &'a mut Positions) -> Self {
        let Heads { clock, disorder, .. } = heads;
        Ready::Plain(Plain { records: records.iter(), positions, clock, disorder })
    }
}

impl<'a> Iterator for Plain<'a> {
    type Item = Due<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Due<'a>> {
        let record = self.records.next()?;
        self.clock = self.clock.max(record.tick.ts_event);
        let seq = self.positions.number(&record.tick, record.has_seq);
        let watermark_ms = watermark_ms(self.clock.saturating_sub(self.disorder));
        Some(Due { record, found: Found { seq, watermark_ms, clock: self.clock }, due: None })
    }
}

impl<'a> Iterator for Ready<'a> {
    type Item = Due<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Due<'a>> {
        match self {
            Ready::Plain(plain) => plain.next(),
            Ready::One(one) => one.take(),
        }
    }

    #[inline(always)]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Ready::Plain(plain) => plain.records.len(),
            Ready::One(one) => usize::from(one.is_some()),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Ready<'_> {}
