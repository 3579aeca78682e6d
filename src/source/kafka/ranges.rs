//! Which messages of a topic are read: where each partition begins and ends.

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::super::Inputs;
use super::super::live::{End, Start};
use super::{Client, PATIENCE};
use crate::time::{EventTime, MS};

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

/// Where to begin and end in each partition.
pub(super) fn ranges(
    client: &Client,
    topic: &str,
    partitions: &[i32],
    inputs: &Inputs,
) -> std::result::Result<Vec<Range>, KafkaError> {
    let patience = PATIENCE * 10;
    let at_time = |time: EventTime| {
        let mut times = TopicPartitionList::new();
        for partition in partitions {
            times.add_partition_offset(topic, *partition, Offset::Offset(time.div_euclid(MS)))?;
        }
        client.offsets_for_times(times, patience)
    };
    let offset_in = |list: &TopicPartitionList, partition: i32| {
        list.find_partition(topic, partition).and_then(|found| match found.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    };
    let starts = match inputs.live.start {
        Start::Time(time) => Some(at_time(time)?),
        Start::Stored => {
            let mut list = TopicPartitionList::new();
            partitions.iter().for_each(|partition| _ = list.add_partition(topic, *partition));
            Some(client.committed_offsets(list, patience)?)
        }
        _ => None,
    };
    let (ends, until_ms) = match inputs.live.end {
        End::Time(time) => (Some(at_time(time)?), Some(time.div_euclid(MS))),
        _ => (None, None),
    };
    let range = |partition: i32| {
        let (low, high) = client.fetch_watermarks(topic, partition, patience)?;
        let known = starts.as_ref().and_then(|list| offset_in(list, partition));
        let start = match inputs.live.start {
            Start::Earliest => low,
            Start::Latest => high,
            Start::Offset(offset) => offset,
            Start::Stored => known.unwrap_or(low),
            Start::Time(_) => known.unwrap_or(high),
        };
        let end = match inputs.live.end {
            End::Now => Some(high),
            End::Time(_) => ends.as_ref().and_then(|list| offset_in(list, partition)),
            End::Auto | End::Never => None,
        };
        Ok(Range { partition, start, end, until_ms })
    };
    partitions.iter().map(|partition| range(*partition)).collect()
}
