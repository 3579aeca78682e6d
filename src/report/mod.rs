//! The report of a run: what was read and written, and the latency, for people and for programs.

mod absent;
mod batching;
mod decisions;
mod hgrm;
mod hlog;
mod progress;
mod text;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use absent::Absent;
pub use batching::{Batching, Target};
pub use decisions::Decisions;
pub use hgrm::hgrm;
pub use hlog::{LatencyLog, read_log};
pub use progress::Progress;
pub use text::{count, span, struck};

use crate::latency::Stage;
use crate::ledger::{Ledger, Unfilled};
use crate::runtime::Outcome;
use crate::tape::{Struck, Unknown};

/// Percentiles of a latency, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// The median.
    pub p50: u64,
    /// Of ten, one is longer.
    pub p90: u64,
    /// Of a hundred, one is longer.
    pub p99: u64,
    /// Of a thousand, one is longer.
    #[serde(rename = "p99.9")]
    pub p99_9: u64,
    /// Of ten thousand, one is longer.
    #[serde(rename = "p99.99")]
    pub p99_99: u64,
    /// The longest.
    pub max: u64,
}

impl Percentiles {
    /// The percentiles of a histogram of nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile);
        Percentiles {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: histogram.max(),
        }
    }
}

/// Latencies by stage. Percentiles of stages do not add up.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Where the clock starts, in words.
    pub from: String,
    /// Due until applied in the owner's state.
    pub tick: Percentiles,
    /// Due until handed to a batch: how late the replayer was.
    pub source: Percentiles,
    /// In the batch.
    pub batch: Percentiles,
    /// In the dataflow.
    pub operators: Percentiles,
    /// From what moved the watermark past a window's end until its last row was flushed.
    pub close: Percentiles,
    /// Rows in the sink.
    pub sink: Percentiles,
}

/// The report of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The pipeline.
    pub pipeline: String,
    /// The version of tapeflow.
    pub version: &'static str,
    /// Where it was run: paths among the settings begin there.
    pub folder: String,
    /// Whether the input was played to its end, rather than interrupted.
    pub complete: bool,
    /// The digest of the rows that stand, in hexadecimal.
    pub digest: String,
    /// What the rows are called.
    pub rows_are: &'static str,
    /// Rows that stand.
    pub rows: u64,
    /// Rows that were retracted, as a rule to be replaced.
    pub retracted: u64,
    /// What became of every record.
    pub ledger: Ledger,
    /// What is left in windows that were begun and not filled, and so is in no row.
    pub unfilled: Unfilled,
    /// Records that were struck by faults on their way, where faults were asked for.
    pub struck: Struck,
    /// Trades with a condition that the table of conditions does not name.
    pub unknown_conditions: Unknown,
    /// Symbols seen.
    pub symbols: usize,
    /// Symbols that were asked for and not seen.
    pub absent: Vec<Absent>,
    /// Workers of each process.
    pub workers: usize,
    /// Processes.
    pub processes: usize,
    /// Batches that went into the dataflow.
    pub batches: u64,
    /// The run's length in nanoseconds.
    pub elapsed: u64,
    /// Seconds of processor time that it took, on all cores, where the system tells.
    pub cpu_seconds: Option<f64>,
    /// Latencies in nanoseconds.
    pub latency: Latency,
    /// The batch limits that held, one after the other, and the latencies under each.
    pub batching: Vec<Batching>,
    /// The normal disorder, in nanoseconds of event time, for which windows wait before they close.
    pub disorder: i64,
    /// The first few rejected records, with their reasons.
    pub rejected: Vec<String>,
    /// The settings of the run.
    pub settings: serde_json::Value,
    /// What to try next.
    #[serde(skip)]
    pub next: String,
}

impl Report {
    /// The latencies of an outcome.
    pub fn latency(outcome: &Outcome, from: &str) -> Latency {
        let (close, sink) = outcome.closes.histograms();
        let stage = |stage| Percentiles::of(outcome.stages.get(stage));
        Latency {
            from: from.into(),
            tick: stage(Stage::Tick),
            source: stage(Stage::Source),
            batch: stage(Stage::Batch),
            operators: stage(Stage::Operators),
            close: Percentiles::of(&close),
            sink: Percentiles::of(&sink),
        }
    }

    /// Ticks a second, over the whole run.
    pub fn ticks_per_second(&self) -> f64 {
        (self.ledger.read - self.ledger.rejected) as f64 / (self.elapsed.max(1) as f64 / 1e9)
    }
}
