use std::time::Duration;

use crate::tick::Tick;
use crate::time::RunTime;

/// When a batch is full, or has waited long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most ticks in one batch; 1 is tick at a time.
    pub max_ticks: usize,
    /// Longest wait of a batch's oldest tick; zero is greedy: whatever waits is served at once.
    pub max_delay: Duration,
}

impl BatchLimits {
    /// Limits from the three settings: a batch of `max_bytes` holds so many ticks at most.
    pub fn new(max_ticks: usize, max_delay: Duration, max_bytes: u64) -> Self {
        let by_bytes = (max_bytes / size_of::<Tick>() as u64).clamp(1, usize::MAX as u64) as usize;
        BatchLimits { max_ticks: max_ticks.clamp(1, by_bytes), max_delay }
    }

    /// The instant at which a batch whose oldest tick arrived at `oldest` is sealed even if it is not full.
    pub fn deadline(&self, oldest: RunTime) -> RunTime {
        oldest.saturating_add(self.max_delay.as_nanos() as u64)
    }

    /// Whether a batch of `ticks`, the oldest of which arrived at `oldest`, is to go now.
    pub fn is_ready(&self, ticks: usize, oldest: RunTime, now: RunTime) -> bool {
        ticks >= self.max_ticks || (ticks > 0 && now >= self.deadline(oldest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_goes_at_the_first_of_its_limits() {
        let limits = BatchLimits::new(100, Duration::from_nanos(50), 10 * 56);
        assert_eq!(limits.max_ticks, 10);
        assert!(!limits.is_ready(0, 0, 1_000));
        assert!(!limits.is_ready(9, 1_000, 1_049));
        assert!(limits.is_ready(9, 1_000, 1_050));
        assert!(limits.is_ready(10, 1_000, 1_000));
        assert!(BatchLimits::new(100, Duration::ZERO, 1).is_ready(1, 1_000, 1_000));
    }
}
