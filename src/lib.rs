//! tapeflow: a streaming dataflow runtime for stock ticks.

pub mod error;
pub mod time;
pub mod tick;
pub mod row;
pub mod window;
pub mod aggregate;
pub mod lateness;
pub mod prints;
pub mod ledger;
pub mod batch;
pub mod latency;
pub mod tape;
pub mod source;
pub mod sink;
pub mod operators;
pub mod runtime;
pub mod config;
pub mod report;
pub mod cli;
