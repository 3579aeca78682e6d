//! Which part of a tape is played, and how: all of it by what the tape says, so that no clock has a part in it.

use std::collections::HashSet;
use std::sync::Arc;

use super::faults::Faults;
use crate::lateness::Sessions;
use crate::tick::{Names, Symbol, Tick};
use crate::time::{EventTime, SECOND};

/// What is played of a tape, and what becomes of it on its way.
#[derive(Clone, Debug, Default)]
pub struct Controls {
    /// The time to begin with.
    pub start: Option<EventTime>,
    /// The time to end before.
    pub end: Option<EventTime>,
    /// The symbols to play; all if none is named.
    pub symbols: Vec<String>,
    /// What the schedule does with silences.
    pub silences: Silences,
    /// The sessions that are counted when the tape is played over and over, each time so many days later.
    pub again: Option<Sessions>,
    /// What goes wrong.
    pub faults: Faults,
}

impl Controls {
    /// Whether the tape is played as it stands.
    pub fn is_plain(&self) -> bool {
        self.is_whole() && self.is_by_record() && self.faults == Faults::default()
    }

    /// Whether it is played once, from its beginning to its end, with all symbols.
    pub fn is_whole(&self) -> bool {
        self.start.is_none() && self.end.is_none() && self.symbols.is_empty() && self.again.is_none()
    }

    /// Whether what becomes of a record follows from the record alone, so that partitions may be played apart.
    pub fn is_by_record(&self) -> bool {
        matches!(self.silences, Silences::Preserve) && self.again.is_none() && self.faults.jitter == 0
    }

    /// The part to play of a tape whose symbols have their ids in this table.
    pub(super) fn selection(&self, names: &Arc<Names>) -> Selection {
        let asked: HashSet<String> = self.symbols.iter().cloned().collect();
        let chosen = (!asked.is_empty()).then(|| Chosen { asked, names: names.clone(), by_id: Vec::new() });
        Selection { start: self.start, end: self.end, chosen }
    }
}

/// What is played, by the time of each record: by the clocks of partitions, another one would be played of the same rows in
/// other files, or in another order.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    /// The time to begin with.
    pub start: Option<EventTime>,
    /// The time to end before.
    pub end: Option<EventTime>,
    /// The symbols to play; else all.
    chosen: Option<Chosen>,
}

/// The symbols that are played. Who is asked for gets no id by that, so the table of names holds those of the tape.
#[derive(Clone, Debug)]
struct Chosen {
    asked: HashSet<String>,
    names: Arc<Names>,
    /// Whether a symbol is played, as far as ids were looked up.
    by_id: Vec<bool>,
}

impl Selection {
    #[inline]
    pub(super) fn has(&mut self, tick: &Tick) -> bool {
        self.start.is_none_or(|start| tick.ts_event >= start)
            && self.end.is_none_or(|end| tick.ts_event < end)
            && self.chosen.as_mut().is_none_or(|chosen| chosen.has(tick.symbol))
    }

    /// Whether that is the whole tape.
    #[inline]
    pub(super) fn is_all(&self) -> bool {
        self.start.is_none() && self.end.is_none() && self.chosen.is_none()
    }
}

impl Chosen {
    fn has(&mut self, symbol: Symbol) -> bool {
        for id in self.by_id.len()..=symbol.0 as usize {
            self.by_id.push(self.asked.contains(&*self.names.text(id as u32)));
        }
        self.by_id[symbol.0 as usize]
    }
}

/// What a schedule does with silences of the tape.
#[derive(Clone, Debug, Default)]
pub enum Silences {
    /// They last as long as they did.
    #[default]
    Preserve,
    /// None lasts longer than this, in nanoseconds of event time.
    Compress(i64),
    /// The one between two sessions lasts a second; others last as long as they did.
    SkipOvernight(Sessions),
}

/// Event time with its silences shortened.
#[derive(Clone, Debug)]
pub(super) struct Shortened {
    silences: Silences,
    last: Option<EventTime>,
    skipped: i64,
}

impl Shortened {
    pub fn new(silences: Silences) -> Self {
        Shortened { silences, last: None, skipped: 0 }
    }

    /// Time goes on from anywhere.
    pub fn restart(&mut self) {
        (self.last, self.skipped) = (None, 0);
    }

    /// The place of `clock`, which does not go back, in the shortened time.
    pub fn place(&mut self, clock: EventTime) -> EventTime {
        if let Some(last) = self.last.replace(clock) {
            let gap = clock.saturating_sub(last);
            let most = match &self.silences {
                Silences::Preserve => gap,
                Silences::Compress(most) => *most,
                Silences::SkipOvernight(sessions) if sessions.of(last) != sessions.of(clock) => SECOND,
                Silences::SkipOvernight(_) => gap,
            };
            self.skipped += (gap - most).max(0);
        }
        clock - self.skipped
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn silences_are_shortened_and_nothing_else() {
        let place = |silences: Silences, clocks: &[i64]| -> Vec<i64> {
            let mut shortened = Shortened::new(silences);
            clocks.iter().map(|clock| shortened.place(*clock)).collect()
        };
        let clocks = [10, 12, 30, 31, 100];
        assert_eq!(place(Silences::Preserve, &clocks), clocks);
        assert_eq!(place(Silences::Compress(5), &clocks), [10, 12, 17, 18, 23]);
        let day = 86_400 * SECOND;
        let clocks = [SECOND, day - SECOND, 2 * day + 7, 2 * day + 9];
        let shortened = [SECOND, day - SECOND, day, day + 2];
        assert_eq!(place(Silences::SkipOvernight(Sessions::new(TimeZone::UTC)), &clocks), shortened);
    }
}
