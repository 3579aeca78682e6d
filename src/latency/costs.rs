use std::fmt;

use serde::{Deserialize, Serialize};

/// Batches are told apart by powers of two of their ticks, up to this one.
const SIZES: usize = 25;

/// Costs are told apart by sixteenths of powers of two, which is within 3% of their middles, up to half a minute.
const SUB_BITS: u32 = 4;
const SUBS: u64 = 1 << SUB_BITS;
const BUCKETS: usize = 32 * SUBS as usize;

/// What batches cost by their size: from when a batch was sealed until its last tick was applied.
#[derive(Clone, Serialize, Deserialize)]
pub struct Costs(Vec<OfSize>);

#[derive(Clone, Serialize, Deserialize)]
struct OfSize {
    batches: u64,
    ticks: u64,
    costs: Vec<u32>,
}

/// Batches of about the same size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeCost {
    /// How many there were.
    pub batches: u64,
    /// Their mean size in ticks.
    pub ticks: f64,
    /// Their median cost in nanoseconds, within 3%.
    pub nanos: f64,
}

impl Default for Costs {
    fn default() -> Self {
        Costs(vec![OfSize { batches: 0, ticks: 0, costs: Vec::new() }; SIZES])
    }
}

impl fmt::Debug for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sizes()).finish()
    }
}

impl Costs {
    /// A batch of so many ticks took so long.
    pub fn record(&mut self, ticks: usize, nanos: u64) {
        let size = &mut self.0[(ticks.max(1).ilog2() as usize).min(SIZES - 1)];
        if size.costs.is_empty() {
            size.costs = vec![0; BUCKETS];
        }
        size.batches += 1;
        size.ticks += ticks as u64;
        size.costs[bucket(nanos)] += 1;
    }

    /// Adds what another worker, or another interval, recorded.
    pub fn add(&mut self, other: &Costs) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0).filter(|(_, theirs)| theirs.batches > 0) {
            mine.batches += theirs.batches;
            mine.ticks += theirs.ticks;
            mine.costs.resize(BUCKETS, 0);
            mine.costs.iter_mut().zip(&theirs.costs).for_each(|(mine, theirs)| *mine += theirs);
        }
    }

    /// Forgets everything recorded.
    pub fn reset(&mut self) {
        for size in &mut self.0 {
            (size.batches, size.ticks) = (0, 0);
            size.costs.fill(0);
        }
    }

    /// The sizes of which there were batches, the smallest first.
    pub fn sizes(&self) -> Vec<SizeCost> {
        let of = |size: &OfSize| {
            let mut before = 0;
            let middle = size.costs.iter().position(|count| {
                before += u64::from(*count);
                2 * before >= size.batches
            });
            let ticks = size.ticks as f64 / size.batches as f64;
            SizeCost { batches: size.batches, ticks, nanos: middle.map_or(0.0, value) }
        };
        self.0.iter().filter(|size| size.batches > 0).map(of).collect()
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < SUBS {
        return nanos as usize;
    }
    let octave = nanos.ilog2() - SUB_BITS;
    ((u64::from(octave) * SUBS + (nanos >> octave)) as usize).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn value(bucket: usize) -> f64 {
    let (octave, sub) = (bucket as u64 / SUBS, bucket as u64 % SUBS);
    match octave {
        0 => sub as f64,
        _ => ((SUBS + sub) << (octave - 1)) as f64 + (1u64 << (octave - 1)) as f64 / 2.0 - 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_comes_back_within_three_hundredths() {
        for nanos in (0..200).chain((0..34).map(|it| 1 << it)).chain((8..34).map(|it| (1 << it) * 3 / 2 - 1)) {
            let it = value(bucket(nanos));
            assert!((it - nanos as f64).abs() <= 0.032 * nanos as f64, "{nanos} comes back as {it}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn sizes_are_told_apart_and_the_median_is_each_ones_own() {
        let (mut costs, mut other) = (Costs::default(), Costs::default());
        [5, 7, 1_000_000].into_iter().for_each(|nanos| costs.record(1, nanos));
        other.record(5, 100);
        other.record(7, 100);
        costs.add(&other);
        costs.add(&Costs::default());
        let sizes = costs.sizes();
        assert_eq!(sizes[0], SizeCost { batches: 3, ticks: 1.0, nanos: 7.0 });
        assert_eq!((sizes[1].batches, sizes[1].ticks, sizes.len()), (2, 6.0, 2));
        costs.reset();
        assert_eq!(costs.sizes(), []);
    }
}
