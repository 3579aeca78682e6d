//! A large file, decoded by several threads ahead of whoever reads it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use memchr::{memchr, memrchr};

use super::columns::Columns;
use super::lines::{BEGINNING, Line, Position};
use super::record::Record;
use super::{Decoder, LONGEST_LINE};
use crate::error::{Doing as _, Error, Result};
use crate::threads;
use crate::tick::{Names, Symbol, Venue};

/// Pieces that a thread may have ready, beside the one that it is at.
const READY: usize = 2;

/// A line that ends beyond its piece is read on by so many bytes.
const STEP: usize = 1 << 12;

/// So many lines are taken at once, whose records stay in the nearest cache until they are played.
pub(super) const AT_ONCE: usize = 64;

/// How a large file is decoded ahead.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// So many threads decode it.
    pub threads: NonZeroUsize,
    /// They share it out in pieces of so many bytes.
    pub piece: usize,
}

/// The lines of a file of text, which threads decode in pieces. A thread knows nothing of what is in the other pieces, so
/// what it has decoded is taken only if the lines before do not matter or agree; all else is left to whoever takes the
/// lines, one after the other.
pub struct Pieces {
    threads: Vec<Thread>,
    /// Whose piece is being taken.
    turn: usize,
    piece: Piece,
    /// Lines of the piece that were taken.
    taken: usize,
    /// Whether the last of them were adopted.
    are_adopted: bool,
    /// Lines of the file before the piece.
    before: u64,
}

/// A thread's end, and what its ids mean here.
struct Thread {
    pieces: Receiver<Result<Piece>>,
    /// Pieces that were taken, whose memory is used again.
    taken: Sender<Piece>,
    names: [Arc<Names>; 2],
    symbols: Vec<Option<Symbol>>,
    venues: Vec<Option<Venue>>,
}

/// The lines that begin in a part of the file.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    /// Where the first byte stands in the file.
    offset: u64,
    /// Where the first line begins in the bytes.
    first: usize,
    /// Where each line ends in the bytes, with its line feed, and in the records. It has none if it may be a reject.
    lines: Vec<(usize, usize)>,
    records: Vec<Record>,
    /// Whether the file ends here.
    is_last: bool,
}

impl Pieces {
    /// Shares out a file from this position on, at which a line begins that is not the first one; the decoder knows what
    /// its lines hold.
    ///
    /// # Errors
    /// Whatever the system says when the file is opened.
    pub fn begin(path: &Path, from: Position, decoder: &Decoder, ahead: Ahead) -> Result<Pieces> {
        let Ahead { threads, piece } = ahead;
        let thread = |nth: usize| {
            let names: [Arc<Names>; 2] = Default::default();
            let [symbols, venues] = names.clone();
            let ((to, pieces), (taken, spare)) = (sync_channel(READY), channel());
            let share = Share {
                path: path.to_path_buf(),
                file: File::open(path).doing(|| format!("reading {}", path.display()))?,
                decoder: decoder.apart(symbols, venues),
                begins: from.bytes + (piece * nth) as u64,
                spare,
            };
            threads::spawn(&format!("decoder {nth}"), move || share.decode(piece, (piece * threads.get()) as u64, &to));
            Ok(Thread { pieces, taken, names, symbols: Vec::new(), venues: Vec::new() })
        };
        let threads: Vec<Thread> = (0..threads.get()).map(thread).collect::<Result<_>>()?;
        let piece = Piece { offset: from.bytes, ..Piece::default() };
        let turn = threads.len() - 1;
        Ok(Pieces { threads, turn, piece, taken: 0, are_adopted: false, before: from.rows() })
    }

    /// Goes on to the next piece where all lines of this one were taken; false at the end of the file.
    fn has_lines(&mut self) -> Result<bool> {
        while self.taken == self.piece.lines.len() {
            if self.piece.is_last {
                return Ok(false);
            }
            self.before += self.taken as u64;
            // A thread that is done needs it no more.
            let _ = self.threads[self.turn].taken.send(std::mem::take(&mut self.piece));
            self.turn = (self.turn + 1) % self.threads.len();
            let piece = self.threads[self.turn].pieces.recv();
            let text = "decoding lines: a thread panicked, as told above; that is a mistake of this program to report";
            self.piece = piece.map_err(|_| Error::Input(text.into()))??;
            self.taken = 0;
        }
        Ok(true)
    }

    /// Takes lines and appends their records, up to the first line that has none or whose records do not stand whatever
    /// was in the lines before; false if that is the next one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn adopt(&mut self, columns: &mut Columns, out: &mut Vec<Record>) -> Result<bool> {
        let is_there = self.has_lines()?;
        let (piece, thread, first) = (&self.piece, &mut self.threads[self.turn], self.taken);
        let lines = &piece.lines[first..piece.lines.len().min(first + AT_ONCE)];
        let (from, before) = (piece.ends(first).1, out.len());
        out.extend_from_slice(&piece.records[from..piece.ends(first + lines.len()).1]);
        let mut begin = before;
        for (_, end) in lines {
            let end = before + end - from;
            let mut records = out[begin..end].iter_mut();
            if begin == end || !records.all(|record| thread.adopt(record, columns)) {
                out.truncate(begin);
                break;
            }
            (begin, self.taken) = (end, self.taken + 1);
        }
        self.are_adopted = is_there && self.taken > first;
        Ok(self.are_adopted)
    }

    /// As for [`Decoder::give_back`].
    pub fn give_back(&mut self, records: usize) -> usize {
        if !self.are_adopted {
            return records;
        }
        let from = self.piece.ends(self.taken).1 - records;
        self.taken = self.piece.lines.partition_point(|(_, to)| *to <= from) + 1;
        self.piece.ends(self.taken).1 - from
    }

    /// Takes one line, which is to be decoded; none at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>> {
        if !self.has_lines()? {
            return Ok(None);
        }
        (self.taken, self.are_adopted) = (self.taken + 1, false);
        let line = feedless(self.bytes());
        Ok(Some(if line.len() > LONGEST_LINE { Line::TooLong(&line[..BEGINNING]) } else { Line::Text(self.last()) }))
    }

    /// The line that was taken last.
    pub fn last(&self) -> &[u8] {
        text(self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        let end = self.piece.ends(self.taken).0;
        &self.piece.bytes[self.taken.checked_sub(1).map_or(end, |before| self.piece.ends(before).0)..end]
    }

    /// Its number, counted from one.
    pub fn number(&self) -> u64 {
        self.before + self.taken as u64
    }

    /// Where the next line begins, which is the end of the file once there is none.
    pub fn position(&self) -> Position {
        Position::of_text(self.piece.offset + self.piece.ends(self.taken).0 as u64, self.number())
    }
}

impl Thread {
    /// Gives a record the ids that its names have here. False if they can have none, or if it should have a sequence
    /// number, or should not, by what earlier lines have; records of a bar have none.
    fn adopt(&mut self, record: &mut Record, columns: &mut Columns) -> bool {
        let ([symbols, venues], tick) = (&self.names, &mut record.tick);
        let symbol = known(&mut self.symbols, tick.symbol.0, |id| columns.ids.symbol(symbols.text(id).as_bytes()));
        let Some(symbol) = symbol else { return false };
        let venue = match tick.venue.0.checked_sub(1).map(u32::from) {
            None => Some(tick.venue),
            Some(id) => known(&mut self.venues, id, |id| columns.ids.venue(venues.text(id).as_bytes())),
        };
        let Some(venue) = venue else { return false };
        (tick.symbol, tick.venue) = (symbol, venue);
        record.is_of_bar || columns.check_numbered(symbol, record.has_seq).is_ok()
    }
}

/// What an id of a thread means here, asked for once.
fn known<T: Copy>(
    table: &mut Vec<Option<T>>,
    id: u32,
    ask: impl FnOnce(u32) -> std::result::Result<T, String>,
) -> Option<T> {
    let at = id as usize;
    if table.len() <= at {
        table.resize(at + 1, None);
    }
    if table[at].is_none() {
        table[at] = ask(id).ok();
    }
    table[at]
}

/// What a thread needs to decode its share of a file.
struct Share {
    path: PathBuf,
    file: File,
    decoder: Decoder,
    /// Where the next piece begins.
    begins: u64,
    spare: Receiver<Piece>,
}

impl Share {
    /// Decodes every piece that begins `step` bytes after the last one, until the end, or until nobody takes them.
    fn decode(mut self, length: usize, step: u64, to: &SyncSender<Result<Piece>>) {
        loop {
            let spare = self.spare.try_recv().unwrap_or_default();
            let piece = spare.cut(&mut self.file, self.begins, length);
            let piece = piece.map(|piece| piece.decoded(&mut self.decoder));
            let piece = piece.doing(|| format!("reading {}", self.path.display()));
            let goes_on = piece.as_ref().is_ok_and(|piece| !piece.is_last);
            if to.send(piece).is_err() || !goes_on {
                return;
            }
            self.begins += step;
        }
    }
}

impl Piece {
    /// Reads the lines that begin within `length` bytes of the file from `begins`, and all of the last one, or as much
    /// of it as shows that it is too long, into the memory of another piece.
    fn cut(self, file: &mut File, begins: u64, length: usize) -> io::Result<Piece> {
        // The byte before tells whether a line begins with the first.
        let offset = begins - 1;
        file.seek(SeekFrom::Start(offset))?;
        let Piece { mut bytes, mut lines, mut records, .. } = self;
        bytes.clear();
        lines.clear();
        records.clear();
        bytes.reserve(length + 2 * STEP);
        let mut is_last = file.take(length as u64 + 1).read_to_end(&mut bytes)? <= length;
        let first = memchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1);
        let last = memrchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1);
        while !is_last && last <= length && bytes.last() != Some(&b'\n') {
            let searched = bytes.len();
            if searched - last > LONGEST_LINE {
                break;
            }
            is_last = file.take(STEP as u64).read_to_end(&mut bytes)? < STEP;
            if let Some(at) = memchr(b'\n', &bytes[searched..]) {
                is_last = false;
                bytes.truncate(searched + at + 1);
            }
        }
        Ok(Piece { bytes, offset, first, lines, records, is_last })
    }

    /// The same with the records of its lines.
    fn decoded(mut self, decoder: &mut Decoder) -> Piece {
        decoder.columns.forget_numbered();
        let mut from = self.first;
        while from < self.bytes.len() {
            from += decoder.decode_plain(&self.bytes[from..], &mut self.records).unwrap_or_else(|| {
                let len = memchr(b'\n', &self.bytes[from..]).map_or(self.bytes.len() - from, |at| at + 1);
                let line = &self.bytes[from..from + len];
                if feedless(line).len() <= LONGEST_LINE {
                    // Why it is none is for whoever takes it to say.
                    let _ = decoder.decode(text(line), &mut self.records);
                }
                len
            });
            self.lines.push((from, self.records.len()));
        }
        self
    }

    /// Where the first so many lines end in the bytes and in the records.
    fn ends(&self, lines: usize) -> (usize, usize) {
        lines.checked_sub(1).map_or((self.first, 0), |last| self.lines[last])
    }
}

/// A line without its line feed.
fn feedless(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// A line without its end.
fn text(line: &[u8]) -> &[u8] {
    let line = feedless(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
