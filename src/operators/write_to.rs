use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::consolidation::consolidate;
use serde::{Deserialize, Serialize};
use timely::dataflow::ProbeHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Exchange as _;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::probe::Probe;

use super::Changes;
use super::context::{Context, watermark_of};
use crate::error::Result;
use crate::row::{Row, Texts};
use crate::sink::Sink;

/// What one worker wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Rows that stand in the end: insertions less retractions.
    pub rows: i64,
    /// Rows that were retracted, to be replaced or not.
    pub retracted: u64,
    /// The digest of the rows that stand.
    pub digest: u64,
}

/// Ends a dataflow: the changes go to the sink, in the first process if there are several, each logical time as a
/// whole, and it is flushed before the probe moves on. The first failure of the sink ends the run.
pub fn write_to<R: Row + Send>(
    changes: Changes<'_, R>,
    mut sink: Box<dyn Sink<R>>,
    context: &Context,
) -> (ProbeHandle<u64>, Rc<Cell<Written>>) {
    let written = Rc::new(Cell::new(Written::default()));
    let (totals, context) = (written.clone(), context.clone());
    let probe = ProbeHandle::new();
    let (writer, is_written_elsewhere) =
        (context.worker % context.writers, changes.inner.scope().peers() > context.writers);
    let changes = match is_written_elsewhere {
        true => changes.inner.exchange(move |_| writer as u64),
        false => changes.inner,
    };
    changes
        .unary_frontier::<timely::container::CapacityContainerBuilder<Vec<()>>, _, _, _>(
            Pipeline,
            "WriteTo",
            |cap, _| {
                drop(cap);
                let mut texts = Texts::new(context.symbols.clone(), context.venues.clone());
                let mut moments: BTreeMap<u64, Vec<(R, isize)>> = BTreeMap::new();
                // Memory that is given back is fetched from the system again at the next close, which takes
                // milliseconds.
                let mut spare: Vec<Vec<(R, isize)>> = Vec::new();
                let mut ends: Vec<i64> = Vec::new();
                let mut flushed = -1;
                move |(input, frontier), _output| {
                    let began = context.clock.now();
                    input.for_each(|_capability, changes| {
                        let mut changes = changes.drain(..).peekable();
                        while let Some((row, time, diff)) = changes.next() {
                            let moment = moments.entry(time).or_insert_with(|| spare.pop().unwrap_or_default());
                            moment.push((row, diff));
                            while let Some((row, _, diff)) = changes.next_if(|(_, same, _)| *same == time) {
                                moment.push((row, diff));
                            }
                        }
                    });
                    let passed = frontier.frontier().first().map_or(i64::MAX, |stamp| watermark_of(*stamp));
                    let (mut total, mut changed) = (totals.get(), false);
                    let keep = |result: Result<()>| result.unwrap_or_else(|error| context.failure.set(error));
                    while let Some(moment) = moments.first_entry().filter(|moment| *moment.key() as i64 <= passed) {
                        let (time, mut changes) = moment.remove_entry();
                        // Insertions alone cannot cancel out.
                        if changes.iter().any(|(_, diff)| *diff < 0) {
                            consolidate(&mut changes);
                        }
                        texts.refresh();
                        keep(sink.reached(time as i64));
                        for (row, diff) in changes.drain(..) {
                            changed = true;
                            total.digest = total.digest.wrapping_add((diff as u64).wrapping_mul(row.digest(&texts)));
                            total.rows += diff as i64;
                            total.retracted += u64::from(diff < 0);
                            if !context.failure.is_set() {
                                keep(sink.change(&row, &texts, diff));
                            }
                            let end = row.window().end_ms();
                            if time as i64 == end && ends.last() != Some(&end) {
                                ends.push(end);
                            }
                        }
                        spare.push(changes);
                    }
                    totals.set(total);
                    if passed > flushed && !context.failure.is_set() {
                        keep(sink.reached(passed.saturating_add(1)));
                    }
                    if changed {
                        if !context.failure.is_set() {
                            keep(sink.flush());
                        }
                        let now = context.clock.now();
                        ends.drain(..).for_each(|end| context.closes.closed(end, now, now - began));
                    }
                    if passed > flushed {
                        flushed = passed;
                        context.closes.flushed(context.worker, passed);
                    }
                }
            },
        )
        .probe_with(&probe);
    (probe, written)
}
