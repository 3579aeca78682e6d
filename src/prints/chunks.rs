use std::collections::VecDeque;

use super::packed::Prints;
use crate::aggregate::{Edges, Print};
use crate::tick::Price;
use crate::time::EventTime;
use crate::window::Window;

/// Prints in one chunk. Chunks are told apart by their ranges of time and sequence, so that finding a print
/// reads a few of them, and keeping one costs no index.
const CHUNK: usize = 64;

/// The range of no price.
const NO_RANGE: (Price, Price) = (Price(i64::MAX), Price(i64::MIN));

/// Prints of one session, chunk by chunk as they come.
#[derive(Debug, Default)]
pub struct Chunks {
    chunks: VecDeque<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    ts: (EventTime, EventTime),
    seq: (u64, u64),
    /// The lowest and the highest price of its live prints that count for them; the lowest above the highest if none does.
    range: (Price, Price),
    /// The latest time and the highest sequence number of this chunk and all before it.
    until: (EventTime, u64),
    /// The earliest time and the lowest sequence number of this chunk and all behind it.
    from: (EventTime, u64),
    /// By their sequence numbers.
    prints: Prints,
}

impl Chunks {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether all prints of the last chunk are after `ts`.
    #[inline]
    pub fn are_after(&self, ts: EventTime) -> bool {
        self.chunks.back().is_some_and(|chunk| ts < chunk.ts.0)
    }

    /// Keeps a print.
    #[inline]
    pub fn push(&mut self, print: Print) {
        let (ts, seq) = (print.ts_event, print.seq);
        let reaches_back = match self.chunks.back_mut() {
            Some(chunk) if chunk.prints.len() < CHUNK => {
                if seq >= chunk.seq.1 {
                    chunk.prints.push(print);
                } else {
                    chunk.insert(print);
                }
                chunk.ts = (chunk.ts.0.min(ts), chunk.ts.1.max(ts));
                chunk.seq = (chunk.seq.0.min(seq), chunk.seq.1.max(seq));
                chunk.range = stretched(chunk.range, &print);
                chunk.until = (chunk.until.0.max(ts), chunk.until.1.max(seq));
                ts < chunk.from.0 || seq < chunk.from.1
            }
            _ => {
                self.begin(print);
                true
            }
        };
        if reaches_back {
            self.reach_back(ts, seq);
        }
    }

    #[cold]
    fn begin(&mut self, print: Print) {
        let (ts, seq) = (print.ts_event, print.seq);
        let until = self.chunks.back().map_or((ts, seq), |last| (last.until.0.max(ts), last.until.1.max(seq)));
        // The first chunk grows with its prints, for many a symbol never fills it.
        let prints = Prints::begin(print, if self.chunks.is_empty() { 1 } else { CHUNK });
        let (from, range) = ((EventTime::MAX, u64::MAX), stretched(NO_RANGE, &print));
        self.chunks.push_back(Chunk { ts: (ts, ts), seq: (seq, seq), range, until, from, prints });
    }

    /// Tells the last chunk, and those before, what is in it.
    #[cold]
    fn reach_back(&mut self, ts: EventTime, seq: u64) {
        for chunk in self.chunks.iter_mut().rev() {
            if chunk.from.0 <= ts && chunk.from.1 <= seq {
                break;
            }
            chunk.from = (chunk.from.0.min(ts), chunk.from.1.min(seq));
        }
    }

    /// Hands over the live prints with this sequence number whose times lie in `[within.0, within.1)`. They may be taken
    /// for dead, and stay what they are otherwise.
    pub fn each(&mut self, seq: u64, within: (EventTime, EventTime), mut give: impl FnMut(&mut Print)) {
        let begin = self.chunks.partition_point(|chunk| chunk.until.1 < seq);
        let end = self.chunks.partition_point(|chunk| chunk.from.1 <= seq);
        for chunk in self.chunks.range_mut(begin..end.max(begin)) {
            let may_be = chunk.seq.0 <= seq && seq <= chunk.seq.1 && chunk.ts.0 < within.1 && chunk.ts.1 >= within.0;
            if may_be {
                chunk.each(seq, within, &mut give);
            }
        }
    }

    /// The prints of a window.
    pub fn prints_of(&self, window: Window) -> impl Iterator<Item = Print> {
        self.near(window).flat_map(move |chunk| chunk.prints_of(window))
    }

    /// Takes in the edges of the live prints of a window. It reads the first ones until one can be an open, and the last
    /// ones until one can be a close; of those in between it takes what their chunks say of their prices.
    pub fn add_edges_of(&self, window: Window, edges: &mut Edges) {
        let mut near = self.near(window);
        for chunk in near.by_ref() {
            let is_behind_first = edges.first.ts_event < chunk.ts.0;
            chunk.add_edges_of(window, edges);
            if is_behind_first {
                break;
            }
        }
        near.rev().for_each(|chunk| chunk.add_edges_of(window, edges));
    }

    /// The chunks that may have prints of a window.
    fn near(&self, window: Window) -> impl DoubleEndedIterator<Item = &Chunk> {
        let begin = self.chunks.partition_point(|chunk| chunk.until.0 < window.start);
        let end = self.chunks.partition_point(|chunk| chunk.from.0 < window.end);
        let chunks = self.chunks.range(begin..end.max(begin));
        chunks.filter(move |chunk| chunk.ts.0 < window.end && chunk.ts.1 >= window.start)
    }

    /// Forgets the prints before `ts`, as far as whole chunks lie there.
    #[inline]
    pub fn forget_before(&mut self, ts: EventTime) {
        while self.chunks.front().is_some_and(|chunk| chunk.ts.1 < ts) {
            self.chunks.pop_front();
        }
    }
}

impl Chunk {
    #[cold]
    fn insert(&mut self, print: Print) {
        let at = self.prints.partition_point(|other| other.seq <= print.seq);
        self.prints.insert(at, print);
    }

    /// Its part of [`Chunks::each`].
    fn each(&mut self, seq: u64, within: (EventTime, EventTime), give: &mut impl FnMut(&mut Print)) {
        let mut is_range_known = true;
        for at in self.prints.partition_point(|print| print.seq < seq)..self.prints.len() {
            let mut print = self.prints.get(at);
            if print.seq != seq {
                break;
            }
            if print.live && within.0 <= print.ts_event && print.ts_event < within.1 {
                give(&mut print);
                self.prints.set(at, print);
                is_range_known &= print.live;
            }
        }
        if !is_range_known {
            let live = self.prints.iter().filter(|print| print.live);
            self.range = live.fold(NO_RANGE, |range, print| stretched(range, &print));
        }
    }

    /// Its part of [`Chunks::add_edges_of`].
    fn add_edges_of(&self, window: Window, edges: &mut Edges) {
        // A chunk that reaches out of the window also reaches beyond the edges so far, which are of the window.
        if edges.first.ts_event < self.ts.0 && self.ts.1 < edges.last.ts_event {
            let (low, high) = self.range;
            (edges.low, edges.high) = (edges.low.min(low), edges.high.max(high));
        } else {
            self.prints_of(window).filter(|print| print.live).for_each(|print| edges.add(&print));
        }
    }

    fn prints_of(&self, window: Window) -> impl Iterator<Item = Print> {
        self.prints.iter().filter(move |print| window.contains(print.ts_event))
    }
}

/// A range of prices and that of a print, if it counts.
#[inline]
fn stretched((low, high): (Price, Price), print: &Print) -> (Price, Price) {
    if print.eligible.high_low() { (low.min(print.price), high.max(print.price)) } else { (low, high) }
}
