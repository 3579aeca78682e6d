//! Topics as inputs. Each of a topic's partitions is a partition of the input, read in its order by a thread of its
//! own; which worker a tick goes to is the symbol's matter, as for any input. Consumer groups only store offsets: which
//! partitions a run reads is fixed when it begins, and it is all of them. Where it has several processes, each reads
//! the partitions of its workers: partition `p` is worker `p`'s, modulo the number of all workers.

mod client;
mod ranges;
mod reading;
mod topic;

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::gather::gather;
use super::live::{End, Start};
use super::peers::Peers;
use super::{Inputs, Opened, Surroundings};
use crate::error::{Doing as _, Error, Result, say};
use client::Client;
use ranges::Range;
use reading::Reading;
use topic::Watch;

pub(crate) use client::{refusal, refuses, unusable};

/// The longest wait for a message before looking whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Opens a topic for so many workers.
pub(super) fn open(
    inputs: &Inputs,
    brokers: &str,
    topic: &str,
    limit: u64,
    workers: usize,
    around: &Surroundings,
) -> Result<Opened> {
    let (name, live) = (format!("kafka://{brokers}/{topic}"), &inputs.live);
    let group = live.properties.iter().any(|(name, _)| name == "group.id");
    if live.start == Start::Stored && !group {
        let text = "source.start is stored, which is kept by group: give [source.librdkafka] \"group.id\" as well";
        return Err(Error::Usage(format!("{name}: {text}")));
    }
    let client = Client::new(&name, brokers, topic, &live.properties)?;
    let ranges = topic::wait_for(&client, live, around)?;
    let place = around.cluster.place;
    if live.start == Start::Stored && place.is_first() && ranges.iter().any(|range| range.start > 0) {
        say(&format!(
            "{name}: goes on behind what its group has read: of windows that were open then, only what comes now is told"
        ));
    }
    let reader_of = move |range: &Range| place.of(range.partition as usize, workers);
    let mine = ranges.iter().filter(|range| reader_of(range) == place.process);
    let queues = client.read(&mine.map(|range| (range.partition, range.start)).collect::<Vec<_>>())?;

    let (peers, incoming) =
        Peers::open(&around.cluster, ranges.len()).doing(|| "setting up the connections to the other processes")?;
    let done = Arc::new(ranges.iter().map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
    let watch = Watch {
        client: client.clone(),
        count: (live.end != End::Now).then_some(ranges.len()),
        looked_at: Instant::now(),
        is_missing: false,
    };
    let reading = Reading { client: client.clone(), done: done.clone(), process: place.process };
    let mut opened = gather(inputs, limit, workers, around, peers, {
        let ranges = ranges.clone();
        move |door| reading.begin(&ranges, reader_of, queues, incoming, watch, &door)
    });
    // Notes for the group how far this run has come, once that is all in the rows.
    let store = move || {
        let offset = |(range, done): (&Range, &AtomicU64)| {
            (range.partition, (done.load(Ordering::Acquire) as i64).max(range.start))
        };
        client.store(ranges.iter().zip(done.iter()).map(offset))
    };
    opened.finish = group.then(|| Box::new(store) as super::Finish);
    Ok(opened)
}

fn failed(name: &str, why: impl Display) -> Error {
    Error::Input(format!("reading {name}: {why}"))
}
