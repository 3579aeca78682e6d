use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};

use super::courier::{Courier, Parcel, ToTopic};
use super::lines::Upsert;
use crate::error::{Error, Result, lock, say};
use crate::row::Texts;
use crate::source::{Address, refusal, refuses, unusable};
use crate::tape::DeadLetters;
use crate::tape::format::bin::MARK;
use crate::time::MS;

/// The longest wait before looking whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// When nothing was acknowledged for so long, whoever stops us is heard.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most that librdkafka takes.
const LONGEST_LINGER: Duration = Duration::from_secs(900);
const LARGEST_BATCH: u64 = 1_000_000;

/// What to do about messages that are too large: those that are sent together count as one.
const SMALLER: &str = "pack fewer records, lower librdkafka's batch.size, or raise the topic's max.message.bytes";

/// Counts what the brokers acknowledge.
struct Reports {
    name: String,
    acknowledged: AtomicU64,
    /// Messages that failed, and why the first one did.
    failed: AtomicU64,
    first: Mutex<Option<String>>,
    /// Why the brokers do not let this client in, where they do not.
    refused: Mutex<Option<String>>,
    is_told: AtomicBool,
}

/// Since when nothing was acknowledged.
struct Silence {
    since: Instant,
    acknowledged: u64,
}

impl Silence {
    fn begin(reports: &Reports) -> Self {
        Silence { since: Instant::now(), acknowledged: reports.acknowledged.load(Ordering::Acquire) }
    }

    fn is_long(&mut self, reports: &Reports) -> bool {
        if reports.acknowledged.load(Ordering::Acquire) != self.acknowledged {
            *self = Silence::begin(reports);
        }
        self.since.elapsed() > PATIENCE
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        if refuses(&error) {
            let mut refused = lock(&self.refused);
            refused.get_or_insert_with(|| refusal(reason));
        } else if !self.is_told.swap(true, Ordering::AcqRel) {
            say(&format!("{}: {reason} (trying again; Ctrl-C ends this)", self.name));
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        match result {
            Ok(_) => _ = self.acknowledged.fetch_add(1, Ordering::AcqRel),
            Err((error, _)) => {
                self.failed.fetch_add(1, Ordering::AcqRel);
                let mut first = lock(&self.first);
                first.get_or_insert_with(|| why(error));
            }
        }
    }
}

/// Why a message was not taken.
fn why(error: &KafkaError) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => format!("{error}: {SMALLER}"),
        _ => error.to_string(),
    }
}

/// What the producer is told: properties are stronger than batches, and those stronger than our own.
fn config(brokers: &str, to_topic: &ToTopic) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("client.id", "tapeflow").set("enable.idempotence", "true");
    // What waits to be acknowledged is bounded: a slow broker slows us, and nothing is dropped.
    config.set("queue.buffering.max.kbytes", "32768");
    let linger = to_topic.linger.unwrap_or(Duration::from_millis(1)).min(LONGEST_LINGER);
    config.set("linger.ms", (linger.as_secs_f64() * 1e3).to_string());
    if let Some(messages) = to_topic.max_batch {
        config.set("batch.num.messages", messages.clamp(1, LARGEST_BATCH).to_string());
    }
    to_topic.properties.iter().for_each(|(name, value)| _ = config.set(name, value));
    config
}

/// A topic to which messages go by their symbols: those of a symbol to one partition, in their order.
pub(super) struct Topic {
    producer: BaseProducer<Reports>,
    topic: String,
    partitions: u32,
    is_stopped: Box<dyn Fn() -> bool + Send>,
    sent: u64,
}

impl Topic {
    /// Opens a topic, and waits until there is one.
    pub fn open(
        brokers: &str,
        topic: &str,
        to_topic: &ToTopic,
        is_stopped: Box<dyn Fn() -> bool + Send>,
    ) -> Result<Topic> {
        let name = Address::Kafka { brokers: brokers.into(), topic: topic.into() }.to_string();
        let config = config(brokers, to_topic);
        let reports = Reports {
            name: name.clone(),
            acknowledged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            first: Mutex::default(),
            refused: Mutex::default(),
            is_told: AtomicBool::new(false),
        };
        let producer: BaseProducer<Reports> =
            config.create_with_context(reports).map_err(|error| unusable(&name, "a property of librdkafka", &error))?;
        let mut topic = Topic { producer, topic: topic.into(), partitions: 0, is_stopped, sent: 0 };
        topic.partitions = topic.wait(to_topic.within)?;
        Ok(topic)
    }

    /// Waits until the brokers know the topic, no longer than it may, and tells how many partitions it has.
    fn wait(&self, within: Option<Duration>) -> Result<u32> {
        let (began, mut is_told, name) = (Instant::now(), false, &self.reports().name);
        loop {
            // Brokers that make topics by themselves do so when asked.
            let why = match self.producer.client().fetch_metadata(Some(&self.topic), LOOK_EVERY * 20) {
                Ok(found) => match found.topics().first() {
                    Some(found) if found.error().is_none() && !found.partitions().is_empty() => {
                        return Ok(found.partitions().len() as u32);
                    }
                    _ => "there is no such topic yet".to_owned(),
                },
                Err(error) => error.to_string(),
            };
            // The client tells what is wrong only when it is asked.
            self.producer.poll(Duration::ZERO);
            self.check()?;
            if (self.is_stopped)() {
                return Err(Error::Input(format!("sending to {name}: {why}")));
            }
            if within.is_some_and(|within| began.elapsed() >= within) {
                return Err(Error::Input(format!(
                    "sending to {name}: {why}, and the time within which it was to be there is over"
                )));
            }
            if !std::mem::replace(&mut is_told, true) {
                say(&format!("waiting for {name}: {why} (trying again; Ctrl-C ends this)"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn reports(&self) -> &Reports {
        self.producer.context()
    }

    /// Fails as soon as a message has, since those behind it would stand in another order, or the brokers let nobody
    /// in.
    fn check(&self) -> Result<()> {
        let reports = self.reports();
        let refused = lock(&reports.refused);
        if let Some(reason) = &*refused {
            return Err(Error::Input(format!("sending to {}: {reason}", reports.name)));
        }
        let failed = reports.failed.load(Ordering::Acquire);
        if failed == 0 {
            return Ok(());
        }
        let first = lock(&reports.first).clone().unwrap_or_default();
        let name = &reports.name;
        Err(Error::Input(format!("sending to {name}: {failed} messages were not acknowledged, the first for: {first}")))
    }

    /// Takes in what was acknowledged, or waits a little where nothing was. A poll that is to wait for few milliseconds
    /// asks again and again instead, since what is left of them is rounded down.
    fn hear(&self) {
        let told =
            || self.reports().acknowledged.load(Ordering::Acquire) + self.reports().failed.load(Ordering::Acquire);
        let before = told();
        self.producer.poll(Duration::ZERO);
        if told() == before {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes a message, and waits while there are too many that are not acknowledged.
    fn put(&mut self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
        let mut silence = Silence::begin(self.reports());
        while let Err((error, same)) = self.producer.send(record) {
            let KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) = error else {
                return Err(Error::Input(format!("sending to {}: {}", self.reports().name, why(&error))));
            };
            record = same;
            if silence.is_long(self.reports()) && (self.is_stopped)() {
                return Err(Error::Input(format!("sending to {}: nothing is acknowledged", self.reports().name)));
            }
            self.hear();
            self.check()?;
        }
        self.sent += 1;
        Ok(())
    }
}

impl Courier for Topic {
    fn send(&mut self, parcel: &Parcel, texts: &Texts) -> Result<()> {
        let (mut from, topic) = (0, self.topic.clone());
        for cut in &parcel.cuts {
            let bytes = &parcel.bytes[from..cut.end];
            from = cut.end;
            let value = if bytes.starts_with(&MARK) { bytes } else { bytes.strip_suffix(b"\n").unwrap_or(bytes) };
            let time = cut.ts_event.to_string();
            let about = cut.symbol.map_or(time.as_str(), |symbol| texts.symbol(symbol)).as_bytes();
            let record = BaseRecord::to(&topic).timestamp(cut.ts_event.div_euclid(MS));
            self.put(match &cut.upsert {
                None => record.key(about).payload(value),
                // A compacted topic keeps the last message of each key. The partition stays that of the symbol, or of the
                // time where there is none, by the same hash that librdkafka takes of a key.
                Some(Upsert { key, is_gone }) => {
                    let partition = (crc32fast::hash(about) % self.partitions) as i32;
                    let record = record.key(key.as_slice()).partition(partition);
                    if *is_gone { record } else { record.payload(value) }
                }
            })?;
        }
        self.producer.poll(Duration::ZERO);
        self.check()
    }

    fn finish(&mut self) -> Result<()> {
        let mut silence = Silence::begin(self.reports());
        while self.producer.in_flight_count() > 0 {
            self.hear();
            self.check()?;
            if silence.is_long(self.reports()) && (self.is_stopped)() {
                break;
            }
        }
        self.producer.poll(Duration::ZERO);
        self.check()?;
        let (name, acknowledged) = (&self.reports().name, self.reports().acknowledged.load(Ordering::Acquire));
        if acknowledged != self.sent {
            return Err(Error::Input(format!(
                "sending to {name}: of {} messages {acknowledged} were acknowledged",
                self.sent
            )));
        }
        Ok(())
    }
}

impl DeadLetters for Topic {
    fn send(&mut self, partition: &str, number: u64, reason: &str, raw: &[u8]) -> Result<()> {
        let (topic, number) = (self.topic.clone(), number.to_string());
        let headers = [("partition", partition), ("offset", &number), ("reason", reason)];
        let headers = headers
            .into_iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        self.put(BaseRecord::to(&topic).payload(raw).headers(headers))?;
        self.producer.poll(Duration::ZERO);
        self.check()
    }

    fn finish(&mut self) -> Result<()> {
        Courier::finish(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_together_as_is_said_of_batches_unless_properties_say_otherwise() {
        let said = |to_topic: &ToTopic| {
            let config = config("b:1", to_topic);
            ["linger.ms", "batch.num.messages"].map(|name| config.get(name).map(str::to_owned))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(said(&ToTopic::default()), [some("1"), None]);
        let batches = |max_batch, linger| ToTopic { max_batch, linger, ..ToTopic::default() };
        assert_eq!(said(&batches(Some(64), Some(Duration::from_micros(2_500)))), [some("2.5"), some("64")]);
        assert_eq!(said(&batches(Some(1 << 24), Some(Duration::MAX))), [some("900000"), some("1000000")]);
        let properties = vec![("linger.ms".to_owned(), "7".to_owned())];
        let stronger = ToTopic { properties, ..batches(Some(64), Some(Duration::ZERO)) };
        assert_eq!(said(&stronger), [some("7"), some("64")]);
    }
}
