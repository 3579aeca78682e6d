use serde::Serialize;

use super::line::Line;

/// The measured span is looked at in so many pieces, whose mean backlogs are compared: samples that follow each other
/// at once tell no more than one.
const PIECES: u64 = 10;

/// A backlog that grows by more than this share of the rate, beyond doubt, is not sustained.
const GROWS: f64 = 0.001;

/// The mean backlog and the mean wait may disagree by this share, and by as many standard errors of the former.
const LITTLE: f64 = 0.05;
const ERRORS: f64 = 4.0;

/// How many ticks were due and not applied, looked at about every millisecond of the measured span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Backlog {
    /// How often it was looked at.
    pub samples: u64,
    /// Its mean over time.
    pub mean: f64,
    /// The standard error of the mean.
    pub error: f64,
    /// Ticks by which it grew, a second.
    pub growth: f64,
    /// The standard error of the growth.
    pub growth_error: f64,
}

impl Backlog {
    /// The backlog in a span, out of samples (when, ticks) from its beginning to its end. Each stands for the time
    /// until the next. None where there are too few to say.
    pub fn of(samples: &[(u64, u64)], from: u64, to: u64) -> Option<Self> {
        let piece = (to.saturating_sub(from) / PIECES).max(1);
        let mut pieces = [(0.0, 0.0); PIECES as usize];
        let (mut count, mut last) = (0, 0);
        for pair in samples.windows(2).filter(|pair| pair[0].0 >= from && pair[1].0 <= to) {
            let (at, held) = (((pair[0].0 - from) / piece).min(PIECES - 1) as usize, (pair[1].0 - pair[0].0) as f64);
            pieces[at].0 += pair[0].1 as f64 * held;
            pieces[at].1 += held;
            (count, last) = (count + 1, pair[1].0);
        }
        if last == 0 || pieces.iter().any(|(_, held)| *held == 0.0) {
            return None;
        }
        let time: f64 = pieces.iter().map(|(_, held)| held).sum();
        let mean = pieces.iter().map(|(area, _)| area).sum::<f64>() / time;
        let means = pieces.map(|(area, held)| area / held);
        let n = PIECES as f64;
        let middle = means.iter().sum::<f64>() / n;
        let spread = means.iter().map(|it| (it - middle).powi(2)).sum::<f64>() / (n - 1.0);
        let at = |(i, mean): (usize, &f64)| ((i as f64 + 0.5) * piece as f64 / 1e9, *mean, 1.0);
        let line = Line::through(&means.iter().enumerate().map(at).collect::<Vec<_>>())?;
        Some(Backlog { samples: count, mean, error: (spread / n).sqrt(), growth: line.slope, growth_error: line.error })
    }

    /// Whether it grows, beyond doubt, by more than a thousandth of the rate.
    pub fn grows(&self, rate: f64) -> bool {
        self.growth - 2.0 * self.growth_error > GROWS * rate
    }
}

/// Little's law: what waits on average is the rate times the mean wait, whatever the order and the distribution. Both
/// sides are measured apart, the one by counting and the other by the clock, so a clock or a count that is wrong shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Little {
    /// The mean backlog, by counting.
    pub backlog: f64,
    /// The rate times the mean wait.
    pub expected: f64,
    /// Whether they agree, as far as samples can tell.
    pub holds: bool,
}

impl Little {
    /// Compares the backlog with waits of so many nanoseconds on average at so many ticks a second.
    pub fn check(backlog: &Backlog, rate: f64, mean_wait: f64) -> Self {
        let expected = rate * mean_wait / 1e9;
        // A look takes its time too, in which a tick or two may come or go.
        let allowed = LITTLE * expected.max(backlog.mean) + ERRORS * backlog.error + 1.0;
        Little { backlog: backlog.mean, expected, holds: (backlog.mean - expected).abs() <= allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A look a millisecond from 0 to 200 ms; the span is the second half.
    fn backlog(of: impl Fn(u64) -> u64) -> Backlog {
        let samples: Vec<(u64, u64)> = (0..=200).map(|ms| (ms * MS, of(ms))).collect();
        Backlog::of(&samples, 100 * MS, 200 * MS).unwrap()
    }

    #[test]
    fn a_backlog_that_stands_does_not_grow_and_one_that_rises_does() {
        let stands = backlog(|ms| if ms < 100 { 7_000 } else { 40 });
        assert_eq!((stands.samples, stands.mean, stands.error, stands.growth), (100, 40.0, 0.0, 0.0));
        assert!(!stands.grows(1_000.0));
        // Two ticks a millisecond are 2,000 a second: 1% of 200,000, which is ten times what is let pass.
        let rises = backlog(|ms| 2 * ms);
        assert!((rises.growth - 2_000.0).abs() < 1e-6 && rises.growth_error < 1e-6, "{rises:?}");
        assert!(rises.grows(200_000.0) && !rises.grows(2_000_001.0));
        // A single pause near the end is no growth beyond doubt.
        assert!(!backlog(|ms| if (180..190).contains(&ms) { 5_000 } else { 10 }).grows(1_000_000.0));
    }

    #[test]
    fn looks_that_come_late_count_for_as_long_as_they_stand() {
        let samples = [(0, 10), (MS, 100), (9 * MS, 10), (10 * MS, 0)];
        let tenths: Vec<(u64, u64)> =
            (0..10).flat_map(|i| samples.map(|(at, ticks)| (i * 10 * MS + at, ticks))).collect();
        let it = Backlog::of(&tenths, 0, 100 * MS).unwrap();
        assert!((it.mean - 82.0).abs() < 0.5, "{it:?}");
        assert_eq!(Backlog::of(&samples, 0, 100 * MS), None);
    }

    #[test]
    fn littles_law_finds_a_clock_that_is_wrong() {
        let quiet = Backlog { mean: 500.0, error: 1.0, ..Backlog::default() };
        // 1M a second that wait for 500 us.
        let right = Little::check(&quiet, 1e6, 500_000.0);
        assert_eq!((right.expected, right.holds), (500.0, true));
        assert!(!Little::check(&quiet, 1e6, 250_000.0).holds);
        assert!(!Little::check(&quiet, 1e6, 550_000.0).holds);
        assert!(Little::check(&Backlog { error: 30.0, ..quiet }, 1e6, 550_000.0).holds);
    }
}
