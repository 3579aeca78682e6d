//! `[late]`: which ticks are late, and what becomes of them.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::nanos;
use crate::calendar::Days;
use crate::config::{Layers, Span};
use crate::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use crate::time::MS;

#[derive(Deserialize)]
pub(super) struct LateSection {
    disorder: Span,
    policy: LatePolicy,
    horizon: Reach,
    changes_every: Span,
}

/// The horizon's words: `session`, `off`, or a span.
struct Reach(Horizon);

impl<'de> Deserialize<'de> for Reach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "session" => Ok(Reach(Horizon::Session)),
            "off" => Ok(Reach(Horizon::None)),
            span => match Span::from_str(span) {
                Ok(span) if span.0.is_zero() => Ok(Reach(Horizon::None)),
                Ok(span) => Ok(Reach(Horizon::Span(nanos(span)))),
                Err(e) => Err(serde::de::Error::custom(format!("{e}, or \"session\", or \"off\""))),
            },
        }
    }
}

impl LateSection {
    /// Which ticks are late; sessions are these days.
    pub fn lateness(&self, days: Days) -> Lateness {
        Lateness {
            disorder: nanos(self.disorder),
            policy: self.policy,
            horizon: self.horizon.0.clone(),
            sessions: Sessions::of_days(days),
        }
    }

    /// How often amendments are shown, in milliseconds of watermark.
    pub fn changes_every_ms(&self, layers: &mut Layers) -> i64 {
        let every = nanos(self.changes_every) / MS;
        if every < 1 {
            layers.problem("late.changes_every", "shorter than a millisecond", "the watermark moves by milliseconds");
        }
        every.max(1)
    }
}
