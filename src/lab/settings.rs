use serde::Deserialize;
use toml::Value;

use super::{Axis, Goal};
use crate::config::{Count, Layers, Maybe, Span};

/// The most repeats of a cell.
const MOST_REPEATS: u64 = 1_000;

#[derive(Deserialize)]
struct SweepSection {
    repeat: Count,
    warmup: Span,
    goal: Maybe<Goal>,
    vary: toml::Table,
}

/// What the settings say about a sweep.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What random choices follow from.
    pub seed: u64,
    /// How often each cell is run.
    pub repeat: usize,
    /// What is due in the first so many nanoseconds is not measured.
    pub warmup: u64,
    /// What the starred row keeps to.
    pub goal: Option<Goal>,
    /// What varies.
    pub vary: Vec<Axis>,
}

impl Asked {
    /// Reads the `[sweep]` table. What is wrong is left in the layers.
    pub fn read(layers: &mut Layers) -> Option<Self> {
        let section: SweepSection = layers.section("sweep")?;
        let Count(seed) = layers.section("market.seed")?;
        if !(1..=MOST_REPEATS).contains(&section.repeat.0) {
            let help = format!("write a number from 1 to {MOST_REPEATS}; 3 to 5 is usual");
            layers.problem("sweep.repeat", "not a number of repeats", &help);
        }
        let mut vary = Vec::new();
        for (key, values) in section.vary {
            match values {
                Value::Array(values) if !values.is_empty() => vary.push(Axis::new("[sweep.vary]", &key, values)),
                _ => layers.problem(
                    &format!("sweep.vary.{key}"),
                    &format!("`{key}` is not given a list of values"),
                    "write for example \"batch.max_ticks\" = [1, 16, 256]",
                ),
            }
        }
        Some(Asked {
            seed,
            repeat: section.repeat.0.min(MOST_REPEATS) as usize,
            warmup: i64::try_from(section.warmup.0.as_nanos()).unwrap_or(i64::MAX) as u64,
            goal: section.goal.0,
            vary,
        })
    }
}
