//! The way from a transport to the reader: it brings partitions, and pieces of each, through bounded queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};

use super::peers::Told;
use crate::error::Error;

/// Pieces of a partition that may wait to be decoded; whoever reads more of them waits.
const QUEUE: usize = 16;

/// The longest sleep before looking whether to stop.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_millis(10);

/// What a partition brings.
pub(super) enum Piece {
    /// The next bytes of a stream.
    Bytes(Vec<u8>),
    /// The next messages.
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "only topics have messages"))]
    Messages(Messages),
    /// All that there is was brought: silence is silence from here on.
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "only topics tell"))]
    CaughtUp,
    /// Another process reads it, and has told this.
    Told(Told),
    /// It cannot be read, and the run with it.
    Failed(Error),
    /// The end is next. What was begun and not ended is rejected for this reason.
    End(&'static str),
}

/// Messages one after the other, from the first of which on they are taken.
#[derive(Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    /// Where each ends in the bytes, and its offset.
    ends: Vec<(usize, u64)>,
    /// How many were taken, and where the next one begins.
    taken: usize,
    start: usize,
}

impl Messages {
    /// Adds a message.
    #[cfg(feature = "kafka")]
    pub fn push(&mut self, message: &[u8], offset: u64) {
        self.bytes.extend_from_slice(message);
        self.ends.push((self.bytes.len(), offset));
    }

    /// How many bytes they have, with those that were taken.
    #[cfg(feature = "kafka")]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many are left.
    pub fn count(&self) -> usize {
        self.ends.len() - self.taken
    }

    /// Takes the next one, with its offset.
    pub fn take(&mut self) -> Option<(&[u8], u64)> {
        let (end, offset) = *self.ends.get(self.taken)?;
        self.taken += 1;
        let start = std::mem::replace(&mut self.start, end);
        Some((&self.bytes[start..end], offset))
    }
}

/// How a transport hands over its partitions. When the last clone is gone, the input has ended.
#[derive(Clone)]
pub(super) struct Door {
    partitions: UnboundedSender<Arrival>,
    thread: Thread,
    over: Arc<AtomicBool>,
}

/// A partition that has come.
pub(super) struct Arrival {
    pub name: String,
    pub pieces: Receiver<Piece>,
    pub done: Option<Done>,
    /// Another process reads it.
    pub is_elsewhere: bool,
}

/// Of a partition of messages: where to note the offset behind the last one of which all is in the workers' hands, and
/// its place there, which is that among all partitions.
pub(super) type Done = (Arc<Vec<AtomicU64>>, usize);

/// How a transport brings the pieces of one partition.
pub(super) struct Bringer {
    pieces: Sender<Piece>,
    thread: Thread,
}

impl Door {
    /// The door of the reader in this thread, what comes through it, and what is to be true once the reader is done.
    pub fn here() -> (Door, UnboundedReceiver<Arrival>, Arc<AtomicBool>) {
        let (partitions, arrivals) = mpsc::unbounded_channel();
        let over = Arc::new(AtomicBool::new(false));
        (Door { partitions, thread: std::thread::current(), over: over.clone() }, arrivals, over)
    }

    /// A partition that has come: a stream of bytes, or messages where there is something to note of them.
    pub fn partition(&self, name: String, done: Option<Done>) -> Bringer {
        self.arrives(name, done, false)
    }

    /// A partition of messages that another process reads.
    #[cfg(feature = "kafka")]
    pub fn partition_elsewhere(&self, name: String, done: Done) -> Bringer {
        self.arrives(name, Some(done), true)
    }

    fn arrives(&self, name: String, done: Option<Done>, is_elsewhere: bool) -> Bringer {
        let (sender, pieces) = mpsc::channel(QUEUE);
        // Nobody takes it in when the run is over, which `Door::is_over` tells.
        let _ = self.partitions.send(Arrival { name, pieces, done, is_elsewhere });
        Bringer { pieces: sender, thread: self.thread.clone() }
    }

    /// What is true once nobody waits for more.
    #[cfg(feature = "kafka")]
    pub fn watch(&self) -> Arc<AtomicBool> {
        self.over.clone()
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

/// Somebody who hears of a partition beside its bringer, and does not keep it from ending.
#[cfg(feature = "kafka")]
pub(super) struct Overhearer(mpsc::WeakSender<Piece>);

#[cfg(feature = "kafka")]
impl Overhearer {
    /// Brings a piece, unless the partition has ended.
    pub fn tell(&self, piece: Piece) {
        if let Some(pieces) = self.0.upgrade() {
            // The run may be over.
            let _ = pieces.blocking_send(piece);
        }
    }
}

impl Bringer {
    /// Somebody else who hears of it.
    #[cfg(feature = "kafka")]
    pub fn overhearer(&self) -> Overhearer {
        Overhearer(self.pieces.downgrade())
    }

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
