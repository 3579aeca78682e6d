use std::sync::Arc;

use super::block::{Block, Blocks, Pull};
use super::feed::Feed;
use super::{Extent, LatencyFrom, Opened, Pacing, Playback, Surroundings, reader, until};
use crate::error::Result;
use crate::tape::{Leaf, Merge, Pace};
use crate::tick::{Names, Tick, owner};
use crate::time::EventTime;

/// A whole tape of one partition in memory, in order and with its watermarks set, as feeds for so many workers:
/// each gets the ticks of its own symbols, so nothing is exchanged. Every process is given the whole tape.
pub fn in_memory(tape: &[Tick], pacing: Pacing, workers: usize, around: &Surroundings) -> Opened {
    let pace = pacing.on(tape);
    let place = around.cluster.place;
    let mut blocks = vec![Block::default(); place.all(workers)];
    let owners = owners(&around.symbols, place.all(workers));
    let ends_at = around.ends_at();
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
    Opened { feeds, latency_from: LatencyFrom::of(&pace), finish: None }
}

/// The same tape as `playback` says, of which a reader thread hands each worker its ticks.
///
/// # Errors
/// When it cannot be played so.
pub fn played(tape: &Arc<[Tick]>, playback: &Playback, workers: usize, around: &Surroundings) -> Result<Opened> {
    let pacing = playback.pacing.fitted(|| Extent::of_merge(made(tape, playback, &around.to_measure())))?;
    reader::scheduled("the made-up market", made(tape, playback, around), pacing, workers, around)
}

/// The records of a tape in memory as they are played: of the part that was chosen, and with faults.
pub(super) fn made(tape: &Arc<[Tick]>, playback: &Playback, around: &Surroundings) -> Merge {
    let (tape, rules, controls) = (tape.clone(), around.rules, &playback.controls);
    let open = move || vec![Leaf::made(tape.clone(), rules)];
    let merge = Merge::new(open(), playback.limit, around.ends_at());
    let merge = merge.controlled(controls, &around.symbols, &around.strikes);
    let merge = merge.opened_by(until(around.stop.clone(), move || Ok(open())));
    controls.again.iter().fold(merge, |merge, sessions| merge.again(sessions.clone()))
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
