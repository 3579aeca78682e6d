use std::cmp::Ordering;

use super::Told;
use crate::row::Real;

/// A report that was made: its best pairs on this worker, in order.
pub struct Report {
    /// The highest correlation first.
    pub best: Vec<Told>,
    /// All pairs that rank up to this one are among the best; all there are if there is none.
    pub floor: Option<Told>,
}

/// Collects the best of some pairs.
pub struct Best<'a> {
    /// The symbols' places by text.
    order: &'a [u32],
    kept: usize,
    report: Report,
}

impl<'a> Best<'a> {
    /// So many are kept of pairs that are all there are which rank up to `floor`. Ties fall to the texts of symbols, whose
    /// places are `order`.
    pub fn new(order: &'a [u32], kept: usize, floor: Option<Told>) -> Self {
        Best { order, kept, report: Report { best: Vec::new(), floor } }
    }

    /// Whether a pair of this correlation cannot be among the best.
    pub fn is_below(&self, corr: Option<Real>) -> bool {
        self.report.floor.is_some_and(|floor| corr < floor.corr)
    }

    /// Offers a pair.
    pub fn offer(&mut self, told: Told) {
        if self.report.floor.is_some_and(|floor| self.rank(&told, &floor).is_gt()) {
            return;
        }
        self.report.best.push(told);
        if self.report.best.len() >= self.kept.saturating_mul(2) {
            self.cut();
        }
    }

    /// The best of those that were offered.
    pub fn report(mut self) -> Report {
        if self.report.best.len() > self.kept {
            self.cut();
        }
        let mut best = std::mem::take(&mut self.report.best);
        best.sort_by(|one, other| self.rank(one, other));
        Report { best, floor: self.report.floor }
    }

    fn rank(&self, one: &Told, other: &Told) -> Ordering {
        let place = |symbol: u32| self.order[symbol as usize];
        let by_text = || (place(one.a), place(one.b)).cmp(&(place(other.a), place(other.b)));
        other.corr.cmp(&one.corr).then_with(by_text)
    }

    fn cut(&mut self) {
        let mut best = std::mem::take(&mut self.report.best);
        let (_, last, _) = best.select_nth_unstable_by(self.kept - 1, |one, other| self.rank(one, other));
        self.report.floor = Some(*last);
        best.truncate(self.kept);
        self.report.best = best;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_those_of_a_sort_and_ties_fall_to_the_texts() {
        let order: Vec<u32> = (0..40).map(|symbol| (symbol * 7) % 40).collect();
        let pairs = (1..40).flat_map(|b| (0..b).map(move |a| (a, b)));
        let mut all: Vec<Told> = pairs
            .map(|(one, other)| {
                let is_first = order[one as usize] < order[other as usize];
                let (a, b) = if is_first { (one, other) } else { (other, one) };
                // Few correlations, and each of many pairs.
                Told { a, b, corr: Some(Real(f64::from((one * other) % 5) / 5.0)), beta: None, n: 9 }
            })
            .collect();
        let mut best = Best::new(&order, 30, None);
        for told in &all {
            if !best.is_below(told.corr) {
                best.offer(*told);
            }
        }
        let place = |symbol: u32| order[symbol as usize];
        all.sort_by_key(|told| (std::cmp::Reverse(told.corr), place(told.a), place(told.b)));
        let report = best.report();
        assert_eq!((report.best.as_slice(), report.floor), (&all[..30], Some(all[29])));
    }
}
