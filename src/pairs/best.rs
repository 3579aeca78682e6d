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
