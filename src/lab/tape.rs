use std::rc::Rc;
use std::sync::Arc;

use super::Cell;
use super::cell::Source;
use crate::cluster::Cluster;
use crate::error::{Error, Result, say};
use crate::play;
use crate::report::{Absent, count, span};
use crate::source::{Opened, Pacing, Playback, Surroundings, due_times, in_memory, whole, whole_made};
use crate::tape::Rejects;
use crate::tick::{Names, Tick};

/// Ticks of all tapes together, where memory has no other limit.
const MOST_TICKS: u64 = 200_000_000;

/// A tick takes 64 bytes while it is kept, and as much again while it is played.
const BYTES_PER_TICK: u64 = 128;

/// How many ticks of all tapes together fit into the memory that a run of any of these cells may take.
pub fn most_ticks<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> u64 {
    let fit = cells.into_iter().filter_map(|cell| cell.config.knobs.memory).map(|bytes| bytes / BYTES_PER_TICK);
    fit.fold(MOST_TICKS, u64::min)
}

/// Where the ticks of a tape that is played in full go on for less than this share of the asked span, the
/// tape is too short for it. Random gaps may end a little early.
const ENOUGH: f64 = 0.95;

/// A tape in memory, and the names in it.
pub struct Tape {
    key: String,
    /// The ticks, in order and with their watermarks.
    pub ticks: Vec<Tick>,
    /// Their symbols.
    pub symbols: Arc<Names>,
    /// Their venues.
    pub venues: Arc<Names>,
}

impl Tape {
    /// Makes a cell's market, or reads its files, with the names of these processes.
    fn of(cell: &Cell, cluster: Arc<Cluster>) -> Result<Self> {
        let rejects = Rejects::default();
        let mut around = play::surroundings(&cell.config, cluster, rejects.clone(), Arc::default());
        // All of it is read; the cell's schedule says how much of it is played.
        around.play_for = None;
        let playback = Playback { pacing: Pacing::Max, ..cell.config.playback.clone() };
        let most = most_ticks([cell]) as usize;
        let ticks = match &cell.source {
            Source::Market(market) => {
                let tape = market.tape(&around.symbols, cell.config.rules);
                if playback.controls.is_plain() { tape } else { whole_made(tape, &playback, most, &around)? }
            }
            Source::Recorded(inputs) => {
                if inputs.is_stream() {
                    let text =
                        "standard input comes once, and several runs play the same ticks: save it to a file first";
                    return Err(Error::Usage(text.into()));
                }
                let ticks = whole(inputs, &playback, most, &around)?;
                if rejects.count() > 0 {
                    let (path, lines) = (&inputs.path, count(rejects.count()));
                    say(&format!("{path}: {lines} lines were rejected and are in no run"));
                }
                ticks
            }
        };
        if let Some(absent) = Absent::told(&Absent::among(&cell.config.playback.controls.symbols, &around.symbols)) {
            say(&absent);
        }
        Ok(Tape { key: cell.tape_key(), ticks, symbols: around.symbols, venues: around.venues })
    }
}

/// The tapes that are in memory.
pub struct Tapes {
    kept: Vec<Rc<Tape>>,
    most: u64,
}

impl Tapes {
    /// No tapes yet, and at most so many ticks of them.
    pub fn at_most(ticks: u64) -> Self {
        Tapes { kept: Vec::new(), most: ticks }
    }

    /// The tape of a cell, which is made or read where that was not done for another; the oldest make room for it.
    ///
    /// # Errors
    /// When it cannot be read, or does not fit into memory.
    pub fn of(&mut self, cell: &Cell) -> Result<Rc<Tape>> {
        let key = cell.tape_key();
        if let Some(tape) = self.kept.iter().find(|tape| tape.key == key) {
            return Ok(tape.clone());
        }
        self.make_room(cell.ticks().unwrap_or(0));
        let tape = Rc::new(Tape::of(cell, Arc::default())?);
        // How long a recorded tape is shows when it has been read.
        self.make_room(tape.ticks.len() as u64);
        self.kept.push(tape.clone());
        Ok(tape)
    }

    fn make_room(&mut self, ticks: u64) {
        let kept = |tapes: &[Rc<Tape>]| tapes.iter().map(|tape| tape.ticks.len() as u64).sum::<u64>();
        while !self.kept.is_empty() && kept(&self.kept) + ticks > self.most {
            self.kept.remove(0);
        }
    }
}

/// What another process than the first plays of a cell.
///
/// # Errors
/// When its tape cannot be had.
pub fn part(cell: &Cell, around: &Surroundings) -> Result<Opened> {
    let tape = Tape::of(cell, around.cluster.clone())?;
    Ok(in_memory(&tape.ticks, cell.config.playback.pacing, cell.config.workers, around))
}

/// The schedule of a cell on its tape.
#[derive(Clone, Debug)]
pub struct Plan {
    /// When each tick that is played is due, in nanoseconds from the schedule's beginning.
    pub dues: Vec<u64>,
    /// How many of them are warm-up.
    pub warmup: usize,
    /// When it ends.
    pub ends: u64,
}

impl Plan {
    /// The schedule of a cell.
    ///
    /// # Errors
    /// When the tape is too short for what the cell is to measure.
    pub fn of(cell: &Cell, tape: &Tape) -> Result<Self> {
        let (warmup, cut) = (cell.config.knobs.warmup, cell.config.play_for.unwrap_or(u64::MAX));
        let all = due_times(&tape.ticks, cell.config.playback.pacing.on(&tape.ticks));
        let dues: Vec<u64> = all.map_while(|due| due.filter(|due| *due < cut)).collect();
        let Some(last) = dues.last().copied() else {
            let text =
                "there is no tick to play: the input is empty, or --start, --end and --symbols leave nothing of it";
            return Err(Error::Usage(text.into()));
        };
        let asked = cell.ends();
        // A made-up tape is as long as it is asked to be, unless that is a few ticks.
        let (fits, is_measured) = match cell.source {
            Source::Market(_) => {
                ("a longer --for or a higher rate", "a shorter --warmup, a longer --for or a higher rate")
            }
            Source::Recorded(_) => ("a shorter --for or a lower rate", "a shorter --warmup or a lower rate"),
        };
        let too_short = |text: String| Err(Error::Usage(format!("the tape lasts {} at this pace, {text}", span(last))));
        // The last tick stands for as long as any other does.
        let lasts = last + cell.rate().map_or(1, |rate| ((1e9 / rate) as u64).max(1));
        if cell.span.is_some() && (lasts as f64) < asked as f64 * ENOUGH && dues.len() == tape.ticks.len() {
            let asked = span(asked);
            return too_short(format!("and the warm-up and --for take {asked}: give {fits}"));
        }
        let warm = dues.partition_point(|due| *due < warmup);
        if warm == dues.len() {
            let warmup = span(warmup);
            return too_short(format!("and all of it is warm-up ({warmup}): give {is_measured}"));
        }
        Ok(Plan { dues, warmup: warm, ends: if cell.span.is_some() { asked.max(last + 1) } else { lasts } })
    }

    /// How long the measured ticks had waited that were never applied, when their run was given up at `now` with
    /// `applied` ticks applied. Which they are is not known where there are several workers: it is taken to be the last
    /// ones, which waited least.
    pub fn outstanding(&self, applied: u64, now: u64) -> impl Iterator<Item = u64> + '_ {
        let from = (applied as usize).max(self.warmup).min(self.dues.len());
        self.dues[from..].iter().filter_map(move |due| now.checked_sub(*due))
    }

    /// Ticks that are measured.
    pub fn measured(&self) -> u64 {
        (self.dues.len() - self.warmup) as u64
    }

    /// When each measured tick is due, in nanoseconds from the end of a warm-up of so many, summed up.
    pub fn due_at(&self, warmup: u64) -> u128 {
        self.dues[self.warmup..].iter().map(|due| u128::from(due - warmup)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_applied_had_waited_until_the_run_was_given_up() {
        let plan = Plan { dues: vec![0, 10, 20, 30, 40], warmup: 2, ends: 50 };
        let outstanding = |applied, now| plan.outstanding(applied, now).collect::<Vec<_>>();
        assert!(outstanding(5, 100).is_empty());
        assert_eq!(outstanding(3, 100), [70, 60]);
        // What is due in the warm-up is not measured, and what is not yet due does not wait.
        assert_eq!(outstanding(0, 35), [15, 5]);
        assert_eq!((plan.measured(), plan.due_at(15)), (3, 5 + 15 + 25));
    }
}
