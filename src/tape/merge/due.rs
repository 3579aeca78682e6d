//! Records as the order of a tape gives them.

use super::super::format::Record;
use super::super::leaf::Placed;
use crate::tick::Tick;
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
    pub watermark_lead_ms: i32,
    pub clock: EventTime,
}

impl Found {
    #[inline(always)]
    pub fn tick(self, record: &Record) -> Tick {
        Tick { seq: self.seq, watermark_lead_ms: self.watermark_lead_ms, ..record.tick }
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
