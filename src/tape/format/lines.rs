use std::io::Read;
use std::ops::Range;
use std::slice::ChunksExact;

use memchr::memchr;
use memchr::memmem::Finder;

use super::Format;
use super::bin::{self, Head};

/// Lines longer than this are rejected, and skipped to their end.
pub const LONGEST_LINE: usize = 1 << 20;

const CHUNK: usize = 1 << 17;

/// How much of a line that is too long is kept.
pub(super) const BEGINNING: usize = 256;

/// Reads lines from bytes that arrive in pieces, counting them from one. Of the binary form, a block's head is a line,
/// and so is each of its records.
pub struct Lines {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes that the reader gave so far.
    read: u64,
    line: u64,
    last: Range<usize>,
    ended: bool,
    /// Bytes come by [`Lines::push`] alone.
    is_pushed: bool,
    /// The line at the start is longer than [`LONGEST_LINE`], and this is its beginning.
    too_long: bool,
    beginning: Vec<u8>,
    /// Whether it is in blocks, once that is known: then what is between two of them is no line of text, and in lines
    /// of text no block begins.
    is_binary: Option<bool>,
    /// Records of the block at the start that are still to come, and their width.
    records: usize,
    width: usize,
    /// The number that is given from outside, and stays.
    numbered: Option<u64>,
}

/// Where reading stands in an input: the default is its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    /// In bytes.
    pub bytes: u64,
    line: u64,
    is_binary: Option<bool>,
    records: usize,
    width: usize,
}

impl Position {
    /// Behind so many rows of a file that has no lines.
    pub(super) fn at_row(rows: u64) -> Self {
        Position { line: rows, ..Position::default() }
    }

    /// In a file of text, behind so many bytes and lines.
    pub(super) fn of_text(bytes: u64, lines: u64) -> Self {
        Position { bytes, line: lines, ..Position::default() }
    }

    /// How many lines or rows are before it.
    pub(super) fn rows(&self) -> u64 {
        self.line
    }
}

/// What [`Lines::next_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its line end (LF or CRLF); the last one may lack it.
    Text(&'a [u8]),
    /// The beginning of a line longer than [`LONGEST_LINE`]; the rest of it was skipped.
    TooLong(&'a [u8]),
    /// Bytes that are no line, and why; they were skipped.
    Broken(String, &'a [u8]),
}

impl Lines {
    /// Lines of `reader` in this format, or in the one that the first byte shows. A byte order mark at the beginning is
    /// passed over.
    pub fn new(reader: Box<dyn Read + Send>, format: Option<Format>) -> Self {
        Lines {
            reader,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            read: 0,
            line: 0,
            last: 0..0,
            ended: false,
            is_pushed: false,
            too_long: false,
            beginning: Vec::new(),
            is_binary: format.map(|format| format == Format::Bin),
            records: 0,
            width: 0,
            numbered: None,
        }
    }

    /// Lines of bytes that are [pushed](Lines::push). [`Lines::next_line`] is asked only when one is buffered.
    pub fn pushed(format: Option<Format>) -> Self {
        Lines { is_pushed: true, ..Lines::new(Box::new(std::io::empty()), format) }
    }

    /// Lines of a reader that stands at `position` of its input.
    pub fn resume(reader: Box<dyn Read + Send>, format: Option<Format>, position: Position) -> Self {
        let Position { bytes, line, is_binary, records, width } = position;
        let lines = Lines::new(reader, format);
        Lines { read: bytes, line, is_binary: lines.is_binary.or(is_binary), records, width, ..lines }
    }

    /// Where the next line begins.
    pub fn position(&self) -> Position {
        let (line, is_binary, records, width) = (self.line, self.is_binary, self.records, self.width);
        Position { bytes: self.read - (self.end - self.start) as u64, line, is_binary, records, width }
    }

    /// Adds bytes that have arrived. All lines that were buffered must have been taken.
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.buffer[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
        self.read += bytes.len() as u64;
    }

    /// All lines from here on have this number, such as an offset.
    pub fn number_all(&mut self, number: u64) {
        self.numbered = Some(number);
    }

    /// Takes out what is left where no whole line is buffered.
    pub fn take_rest(&mut self) -> Option<&[u8]> {
        let from = self.start;
        self.start = self.end;
        (from < self.end || std::mem::take(&mut self.too_long)).then(|| &self.buffer[from..self.end])
    }

    /// The number of the line that was returned last, counted from one.
    pub fn number(&self) -> u64 {
        self.numbered.unwrap_or(self.line)
    }

    /// The number of the line that comes next.
    pub fn next_number(&self) -> u64 {
        self.numbered.unwrap_or(self.line + 1)
    }

    /// The line that was returned last, until the next one is asked for.
    pub fn last(&self) -> &[u8] {
        &self.buffer[self.last.clone()]
    }

    /// Whether a whole line is here already, so that [`Lines::next_line`] would not wait for the reader.
    pub fn is_buffered(&mut self) -> bool {
        let is_binary = self.is_binary();
        let bytes = &self.buffer[self.start..self.end];
        if self.records > 0 {
            return true;
        }
        if is_binary {
            return match bin::head(bytes) {
                Head::Short => false,
                Head::Broken(_) => Finder::new(&bin::MARK).find(bytes).is_some() || bytes.len() > LONGEST_LINE,
                Head::Block { head, records, width } => bytes.len() >= head + records * width,
            };
        }
        let newline = memchr(b'\n', bytes);
        self.look_at_length(newline);
        newline.is_some()
    }

    /// The next line, or `None` at the end.
    ///
    /// # Errors
    /// Whatever the reader says.
    #[inline]
    pub fn next_line(&mut self) -> std::io::Result<Option<Line<'_>>> {
        // A line of text of which all is here, as nearly all are.
        if self.is_binary == Some(false)
            && !self.too_long
            && let Some(len) = memchr(b'\n', &self.buffer[self.start..self.end]).filter(|len| *len <= LONGEST_LINE)
        {
            return Ok(Some(Line::Text(self.take(len, 1))));
        }
        self.look_for_line()
    }

    /// So many of the next records of the block at the start, as far as they are here.
    pub(super) fn records(&self, at_most: usize) -> ChunksExact<'_, u8> {
        let bytes = &self.buffer[self.start..self.end];
        bytes[..bytes.len().min(self.width * self.records.min(at_most))].chunks_exact(self.width.max(1))
    }

    /// Takes the next so many of them.
    pub(super) fn take_records(&mut self, count: usize) {
        self.go_to(self.start + count * self.width, self.records - count, self.line + count as u64);
    }

    /// Gives the last so many of them back.
    pub(super) fn give_back(&mut self, count: usize) {
        self.go_to(self.start - count * self.width, self.records + count, self.line - count as u64);
    }

    fn go_to(&mut self, start: usize, records: usize, line: u64) {
        (self.start, self.records, self.line) = (start, records, line);
        self.last = start.saturating_sub(self.width)..start;
    }

    fn look_for_line(&mut self) -> std::io::Result<Option<Line<'_>>> {
        if self.start == self.end && self.records == 0 && !self.ended {
            self.read_more()?;
        }
        if self.is_binary() {
            return self.next_of_block();
        }
        let mut searched = 0;
        loop {
            let newline = memchr(b'\n', &self.buffer[self.start + searched..self.end]).map(|at| searched + at);
            let len = newline.unwrap_or(self.end - self.start);
            self.look_at_length(newline);
            let is_whole = newline.is_some() || (self.ended && (len > 0 || self.too_long));
            if is_whole && std::mem::take(&mut self.too_long) {
                self.take(len.min(self.end - self.start), newline.is_some().into());
                return Ok(Some(Line::TooLong(&self.beginning)));
            } else if is_whole {
                return Ok(Some(Line::Text(self.take(len, newline.is_some().into()))));
            } else if self.ended {
                return Ok(None);
            }
            searched = self.end - self.start;
            self.read_more()?;
        }
    }

    /// Whether it is in blocks; where nobody told, the first byte there is does.
    fn is_binary(&mut self) -> bool {
        if self.is_binary.is_none() && self.start < self.end {
            self.is_binary = Some(self.buffer[self.start] == bin::MARK[0]);
        }
        self.is_binary == Some(true)
    }

    /// Notes when the line at the start is too long; as long as its end is not in sight, nothing of it is kept.
    fn look_at_length(&mut self, newline: Option<usize>) {
        if !self.too_long && newline.unwrap_or(self.end - self.start) > LONGEST_LINE {
            self.too_long = true;
            self.beginning = self.buffer[self.start..self.start + BEGINNING].to_vec();
        }
        if self.too_long && newline.is_none() {
            self.start = self.end;
        }
    }

    /// The next record, or the next block's head, once all of the block is here.
    fn next_of_block(&mut self) -> std::io::Result<Option<Line<'_>>> {
        if self.records > 0 {
            // A file that was closed in the middle of a block is read from there, and may have been cut meanwhile.
            self.read_at_least(self.width)?;
            if self.end - self.start < self.width {
                let left = std::mem::take(&mut self.records);
                return self.skip_to_block(format!("the last {left} records of the block are cut off"));
            }
            self.records -= 1;
            return Ok(Some(Line::Text(self.take_block(self.width))));
        }
        let broken = loop {
            let bytes = &self.buffer[self.start..self.end];
            let wanted = match bin::head(bytes) {
                Head::Broken(why) => break why.to_owned(),
                Head::Short if self.ended && bytes.is_empty() => return Ok(None),
                Head::Short if self.ended => break "the block is cut off in its head".to_owned(),
                Head::Short => bin::HEAD,
                Head::Block { head, records, width } => {
                    let length = head + records * width;
                    if bytes.len() >= length {
                        if !bin::is_sound(&bytes[..length]) {
                            break format!("the checksum of this block of {records} records is wrong");
                        }
                        (self.records, self.width) = (records, width);
                        return Ok(Some(Line::Text(self.take_block(head))));
                    }
                    if self.ended {
                        break format!("this block of {records} records is cut off");
                    }
                    length
                }
            };
            self.read_at_least(wanted)?;
        };
        self.skip_to_block(broken)
    }

    /// Passes over the first byte and all that follow, up to the next mark.
    fn skip_to_block(&mut self, why: String) -> std::io::Result<Option<Line<'_>>> {
        self.beginning = self.buffer[self.start..self.end.min(self.start + BEGINNING)].to_vec();
        let mark = Finder::new(&bin::MARK);
        self.start += 1;
        loop {
            if let Some(at) = mark.find(&self.buffer[self.start..self.end]) {
                self.start += at;
                break;
            }
            // The end may be the beginning of a mark.
            let kept = if self.ended { 0 } else { bin::MARK.len() - 1 };
            self.start = self.start.max(self.end.saturating_sub(kept));
            if self.ended || self.is_pushed {
                break;
            }
            self.read_more()?;
        }
        self.line += 1;
        self.last = self.start..self.start;
        Ok(Some(Line::Broken(why, &self.beginning)))
    }

    fn read_at_least(&mut self, length: usize) -> std::io::Result<()> {
        while self.end - self.start < length && !self.ended {
            self.read_more()?;
        }
        Ok(())
    }

    /// Hands out the line of `len` bytes at the start, and passes over its `terminator` bytes.
    fn take(&mut self, len: usize, terminator: usize) -> &[u8] {
        let from = self.start;
        self.start += len + terminator;
        self.line += 1;
        let line = &self.buffer[from..from + len];
        let mark = if self.line == 1 && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        self.last = from + mark..from + len - usize::from(line[mark..].ends_with(b"\r"));
        self.last()
    }

    /// Hands out so many bytes of a block.
    fn take_block(&mut self, len: usize) -> &[u8] {
        self.last = self.start..self.start + len;
        self.start += len;
        self.line += 1;
        self.last()
    }

    fn make_room(&mut self, room: usize) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.buffer.len() - self.end < room {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }

    fn read_more(&mut self) -> std::io::Result<()> {
        self.make_room(CHUNK / 2);
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    self.end += n;
                    self.read += n as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
