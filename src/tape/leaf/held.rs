//! A line that jumps ahead waits for the next one to confirm it.

use std::path::PathBuf;

use super::super::format::Record;
use super::Leaf;
use crate::error::Result;
use crate::time::EventTime;

/// The records of a line, which are all of one time, and where it stands.
pub(super) struct Held {
    records: Vec<Record>,
    ts_event: EventTime,
    path: PathBuf,
    line: LastLine,
}

/// A line's number, and what it says.
pub(super) type LastLine = (u64, Vec<u8>);

impl Leaf {
    /// Decides about a line that is held by the next one, of this time, or holds that one.
    #[cold]
    pub(super) fn doubt(&mut self, ts_event: EventTime) -> Result<()> {
        match self.held.take() {
            // The held line is right if time goes on from there.
            Some(held) if ts_event.saturating_sub(held.ts_event) >= -self.rules.max_jump => self.confirm(held),
            Some(held) => {
                self.reject_jump(&held)?;
                if self.clock.is_none() {
                    self.hold(ts_event);
                }
            }
            None => self.hold(ts_event),
        }
        Ok(())
    }

    /// Holds the line of the next record, of which nothing was handed out yet.
    fn hold(&mut self, ts_event: EventTime) {
        self.give_back();
        let records = self.decoded.split_off(self.placed);
        let line = self.input.as_ref().map(|input| self.decoder.last_line(input));
        let line = line.or_else(|| self.set_aside.as_ref().map(|(_, line)| line.clone())).unwrap_or_default();
        self.held = Some(Held { records, ts_event, path: self.path.clone(), line });
    }

    /// Time goes on from a held line: its records come next, and jump no more.
    pub(super) fn confirm(&mut self, mut held: Held) {
        self.clock = Some(held.ts_event);
        held.records.append(&mut self.decoded);
        self.decoded = held.records;
    }

    fn reject_jump(&mut self, held: &Held) -> Result<()> {
        let reason = "future: it jumps ahead by more than max_jump, and nothing that follows confirms it";
        let (number, raw) = &held.line;
        self.rejects.reject(&held.path, *number, reason, raw)
    }
}
