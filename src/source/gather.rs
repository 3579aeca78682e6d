//! The reader of live inputs: it decodes partitions as they arrive, and hands each worker the ticks of its own symbols.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};

use super::door::{Arrival, Done, Door, LONGEST_SLEEP, Piece};
use super::feed::Feed;
use super::files::{BLOCK, Inputs};
use super::hands::{Epoch, Hands};
use super::reader::LIVE_FROM;
use super::{Opened, Surroundings, say};
use crate::error::Result;
use crate::standing::{self, FOR_GOOD, Latest, LatestTick, Source};
use crate::tape::format::bin::MARK;
use crate::tape::{Leaf, Pace, Positions};
use crate::tick::Symbol;
use crate::time::{MS, RunTime};

/// Plays the partitions that `transport` brings as they arrive. It is given the door in the reader's thread.
pub(super) fn gather(
    inputs: &Inputs,
    limit: u64,
    workers: usize,
    around: &Surroundings,
    transport: impl FnOnce(Door) + Send + 'static,
) -> Opened {
    let now = around.clock.now();
    let (hands, queues) = Hands::new(workers, around);
    let (inputs, around_reader) = (inputs.clone(), around.clone());
    hands.spawn(move |hands| {
        let (door, arrivals, over) = Door::here();
        transport(door);
        let gathered = Gather::new(&inputs, limit, &around_reader, arrivals).run(hands);
        over.store(true, Ordering::Release);
        gathered
    });
    let feed = |blocks| Feed::new(blocks, Pace::AsRead, around.rules.disorder).live(around.idle, now).by_blocks();
    Opened { feeds: queues.into_iter().map(feed).collect(), latency_from: LIVE_FROM, finish: None }
}

/// Decodes partitions as they arrive. Each symbol's order is kept; the watermark is that of the slowest partition that
/// is not idle, and none runs further ahead of it than `max_lead`.
struct Gather<'a> {
    inputs: &'a Inputs,
    around: &'a Surroundings,
    epoch: Epoch,
    arrivals: UnboundedReceiver<Arrival>,
    partitions: Vec<Partition>,
    positions: Positions,
    homes: Homes,
    /// The names of partitions of messages, which are there also when all of them was read.
    topics: Vec<Arc<str>>,
    left: u64,
    watermark_ms: i64,
    /// The last question that was answered.
    answered: u64,
}

struct Partition {
    name: Arc<str>,
    pieces: Receiver<Piece>,
    /// Messages that have come and are not decoded yet.
    messages: VecDeque<(Vec<u8>, u64)>,
    /// The offset of the message that was decoded last, and where to say that it was.
    decoded: Option<u64>,
    done: Option<Done>,
    leaf: Leaf,
    /// Its watermark in milliseconds, once a record came.
    watermark_ms: Option<i64>,
    last_due: RunTime,
    heard_at: RunTime,
    is_caught_up: bool,
    is_ended: bool,
    /// The tick of the highest event time, and how many there were.
    latest: Option<LatestTick>,
    ticks: u64,
}

impl<'a> Gather<'a> {
    fn new(
        inputs: &'a Inputs,
        limit: u64,
        around: &'a Surroundings,
        arrivals: UnboundedReceiver<Arrival>,
    ) -> Gather<'a> {
        let (partitions, homes, topics, positions) = Default::default();
        let (epoch, watermark_ms, answered) = (Epoch::of(&around.clock), 0, 0);
        // Whoever asks is to wait for this source.
        around.inquiry.tell_source(answered, Source::default());
        let left = limit;
        Gather { inputs, around, epoch, arrivals, partitions, positions, homes, topics, left, watermark_ms, answered }
    }

    fn run(mut self, hands: &mut Hands) -> Result<()> {
        let played = self.play(hands);
        self.around.inquiry.tell_source(FOR_GOOD, Source::default());
        played
    }

    fn play(&mut self, hands: &mut Hands) -> Result<()> {
        loop {
            let is_open = self.take_arrivals();
            let floor = self.floor();
            if self.around.inquiry.asked() != self.answered {
                self.answer(floor);
            }
            let mut moved = false;
            for at in 0..self.partitions.len() {
                if self.may_move(at, floor) {
                    moved |= self.advance(at, hands)?;
                }
                if hands.count() >= BLOCK && !self.hand_on(hands) {
                    return Ok(());
                }
            }
            self.partitions.retain(|partition| !partition.is_ended);
            if self.around.stop.load(Ordering::Acquire) {
                for at in 0..self.partitions.len() {
                    // A record that waits to be confirmed was read.
                    self.partitions[at].leaf.end();
                    self.take_decoded(at, usize::MAX, hands)?;
                }
                self.hand_on(hands);
                return Ok(());
            }
            if !self.hand_on(hands) || self.left == 0 || (!is_open && self.partitions.is_empty()) {
                return Ok(());
            }
            if !moved {
                std::thread::park_timeout(LONGEST_SLEEP);
            }
        }
    }

    /// Takes in the partitions that have come; false if no more can come.
    fn take_arrivals(&mut self) -> bool {
        loop {
            let Arrival { name, pieces, done } = match self.arrivals.try_recv() {
                Ok(arrival) => arrival,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let is_messages = done.is_some();
            let leaf = self.inputs.given_leaf(&name, is_messages, self.around);
            let name: Arc<str> = name.into();
            self.topics.extend(is_messages.then(|| name.clone()));
            self.partitions.push(Partition {
                name,
                pieces,
                messages: VecDeque::new(),
                decoded: None,
                done,
                leaf,
                watermark_ms: None,
                last_due: 0,
                heard_at: self.around.clock.now(),
                // Whoever sends messages tells when it has sent those that there are.
                is_caught_up: !is_messages,
                is_ended: false,
                latest: None,
                ticks: 0,
            });
        }
    }

    /// Tells how the partitions stand.
    fn answer(&mut self, floor: Option<(i64, RunTime)>) {
        self.answered = self.around.inquiry.asked();
        let partition = |(at, p): (usize, &Partition)| standing::Partition {
            name: p.name.to_string(),
            watermark_ms: p.watermark_ms,
            latest: p.latest.map(|latest| Latest::of(latest, &self.around.symbols)),
            ticks: p.ticks,
            heard_at: p.heard_at,
            waiting: p.pieces.len() + p.messages.len(),
            idle_after: p.is_caught_up.then_some(self.around.idle),
            is_idle: false,
            is_ahead: !self.may_move(at, floor),
        };
        let partitions = self.partitions.iter().enumerate().map(partition).collect();
        self.around.inquiry.tell_source(self.answered, Source { partitions });
    }

    /// The watermark of the slowest partition that is not idle, zero while one has said nothing yet. Where all are
    /// idle none holds the fastest back.
    fn floor(&self) -> Option<(i64, RunTime)> {
        let now = self.around.clock.now();
        let is_awake = |p: &&Partition| {
            let waits = !p.pieces.is_empty() || !p.messages.is_empty();
            waits || !p.is_caught_up || now.saturating_sub(p.heard_at) < self.around.idle
        };
        let at = |p: &Partition| (p.watermark_ms.unwrap_or(0), p.last_due);
        let slowest = self.partitions.iter().filter(is_awake).map(at).min();
        slowest.or_else(|| self.partitions.iter().map(at).max())
    }

    fn may_move(&self, at: usize, floor: Option<(i64, RunTime)>) -> bool {
        let max_lead_ms = self.inputs.live.max_lead / MS;
        let own = self.partitions[at].watermark_ms.unwrap_or(0);
        // Where one has said nothing, its time is not known, and nothing is ahead of it.
        floor.is_none_or(|(floor, _)| floor == 0 || own <= floor.saturating_add(max_lead_ms))
    }

    /// Takes what a partition has brought, a block of ticks at most; whether there was anything.
    fn advance(&mut self, at: usize, hands: &mut Hands) -> Result<bool> {
        let mut moved = false;
        let most = hands.count() + BLOCK;
        loop {
            self.take_decoded(at, most, hands)?;
            let partition = &mut self.partitions[at];
            if hands.count() >= most || self.left == 0 {
                return Ok(true);
            }
            if let Some(offset) = partition.decoded.take()
                && let Some((offsets, at)) = &partition.done
            {
                offsets[*at].store(offset + 1, Ordering::Release);
            }
            if let Some((bytes, offset)) = partition.messages.pop_front() {
                partition.leaf.cut("the message ends in the middle of a block")?;
                partition.leaf.give(&bytes, Some(offset));
                // A message stands for itself: it has no need of a line's end.
                if !bytes.starts_with(&MARK) && !bytes.ends_with(b"\n") {
                    partition.leaf.give(b"\n", Some(offset));
                }
                partition.decoded = Some(offset);
                continue;
            }
            match partition.pieces.try_recv() {
                Ok(Piece::Bytes(bytes)) => partition.leaf.give(&bytes, None),
                Ok(Piece::Messages(messages)) => {
                    partition.is_caught_up = false;
                    partition.messages.extend(messages);
                }
                Ok(Piece::CaughtUp) => partition.is_caught_up = true,
                Ok(Piece::Failed(error)) => return Err(error),
                Ok(Piece::End(reason)) => partition.leaf.cut(reason)?,
                Err(TryRecvError::Empty) => return Ok(moved),
                Err(TryRecvError::Disconnected) => {
                    partition.leaf.end();
                    self.take_decoded(at, usize::MAX, hands)?;
                    self.partitions[at].is_ended = true;
                    return Ok(true);
                }
            }
            moved = true;
            partition.heard_at = self.around.clock.now();
        }
    }

    /// Takes the records that a partition has decoded, until so many are taken.
    fn take_decoded(&mut self, at: usize, most: usize, hands: &mut Hands) -> Result<()> {
        let partition = &mut self.partitions[at];
        while hands.count() < most && self.left > 0 && partition.leaf.is_buffered()? {
            let Some(placed) = partition.leaf.next_record()? else { break };
            let mut tick = placed.record.tick;
            self.positions.number(&mut tick, placed.record.has_seq);
            let due = placed.record.due.map_or_else(|| self.around.clock.now(), |due| self.epoch.run_time(due));
            (partition.watermark_ms, partition.last_due) = (Some(tick.watermark_ms()), due);
            partition.ticks += 1;
            if tick.ts_event == placed.clock {
                partition.latest = Some((tick.symbol, tick.ts_event, tick.seq));
            }
            if let Some(other) = self.homes.moves(tick.symbol, &partition.name) {
                let (symbol, here) = (self.around.symbols.text(tick.symbol.0), &partition.name);
                say(&format!(
                    "{symbol} comes through {other} and through {here}: its order, and so what is late, is then \
                     chance; key the feed by symbol"
                ));
            }
            hands.take(tick, Some(due));
            self.left -= 1;
        }
        Ok(())
    }

    /// Hands on the ticks, and the watermark where it has moved; false if nobody takes them.
    fn hand_on(&mut self, hands: &mut Hands) -> bool {
        let floor = self.floor();
        let has_moved = floor.is_some_and(|(floor, _)| floor > self.watermark_ms);
        if !has_moved && hands.count() == 0 {
            return true;
        }
        let moved_at = floor.filter(|_| has_moved && hands.count() > 0).map(|(_, due)| due);
        self.watermark_ms = floor.map_or(self.watermark_ms, |(floor, _)| floor.max(self.watermark_ms));
        hands.hand_on(self.watermark_ms, moved_at)
    }
}

/// The partition that each symbol came through last.
#[derive(Default)]
struct Homes {
    names: Vec<Option<Weak<str>>>,
    is_told: bool,
}

impl Homes {
    /// The other partition, for the first symbol that comes through two. One that is gone is no other: its sender has
    /// come back.
    fn moves(&mut self, symbol: Symbol, name: &Arc<str>) -> Option<Arc<str>> {
        let at = symbol.0 as usize;
        if self.names.len() <= at {
            self.names.resize(at + 1, None);
        }
        if self.names[at].as_ref().is_some_and(|home| std::ptr::eq(home.as_ptr(), Arc::as_ptr(name))) {
            return None;
        }
        let other = self.names[at].replace(Arc::downgrade(name))?.upgrade()?;
        (!std::mem::replace(&mut self.is_told, true)).then_some(other)
    }
}
