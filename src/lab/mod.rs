//! The lab: one pipeline under many settings, each measured in the same way, and what can be concluded from it.
//!
//! A sweep plays every cell of a grid of settings open loop and several times over, in a shuffled order. Repeats are
//! never merged and percentiles never averaged: what is shown of a cell is the median of its repeats, and their range.

mod backlog;
mod bench;
mod capacity;
mod cell;
mod cost;
mod files;
mod goal;
mod grid;
mod judge;
mod kernel;
mod line;
mod machine;
mod progress;
mod report;
mod search;
mod settings;
mod sweep;
mod table;
mod tape;
mod theory;
mod together;
mod traces;
mod tune;
mod tuner;

pub use backlog::{Backlog, Little};
pub use bench::{Bench, Play};
pub use capacity::{Capacity, CapacityOf};
pub use cell::{Cell, Measured, Source};
pub use cost::{CostLaw, CostPoint};
pub use files::write;
pub use goal::Goal;
pub use grid::{Axis, Skip, grid, order, text};
pub use judge::{Summary, pareto, star, summary};
pub use kernel::Pressure;
pub use report::{write_picture, write_report};
pub use settings::Asked;
pub use sweep::{Results, Sweep};
pub use table::table;
pub use tape::part;
pub use theory::Theory;
pub use traces::{Chosen, SLOWEST, Second, Traces, middle};
pub use tune::{Tune, Tuned};
pub use tuner::{Seen, Setting, Tried, Tuner, Verdict};
