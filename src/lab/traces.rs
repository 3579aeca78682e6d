use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::Measured;
use crate::latency::{Boundary, Costs, LONGEST, Slowest, Stage};
use crate::runtime::{Interval, Outcome};

/// The slowest ticks, of which is told where their time went: this share of all.
pub const SLOWEST: f64 = 0.01;

/// What a run leaves behind beside its figures, for charts and for other programs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Traces {
    /// The run second by second, with its warm-up.
    pub timeline: Vec<Second>,
    /// The waits that controllers of batches chose, in the order in which they did.
    pub decisions: Vec<Chosen>,
    /// Where the slowest hundredth of the ticks spent their time.
    pub slowest: Slowest,
    /// How long after they were due the first windows had their rows out.
    pub closes: Vec<Boundary>,
    /// What batches cost by their size.
    #[serde(skip)]
    pub costs: Costs,
    /// Whole histograms of nanoseconds by their names.
    #[serde(skip)]
    pub histograms: Vec<(&'static str, Histogram<u64>)>,
}

impl Traces {
    /// The traces of a run: `control` is how long the machine held up a thread that only sleeps.
    pub fn new(outcome: &Outcome, timeline: Vec<Second>, control: &Histogram<u64>) -> Self {
        let (close, sink) = outcome.closes.histograms();
        let stages = Stage::ALL.map(|stage| (stage.name(), small(outcome.stages.get(stage))));
        let others = [
            ("close_first", small(&outcome.closes.first_rows())),
            ("close", small(&close)),
            ("sink", small(&sink)),
            ("machine", small(control)),
        ];
        Traces {
            timeline,
            costs: outcome.stages.costs().clone(),
            decisions: Vec::new(),
            slowest: outcome.stages.splits().slowest(SLOWEST),
            closes: outcome.closes.boundaries(),
            histograms: stages.into_iter().chain(others).collect(),
        }
    }
}

/// The same histogram in as much memory as its longest value needs.
fn small(histogram: &Histogram<u64>) -> Histogram<u64> {
    let longest = histogram.max().clamp(2, LONGEST);
    let Ok(mut small) = Histogram::new_with_bounds(1, longest, histogram.sigfig()) else { return histogram.clone() };
    match small.add(histogram) {
        Ok(()) => small,
        Err(_) => histogram.clone(),
    }
}

/// Which of a cell's runs stands for it where one must: the one in the middle by p99, and of an even number the upper.
pub fn middle(runs: &[Measured]) -> Option<usize> {
    let mut by_p99: Vec<usize> = (0..runs.len()).collect();
    by_p99.sort_by_key(|at| runs[*at].latency.tick.p99);
    by_p99.get(runs.len() / 2).copied()
}

/// A controller's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// When it was made, in nanoseconds from the run's beginning.
    pub at: u64,
    /// Whose batches it was for.
    pub worker: usize,
    /// The longest wait of a batch's oldest tick from then on, in nanoseconds.
    pub delay: u64,
}

/// One second of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Which one, from zero.
    pub second: u64,
    /// How long it was, in nanoseconds.
    pub nanos: u64,
    /// Ticks that came due in it.
    pub offered: u64,
    /// Ticks that were applied in it.
    pub applied: u64,
    /// Ticks that were due and not applied at its end.
    pub backlog: u64,
    /// Ticks in a batch, on average.
    pub mean_batch: f64,
    /// Ticks applied in it that were due after the warm-up, whose latencies the others are.
    pub measured: u64,
    /// The median latency, in nanoseconds.
    pub p50: u64,
    /// Of a hundred, one was longer.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Second {
    /// A second that followed one at whose end `backlog` ticks waited: what came due in it was applied, or waits.
    pub fn new(interval: &Interval<'_>, backlog: u64) -> Self {
        let ticks = interval.stages.get(Stage::Tick);
        Second {
            second: interval.second,
            nanos: interval.nanos,
            offered: (interval.applied + interval.backlog).saturating_sub(backlog),
            applied: interval.applied,
            backlog: interval.backlog,
            mean_batch: interval.applied as f64 / interval.batches.max(1) as f64,
            measured: ticks.len(),
            p50: ticks.value_at_quantile(0.5),
            p99: ticks.value_at_quantile(0.99),
            max: ticks.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::{Stages, histogram};

    #[test]
    fn what_came_due_in_a_second_was_applied_or_waits() {
        let stages = Stages::default();
        let of = |applied, backlog, before| {
            let interval = Interval { second: 3, nanos: 1_000_000_000, applied, batches: 4, backlog, stages: &stages };
            Second::new(&interval, before)
        };
        let second = of(100, 30, 10);
        assert_eq!((second.offered, second.applied, second.backlog, second.mean_batch), (120, 100, 30, 25.0));
        assert_eq!(of(100, 0, 30).offered, 70);
    }

    #[test]
    fn a_histogram_that_is_made_small_says_the_same() {
        let mut whole = histogram();
        [1, 1_000, 123_456, 9_876_543].into_iter().for_each(|nanos| whole.record(nanos).unwrap());
        let made = small(&whole);
        assert_eq!(made, whole);
        assert_eq!(
            [0.0, 0.3, 0.6, 1.0].map(|q| made.value_at_quantile(q)),
            [0.0, 0.3, 0.6, 1.0].map(|q| whole.value_at_quantile(q))
        );
        assert!(made.distinct_values() < whole.distinct_values());
        assert_eq!(small(&histogram()).len(), 0);
    }
}
