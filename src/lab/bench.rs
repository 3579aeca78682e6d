use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::backlog::{Backlog, Little};
use super::kernel::Accounts;
use super::machine::Control;
use super::progress::Progress;
use super::tape::{Plan, Tapes};
use super::{Cell, Chosen, Measured, Second, Traces};
use crate::batch::Decision;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::latency::Stage;
use crate::play;
use crate::report::Percentiles;
use crate::runtime::{Interval, Outcome, Snapshot, Watch};
use crate::source::{Opened, Surroundings, in_memory};
use crate::tape::Rejects;

/// Plays a cell with the settings of this number, with nobody to take its rows.
pub type Play<'a> = dyn FnMut(usize, &Cell, &Surroundings, Opened, &mut dyn Watch) -> Result<Outcome> + 'a;

/// Where cells are measured, one after the other.
pub struct Bench<'a, 'p> {
    tapes: Tapes,
    stop: &'a AtomicBool,
    play: &'a mut Play<'p>,
}

impl<'a, 'p> Bench<'a, 'p> {
    /// A bench that keeps tapes of so many ticks in memory. When `stop` is set, the run that is under way is given up.
    pub fn new(most_ticks: u64, stop: &'a AtomicBool, play: &'a mut Play<'p>) -> Self {
        Bench { tapes: Tapes::at_most(most_ticks), stop, play }
    }

    /// How many ticks a cell's tape has.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn ticks(&mut self, cell: &Cell) -> Result<u64> {
        Ok(self.tapes.of(cell)?.ticks.len() as u64)
    }

    /// One run of a cell by the settings of a number; none when it was interrupted.
    ///
    /// # Errors
    /// When the tape cannot be had, or the run fails.
    pub fn measure(
        &mut self,
        settings: usize,
        cell: &Cell,
        repeat: usize,
        progress: &Progress,
    ) -> Result<Option<Measured>> {
        let tape = self.tapes.of(cell)?;
        let plan = Plan::of(cell, &tape)?;
        let stop = Arc::new(AtomicBool::new(self.stop.load(Ordering::Relaxed)));
        let names = [tape.symbols.clone(), tape.venues.clone()];
        let cluster = match cell.config.processes {
            1 => Cluster::alone(names),
            several => Cluster::spawn(several, (&cell.follow(), &[]), names, &cell.shared, self.stop)?,
        };
        let around = play::surroundings(&cell.config, Arc::new(cluster), Rejects::default(), stop.clone());
        let opened = in_memory(&tape.ticks, cell.config.playback.pacing, cell.config.workers, &around);
        let control = Control::start();
        let deadline = Instant::now() + Duration::from_nanos(cell.given_up(plan.ends));
        let mut guard = Guard {
            stop,
            asked: self.stop,
            deadline,
            progress,
            timeline: Vec::new(),
            decisions: Vec::new(),
            dues: &plan.dues,
            looks: Vec::new(),
            shown: Instant::now(),
            accounts: Accounts::open(),
        };
        let outcome = (self.play)(settings, cell, &around, opened, &mut guard);
        let control = control.end();
        if self.stop.load(Ordering::Relaxed) {
            return outcome.map(|_| None);
        }
        let (mut outcome, pressure) = (outcome?, guard.accounts.close());
        let applied = outcome.stages.get(Stage::Tick).len();
        let (mean_wait, applied_at) = (outcome.stages.get(Stage::Tick).mean(), outcome.stages.applied_at());
        for waited in plan.outstanding(outcome.ledger.read, outcome.elapsed) {
            outcome.stages.given_up(waited);
        }
        let traces = Traces { decisions: guard.decisions, ..Traces::new(&outcome, guard.timeline, &control) };
        let measured = Measured::new(cell, &plan, repeat, &outcome, Percentiles::of(&control), applied);
        let warmup = cell.config.knobs.warmup;
        let backlog = Backlog::of(&guard.looks, warmup, plan.ends, cell.most_held(measured.offered));
        // Of a run that was given up, the mean wait is that of what was applied.
        let little = (!measured.censored).then(|| {
            let (due_at, span) = (plan.due_at(warmup), plan.ends.saturating_sub(warmup));
            Little::check(applied_at, due_at, span, measured.offered, mean_wait)
        });
        Ok(Some(Measured { traces, backlog, little, pressure, ..measured }))
    }
}

/// Between two looks at the backlog.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// So many decisions of controllers are kept.
const MOST_DECISIONS: usize = 10_000;

/// Between two redrawings of the progress line.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// Follows a run second by second and its backlog more closely, and stops it when it has not drained in time, or when
/// the lab is to end.
struct Guard<'a> {
    stop: Arc<AtomicBool>,
    asked: &'a AtomicBool,
    deadline: Instant,
    progress: &'a Progress,
    timeline: Vec<Second>,
    decisions: Vec<Chosen>,
    /// When ticks are due, and the backlog at the instants at which it was looked at.
    dues: &'a [u64],
    looks: Vec<(u64, u64)>,
    shown: Instant,
    accounts: Accounts,
}

impl Watch for Guard<'_> {
    fn progress(&mut self, snapshot: &Snapshot<'_>) {
        let due = self.dues.partition_point(|due| *due <= snapshot.elapsed) as u64;
        self.looks.push((snapshot.elapsed, due.saturating_sub(snapshot.applied)));
        let now = Instant::now();
        if now < self.shown + SHOW_EVERY {
            return;
        }
        self.shown = now;
        self.accounts.look();
        if self.asked.load(Ordering::Relaxed) || now > self.deadline {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.progress.tick();
    }

    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    fn interval(&mut self, interval: &Interval<'_>) -> Result<()> {
        let backlog = self.timeline.last().map_or(0, |second| second.backlog);
        self.timeline.push(Second::new(interval, backlog));
        Ok(())
    }

    fn decided(&mut self, worker: usize, at: u64, decision: &Decision) -> Result<()> {
        if self.decisions.len() < MOST_DECISIONS {
            self.decisions.push(Chosen { at, worker, delay: decision.delay });
        }
        Ok(())
    }
}
