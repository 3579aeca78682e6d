//! tapeflow: a streaming dataflow runtime for stock ticks.
//!
//! A tape, recorded or made up, is played as a timed live feed into timely-dataflow operators. Windows are
//! aggregated in event time; late prints, cancels and corrections amend what was said before; and the run ends with
//! latency histograms, counted from the instant at which each tick was due.
//!
//! # Layout
//!
//! The order of the modules below is the order of their layers: a module uses only modules declared above it, which
//! `tests/layers.rs` checks. Folders are where one adds a file of the same kind; files are where one does not.
//!
//! * words: [`error`], [`threads`], which have names, [`time`], [`calendar`], [`tick`], [`window`], [`row`], [`memory`], what
//!   this process takes, [`prefetch`], memory that is asked for early, `decimal`, numbers as texts, and `random`, those that
//!   follow from a seed;
//! * rules, without I/O and without a clock of their own: [`aggregate`], [`lateness`], [`prints`],
//!   [`pairs`], [`asof`], [`quality`], [`ledger`], [`batch`], [`latency`], [`standing`];
//! * [`tape`]: what a recorded day is, its formats, its order and its schedule; [`market`]: days that are made up;
//! * edges: [`cluster`], the processes of a run; [`source`] and [`sink`], a file a kind;
//! * [`operators`]: the dataflow; timely and differential are known here and in `runtime`;
//! * [`oracle`]: what the dataflow must come to, computed over the whole tape at once;
//! * the run: [`runtime`], [`config`], [`report`], [`play`];
//! * many runs: [`lab`], [`compare`]; and the command line over all: [`cli`].
//!
//! The life of one tick from dataset to sink is told in `ARCHITECTURE.md`.
//!
//! A pipeline is a closure over a stream of ticks, and beside it one that makes the same rows from the whole tape:
//!
//! ```no_run
//! use tapeflow::{aggregate::Ohlcv, oracle, window::Windows};
//!
//! fn main() -> std::process::ExitCode {
//!     tapeflow::cli::main(
//!         "ohlcv",
//!         include_str!("../pipelines/ohlcv.toml"),
//!         |ticks, windows: &Windows| ticks.window_aggregate::<Ohlcv>(windows.clone()),
//!         |tape, windows: &Windows| oracle::bars(tape, windows),
//!     )
//! }
//! ```

#![deny(unsafe_code)]
#![warn(missing_docs)]

// Their types are in what this library takes and gives.
pub use {differential_dataflow, hdrhistogram, jiff, timely};

pub mod error;
pub mod threads;
pub mod time;
pub mod calendar;
pub mod memory;
pub mod prefetch;
mod decimal;
pub mod tick;
mod random;
pub mod window;
pub mod row;

pub mod aggregate;
pub mod lateness;
pub mod prints;
pub mod pairs;
pub mod asof;
pub mod quality;
pub mod ledger;
pub mod batch;
pub mod latency;
pub mod standing;

pub mod tape;
pub mod market;

pub mod cluster;
pub mod source;
pub mod sink;

pub mod operators;

pub mod oracle;

pub mod runtime;
pub mod config;
pub mod report;
pub mod play;
pub mod lab;
pub mod compare;
pub mod cli;
