//! How a run is to be done.

use std::sync::Arc;
use std::time::Duration;

use crate::batch::{BatchLimits, Dial};
use crate::lateness::Lateness;
use crate::source::Surroundings;
use crate::time::RunTime;

/// The knobs of a run: none of them shows in its rows.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// When batches go.
    pub batch: BatchLimits,
    /// Whether workers spin when they have nothing to do, rather than park.
    pub spin: bool,
    /// How far a worker's watermark may be ahead of the slowest's, in milliseconds of event time.
    pub max_lead_ms: i64,
    /// What is due in the first so many nanoseconds of the schedule is played and left out of the latencies.
    pub warmup: RunTime,
    /// A worker that does nothing at all for so long hangs, and the run is ended; never if there is none.
    pub watchdog: Option<Duration>,
    /// When this process takes more memory than so many bytes, the run is ended; never if there is none.
    pub memory: Option<u64>,
}

impl Knobs {
    /// Batches by these limits. Workers park, and may be a minute of event time ahead; all is measured, and nothing ends
    /// the run early.
    pub fn of(batch: BatchLimits) -> Self {
        Knobs { batch, spin: false, max_lead_ms: 60_000, warmup: 0, watchdog: None, memory: None }
    }
}

/// How a run is to be done.
pub struct Plan {
    /// What it shares with its sources.
    pub around: Surroundings,
    /// How it is fed.
    pub knobs: Knobs,
    /// Other batch limits than those of the knobs, from when it is turned on.
    pub dial: Arc<Dial>,
    /// Which ticks are late.
    pub lateness: Lateness,
    /// Amendments are applied at multiples of so many milliseconds of watermark.
    pub changes_every_ms: i64,
}
