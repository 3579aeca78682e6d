use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Thread;

use super::block::{Block, Blocks, Pull};
use super::feed::Feed;
use super::files::{BLOCK, ends_at, from_words};
use super::{Opened, Pacing, Surroundings};
use crate::error::Result;
use crate::tape::{Leaf, Merge, Pace, Timetable};
use crate::tick::owner;
use crate::time::RunTime;

/// Blocks that may wait for a worker; the reader waits when they are full.
const QUEUE: usize = 8;

/// Plays several partitions of many symbols: a thread reads and merges them, and hands each worker its symbols.
pub(super) fn scheduled(
    leaves: Vec<Leaf>,
    pacing: Pacing,
    limit: u64,
    workers: usize,
    around: &Surroundings,
) -> Result<Opened> {
    let mut merge = Merge::new(leaves, limit, ends_at(around));
    let origin = if pacing == Pacing::Max { None } else { merge.first()? };
    let pace = pacing.schedule(origin.unwrap_or(0));
    let blocks = spawn(merge, pace, workers, around, false);
    let feeds = blocks.into_iter().map(|blocks| Feed::new(blocks, pace, around.rules.disorder));
    Ok(Opened { feeds: feeds.collect(), latency_from: from_words(&pace) })
}

/// Plays a live input as it arrives. Latency counts from the due time that its lines carry, else from their
/// arrival.
pub(super) fn live(merge: Merge, workers: usize, around: &Surroundings) -> Opened {
    let now = around.clock.now();
    let blocks = spawn(merge, Pace::AsRead, workers, around, true);
    let feed = |blocks| Feed::new(blocks, Pace::AsRead, around.rules.disorder).live(around.idle, now);
    let latency_from = "the due time that each line carries, or its arrival where it carries none";
    Opened { feeds: blocks.into_iter().map(feed).collect(), latency_from }
}

/// The worker that waits for blocks, to be woken when one comes.
type Waiting = Arc<Mutex<Option<Thread>>>;

/// A worker's end of the queue. A reader that fails sends its error as the last thing.
struct Queue {
    blocks: Receiver<Result<Arc<Block>>>,
    waiting: Waiting,
}

impl Blocks for Queue {
    fn pull(&mut self) -> Result<Pull> {
        let mut waiting = self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        waiting.get_or_insert_with(std::thread::current);
        match self.blocks.try_recv() {
            Ok(block) => block.map(Pull::Block),
            Err(TryRecvError::Empty) => Ok(Pull::Later),
            Err(TryRecvError::Disconnected) => Ok(Pull::End),
        }
    }
}

fn spawn(merge: Merge, pace: Pace, workers: usize, around: &Surroundings, live: bool) -> Vec<Box<dyn Blocks>> {
    let mut queues: Vec<Box<dyn Blocks>> = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..workers {
        let (sender, blocks) = sync_channel(QUEUE);
        let waiting = Waiting::default();
        ends.push((sender, waiting.clone()));
        queues.push(Box::new(Queue { blocks, waiting }));
    }
    let around = around.clone();
    let mut reader =
        Reader { merge, timetable: pace.timetable(), live, ends, owners: Vec::new(), stop: around.stop.clone() };
    std::thread::spawn(move || {
        if let Err(error) = reader.run(&around) {
            reader.send(0, Err(error));
        }
        // The queues' ends are dropped first, so that a worker that wakes finds its queue ended.
        let waiting: Vec<Waiting> = reader.ends.drain(..).map(|(_, waiting)| waiting).collect();
        waiting.iter().for_each(wake);
    });
    queues
}

struct Reader {
    merge: Merge,
    timetable: Timetable,
    live: bool,
    ends: Vec<(SyncSender<Result<Arc<Block>>>, Waiting)>,
    owners: Vec<usize>,
    stop: Arc<AtomicBool>,
}

impl Reader {
    fn run(&mut self, around: &Surroundings) -> Result<()> {
        let offset = unix_offset(around.clock.now());
        loop {
            let mut blocks = vec![Block::default(); self.ends.len()];
            let (mut count, mut watermark_ms, mut ended) = (0, 0, false);
            // A live reader hands on what it has before it waits for more.
            while count < BLOCK {
                if self.live && count > 0 && !self.merge.is_buffered()? {
                    break;
                }
                let Some(next) = self.merge.next(&mut self.timetable)? else {
                    ended = true;
                    break;
                };
                let tick = next.placed.record.tick;
                let owner = self.owner(tick.symbol.0, around);
                let block = &mut blocks[owner];
                if self.live {
                    let carried = next.placed.record.due.map(|due| due.saturating_sub(offset).max(0) as RunTime);
                    block.dues.push(carried.unwrap_or_else(|| around.clock.now()));
                } else {
                    block.dues.extend(next.due);
                }
                block.ticks.push(tick);
                (count, watermark_ms) = (count + 1, tick.watermark_ms());
            }
            if count > 0 {
                for (worker, mut block) in blocks.into_iter().enumerate() {
                    block.watermark_ms = watermark_ms;
                    if !self.send(worker, Ok(Arc::new(block))) {
                        return Ok(());
                    }
                }
            }
            if ended || self.stop.load(Ordering::Acquire) {
                return Ok(());
            }
        }
    }

    fn owner(&mut self, symbol: u32, around: &Surroundings) -> usize {
        for new in self.owners.len()..=symbol as usize {
            self.owners.push(owner(&around.symbols.text(new as u32), self.ends.len()));
        }
        self.owners[symbol as usize]
    }

    /// Hands something to a worker and wakes it; false if the worker is gone.
    fn send(&self, worker: usize, block: Result<Arc<Block>>) -> bool {
        let (sender, waiting) = &self.ends[worker];
        let sent = sender.send(block).is_ok();
        wake(waiting);
        sent
    }
}

fn wake(waiting: &Waiting) {
    if let Some(thread) = &*waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        thread.unpark();
    }
}

/// What to take from nanoseconds since the epoch to get the run's time, which now stands at `now`.
fn unix_offset(now: RunTime) -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as i64 - now as i64
}
