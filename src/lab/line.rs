use serde::Serialize;

/// A straight line `at_zero + slope x` through points, by least squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    /// Where it begins.
    pub at_zero: f64,
    /// How steep it is.
    pub slope: f64,
    /// The standard error of the slope; zero of two points, which lie on their line whatever they are.
    pub error: f64,
    /// The root of the mean square of what points are off the line.
    pub residual: f64,
}

impl Line {
    /// The line through points (x, y), each with its weight; none where there are not two different x.
    pub fn through(points: &[(f64, f64, f64)]) -> Option<Self> {
        let weight: f64 = points.iter().map(|(_, _, w)| w).sum();
        let mean = |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(|it| of(it) * it.2).sum::<f64>() / weight;
        let (x, y) = (mean(|it| it.0), mean(|it| it.1));
        let spread: f64 = points.iter().map(|it| (it.0 - x).powi(2) * it.2).sum();
        if spread.is_nan() || spread <= 0.0 {
            return None;
        }
        let slope = points.iter().map(|it| (it.0 - x) * (it.1 - y) * it.2).sum::<f64>() / spread;
        let at_zero = y - slope * x;
        let off: f64 = points.iter().map(|it| (it.1 - at_zero - slope * it.0).powi(2) * it.2).sum();
        let free = points.len().saturating_sub(2);
        let error = if free == 0 { 0.0 } else { (off / free as f64 / spread).sqrt() };
        Some(Line { at_zero, slope, error, residual: (off / weight).sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again_and_its_errors_are_those_of_the_textbook() {
        let exact = Line::through(&[(0.0, 5.0, 1.0), (2.0, 9.0, 1.0), (3.0, 11.0, 2.0)]).unwrap();
        assert_eq!((exact.at_zero, exact.slope, exact.error, exact.residual), (5.0, 2.0, 0.0, 0.0));
        // y = x with +1, -1, -1, +1: no slope is added, and the squares sum to 4, of which two points are free.
        let off = Line::through(&[(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (2.0, 1.0, 1.0), (3.0, 4.0, 1.0)]).unwrap();
        assert_eq!((off.at_zero, off.slope, off.residual), (0.0, 1.0, 1.0));
        assert!((off.error - (4.0f64 / 2.0 / 5.0).sqrt()).abs() < 1e-12);
        assert_eq!(Line::through(&[(1.0, 1.0, 1.0), (1.0, 2.0, 1.0)]), None);
        assert_eq!(Line::through(&[]), None);
    }
}
