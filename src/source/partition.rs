//! A partition of a live input, as its reader keeps it, and through which of them each symbol comes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::sync::mpsc::Receiver;

use super::door::{Arrival, Done, Messages, Piece};
use super::peers::Stand;
use crate::tape::Leaf;
use crate::tick::Symbol;
use crate::time::RunTime;

/// A partition that has come and has not ended.
pub(super) struct Partition {
    pub name: Arc<str>,
    pub pieces: Receiver<Piece>,
    /// Messages that have come and are not decoded yet.
    pub messages: Messages,
    /// The offset of the message that was decoded last.
    pub decoded: Option<u64>,
    /// Where to say that it was.
    pub done: Option<Done>,
    pub leaf: Leaf,
    pub stand: Stand,
    pub heard_at: RunTime,
    /// Another process reads it.
    pub is_elsewhere: bool,
}

impl Partition {
    /// One that comes now, whose bytes this leaf is given.
    pub fn new(arrival: Arrival, leaf: Leaf, now: RunTime) -> Self {
        let Arrival { name, pieces, done, is_elsewhere } = arrival;
        // Whoever sends messages tells when it has sent those that there are.
        let stand = Stand { is_caught_up: done.is_none(), ..Stand::default() };
        let (messages, decoded) = Default::default();
        Partition { name: name.into(), pieces, messages, decoded, done, leaf, stand, heard_at: now, is_elsewhere }
    }

    /// Notes the offset behind the last message of which all is in the workers' hands.
    pub fn note(&mut self, offset: u64) {
        self.stand.done = offset;
        if let Some((offsets, at)) = &self.done {
            offsets[*at].store(offset, Ordering::Release);
        }
    }
}

/// The partition that each symbol came through last.
#[derive(Default)]
pub(super) struct Homes {
    names: Vec<Option<Weak<str>>>,
    is_told: bool,
}

impl Homes {
    /// The other partition, for the first symbol that comes through two. One that is gone is no other: its sender has
    /// come back.
    pub fn moves(&mut self, symbol: Symbol, name: &Arc<str>) -> Option<Arc<str>> {
        let at = symbol.0 as usize;
        if self.names.len() <= at {
            self.names.resize(at + 1, None);
        }
        if self.names[at].as_ref().is_some_and(|home| std::ptr::eq(home.as_ptr(), Arc::as_ptr(name))) {
            return None;
        }
        let other = self.names[at].replace(Arc::downgrade(name))?.upgrade()?;
        // A file that was replaced goes on under its name.
        (other != *name && !std::mem::replace(&mut self.is_told, true)).then_some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_moves_once_to_another_partition_that_is_there() {
        let [first, same, other]: [Arc<str>; 3] = ["a", "a", "b"].map(Arc::from);
        let mut homes = Homes::default();
        let mut moves = |symbol, name: &Arc<str>| homes.moves(Symbol(symbol), name).map(|other| other.to_string());
        assert_eq!([moves(3, &first), moves(3, &first), moves(3, &same)], [None, None, None]);
        let gone = Arc::from("c");
        assert_eq!(moves(4, &gone), None);
        drop(gone);
        assert_eq!([moves(4, &other), moves(3, &other), moves(3, &first)], [None, Some("a".into()), None]);
    }
}
