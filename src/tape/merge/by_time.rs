//! Partitions, merged by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

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
    /// Those that have a record, by the clock of their next one.
    order: BinaryHeap<Reverse<(EventTime, usize)>>,
    primed: bool,
    /// Where they can be opened anew.
    pub open: Option<Open>,
}

impl ByTime {
    pub fn new(leaves: Vec<Leaf>) -> Self {
        ByTime { leaves, order: BinaryHeap::new(), primed: false, open: None }
    }

    /// Opens them anew, and begins with the first record; false if that cannot be done.
    pub fn reopen(&mut self) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        self.leaves = open()?;
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

    /// Finds the next record by time, if there is one.
    #[inline]
    pub fn next(&mut self, found: &mut Option<Placed>) -> Result<()> {
        // A single partition needs no look ahead, which a live one could not give.
        if let [leaf] = &mut self.leaves[..]
            && !self.primed
        {
            *found = if leaf.advance()?.is_some() { leaf.head() } else { None };
            return Ok(());
        }
        if !self.primed {
            self.prime()?;
        }
        *found = None;
        let Some(mut first) = self.order.peek_mut() else { return Ok(()) };
        let leaf = &mut self.leaves[first.0.1];
        *found = leaf.head();
        // As long as its records are the earliest ones, the partition stays where it is.
        match leaf.advance()? {
            Some(clock) => first.0.0 = clock,
            None => _ = PeekMut::pop(first),
        }
        Ok(())
    }

    /// Looks at the first record of each.
    pub fn prime(&mut self) -> Result<()> {
        if !self.primed {
            self.primed = true;
            let are_many = self.leaves.len() > OPEN_AT_ONCE;
            for (at, leaf) in self.leaves.iter_mut().enumerate() {
                self.order.extend(leaf.advance()?.map(|clock| Reverse((clock, at))));
                if are_many {
                    leaf.set_aside();
                }
            }
        }
        Ok(())
    }
}
