use std::sync::Arc;

use super::block::{Block, Blocks, Pull};
use super::feed::Feed;
use super::files::{ends_at, from_words};
use super::{Opened, Pacing, Surroundings};
use crate::tape::Pace;
use crate::tick::{Names, Tick, owner};
use crate::time::EventTime;

/// A whole tape of one partition in memory, in order and with its watermarks set, as feeds for so many workers:
/// each gets the ticks of its own symbols, so nothing is exchanged. Every process is given the whole tape.
pub fn in_memory(tape: &[Tick], pacing: Pacing, workers: usize, around: &Surroundings) -> Opened {
    let pace = pacing.on(tape);
    let place = around.cluster.place;
    let mut blocks = vec![Block::default(); place.all(workers)];
    let owners = owners(&around.symbols, place.all(workers));
    let ends_at = ends_at(around);
    for (tick, due) in tape.iter().zip(due_times(tape, pace)) {
        if due.is_some_and(|due| due >= ends_at) {
            break;
        }
        let block = &mut blocks[owners[tick.symbol.0 as usize]];
        block.ticks.push(*tick);
        block.dues.extend(due);
    }
    let feed = |block| Feed::new(Box::new(Once(Some(Arc::new(block)))), pace, around.rules.disorder);
    let feeds = blocks.drain(place.mine(workers)).map(feed).collect();
    Opened { feeds, latency_from: from_words(&pace), finish: None }
}

/// When each tick of a tape in memory is due, from the schedule's beginning.
pub fn due_times(tape: &[Tick], pace: Pace) -> impl Iterator<Item = Option<u64>> + '_ {
    let (mut clock, mut timetable) = (EventTime::MIN, pace.timetable());
    tape.iter().map(move |tick| {
        clock = clock.max(tick.ts_event);
        timetable.due(clock)
    })
}

/// The owner of every symbol known so far.
pub(super) fn owners(symbols: &Names, workers: usize) -> Vec<usize> {
    symbols.all().iter().map(|symbol| owner(symbol, workers)).collect()
}

struct Once(Option<Arc<Block>>);

impl Blocks for Once {
    fn pull(&mut self) -> crate::error::Result<Pull> {
        Ok(self.0.take().map_or(Pull::End, Pull::Block))
    }
}
