//! The configuration: layers of TOML that are read together, and every mistake shown where it was made.
//!
//! A pipeline's own `.toml` names every key and its default, so it is manual, default and schema in one.

mod controls;
mod correlation;
mod averages;
mod bars;
mod bursts;
mod conditions;
mod edit;
mod effective;
mod feed;
mod hours;
mod keep;
mod known;
mod latest;
mod limits;
mod layer;
mod layers;
mod matching;
mod maybe;
mod movers;
mod pacing;
mod places;
mod problems;
mod settings;
#[cfg(test)]
mod tests;
mod units;
mod windows;

pub use averages::AveragedOver;
pub use bars::Bars;
pub use bursts::Bursts;
pub use controls::{At, ControlsAsked, GapRule};
pub use correlation::Correlations;
pub use edit::with_settings;
pub use effective::{Effective, HIDDEN, Origin};
pub use keep::Keep;
pub use layers::Layers;
pub use matching::Matching;
pub use maybe::Maybe;
pub use movers::Movers;
pub use pacing::{Arrive, Clash, PaceAsked};
pub(crate) use problems::closest;
pub use settings::{Config, Input, Output, Settings};
pub use units::{Bytes, Count, Rate, Span, Speed, TimeOfDay, TimeUnit};
