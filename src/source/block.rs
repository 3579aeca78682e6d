use std::sync::Arc;

use crate::error::Result;
use crate::tick::Tick;
use crate::time::RunTime;

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
