//! Topics as inputs. Each of a topic's partitions is a partition of the input, read in its order by a thread of its own;
//! which worker a tick goes to is the symbol's matter, as for any input. Consumer groups only store offsets: which
//! partitions a run reads is fixed when it begins, and it is all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::gather::{Bringer, Door, Overhearer, Piece, gather};
use super::live::{End, Start};
use super::{Inputs, Opened, Surroundings, say};
use crate::error::{Error, Result};
use crate::time::{EventTime, MS};

/// The longest wait for an answer before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(1000);

/// The longest wait for a message before looking whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Messages that are brought together at most, and their bytes.
const MANY: usize = 512;
const FULL: usize = 1 << 18;

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

/// Where reading a partition begins and ends.
#[derive(Clone, Copy, Debug)]
struct Range {
    partition: i32,
    start: i64,
    /// The offset that is not read any more.
    end: Option<i64>,
    /// The time in milliseconds from which on no message is read.
    until_ms: Option<i64>,
}

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

/// Where to begin and end in each partition.
fn ranges(
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

struct Reading {
    name: String,
    client: Client,
    done: Arc<Vec<AtomicU64>>,
}

impl Reading {
    /// Begins to read all partitions.
    fn begin(&self, ranges: &[Range], queues: Vec<PartitionQueue<Voice>>, door: &Door) {
        let name_of = |partition: i32| format!("{}[{partition}]", self.name);
        let bringers: Vec<Bringer> = (0..ranges.len())
            .map(|at| door.partition(name_of(ranges[at].partition), Some((self.done.clone(), at))))
            .collect();
        let place = |partition: i32| ranges.iter().position(|range| range.partition == partition);
        // Messages that came between the assignment and the split stand before all in the split queues.
        let mut firsts: Vec<Batch> = ranges.iter().map(|_| Batch::default()).collect();
        while let Some(polled) = self.client.poll(Duration::ZERO) {
            match &polled {
                Ok(message) => place(message.partition()).into_iter().for_each(|at| firsts[at].take(message)),
                Err(KafkaError::PartitionEOF(partition)) => {
                    place(*partition).into_iter().for_each(|at| firsts[at].is_last = true);
                }
                Err(_) => {}
            }
        }
        let all: Vec<(i32, Overhearer)> =
            ranges.iter().zip(&bringers).map(|(range, bringer)| (range.partition, bringer.overhearer())).collect();
        for (((range, queue), bringer), first) in ranges.iter().zip(queues).zip(bringers).zip(firsts) {
            let (range, door, name) = (*range, door.clone(), name_of(range.partition));
            std::thread::spawn(move || {
                if let Err(error) = (Partition { range, queue, bringer: &bringer, door }).read(first) {
                    bringer.bring_blocking(Piece::Failed(failed(&name, &error)));
                }
            });
        }
        // The client's own events are told only when it is asked, and what came before the split may still follow.
        let (client, over, name) = (self.client.clone(), door.watch(), self.name.clone());
        std::thread::spawn(move || {
            let tell = |partition: i32, piece: Piece| {
                if let Some((_, bringer)) = all.iter().find(|(known, _)| *known == partition) {
                    bringer.tell(piece);
                }
            };
            while !over.load(Ordering::Acquire) {
                match client.poll(LOOK_EVERY) {
                    Some(Err(KafkaError::PartitionEOF(partition))) => tell(partition, Piece::CaughtUp),
                    Some(Ok(message)) => {
                        let text = "a message came beside its partition's queue, and may be out of order: run it again";
                        tell(message.partition(), Piece::Failed(Error::Input(format!("reading {name}: {text}"))));
                    }
                    _ => {}
                }
            }
        });
    }
}

/// Messages that are brought together.
#[derive(Default)]
struct Batch {
    messages: Vec<(Vec<u8>, u64)>,
    bytes: usize,
    /// Nothing stood behind them in the partition.
    is_last: bool,
}

impl Batch {
    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let payload = message.payload().unwrap_or_default();
        self.bytes += payload.len();
        self.messages.push((payload.to_vec(), message.offset() as u64));
    }

    /// Hands its messages over; false if the run is over.
    fn bring(&mut self, bringer: &Bringer) -> bool {
        self.bytes = 0;
        let messages = std::mem::take(&mut self.messages);
        (messages.is_empty() || bringer.bring_blocking(Piece::Messages(messages)))
            && (!std::mem::take(&mut self.is_last) || bringer.bring_blocking(Piece::CaughtUp))
    }
}

/// One partition, being read.
struct Partition<'a> {
    range: Range,
    queue: PartitionQueue<Voice>,
    bringer: &'a Bringer,
    door: Door,
}

impl Partition<'_> {
    fn read(&self, mut batch: Batch) -> std::result::Result<(), KafkaError> {
        const CUT: &str = "the message ends in the middle of a block";
        let Range { start, end, until_ms, .. } = self.range;
        let mut is_over = end.is_some_and(|end| start >= end);
        let mut troubled: Option<Instant> = None;
        while !is_over && !self.door.is_over() {
            let may_wait = if batch.messages.is_empty() && !batch.is_last { LOOK_EVERY } else { Duration::ZERO };
            let polled = self.queue.poll(may_wait);
            let is_full = batch.messages.len() >= MANY || batch.bytes >= FULL;
            match polled {
                Some(Ok(message)) => {
                    let is_beyond = |until: i64| message.timestamp().to_millis().is_some_and(|ms| ms >= until);
                    if until_ms.is_some_and(is_beyond) {
                        is_over = true;
                    } else {
                        is_over = end.is_some_and(|end| message.offset() + 1 >= end);
                        batch.take(&message);
                    }
                    troubled = None;
                    if !is_full && !is_over {
                        continue;
                    }
                }
                None => {}
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    // Behind the last message there may be marks of transactions, which are no messages.
                    is_over = end.is_some();
                    batch.is_last = true;
                }
                // A connection that broke is opened again; what else is wrong will not be right by itself.
                Some(Err(error)) if is_passing(&error) => {
                    let since = *troubled.get_or_insert_with(Instant::now);
                    std::thread::sleep(LOOK_EVERY.min(since.elapsed()));
                }
                Some(Err(error)) => return Err(error),
            }
            if !batch.bring(self.bringer) {
                return Ok(());
            }
        }
        if batch.bring(self.bringer) {
            self.bringer.bring_blocking(Piece::End(CUT));
        }
        Ok(())
    }
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
