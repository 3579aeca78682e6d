//! `[batch]`: when batches go.

use serde::Deserialize;

use crate::batch::BatchLimits;
use crate::config::{Bytes, Count, Layers, Span};

#[derive(Deserialize)]
pub(super) struct BatchSection {
    policy: Batching,
    max_ticks: Count,
    max_delay: Span,
    target_p99: Span,
    max_bytes: Bytes,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Batching {
    Greedy,
    Linger,
    Auto,
}

impl BatchSection {
    /// The limits that were asked for.
    pub fn limits(&self, layers: &mut Layers) -> BatchLimits {
        if self.max_ticks.0 == 0 {
            layers.problem("batch.max_ticks", "a batch of no ticks", "1 is tick at a time");
        }
        let (Span(max_delay), Span(target)) = (self.max_delay, self.target_p99);
        if self.policy == Batching::Greedy && !max_delay.is_zero() {
            let help = "greedy never waits: set batch.policy = \"linger\" as well, or give --linger";
            layers.problem("batch.max_delay", "a delay that would not be used", help);
        }
        if self.policy == Batching::Auto && target.is_zero() {
            layers.problem("batch.target_p99", "a latency of nothing", "write the p99 to keep to, for example \"2ms\"");
        }
        let limits = |delay| BatchLimits::new(self.max_ticks.0.min(1 << 24) as usize, delay, self.max_bytes.0);
        match self.policy {
            Batching::Auto if max_delay.is_zero() => limits(target).keeping(target),
            Batching::Auto => limits(max_delay.min(target)).keeping(target),
            Batching::Greedy | Batching::Linger => limits(max_delay),
        }
    }
}
