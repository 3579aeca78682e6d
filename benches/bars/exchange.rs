//! Ticks that are exchanged by symbol within the dataflow, which tapeflow does not do: its readers hand each worker the
//! ticks of its own symbols. Here each worker is fed every n-th batch of the tape, whatever the symbols, and shares it
//! out. So that each symbol's ticks stay in their order, and the digest is the same, batches go on by their numbers.
//!
//! A worker applies other ticks than it was fed, so the latencies of such a run mean nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tapeflow::operators::Ticks;
use tapeflow::source::{Block, Blocks, Feed, Part, Pull};
use tapeflow::tape::Pace;
use tapeflow::tick::Tick;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;

use super::DISORDER;

/// What a worker is sent of a batch: one container of any size, which moves as a pointer.
#[derive(Clone, Serialize, Deserialize)]
struct Share {
    to: u64,
    batch: u64,
    ticks: Vec<Tick>,
}

/// Feeds for so many workers: each has every n-th batch.
pub fn dealt(tape: &[Tick], batch: usize, workers: usize) -> Vec<Feed> {
    let mut hands = vec![Vec::new(); workers];
    for (nth, ticks) in tape.chunks(batch).enumerate() {
        hands[nth % workers].push(Arc::new(Block { ticks: ticks.to_vec(), ..Block::default() }));
    }
    let feed = |blocks: Vec<_>| Feed::new(Box::new(Dealt(blocks.into_iter())), Pace::AsRead, DISORDER);
    hands.into_iter().map(feed).collect()
}

struct Dealt(std::vec::IntoIter<Arc<Block>>);

impl Blocks for Dealt {
    fn pull(&mut self) -> tapeflow::error::Result<Pull> {
        Ok(self.0.next().map_or(Pull::End, Pull::Block))
    }
}

/// Brings the ticks of [`dealt`] feeds to the owners of their symbols.
pub fn by_symbol<'scope>(ticks: Ticks<'scope>, owners: Arc<Vec<usize>>) -> Ticks<'scope> {
    let Ticks { stream, context } = ticks;
    let (worker, workers) = (context.worker, stream.scope().peers());
    let shares = stream.unary(Pipeline, "ShareOut", move |_, _| {
        let mut batch = worker as u64;
        move |input, output| {
            input.for_each(|capability, parts| {
                for part in parts.drain(..) {
                    let room = part.ticks().len();
                    let mut shares = vec![Vec::with_capacity(room); workers];
                    part.ticks().iter().for_each(|tick| shares[owners[tick.symbol.0 as usize]].push(*tick));
                    let shares = (0..).zip(shares).map(|(to, ticks)| Share { to, batch, ticks });
                    output.session(&capability).give_iterator(shares);
                    batch += workers as u64;
                }
            });
        }
    });
    let stream = shares.unary(Exchange::new(|share: &Share| share.to), "InOrder", |_, _| {
        let (mut next, mut waiting) = (0, BTreeMap::new());
        move |input, output| {
            input.for_each(|capability, shares| {
                let Some(capability) = capability.retain_least(output.output_index()) else { return };
                for share in shares.drain(..) {
                    waiting.insert(share.batch, (capability.clone(), share.ticks));
                }
            });
            while let Some((capability, ticks)) = waiting.remove(&next) {
                output.session(&capability).give(Part::whole(Block { ticks, ..Block::default() }));
                next += 1;
            }
        }
    });
    Ticks { stream, context }
}
