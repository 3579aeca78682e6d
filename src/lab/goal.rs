use std::fmt::{self, Display};
use std::str::FromStr;

use serde::Deserialize;

use crate::config::Span;
use crate::report::Percentiles;

/// The percentiles that a goal may be about, and where each is found.
type Of = fn(&Percentiles) -> u64;
const PERCENTILES: [(&str, Of); 6] = [
    ("p50", |p| p.p50),
    ("p90", |p| p.p90),
    ("p99", |p| p.p99),
    ("p99.9", |p| p.p99_9),
    ("p99.99", |p| p.p99_99),
    ("max", |p| p.max),
];

/// What a tick's latency is to keep to, written `p99 <= 2ms`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Goal {
    at: usize,
    most: Span,
}

impl Goal {
    /// The latency that the goal is about, in nanoseconds.
    pub fn of(&self, percentiles: &Percentiles) -> u64 {
        (PERCENTILES[self.at].1)(percentiles)
    }

    /// The name of its percentile.
    pub fn percentile(&self) -> &'static str {
        PERCENTILES[self.at].0
    }

    /// Whether it is met.
    pub fn is_met(&self, percentiles: &Percentiles) -> bool {
        u128::from(self.of(percentiles)) <= self.most.0.as_nanos()
    }
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is not a goal: {why}; write e.g. \"p99 <= 2ms\"");
        let (name, most) = text.split_once("<=").ok_or_else(|| wrong("there is no <="))?;
        let names = PERCENTILES.map(|(name, _)| name);
        let at = names.iter().position(|it| *it == name.trim());
        let at = at.ok_or_else(|| wrong(&format!("the percentiles are {}", names.join(", "))))?;
        let most = most.trim().parse().map_err(|_| wrong("its limit is not a duration"))?;
        Ok(Goal { at, most })
    }
}

impl TryFrom<String> for Goal {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <= {}", PERCENTILES[self.at].0, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_read_shown_and_met() {
        let goal: Goal = "p99.9<= 2ms".parse().unwrap();
        assert_eq!(goal.to_string(), "p99.9 <= 2ms");
        let with = |p99_9| Percentiles { p99_9, max: 9_000_000, ..Percentiles::default() };
        assert!(goal.is_met(&with(2_000_000)));
        assert!(!goal.is_met(&with(2_000_001)));
        let refused = |text: &str| text.parse::<Goal>().unwrap_err();
        assert_eq!(refused("p99 < 2ms"), "`p99 < 2ms` is not a goal: there is no <=; write e.g. \"p99 <= 2ms\"");
        assert!(refused("p98 <= 2ms").contains("the percentiles are p50, p90, p99, p99.9, p99.99, max"));
        assert!(refused("p99 <= 2 parsecs").contains("its limit is not a duration"));
    }
}
