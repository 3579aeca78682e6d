//! Topics as inputs. Each of a topic's partitions is a partition of the input, read in its order by a thread of its
//! own; which worker a tick goes to is the symbol's matter, as for any input. Consumer groups only store offsets: which
//! partitions a run reads is fixed when it begins, and it is all of them.

mod ranges;
mod reading;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::gather::gather;
use super::live::{End, Start};
use super::{Inputs, Opened, Surroundings, say};
use crate::error::{Error, Result};
use ranges::{Range, ranges};
use reading::Reading;

/// The longest wait for an answer before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(1000);

/// The longest wait for a message before looking whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Says what the client has to say, but not again and again.
struct Voice {
    name: String,
    is_told: AtomicBool,
}

impl ClientContext for Voice {
    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is told here, too, and is no error.
        let is_end = error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF);
        if !is_end && !self.is_told.swap(true, Ordering::AcqRel) {
            say(&format!("{}: {reason} (trying again; Ctrl-C ends this)", self.name));
        }
    }
}

impl ConsumerContext for Voice {}

type Client = Arc<BaseConsumer<Voice>>;

/// Opens a topic for so many workers.
pub(super) fn open(
    inputs: &Inputs,
    brokers: &str,
    topic: &str,
    limit: u64,
    workers: usize,
    around: &Surroundings,
) -> Result<Opened> {
    let name = format!("kafka://{brokers}/{topic}");
    let group = inputs.live.properties.iter().any(|(name, _)| name == "group.id");
    if inputs.live.start == Start::Stored && !group {
        let text = "source.start is stored, which is kept by group: give [source.librdkafka] \"group.id\" as well";
        return Err(Error::Usage(format!("{name}: {text}")));
    }
    let client = client(&name, brokers, &inputs.live.properties)?;
    let partitions = partitions(&client, &name, topic, inputs.live.end, around)?;
    let ranges = loop {
        match ranges(&client, topic, &partitions, inputs) {
            // A broker that has just come up knows its partitions before it leads them.
            Err(error) if is_passing(&error) && !around.stop.load(Ordering::Acquire) => {
                std::thread::sleep(LOOK_EVERY * 5);
            }
            found => break found.map_err(|error| failed(&name, &error))?,
        }
    };

    let mut list = TopicPartitionList::new();
    for range in &ranges {
        let added = list.add_partition_offset(topic, range.partition, Offset::Offset(range.start));
        added.map_err(|error| failed(&name, &error))?;
    }
    client.assign(&list).map_err(|error| failed(&name, &error))?;
    let queues = ranges.iter().filter_map(|range| client.split_partition_queue(topic, range.partition)).collect();

    let done = Arc::new(ranges.iter().map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
    let reading = Reading { name: name.clone(), client: client.clone(), done: done.clone() };
    let mut opened = gather(inputs, limit, workers, around, {
        let ranges = ranges.clone();
        move |door| reading.begin(&ranges, queues, &door)
    });
    let topic = topic.to_owned();
    let store = move || store(&client, &name, &topic, &ranges, &done);
    opened.finish = group.then(|| Box::new(store) as super::Finish);
    Ok(opened)
}

fn client(name: &str, brokers: &str, properties: &[(String, String)]) -> Result<Client> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "tapeflow").set("client.id", "tapeflow");
    // An offset that is not there any more is a hole in the tape, which is not passed over in silence.
    config.set("auto.offset.reset", "error").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    // What waits in memory is bounded, partition by partition.
    config.set("queued.max.messages.kbytes", "4096").set("fetch.wait.max.ms", "10");
    properties.iter().for_each(|(name, value)| _ = config.set(name, value));
    let voice = Voice { name: name.into(), is_told: AtomicBool::new(false) };
    let client = config.create_with_context(voice);
    client.map(Arc::new).map_err(|error| Error::Usage(format!("{name}: [source.librdkafka]: {error}")))
}

fn failed(name: &str, error: &KafkaError) -> Error {
    Error::Input(format!("reading {name}: {error}"))
}

/// The topic's partitions; the brokers, and the topic, are waited for.
fn partitions(client: &Client, name: &str, topic: &str, end: End, around: &Surroundings) -> Result<Vec<i32>> {
    let mut is_told = false;
    loop {
        let found = client.fetch_metadata(Some(topic), PATIENCE);
        let why = match &found {
            Ok(found) => match found.topics().first() {
                Some(topic) if topic.error().is_none() && !topic.partitions().is_empty() => {
                    return Ok(topic.partitions().iter().map(|partition| partition.id()).collect());
                }
                _ if end == End::Now => {
                    return Err(Error::Input(format!(
                        "reading {name}: there is no such topic, so nothing is in it now"
                    )));
                }
                _ => "there is no such topic yet".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        if around.stop.load(Ordering::Acquire) {
            return Err(Error::Input(format!("reading {name}: {why}")));
        }
        if !std::mem::replace(&mut is_told, true) {
            say(&format!("waiting for {name}: {why} (trying again; Ctrl-C ends this)"));
        }
        std::thread::sleep(LOOK_EVERY * 5);
    }
}

/// Notes for the group how far this run has come, now that it is all in the rows.
fn store(client: &Client, name: &str, topic: &str, ranges: &[Range], done: &[AtomicU64]) -> Result<()> {
    let mut list = TopicPartitionList::new();
    for (range, done) in ranges.iter().zip(done) {
        let offset = (done.load(Ordering::Acquire) as i64).max(range.start);
        let added = list.add_partition_offset(topic, range.partition, Offset::Offset(offset));
        added.map_err(|error| failed(name, &error))?;
    }
    let stored = client.commit(&list, CommitMode::Sync);
    stored.map_err(|error| Error::Input(format!("storing how far {name} was read: {error}")))
}

fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::FencedLeaderEpoch
                | Code::UnknownLeaderEpoch
                | Code::ReplicaNotAvailable
                | Code::BrokerNotAvailable
                | Code::NetworkException
                | Code::UnknownTopicOrPartition
        )
    )
}
