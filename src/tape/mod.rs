//! What a recorded or generated day is: its formats, the order of its ticks, and its schedule.

pub mod course;
pub mod format;
mod leaf;
mod market;
mod merge;
mod pace;
mod random;
mod rejects;

pub use leaf::{Leaf, PartitionRules, Placed};
pub use market::Market;
pub use merge::{Due, Merge, Positions};
pub use pace::{Burst, Gaps, Pace, Timetable};
pub use rejects::Rejects;
