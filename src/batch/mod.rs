//! Batching: how many ticks go into the dataflow together, and how long the first of them may wait for company.
//!
//! Nothing here reads a clock or does I/O: instants and costs are handed in.

mod fit;
mod limits;

pub use fit::CostFit;
pub use limits::BatchLimits;
