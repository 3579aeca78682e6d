use hdrhistogram::Histogram;

/// How long batches were held up by what the model does not explain: late wake-ups, above all. Each counts by its
/// ticks.
pub struct HeldUp(Histogram<u64>);

impl Default for HeldUp {
    fn default() -> Self {
        HeldUp(Histogram::new_with_bounds(1, 3_600_000_000_000, 2).expect("constants that HdrHistogram takes"))
    }
}

impl HeldUp {
    /// A batch of so many ticks was held up for so many nanoseconds.
    pub fn record(&mut self, nanos: u64, ticks: usize) {
        self.0.saturating_record_n(nanos, ticks as u64);
    }

    /// All ticks.
    pub fn ticks(&self) -> u64 {
        self.0.len()
    }

    /// The ticks of batches that were held up for longer.
    pub fn longer_than(&self, nanos: u64) -> u64 {
        self.0.len() - self.0.count_between(0, nanos)
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// The room, in nanoseconds, to which one tick in a hundred does not keep where batches gather for `delay`.
    ///
    /// The ticks of a batch come evenly while it gathers. So when it is held up by `w` meanwhile, only its oldest ticks
    /// need more than a room: `w` less the room, of all the `delay + w` in which they came. The p99 of `w` itself is
    /// far more than that, as if the slowest batches had none but oldest ticks.
    pub fn room(&self, delay: f64) -> f64 {
        let all = self.0.iter_recorded().map(|it| (it.value_iterated_to() as f64, it.count_at_value() as f64));
        let all: Vec<(f64, f64)> = all.collect();
        let may_be_late = 0.01 * self.0.len() as f64;
        // Of what was held up for longer than the room: its ticks a nanosecond, and how many of them are late without
        // any.
        let (mut density, mut late) = (0.0, 0.0);
        for (at, (nanos, ticks)) in all.iter().enumerate().rev() {
            density += ticks / (delay + nanos);
            late += ticks / (delay + nanos) * nanos;
            let room = (late - may_be_late) / density;
            if room >= at.checked_sub(1).map_or(0.0, |shorter| all[shorter].0) {
                return room;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_what_one_tick_in_a_hundred_does_not_keep_to() {
        let mut held_up = HeldUp::default();
        assert_eq!((held_up.ticks(), held_up.room(900.0)), (0, 0.0));
        // 100 of 1,000 ticks came within 900 + 100 ns, ten of them in the oldest 100 ns. So many may be late.
        held_up.record(1, 900);
        held_up.record(100, 100);
        assert_eq!((held_up.ticks(), held_up.longer_than(1)), (1_000, 100));
        assert!(held_up.room(900.0) < 1.0, "{}", held_up.room(900.0));
        // All of 1,000: a hundred of them in each 100 ns, and ten within the oldest 10.
        held_up.reset();
        held_up.record(100, 1_000);
        assert_eq!(held_up.room(900.0), 90.0);
        // Half are held up for 50, and half for 100: 10 late ones of 500 are the oldest 20 ns of the latter.
        held_up.reset();
        held_up.record(50, 500);
        held_up.record(100, 500);
        assert_eq!(held_up.room(900.0), 80.0);
        // A pause that is rare enough needs no room, however long it is.
        held_up.reset();
        held_up.record(1_000_000, 10);
        held_up.record(1, 990);
        assert!(held_up.room(900.0) <= 1.0, "{}", held_up.room(900.0));
    }
}
