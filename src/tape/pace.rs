use crate::time::{EventTime, SECOND};

/// Due in 292 years: as late as can be, and still added to the run's time without overflow.
pub const NEVER: u64 = i64::MAX as u64;

/// The schedule of a replay: when each tick is due, in nanoseconds from the schedule's beginning. It is fixed before
/// the run and nothing moves it (an open loop), which is what makes latency from the due time honest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// No schedule: a tick is due when it is read.
    AsRead,
    /// Event time, `speed` times as fast, beginning with `origin`.
    Speed {
        /// The first tick's event time.
        origin: EventTime,
        /// Event seconds in a second.
        speed: f64,
    },
    /// So many ticks a second, evenly, whatever their event times.
    Rate {
        /// Ticks a second.
        per_second: f64,
    },
}

impl Pace {
    /// When a tick is due: `clock` is its partition's highest event time so far, `index` its place in the
    /// merged order. `None` without a schedule. At most `NEVER`, which no run reaches.
    pub fn due(&self, clock: EventTime, index: u64) -> Option<u64> {
        let due = match *self {
            Pace::AsRead => return None,
            Pace::Speed { origin, speed } => (clock.saturating_sub(origin).max(0) as f64 / speed).ceil(),
            Pace::Rate { per_second } => index as f64 * SECOND as f64 / per_second,
        };
        Some((due as u64).min(NEVER))
    }

    /// The event time that the schedule has reached after so many nanoseconds, where event time has one.
    pub fn event_time(&self, elapsed: u64) -> Option<EventTime> {
        match *self {
            Pace::Speed { origin, speed } => Some(origin.saturating_add((elapsed as f64 * speed) as EventTime)),
            Pace::AsRead | Pace::Rate { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_maps_there_and_back() {
        let pace = Pace::Speed { origin: 1_000, speed: 4.0 };
        assert_eq!(pace.due(1_000, 9), Some(0));
        assert_eq!(pace.due(1_400, 9), Some(100));
        assert_eq!(pace.event_time(100), Some(1_400));
        assert_eq!(pace.due(900, 9), Some(0));
        assert_eq!(Pace::Rate { per_second: 200_000.0 }.due(77, 3), Some(15_000));
        assert_eq!(Pace::AsRead.due(77, 3), None);
        assert_eq!(Pace::Speed { origin: 0, speed: 1e-9 }.due(i64::MAX, 0), Some(NEVER));
        assert_eq!(Pace::Rate { per_second: 1e-12 }.due(0, 7), Some(NEVER));
    }
}
