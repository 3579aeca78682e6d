use std::ops::Range;
use std::sync::Arc;

use crate::error::Result;
use crate::tick::Tick;
use crate::time::RunTime;

/// Ticks in a block that is read from a file.
pub(super) const BLOCK: usize = 4096;

/// A run of one worker's ticks, in order.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The ticks.
    pub ticks: Vec<Tick>,
    /// When each of them is due: from the beginning of the schedule, or on the run's clock in a live input; empty
    /// where ticks are due when they are read.
    pub dues: Vec<RunTime>,
    /// Where several workers share a reader: the watermark in milliseconds that its merge has reached with this block,
    /// so that a worker whose symbols are silent does not hold the others back.
    pub watermark_ms: i64,
    /// When the tick that moved the watermark there was due, where a tick has moved it.
    pub moved_at: Option<RunTime>,
}

/// Ticks of one block that go through the dataflow together. They stay where they were read, and are shared.
#[derive(Clone, Debug)]
pub struct Part {
    block: Arc<Block>,
    ticks: Range<usize>,
}

impl Part {
    /// All of a block's ticks.
    pub fn whole(block: Block) -> Self {
        Part { ticks: 0..block.ticks.len(), block: Arc::new(block) }
    }

    /// The ticks, in order.
    pub fn ticks(&self) -> &[Tick] {
        &self.block.ticks[self.ticks.clone()]
    }
}

/// Ticks on their way into a batch, and when each was due.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// The ticks, in order.
    pub parts: Vec<Part>,
    /// When they were due; of ticks without a due time, none.
    pub dues: Vec<RunTime>,
    count: usize,
}

impl Arrivals {
    /// How many ticks there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds ticks of a block.
    pub fn push(&mut self, block: &Arc<Block>, ticks: Range<usize>) {
        self.count += ticks.len();
        match self.parts.last_mut() {
            Some(last) if Arc::ptr_eq(&last.block, block) && last.ticks.end == ticks.start => {
                last.ticks.end = ticks.end
            }
            _ => self.parts.push(Part { block: block.clone(), ticks }),
        }
    }

    /// Gives the parts away, for memory of others.
    pub fn replace(&mut self, parts: Vec<Part>) -> Vec<Part> {
        self.count = 0;
        std::mem::replace(&mut self.parts, parts)
    }
}

/// What there is to pull.
pub enum Pull {
    /// The next block.
    Block(Arc<Block>),
    /// Nothing yet.
    Later,
    /// Nothing more.
    End,
}

/// A source of blocks for one worker. It is asked, and never waits for an input that may be silent.
pub trait Blocks: Send {
    /// The next block.
    ///
    /// # Errors
    /// When the input cannot be read.
    fn pull(&mut self) -> Result<Pull>;
}
