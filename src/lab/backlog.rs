use serde::{Deserialize, Serialize};

use super::line::Line;

/// The measured span is looked at in so many pieces, whose mean backlogs are compared: samples that follow each other
/// at once tell no more than one.
const PIECES: u64 = 10;

/// A backlog that grows by more than this share of the rate, beyond doubt, is not sustained.
const GROWS: f64 = 0.001;

/// A histogram of three digits is off by less than this share of what it holds, or by less than a nanosecond.
const RESOLUTION: f64 = 0.001;

/// How many ticks were due and not applied, looked at about every millisecond of the measured span. Looks tell a trend;
/// their mean is not the backlog's, since a look may take its core from a worker, and finds what came meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Backlog {
    /// How often it was looked at.
    pub samples: u64,
    /// Ticks by which it grew, a second.
    pub growth: f64,
    /// The standard error of the growth.
    pub growth_error: f64,
    /// Ticks by which it may grow, a second, since batches that wait for company gather them.
    pub gathers: f64,
}

impl Backlog {
    /// The backlog in a span, out of samples (when, ticks) from its beginning to its end. Each stands for the time
    /// until the next. Batches may hold so many ticks at a time that only wait for company. None where there are too
    /// few samples to say.
    pub fn of(samples: &[(u64, u64)], from: u64, to: u64, held: f64) -> Option<Self> {
        let piece = (to.saturating_sub(from) / PIECES).max(1);
        let mut pieces = [(0.0, 0.0); PIECES as usize];
        let mut count = 0;
        for pair in samples.windows(2).filter(|pair| pair[0].0 >= from && pair[1].0 <= to) {
            let (at, held) = (((pair[0].0 - from) / piece).min(PIECES - 1) as usize, (pair[1].0 - pair[0].0) as f64);
            pieces[at].0 += pair[0].1 as f64 * held;
            pieces[at].1 += held;
            count += 1;
        }
        if pieces.iter().any(|(_, held)| *held == 0.0) {
            return None;
        }
        let mean = |(i, (area, held)): (usize, &(f64, f64))| ((i as f64 + 0.5) * piece as f64 / 1e9, area / held, 1.0);
        let line = Line::through(&pieces.iter().enumerate().map(mean).collect::<Vec<_>>())?;
        let gathers = held / (to.saturating_sub(from).max(1) as f64 / 1e9);
        Some(Backlog { samples: count, growth: line.slope, growth_error: line.error, gathers })
    }

    /// Whether it grows, beyond doubt, by more than a thousandth of the rate and what batches gather.
    pub fn grows(&self, rate: f64) -> bool {
        self.growth - 2.0 * self.growth_error > GROWS * rate + self.gathers
    }
}

/// Little's law: what waits on average is the rate times the mean wait, whatever the order and the distribution.
///
/// The backlog is that of the schedule: its integral over time is when ticks were applied, summed up, less when the
/// schedule has them due. It is exact, and shares with the latencies nothing but the instants at which batches were
/// applied. So it shows when latencies count from anything else than the schedule, by any other clock, or not of all
/// ticks and of no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Little {
    /// The mean backlog of ticks that are measured.
    pub backlog: f64,
    /// The rate times the mean wait.
    pub expected: f64,
    /// Whether they are the same, but for the digits of a histogram.
    pub holds: bool,
}

impl Little {
    /// Compares the backlog of ticks with their waits, `mean_wait` nanoseconds by the histogram, at so many ticks a
    /// second in a span of so many nanoseconds. `applied` and `due` are when they were applied and due, summed up.
    pub fn check(applied: u128, due: u128, span: u64, rate: f64, mean_wait: f64) -> Self {
        let backlog = (applied as i128 - due as i128) as f64 / span as f64;
        let expected = rate * mean_wait / 1e9;
        let allowed = RESOLUTION * backlog.abs() + rate / 1e9;
        Little { backlog, expected, holds: (backlog - expected).abs() <= allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A look a millisecond from 0 to 200 ms; the span is the second half.
    fn backlog(of: impl Fn(u64) -> u64) -> Backlog {
        let samples: Vec<(u64, u64)> = (0..=200).map(|ms| (ms * MS, of(ms))).collect();
        Backlog::of(&samples, 100 * MS, 200 * MS, 0.0).unwrap()
    }

    #[test]
    fn a_backlog_that_stands_does_not_grow_and_one_that_rises_does() {
        let stands = backlog(|ms| if ms < 100 { 7_000 } else { 40 });
        assert_eq!(stands, Backlog { samples: 100, ..Backlog::default() });
        assert!(!stands.grows(1_000.0));
        // Two ticks a millisecond are 2,000 a second: 1% of 200,000, which is ten times what is let pass.
        let rises = backlog(|ms| 2 * ms);
        assert!((rises.growth - 2_000.0).abs() < 1e-6 && rises.growth_error < 1e-6, "{rises:?}");
        assert!(rises.grows(200_000.0) && !rises.grows(2_000_001.0));
        // A single pause near the end is no growth beyond doubt.
        assert!(!backlog(|ms| if (180..190).contains(&ms) { 5_000 } else { 10 }).grows(1_000_000.0));
    }

    #[test]
    fn what_batches_gather_is_no_overload() {
        // A batch that waits longer than the span gathers all that comes in 100 ms; another tick a millisecond is more.
        let samples = |each: u64| (0..=200).map(|ms| (ms * MS, each * ms)).collect::<Vec<_>>();
        let grows = |each| Backlog::of(&samples(each), 100 * MS, 200 * MS, 100.0).unwrap().grows(1_000.0);
        assert!(!grows(1) && grows(2));
    }

    #[test]
    fn looks_that_come_late_count_for_as_long_as_they_stand() {
        // A tick more waits in each piece, for nine of its ten milliseconds.
        let samples = |i: u64| [(0, 10), (MS, 100 + i), (9 * MS, 10)].map(|(at, ticks)| (i * 10 * MS + at, ticks));
        let pieces: Vec<(u64, u64)> = (0..10).flat_map(samples).chain([(100 * MS, 0)]).collect();
        let it = Backlog::of(&pieces, 0, 100 * MS, 0.0).unwrap();
        assert!((it.growth - 80.0).abs() < 1e-6 && it.growth_error < 1e-6, "{it:?}");
        assert_eq!(Backlog::of(&pieces[..4], 0, 100 * MS, 0.0), None);
    }

    #[test]
    fn littles_law_holds_to_the_digits_of_a_histogram_and_finds_a_clock_that_is_wrong() {
        // A million in a second, each of which waits for 3,250 ns: 3.25 of them at any time.
        let (ticks, second) = (1_000_000, 1_000_000_000);
        let due: u128 = (0..ticks).map(|i| i * 1_000).sum();
        let little = |applied: u128, mean_wait| Little::check(applied, due, second, 1e6, mean_wait);
        let right = little(due + ticks * 3_250, 3_250.0);
        assert_eq!((right.backlog, right.expected, right.holds), (3.25, 3.25, true));
        assert!(little(due + ticks * 3_250, 3_254.0).holds && !little(due + ticks * 3_250, 3_255.0).holds);
        // A clock that gains a millionth of a second in each, and one that stands still.
        assert!(!little((due + ticks * 3_250) * 1_000_001 / 1_000_000, 3_250.0 * 1.000_001).holds);
        assert!(!little(ticks, 3_250.0).holds);
        // One tick too many, from the warm-up, is enough.
        assert!(!little(due + (ticks + 1) * 3_250 + u128::from(second), 3_250.0).holds);
    }
}
