mod held;
mod length;
mod placed;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::conditions::Conditions;
use super::format::{self, Ahead, Columns, Decoder, Input, Lines, Position, Record};
use super::rejects::Rejects;
use crate::error::Result;
use crate::tick::Tick;
use crate::time::EventTime;
use held::{Held, LastLine, Waiting};
pub(super) use length::Length;
pub use placed::Placed;
pub(super) use placed::{Head, Heads};

/// A file is decoded ahead where more than so many pieces of it are left.
const SOME: u64 = 4;

/// How a partition's own order is judged.
#[derive(Clone, Copy, Debug)]
pub struct PartitionRules {
    /// Normal disorder in nanoseconds: the watermark stands this much behind the highest event time.
    pub disorder: i64,
    /// A record that jumps ahead by more than this, in nanoseconds, must be confirmed by the next one.
    pub max_jump: i64,
}

/// One partition: an input in its own order, be it a file, several files one after the other, or a pipe.
pub struct Leaf {
    paths: std::vec::IntoIter<PathBuf>,
    path: PathBuf,
    input: Option<Input>,
    length: Length,
    /// Bytes are given to it as they arrive, and whoever sends them may be wrong from the first line on.
    is_given: bool,
    /// Where to go on in a file that was closed meanwhile, and the line that was read last there.
    set_aside: Option<(Position, LastLine)>,
    /// How large files are decoded.
    ahead: Option<Ahead>,
    /// From which byte of this one on.
    ahead_from: Option<u64>,
    decoder: Decoder,
    rules: PartitionRules,
    rejects: Rejects,
    conditions: Conditions,
    /// Ticks that need no decoding, and where they go on.
    made: (Arc<[Tick]>, usize),
    /// Records of the line that was decoded last, or of several where they are decoded ahead, and before them those of a
    /// line that the first of them confirmed.
    decoded: Vec<Record>,
    /// How many of them were placed.
    placed: usize,
    clock: Option<EventTime>,
    /// A line that jumped ahead and waits for the next one to confirm it.
    held: Option<Held>,
    /// Lines that jumped ahead, of symbols that have not gone on since.
    waiting: Waiting,
    /// The record that was placed last is the next one, and was looked for already.
    is_ready: bool,
}

/// What there is without waiting.
enum Look {
    /// A record, the last one that was placed.
    Placed,
    /// Nothing yet.
    Later,
    End,
}

impl Leaf {
    /// The files of one partition, to be read one after the other.
    pub fn files(paths: Vec<PathBuf>, decoder: Decoder, rules: PartitionRules, rejects: Rejects) -> Self {
        Leaf {
            paths: paths.into_iter(),
            path: PathBuf::new(),
            input: None,
            length: Length::default(),
            is_given: false,
            set_aside: None,
            ahead: None,
            ahead_from: None,
            decoder,
            rules,
            rejects,
            conditions: Conditions::default(),
            made: (Arc::default(), 0),
            decoded: Vec::new(),
            placed: 0,
            clock: None,
            held: None,
            waiting: Waiting::default(),
            is_ready: false,
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
        leaf.input = Some(Input::Lines(Lines::new(reader, leaf.decoder.format())));
        leaf
    }

    /// The same leaf, whose trades' conditions are looked up so.
    pub fn with_conditions(self, conditions: &Conditions) -> Self {
        Leaf { conditions: conditions.clone(), ..self }
    }

    /// The same leaf, of whose files the large ones are decoded ahead.
    pub fn decoded_ahead(self, ahead: Ahead) -> Self {
        Leaf { ahead: Some(ahead), ..self }
    }

    /// Leaves its rejects, and what is unknown of its conditions, to the process that keeps them.
    pub fn look_only(&mut self) {
        self.rejects = Rejects::default();
        self.conditions = self.conditions.uncounted();
    }

    /// A partition to which bytes are [given](Leaf::give) as they arrive; `name` stands for it in messages. Before
    /// [`Leaf::next_record`] it is asked whether it [has one](Leaf::is_buffered).
    pub fn given(name: &str, decoder: Decoder, rules: PartitionRules, rejects: Rejects) -> Self {
        let mut leaf = Leaf::files(Vec::new(), decoder, rules, rejects);
        let lines = Input::Lines(Lines::pushed(leaf.decoder.format()));
        (leaf.path, leaf.input, leaf.is_given) = (name.into(), Some(lines), true);
        leaf
    }

    /// A tape in memory. None of its ticks jumps too far ahead.
    pub fn made(tape: Arc<[Tick]>, rules: PartitionRules) -> Self {
        let rules = PartitionRules { max_jump: EventTime::MAX, ..rules };
        let decoder = Decoder::new(None, Columns::new(&[], TimeZone::UTC, Arc::default(), Arc::default()));
        let mut leaf = Leaf::files(Vec::new(), decoder, rules, Rejects::default());
        leaf.made = (tape, 0);
        leaf
    }

    /// Gives it bytes that have arrived, all lines of which have this number in messages, if there is one.
    pub fn give(&mut self, bytes: &[u8], number: Option<u64>) {
        if let Some(Input::Lines(lines)) = &mut self.input {
            number.into_iter().for_each(|number| lines.number_all(number));
            lines.push(bytes);
        }
    }

    /// Rejects what was given of a line whose end will not come.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn cut(&mut self, reason: &str) -> Result<()> {
        let Some(Input::Lines(lines)) = &mut self.input else { return Ok(()) };
        let number = lines.next_number();
        lines.take_rest().map_or(Ok(()), |rest| self.rejects.reject(&self.path, number, reason, rest))
    }

    /// Nothing more will be given: what is left is a record that waits to be confirmed.
    pub fn end(&mut self) {
        self.input = None;
    }

    /// Whether the next record is here already, so that asking for it would not wait. A line that is rejected, or
    /// held, is none.
    ///
    /// # Errors
    /// As for [`Leaf::next_record`].
    pub fn is_buffered(&mut self) -> Result<bool> {
        if !self.is_ready {
            self.is_ready = matches!(self.look(false)?, Look::Placed);
        }
        Ok(self.is_ready)
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read, or a file's first line names no usable columns.
    #[inline]
    pub fn next_record(&mut self) -> Result<Option<Placed>> {
        self.advance()?;
        Ok(self.head().map(|Head { record, clock, watermark }| {
            record.tick.set_watermark(watermark);
            Placed { record: *record, clock }
        }))
    }

    /// Goes on to the next record, which is the [head](Leaf::head) then, and returns the clock with it; `None` at the
    /// end.
    ///
    /// # Errors
    /// As for [`Leaf::next_record`].
    #[inline(always)]
    pub(super) fn advance(&mut self) -> Result<Option<EventTime>> {
        let is_there = std::mem::take(&mut self.is_ready) || self.place() || matches!(self.look(true)?, Look::Placed);
        Ok(self.clock.filter(|_| is_there))
    }

    /// Whether a record was decoded and not gone to.
    #[inline(always)]
    pub(super) fn has_decoded(&self) -> bool {
        self.placed < self.decoded.len()
    }

    /// Goes on to those of the decoded records whose times are in no doubt, `most` of them at most, and as long as the
    /// clock is `until` or before. The next look goes on from there.
    #[inline(always)]
    pub(super) fn advance_all(&mut self, most: usize, until: EventTime) -> Heads {
        let (PartitionRules { disorder, max_jump }, from) = (self.rules, self.placed);
        let is_doubtful = self.held.is_some() || !self.waiting.is_empty();
        let (Some(before), false, false) = (self.clock, is_doubtful, self.is_ready) else { return Heads::default() };
        let (mut clock, mut count) = (before, 0);
        for record in self.decoded[from..].iter_mut().take(most) {
            let next = clock.max(record.tick.ts_event);
            if record.tick.ts_event - clock > max_jump || next > until {
                break;
            }
            self.conditions.heed(record);
            (clock, count) = (next, count + 1);
        }
        (self.placed, self.clock) = (from + count, Some(clock));
        Heads { count, clock: before, disorder }
    }

    /// The last so many records that were gone to.
    #[inline(always)]
    pub(super) fn last(&self, count: usize) -> &[Record] {
        &self.decoded[self.placed - count..self.placed]
    }

    /// The record that was gone to last.
    #[inline(always)]
    pub(super) fn head(&mut self) -> Option<Head<'_>> {
        let (record, clock) = (self.decoded.get_mut(self.placed.wrapping_sub(1))?, self.clock?);
        Some(Head { record, clock, watermark: clock.saturating_sub(self.rules.disorder) })
    }

    /// Closes the file until more of it is needed: there may be more partitions than a program may open. Threads that
    /// decode it ahead keep it open.
    pub fn set_aside(&mut self) {
        if matches!(self.input, Some(Input::Pieces(_))) || !self.path.is_file() {
            return;
        }
        self.give_back();
        if let Some(input) = self.input.take() {
            self.set_aside = Some((input.position(), self.decoder.last_line(&input)));
        }
    }

    /// Of what was decoded and not placed, leaves the records of one line alone, which is the one that was read last then.
    fn give_back(&mut self) {
        let left = self.decoded.len() - self.placed;
        if let Some(input) = self.input.as_mut().filter(|_| left > 0) {
            self.decoded.truncate(self.placed + self.decoder.give_back(input, left));
        }
    }

    /// Looks for the next record, places it, and waits for it only where it may.
    fn look(&mut self, may_wait: bool) -> Result<Look> {
        loop {
            if self.place() {
                return Ok(Look::Placed);
            }
            let Some(record) = self.decoded.get(self.placed) else {
                if !may_wait && self.input.as_mut().is_some_and(|input| !input.is_buffered()) {
                    return Ok(Look::Later);
                }
                self.decoded.clear();
                self.placed = 0;
                if self.decode_line()? {
                    continue;
                }
                // Nothing is left that a jump could make late, so the last line needs no confirmation: a symbol
                // that trades rarely would else lose its last print in a file of its own, and only there.
                if let Some(held) = self.held.take() {
                    self.confirm(held);
                } else if !self.decide_last()? {
                    return Ok(Look::End);
                }
                continue;
            };
            let Tick { ts_event, symbol, .. } = record.tick;
            self.doubt(ts_event, symbol)?;
        }
    }

    /// Places the next record of those that are decoded; false where there is none, or its time is in doubt.
    #[inline(always)]
    fn place(&mut self) -> bool {
        let (Some(record), Some(clock)) = (self.decoded.get_mut(self.placed), self.clock) else { return false };
        let ts_event = record.tick.ts_event;
        let is_doubtful = self.held.is_some() || self.waiting.has(record.tick.symbol);
        let is_sure = !is_doubtful && ts_event - clock <= self.rules.max_jump;
        if is_sure {
            self.clock = Some(clock.max(ts_event));
            self.conditions.heed(record);
            self.placed += 1;
        }
        is_sure
    }

    /// Opens the file at this position.
    fn open(&mut self, position: Position) -> Result<()> {
        self.input = Some(Input::open(&self.path, self.decoder.format(), position)?);
        self.ahead_from = self.ahead.and_then(|ahead| {
            let piece = ahead.piece as u64;
            let is_worth_it = self.length.0? > position.bytes + SOME * piece;
            is_worth_it.then_some(position.bytes + piece)
        });
        Ok(())
    }

    /// Decodes one more line, of the next file if need be; false at the end of all.
    fn decode_line(&mut self) -> Result<bool> {
        loop {
            let Some(input) = &mut self.input else {
                if let Some((position, _)) = self.set_aside.take() {
                    self.open(position)?;
                    continue;
                }
                if let Some(tick) = self.made.0.get(self.made.1) {
                    self.made.1 += 1;
                    self.decoded.push(Record::from(*tick));
                    return Ok(true);
                }
                let Some(path) = self.paths.next() else { return Ok(false) };
                self.length = Length::of(&path);
                self.path = path;
                self.open(Position::default())?;
                self.decoder.begin(&self.path);
                continue;
            };
            if let Some(ahead) = self.ahead
                && self.ahead_from.is_some_and(|from| input.position().bytes >= from)
            {
                self.ahead_from = None;
                self.decoder.go_ahead(input, &self.path, ahead)?;
            }
            let number = input.next_number();
            match self.decoder.next(input, &self.path, &mut self.decoded)? {
                None => {
                    let read = input.read(&self.path);
                    self.input = None;
                    self.length.check(&self.path, read)?;
                    continue;
                }
                Some(Err((reason, _))) if self.decoder.wants_header() && !self.is_given => {
                    return Err(format::unusable(&self.path, &reason));
                }
                Some(Err((reason, raw))) => self.rejects.reject(&self.path, number, &reason, &raw)?,
                Some(Ok(())) => {}
            }
            return Ok(true);
        }
    }
}
