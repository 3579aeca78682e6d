//! What a result is made of, and what became of each record.

use serde::{Deserialize, Serialize};

use crate::time::EventTime;

/// What is asked beside how the run stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Question {
    /// What the results about this symbol that hold this time are made of.
    pub why: Option<(String, EventTime)>,
}

/// A record, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The record.
    pub record: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Fate {
    /// It is in the result.
    Counted,
    /// It was, until it was cancelled or corrected.
    Replaced,
    /// It cancels or corrects a print.
    Applied,
    /// Not in its symbol's order, or about an earlier print: it is applied at a watermark, or was.
    Amends {
        /// By how much it was behind its symbol's clock, in nanoseconds.
        late_by: i64,
        /// The watermark.
        at_ms: i64,
    },
    /// Later than is taken.
    Dropped {
        /// By how much it was behind its symbol's clock, in nanoseconds.
        late_by: i64,
    },
}

/// What the results of a symbol at a time are made of, as far as it is kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Why {
    /// The symbol's own clock: its highest event time.
    pub clock: EventTime,
    /// What is older than this cannot change any more, and is not kept.
    pub kept_from: EventTime,
    /// The rows' columns.
    pub columns: String,
    /// The windows that hold the time: when each is over, and its row as it would be now.
    pub windows: Vec<(i64, Option<String>)>,
    /// The records that lie in them or speak of one that does.
    pub records: Vec<Said>,
}
