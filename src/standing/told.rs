//! What the parts of a run tell of themselves.

use serde::{Deserialize, Serialize};

use super::{Said, Why};
use crate::ledger::Ledger;
use crate::tick::{Names, Symbol};
use crate::time::{EventTime, RunTime};

/// How the input stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Source {
    /// Its partitions that have not ended.
    pub partitions: Vec<Partition>,
}

/// How a partition stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Partition {
    /// Its name: a file, a connection, a topic and its partition.
    pub name: String,
    /// Its watermark, once a record came.
    pub watermark_ms: Option<i64>,
    /// The tick that brought the watermark there.
    pub latest: Option<Latest>,
    /// Ticks that came from it.
    pub ticks: u64,
    /// When something came from it last, or it was opened.
    pub heard_at: RunTime,
    /// Pieces that came from it and were not decoded.
    pub waiting: usize,
    /// The silence, in nanoseconds, after which it no longer holds the watermark back; none where it always does.
    pub idle_after: Option<u64>,
    /// It has been silent for so long.
    pub is_idle: bool,
    /// It is so far ahead of the slowest that it is not read.
    pub is_ahead: bool,
}

/// The tick of the highest event time of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// Whose it is.
    pub symbol: String,
    /// Its event time.
    pub ts_event: EventTime,
    /// Its sequence number, or its place among its symbol's ticks.
    pub seq: u64,
}

/// The same as a source remembers it.
pub type LatestTick = (Symbol, EventTime, u64);

impl Latest {
    /// With the symbol's text.
    pub fn of((symbol, ts_event, seq): LatestTick, symbols: &Names) -> Self {
        Latest { symbol: symbols.text(symbol.0).to_string(), ts_event, seq }
    }
}

/// How a worker stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Worker {
    /// Its number.
    pub worker: usize,
    /// When it told this.
    pub at: RunTime,
    /// What it waits for.
    pub waits: Waits,
    /// The watermark of its ticks.
    pub watermark_ms: i64,
    /// When what moved the watermark there was due.
    pub moved_at: RunTime,
    /// The watermark up to which all rows, of all workers, are written; none when all is.
    pub written_ms: Option<i64>,
    /// The next watermark at which a window may end or amendments are applied.
    pub next_ms: i64,
    /// Ticks that are in its state.
    pub applied: u64,
    /// Ticks that wait for others to fill their batch.
    pub in_batch: u64,
    /// Ticks that it has given to its operators and that are not applied.
    pub in_dataflow: u64,
    /// Ticks that are due, and known here, and not yet in a batch.
    pub backlog: u64,
    /// Rows that stand.
    pub rows: i64,
    /// What became of its ticks.
    pub ledger: Ledger,
    /// What its operators are about to do.
    pub operators: Vec<Pending>,
}

/// What a worker waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "snake_case")]
pub enum Waits {
    /// Nothing: there is more to do.
    #[default]
    Nothing,
    /// Ticks, of which none have come.
    Input,
    /// The next tick to be due.
    Schedule {
        /// When it is.
        due_at: RunTime,
    },
    /// Company for the ticks in its batch.
    Batch {
        /// Until when at most.
        until: RunTime,
    },
    /// The other workers, which are `run.max_lead` behind.
    Others,
    /// The rest of the run: its input has ended.
    End,
}

/// What an operator is about to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pending {
    /// What it does.
    pub name: String,
    /// The watermarks at which windows may end, and how many symbols (or records, of `feedqc`) they hold.
    pub open: Vec<(i64, usize)>,
    /// The watermarks at which late ticks, cancels and corrections are applied, and how many.
    pub amendments: Vec<(i64, usize)>,
    /// The last ticks that were late, and cancels and corrections, the newest first.
    pub late: Vec<Said>,
    /// What was asked for with [`super::Question::why`], if it is here.
    pub why: Option<Why>,
}
