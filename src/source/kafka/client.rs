//! librdkafka's consumer: all that reads topics asks it through here. Of librdkafka only this file and `sink/kafka.rs`
//! know, as `tests/layers.rs` checks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::failed;
use crate::error::{Error, Result, lock, say};

/// The longest wait for brokers to say that they are there, before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(1000);

/// The longest wait for what brokers that are there have to look up.
const LONG: Duration = Duration::from_millis(10_000);

/// How often the client asks anew which partitions there are, and so do we.
const REFRESH: &str = "topic.metadata.refresh.interval.ms";

/// Says what the client has to say, but not again and again.
struct Voice {
    name: String,
    is_told: AtomicBool,
    /// Why the brokers do not let this client in, where they do not.
    refused: Mutex<Option<String>>,
}

/// Whether brokers do not let a client in, which no waiting changes.
pub(crate) fn refuses(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism))
}

/// The reason for which they do not, and what to look at.
pub(crate) fn refusal(reason: &str) -> String {
    format!(
        "the broker does not let us in: {reason}. Look at the properties security.protocol, sasl.mechanism, \
         sasl.username and sasl.password of librdkafka"
    )
}

/// Why there is no client with these properties, which come from `place`.
pub(crate) fn unusable(name: &str, place: &str, error: &KafkaError) -> Error {
    let text = error.to_string();
    let is_left_out = ["at build time", "recompile"].iter().any(|words| text.contains(words));
    let next = if is_left_out { ". TLS and SASL are a feature: cargo build --features kafka-tls" } else { "" };
    Error::Usage(format!("{name}: {place}: {text}{next}"))
}

impl ClientContext for Voice {
    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is told here, too, and is no error.
        let is_end = error.rdkafka_error_code() == Some(Code::PartitionEOF);
        if refuses(&error) {
            let mut refused = lock(&self.refused);
            refused.get_or_insert_with(|| refusal(reason));
        } else if !is_end && !self.is_told.swap(true, Ordering::AcqRel) {
            say(&format!("{}: {reason} (trying again; Ctrl-C ends this)", self.name));
        }
    }
}

impl ConsumerContext for Voice {}

/// What the brokers say of a topic.
pub(super) enum Found {
    Partitions(Vec<i32>),
    /// There is no such topic.
    Nothing,
    /// They do not answer, and why.
    Silence(String),
}

/// What comes of a topic.
pub(super) enum Event<'a> {
    Letter(Letter<'a>),
    /// Nothing stands behind what has come of this partition.
    End(i32),
    /// A connection broke, and is opened again.
    Broken,
    /// What is wrong, and will not be right by itself.
    Failed(String),
}

/// A message, in the client's memory.
pub(super) struct Letter<'a>(BorrowedMessage<'a>);

impl Letter<'_> {
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    pub fn payload(&self) -> &[u8] {
        self.0.payload().unwrap_or_default()
    }

    /// Its time in milliseconds.
    pub fn time_ms(&self) -> Option<i64> {
        self.0.timestamp().to_millis()
    }
}

/// A client that reads one topic.
#[derive(Clone)]
pub(super) struct Client {
    consumer: Arc<BaseConsumer<Voice>>,
    topic: Arc<str>,
    /// How often it asks anew which partitions there are; never if there is none.
    pub refresh: Option<Duration>,
}

impl Client {
    /// A client with these properties. Nothing is asked yet.
    ///
    /// # Errors
    /// When a property cannot be.
    pub fn new(name: &str, brokers: &str, topic: &str, properties: &[(String, String)]) -> Result<Client> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "tapeflow").set("client.id", "tapeflow");
        // An offset that is not there any more is a hole in the tape, which is not passed over in silence.
        config.set("auto.offset.reset", "error").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        // What we store is what is in the rows; and figures about itself cost the client a lock a message.
        config.set("enable.auto.offset.store", "false").set("enable.metrics.push", "false");
        // What waits in memory is bounded, partition by partition; by default a full queue is looked at again only
        // after a second, in which it has long run dry.
        config.set("queued.max.messages.kbytes", "4096").set("fetch.queue.backoff.ms", "5");
        config.set("fetch.wait.max.ms", "10").set(REFRESH, "5000");
        properties.iter().for_each(|(name, value)| _ = config.set(name, value));
        let refresh = config.get(REFRESH).and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
        let voice = Voice { name: name.into(), is_told: AtomicBool::new(false), refused: Mutex::default() };
        let consumer = config.create_with_context(voice);
        let consumer = consumer.map_err(|error| unusable(name, "[source.librdkafka]", &error))?;
        Ok(Client { consumer: Arc::new(consumer), topic: topic.into(), refresh })
    }

    /// The topic's address.
    pub fn name(&self) -> &str {
        &self.consumer.context().name
    }

    /// Fails if the brokers do not let this client in.
    pub fn check(&self) -> Result<()> {
        let refused = lock(&self.consumer.context().refused);
        refused.as_ref().map_or(Ok(()), |reason| Err(failed(self.name(), reason)))
    }

    /// Asks for the topic.
    ///
    /// # Errors
    /// When the brokers refuse to answer, or to have it read.
    pub fn look(&self) -> Result<Found> {
        let found = self.consumer.fetch_metadata(Some(&self.topic), PATIENCE);
        self.check()?;
        let found = match found {
            Ok(found) => found,
            Err(error) => return Ok(Found::Silence(error.to_string())),
        };
        let Some(found) = found.topics().first() else { return Ok(Found::Nothing) };
        match found.error().map(Code::from) {
            None if found.partitions().is_empty() => Ok(Found::Nothing),
            None => Ok(Found::Partitions(found.partitions().iter().map(|partition| partition.id()).collect())),
            Some(why @ (Code::TopicAuthorizationFailed | Code::InvalidTopic)) => Err(failed(self.name(), why)),
            // A topic that is being made has no leader yet.
            Some(_) => Ok(Found::Nothing),
        }
    }

    /// The offsets of a partition's first message and of the next one to come; `None` where that cannot be said yet.
    pub fn watermarks(&self, partition: i32) -> Result<Option<(i64, i64)>> {
        self.answer(self.consumer.fetch_watermarks(&self.topic, partition, LONG))
    }

    /// Of each partition, the offset of its first message of this time or later, where it has one; `None` where that
    /// cannot be said yet.
    pub fn offsets_at(&self, partitions: &[i32], time_ms: i64) -> Result<Option<Vec<Option<i64>>>> {
        let list = self.list(partitions.iter().map(|partition| (*partition, Offset::Offset(time_ms))))?;
        let found = self.answer(self.consumer.offsets_for_times(list, LONG))?;
        Ok(found.map(|found| self.offsets(&found, partitions)))
    }

    /// Of each partition, the offset that the group has stored, where it has; `None` where that cannot be said yet.
    pub fn stored(&self, partitions: &[i32]) -> Result<Option<Vec<Option<i64>>>> {
        let list = self.list(partitions.iter().map(|partition| (*partition, Offset::Invalid)))?;
        let found = self.answer(self.consumer.committed_offsets(list, LONG))?;
        Ok(found.map(|found| self.offsets(&found, partitions)))
    }

    /// Stores offsets for the group.
    pub fn store(&self, offsets: impl Iterator<Item = (i32, i64)>) -> Result<()> {
        let list = self.list(offsets.map(|(partition, offset)| (partition, Offset::Offset(offset))))?;
        let stored = self.consumer.commit(&list, CommitMode::Sync);
        stored.map_err(|error| Error::Input(format!("storing how far {} was read: {error}", self.name())))
    }

    /// Begins to read partitions from these offsets on, each through a queue of its own.
    pub fn read(&self, starts: &[(i32, i64)]) -> Result<Vec<Queue>> {
        let list = self.list(starts.iter().map(|(partition, offset)| (*partition, Offset::Offset(*offset))))?;
        self.consumer.assign(&list).map_err(|error| failed(self.name(), error))?;
        let split = |(partition, _): &(i32, i64)| {
            let queue = self.consumer.split_partition_queue(&self.topic, *partition).map(Queue);
            queue.ok_or_else(|| failed(self.name(), format!("partition {partition} has no queue")))
        };
        starts.iter().map(split).collect()
    }

    /// What came beside the partitions' queues. The client tells what is wrong with it only when it is asked.
    pub fn poll(&self, may_wait: Duration) -> Option<Event<'_>> {
        self.consumer.poll(may_wait).map(event)
    }

    fn list(&self, offsets: impl Iterator<Item = (i32, Offset)>) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            let added = list.add_partition_offset(&self.topic, partition, offset);
            added.map_err(|error| failed(self.name(), error))?;
        }
        Ok(list)
    }

    fn offsets(&self, list: &TopicPartitionList, partitions: &[i32]) -> Vec<Option<i64>> {
        let offset = |partition: &i32| match list.find_partition(&self.topic, *partition)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        partitions.iter().map(offset).collect()
    }

    fn answer<T>(&self, answer: KafkaResult<T>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) => Err(failed(self.name(), error)),
        }
    }
}

/// The queue of a partition.
pub(super) struct Queue(PartitionQueue<Voice>);

impl Queue {
    /// What comes next of the partition.
    pub fn poll(&self, may_wait: Duration) -> Option<Event<'_>> {
        self.0.poll(may_wait).map(event)
    }
}

fn event(polled: KafkaResult<BorrowedMessage<'_>>) -> Event<'_> {
    match polled {
        Ok(message) => Event::Letter(Letter(message)),
        Err(KafkaError::PartitionEOF(partition)) => Event::End(partition),
        Err(error) if is_passing(&error) => Event::Broken,
        Err(error) if error.rdkafka_error_code() == Some(Code::AutoOffsetReset) => {
            let text = "the topic has no message at the offset where it was to begin, or keeps none so old any more";
            Event::Failed(format!("{text}: give another source.start, such as earliest ({error})"))
        }
        Err(error) => Event::Failed(error.to_string()),
    }
}

fn is_passing(error: &KafkaError) -> bool {
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
