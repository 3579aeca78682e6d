//! Partitions, merged by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::super::format::Record;
use super::super::leaf::{Head, Heads, Leaf};
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
    /// Whose record is the [head](ByTime::head).
    at: usize,
    /// It is that of the first in order, which goes on before another head is found.
    is_taken: bool,
    /// Where they can be opened anew.
    pub open: Option<Open>,
}

impl ByTime {
    pub fn new(leaves: Vec<Leaf>) -> Self {
        ByTime { leaves, order: BinaryHeap::new(), primed: false, at: 0, is_taken: false, open: None }
    }

    /// Opens them anew, and begins with the first record; false if that cannot be done.
    pub fn reopen(&mut self) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        self.leaves = open()?;
        (self.primed, self.order, self.at) = (false, BinaryHeap::new(), 0);
        Ok(true)
    }

    /// Reads no more: what is left is what waits to be confirmed.
    pub fn end(&mut self) {
        self.leaves.iter_mut().for_each(Leaf::end);
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

    /// Goes on to the next record by time, which is the [head](ByTime::head) then; false at the end.
    #[inline(always)]
    pub fn advance(&mut self) -> Result<bool> {
        // A single partition needs no look ahead, which a live one could not give.
        if let [leaf] = &mut self.leaves[..]
            && !self.primed
        {
            return Ok(leaf.advance()?.is_some());
        }
        self.advance_first()
    }

    fn advance_first(&mut self) -> Result<bool> {
        self.prime()?;
        if std::mem::replace(&mut self.is_taken, true)
            && let Some(mut first) = self.order.peek_mut()
        {
            // As long as its records are the earliest ones, the partition stays where it is.
            match self.leaves[first.0.1].advance()? {
                Some(clock) => first.0.0 = clock,
                None => _ = PeekMut::pop(first),
            }
        }
        let Some(first) = self.order.peek() else { return Ok(false) };
        self.at = first.0.1;
        Ok(true)
    }

    /// Whether another record of the [head](ByTime::head)'s partition was decoded.
    #[inline(always)]
    pub fn has_decoded(&self) -> bool {
        self.leaves.get(self.at).is_some_and(Leaf::has_decoded)
    }

    /// Goes on to those of the next records that are there without another look, `most` of them at most: they are of the
    /// partition whose record was the [head](ByTime::head) last.
    #[inline(always)]
    pub fn advance_all(&mut self, most: usize) -> Heads {
        if !self.primed {
            let [leaf] = &mut self.leaves[..] else { return Heads::default() };
            return leaf.advance_all(most, EventTime::MAX);
        }
        let ([Reverse((_, at)), others @ ..], true) = (self.order.as_slice(), self.is_taken) else {
            return Heads::default();
        };
        // Of the others in a heap, the second or third one is the first.
        let until = others.iter().take(2).map(|Reverse((clock, other))| clock - i64::from(other < at)).min();
        // The heap learns its clock when it goes on from there, as that of a record that was taken.
        self.leaves[*at].advance_all(most, until.unwrap_or(EventTime::MAX))
    }

    /// The last so many records that were gone to.
    #[inline(always)]
    pub fn last(&self, count: usize) -> &[Record] {
        self.leaves[self.at].last(count)
    }

    /// The record that was gone to last.
    #[inline(always)]
    pub fn head(&mut self) -> Option<Head<'_>> {
        self.leaves.get_mut(self.at)?.head()
    }

    /// Looks at the first record of each.
    pub fn prime(&mut self) -> Result<()> {
        if !self.primed {
            (self.primed, self.is_taken) = (true, false);
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
