use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Thread;

use super::Surroundings;
use super::block::{Block, Blocks, Pull};
use crate::cluster::Place;
use crate::error::{Result, lock};
use crate::threads;
use crate::tick::{Names, Symbol, Tick, owner};
use crate::time::{Clock, RunTime};

/// Blocks that may wait for a worker; the reader waits when they are full.
const QUEUE: usize = 8;

/// The worker that waits for blocks, to be woken when one comes.
type Waiting = Arc<Mutex<Option<Thread>>>;

/// A worker's end of the queue. A reader that fails sends its error as the last thing.
struct Queue {
    blocks: Receiver<Result<Arc<Block>>>,
    waiting: Waiting,
}

impl Blocks for Queue {
    fn pull(&mut self) -> Result<Pull> {
        let mut waiting = lock(&self.waiting);
        waiting.get_or_insert_with(std::thread::current);
        match self.blocks.try_recv() {
            Ok(block) => block.map(Pull::Block),
            Err(TryRecvError::Empty) => Ok(Pull::Later),
            Err(TryRecvError::Disconnected) => Ok(Pull::End),
        }
    }
}

/// A reader's end: it hands each worker the ticks of its own symbols, and waits where a worker has enough.
pub(super) struct Hands {
    ends: Vec<(SyncSender<Result<Arc<Block>>>, Waiting)>,
    place: Place,
    symbols: Arc<Names>,
    owners: Vec<usize>,
    blocks: Vec<Block>,
    count: usize,
}

impl Hands {
    /// The two ends of the queues of this process's workers, which are so many.
    pub fn new(workers: usize, around: &Surroundings) -> (Hands, Vec<Box<dyn Blocks>>) {
        let mut queues: Vec<Box<dyn Blocks>> = Vec::new();
        let mut ends = Vec::new();
        for _ in 0..workers {
            let (sender, blocks) = sync_channel(QUEUE);
            let waiting = Waiting::default();
            ends.push((sender, waiting.clone()));
            queues.push(Box::new(Queue { blocks, waiting }));
        }
        let blocks = vec![Block::default(); workers];
        let (place, symbols) = (around.cluster.place, around.symbols.clone());
        (Hands { ends, place, symbols, owners: Vec::new(), blocks, count: 0 }, queues)
    }

    /// Runs a reader with these hands in a thread of its own, to the end of its input.
    pub fn spawn(mut self, read: impl FnOnce(&mut Hands) -> Result<()> + Send + 'static) {
        threads::spawn("reader", move || {
            if let Err(error) = read(&mut self) {
                self.send(0, Err(error));
            }
            // The queues' ends are dropped first, so that a worker that wakes finds its queue ended.
            let waiting: Vec<Waiting> = self.ends.drain(..).map(|(_, waiting)| waiting).collect();
            waiting.iter().for_each(wake);
        });
    }

    /// Takes a tick for its owner's next block; one that a worker of another process owns gets there otherwise.
    #[inline]
    pub fn take(&mut self, tick: Tick, due: Option<RunTime>) {
        self.count += 1;
        let here = self.owner(tick.symbol).wrapping_sub(self.place.mine(self.ends.len()).start);
        if let Some(block) = self.blocks.get_mut(here) {
            block.ticks.push(tick);
            if let Some(due) = due {
                block.dues.push(due);
            }
        }
    }

    /// The process of the worker that owns a symbol.
    pub fn process_of(&mut self, symbol: Symbol) -> usize {
        self.place.of(self.owner(symbol), self.ends.len())
    }

    #[inline]
    fn owner(&mut self, symbol: Symbol) -> usize {
        match self.owners.get(symbol.0 as usize) {
            Some(owner) => *owner,
            None => self.look_up(symbol),
        }
    }

    fn look_up(&mut self, symbol: Symbol) -> usize {
        for new in self.owners.len()..=symbol.0 as usize {
            self.owners.push(owner(&self.symbols.text(new as u32), self.place.all(self.ends.len())));
        }
        self.owners[symbol.0 as usize]
    }

    /// How many ticks were taken and not handed on.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Hands on what was taken, and the watermark that the input has reached with it; false if a worker is gone.
    pub fn hand_on(&mut self, watermark_ms: i64, moved_at: Option<RunTime>) -> bool {
        self.count = 0;
        (0..self.ends.len()).all(|worker| {
            // The next block has room for as many ticks: one that grows is copied.
            let next = Block { ticks: Vec::with_capacity(self.blocks[worker].ticks.len()), ..Block::default() };
            let block = std::mem::replace(&mut self.blocks[worker], next);
            self.send(worker, Ok(Arc::new(Block { watermark_ms, moved_at, ..block })))
        })
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
    if let Some(thread) = &*lock(waiting) {
        thread.unpark();
    }
}

/// Tells a due time that is given since the epoch on the run's clock.
#[derive(Clone, Copy)]
pub(super) struct Epoch(i64);

impl Epoch {
    /// The epoch, on this clock.
    pub fn of(clock: &Clock) -> Self {
        Epoch(clock.zero())
    }

    /// The instant on the run's clock.
    pub fn run_time(self, unix: i64) -> RunTime {
        unix.saturating_sub(self.0).max(0) as RunTime
    }
}
