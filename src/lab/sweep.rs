use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::bench::{Bench, Play};
use super::judge::disagreement;
use super::progress::Progress;
use super::tape::most_ticks;
use super::{Cell, CostLaw, Goal, Measured, order};
use crate::error::{Error, Result};
use crate::latency::Costs;
use crate::report::count;

/// A sweep that is to be done.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The pipeline.
    pub pipeline: String,
    /// The keys of what varies.
    pub keys: Vec<String>,
    /// Their names at the heads of columns.
    pub labels: Vec<String>,
    /// The cells.
    pub cells: Vec<Cell>,
    /// How often each is run.
    pub repeat: usize,
    /// What is due in the first so many nanoseconds is not measured.
    pub warmup: u64,
    /// What the starred row keeps to.
    pub goal: Option<Goal>,
    /// The order of the runs follows from it.
    pub seed: u64,
    /// The settings that all cells share, unless they vary.
    pub settings: serde_json::Value,
}

/// What a sweep came to.
#[derive(Clone, Debug)]
pub struct Results {
    /// The order of the runs, as (cell, repeat); what was run once more comes again at the end.
    pub order: Vec<(usize, usize)>,
    /// Each cell's repeats, in their order.
    pub runs: Vec<Vec<Measured>>,
    /// Each cell's noisy runs that were run once more, and count no longer.
    pub discarded: Vec<Vec<Measured>>,
    /// Whether all of it was run.
    pub complete: bool,
}

impl Results {
    /// Whether no run has ended.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// What batches cost in all runs together.
    pub fn cost_law(&self) -> Option<CostLaw> {
        let mut costs = Costs::default();
        self.runs.iter().flatten().for_each(|run| costs.add(&run.traces.costs));
        CostLaw::fit(&costs)
    }
}

impl Sweep {
    /// A cell in words: `batch=16 linger=1ms`.
    pub fn name(&self, cell: usize) -> String {
        let pair = |(label, value): (&String, &String)| format!("{label}={value}");
        self.labels.iter().zip(&self.cells[cell].values).map(pair).collect::<Vec<_>>().join(" ")
    }

    /// Runs every cell as often as asked, each round in an order of its own; noisy runs are run once more at the
    /// end. When `stop` is set, the run that is under way is given up, and what was done is returned.
    ///
    /// # Errors
    /// When the tapes do not fit into memory, or a run fails.
    pub fn run(&self, stop: &AtomicBool, play: &mut Play<'_>) -> Result<Results> {
        self.check_size()?;
        let mut bench = Bench::new(most_ticks(&self.cells), stop, play);
        let cells = self.cells.len();
        let mut order = order(cells, self.repeat, self.seed);
        let each = self.cells.iter().map(Cell::ends).max().unwrap_or(0);
        let mut progress = Progress::new(order.len(), Duration::from_nanos(each));
        let (mut runs, mut discarded) = (vec![Vec::<Measured>::new(); cells], vec![Vec::new(); cells]);
        let first = order.len();
        let mut at = 0;
        while let Some((cell, repeat)) = order.get(at).copied() {
            let again = at >= first;
            let note = if again { ", once more" } else { "" };
            progress.begin(&format!("{}, repeat {}{note}", self.name(cell), repeat + 1));
            let Some(run) = bench.measure(cell, &self.cells[cell], repeat, &progress)? else { break };
            if again {
                discarded[cell].push(std::mem::replace(&mut runs[cell][repeat], run));
            } else {
                if run.noisy {
                    order.push((cell, repeat));
                    progress.more(1);
                }
                runs[cell].push(run);
            }
            progress.end();
            at += 1;
        }
        progress.clear();
        let complete = at == order.len();
        order.truncate(at);
        Ok(Results { order, runs, discarded, complete })
    }

    /// Refuses tapes that do not fit into memory together: they take turns.
    fn check_size(&self) -> Result<()> {
        let tapes: BTreeMap<String, u64> =
            self.cells.iter().map(|cell| (cell.tape_key(), cell.ticks().unwrap_or(0))).collect();
        let ticks = tapes.values().fold(0, |sum: u64, ticks| sum.saturating_add(*ticks));
        if ticks > most_ticks(&self.cells) {
            let (ticks, most) = (count(ticks), count(most_ticks(&self.cells)));
            let text = format!(
                "the tapes of all rates hold {ticks} ticks, and {most} fit: give a shorter --for, or a greater limits.memory"
            );
            return Err(Error::Usage(text));
        }
        Ok(())
    }

    /// Says which cells have other rows than others that played the same ticks by the same rules, if any have.
    pub fn disagreement(&self, results: &Results) -> Option<String> {
        let same = |a: usize, b: usize| self.cells[a].has_the_rows_of(&self.cells[b]);
        disagreement(&results.runs, same, |cell| self.name(cell))
    }
}
