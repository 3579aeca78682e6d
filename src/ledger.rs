//! The ledger: what became of every record read. It balances, or something was lost.

use serde::{Deserialize, Serialize};

use crate::lateness::Verdict;

/// Counts of records; every record read is in exactly one of the other columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Records read from the input.
    pub read: u64,
    /// Trades in their symbol's order, up to the disorder.
    pub on_time: u64,
    /// Late trades that were still taken, repeats, cancels and corrections that found their print.
    pub amended: u64,
    /// Records beyond the horizon, or late where the policy is to drop.
    pub late: u64,
    /// Records that could not be read, or jumped too far ahead.
    pub rejected: u64,
    /// Cancels and corrections whose print never came, or was out of reach.
    pub unmatched: u64,
    /// Records of a kind that the pipeline does not take.
    pub ignored: u64,
}

/// What is in windows that were begun and not filled, such as the last count window of a symbol's day. It is in no row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfilled {
    /// The windows.
    pub windows: u64,
    /// The trades in them; one that is split counts wherever a share of it is.
    pub trades: u64,
    /// The shares in them, of trades that count for volume.
    pub volume: u64,
}

impl Unfilled {
    /// Adds what is in others.
    pub fn add(&mut self, other: &Unfilled) {
        self.windows += other.windows;
        self.trades += other.trades;
        self.volume += other.volume;
    }
}

impl Ledger {
    /// Counts a tick that was judged so; whether it is taken.
    pub fn takes(&mut self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::OnTime => self.on_time += 1,
            Verdict::Amends => self.amended += 1,
            Verdict::Late => self.late += 1,
        }
        verdict != Verdict::Late
    }

    /// What can become of a record, as it is called, and of how many it did.
    pub fn columns(&self) -> [(&'static str, u64); 6] {
        [
            ("on time", self.on_time),
            ("amended", self.amended),
            ("late", self.late),
            ("rejected", self.rejected),
            ("unmatched", self.unmatched),
            ("ignored", self.ignored),
        ]
    }

    /// Whether records came, and none of them could be read.
    pub fn is_of_rejects(&self) -> bool {
        self.rejected > 0 && self.rejected == self.read
    }

    /// The sum of the columns, which is `read` when nothing was lost.
    pub fn accounted(&self) -> u64 {
        self.columns().iter().map(|(_, records)| records).sum()
    }

    /// Whether every record read is accounted for.
    pub fn balances(&self) -> bool {
        self.read == self.accounted()
    }

    /// Adds another worker's counts.
    pub fn add(&mut self, other: &Ledger) {
        self.read += other.read;
        self.on_time += other.on_time;
        self.amended += other.amended;
        self.late += other.late;
        self.rejected += other.rejected;
        self.unmatched += other.unmatched;
        self.ignored += other.ignored;
    }
}
