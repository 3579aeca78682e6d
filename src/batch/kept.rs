use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::RunTime;

/// A target is judged in intervals of so many nanoseconds.
pub const INTERVAL: u64 = 250_000_000;

/// So many intervals before the last one are open to what is told late: an hour.
const OPEN: u64 = 3_600_000_000_000 / INTERVAL;

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

/// How a worker keeps to a target for the p99 of ticks: counted by the intervals in which ticks were *due*, so that a stall
/// spoils every interval that it lasts, and also by when they were applied, which is what can be acted upon.
#[derive(Clone, Debug)]
pub struct Kept {
    target: u64,
    near: u64,
    from: RunTime,
    recent: Tally,
    untold: Vec<(u64, Tally)>,
}

impl Kept {
    /// Counts by this target, in intervals that begin at `from`; what was due before is only acted upon.
    pub fn new(target_p99: Duration, from: RunTime) -> Self {
        let target = u64::try_from(target_p99.as_nanos()).unwrap_or(u64::MAX);
        Kept { target, near: target / 5 * 4, from, recent: Tally::default(), untold: Vec::new() }
    }

    /// So many ticks that were due at `due` are applied, after `latency` nanoseconds.
    pub fn count(&mut self, due: RunTime, latency: u64, ticks: u64) {
        let over = if latency > self.target { ticks } else { 0 };
        let near = if latency > self.near { ticks } else { 0 };
        let tally = Tally { ticks, over, near };
        self.recent.add(tally);
        if let Some(since) = due.checked_sub(self.from) {
            let interval = since / INTERVAL;
            match self.untold.last_mut() {
                Some((last, sum)) if *last == interval => sum.add(tally),
                _ => self.untold.push((interval, tally)),
            }
        }
    }

    /// What was applied since this was last asked.
    pub fn take_recent(&mut self) -> Tally {
        std::mem::take(&mut self.recent)
    }

    /// What was counted since this was last asked, by the numbers of intervals, of which one may come more than once.
    pub fn take_untold(&mut self) -> Vec<(u64, Tally)> {
        std::mem::take(&mut self.untold)
    }
}

/// How all workers together keep to a target, interval by interval: of the last hour that ticks were due in, what was
/// counted; of the time before, how many intervals kept to it.
#[derive(Clone, Debug, Default)]
pub struct Intervals {
    open: BTreeMap<u64, Tally>,
    /// The first interval that is not closed.
    from: u64,
    closed: u64,
    met: u64,
}

impl Intervals {
    /// Adds what a worker counted of an interval. What is told of a closed one counts in the first that is open: its ticks
    /// took more than an hour, and spoil that instead.
    pub fn add(&mut self, interval: u64, tally: Tally) {
        self.open.entry(interval.max(self.from)).or_default().add(tally);
        self.from = self.from.max(interval.saturating_sub(OPEN));
        while let Some(first) = self.open.first_entry().filter(|first| *first.key() < self.from) {
            self.closed += 1;
            self.met += u64::from(first.remove().is_met());
        }
    }

    /// In how many intervals ticks were due.
    pub fn count(&self) -> u64 {
        self.closed + self.open.len() as u64
    }

    /// In how many of them the target was kept.
    pub fn met(&self) -> u64 {
        self.met + self.open.values().filter(|tally| tally.is_met()).count() as u64
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
        let intervals = kept.take_untold();
        assert_eq!(intervals.iter().map(|(at, it)| (*at, it.ticks)).collect::<Vec<_>>(), [(0, 101), (1, 100), (3, 10)]);
        assert!(intervals.iter().all(|(_, it)| it.is_met()));
        assert_eq!(intervals.iter().map(|(_, it)| it.is_met_easily()).collect::<Vec<_>>(), [true, false, false]);
        assert!(!Tally { ticks: 199, over: 2, near: 2 }.is_met());
        assert_eq!(kept.take_untold(), []);
    }

    #[test]
    fn all_hours_are_counted_and_the_last_one_is_kept() {
        let mut intervals = Intervals::default();
        let all = 5 * OPEN;
        for interval in 0..all {
            // One worker keeps to the target alone, both do not in every fourth interval; in every seventh nothing is due.
            let over = if interval % 4 == 0 { 3 } else { 2 };
            for tally in [Tally { ticks: 100, over: 0, near: 0 }, Tally { ticks: 100, over, near: over }] {
                if interval % 7 != 0 {
                    intervals.add(interval, tally);
                }
            }
            assert!(intervals.open.len() as u64 <= OPEN + 1, "{} intervals are kept", intervals.open.len());
        }
        let due = |step| (0..all).step_by(step).filter(|interval| interval % 7 != 0).count() as u64;
        assert_eq!((intervals.count(), intervals.met()), (due(1), due(1) - due(4)));
        // What was due two hours ago spoils the first interval that is open.
        intervals.add(all - 2 * OPEN, Tally { ticks: 10, over: 10, near: 10 });
        assert_eq!((intervals.count(), intervals.met()), (due(1), due(1) - due(4) - 1));
    }
}
