use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::BatchLimits;
use crate::error::lock;

/// The limits of a run under way, for whoever changes them and for the workers, who look whether it was turned.
#[derive(Debug, Default)]
pub struct Dial {
    turns: AtomicUsize,
    settings: Mutex<Vec<BatchLimits>>,
}

impl Dial {
    /// Other limits hold from now on.
    pub fn turn(&self, limits: BatchLimits) {
        let mut settings = lock(&self.settings);
        settings.push(limits);
        self.turns.store(settings.len(), Ordering::Release);
    }

    /// How often it was turned so far.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::Acquire)
    }

    /// What it was turned to, each time.
    pub fn settings(&self) -> Vec<BatchLimits> {
        lock(&self.settings).clone()
    }
}
