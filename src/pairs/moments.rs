use std::ops::{AddAssign, SubAssign};

use super::NONE;
use crate::row::Real;

/// The sums over the steps at which both symbols of a pair have a value, as exact integers: so many steps may be taken
/// out again as were added, in any order, and nothing is left of them. Sums wrap around; what is made of them is
/// exact as long as the squared distances from the mean add up to less than 2^127.
///
/// ```
/// use tapeflow::pairs::Moments;
/// let relation = Moments::of(&[1, 1, 3, 3], &[20, 20, 60, 60]).relation(2);
/// assert_eq!(relation.corr.map(|corr| corr.0), Some(1.0));
/// assert_eq!(relation.beta_of_second.map(|beta| beta.0), Some(20.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    n: i64,
    x: i128,
    y: i128,
    xx: i128,
    yy: i128,
    xy: i128,
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
            *self += Moments::at(x, y);
        }
    }

    /// Takes out a step that was added.
    #[inline]
    pub fn remove(&mut self, x: i64, y: i64) {
        if x != NONE && y != NONE {
            *self -= Moments::at(x, y);
        }
    }

    #[inline]
    fn at(x: i64, y: i64) -> Self {
        let (x, y) = (i128::from(x), i128::from(y));
        Moments { n: 1, x, y, xx: x * x, yy: y * y, xy: x * y }
    }

    /// What the moments say of the pair; nothing for fewer than `min` steps.
    ///
    /// With the means rounded down, `c = floor(Sx / n)`, the centred sums `Sxy' = sum((x - cx) * (y - cy))` and what
    /// the means left over, `Rx = Sx - n * cx`, are exact. The covariance is `C = Sxy' - Rx * Ry / n`, each variance
    /// `V` likewise; the correlation is `C / (sqrt(Vx) * sqrt(Vy))` and the slope `C / Vx`. Only these are rounded.
    pub fn relation(&self, min: u64) -> Relation {
        let Moments { n, x, y, xx, yy, xy } = *self;
        // As many steps were taken out at most as were added.
        let steps = n.unsigned_abs();
        if steps < min.max(1) {
            return Relation { n: steps, ..Relation::default() };
        }
        let wide = i128::from(n);
        let (mean_x, mean_y) = (x.div_euclid(wide), y.div_euclid(wide));
        let (rest_x, rest_y) = (x - wide * mean_x, y - wide * mean_y);
        let centred_xx = xx.wrapping_sub(mean_x.wrapping_mul(x + rest_x));
        let centred_yy = yy.wrapping_sub(mean_y.wrapping_mul(y + rest_y));
        let centred_xy = xy.wrapping_sub(mean_x.wrapping_mul(y)).wrapping_sub(mean_y.wrapping_mul(rest_x));
        let less = |centred: i128, rests: i128| centred as f64 - rests as f64 / n as f64;
        let covariance = less(centred_xy, rest_x * rest_y);
        // All values are equal if, and only if, none is away from the mean, which is whole then.
        let variance = |centred, rest: i128| (centred != 0).then(|| less(centred, rest * rest));
        let (of_x, of_y) = (variance(centred_xx, rest_x), variance(centred_yy, rest_y));
        let corr = of_x.zip(of_y).map(|(x, y)| (covariance / (x.sqrt() * y.sqrt())).clamp(-1.0, 1.0));
        let beta = |variance: Option<f64>| variance.map(|variance| Real(covariance / variance));
        Relation { n: steps, corr: corr.map(Real), beta_of_second: beta(of_x), beta_of_first: beta(of_y) }
    }
}

impl AddAssign for Moments {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        self.n += other.n;
        self.x += other.x;
        self.y += other.y;
        self.xx = self.xx.wrapping_add(other.xx);
        self.yy = self.yy.wrapping_add(other.yy);
        self.xy = self.xy.wrapping_add(other.xy);
    }
}

impl SubAssign for Moments {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        self.n -= other.n;
        self.x -= other.x;
        self.y -= other.y;
        self.xx = self.xx.wrapping_sub(other.xx);
        self.yy = self.yy.wrapping_sub(other.yy);
        self.xy = self.xy.wrapping_sub(other.xy);
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
