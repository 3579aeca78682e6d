//! Parquet, read and written through its own low-level columns.
//!
//! A file of ours has the columns of [`FEED_COLUMNS`](super::FEED_COLUMNS), in groups of rows that follow each other as
//! the records of the tape do. Times are `TIMESTAMP(NANOS, UTC)`, prices `DECIMAL(18, 9)`, which is our own unit in an
//! `INT64`, counts are unsigned and the rest are texts; what a record does not have is null. Files of others may have
//! their own types: see [`cell`].

mod cell;
mod column;
mod read;
mod write;

use super::columns::{Quantity, quantity};

pub(super) use read::Table;
pub(super) use write::TableEncoder;

/// What one of our columns holds, in words.
fn kind(ours: usize) -> &'static str {
    match quantity(ours) {
        Quantity::Time => "time",
        Quantity::Price => "price",
        Quantity::Count => "count",
        Quantity::Text => "text",
    }
}
