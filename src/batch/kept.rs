use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::RunTime;

/// A target is judged in intervals of so many nanoseconds.
pub const INTERVAL: u64 = 250_000_000;

/// Ticks, and how many of them took longer than they should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All ticks.
    pub ticks: u64,
    /// Those that took longer than the target.
    pub over: u64,
    /// Those that took longer than four fifths of it, with the former.
    pub near: u64,
}

impl Tally {
    /// Adds what another worker, or another interval, counted.
    pub fn add(&mut self, other: Tally) {
        self.ticks += other.ticks;
        self.over += other.over;
        self.near += other.near;
    }

    /// Whether 99 of a hundred ticks kept to the target, which is to say that their p99 did.
    pub fn is_met(&self) -> bool {
        self.over * 100 <= self.ticks
    }

    /// Whether their p99 kept to four fifths of the target.
    pub fn is_met_easily(&self) -> bool {
        self.near * 100 <= self.ticks
    }
}

/// How a target for the p99 of ticks is kept: counted by the intervals in which ticks were *due*, so that a stall
/// spoils every interval that it lasts, and also by when they were applied, which is what can be acted upon.
#[derive(Clone, Debug)]
pub struct Kept {
    target: u64,
    near: u64,
    from: RunTime,
    recent: Tally,
    intervals: Vec<Tally>,
}

impl Kept {
    /// Counts by this target, in intervals that begin at `from`; what was due before is only acted upon.
    pub fn new(target_p99: Duration, from: RunTime) -> Self {
        let target = target_p99.as_nanos() as u64;
        Kept { target, near: target / 5 * 4, from, recent: Tally::default(), intervals: Vec::new() }
    }

    /// So many ticks that were due at `due` are applied, after `latency` nanoseconds.
    pub fn count(&mut self, due: RunTime, latency: u64, ticks: u64) {
        let over = if latency > self.target { ticks } else { 0 };
        let near = if latency > self.near { ticks } else { 0 };
        let tally = Tally { ticks, over, near };
        self.recent.add(tally);
        if let Some(since) = due.checked_sub(self.from) {
            let at = (since / INTERVAL) as usize;
            if at >= self.intervals.len() {
                self.intervals.resize(at + 1, Tally::default());
            }
            self.intervals[at].add(tally);
        }
    }

    /// What was applied since this was last asked.
    pub fn take_recent(&mut self) -> Tally {
        std::mem::take(&mut self.recent)
    }

    /// All intervals so far.
    pub fn into_intervals(self) -> Vec<Tally> {
        self.intervals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_spoils_every_interval_in_which_its_ticks_were_due() {
        let mut kept = Kept::new(Duration::from_nanos(100), 1_000);
        kept.count(999, 500, 7);
        (0..100).for_each(|_| kept.count(1_000, 80, 1));
        kept.count(1_000 + INTERVAL - 1, 101, 1);
        kept.count(1_000 + INTERVAL, 100, 99);
        kept.count(1_000 + INTERVAL, 101, 1);
        kept.count(1_000 + 3 * INTERVAL, 81, 10);
        let recent = kept.take_recent();
        assert_eq!((recent, kept.take_recent()), (Tally { ticks: 218, over: 9, near: 118 }, Tally::default()));
        let intervals = kept.into_intervals();
        assert_eq!(intervals.iter().map(|it| it.ticks).collect::<Vec<_>>(), [101, 100, 0, 10]);
        assert_eq!(intervals.iter().map(Tally::is_met).collect::<Vec<_>>(), [true, true, true, true]);
        assert_eq!(intervals.iter().map(Tally::is_met_easily).collect::<Vec<_>>(), [true, false, true, false]);
        assert!(!Tally { ticks: 199, over: 2, near: 2 }.is_met());
    }
}
