use crate::calendar::Session;
use crate::random::Random;
use crate::tape::Part;
use crate::time::{EventTime, SECOND};

/// How long a halt lasts, as a pause between price limits ("limit up, limit down") does: five minutes.
pub(super) const LENGTH: i64 = 300 * SECOND;

/// A time in which a symbol is neither traded nor quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Halt {
    start: EventTime,
}

impl Halt {
    /// The halt of a day, if it is one of the part that has one: between the first second and the last one of it.
    pub fn of(random: &mut Random, part: Part, session: Session) -> Option<Halt> {
        let room = session.length() - LENGTH - 2 * SECOND;
        let start = session.open + SECOND + random.below(room.max(1) as u64) as i64;
        (room > 0 && random.fraction() < part.0).then_some(Halt { start })
    }

    /// The time at which a clock that stands still in the halt shows `ts`.
    pub fn after(self, ts: EventTime) -> EventTime {
        if ts < self.start { ts } else { ts + LENGTH }
    }

    /// Whether it is between two times outside of it.
    pub fn is_between(self, before: EventTime, after: EventTime) -> bool {
        before < self.start && self.start <= after
    }
}
