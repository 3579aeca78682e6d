/// Where batch sizes vary by less than this share of their mean, they tell nothing about the cost of a tick.
const LEAST_SPREAD: f64 = 0.1;

/// A running fit of the cost of a batch, `a + b n`: `a` whatever is in it, and `b` for each of its `n` ticks.
///
/// Least squares, updated batch by batch; what was seen earlier may be forgotten by and by. While all batches are of
/// about one size, `b` stays as it was and `a` takes up the change, since one size cannot tell them apart. Costs are in
/// any one unit, as a rule nanoseconds.
///
/// ```
/// let mut fit = tapeflow::batch::CostFit::default();
/// for n in [1.0, 10.0, 100.0] {
///     fit.observe(n, 1_500.0 + 5.0 * n);
/// }
/// assert!((fit.a() - 1_500.0).abs() < 1e-6 && (fit.b() - 5.0).abs() < 1e-6 && fit.rms() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CostFit {
    /// What is left of the weight of all earlier batches when one comes in.
    keep: f64,
    weight: f64,
    mean_ticks: f64,
    mean_cost: f64,
    ticks_ticks: f64,
    ticks_cost: f64,
    cost_cost: f64,
    b: f64,
}

impl Default for CostFit {
    /// A fit that forgets nothing.
    fn default() -> Self {
        CostFit {
            keep: 1.0,
            weight: 0.0,
            mean_ticks: 0.0,
            mean_cost: 0.0,
            ticks_ticks: 0.0,
            ticks_cost: 0.0,
            cost_cost: 0.0,
            b: 0.0,
        }
    }
}

impl CostFit {
    /// A fit in which about the last so many batches count.
    pub fn of_the_last(batches: f64) -> Self {
        CostFit { keep: 1.0 - 1.0 / batches.max(1.0), ..CostFit::default() }
    }

    /// Takes in a batch of `ticks` that cost `cost`.
    pub fn observe(&mut self, ticks: f64, cost: f64) {
        self.weight = self.weight * self.keep + 1.0;
        let (more_ticks, more_cost) = (ticks - self.mean_ticks, cost - self.mean_cost);
        let share = 1.0 / self.weight;
        self.mean_ticks += share * more_ticks;
        self.mean_cost += share * more_cost;
        // West (1979): moments about the running means, which do not cancel out.
        let add = |moment: f64, x: f64, y: f64| self.keep * moment + (1.0 - share) * x * y;
        self.ticks_ticks = add(self.ticks_ticks, more_ticks, more_ticks);
        self.ticks_cost = add(self.ticks_cost, more_ticks, more_cost);
        self.cost_cost = add(self.cost_cost, more_cost, more_cost);
        if self.ticks_ticks > self.weight * (LEAST_SPREAD * self.mean_ticks).powi(2) {
            // Neither can be below zero: then the other one explains all.
            let most = if self.mean_ticks > 0.0 { self.mean_cost / self.mean_ticks } else { 0.0 };
            self.b = (self.ticks_cost / self.ticks_ticks).min(most).max(0.0);
        }
    }

    /// The cost of a batch, whatever is in it.
    pub fn a(&self) -> f64 {
        (self.mean_cost - self.b * self.mean_ticks).max(0.0)
    }

    /// The cost of a tick.
    pub fn b(&self) -> f64 {
        self.b
    }

    /// The cost to expect of a batch of `ticks`.
    pub fn cost(&self, ticks: f64) -> f64 {
        self.a() + self.b * ticks
    }

    /// How many batches count.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// The root of the mean squared residual: how far batches' costs lie from the line.
    pub fn rms(&self) -> f64 {
        let squares = self.cost_cost - 2.0 * self.b * self.ticks_cost + self.b * self.b * self.ticks_ticks;
        (squares.max(0.0) / self.weight.max(1.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(got: f64, wanted: f64) -> bool {
        (got - wanted).abs() <= 1e-6 * wanted.abs().max(1.0)
    }

    #[test]
    fn a_line_is_found_and_its_residuals_are_told() {
        let mut fit = CostFit::default();
        for n in 1..=100 {
            fit.observe(f64::from(n), 2_000.0 + 7.0 * f64::from(n));
        }
        assert!(is(fit.a(), 2_000.0) && is(fit.b(), 7.0) && fit.rms() < 1e-3 && is(fit.weight(), 100.0), "{fit:?}");
        assert!(is(fit.cost(1_000.0), 9_000.0));
        // By hand: (1, 3), (1, 5), (3, 7), (3, 9) lie on 2 + 2 n, each 1 off.
        let mut fit = CostFit::default();
        [(1.0, 3.0), (1.0, 5.0), (3.0, 7.0), (3.0, 9.0)].into_iter().for_each(|(n, cost)| fit.observe(n, cost));
        assert!(is(fit.a(), 2.0) && is(fit.b(), 2.0) && is(fit.rms(), 1.0), "{fit:?}");
    }

    #[test]
    fn what_was_seen_long_ago_is_forgotten() {
        let mut fit = CostFit::of_the_last(100.0);
        let mut see = |a: f64, b: f64| {
            for n in 0..2_000 {
                let n = f64::from(n % 50);
                fit.observe(n, a + b * n);
            }
            (fit.a(), fit.b())
        };
        let (a, b) = see(1_000.0, 5.0);
        assert!(is(a, 1_000.0) && is(b, 5.0));
        let (a, b) = see(3_000.0, 50.0);
        assert!(is(a, 3_000.0) && is(b, 50.0), "{a} {b}");
    }

    #[test]
    fn batches_of_one_size_move_the_batch_and_not_the_tick() {
        let mut fit = CostFit::of_the_last(50.0);
        (0..500).for_each(|n| fit.observe(f64::from(n % 21 + 30), 100.0 + 3.0 * f64::from(n % 21 + 30)));
        assert!(is(fit.a(), 100.0) && is(fit.b(), 3.0), "{fit:?}");
        (0..5_000).for_each(|_| fit.observe(40.0, 220.0 + 280.0));
        assert!(is(fit.cost(40.0), 500.0) && (fit.a() - 380.0).abs() < 40.0, "{fit:?}");
    }

    #[test]
    fn neither_cost_is_ever_negative() {
        let mut falling = CostFit::default();
        [(1.0, 9.0), (2.0, 8.0), (3.0, 7.0)].into_iter().for_each(|(n, cost)| falling.observe(n, cost));
        assert_eq!((falling.a(), falling.b()), (8.0, 0.0));
        let mut steep = CostFit::default();
        [(1.0, 0.0), (2.0, 10.0), (3.0, 20.0)].into_iter().for_each(|(n, cost)| steep.observe(n, cost));
        assert_eq!((steep.a(), steep.b()), (0.0, 5.0));
        assert_eq!((CostFit::default().a(), CostFit::default().b(), CostFit::default().rms()), (0.0, 0.0, 0.0));
    }
}
