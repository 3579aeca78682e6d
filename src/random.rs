use crate::tick::mix;

/// splitmix64: a sequence of random numbers that follows from its seed, the same on every machine. So are the
/// logarithms and powers that are taken of them: they come from `libm`, since each system has its own.
pub(crate) struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// An exponential number of mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.fraction())
    }

    /// A number of Poisson's law, of a small mean.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let (mut count, mut chance) = (0, libm::exp(-mean));
        let mut left = self.fraction() - chance;
        while left >= 0.0 && count < 32 {
            count += 1;
            chance *= mean / f64::from(count);
            left -= chance;
        }
        count
    }

    /// A number of Pareto's law: at least 1, and beyond `x` with the chance of `x` to the power of `-tail`.
    pub fn pareto(&mut self, tail: f64) -> f64 {
        libm::pow(1.0 - self.fraction(), -1.0 / tail)
    }

    /// A number of Student's law, by Bailey's polar method (Mathematics of Computation 62, 1994); of a normal law for
    /// infinite `freedom`.
    pub fn student(&mut self, freedom: f64) -> f64 {
        loop {
            let (u, v) = (2.0 * self.fraction() - 1.0, 2.0 * self.fraction() - 1.0);
            let w = u * u + v * v;
            if w > 0.0 && w < 1.0 {
                let square = if freedom.is_finite() {
                    freedom * (libm::pow(w, -2.0 / freedom) - 1.0) / w
                } else {
                    -2.0 * libm::log(w) / w
                };
                return u * square.sqrt();
            }
        }
    }
}
