//! How a run stands, for whoever asks while it is under way: what its source, its workers and their operators tell of
//! themselves. They tell it when they are asked, so that nothing is gathered for nobody.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::tick::{Names, Symbol};
use crate::time::{Clock, EventTime, RunTime};

/// What is asked beside how the run stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Question {
    /// What the results about this symbol that hold this time are made of.
    pub why: Option<(String, EventTime)>,
}

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
    /// What was asked for with [`Question::why`], if it is here.
    pub why: Option<Why>,
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

/// Where questions and answers meet. The default is one that nobody asks.
#[derive(Debug, Default)]
pub struct Inquiry {
    asked: AtomicU64,
    inner: Mutex<Inner>,
    told: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    question: Question,
    /// Each with the number of the question that it answers.
    source: Option<(u64, Source)>,
    workers: BTreeMap<usize, (u64, Worker)>,
    /// How other processes stand, by their numbers.
    processes: BTreeMap<usize, (u64, Standing)>,
}

/// An answer to all questions to come: it does not change any more, or is told anew when it does.
pub const FOR_GOOD: u64 = u64::MAX;

impl Inquiry {
    /// The number of the last question. Who answered an earlier one is asked again.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    /// The last question.
    pub fn question(&self) -> Question {
        self.lock().question.clone()
    }

    /// A worker answers the question of this number.
    pub fn tell(&self, number: u64, worker: Worker) {
        self.lock().workers.insert(worker.worker, (number, worker));
        self.told.notify_all();
    }

    /// The source answers the question of this number.
    pub fn tell_source(&self, number: u64, source: Source) {
        self.lock().source = Some((number, source));
        self.told.notify_all();
    }

    /// Another process, which has asked its own, answers the question of this number.
    pub fn tell_process(&self, process: usize, number: u64, standing: Standing) {
        self.lock().processes.insert(process, (number, standing));
        self.told.notify_all();
    }

    /// Asks the workers of this process and its source, and so many other processes of as many workers, which are the next
    /// ones; and waits for their answers, but no longer than `patience`.
    pub fn ask(
        &self,
        question: &Question,
        (workers, others): (Range<usize>, usize),
        patience: Duration,
        clock: &Clock,
    ) -> Standing {
        let mut inner = self.lock();
        inner.question = question.clone();
        let number = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let answers = |inner: &Inner, worker| inner.workers.get(&worker).is_some_and(|(told, _)| *told >= number);
        let lack = |inner: &mut Inner| {
            let source = inner.source.as_ref().is_some_and(|(told, _)| *told < number);
            let tells = |other| inner.processes.get(&other).is_some_and(|(told, _)| *told >= number);
            source || !workers.clone().all(|worker| answers(inner, worker)) || !(1..=others).all(tells)
        };
        let waited = self.told.wait_timeout_while(inner, patience, lack);
        let (inner, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        let each = workers.len();
        let (told, mut silent): (Vec<usize>, Vec<usize>) = workers.partition(|worker| answers(&inner, *worker));
        let mut workers: Vec<Worker> =
            told.iter().filter_map(|worker| Some(inner.workers.get(worker)?.1.clone())).collect();
        let (now, mut source) = (clock.now(), inner.source.as_ref().map(|(_, source)| source.clone()));
        for other in 1..=others {
            match inner.processes.get(&other).filter(|(told, _)| *told >= number) {
                Some((_, standing)) => {
                    workers.extend(standing.workers.iter().cloned());
                    silent.extend(&standing.silent);
                    let partitions = standing.source.iter().flat_map(|source| &source.partitions).cloned();
                    let named = |it: Partition| Partition { name: format!("{} in process {other}", it.name), ..it };
                    source.get_or_insert_default().partitions.extend(partitions.map(named));
                }
                None => silent.extend(other * each..(other + 1) * each),
            }
        }
        for partition in source.iter_mut().flat_map(|source| &mut source.partitions) {
            let silence = now.saturating_sub(partition.heard_at);
            partition.is_idle = partition.waiting == 0 && partition.idle_after.is_some_and(|idle| silence >= idle);
        }
        let mut standing = Standing { now, source, workers, silent, ..Standing::default() };
        standing.held_by = standing.hold();
        standing
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
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
    use super::*;

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
