use std::collections::BTreeMap;

/// Bits of a lag that are told apart.
const DIGITS: u32 = 10;

/// A histogram of receive latencies, in nanoseconds, that holds only the buckets that are used. A bucket spans at most
/// a 512th of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lags {
    buckets: BTreeMap<u32, u64>,
    /// How many there are, without the negative ones.
    count: u64,
    /// The highest.
    pub max: Option<u32>,
    /// How many records were received before they happened: clocks differ.
    pub negative: u64,
}

impl Lags {
    /// Adds a lag.
    pub fn add(&mut self, lag: i32) {
        match u32::try_from(lag) {
            Err(_) => self.negative += 1,
            Ok(lag) => {
                *self.buckets.entry(Lags::highest_alike(lag)).or_default() += 1;
                self.count += 1;
                self.max = self.max.max(Some(lag));
            }
        }
    }

    /// The least lag such that at least `hundredths` of a hundred are no higher, as the highest of its bucket that can be.
    pub fn percentile(&self, hundredths: u64) -> Option<u32> {
        let wanted = (self.count * hundredths).div_ceil(100).max(1);
        let mut seen = 0;
        self.buckets.iter().find(|(_, count)| (seen += **count, seen >= wanted).1).map(|(lag, _)| *lag).min(self.max)
    }

    /// How many lags have so many bits: those of `n` are below 2^n.
    pub fn by_bits(&self) -> [u64; 32] {
        let mut counts = [0; 32];
        self.buckets.iter().for_each(|(lag, count)| counts[(u32::BITS - lag.leading_zeros()) as usize] += count);
        counts
    }

    /// The highest lag of the bucket of `lag`: all bits after the first ten are set.
    pub fn highest_alike(lag: u32) -> u32 {
        let dropped = (u32::BITS - lag.leading_zeros()).saturating_sub(DIGITS);
        lag | ((1 << dropped) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_lags_to_a_512th() {
        let mut lags = Lags::default();
        assert_eq!(lags.percentile(50), None);
        (1..=1_000).rev().for_each(|lag| lags.add(lag * 1_000));
        lags.add(-1);
        for (hundredths, exact) in [(50, 500_000), (99, 990_000), (100, 1_000_000), (0, 1_000)] {
            let told = lags.percentile(hundredths).unwrap();
            assert!(told >= exact && told - exact <= exact / 512, "{hundredths}: {told}");
        }
        assert_eq!((lags.max, lags.negative), (Some(1_000_000), 1));
    }
}
