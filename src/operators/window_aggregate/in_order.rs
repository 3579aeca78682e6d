use std::collections::VecDeque;

use crate::aggregate::Print;
use crate::time::EventTime;
use crate::window::Window;

/// A symbol's prints by time, sequence number and, where those are equal, what they say. Each has a number, which is
/// its place in the order.
#[derive(Default)]
pub struct InOrder {
    prints: VecDeque<Print>,
    /// The number of the first one that is kept.
    first: u64,
}

impl InOrder {
    fn rank(print: &Print) -> impl Ord + use<> {
        (print.ts_event, print.seq, print.price, print.size, print.eligible)
    }

    /// Puts a print in and returns its number.
    pub fn insert(&mut self, print: Print) -> u64 {
        let rank = Self::rank(&print);
        let at = match self.prints.back() {
            Some(last) if Self::rank(last) > rank => self.prints.partition_point(|other| Self::rank(other) <= rank),
            _ => self.prints.len(),
        };
        self.prints.insert(at, print);
        self.first + at as u64
    }

    /// Takes a print out and returns the number that it had.
    pub fn remove(&mut self, print: &Print) -> u64 {
        let at = self.prints.partition_point(|other| Self::rank(other) < Self::rank(print));
        self.prints.remove(at);
        self.first + at as u64
    }

    /// The number of the first print at `ts` or later.
    pub fn number_at(&self, ts: EventTime) -> u64 {
        self.first + self.prints.partition_point(|print| print.ts_event < ts) as u64
    }

    /// The number of the first print that is kept.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The print of this number, if it is kept.
    pub fn get(&self, number: u64) -> Option<&Print> {
        self.prints.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Forgets the prints before this number.
    pub fn forget_before(&mut self, number: u64) {
        let gone = number.saturating_sub(self.first).min(self.prints.len() as u64);
        self.prints.drain(..gone as usize);
        self.first += gone;
    }
}

/// The watermark at which nothing ahead of it can come before a print of time `ts`, or beside it.
pub fn known_ms(ts: EventTime) -> i64 {
    Window { start: ts, end: ts.saturating_add(1) }.end_ms()
}
