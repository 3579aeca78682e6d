//! Reading a topic: a thread for each partition, which brings its messages in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};

use super::super::door::{Bringer, Door, Overhearer, Piece};
use super::ranges::Range;
use super::{Client, LOOK_EVERY, Voice, failed, is_passing};
use crate::error::Error;

/// Messages that are brought together at most, and their bytes.
const MANY: usize = 512;
const FULL: usize = 1 << 18;

/// A topic that is being read.
pub(super) struct Reading {
    pub name: String,
    pub client: Client,
    /// Of each partition, the offset behind the last message that is in the workers' hands.
    pub done: Arc<Vec<AtomicU64>>,
}

impl Reading {
    /// Begins to read all partitions.
    pub fn begin(&self, ranges: &[Range], queues: Vec<PartitionQueue<Voice>>, door: &Door) {
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
