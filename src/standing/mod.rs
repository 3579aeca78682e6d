//! How a run stands, for whoever asks while it is under way: what its source, its workers and their operators tell of
//! themselves. They tell it when they are asked, so that nothing is gathered for nobody.

mod inquiry;
mod told;
mod why;

pub use inquiry::{FOR_GOOD, Inquiry};
pub use told::{Latest, LatestTick, Partition, Pending, Source, Waits, Worker};
pub use why::{Fate, Question, Said, Why};

use serde::{Deserialize, Serialize};

use crate::time::RunTime;

/// How a run stands. All `..._at` are nanoseconds on the run's clock, as `now` is; all `..._ms` are watermarks, in
/// milliseconds since the epoch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Standing {
    /// When this was.
    pub now: RunTime,
    /// What holds the watermark where it is.
    pub held_by: Hold,
    /// The input's partitions, where they are read apart from the workers.
    pub source: Option<Source>,
    /// The workers that answered.
    pub workers: Vec<Worker>,
    /// The workers that did not: they are at work on something long.
    pub silent: Vec<usize>,
}

/// What holds the watermark where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Hold {
    /// A worker has ticks that it has not applied yet.
    #[default]
    Work,
    /// A worker is so long at something that it does not answer.
    Silence,
    /// Ticks wait for others to fill their batch.
    Batch {
        /// Until when at most.
        until: RunTime,
    },
    /// The next tick is not due.
    Schedule {
        /// When it is.
        due_at: RunTime,
    },
    /// Nothing has come from this partition.
    Partition {
        /// Its name.
        name: String,
    },
    /// No partition has come yet, or none is left and others may come.
    Nobody,
    /// All partitions have been silent for long: the watermark moves on with the clock.
    Idle,
    /// The input has ended, and what is left is worked off.
    End,
}

impl Standing {
    /// The worker whose ticks are the furthest behind, of those whose input has not ended.
    pub fn slowest(&self) -> Option<&Worker> {
        self.workers.iter().filter(|worker| worker.waits != Waits::End).min_by_key(|worker| worker.watermark_ms)
    }

    /// What holds the watermark where it is.
    fn hold(&self) -> Hold {
        let Some(slowest) = self.slowest() else {
            return if self.silent.is_empty() { Hold::End } else { Hold::Silence };
        };
        match slowest.waits {
            _ if !self.silent.is_empty() => Hold::Silence,
            _ if slowest.in_dataflow > 0 => Hold::Work,
            Waits::Nothing | Waits::Others | Waits::End => Hold::Work,
            Waits::Schedule { due_at } => Hold::Schedule { due_at },
            Waits::Batch { until } => Hold::Batch { until },
            Waits::Input => self.source.as_ref().map_or(Hold::Work, Source::hold),
        }
    }
}

impl Source {
    /// The partition that is the furthest behind, of those that are not idle.
    pub fn slowest(&self) -> Option<&Partition> {
        self.partitions.iter().filter(|partition| !partition.is_idle).min_by_key(|partition| partition.watermark_ms)
    }

    fn hold(&self) -> Hold {
        match self.slowest() {
            Some(slowest) if slowest.waiting > 0 => Hold::Work,
            Some(slowest) => Hold::Partition { name: slowest.name.clone() },
            None if self.partitions.is_empty() => Hold::Nobody,
            None => Hold::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::time::Clock;

    fn partition(name: &str, watermark_ms: Option<i64>) -> Partition {
        Partition { name: name.into(), watermark_ms, ..Partition::default() }
    }

    /// How a run of one worker that waits so stands.
    fn standing(waits: Waits, partitions: Vec<Partition>) -> Hold {
        let inquiry = Inquiry::default();
        inquiry.tell(FOR_GOOD, Worker { waits, ..Worker::default() });
        inquiry.tell_source(FOR_GOOD, Source { partitions });
        inquiry.ask(&Question::default(), (0..1, 0), Duration::ZERO, &Clock::manual()).held_by
    }

    #[test]
    fn the_slowest_partition_that_is_not_idle_holds_the_watermark() {
        let [fast, slow] = [partition("fast", Some(9)), partition("slow", Some(5))];
        let hold = |name: &str| Hold::Partition { name: name.into() };
        assert_eq!(standing(Waits::Input, vec![fast.clone(), slow.clone()]), hold("slow"));
        assert_eq!(standing(Waits::Input, vec![fast.clone(), partition("new", None), slow.clone()]), hold("new"));
        let idle = |partition: &Partition| Partition { idle_after: Some(0), ..partition.clone() };
        assert_eq!(standing(Waits::Input, vec![fast.clone(), idle(&slow)]), hold("fast"));
        assert_eq!(standing(Waits::Input, vec![idle(&fast), idle(&slow)]), Hold::Idle);
        assert_eq!(standing(Waits::Input, vec![Partition { waiting: 1, ..slow.clone() }, fast]), Hold::Work);
        assert_eq!(standing(Waits::Input, Vec::new()), Hold::Nobody);
        assert_eq!(standing(Waits::Schedule { due_at: 7 }, vec![slow]), Hold::Schedule { due_at: 7 });
    }

    #[test]
    fn the_slowest_worker_holds_the_watermark_and_one_that_does_not_answer_is_named() {
        let inquiry = Inquiry::default();
        let worker = |worker, watermark_ms, waits| Worker { worker, watermark_ms, waits, ..Worker::default() };
        inquiry.tell(FOR_GOOD, worker(0, 5, Waits::Batch { until: 3 }));
        let ask = || inquiry.ask(&Question::default(), (0..2, 0), Duration::ZERO, &Clock::manual());
        let standing = ask();
        assert_eq!((standing.held_by, standing.silent), (Hold::Silence, vec![1]));
        inquiry.tell(FOR_GOOD, worker(1, 9, Waits::Others));
        assert_eq!(ask().held_by, Hold::Batch { until: 3 });
        // An answer to an earlier question is none.
        inquiry.tell(inquiry.asked(), worker(1, 9, Waits::Others));
        assert_eq!(ask().silent, [1]);
        [0, 1].into_iter().for_each(|at| inquiry.tell(FOR_GOOD, worker(at, 9, Waits::End)));
        assert_eq!(ask().held_by, Hold::End);
    }

    #[test]
    fn other_processes_tell_of_their_workers_and_partitions() {
        let [first, other] = [(); 2].map(|()| Inquiry::default());
        let worker = |worker, watermark_ms| Worker { worker, watermark_ms, waits: Waits::Input, ..Worker::default() };
        let source = |watermark_ms| Source { partitions: vec![partition("tape", Some(watermark_ms))] };
        first.tell(FOR_GOOD, worker(0, 9));
        first.tell_source(FOR_GOOD, source(9));
        let ask = |inquiry: &Inquiry, workers, others| {
            inquiry.ask(&Question::default(), (workers, others), Duration::ZERO, &Clock::manual())
        };
        assert_eq!(ask(&first, 0..1, 2).silent, [1, 2]);
        other.tell(FOR_GOOD, worker(1, 5));
        other.tell_source(FOR_GOOD, source(5));
        first.tell_process(1, FOR_GOOD, ask(&other, 1..2, 0));
        first.tell_process(2, FOR_GOOD, Standing { silent: vec![2], ..Standing::default() });
        let standing = ask(&first, 0..1, 2);
        assert_eq!((standing.workers.len(), standing.silent), (2, vec![2]));
        first.tell_process(2, FOR_GOOD, Standing::default());
        assert_eq!(ask(&first, 0..1, 2).held_by, Hold::Partition { name: "tape in process 1".into() });
    }
}
