//! Where questions and answers meet.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::{Partition, Question, Source, Standing, Worker};
use crate::error::lock;
use crate::time::Clock;

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
        lock(&self.inner).question.clone()
    }

    /// A worker answers the question of this number.
    pub fn tell(&self, number: u64, worker: Worker) {
        lock(&self.inner).workers.insert(worker.worker, (number, worker));
        self.told.notify_all();
    }

    /// The source answers the question of this number.
    pub fn tell_source(&self, number: u64, source: Source) {
        lock(&self.inner).source = Some((number, source));
        self.told.notify_all();
    }

    /// Another process, which has asked its own, answers the question of this number.
    pub fn tell_process(&self, process: usize, number: u64, standing: Standing) {
        lock(&self.inner).processes.insert(process, (number, standing));
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
        let mut inner = lock(&self.inner);
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
}
