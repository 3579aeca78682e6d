use serde::{Deserialize, Serialize};

use super::CostLaw;

/// What the theory of batches says of a setting: ticks come evenly to one worker that has nothing else to do, and a
/// batch of `n` of them costs exactly `a + b n`. Spans are in nanoseconds.
///
/// Batches of `n` ticks at a rate `r` gather for `g = n / r`. A linger gathers for its `T`. A worker that waits for
/// nothing gathers while it serves the batch before: that is as long as its own, `a + b r g = g`, so
/// `g = a / (1 - b r)`. Ticks come at any time of `g`, wait for the rest of it, and then for their batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Theory {
    /// Ticks a second that come to a worker.
    pub rate: f64,
    /// How long a batch gathers, from its first tick on.
    pub gathers: f64,
    /// Ticks in a batch.
    pub ticks: f64,
    /// The median latency.
    pub p50: f64,
    /// Of a hundred ticks, one takes longer.
    pub p99: f64,
}

impl Theory {
    /// Of batches with these limits, where so many ticks a second come to a worker. None where a worker has more to do
    /// than there is time, so that latency grows without end.
    pub fn of(law: &CostLaw, rate: f64, max_delay: f64, max_ticks: f64) -> Option<Self> {
        let per_nano = rate / 1e9;
        // A tick is done with before the next one comes, the more so in company.
        let is_light = per_nano * law.cost(1.0) <= 1.0;
        if per_nano * law.cost(max_ticks) > max_ticks {
            return None;
        }
        let least = if is_light { 0.0 } else { law.batch / (1.0 - per_nano * law.tick) };
        let full = (max_ticks - 1.0) / per_nano;
        Some(Theory::when(law, rate, max_delay.min(full).max(least)))
    }

    /// Of batches that gather for so long.
    pub fn when(law: &CostLaw, rate: f64, gathers: f64) -> Self {
        let company = rate / 1e9 * gathers;
        let ticks = company.max(1.0);
        // One that comes alone waits to the end.
        let waits = |quantile: f64| if company < 1.0 { gathers } else { quantile * gathers };
        let takes = |quantile| waits(quantile) + law.cost(ticks);
        Theory { rate, gathers, ticks, p50: takes(0.5), p99: takes(0.99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch costs 2 us, and a tick 10 ns.
    fn law() -> CostLaw {
        CostLaw { batch: 2_000.0, tick: 10.0, points: Vec::new() }
    }

    #[test]
    fn a_worker_that_waits_for_nothing_gathers_while_it_serves() {
        // 50M/s at 10 ns are half of its time, so batches take twice 2 us, in which 200 ticks come.
        let it = Theory::of(&law(), 50e6, 0.0, 16_384.0).unwrap();
        assert_eq!(it, Theory { rate: 50e6, gathers: 4_000.0, ticks: 200.0, p50: 6_000.0, p99: 7_960.0 });
        // A lone tick is served before the next one comes.
        let it = Theory::of(&law(), 1e5, 0.0, 16_384.0).unwrap();
        assert_eq!(it, Theory { rate: 1e5, gathers: 0.0, ticks: 1.0, p50: 2_010.0, p99: 2_010.0 });
    }

    #[test]
    fn a_linger_gathers_for_as_long_as_it_is_or_until_the_batch_is_full() {
        let at = |delay, most| Theory::of(&law(), 1e6, delay, most).unwrap();
        // 1,000 ticks in a millisecond cost 12 us.
        let whole = Theory { rate: 1e6, gathers: 1e6, ticks: 1_000.0, p50: 512_000.0, p99: 1_002_000.0 };
        assert_eq!(at(1e6, 16_384.0), whole);
        // The 101st tick fills it after 100 us.
        assert_eq!((at(1e6, 101.0).gathers, at(1e6, 101.0).ticks), (100_000.0, 100.0));
        // A linger that is shorter than a batch's service makes no difference to greedy.
        assert_eq!(at(1_500.0, 16_384.0), at(0.0, 16_384.0));
        // One that is shorter than the gap between ticks is a wait for nobody.
        let alone = Theory::of(&law(), 1e3, 500_000.0, 16.0).unwrap();
        assert_eq!((alone.ticks, alone.p50, alone.p99), (1.0, 502_010.0, 502_010.0));
    }

    #[test]
    fn nothing_is_said_of_a_load_that_cannot_be_served() {
        // 100M/s at 10 ns are all of the time, and 480k batches of one at 2,010 ns a second too.
        assert_eq!(Theory::of(&law(), 100e6, 0.0, 1e6), None);
        assert_eq!(Theory::of(&law(), 500e3, 1e6, 1.0), None);
        assert!(Theory::of(&law(), 500e3, 1e6, 2.0).is_some() && Theory::of(&law(), 497e3, 1e6, 1.0).is_some());
    }

    /// The p50 and p99 of ticks that come evenly to a worker that serves batches by these limits.
    fn played(rate: f64, max_delay: f64, max_ticks: usize) -> [f64; 2] {
        let dues: Vec<f64> = (0..200_000).map(|i| i as f64 * 1e9 / rate).collect();
        let (mut free, mut done, mut latencies) = (0.0f64, 0, Vec::new());
        while done + max_ticks < dues.len() {
            let sealed = free.max(dues[done + max_ticks - 1].min(dues[done] + max_delay));
            let ticks = dues[done..done + max_ticks].partition_point(|due| *due <= sealed);
            free = sealed + law().cost(ticks as f64);
            latencies.extend(dues[done..done + ticks].iter().map(|due| free - due));
            done += ticks;
        }
        latencies.drain(..latencies.len() / 10);
        latencies.sort_by(f64::total_cmp);
        [0.5, 0.99].map(|quantile| latencies[(latencies.len() as f64 * quantile) as usize])
    }

    #[test]
    fn a_queue_that_is_played_comes_to_the_same() {
        for rate in [10e3, 200e3, 3e6, 20e6, 80e6] {
            for (max_delay, max_ticks) in [(0.0, 4_096), (20e3, 4_096), (500e3, 4_096), (500e3, 64), (0.0, 64)] {
                let Some(theory) = Theory::of(&law(), rate, max_delay, max_ticks as f64) else { continue };
                let played = played(rate, max_delay, max_ticks);
                for (said, is) in [theory.p50, theory.p99].into_iter().zip(played) {
                    // Ticks are not a fluid: a batch has one more or one less.
                    let gap = 1e9 / rate + law().tick;
                    assert!(
                        (said - is).abs() <= gap + 0.01 * is,
                        "{rate} {max_delay} {max_ticks}: {theory:?} {played:?}"
                    );
                }
            }
        }
    }
}
