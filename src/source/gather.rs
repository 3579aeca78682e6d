use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::mpsc::error::{SendError, TryRecvError};
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};

use super::feed::Feed;
use super::files::{BLOCK, Inputs};
use super::hands::{Epoch, Hands};
use super::reader::LIVE_FROM;
use super::{Opened, Surroundings, say};
use crate::error::Result;
use crate::tape::{Leaf, Pace, Positions};
use crate::tick::Tick;
use crate::time::{MS, RunTime};

/// Pieces of a partition that may wait to be decoded; whoever reads more of them waits.
const QUEUE: usize = 16;

/// The longest sleep before looking whether to stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(10);

/// What a partition brings.
pub(super) enum Piece {
    /// The next bytes of a stream.
    Bytes(Vec<u8>),
    /// A message of its own, with its offset.
    Message(Vec<u8>, u64),
    /// All that there is was brought: silence is silence from here on.
    CaughtUp,
    /// Something that was to be read and is not there, why, and its number.
    Lost(String, u64),
    /// The end. What was begun and not ended is rejected for this reason.
    End(&'static str),
}

/// How a transport hands over its partitions. When the last clone is gone, the input has ended.
#[derive(Clone)]
pub(super) struct Door {
    partitions: UnboundedSender<Arrival>,
    thread: Thread,
    over: Arc<AtomicBool>,
}

/// A partition that has come.
struct Arrival {
    name: String,
    is_messages: bool,
    pieces: Receiver<Piece>,
}

/// How a transport brings the pieces of one partition.
pub(super) struct Bringer {
    pieces: Sender<Piece>,
    thread: Thread,
}

impl Door {
    /// A partition that has come; of a stream of bytes, or of messages.
    pub fn partition(&self, name: String, is_messages: bool) -> Bringer {
        let (sender, pieces) = mpsc::channel(QUEUE);
        // Nobody takes it in when the run is over, which `Door::is_over` tells.
        let _ = self.partitions.send(Arrival { name, is_messages, pieces });
        Bringer { pieces: sender, thread: self.thread.clone() }
    }

    /// Whether nobody waits for more.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Waits for something that is asked again and again; false if the run is over.
    pub async fn sleep(&self, span: Duration) -> bool {
        let mut left = span;
        while !left.is_zero() && !self.is_over() {
            let some = left.min(LONGEST_SLEEP * 5);
            tokio::time::sleep(some).await;
            left -= some;
        }
        !self.is_over()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

impl Bringer {
    /// Brings a piece, and waits while there are enough; false if the run is over.
    pub async fn bring(&self, piece: Piece) -> bool {
        self.told(self.pieces.send(piece).await)
    }

    /// The same from a thread.
    pub fn bring_blocking(&self, piece: Piece) -> bool {
        self.told(self.pieces.blocking_send(piece))
    }

    fn told(&self, sent: std::result::Result<(), SendError<Piece>>) -> bool {
        self.thread.unpark();
        sent.is_ok()
    }
}

/// Plays the partitions that `transport` brings as they arrive. It is given the door in the reader's thread.
pub(super) fn gather(
    inputs: &Inputs,
    limit: u64,
    workers: usize,
    around: &Surroundings,
    transport: impl FnOnce(Door) + Send + 'static,
) -> Opened {
    let now = around.clock.now();
    let (hands, queues) = Hands::new(workers, around.symbols.clone());
    let (inputs, around_reader) = (inputs.clone(), around.clone());
    hands.spawn(move |hands| {
        let (partitions, arrivals) = mpsc::unbounded_channel();
        let over = Arc::new(AtomicBool::new(false));
        transport(Door { partitions, thread: std::thread::current(), over: over.clone() });
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
    arrivals: UnboundedReceiver<Arrival>,
    partitions: Vec<Partition>,
    positions: Positions,
    /// The partition that each symbol came through last.
    homes: Vec<Option<Weak<str>>>,
    is_split: bool,
    left: u64,
    watermark_ms: i64,
}

struct Partition {
    name: Arc<str>,
    pieces: Receiver<Piece>,
    leaf: Leaf,
    /// Its watermark in milliseconds, once a record came.
    watermark_ms: Option<i64>,
    last_due: RunTime,
    heard_at: RunTime,
    is_caught_up: bool,
    is_ended: bool,
}

impl<'a> Gather<'a> {
    fn new(
        inputs: &'a Inputs,
        limit: u64,
        around: &'a Surroundings,
        arrivals: UnboundedReceiver<Arrival>,
    ) -> Gather<'a> {
        let (partitions, homes, positions) = Default::default();
        let (is_split, watermark_ms) = (false, 0);
        Gather { inputs, around, arrivals, partitions, positions, homes, is_split, left: limit, watermark_ms }
    }

    fn run(mut self, hands: &mut Hands) -> Result<()> {
        let epoch = Epoch::of(self.around.clock.now());
        loop {
            let is_open = self.take_arrivals();
            let floor = self.floor();
            let mut moved = false;
            for at in 0..self.partitions.len() {
                if self.may_move(at, floor) {
                    moved |= self.advance(at, epoch, hands)?;
                }
                if hands.count() >= BLOCK && !self.hand_on(hands) {
                    return Ok(());
                }
            }
            self.partitions.retain(|partition| !partition.is_ended);
            if !self.hand_on(hands) || self.left == 0 || self.around.stop.load(Ordering::Acquire) {
                return Ok(());
            }
            if !is_open && self.partitions.is_empty() {
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
            let Arrival { name, is_messages, pieces } = match self.arrivals.try_recv() {
                Ok(arrival) => arrival,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let leaf = self.inputs.given_leaf(&name, is_messages, self.around);
            self.partitions.push(Partition {
                name: name.into(),
                pieces,
                leaf,
                watermark_ms: None,
                last_due: 0,
                heard_at: self.around.clock.now(),
                // Whoever sends messages tells when it has sent those that there are.
                is_caught_up: !is_messages,
                is_ended: false,
            });
        }
    }

    /// The watermark of the slowest partition that is not idle; none while one has said nothing yet.
    fn floor(&self) -> Option<(i64, RunTime)> {
        let now = self.around.clock.now();
        let is_awake = |p: &&Partition| !p.is_caught_up || now.saturating_sub(p.heard_at) < self.around.idle;
        let awake = self.partitions.iter().filter(is_awake);
        awake.map(|p| (p.watermark_ms.unwrap_or(0), p.last_due)).min()
    }

    fn may_move(&self, at: usize, floor: Option<(i64, RunTime)>) -> bool {
        let max_lead_ms = self.inputs.live.max_lead / MS;
        let ahead =
            |floor: i64| self.partitions[at].watermark_ms.is_some_and(|own| own > floor.saturating_add(max_lead_ms));
        // Where one has said nothing, its time is not known, and nothing is ahead of it.
        floor.is_none_or(|(floor, _)| floor == 0 || !ahead(floor))
    }

    /// Takes what a partition has brought, a block of ticks at most; whether there was anything.
    fn advance(&mut self, at: usize, epoch: Epoch, hands: &mut Hands) -> Result<bool> {
        let partition = &mut self.partitions[at];
        let (mut moved, mut count) = (false, 0);
        while count < BLOCK && self.left > 0 {
            while count < BLOCK && self.left > 0 && partition.leaf.is_buffered()? {
                let Some(placed) = partition.leaf.next_record()? else { break };
                let mut tick: Tick = placed.record.tick;
                self.positions.number(&mut tick, placed.record.has_seq);
                let due = placed.record.due.map_or_else(|| self.around.clock.now(), |due| epoch.run_time(due));
                partition.watermark_ms = Some(tick.watermark_ms());
                partition.last_due = due;
                let symbol = tick.symbol.0 as usize;
                if self.homes.len() <= symbol {
                    self.homes.resize(symbol + 1, None);
                }
                match &mut self.homes[symbol] {
                    Some(home) if std::ptr::eq(home.as_ptr(), Arc::as_ptr(&partition.name)) => {}
                    home => {
                        // A partition that is gone is no other: its sender has come back.
                        if let Some(other) = home.replace(Arc::downgrade(&partition.name))
                            && let Some(other) = other.upgrade()
                            && !self.is_split
                        {
                            self.is_split = true;
                            let symbol = self.around.symbols.text(tick.symbol.0);
                            say(&format!(
                                "{symbol} comes through {other} and through {}: if both bring it at once, its order, and \
                                 so what is late, is chance; key the feed by symbol",
                                partition.name
                            ));
                        }
                    }
                }
                hands.take(tick, Some(due));
                (count, self.left) = (count + 1, self.left - 1);
            }
            if partition.is_ended || self.left == 0 || count >= BLOCK {
                break;
            }
            match partition.pieces.try_recv() {
                Ok(Piece::Bytes(bytes)) => partition.leaf.give(&bytes, None),
                Ok(Piece::Message(bytes, offset)) => {
                    partition.is_caught_up = false;
                    partition.leaf.cut("the message ends in the middle of a block")?;
                    partition.leaf.give(&bytes, Some(offset));
                    // A message stands for itself: it has no need of a line's end.
                    if !bytes.starts_with(&crate::tape::format::bin::MARK) && !bytes.ends_with(b"\n") {
                        partition.leaf.give(b"\n", Some(offset));
                    }
                }
                Ok(Piece::CaughtUp) => {
                    partition.is_caught_up = true;
                    continue;
                }
                Ok(Piece::Lost(reason, number)) => {
                    self.around.rejects.reject(partition.name.as_ref().as_ref(), number, &reason, b"")?;
                }
                Ok(Piece::End(reason)) => {
                    partition.leaf.cut(reason)?;
                    partition.leaf.end();
                    partition.is_ended = true;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    partition.leaf.end();
                    partition.is_ended = true;
                }
            }
            moved = true;
            partition.heard_at = self.around.clock.now();
        }
        // What was held is all that is left of a partition that has ended, which is_buffered has shown.
        partition.is_ended &= !partition.leaf.is_buffered()?;
        Ok(moved || count > 0)
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
