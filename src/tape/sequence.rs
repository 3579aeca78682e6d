//! Sequence numbers of one stream: which are missing, which came twice, which came late.

use std::collections::BTreeMap;

/// Follows the numbers of one stream in their order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    /// The number after the highest one so far.
    next: Option<u64>,
    /// Ranges of numbers below it that did not come yet: first, and behind the last.
    missing: BTreeMap<u64, u64>,
    /// Numbers that came again.
    pub repeated: u64,
    /// Numbers that came after a higher one, for the first time.
    pub late: u64,
}

impl Sequence {
    /// The next number that arrives.
    pub fn see(&mut self, seq: u64) {
        let Some(next) = self.next else {
            self.next = Some(seq.saturating_add(1));
            return;
        };
        if seq >= next {
            if seq > next {
                self.missing.insert(next, seq);
            }
            self.next = Some(seq.saturating_add(1));
            return;
        }
        let hole = self.missing.range(..=seq).next_back().map(|(from, to)| (*from, *to)).filter(|(_, to)| seq < *to);
        let Some((from, to)) = hole else {
            self.repeated += 1;
            return;
        };
        self.late += 1;
        self.missing.remove(&from);
        for (from, to) in [(from, seq), (seq + 1, to)] {
            if from < to {
                self.missing.insert(from, to);
            }
        }
    }

    /// How many gaps there are, and how many numbers are missing in them.
    pub fn gaps(&self) -> (u64, u64) {
        (self.missing.len() as u64, self.missing.iter().map(|(from, to)| to - from).sum())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_is_missing_or_late_or_repeated_as_a_set_says(seqs in prop::collection::vec(0u64..40, 0..80)) {
            let mut sequence = Sequence::default();
            let (mut seen, mut repeated, mut late) = (BTreeSet::new(), 0, 0);
            for (i, seq) in seqs.iter().enumerate() {
                // Numbers below the first one belong to nobody: the stream may have begun before the tape.
                let is_before = *seq < seqs[0];
                late += u64::from(seqs[..i].iter().any(|other| other > seq) && !seen.contains(seq) && !is_before);
                repeated += u64::from(is_before || !seen.insert(*seq));
                sequence.see(*seq);
            }
            prop_assert_eq!((sequence.repeated, sequence.late), (repeated, late));
            let all: BTreeSet<u64> = seqs.first().map_or(0..0, |first| *first..*seqs.iter().max().unwrap()).collect();
            let missing: Vec<&u64> = all.difference(&seen).collect();
            let gaps = missing.iter().filter(|seq| !missing.contains(&&(**seq + 1))).count() as u64;
            prop_assert_eq!(sequence.gaps(), (gaps, missing.len() as u64));
        }
    }
}
