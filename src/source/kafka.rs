//! Topics as inputs. Each of a topic's partitions is a partition of the input, read in its order by a thread of its
//! own; which worker a tick goes to is the symbol's matter, as for any input. Consumer groups only store offsets: which
//! partitions a run reads is fixed when it begins, and it is all of them. Where it has several processes, each reads
//! the partitions of its workers: partition `p` is worker `p`'s, modulo the number of all workers.

mod ranges;
mod reading;
mod topic;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::gather::gather;
use super::live::{End, Start};
use super::peers::Peers;
use super::{Inputs, Opened, Surroundings, say};
use crate::error::{Doing as _, Error, Result};
use ranges::{Range, ranges};
use reading::Reading;
use topic::{Watch, partitions};

/// The longest wait for an answer before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(1000);

/// The longest wait for a message before looking whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often the client asks anew which partitions there are, and so do we.
const REFRESH: &str = "topic.metadata.refresh.interval.ms";

/// Says what the client has to say, but not again and again.
struct Voice {
    name: String,
    is_told: AtomicBool,
    /// Why the brokers do not let this client in, where they do not.
    refused: Mutex<Option<String>>,
}

impl Voice {
    /// Fails if the brokers do not let this client in.
    fn check(&self) -> Result<()> {
        let refused = self.refused.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(reason) = &*refused else { return Ok(()) };
        Err(Error::Input(format!("reading {}: {reason}", self.name)))
    }
}

/// Whether brokers do not let a client in, which no waiting changes.
pub(crate) fn refuses(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{Authentication, SaslAuthenticationFailed, UnsupportedSASLMechanism};
    matches!(error.rdkafka_error_code(), Some(Authentication | SaslAuthenticationFailed | UnsupportedSASLMechanism))
}

/// The reason for which they do not, and what to look at.
pub(crate) fn refusal(reason: &str) -> String {
    format!(
        "the broker does not let us in: {reason}. Look at the properties security.protocol, sasl.mechanism, \
         sasl.username and sasl.password of librdkafka"
    )
}

impl ClientContext for Voice {
    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is told here, too, and is no error.
        let is_end = error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF);
        if refuses(&error) {
            let mut refused = self.refused.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            refused.get_or_insert_with(|| refusal(reason));
        } else if !is_end && !self.is_told.swap(true, Ordering::AcqRel) {
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
    let (client, refresh) = client(&name, brokers, &inputs.live.properties)?;
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

    let place = around.cluster.place;
    let reader_of = move |range: &Range| place.of(range.partition as usize, workers);
    let mine = || ranges.iter().filter(|range| reader_of(range) == place.process);
    let mut list = TopicPartitionList::new();
    for range in mine() {
        let added = list.add_partition_offset(topic, range.partition, Offset::Offset(range.start));
        added.map_err(|error| failed(&name, &error))?;
    }
    client.assign(&list).map_err(|error| failed(&name, &error))?;
    let queues = mine().filter_map(|range| client.split_partition_queue(topic, range.partition)).collect();

    let (peers, incoming) =
        Peers::open(&around.cluster, ranges.len()).doing(|| "setting up the connections to the other processes")?;
    let done = Arc::new(ranges.iter().map(|_| AtomicU64::new(0)).collect::<Vec<_>>());
    let watch = Watch {
        client: client.clone(),
        name: name.clone(),
        topic: topic.to_owned(),
        count: (inputs.live.end != End::Now).then_some(ranges.len()),
        every: refresh,
        looked_at: Instant::now(),
        is_missing: false,
    };
    let reading = Reading { name: name.clone(), client: client.clone(), done: done.clone(), process: place.process };
    let mut opened = gather(inputs, limit, workers, around, peers, {
        let ranges = ranges.clone();
        move |door| reading.begin(&ranges, reader_of, queues, incoming, watch, &door)
    });
    let topic = topic.to_owned();
    let store = move || store(&client, &name, &topic, &ranges, &done);
    opened.finish = group.then(|| Box::new(store) as super::Finish);
    Ok(opened)
}

/// A client, and how often it asks anew which partitions there are.
fn client(name: &str, brokers: &str, properties: &[(String, String)]) -> Result<(Client, Option<Duration>)> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "tapeflow").set("client.id", "tapeflow");
    // An offset that is not there any more is a hole in the tape, which is not passed over in silence.
    config.set("auto.offset.reset", "error").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    // What waits in memory is bounded, partition by partition.
    config.set("queued.max.messages.kbytes", "4096").set("fetch.wait.max.ms", "10");
    config.set(REFRESH, "5000");
    properties.iter().for_each(|(name, value)| _ = config.set(name, value));
    let refresh = config.get(REFRESH).and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
    let voice = Voice { name: name.into(), is_told: AtomicBool::new(false), refused: Mutex::default() };
    let client = config.create_with_context(voice);
    let client = client.map_err(|error| Error::Usage(format!("{name}: [source.librdkafka]: {error}")))?;
    Ok((Arc::new(client), refresh))
}

fn failed(name: &str, error: &KafkaError) -> Error {
    Error::Input(format!("reading {name}: {error}"))
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
