use std::ops::{AddAssign, Sub, SubAssign};

use super::NONE;
use crate::row::Real;

/// The sums over some values of a symbol, as exact integers: so many values may be taken out again as were added, in any
/// order, and nothing is left of them. Sums wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    n: i64,
    sum: i128,
    squares: i128,
}

/// The sums over the steps at which both symbols of a pair have a value, and that of their products. What is made of
/// them is exact as long as the squared distances from the mean add up to less than 2^127.
///
/// ```
/// use tapeflow::pairs::Moments;
/// let relation = Moments::of(&[1, 1, 3, 3], &[20, 20, 60, 60]).relation(2);
/// assert_eq!(relation.corr.map(|corr| corr.0), Some(1.0));
/// assert_eq!(relation.beta_of_second.map(|beta| beta.0), Some(20.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// Of the first symbol.
    pub x: Sums,
    /// Of the second.
    pub y: Sums,
    /// The sum of the products.
    pub xy: i128,
}

/// What the moments of a pair say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// At so many steps both have a value.
    pub n: u64,
    /// Pearson's correlation; none where one of the two does not vary.
    pub corr: Option<Real>,
    /// By how much the second moves when the first moves by one; none where the first does not vary.
    pub beta_of_second: Option<Real>,
    /// By how much the first moves when the second moves by one; none where the second does not vary.
    pub beta_of_first: Option<Real>,
}

/// Around what the values of a symbol lie, and how far: the mean rounded down, what it leaves over of the sum, and the
/// variance times the number of values, none where they do not vary.
#[derive(Clone, Copy, Debug, Default)]
pub struct Centre {
    n: i64,
    sum: i128,
    mean: i128,
    rest: i128,
    variance: Option<f64>,
    root: f64,
}

impl Sums {
    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: i64) {
        let value = i128::from(value);
        *self += Sums { n: 1, sum: value, squares: value * value };
    }

    /// Takes out a value that was added.
    #[inline]
    pub fn remove(&mut self, value: i64) {
        let value = i128::from(value);
        *self -= Sums { n: 1, sum: value, squares: value * value };
    }

    /// How many values there are.
    pub fn count(&self) -> i64 {
        self.n
    }

    /// Around what the values lie.
    pub fn centre(&self) -> Centre {
        let Sums { n, sum, squares } = *self;
        let n = n.max(1);
        // Nearly always 64 bits hold the sum, and dividing those is a single instruction.
        let mean = i64::try_from(sum).map_or_else(|_| sum.div_euclid(n.into()), |sum| sum.div_euclid(n).into());
        let rest = sum - i128::from(n) * mean;
        let centred = squares.wrapping_sub(mean.wrapping_mul(sum + rest));
        // All values are equal if, and only if, none is away from the mean, which is whole then.
        let variance = (centred != 0).then(|| less(centred, rest * rest, n));
        Centre { n: self.n, sum, mean, rest, variance, root: variance.unwrap_or_default().sqrt() }
    }
}

impl Centre {
    /// The correlation with another symbol that has a value wherever this one has, the sum of whose products is `xy`; none
    /// for fewer than `min` steps. [`Moments::relation`] says how.
    #[inline]
    pub fn corr(&self, other: &Centre, xy: i128, min: u64) -> Option<Real> {
        let varies = self.variance.is_some() && other.variance.is_some();
        (varies && self.n.unsigned_abs() >= min.max(1)).then(|| self.quotient(other, self.covariance(other, xy)))
    }

    /// What is told of the two. [`Moments::relation`] says how.
    pub fn relation(&self, other: &Centre, xy: i128, min: u64) -> Relation {
        // As many steps were taken out at most as were added.
        let n = self.n.unsigned_abs();
        if n < min.max(1) {
            return Relation { n, ..Relation::default() };
        }
        let covariance = self.covariance(other, xy);
        let beta = |variance: Option<f64>| variance.map(|variance| Real(covariance / variance));
        let corr = self.variance.and(other.variance).map(|_| self.quotient(other, covariance));
        Relation { n, corr, beta_of_second: beta(self.variance), beta_of_first: beta(other.variance) }
    }

    #[inline]
    fn covariance(&self, other: &Centre, xy: i128) -> f64 {
        let centred =
            xy.wrapping_sub(self.mean.wrapping_mul(other.sum)).wrapping_sub(other.mean.wrapping_mul(self.rest));
        less(centred, self.rest * other.rest, self.n)
    }

    #[inline]
    fn quotient(&self, other: &Centre, covariance: f64) -> Real {
        Real((covariance / (self.root * other.root)).clamp(-1.0, 1.0))
    }
}

#[inline]
fn less(centred: i128, rests: i128, n: i64) -> f64 {
    real(centred) - real(rests) / n as f64
}

/// The nearest float, for which there is an instruction where 64 bits hold the number.
#[inline]
fn real(number: i128) -> f64 {
    i64::try_from(number).map_or_else(|_| number as f64, |number| number as f64)
}

impl Moments {
    /// The moments of two series of the same steps.
    pub fn of(xs: &[i64], ys: &[i64]) -> Self {
        let mut moments = Moments::default();
        xs.iter().zip(ys).for_each(|(x, y)| moments.add(*x, *y));
        moments
    }

    /// Adds a step; one at which either has no value counts for nothing.
    #[inline]
    pub fn add(&mut self, x: i64, y: i64) {
        if x != NONE && y != NONE {
            self.x.add(x);
            self.y.add(y);
            self.xy = self.xy.wrapping_add(i128::from(x) * i128::from(y));
        }
    }

    /// Takes out a step that was added.
    #[inline]
    pub fn remove(&mut self, x: i64, y: i64) {
        if x != NONE && y != NONE {
            self.x.remove(x);
            self.y.remove(y);
            self.xy = self.xy.wrapping_sub(i128::from(x) * i128::from(y));
        }
    }

    /// What the moments say of the pair; nothing for fewer than `min` steps.
    ///
    /// With the means rounded down, `c = floor(Sx / n)`, the centred sums `Sxy' = sum((x - cx) * (y - cy))` and what
    /// the means left over, `Rx = Sx - n * cx`, are exact. The covariance is `C = Sxy' - Rx * Ry / n`, each variance
    /// `V` likewise; the correlation is `C / (sqrt(Vx) * sqrt(Vy))` and the slope `C / Vx`. Only these are rounded.
    pub fn relation(&self, min: u64) -> Relation {
        self.x.centre().relation(&self.y.centre(), self.xy, min)
    }
}

impl AddAssign for Sums {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        self.n += other.n;
        self.sum = self.sum.wrapping_add(other.sum);
        self.squares = self.squares.wrapping_add(other.squares);
    }
}

impl SubAssign for Sums {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        self.n -= other.n;
        self.sum = self.sum.wrapping_sub(other.sum);
        self.squares = self.squares.wrapping_sub(other.squares);
    }
}

impl Sub for Sums {
    type Output = Sums;

    fn sub(mut self, other: Sums) -> Sums {
        self -= other;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_again_leaves_nothing() {
        let mut moments = Moments::of(&[5, -7, NONE], &[1, i64::MAX, 3]);
        moments.add(i64::MAX, -i64::MAX);
        moments.add(NONE, 1);
        for (x, y) in [(-7, i64::MAX), (i64::MAX, -i64::MAX), (5, 1)] {
            moments.remove(x, y);
        }
        assert_eq!(moments, Moments::default());
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        let relation = Moments::of(&[7, 7, 7], &[1, 2, 4]).relation(1);
        assert_eq!((relation.corr, relation.beta_of_second), (None, None));
        assert_eq!(relation.beta_of_first, Some(Real(0.0)));
        assert_eq!(Moments::of(&[1, 2], &[1, 2]).relation(3), Relation { n: 2, ..Relation::default() });
        assert_eq!(Moments::default().relation(0), Relation::default());
    }

    #[test]
    fn a_small_variation_far_from_zero_is_not_lost() {
        let far = 700_000 * crate::tick::Price::SCALE;
        let relation = Moments::of(&[far, far + 1, far], &[-far, -far - 1, -far]).relation(2);
        assert_eq!(relation.corr, Some(Real(-1.0)));
    }
}
