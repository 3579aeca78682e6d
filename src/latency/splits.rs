use serde::{Deserialize, Serialize};

/// Latencies of one octave are told apart in so many steps: 3% each.
const STEPS: usize = 32;

/// Bits of a step within its octave.
const STEP_BITS: u32 = STEPS.trailing_zeros();

/// How the latency of ticks splits over their stages, by how long it was. It is kept for each step of latency as sums
/// over the very ticks that were so slow, since percentiles of stages do not add up; so it is bounded, and it can be
/// added.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Splits(Vec<Split>);

/// Ticks, and the nanoseconds that they spent in source, batch and operators, all together.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Split {
    ticks: u64,
    nanos: [u128; 3],
}

impl Split {
    fn add(&mut self, other: &Split) {
        self.ticks += other.ticks;
        self.nanos.iter_mut().zip(other.nanos).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// The slowest ticks of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slowest {
    /// How many these are.
    pub ticks: u64,
    /// They took at least so long, in nanoseconds.
    pub at_least: u64,
    /// Nanoseconds until they were handed to a batch, a tick: all of their time in the source over how many they are.
    pub source: u64,
    /// The same of their time in the batch.
    pub batch: u64,
    /// The same of their time in the dataflow.
    pub operators: u64,
}

impl Slowest {
    /// What part of their time they spent in source, batch or operators, by the stage's name.
    pub fn share(&self, stage: &str) -> Option<f64> {
        let part = match stage {
            "source" => self.source,
            "batch" => self.batch,
            "operators" => self.operators,
            _ => return None,
        };
        let all = self.source as f64 + self.batch as f64 + self.operators as f64;
        (all > 0.0).then(|| part as f64 / all)
    }
}

impl Splits {
    /// Ticks that spent so many nanoseconds in source, batch and operators.
    pub(super) fn record(&mut self, [source, batch, operators]: [u64; 3], ticks: u64) {
        let at = step(source + batch + operators);
        if at >= self.0.len() {
            self.0.resize(at + 1, Split::default());
        }
        let all = |nanos| u128::from(nanos) * u128::from(ticks);
        self.0[at].add(&Split { ticks, nanos: [all(source), all(batch), all(operators)] });
    }

    /// Adds what was recorded elsewhere.
    pub fn add(&mut self, other: &Splits) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), Split::default());
        }
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| mine.add(theirs));
    }

    /// Forgets everything recorded.
    pub fn reset(&mut self) {
        self.0.clear();
    }

    /// The slowest of all ticks: this share of them, one at least, and those of the same step of latency.
    pub fn slowest(&self, share: f64) -> Slowest {
        let all: u64 = self.0.iter().map(|split| split.ticks).sum();
        let wanted = ((all as f64 * share).ceil() as u64).max(1);
        let (mut slow, mut at_least) = (Split::default(), 0);
        for (at, split) in self.0.iter().enumerate().rev().filter(|(_, split)| split.ticks > 0) {
            slow.add(split);
            at_least = least(at);
            if slow.ticks >= wanted {
                break;
            }
        }
        let [source, batch, operators] = slow.nanos.map(|nanos| (nanos / u128::from(slow.ticks.max(1))) as u64);
        Slowest { ticks: slow.ticks, at_least, source, batch, operators }
    }
}

/// The step of a latency.
fn step(nanos: u64) -> usize {
    if nanos < STEPS as u64 {
        return nanos as usize;
    }
    let octave = nanos.ilog2() - STEP_BITS;
    octave as usize * STEPS + (nanos >> octave) as usize
}

/// The shortest latency of a step.
fn least(step: usize) -> u64 {
    let octave = (step / STEPS).saturating_sub(1);
    ((step - octave * STEPS) as u64) << octave
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_one_another_without_gap() {
        let mut last = 0;
        for nanos in (0..5_000).chain([u64::from(u32::MAX), u64::MAX / 2, u64::MAX]) {
            let at = step(nanos);
            assert!(at == last || at == last + 1 || nanos > 5_000, "{nanos}");
            assert!(least(at) <= nanos && (nanos - least(at)) as f64 <= nanos as f64 / STEPS as f64, "{nanos}");
            last = at;
        }
    }

    #[test]
    fn the_slowest_are_split_by_themselves_and_by_nobody_else() {
        let mut one = Splits::default();
        one.record([1_000, 0, 0], 97);
        one.record([0, 5_000, 0], 2);
        let mut other = Splits::default();
        other.record([100, 0, 99_900], 1);
        one.add(&other);
        let slowest = |splits: &Splits, share| {
            let Slowest { ticks, source, batch, operators, .. } = splits.slowest(share);
            (ticks, source, batch, operators)
        };
        assert_eq!(slowest(&one, 0.01), (1, 100, 0, 99_900));
        assert!((96_000..=100_000).contains(&one.slowest(0.01).at_least));
        // A step is taken whole: of the two that took 5 us, none is slower than the other.
        assert_eq!(slowest(&one, 0.02), (3, 33, 3_333, 33_300));
        assert_eq!(slowest(&one, 1.0).0, 100);
        let it = Slowest { source: 1, batch: 2, operators: 5, ..Slowest::default() };
        assert_eq!(["source", "operators", "tick"].map(|stage| it.share(stage)), [Some(0.125), Some(0.625), None]);
        assert_eq!(Slowest::default().share("batch"), None);
        one.reset();
        assert_eq!(one.slowest(0.01), Slowest::default());
    }
}
