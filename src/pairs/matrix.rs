use super::{Grid, Moments};
use std::ops::Range;

/// The moments of those pairs of symbols that a worker has, in one dense array. Pairs are numbered by their second
/// symbol, then by their first, and dealt out to the workers in turn, so that a new symbol adds to the end.
#[derive(Clone, Debug)]
pub struct Matrix {
    worker: usize,
    workers: usize,
    symbols: usize,
    moments: Vec<Moments>,
}

impl Matrix {
    /// No pairs yet, of those that `worker` of so many has.
    pub fn new(worker: usize, workers: usize) -> Self {
        Matrix { worker, workers, symbols: 0, moments: Vec::new() }
    }

    /// Makes room for the pairs of so many symbols.
    pub fn grow(&mut self, symbols: usize) {
        self.symbols = self.symbols.max(symbols);
        let pairs = self.symbols * self.symbols.saturating_sub(1) / 2;
        self.moments.resize((pairs + self.workers - 1 - self.worker) / self.workers, Moments::default());
    }

    /// Where the moments of a pair stand, `i < j`, if this worker has it.
    fn slot(&self, i: usize, j: usize) -> Option<usize> {
        let number = j * (j - 1) / 2 + i;
        (number % self.workers == self.worker).then_some(number / self.workers)
    }

    /// The pairs that this worker has.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (worker, workers) = (self.worker, self.workers);
        (1..self.symbols).flat_map(move |j| {
            let begin = j * (j - 1) / 2;
            let first = (worker + workers - begin % workers) % workers;
            (first..j).step_by(workers).map(move |i| (i, j))
        })
    }

    /// The pairs with one symbol that this worker has.
    pub fn pairs_with(&self, symbol: usize) -> impl Iterator<Item = (usize, usize)> {
        let all = (0..self.symbols).filter(move |other| *other != symbol);
        all.map(move |other| (other.min(symbol), other.max(symbol))).filter(|(i, j)| self.slot(*i, *j).is_some())
    }

    /// The moments of a pair that this worker has.
    pub fn get(&self, i: usize, j: usize) -> Moments {
        self.slot(i, j).map_or_else(Moments::default, |slot| self.moments[slot])
    }

    /// Forgets all that was added.
    pub fn clear(&mut self) {
        self.moments.fill(Moments::default());
    }

    /// Adds some steps to all pairs, and takes out others.
    pub fn advance(&mut self, grid: &Grid, added: Range<usize>, removed: Range<usize>) {
        for (slot, (i, j)) in self.pairs().enumerate() {
            let (xs, ys) = (grid.values(i), grid.values(j));
            let moments = &mut self.moments[slot];
            *moments += Moments::of(&xs[added.clone()], &ys[added.clone()]);
            *moments -= Moments::of(&xs[removed.clone()], &ys[removed.clone()]);
        }
    }

    /// Follows a symbol's value at a step, which was `old` and is now `new`.
    pub fn replace(&mut self, grid: &Grid, symbol: usize, step: usize, old: i64, new: i64) {
        for other in (0..self.symbols).filter(|other| *other != symbol) {
            let (i, j) = (other.min(symbol), other.max(symbol));
            let Some(slot) = self.slot(i, j) else { continue };
            let theirs = grid.values(other)[step];
            let moments = &mut self.moments[slot];
            if i == symbol {
                moments.remove(old, theirs);
                moments.add(new, theirs);
            } else {
                moments.remove(theirs, old);
                moments.add(theirs, new);
            }
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
                assert_eq!(pairs.len(), matrix.moments.len());
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
