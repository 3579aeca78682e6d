use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::BatchLimits;

/// The limits of a run under way, for whoever changes them and for the workers, who look whether it was turned.
#[derive(Debug, Default)]
pub struct Dial {
    turns: AtomicUsize,
    settings: Mutex<Vec<BatchLimits>>,
}

impl Dial {
    /// Other limits hold from now on.
    pub fn turn(&self, limits: BatchLimits) {
        let mut settings = self.lock();
        settings.push(limits);
        self.turns.store(settings.len(), Ordering::Release);
    }

    /// How often it was turned so far.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::Acquire)
    }

    /// What it was turned to, each time.
    pub fn settings(&self) -> Vec<BatchLimits> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BatchLimits>> {
        self.settings.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
