use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tick::Tick;
use crate::time::RunTime;

/// When a batch is full, or has waited long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLimits {
    /// Most ticks in one batch; 1 is tick at a time.
    pub max_ticks: usize,
    /// Longest wait of a batch's oldest tick, from when it was due; zero is greedy: whatever waits is served at once.
    pub max_delay: Duration,
    /// The p99 to keep to, if there is one: then the run itself chooses how long batches wait, `max_delay` at most
    /// ([`super::Auto`]).
    pub target_p99: Option<Duration>,
}

impl BatchLimits {
    /// Limits from the three settings: a batch of `max_bytes` holds so many ticks at most.
    pub fn new(max_ticks: usize, max_delay: Duration, max_bytes: u64) -> Self {
        let by_bytes = (max_bytes / size_of::<Tick>() as u64).clamp(1, usize::MAX as u64) as usize;
        BatchLimits { max_ticks: max_ticks.clamp(1, by_bytes), max_delay, target_p99: None }
    }

    /// The same limits for a run that chooses the delay itself, to keep to this p99.
    pub fn keeping(self, target_p99: Duration) -> Self {
        BatchLimits { target_p99: Some(target_p99), ..self }
    }

    /// The instant at which a batch whose oldest tick was due at `oldest` is sealed even if it is not full.
    pub fn deadline(&self, oldest: RunTime) -> RunTime {
        oldest.saturating_add(u64::try_from(self.max_delay.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Whether a batch of `ticks`, the oldest of which was due at `oldest`, is to go now.
    pub fn is_ready(&self, ticks: usize, oldest: RunTime, now: RunTime) -> bool {
        ticks >= self.max_ticks || (ticks > 0 && now >= self.deadline(oldest))
    }
}

impl Display for BatchLimits {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let span = |span| humantime::format_duration(span).to_string().replace(' ', "");
        match self.target_p99 {
            Some(target) => write!(f, "auto, p99 <= {}", span(target))?,
            None if self.max_delay.is_zero() => write!(f, "greedy")?,
            None => write!(f, "linger, max_delay {}", span(self.max_delay))?,
        }
        match self.target_p99 {
            Some(target) if self.max_delay < target => write!(f, ", max_delay {}", span(self.max_delay))?,
            _ => {}
        }
        write!(f, ", max_ticks {}", self.max_ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_goes_at_the_first_of_its_limits() {
        let limits = BatchLimits::new(100, Duration::from_nanos(50), 10 * size_of::<Tick>() as u64);
        assert_eq!(limits.max_ticks, 10);
        assert!(!limits.is_ready(0, 0, 1_000));
        assert!(!limits.is_ready(9, 1_000, 1_049));
        assert!(limits.is_ready(9, 1_000, 1_050));
        assert!(limits.is_ready(10, 1_000, 1_000));
        assert!(BatchLimits::new(100, Duration::ZERO, 1).is_ready(1, 1_000, 1_000));
    }

    #[test]
    fn limits_are_named_by_what_matters_in_them() {
        let limits = |delay| BatchLimits::new(256, Duration::from_millis(delay), u64::MAX);
        assert_eq!(limits(0).to_string(), "greedy, max_ticks 256");
        assert_eq!(limits(1).to_string(), "linger, max_delay 1ms, max_ticks 256");
        let odd = BatchLimits { max_delay: Duration::from_micros(1_250), ..limits(1) };
        assert_eq!(odd.to_string(), "linger, max_delay 1ms250us, max_ticks 256");
        let keeping = |delay| limits(delay).keeping(Duration::from_millis(2)).to_string();
        assert_eq!(keeping(2), "auto, p99 <= 2ms, max_ticks 256");
        assert_eq!(keeping(1), "auto, p99 <= 2ms, max_delay 1ms, max_ticks 256");
    }
}
