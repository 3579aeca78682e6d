use std::sync::LazyLock;

/// Steps of the table that turns shares of a day's activity into times.
const STEPS: usize = 4096;

/// How busy a session is at each of its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As busy at all times: a tape of a given rate.
    Flat,
    /// Busy after the opening, calm at noon, busiest before the close.
    U,
}

impl Shape {
    /// The activity at `at`, a fraction of the session, in terms of the average.
    pub fn activity(self, at: f64) -> f64 {
        match self {
            Shape::Flat => 1.0,
            Shape::U => u(at) / MEAN,
        }
    }

    /// The fraction of the session by which a fraction of the activity has passed.
    pub fn time_of(self, share: f64) -> f64 {
        match self {
            Shape::Flat => share,
            Shape::U => {
                let at = share * STEPS as f64;
                let step = (at as usize).min(STEPS - 1);
                U_TIMES[step] + (U_TIMES[step + 1] - U_TIMES[step]) * (at - step as f64)
            }
        }
    }
}

/// The U of US stocks, flatter after the open and steeper before the close (arXiv:1810.12099).
fn u(at: f64) -> f64 {
    0.6 + 1.9 * libm::exp(-at / 0.06) + 1.3 * libm::exp(-(1.0 - at) / 0.05)
}

/// Its integral over a session.
const MEAN: f64 = 0.6 + 1.9 * 0.06 + 1.3 * 0.05;

/// The inverse of the U's integral, at even steps.
static U_TIMES: LazyLock<Vec<f64>> = LazyLock::new(|| {
    // The integral so far, at steps of time so fine that straight lines join them.
    let integral = |at: f64| {
        0.6 * at
            + 1.9 * 0.06 * (1.0 - libm::exp(-at / 0.06))
            + 1.3 * 0.05 * (libm::exp(-(1.0 - at) / 0.05) - libm::exp(-1.0 / 0.05))
    };
    let whole = integral(1.0);
    let mut times = Vec::with_capacity(STEPS + 1);
    for step in 0..=STEPS {
        let share = whole * step as f64 / STEPS as f64;
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..50 {
            let middle = (low + high) / 2.0;
            if integral(middle) < share { low = middle } else { high = middle }
        }
        times.push(high);
    }
    times
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_hours_have_their_shares_of_a_day() {
        // The share of activity that lies before a time, by asking for the time of each share.
        let before = |time: f64| (0..10_000).filter(|i| Shape::U.time_of(f64::from(*i) / 1e4) < time).count();
        let half_hour = |n: usize| before((n + 1) as f64 / 13.0) - before(n as f64 / 13.0);
        // 16% in the first, 6% at noon, 13.5% in the last, to a percent.
        for (n, share) in [(0, 1_635), (6, 592), (12, 1_245)] {
            assert!(half_hour(n).abs_diff(share) < 100, "half hour {n}: {}", half_hour(n));
        }
        let mean = (0..1000).map(|i| Shape::U.activity((f64::from(i) + 0.5) / 1000.0)).sum::<f64>() / 1000.0;
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
        assert_eq!(Shape::Flat.time_of(0.25), 0.25);
    }
}
