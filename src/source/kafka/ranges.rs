//! Which messages of a topic are read: where each partition begins and ends.

use super::super::live::{End, Live, Start};
use super::client::Client;
use crate::error::Result;
use crate::time::MS;

/// Where reading a partition begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub partition: i32,
    pub start: i64,
    /// The offset that is not read any more.
    pub end: Option<i64>,
    /// The time in milliseconds from which on no message is read.
    pub until_ms: Option<i64>,
}

/// Where to begin and end in each partition; `None` where the brokers cannot say it yet.
///
/// # Errors
/// When they never will.
pub(super) fn ranges(client: &Client, partitions: &[i32], live: &Live) -> Result<Option<Vec<Range>>> {
    let unknown = || Some(vec![None; partitions.len()]);
    let starts = match live.start {
        Start::Time(time) => client.offsets_at(partitions, time.div_euclid(MS))?,
        Start::Stored => client.stored(partitions)?,
        Start::Earliest | Start::Latest | Start::Offset(_) => unknown(),
    };
    let (ends, until_ms) = match live.end {
        End::Time(time) => (client.offsets_at(partitions, time.div_euclid(MS))?, Some(time.div_euclid(MS))),
        End::Auto | End::Never | End::Now => (unknown(), None),
    };
    let (Some(starts), Some(ends)) = (starts, ends) else { return Ok(None) };
    let mut ranges = Vec::new();
    for (at, partition) in partitions.iter().copied().enumerate() {
        let Some((low, high)) = client.watermarks(partition)? else { return Ok(None) };
        let start = match live.start {
            Start::Earliest => low,
            Start::Latest => high,
            Start::Offset(offset) => offset,
            Start::Stored => starts[at].unwrap_or(low),
            Start::Time(_) => starts[at].unwrap_or(high),
        };
        let end = if live.end == End::Now { Some(high) } else { ends[at] };
        ranges.push(Range { partition, start, end, until_ms });
    }
    Ok(Some(ranges))
}
