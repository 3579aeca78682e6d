//! Batching: how many ticks go into the dataflow together, and how long the first of them may wait for company.
//!
//! Nothing here reads a clock or does I/O: instants and costs are handed in.

mod auto;
mod decision;
mod dial;
mod fit;
mod held_up;
mod kept;
mod limits;

pub use auto::{Auto, Round};
pub use decision::{Account, Decision, Inputs, State, Why};
pub use dial::Dial;
pub use fit::CostFit;
pub use kept::{INTERVAL, Intervals, Kept, Tally};
pub use limits::BatchLimits;
