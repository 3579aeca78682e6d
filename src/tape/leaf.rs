use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;

use super::format::{self, Decoder, Line, Lines, Record};
use super::rejects::Rejects;
use crate::error::{Doing as _, Result};
use crate::time::EventTime;

/// How a partition's own order is judged.
#[derive(Clone, Copy, Debug)]
pub struct PartitionRules {
    /// Normal disorder in nanoseconds: the watermark stands this much behind the highest event time.
    pub disorder: i64,
    /// A record that jumps ahead by more than this, in nanoseconds, must be confirmed by the next one.
    pub max_jump: i64,
}

/// A record in its partition's order.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// The record; its tick's watermark is set.
    pub record: Record,
    /// The partition's highest event time so far, this record's included.
    pub clock: EventTime,
}

/// One partition: an input in its own order, be it a file, several files one after the other, or a pipe.
pub struct Leaf {
    paths: std::vec::IntoIter<PathBuf>,
    path: PathBuf,
    lines: Option<Lines>,
    decoder: Decoder,
    rules: PartitionRules,
    rejects: Rejects,
    /// Records of the line that was decoded last, with the line's number.
    decoded: VecDeque<(Record, u64)>,
    spare: Vec<Record>,
    clock: Option<EventTime>,
    /// A record that jumped ahead and waits for the next one to confirm it.
    held: Option<(Record, u64)>,
}

impl Leaf {
    /// The files of one partition, to be read one after the other.
    pub fn files(paths: Vec<PathBuf>, decoder: Decoder, rules: PartitionRules, rejects: Rejects) -> Self {
        Leaf {
            paths: paths.into_iter(),
            path: PathBuf::new(),
            lines: None,
            decoder,
            rules,
            rejects,
            decoded: VecDeque::new(),
            spare: Vec::new(),
            clock: None,
            held: None,
        }
    }

    /// A pipe; `name` stands for it in messages.
    pub fn pipe(
        name: &str,
        reader: Box<dyn Read + Send>,
        decoder: Decoder,
        rules: PartitionRules,
        rejects: Rejects,
    ) -> Self {
        let mut leaf = Leaf::files(Vec::new(), decoder, rules, rejects);
        leaf.path = name.into();
        leaf.lines = Some(Lines::new(reader));
        leaf
    }

    /// Whether the next record is here already, so that asking for it would not wait.
    pub fn is_buffered(&self) -> bool {
        !self.decoded.is_empty() || self.lines.as_ref().is_some_and(Lines::is_buffered)
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read, or a file's first line names no usable columns.
    pub fn next_record(&mut self) -> Result<Option<Placed>> {
        loop {
            let next = match self.decoded.pop_front() {
                Some(next) => Some(next),
                None if self.decode_line()? => continue,
                None => None,
            };
            let Some((record, line)) = next else {
                let Some((held, line)) = self.held.take() else { return Ok(None) };
                if self.clock.is_none() {
                    return Ok(Some(self.place(held)));
                }
                // Nothing is left to confirm a jump.
                self.reject_jump(&held, line)?;
                return Ok(None);
            };
            if let Some((held, held_line)) = self.held.take() {
                // The held record is right if time goes on from there.
                self.decoded.push_front((record, line));
                if record.tick.ts_event.saturating_sub(held.tick.ts_event) < -self.rules.max_jump {
                    self.reject_jump(&held, held_line)?;
                    if self.clock.is_none() {
                        self.held = self.decoded.pop_front();
                    }
                    continue;
                }
                return Ok(Some(self.place(held)));
            }
            let jumps = self.clock.is_none_or(|clock| record.tick.ts_event - clock > self.rules.max_jump);
            if jumps {
                self.held = Some((record, line));
                continue;
            }
            return Ok(Some(self.place(record)));
        }
    }

    fn place(&mut self, mut record: Record) -> Placed {
        let clock = self.clock.map_or(record.tick.ts_event, |clock| clock.max(record.tick.ts_event));
        self.clock = Some(clock);
        record.tick.set_watermark(clock.saturating_sub(self.rules.disorder));
        Placed { record, clock }
    }

    fn reject_jump(&mut self, record: &Record, line: u64) -> Result<()> {
        let raw = format!("ts_event {}", record.tick.ts_event);
        let reason = "future: it jumps ahead by more than max_jump, and nothing that follows confirms it";
        self.rejects.reject(&self.path, line, reason, raw.as_bytes())
    }

    /// Decodes one more line, of the next file if need be; false at the end of all.
    fn decode_line(&mut self) -> Result<bool> {
        loop {
            let Some(lines) = &mut self.lines else {
                let Some(path) = self.paths.next() else { return Ok(false) };
                self.lines = Some(format::open(&path)?);
                self.decoder.begin(&path);
                self.path = path;
                continue;
            };
            let number = lines.number() + 1;
            let Some(line) = lines.next_line().doing(|| format!("reading {}", self.path.display()))? else {
                self.lines = None;
                continue;
            };
            let verdict = match line {
                Line::Text(text) => self.decoder.decode(text, &mut self.spare).map_err(|reason| (reason, text)),
                Line::TooLong(text) => Err((format!("the line is longer than {} bytes", format::LONGEST_LINE), text)),
            };
            match verdict {
                Err((reason, _)) if self.decoder.wants_header() => return Err(format::unusable(&self.path, &reason)),
                Err((reason, raw)) => self.rejects.reject(&self.path, number, &reason, raw)?,
                Ok(()) => self.decoded.extend(self.spare.drain(..).map(|record| (record, number))),
            }
            return Ok(true);
        }
    }
}
