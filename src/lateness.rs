//! Lateness: which ticks come too late, judged by each symbol's own order and by nothing else, and how far back
//! a correction may reach.

use std::cell::Cell;

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::calendar::Days;
use crate::time::EventTime;

/// What becomes of late ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LatePolicy {
    /// They amend their windows, up to the horizon behind their symbol's clock.
    Amend,
    /// They go to the late ledger.
    Drop,
}

/// How far back a late tick, a cancel or a correction may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Horizon {
    /// Nothing is kept: no print can be cancelled or corrected.
    None,
    /// So many nanoseconds.
    Span(i64),
    /// To the beginning of the trading session.
    Session,
}

/// The rules of lateness of a run.
#[derive(Clone, Debug)]
pub struct Lateness {
    /// How much disorder within one symbol is normal, in nanoseconds.
    pub disorder: i64,
    /// What becomes of ticks that are later than that.
    pub policy: LatePolicy,
    /// How far back they may reach.
    pub horizon: Horizon,
    /// Trading sessions: sequence numbers are unique within one.
    pub sessions: Sessions,
}

/// A tick's standing in its symbol's own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the disorder.
    OnTime,
    /// Late, but within the horizon, and the policy is to amend.
    Amends,
    /// Too late.
    Late,
}

impl Lateness {
    /// Whether a tick of a symbol whose clock stands at `clock` is within the disorder.
    #[inline]
    pub fn is_on_time(&self, clock: EventTime, ts_event: EventTime) -> bool {
        ts_event >= clock.saturating_sub(self.disorder)
    }

    /// Judges a tick against `clock`, the highest `ts_event` that was accepted of its symbol so far
    /// (`EventTime::MIN` at first), and moves the clock on when the tick is accepted.
    #[inline]
    pub fn judge(&self, clock: &mut EventTime, ts_event: EventTime) -> Verdict {
        if self.is_on_time(*clock, ts_event) {
            *clock = (*clock).max(ts_event);
            Verdict::OnTime
        } else if self.policy == LatePolicy::Amend && ts_event >= self.floor(*clock) {
            Verdict::Amends
        } else {
            Verdict::Late
        }
    }

    /// The earliest event time that a message of `ts` can still reach.
    pub fn floor(&self, ts: EventTime) -> EventTime {
        match self.horizon {
            Horizon::None => ts,
            Horizon::Span(span) => ts.saturating_sub(span),
            Horizon::Session => self.sessions.of(ts).0,
        }
    }

    /// The times, `[from, until)`, of what a record of time `ts` may be about: in the same session, and within the
    /// horizon of each other whichever came first.
    pub fn reach(&self, ts: EventTime) -> (EventTime, EventTime) {
        let (start, end) = self.sessions.of(ts);
        match self.horizon {
            Horizon::None => (ts, ts),
            Horizon::Span(span) => {
                (start.max(ts.saturating_sub(span)), end.min(ts.saturating_add(span).saturating_add(1)))
            }
            Horizon::Session => (start, end),
        }
    }

    /// Whether a record of time `ts` may be about a print of time `print`.
    pub fn reaches(&self, ts: EventTime, print: EventTime) -> bool {
        let (from, until) = self.reach(ts);
        from <= print && print < until
    }

    /// The time before which nothing can be reached any more once a symbol's clock stands at `clock`:
    /// whatever is still accepted lies above the floor, or within the disorder, and reaches no further than its
    /// own floor.
    pub fn settled_before(&self, clock: EventTime) -> EventTime {
        self.floor(self.floor(clock).min(clock.saturating_sub(self.disorder)))
    }
}

/// Trading sessions: days of trading.
#[derive(Clone, Debug)]
pub struct Sessions {
    days: Days,
    last: Cell<(EventTime, EventTime)>,
}

impl Sessions {
    /// The calendar days of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Sessions::of_days(Days::new(zone))
    }

    /// The days of trading.
    pub fn of_days(days: Days) -> Self {
        Sessions { days, last: Cell::new((0, 0)) }
    }

    /// The session that holds `ts`, `[start, end)`; the last answer is remembered.
    pub fn of(&self, ts: EventTime) -> (EventTime, EventTime) {
        let (start, end) = self.last.get();
        if start <= ts && ts < end {
            return (start, end);
        }
        // No two sessions may overlap, so all that the calendar does not know is one.
        let day = self.days.date_of(ts).and_then(|date| self.days.bounds(date));
        let session = day.unwrap_or((EventTime::MIN, EventTime::MAX));
        self.last.set(session);
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn a_session_is_a_local_day_also_when_the_clocks_change() {
        let sessions = Sessions::new(TimeZone::get("America/New_York").unwrap());
        let noon: Timestamp = "2024-03-10T12:00:00-04:00".parse().unwrap();
        let (start, end) = sessions.of(noon.as_nanosecond() as i64);
        assert_eq!(end - start, 23 * HOUR);
        assert_eq!(sessions.of(end).0, end);
        assert_eq!(sessions.of(start - 1).1, start);
    }

    #[test]
    fn a_tick_is_late_by_its_symbols_own_order_alone() {
        let sessions = Sessions::new(TimeZone::UTC);
        let mut rules = Lateness { disorder: 10, policy: LatePolicy::Amend, horizon: Horizon::Span(50), sessions };
        let mut clock = EventTime::MIN;
        assert_eq!(rules.judge(&mut clock, 100), Verdict::OnTime);
        assert_eq!(rules.judge(&mut clock, 90), Verdict::OnTime);
        assert_eq!(rules.judge(&mut clock, 89), Verdict::Amends);
        assert_eq!(rules.judge(&mut clock, 50), Verdict::Amends);
        assert_eq!(rules.judge(&mut clock, 49), Verdict::Late);
        rules.policy = LatePolicy::Drop;
        assert_eq!(rules.judge(&mut clock, 89), Verdict::Late);
        assert_eq!(clock, 100);
    }
}
