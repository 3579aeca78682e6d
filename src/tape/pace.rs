use crate::time::{EventTime, RunTime, SECOND};

/// The schedule of a replay: from event time to the instant at which it is due. It is fixed before the run and
/// nothing moves it (an open loop), which is what makes latency from the due time honest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// No schedule: a tick is due when it is read.
    AsRead,
    /// Event time, `speed` times as fast, beginning with `origin` at the instant `start`.
    Speed {
        /// The first tick's event time.
        origin: EventTime,
        /// When that is due.
        start: RunTime,
        /// Event seconds in a second.
        speed: f64,
    },
    /// So many ticks a second, evenly, whatever their event times.
    Rate {
        /// When the first tick is due.
        start: RunTime,
        /// Ticks a second.
        per_second: f64,
    },
}

impl Pace {
    /// When a tick is due: `clock` is its partition's highest event time so far, `index` its place in the
    /// merged order. `None` without a schedule.
    pub fn due(&self, clock: EventTime, index: u64) -> Option<RunTime> {
        match *self {
            Pace::AsRead => None,
            Pace::Speed { origin, start, speed } => {
                Some(start + (clock.saturating_sub(origin).max(0) as f64 / speed) as RunTime)
            }
            Pace::Rate { start, per_second } => Some(start + (index as f64 * SECOND as f64 / per_second) as RunTime),
        }
    }

    /// When the schedule begins.
    pub fn start(&self) -> Option<RunTime> {
        match *self {
            Pace::AsRead => None,
            Pace::Speed { start, .. } | Pace::Rate { start, .. } => Some(start),
        }
    }

    /// The event time that the schedule has reached at `now`, where event time has one.
    pub fn event_time(&self, now: RunTime) -> Option<EventTime> {
        match *self {
            Pace::Speed { origin, start, speed } => {
                let elapsed = now.saturating_sub(start) as f64 * speed;
                Some(origin.saturating_add(elapsed as EventTime))
            }
            Pace::AsRead | Pace::Rate { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_maps_there_and_back() {
        let pace = Pace::Speed { origin: 1_000, start: 50, speed: 4.0 };
        assert_eq!(pace.due(1_000, 9), Some(50));
        assert_eq!(pace.due(1_400, 9), Some(150));
        assert_eq!(pace.event_time(150), Some(1_400));
        assert_eq!(pace.due(900, 9), Some(50));
        let rate = Pace::Rate { start: 50, per_second: 200_000.0 };
        assert_eq!(rate.due(77, 3), Some(50 + 15_000));
        assert_eq!(Pace::AsRead.due(77, 3), None);
    }
}
