//! tapeflow: a streaming dataflow runtime for stock ticks.

pub mod config;
pub mod error;
pub mod tick;
pub mod time;
