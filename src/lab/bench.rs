use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::machine::{Control, cpu_seconds};
use super::progress::Progress;
use super::tape::{Plan, Tapes};
use super::{Cell, Measured, Second, Traces};
use crate::error::Result;
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
        let mut around = play::surroundings(&cell.config, tape.symbols.clone(), Rejects::default(), stop.clone());
        around.venues = tape.venues.clone();
        let opened = in_memory(&tape.ticks, cell.config.pacing, cell.config.workers, &around);
        let (control, before) = (Control::start(), cpu_seconds());
        let deadline = Instant::now() + Duration::from_nanos(cell.given_up(plan.ends));
        let mut guard = Guard { stop, asked: self.stop, deadline, progress, timeline: Vec::new() };
        let outcome = (self.play)(settings, cell, &around, opened, &mut guard);
        let cpu = before.zip(cpu_seconds()).map(|(before, after)| after - before);
        let control = control.end();
        if self.stop.load(Ordering::Relaxed) {
            return outcome.map(|_| None);
        }
        let outcome = outcome?;
        let traces = Traces::new(&outcome, guard.timeline, &control);
        let measured = Measured::new(cell, &plan, repeat, &outcome, cpu, Percentiles::of(&control));
        Ok(Some(Measured { traces, ..measured }))
    }
}

/// Follows a run second by second, and stops it when it has not drained in time, or when the lab is to end.
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
