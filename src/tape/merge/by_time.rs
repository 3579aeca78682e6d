//! Partitions, merged by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::leaf::{Leaf, Placed};
use crate::error::Result;
use crate::time::EventTime;

/// Of more partitions than this, those whose time has not come are closed again.
const OPEN_AT_ONCE: usize = 64;

/// Opens the tape's partitions once more.
pub(super) type Open = Box<dyn FnMut() -> Result<Vec<Leaf>> + Send>;

/// Partitions by each one's highest event time so far, ties by the order of the partitions. A partition's own order is
/// kept, disorder and all.
pub(super) struct ByTime {
    leaves: Vec<Leaf>,
    heads: Vec<Option<Placed>>,
    order: BinaryHeap<Reverse<(EventTime, usize)>>,
    primed: bool,
    /// Where they can be opened anew.
    pub open: Option<Open>,
}

impl ByTime {
    pub fn new(leaves: Vec<Leaf>) -> Self {
        let heads = leaves.iter().map(|_| None).collect();
        ByTime { leaves, heads, order: BinaryHeap::new(), primed: false, open: None }
    }

    /// Opens them anew, and begins with the first record; false if that cannot be done.
    pub fn reopen(&mut self) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        self.leaves = open()?;
        self.heads = self.leaves.iter().map(|_| None).collect();
        (self.primed, self.order) = (false, BinaryHeap::new());
        Ok(true)
    }

    /// Whether the next record, or the end, is here already. A merge of several partitions needs the head of each.
    pub fn is_buffered(&mut self) -> Result<bool> {
        for leaf in &mut self.leaves {
            if !leaf.is_buffered()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next record by time.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Placed>> {
        // A single partition needs no look ahead, which a live one could not give.
        if self.leaves.len() == 1 && !self.primed {
            return self.leaves[0].next_record();
        }
        self.prime()?;
        self.pop()
    }

    /// Looks at the first record of each.
    pub fn prime(&mut self) -> Result<()> {
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
