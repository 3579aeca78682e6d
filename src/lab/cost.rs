use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

use super::line::Line;
use crate::latency::Costs;
use crate::report::{count, span};

/// Sizes of which there were fewer batches say too little.
const FEWEST: u64 = 20;

/// The law of what a batch costs: so much for itself and so much for each of its ticks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostLaw {
    /// For a batch, in nanoseconds.
    pub batch: f64,
    /// For each tick in it, in nanoseconds.
    pub tick: f64,
    /// What it was fitted to.
    pub points: Vec<CostPoint>,
}

/// Batches of about one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostPoint {
    /// How many.
    pub batches: u64,
    /// Their ticks, on average.
    pub ticks: f64,
    /// Their median cost, in nanoseconds.
    pub nanos: f64,
    /// How much more they cost than the law says, as a share of that.
    pub residual: f64,
}

impl CostLaw {
    /// The law that fits best, in terms of shares, to the median costs of each size. None where batches are all of a
    /// size.
    pub fn fit(costs: &Costs) -> Option<Self> {
        let sizes: Vec<_> =
            costs.sizes().into_iter().filter(|size| size.batches >= FEWEST && size.nanos > 0.0).collect();
        let points: Vec<_> = sizes.iter().map(|size| (size.ticks, size.nanos, size.nanos.powi(-2))).collect();
        let line = Line::through(&points)?;
        // Neither a batch nor a tick is worked on in less than no time.
        let (batch, tick) = (line.at_zero.max(0.0), line.slope.max(0.0));
        let point = |size: &crate::latency::SizeCost| {
            let law = (batch + tick * size.ticks).max(1.0);
            CostPoint { batches: size.batches, ticks: size.ticks, nanos: size.nanos, residual: size.nanos / law - 1.0 }
        };
        Some(CostLaw { batch, tick, points: sizes.iter().map(point).collect() })
    }

    /// What a batch of so many ticks costs, in nanoseconds.
    pub fn cost(&self, ticks: f64) -> f64 {
        self.batch + self.tick * ticks
    }

    /// The largest share by which a size is off.
    fn worst(&self) -> f64 {
        self.points.iter().map(|point| point.residual.abs()).fold(0.0, f64::max)
    }
}

impl Display for CostLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |point: Option<&CostPoint>| count(point.map_or(0.0, |point| point.ticks.round()) as u64);
        let (from, to) = (size(self.points.first()), size(self.points.last()));
        let (batch, tick, worst) = (span(self.batch.round() as u64), self.tick, 100.0 * self.worst());
        write!(f, "a batch of n ticks costs {batch} + n x {tick:.1} ns")?;
        write!(f, " (medians of batches of {from} to {to} ticks are at most {worst:.0}% off)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_law_is_found_again_with_its_residuals() {
        let mut costs = Costs::default();
        for ticks in [1, 16, 256, 4_096] {
            (0..20).for_each(|_| costs.record(ticks, 2_000 + 10 * ticks as u64));
        }
        // Too few to count.
        (0..19).for_each(|_| costs.record(1 << 20, 1));
        let law = CostLaw::fit(&costs).unwrap();
        // Costs are kept within 3%.
        assert!((law.batch - 2_000.0).abs() < 60.0 && (law.tick - 10.0).abs() < 0.3, "{law:?}");
        assert!(law.points.len() == 4 && law.worst() < 0.05, "{law:?}");
        assert!(law.to_string().starts_with("a batch of n ticks costs "), "{law}");
        assert!(law.to_string().contains("(medians of batches of 1 to 4,096 ticks are at most "), "{law}");
        let mut one = Costs::default();
        (0..100).for_each(|_| one.record(1, 2_000));
        assert_eq!(CostLaw::fit(&one), None);
    }
}
