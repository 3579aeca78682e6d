//! The reader of live inputs: it decodes partitions as they arrive, and hands each worker the ticks of its own symbols.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;

use super::block::BLOCK;
use super::door::{Arrival, Door, LONGEST_SLEEP, Piece};
use super::dues::Heard;
use super::feed::Feed;
use super::files::Inputs;
use super::hands::{Epoch, Hands};
use super::partition::{Homes, Partition};
use super::peers::{Peers, Told};
use super::{Dues, LatencyFrom, Opened, Surroundings};
use crate::error::Result;
use crate::standing::{self, FOR_GOOD, Latest, Source};
use crate::tape::format::bin::MARK;
use crate::tape::{Pace, Positions};
use crate::tick::Tick;
use crate::time::{MS, RunTime};

/// Plays the partitions that `transport` brings as they arrive. It is given the door in the reader's thread. Where
/// partitions are shared out, `peers` are the other processes.
pub(super) fn gather(
    inputs: &Inputs,
    limit: u64,
    workers: usize,
    around: &Surroundings,
    peers: Peers,
    transport: impl FnOnce(Door) + Send + 'static,
) -> Opened {
    let now = around.clock.now();
    let (hands, queues) = Hands::new(workers, around);
    let dues = Arc::new(Dues::of(inputs.address().ok().flatten().as_ref()));
    let (inputs, around_reader, heard) = (inputs.clone(), around.clone(), dues.clone());
    hands.spawn(move |hands| {
        let (door, arrivals, over) = Door::here();
        transport(door);
        let gathered = Gather::new(&inputs, limit, &around_reader, (peers, arrivals), heard).run(hands);
        over.store(true, Ordering::Release);
        gathered
    });
    let feed = |blocks| Feed::new(blocks, Pace::AsRead, around.rules.disorder).live(around.idle, now).by_blocks();
    Opened { feeds: queues.into_iter().map(feed).collect(), latency_from: LatencyFrom::Lines(dues), finish: None }
}

/// Decodes partitions as they arrive. Each symbol's order is kept; the watermark is that of the slowest partition that
/// is not idle, and none runs further ahead of it than `max_lead`.
struct Gather<'a> {
    inputs: &'a Inputs,
    around: &'a Surroundings,
    epoch: Epoch,
    peers: Peers,
    arrivals: UnboundedReceiver<Arrival>,
    partitions: Vec<Partition>,
    positions: Positions,
    heard: Heard,
    dues: Arc<Dues>,
    homes: Homes,
    /// The names of partitions of messages, which are there also when all of them was read.
    topics: Vec<Arc<str>>,
    left: u64,
    watermark_ms: i64,
    /// The last question that was answered.
    answered: u64,
}

impl<'a> Gather<'a> {
    fn new(
        inputs: &'a Inputs,
        limit: u64,
        around: &'a Surroundings,
        (peers, arrivals): (Peers, UnboundedReceiver<Arrival>),
        dues: Arc<Dues>,
    ) -> Gather<'a> {
        let (partitions, homes, topics, positions, heard) = Default::default();
        let (epoch, watermark_ms, answered) = (Epoch::of(&around.clock), 0, 0);
        // Whoever asks is to wait for this source.
        around.inquiry.tell_source(answered, Source::default());
        let left = limit;
        Gather {
            inputs,
            around,
            epoch,
            peers,
            arrivals,
            partitions,
            positions,
            heard,
            dues,
            homes,
            topics,
            left,
            watermark_ms,
            answered,
        }
    }

    fn run(mut self, hands: &mut Hands) -> Result<()> {
        let played = self.play(hands);
        self.around.inquiry.tell_source(FOR_GOOD, Source::default());
        played
    }

    fn play(&mut self, hands: &mut Hands) -> Result<()> {
        let mut is_stopped = false;
        loop {
            let is_open = !is_stopped && self.take_arrivals();
            let floor = self.floor();
            if self.around.inquiry.asked() != self.answered {
                self.answer(floor);
            }
            let mut moved = false;
            for at in 0..self.partitions.len() {
                if self.is_to_move(at, floor) && self.advance(at, hands)? {
                    moved = true;
                    self.tell(at);
                }
                if hands.count() >= BLOCK && !self.hand_on(hands) {
                    return Ok(());
                }
            }
            if !is_stopped && self.around.stop.load(Ordering::Acquire) {
                // What other processes have read is on its way, to its end.
                is_stopped = true;
                for at in 0..self.partitions.len() {
                    if !self.partitions[at].is_elsewhere {
                        self.end(at, hands)?;
                        self.tell(at);
                    }
                }
            }
            self.partitions.retain(|partition| !partition.stand.is_ended);
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
            let arrival = match self.arrivals.try_recv() {
                Ok(arrival) => arrival,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let leaf = self.inputs.given_leaf(&arrival.name, arrival.done.is_some(), self.around);
            let partition = Partition::new(arrival, leaf, self.around.clock.now());
            self.topics.extend(partition.done.is_some().then(|| partition.name.clone()));
            self.partitions.push(partition);
        }
    }

    /// Tells how the partitions stand.
    fn answer(&mut self, floor: Option<(i64, RunTime)>) {
        self.answered = self.around.inquiry.asked();
        let partition = |(at, p): (usize, &Partition)| standing::Partition {
            name: p.name.to_string(),
            watermark_ms: p.stand.watermark_ms,
            latest: p.stand.latest.map(|latest| Latest::of(latest, &self.around.symbols)),
            ticks: p.stand.ticks,
            heard_at: p.heard_at,
            waiting: p.pieces.len() + p.messages.count(),
            idle_after: p.stand.is_caught_up.then_some(self.around.idle),
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
            let waits = !p.pieces.is_empty() || p.messages.count() > 0;
            waits || !p.stand.is_caught_up || now.saturating_sub(p.heard_at) < self.around.idle
        };
        let at = |p: &Partition| (p.stand.watermark_ms.unwrap_or(0), p.stand.last_due);
        let slowest = self.partitions.iter().filter(is_awake).map(at).min();
        slowest.or_else(|| self.partitions.iter().map(at).max())
    }

    /// Whether a partition is read on now. None is where a process has enough on its way to it; what another process
    /// reads is always taken, so that it never waits for this one, which may wait for it.
    fn is_to_move(&self, at: usize, floor: Option<(i64, RunTime)>) -> bool {
        self.partitions[at].is_elsewhere || (self.may_move(at, floor) && !self.peers.are_full())
    }

    fn may_move(&self, at: usize, floor: Option<(i64, RunTime)>) -> bool {
        let max_lead_ms = self.inputs.live.max_lead / MS;
        let own = self.partitions[at].stand.watermark_ms.unwrap_or(0);
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
            if let Some(offset) = partition.decoded.take() {
                partition.note(offset + 1);
            }
            if let Some((bytes, offset)) = partition.messages.take() {
                partition.leaf.cut("the message ends in the middle of a block")?;
                partition.leaf.give(bytes, Some(offset));
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
                    partition.stand.is_caught_up = false;
                    partition.messages = messages;
                }
                Ok(Piece::CaughtUp) => partition.stand.is_caught_up = true,
                Ok(Piece::Told(told)) => self.take_told(at, told, hands),
                Ok(Piece::Failed(error)) => return Err(error),
                Ok(Piece::End(reason)) => partition.leaf.cut(reason)?,
                Err(TryRecvError::Empty) => return Ok(moved),
                Err(TryRecvError::Disconnected) => return self.end(at, hands).map(|()| true),
            }
            moved = true;
            self.partitions[at].heard_at = self.around.clock.now();
        }
    }

    /// Ends a partition: what is left of its last message was read, and so was a record that waits to be confirmed.
    fn end(&mut self, at: usize, hands: &mut Hands) -> Result<()> {
        self.take_decoded(at, usize::MAX, hands)?;
        self.partitions[at].leaf.end();
        self.take_decoded(at, usize::MAX, hands)?;
        let partition = &mut self.partitions[at];
        partition.stand.is_ended = true;
        if let Some(offset) = partition.decoded.take().filter(|_| self.left > 0) {
            partition.note(offset + 1);
        }
        Ok(())
    }

    /// Takes what the process that reads a partition tells of it.
    fn take_told(&mut self, at: usize, Told { ticks, stand, .. }: Told, hands: &mut Hands) {
        ticks.into_iter().for_each(|(tick, has_seq, due)| _ = self.take(at, tick, has_seq, due, hands));
        self.partitions[at].stand = stand;
        self.partitions[at].note(stand.done);
    }

    /// Tells the other processes how a partition stands that is read here.
    fn tell(&mut self, at: usize) {
        let partition = &self.partitions[at];
        if let Some((_, place)) = partition.done.as_ref().filter(|_| !partition.is_elsewhere) {
            self.peers.tell(*place, partition.stand);
        }
    }

    /// Takes the records that a partition has decoded, until so many are taken.
    fn take_decoded(&mut self, at: usize, most: usize, hands: &mut Hands) -> Result<()> {
        while hands.count() < most && self.left > 0 && self.partitions[at].leaf.is_buffered()? {
            let Some(placed) = self.partitions[at].leaf.next_record()? else { break };
            let carried = placed.record.due.map(|due| self.epoch.run_time(due));
            self.heard.hear(carried);
            let due = carried.unwrap_or(self.partitions[at].heard_at);
            let tick = self.take(at, placed.record.tick, placed.record.has_seq, due, hands);
            let stand = &mut self.partitions[at].stand;
            (stand.watermark_ms, stand.last_due) = (Some(tick.watermark_ms), due);
            stand.ticks += 1;
            if tick.ts_event == placed.clock {
                stand.latest = Some((tick.symbol, tick.ts_event, tick.seq));
            }
            self.left -= 1;
        }
        Ok(())
    }

    /// Takes a tick of a partition for the worker that owns its symbol, and returns it with its number; the process of
    /// that worker numbers it, since it has all of the symbol's.
    fn take(&mut self, at: usize, mut tick: Tick, has_seq: bool, due: RunTime, hands: &mut Hands) -> Tick {
        let process = hands.process_of(tick.symbol);
        if process == self.around.cluster.place.process {
            tick.seq = self.positions.number(&tick, has_seq);
            let here = &self.partitions[at].name;
            if let Some(other) = self.homes.moves(tick.symbol, here) {
                let symbol = self.around.symbols.text(tick.symbol.0);
                self.peers.say(format!(
                    "{symbol} comes through {other} and through {here}: its order, and so what is late, is then \
                     chance; key the feed by symbol"
                ));
            }
        } else {
            self.peers.take(process, (tick, has_seq, due));
        }
        hands.take(tick, Some(due));
        tick
    }

    /// Hands on the ticks, and the watermark where it has moved; false if nobody takes them.
    fn hand_on(&mut self, hands: &mut Hands) -> bool {
        self.dues.add(&mut self.heard, self.around.clock.now());
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
