use crate::time::{EventTime, SECOND};

use crate::random::Random;

/// Due in 292 years: as late as can be, and still added to the run's time without overflow.
pub const NEVER: u64 = i64::MAX as u64;

/// The schedule of a replay: when each tick is due, in nanoseconds from the schedule's beginning. It is fixed before
/// the run and nothing moves it (an open loop), which is what makes latency from the due time honest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// No schedule: a tick is due when it is read.
    AsRead,
    /// Event time, `speed` times as fast, beginning with `origin`.
    Speed {
        /// The first tick's event time.
        origin: EventTime,
        /// Event seconds in a second.
        speed: f64,
    },
    /// So many ticks a second on average, whatever their event times.
    Rate {
        /// Ticks a second.
        per_second: f64,
        /// What lies between one tick and the next.
        gaps: Gaps,
        /// A rate that swings about its average.
        burst: Option<Burst>,
    },
}

/// The gaps between ticks that arrive at a rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gaps {
    /// All the same.
    Even,
    /// Exponential, as of a Poisson process: each tick comes on its own, whenever the last one came.
    Poisson {
        /// All of them follow from it.
        seed: u64,
    },
}

/// A rate that is `times` as high for a while as it is for the rest of each period, in the middle of it. The average
/// over a period is left as it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// The burst's rate, in terms of the rate between bursts.
    pub times: f64,
    /// How long it lasts, in nanoseconds.
    pub length: u64,
    /// The period, in nanoseconds.
    pub every: u64,
}

impl Burst {
    /// When a tick is due that would be due at `even` if the rate did not swing.
    fn due(&self, even: f64) -> f64 {
        let (length, every) = (self.length as f64, self.every as f64);
        // The rate between bursts, in terms of the average.
        let quiet = every / (every + (self.times - 1.0) * length);
        let (begins, ends) = ((every - length) / 2.0, (every + length) / 2.0);
        let (before, within) = (begins * quiet, length * quiet * self.times);
        let at = even % every;
        let in_period = if at < before {
            at / quiet
        } else if at < before + within {
            begins + (at - before) / (quiet * self.times)
        } else {
            ends + (at - before - within) / quiet
        };
        even - at + in_period.min(every)
    }
}

impl Pace {
    /// The due times of a tape's ticks, one after the other.
    pub fn timetable(self) -> Timetable {
        let seed = if let Pace::Rate { gaps: Gaps::Poisson { seed }, .. } = self { seed } else { 0 };
        Timetable { pace: self, index: 0, even: 0.0, random: Random(seed) }
    }

    /// When the schedule comes to an event time, where event time has one. At most `NEVER`.
    #[inline]
    pub fn reaches(&self, clock: EventTime) -> Option<u64> {
        let Pace::Speed { origin, speed } = *self else { return None };
        Some(((clock.saturating_sub(origin).max(0) as f64 / speed).ceil() as u64).min(NEVER))
    }

    /// The event time that the schedule has reached after so many nanoseconds, where event time has one.
    pub fn event_time(&self, elapsed: u64) -> Option<EventTime> {
        match *self {
            Pace::Speed { origin, speed } => Some(origin.saturating_add((elapsed as f64 * speed) as EventTime)),
            Pace::AsRead | Pace::Rate { .. } => None,
        }
    }
}

/// The due times of a tape's ticks in merged order. They follow from the pace and the ticks' times alone.
pub struct Timetable {
    pace: Pace,
    index: u64,
    /// Where the last tick would be due, in nanoseconds, if the rate did not swing.
    even: f64,
    random: Random,
}

impl Timetable {
    /// Whether nothing is due at a time.
    #[inline(always)]
    pub(super) fn is_as_read(&self) -> bool {
        self.pace == Pace::AsRead
    }

    /// When the next tick is due: `clock` is its partition's highest event time so far. `None` without a schedule.
    /// At most `NEVER`, which no run reaches.
    #[inline(always)]
    pub fn due(&mut self, clock: EventTime) -> Option<u64> {
        let Pace::Rate { per_second, gaps, burst } = self.pace else { return self.pace.reaches(clock) };
        let step = SECOND as f64 / per_second;
        match gaps {
            Gaps::Even => self.even = self.index as f64 * step,
            // The logarithm of a number in (0, 1], turned round, has a mean of one.
            Gaps::Poisson { .. } => self.even -= step * (1.0 - self.random.fraction()).ln(),
        }
        self.index += 1;
        let due = burst.map_or(self.even, |burst| burst.due(self.even));
        Some((due as u64).min(NEVER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn rate(per_second: f64, gaps: Gaps, burst: Option<Burst>) -> Pace {
        Pace::Rate { per_second, gaps, burst }
    }

    /// The due times of so many ticks of one instant.
    fn dues(pace: Pace, ticks: usize) -> Vec<u64> {
        let mut timetable = pace.timetable();
        (0..ticks).map(|_| timetable.due(0).unwrap()).collect()
    }

    #[test]
    fn a_schedule_maps_there_and_back() {
        let pace = Pace::Speed { origin: 1_000, speed: 4.0 };
        let mut timetable = pace.timetable();
        assert_eq!([1_000, 1_400, 900].map(|clock| timetable.due(clock)), [Some(0), Some(100), Some(0)]);
        assert_eq!((pace.reaches(1_400), pace.event_time(100)), (Some(100), Some(1_400)));
        assert_eq!(dues(rate(200_000.0, Gaps::Even, None), 4), [0, 5_000, 10_000, 15_000]);
        assert_eq!(Pace::AsRead.timetable().due(77), None);
        assert_eq!(Pace::Speed { origin: 0, speed: 1e-9 }.reaches(i64::MAX), Some(NEVER));
        assert_eq!(dues(rate(1e-12, Gaps::Even, None), 2)[1], NEVER);
        assert_eq!(rate(1.0, Gaps::Even, None).event_time(5), None);
    }

    #[test]
    fn poisson_gaps_are_exponential_and_follow_from_the_seed() {
        let poisson = |seed| rate(1_000_000.0, Gaps::Poisson { seed }, None);
        let ticks = 100_000;
        let it = dues(poisson(42), ticks);
        assert_eq!(it, dues(poisson(42), ticks));
        assert_ne!(it[..10], dues(poisson(43), 10));
        assert!(it.is_sorted());
        // The mean of n gaps is within four standard errors, each of which is the mean by the root of n; so is the
        // share of gaps beyond the mean, e^-1, and beyond three times the mean, e^-3.
        let error = |p: f64| 4.0 * (p * (1.0 - p) / ticks as f64).sqrt();
        let mean = it[ticks - 1] as f64 / ticks as f64;
        assert!((mean - 1_000.0).abs() < 4.0 * 1_000.0 / (ticks as f64).sqrt(), "{mean}");
        for times in [1.0, 3.0] {
            let beyond = it.windows(2).filter(|pair| (pair[1] - pair[0]) as f64 > times * 1_000.0).count();
            let (share, expected) = (beyond as f64 / ticks as f64, (-times).exp());
            assert!((share - expected).abs() < error(expected) + 0.001, "{share} beyond {times}");
        }
    }

    #[test]
    fn a_burst_has_so_many_times_the_rate_and_the_average_stays() {
        // 10 ms in 50 ms at six times the rate: 100 ticks in 50 ms are 40 outside at 1/ms and 60 within at 6/ms.
        let burst = Burst { times: 6.0, length: 10 * MS, every: 50 * MS };
        let it = dues(rate(2_000.0, Gaps::Even, Some(burst)), 401);
        let within = |from: u64, to: u64| it.iter().filter(|due| (from * MS..to * MS).contains(due)).count();
        for period in [0, 50, 100, 150] {
            let counts = [(0, 20), (20, 30), (30, 50)].map(|(from, to)| within(period + from, period + to));
            assert_eq!(counts, [20, 60, 20], "in the period from {period} ms");
        }
        assert_eq!((it[100], it[400]), (50 * MS, 200 * MS));
        assert_eq!((it[1] - it[0], it[21] - it[20]), (MS, MS / 6));
        assert!(it.is_sorted());
    }

    #[test]
    fn a_burst_of_poisson_arrivals_moves_them_and_keeps_their_number() {
        let burst = Burst { times: 10.0, length: 100 * MS, every: 1_000 * MS };
        let gaps = Gaps::Poisson { seed: 1 };
        let (plain, burst) = (dues(rate(1e4, gaps, None), 50_000), dues(rate(1e4, gaps, Some(burst)), 50_000));
        let before = |dues: &[u64], second: u64| dues.partition_point(|due| *due < second * 1_000 * MS);
        // At each period's end as many have come as without bursts; in its middle tenth, 10/1.9 times a tenth.
        for second in 1..=4 {
            assert_eq!(before(&plain, second), before(&burst, second));
        }
        let within = burst.iter().filter(|due| (450 * MS..550 * MS).contains(&(*due % (1_000 * MS)))).count() as f64;
        let share = within / burst.len() as f64;
        assert!((share - 1.0 / 1.9).abs() < 4.0 * 0.5 / (burst.len() as f64).sqrt(), "{share}");
    }
}
