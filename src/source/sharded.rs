//! Files of one symbol each: every worker reads those of its own symbols itself.

use std::sync::Arc;

use super::block::{BLOCK, Block, Blocks, Pull};
use super::feed::Feed;
use super::memory::owners;
use super::{LatencyFrom, Opened, Pacing, Surroundings};
use crate::error::Result;
use crate::tape::{Controls, Leaf, Merge, Pace, Timetable};
use crate::tick::Symbol;

/// Gives each worker the partitions of its own symbols, to be read in the worker itself. Where they begin is looked up
/// in those of all processes, since all keep one schedule.
pub(super) fn open(
    leaves: Vec<(Option<Symbol>, Leaf)>,
    pacing: Pacing,
    controls: &Controls,
    workers: usize,
    around: &Surroundings,
) -> Result<Opened> {
    let place = around.cluster.place;
    let owners = owners(&around.symbols, place.all(workers));
    let mut shares: Vec<Vec<Leaf>> = (0..place.all(workers)).map(|_| Vec::new()).collect();
    for (symbol, mut leaf) in leaves {
        let owner = symbol.map_or(0, |symbol| owners[symbol.0 as usize]);
        if !place.mine(workers).contains(&owner) {
            leaf.look_only();
        }
        shares[owner].push(leaf);
    }
    let merge = |share| {
        let merge = Merge::new(share, u64::MAX, around.ends_at());
        merge.controlled(controls, &around.symbols, &around.strikes)
    };
    let mut merges: Vec<Merge> = shares.into_iter().map(merge).collect();
    let mut pace = Pace::AsRead;
    if pacing != Pacing::Max {
        let firsts = merges.iter_mut().map(Merge::first).collect::<Result<Vec<_>>>()?;
        pace = pacing.schedule(firsts.into_iter().flatten().min().unwrap_or(0));
    }
    let feeds = merges.drain(place.mine(workers)).map(|merge| {
        let blocks = Box::new(Inline { merge, timetable: pace.timetable() });
        Feed::new(blocks, pace, around.rules.disorder)
    });
    Ok(Opened { feeds: feeds.collect(), latency_from: LatencyFrom::of(&pace), finish: None })
}

/// Reads blocks where they are asked for.
struct Inline {
    merge: Merge,
    timetable: Timetable,
}

impl Blocks for Inline {
    fn pull(&mut self) -> Result<Pull> {
        let mut block = Block::default();
        while block.ticks.len() < BLOCK {
            let room = BLOCK - block.ticks.len();
            let ready = self.merge.ready(&mut self.timetable, room)?;
            if ready.len() == 0 {
                break;
            }
            for next in ready {
                block.ticks.push(next.tick());
                block.dues.extend(next.due);
            }
        }
        Ok(if block.ticks.is_empty() { Pull::End } else { Pull::Block(Arc::new(block)) })
    }
}
