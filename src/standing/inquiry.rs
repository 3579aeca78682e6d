//! Where questions and answers meet.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::{Question, Source, Standing, Worker};
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

    /// Asks so many workers, and the source, and waits for their answers, but no longer than `patience`.
    pub fn ask(&self, question: &Question, workers: usize, patience: Duration, clock: &Clock) -> Standing {
        let mut inner = self.lock();
        inner.question = question.clone();
        let number = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let answers = |inner: &Inner, worker| inner.workers.get(&worker).is_some_and(|(told, _)| *told >= number);
        let lack = |inner: &mut Inner| {
            let source = inner.source.as_ref().is_some_and(|(told, _)| *told < number);
            source || !(0..workers).all(|worker| answers(inner, worker))
        };
        let waited = self.told.wait_timeout_while(inner, patience, lack);
        let (inner, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        let silent = (0..workers).filter(|worker| !answers(&inner, *worker)).collect();
        let told = (0..workers).filter(|worker| answers(&inner, *worker));
        let workers = told.filter_map(|worker| Some(inner.workers.get(&worker)?.1.clone())).collect();
        let (now, mut source) = (clock.now(), inner.source.as_ref().map(|(_, source)| source.clone()));
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
