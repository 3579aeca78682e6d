use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::cell::Tape;
use super::judge::disagreement;
use super::machine::{Control, cpu_seconds};
use super::progress::Progress;
use super::{Cell, Goal, Measured, Second, Traces, order};
use crate::error::{Error, Result};
use crate::play;
use crate::report::{Percentiles, count};
use crate::runtime::{Interval, Outcome, Snapshot, Watch};
use crate::source::{Opened, Surroundings, in_memory};
use crate::tape::Rejects;

/// Ticks of all tapes together: each takes 56 bytes while the sweep lasts.
const MOST_TICKS: u64 = 200_000_000;

/// Plays the cell of this number, with nobody to take its rows.
pub type Play<'a> = dyn FnMut(usize, &Cell, &Surroundings, Opened, &mut dyn Watch) -> Result<Outcome> + 'a;

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
        let tapes = self.tapes()?;
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
            let Some(run) = self.measure(cell, repeat, &tapes, stop, &progress, play)? else { break };
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

    /// Says which cells have other rows than others that played the same ticks by the same rules, if any have.
    pub fn disagreement(&self, results: &Results) -> Option<String> {
        let same = |a: usize, b: usize| self.cells[a].has_the_rows_of(&self.cells[b]);
        disagreement(&results.runs, same, |cell| self.name(cell))
    }

    /// The market of every cell, each made once.
    fn tapes(&self) -> Result<Vec<Tape>> {
        let mut firsts: Vec<&Cell> = Vec::new();
        for cell in &self.cells {
            let same = |it: &&&Cell| it.market == cell.market && it.config.rules.disorder == cell.config.rules.disorder;
            if firsts.iter().find(same).is_none() {
                firsts.push(cell);
            }
        }
        let ticks = firsts.iter().fold(0, |sum: u64, cell| sum.saturating_add(cell.market.ticks));
        if ticks > MOST_TICKS {
            let (ticks, most) = (count(ticks), count(MOST_TICKS));
            let text =
                format!("sweep: the tapes of all rates hold {ticks} ticks, and {most} fit: give a shorter --for");
            return Err(Error::Usage(text));
        }
        Ok(firsts.into_iter().map(Tape::of).collect())
    }

    /// One run of a cell; none when it was interrupted.
    fn measure(
        &self,
        at: usize,
        repeat: usize,
        tapes: &[Tape],
        asked: &AtomicBool,
        progress: &Progress,
        play: &mut Play<'_>,
    ) -> Result<Option<Measured>> {
        let cell = &self.cells[at];
        let Some(tape) = tapes.iter().find(|tape| tape.is_of(cell)) else { return Ok(None) };
        let stop = Arc::new(AtomicBool::new(asked.load(Ordering::Relaxed)));
        let around = play::surroundings(&cell.config, tape.symbols.clone(), Rejects::default(), stop.clone());
        let opened = in_memory(&tape.ticks, cell.config.pacing, cell.config.workers, &around);
        let (control, before) = (Control::start(), cpu_seconds());
        let deadline = Instant::now() + Duration::from_nanos(cell.given_up());
        let mut guard = Guard { stop, asked, deadline, progress, timeline: Vec::new() };
        let outcome = play(at, cell, &around, opened, &mut guard);
        let cpu = before.zip(cpu_seconds()).map(|(before, after)| after - before);
        let control = control.end();
        if asked.load(Ordering::Relaxed) {
            return outcome.map(|_| None);
        }
        let outcome = outcome?;
        let traces = Traces::new(&outcome, guard.timeline, &control);
        Ok(Some(Measured { traces, ..Measured::new(cell, repeat, &outcome, cpu, Percentiles::of(&control)) }))
    }
}

/// Follows a run second by second, and stops it when it has not drained in time, or when the sweep is to end.
struct Guard<'a> {
    stop: Arc<AtomicBool>,
    asked: &'a AtomicBool,
    deadline: Instant,
    progress: &'a Progress,
    timeline: Vec<Second>,
}

impl Watch for Guard<'_> {
    fn progress(&mut self, _snapshot: &Snapshot<'_>) {
        if self.asked.load(Ordering::Relaxed) || Instant::now() > self.deadline {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.progress.tick();
    }

    fn interval(&mut self, interval: &Interval<'_>) -> Result<()> {
        let backlog = self.timeline.last().map_or(0, |second| second.backlog);
        self.timeline.push(Second::new(interval, backlog));
        Ok(())
    }
}
