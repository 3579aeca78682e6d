//! A line that jumps ahead waits for a later one to confirm it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::super::format::Record;
use super::Leaf;
use crate::error::Result;
use crate::tick::Symbol;
use crate::time::EventTime;

/// The records of a line, which are all of one time and one symbol, and where it stands.
pub(super) struct Held {
    records: Vec<Record>,
    ts_event: EventTime,
    symbol: Symbol,
    path: PathBuf,
    line: LastLine,
}

/// A line's number, and what it says.
pub(super) type LastLine = (u64, Vec<u8>);

/// Lines after which an earlier one of another symbol came, as where a tape has all of a symbol and then all of the next.
/// The next line of their own symbol decides about them, or the end of the tape.
#[derive(Default)]
pub(super) struct Waiting {
    by_symbol: HashMap<Symbol, Held>,
    /// At the end, by their times.
    left: BTreeMap<(EventTime, u64, Symbol), Held>,
    /// The longest jump that was right, in nanoseconds.
    longest: i64,
}

impl Waiting {
    /// Whether a line of this symbol waits.
    #[inline(always)]
    pub fn has(&self, symbol: Symbol) -> bool {
        !self.by_symbol.is_empty() && self.by_symbol.contains_key(&symbol)
    }

    /// Whether no line waits.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.by_symbol.is_empty()
    }
}

impl Leaf {
    /// Decides about a line that is held, or waits, by the next one, of this time and symbol, or holds that one.
    #[cold]
    pub(super) fn doubt(&mut self, ts_event: EventTime, symbol: Symbol) -> Result<()> {
        // A line in doubt is right if time goes on from there.
        let goes_on = |from: EventTime| ts_event.saturating_sub(from) >= -self.rules.max_jump;
        match self.held.take() {
            Some(held) if goes_on(held.ts_event) => self.confirm(held),
            Some(held) if held.symbol == symbol => self.reject_jump(&held)?,
            Some(held) => _ = self.waiting.by_symbol.insert(held.symbol, held),
            None => match self.waiting.by_symbol.remove(&symbol) {
                Some(waiting) if goes_on(waiting.ts_event) => self.confirm(waiting),
                Some(waiting) => self.reject_jump(&waiting)?,
                None => self.hold(ts_event, symbol),
            },
        }
        Ok(())
    }

    /// Decides about the first of the lines that wait when the tape has ended; false if none does. It is right if time
    /// went as far elsewhere, or by a jump no longer than others, or goes on from there by such a one.
    pub(super) fn decide_last(&mut self) -> Result<bool> {
        let Waiting { by_symbol, left, longest } = &mut self.waiting;
        left.extend(by_symbol.drain().map(|(symbol, held)| ((held.ts_event, held.line.0, symbol), held)));
        let Some((_, held)) = left.pop_first() else { return Ok(false) };
        let usual = self.rules.max_jump.max(*longest);
        let reaches = |from: EventTime, to: EventTime| to.saturating_sub(from) <= usual;
        let went = self.clock.is_some_and(|clock| reaches(clock, held.ts_event));
        if went || left.first_key_value().is_some_and(|((next, ..), _)| reaches(held.ts_event, *next)) {
            self.confirm(held);
        } else {
            self.reject_jump(&held)?;
        }
        Ok(true)
    }

    /// Holds the line of the next record, of which nothing was handed out yet.
    fn hold(&mut self, ts_event: EventTime, symbol: Symbol) {
        self.give_back();
        let records = self.decoded.split_off(self.placed);
        let line = self.input.as_ref().map(|input| self.decoder.last_line(input));
        let line = line.or_else(|| self.set_aside.as_ref().map(|(_, line)| line.clone())).unwrap_or_default();
        self.held = Some(Held { records, ts_event, symbol, path: self.path.clone(), line });
    }

    /// A line in doubt is right: its records come next, and jump no more.
    pub(super) fn confirm(&mut self, held: Held) {
        let before = self.clock.unwrap_or(held.ts_event);
        self.waiting.longest = self.waiting.longest.max(held.ts_event.saturating_sub(before));
        self.clock = Some(before.max(held.ts_event));
        self.decoded.splice(self.placed..self.placed, held.records);
    }

    fn reject_jump(&mut self, held: &Held) -> Result<()> {
        let reason = "future: it jumps ahead by more than max_jump, and nothing that follows confirms it";
        let (number, raw) = &held.line;
        self.rejects.reject(&held.path, *number, reason, raw)
    }
}
