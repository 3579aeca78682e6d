//! Reading a topic: a thread for each partition, which brings its messages in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::door::{Bringer, Door, Messages, Overhearer, Piece};
use super::super::peers::Incoming;
use super::client::{Client, Event, Letter, Queue};
use super::ranges::Range;
use super::topic::Watch;
use super::{LOOK_EVERY, failed};
use crate::error::Error;
use crate::threads;

/// Messages that are brought together at most, and their bytes.
const MANY: usize = 512;
const FULL: usize = 1 << 18;

/// A topic that is being read.
pub(super) struct Reading {
    pub client: Client,
    /// Of each partition, the offset behind the last message that is in the workers' hands.
    pub done: Arc<Vec<AtomicU64>>,
    /// The process that this is.
    pub process: usize,
}

impl Reading {
    /// Begins to read all partitions: through these queues those that are this process's, and what the others tell of
    /// theirs.
    pub fn begin(
        &self,
        ranges: &[Range],
        reader_of: impl Fn(&Range) -> usize,
        queues: Vec<Queue>,
        incoming: Incoming,
        mut watch: Watch,
        door: &Door,
    ) {
        let name_of = |partition: i32| format!("{}[{partition}]", self.client.name());
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for (at, range) in ranges.iter().enumerate() {
            let (name, done) = (name_of(range.partition), (self.done.clone(), at));
            if reader_of(range) == self.process {
                mine.push((range, door.partition(name, Some(done))));
                theirs.push(None);
            } else {
                theirs.push(Some(door.partition_elsewhere(name, done)));
            }
        }
        incoming.listen(|at| reader_of(&ranges[at]), theirs);
        let place = |partition: i32| mine.iter().position(|(range, _)| range.partition == partition);
        // Messages that came between the assignment and the split stand before all in the split queues.
        let mut firsts: Vec<Batch> = mine.iter().map(|_| Batch::default()).collect();
        while let Some(event) = self.client.poll(Duration::ZERO) {
            match event {
                Event::Letter(letter) => {
                    place(letter.partition()).into_iter().for_each(|at| firsts[at].take(&letter, mine[at].0));
                }
                Event::End(partition) => {
                    place(partition).into_iter().for_each(|at| firsts[at].come_last(mine[at].0));
                }
                Event::Broken | Event::Failed(_) => {}
            }
        }
        let all: Vec<(i32, Overhearer)> =
            mine.iter().map(|(range, bringer)| (range.partition, bringer.overhearer())).collect();
        for (((range, bringer), queue), first) in mine.into_iter().zip(queues).zip(firsts) {
            let (range, door, name) = (*range, door.clone(), name_of(range.partition));
            threads::spawn(&format!("kafka {}", range.partition), move || {
                if let Err(why) = (Partition { range, queue, bringer: &bringer, door }).read(first) {
                    bringer.bring_blocking(Piece::Failed(failed(&name, why)));
                }
            });
        }
        // The client's own events are told only when it is asked, and what came before the split may still follow.
        let (client, over) = (self.client.clone(), door.watch());
        threads::spawn("kafka events", move || {
            let tell = |partition: i32, piece: Piece| {
                if let Some((_, bringer)) = all.iter().find(|(known, _)| *known == partition) {
                    bringer.tell(piece);
                }
            };
            while !over.load(Ordering::Acquire) {
                if let Err(error) = watch.look() {
                    let failed = |bringer: &Overhearer| bringer.tell(Piece::Failed(Error::Input(error.to_string())));
                    all.iter().for_each(|(_, bringer)| failed(bringer));
                    return;
                }
                match client.poll(LOOK_EVERY) {
                    Some(Event::End(partition)) => tell(partition, Piece::CaughtUp),
                    Some(Event::Letter(letter)) => {
                        let text = "a message came beside its partition's queue, and may be out of order: run it again";
                        tell(letter.partition(), Piece::Failed(failed(client.name(), text)));
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
    messages: Messages,
    /// Nothing stood behind them in the partition.
    is_last: bool,
    /// What is behind them is not read any more.
    is_over: bool,
}

impl Batch {
    /// Takes a message, unless it lies behind what is to be read.
    fn take(&mut self, letter: &Letter<'_>, range: &Range) {
        let is_beyond = |until: i64| letter.time_ms().is_some_and(|ms| ms >= until);
        let is_behind = |offset: i64| range.end.is_some_and(|end| offset >= end);
        self.is_over |= range.until_ms.is_some_and(is_beyond) || is_behind(letter.offset());
        if self.is_over {
            return;
        }
        self.is_over = is_behind(letter.offset() + 1);
        self.messages.push(letter.payload(), letter.offset() as u64);
    }

    /// Nothing stands behind what was taken. Behind the last message there may be marks of transactions, which are no
    /// messages, so that its offset does not tell.
    fn come_last(&mut self, range: &Range) {
        self.is_last = true;
        self.is_over |= range.end.is_some();
    }

    fn is_full(&self) -> bool {
        self.messages.count() >= MANY || self.messages.bytes() >= FULL
    }

    /// Hands its messages over; false if the run is over.
    fn bring(&mut self, bringer: &Bringer) -> bool {
        let messages = std::mem::take(&mut self.messages);
        (messages.count() == 0 || bringer.bring_blocking(Piece::Messages(messages)))
            && (!std::mem::take(&mut self.is_last) || bringer.bring_blocking(Piece::CaughtUp))
    }
}

/// One partition, being read.
struct Partition<'a> {
    range: Range,
    queue: Queue,
    bringer: &'a Bringer,
    door: Door,
}

impl Partition<'_> {
    /// Reads it to its end, or says why it cannot.
    fn read(&self, mut batch: Batch) -> std::result::Result<(), String> {
        const CUT: &str = "the message ends in the middle of a block";
        let Range { start, end, .. } = self.range;
        // All of it may have come already, before the partition had a queue of its own.
        batch.is_over |= end.is_some_and(|end| start >= end);
        let mut troubled: Option<Instant> = None;
        while !batch.is_over && !self.door.is_over() {
            let may_wait = if batch.messages.count() == 0 && !batch.is_last { LOOK_EVERY } else { Duration::ZERO };
            match self.queue.poll(may_wait) {
                Some(Event::Letter(letter)) => {
                    batch.take(&letter, &self.range);
                    troubled = None;
                    if !batch.is_full() && !batch.is_over {
                        continue;
                    }
                }
                None => {}
                Some(Event::End(_)) => batch.come_last(&self.range),
                Some(Event::Broken) => {
                    let since = *troubled.get_or_insert_with(Instant::now);
                    std::thread::sleep(LOOK_EVERY.min(since.elapsed()));
                }
                Some(Event::Failed(why)) => return Err(why),
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
