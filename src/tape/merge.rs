use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::leaf::{Leaf, Placed};
use super::pace::Timetable;
use crate::error::Result;
use crate::tick::Tick;
use crate::time::EventTime;

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
}

impl Merge {
    /// A merge of `leaves` that ends after `limit` records, and before the first that is due
    /// `ends_at` nanoseconds after the schedule's beginning.
    pub fn new(leaves: Vec<Leaf>, limit: u64, ends_at: u64) -> Self {
        let heads = leaves.iter().map(|_| None).collect();
        let order = BinaryHeap::new();
        Merge { leaves, heads, order, primed: false, positions: Positions::default(), index: 0, limit, ends_at }
    }

    /// The event time that the merged tape begins with, or `None` if it is empty.
    ///
    /// # Errors
    /// When an input cannot be read.
    pub fn first(&mut self) -> Result<Option<EventTime>> {
        self.prime()?;
        Ok(self.order.peek().map(|Reverse((clock, _))| *clock))
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
        // A single partition needs no look ahead, which a live one could not give.
        let placed = if self.leaves.len() == 1 && !self.primed {
            self.leaves[0].next_record()?
        } else {
            self.prime()?;
            self.pop()?
        };
        let Some(mut placed) = placed else { return Ok(None) };
        let due = timetable.due(placed.clock);
        if due.is_some_and(|due| due >= self.ends_at) {
            self.limit = self.index;
            return Ok(None);
        }
        self.index += 1;
        self.positions.number(&mut placed.record.tick, placed.record.has_seq);
        Ok(Some(Due { placed, due }))
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
