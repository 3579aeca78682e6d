//! Records in their partition's order.

use super::super::format::Record;
use crate::time::EventTime;

/// A record in its partition's order.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// The record; its tick's watermark is set.
    pub record: Record,
    /// The partition's highest event time so far, this record's included.
    pub clock: EventTime,
}

/// The record that a partition has come to, where it was decoded: it is large, and its tick is copied from there.
pub(in super::super) struct Head<'a> {
    pub record: &'a mut Record,
    /// The partition's highest event time so far, this record's included.
    pub clock: EventTime,
    /// Where the partition's watermark stands with it.
    pub watermark: EventTime,
}

/// Records that a partition has come to one after the other.
#[derive(Clone, Copy, Default)]
pub(in super::super) struct Heads {
    pub count: usize,
    /// The partition's highest event time before them.
    pub clock: EventTime,
    /// So far behind the clock the watermark stands, in nanoseconds.
    pub disorder: i64,
}
