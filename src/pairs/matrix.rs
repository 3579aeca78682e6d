use std::ops::Range;

use super::{Centre, Grid, Moments, NONE, Relation, Sums};
use crate::row::Real;

/// The moments of those pairs of symbols that a worker has, in dense arrays. Pairs are numbered by their second symbol,
/// then by their first, and dealt out to the workers in turn, so that a new symbol adds to the end.
///
/// Nearly all symbols have values at the same steps. So the sums of a symbol are kept once, and of each pair the products,
/// and what is to be taken off those sums for the steps at which the other symbol has no value.
#[derive(Clone, Debug)]
pub struct Matrix {
    worker: usize,
    workers: usize,
    /// Of each symbol, over the steps at which it has a value.
    own: Vec<Sums>,
    /// What these say.
    centres: Vec<Centre>,
    /// Of each pair, over the steps at which both have a value.
    products: Vec<i128>,
    /// Of each pair, the sums of the first where the second has no value, and the other way round.
    alone: Vec<[Sums; 2]>,
    /// Of each pair, whether both have values at the same steps.
    is_even: Vec<bool>,
}

impl Matrix {
    /// No pairs yet, of those that `worker` of so many has.
    pub fn new(worker: usize, workers: usize) -> Self {
        let (own, centres, products, alone, is_even) = Default::default();
        Matrix { worker, workers, own, centres, products, alone, is_even }
    }

    /// Makes room for the pairs of so many symbols. A new one has no value at the steps that are there.
    pub fn grow(&mut self, symbols: usize) {
        let known = self.alone.len();
        let symbols = symbols.max(self.own.len());
        self.own.resize(symbols, Sums::default());
        self.centres.resize(symbols, Centre::default());
        let pairs = symbols * symbols.saturating_sub(1) / 2;
        self.products.resize((pairs + self.workers - 1 - self.worker) / self.workers, 0);
        let alone: Vec<[Sums; 2]> = self.pairs().skip(known).map(|(i, j)| [self.own[i], self.own[j]]).collect();
        self.is_even.extend(alone.iter().map(|alone| *alone == [Sums::default(); 2]));
        self.alone.extend(alone);
    }

    /// Where the moments of a pair stand, `i < j`, if this worker has it.
    fn slot(&self, i: usize, j: usize) -> Option<usize> {
        let number = j * (j - 1) / 2 + i;
        (number % self.workers == self.worker).then_some(number / self.workers)
    }

    /// The first symbols of the pairs that this worker has with the second symbol `j`.
    fn row(&self, j: usize) -> std::iter::StepBy<Range<usize>> {
        let begin = j * (j - 1) / 2;
        let first = (self.worker + self.workers - begin % self.workers) % self.workers;
        (first.min(j)..j).step_by(self.workers)
    }

    /// The pairs that this worker has.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        (1..self.own.len()).flat_map(|j| self.row(j).map(move |i| (i, j)))
    }

    /// The pairs with one symbol that this worker has.
    pub fn pairs_with(&self, symbol: usize) -> impl Iterator<Item = (usize, usize)> {
        let all = (0..self.own.len()).filter(move |other| *other != symbol);
        all.map(move |other| (other.min(symbol), other.max(symbol))).filter(|(i, j)| self.slot(*i, *j).is_some())
    }

    /// The moments of a pair that this worker has.
    fn get(&self, i: usize, j: usize) -> Moments {
        self.slot(i, j).map_or_else(Moments::default, |slot| {
            let [x, y] = self.alone[slot];
            Moments { x: self.own[i] - x, y: self.own[j] - y, xy: self.products[slot] }
        })
    }

    /// What the moments of a pair say, as [`Moments::relation`] does.
    pub fn relation(&self, i: usize, j: usize, min: u64) -> Relation {
        match self.slot(i, j) {
            Some(slot) if self.is_even[slot] => self.centres[i].relation(&self.centres[j], self.products[slot], min),
            _ => self.get(i, j).relation(min),
        }
    }

    /// The pairs that this worker has, and their correlations.
    pub fn correlations(&self, min: u64) -> impl Iterator<Item = ((usize, usize), Option<Real>)> {
        let kept = self.products.iter().zip(&self.is_even);
        self.pairs().zip(kept).map(move |((i, j), (xy, is_even))| {
            let corr = if *is_even {
                self.centres[i].corr(&self.centres[j], *xy, min)
            } else {
                self.get(i, j).relation(min).corr
            };
            ((i, j), corr)
        })
    }

    /// Forgets all that was added.
    pub fn clear(&mut self) {
        self.own.fill(Sums::default());
        self.centres.fill(Centre::default());
        self.products.fill(0);
        self.alone.fill([Sums::default(); 2]);
        self.is_even.fill(true);
    }

    /// Adds some steps to all pairs, and takes out others.
    pub fn advance(&mut self, grid: &Grid, added: Range<usize>, removed: Range<usize>) {
        let mut values = Vec::with_capacity(self.own.len());
        for (step, is_added) in added.map(|step| (step, true)).chain(removed.map(|step| (step, false))) {
            values.clear();
            values.extend((0..self.own.len()).map(|symbol| grid.values(symbol)[step]));
            self.step(&values, is_added);
        }
        (0..self.own.len()).for_each(|symbol| self.centres[symbol] = self.own[symbol].centre());
    }

    /// Adds a step, or takes one out, at which the symbols have these values.
    fn step(&mut self, values: &[i64], is_added: bool) {
        let put = |sums: &mut Sums, value| if is_added { sums.add(value) } else { sums.remove(value) };
        let is_absent = |symbol: &usize| values[*symbol] == NONE;
        let absent: Vec<usize> = (0..values.len()).filter(is_absent).collect();
        for symbol in (0..values.len()).filter(|symbol| !is_absent(symbol)) {
            put(&mut self.own[symbol], values[symbol]);
            for other in &absent {
                if let Some((slot, side)) = self.side_of(symbol, *other) {
                    self.leave_alone(slot, side, |sums| put(sums, values[symbol]));
                }
            }
        }
        let factors: Vec<i64> = values.iter().map(|value| if *value == NONE { 0 } else { *value }).collect();
        let mut slot = 0;
        for j in 1..factors.len() {
            let factor = i128::from(if is_added { factors[j] } else { -factors[j] });
            for i in self.row(j) {
                self.products[slot] = self.products[slot].wrapping_add(i128::from(factors[i]) * factor);
                slot += 1;
            }
        }
    }

    /// Where the pair of two symbols stands, and on which side of it the first one is.
    fn side_of(&self, symbol: usize, other: usize) -> Option<(usize, usize)> {
        let slot = self.slot(symbol.min(other), symbol.max(other))?;
        Some((slot, usize::from(symbol > other)))
    }

    /// Changes what one side of a pair has alone.
    fn leave_alone(&mut self, slot: usize, side: usize, change: impl FnOnce(&mut Sums)) {
        change(&mut self.alone[slot][side]);
        self.is_even[slot] = self.alone[slot].iter().all(|sums| sums.count() == 0);
    }

    /// Follows a symbol's value at a step, which was `old` and is now `new`.
    pub fn replace(&mut self, grid: &Grid, symbol: usize, step: usize, old: i64, new: i64) {
        let swap = |sums: &mut Sums, old: i64, new: i64| {
            if old != NONE {
                sums.remove(old);
            }
            if new != NONE {
                sums.add(new);
            }
        };
        swap(&mut self.own[symbol], old, new);
        self.centres[symbol] = self.own[symbol].centre();
        for other in (0..self.own.len()).filter(|other| *other != symbol) {
            let Some((slot, side)) = self.side_of(symbol, other) else { continue };
            let theirs = grid.values(other)[step];
            if theirs == NONE {
                self.leave_alone(slot, side, |sums| swap(sums, old, new));
                continue;
            }
            if old == NONE || new == NONE {
                // The other is alone where this one has no value.
                let alone = |value: i64| if value == NONE { theirs } else { NONE };
                self.leave_alone(slot, 1 - side, |sums| swap(sums, alone(old), alone(new)));
            }
            let factor = |value: i64| if value == NONE { 0 } else { i128::from(value) };
            let more = (factor(new) - factor(old)).wrapping_mul(i128::from(theirs));
            self.products[slot] = self.products[slot].wrapping_add(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_one_workers_whoever_counts() {
        for workers in 1..5 {
            let mut found = Vec::new();
            for worker in 0..workers {
                let mut matrix = Matrix::new(worker, workers);
                (0..=9).for_each(|symbols| matrix.grow(symbols));
                let pairs: Vec<_> = matrix.pairs().collect();
                assert_eq!(pairs.len(), matrix.products.len());
                let slots: Vec<_> = pairs.iter().map(|(i, j)| matrix.slot(*i, *j)).collect();
                assert_eq!(slots, (0..pairs.len()).map(Some).collect::<Vec<_>>());
                found.extend(pairs);
            }
            found.sort();
            let all: Vec<_> = (0..9).flat_map(|i| (i + 1..9).map(move |j| (i, j))).collect();
            assert_eq!(found, all, "{workers} workers");
        }
    }
}
