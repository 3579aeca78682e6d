use std::sync::Arc;

use super::{Inputs, Playback, Surroundings, find};
use crate::error::{Error, Result};
use crate::tape::{Burst, Gaps, Merge, Pace};
use crate::tick::Tick;
use crate::time::{EventTime, SECOND};

/// How fast a tape is to be played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pacing {
    /// As fast as it is read.
    Max,
    /// So many times as fast as event time.
    Speed(f64),
    /// So many ticks a second, with gaps that are made up.
    Rate {
        /// Ticks a second.
        per_second: f64,
        /// The gaps between them.
        gaps: Gaps,
        /// A rate that swings.
        burst: Option<Burst>,
    },
    /// With the tape's own gaps, at the speed that makes so many ticks a second of the whole tape.
    Scaled(f64),
}

impl Pacing {
    /// So many ticks a second, evenly.
    pub fn even(per_second: f64) -> Self {
        Pacing::Rate { per_second, gaps: Gaps::Even, burst: None }
    }

    /// The same with another average rate, of a pacing that has one.
    pub fn at_rate(self, per_second: f64) -> Self {
        match self {
            Pacing::Rate { gaps, burst, .. } => Pacing::Rate { per_second, gaps, burst },
            Pacing::Scaled(_) => Pacing::Scaled(per_second),
            Pacing::Max | Pacing::Speed(_) => self,
        }
    }

    /// Refuses to select by due time where nothing is due at a time.
    ///
    /// # Errors
    /// When `play_for` is given and there is no schedule.
    pub fn check_for(self, play_for: Option<u64>) -> Result<()> {
        match (self, play_for) {
            (Pacing::Max, Some(_)) => {
                Err(Error::Usage("--for needs a schedule: give --speed 1x or --rate 200k/s as well".into()))
            }
            _ => Ok(()),
        }
    }

    /// The same without [`Pacing::Scaled`], which becomes the speed that suits the tape.
    ///
    /// # Errors
    /// When the tape must be measured and cannot be.
    pub fn fitted(self, tape: impl FnOnce() -> Result<Extent>) -> Result<Self> {
        match self {
            Pacing::Scaled(per_second) => Ok(Pacing::Speed(tape()?.speed(per_second))),
            other => Ok(other),
        }
    }

    /// The schedule for a tape in memory.
    pub fn on(self, tape: &[Tick]) -> Pace {
        let fitted = match self {
            Pacing::Scaled(per_second) => Pacing::Speed(Extent::of(tape).speed(per_second)),
            other => other,
        };
        fitted.schedule(tape.first().map_or(0, |tick| tick.ts_event))
    }

    /// The schedule for a tape that begins with `origin`.
    ///
    /// # Panics
    /// On [`Pacing::Scaled`], which is to be fitted to its tape first.
    pub fn schedule(self, origin: EventTime) -> Pace {
        match self {
            Pacing::Max => Pace::AsRead,
            Pacing::Speed(speed) => Pace::Speed { origin, speed },
            Pacing::Rate { per_second, gaps, burst } => Pace::Rate { per_second, gaps, burst },
            Pacing::Scaled(_) => panic!("a scaled pacing is to be fitted to its tape first"),
        }
    }
}

/// What a tape spans.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extent {
    /// The first event time.
    pub first: EventTime,
    /// The highest.
    pub last: EventTime,
    /// How many ticks there are.
    pub ticks: u64,
}

impl Extent {
    /// That of a tape in memory.
    pub fn of(tape: &[Tick]) -> Self {
        let first = tape.first().map_or(0, |tick| tick.ts_event);
        let last = tape.iter().map(|tick| tick.ts_event).max().unwrap_or(0);
        Extent { first, last, ticks: tape.len() as u64 }
    }

    /// That of the records that are played of files, which are read through for it.
    ///
    /// # Errors
    /// When they cannot be read, or not twice.
    pub fn of_files(inputs: &Inputs, playback: &Playback, around: &Surroundings) -> Result<Self> {
        if let Some(pipe) = find(&inputs.path)?.iter().find(|path| !path.is_file()) {
            let text = "the tape's gaps can be scaled to a rate only where it can be read twice: give --speed instead";
            return Err(Error::Usage(format!("reading {}: {text}", pipe.display())));
        }
        // Which symbols there are is for the run itself to count.
        let around = Surroundings { symbols: Arc::default(), venues: Arc::default(), ..around.to_measure() };
        Extent::of_merge(inputs.merge(playback, &around)?)
    }

    /// That of what a merge plays, to its end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_merge(mut merge: Merge) -> Result<Self> {
        let mut as_read = Pace::AsRead.timetable();
        let mut extent = Extent::default();
        while let Some(next) = merge.next(&mut as_read)? {
            let clock = next.clock();
            extent.first = if extent.ticks == 0 { clock } else { extent.first };
            extent.last = clock.max(extent.last);
            extent.ticks += 1;
        }
        Ok(extent)
    }

    /// The speed at which the tape's own gaps have so many ticks a second on average.
    pub fn speed(&self, per_second: f64) -> f64 {
        let span = self.last.saturating_sub(self.first).max(0) as f64 / SECOND as f64;
        let speed = per_second * span / self.ticks.saturating_sub(1).max(1) as f64;
        // A tape of one instant has no gaps to stretch.
        if speed > 0.0 { speed } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_that_is_scaled_keeps_its_gaps_and_has_the_rate() {
        // Three gaps in 300 ns of event time, at a tick a microsecond: ten times as slow.
        let extent = Extent { first: 1_000, last: 1_300, ticks: 4 };
        let pace = Pacing::Scaled(1e6).fitted(|| Ok(extent)).unwrap().schedule(1_000);
        let mut timetable = pace.timetable();
        for (clock, expected) in [(1_000, 0), (1_010, 100), (1_250, 2_500), (1_300, 3_000)] {
            // A speed is a binary fraction, and due times are rounded up.
            let due = timetable.due(clock).unwrap();
            assert!(due == expected || due == expected + 1, "{clock} is due at {due}");
        }
        assert_eq!(Extent { first: 7, last: 7, ticks: 4 }.speed(1e6), 1.0);
    }
}
