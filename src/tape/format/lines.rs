use std::io::Read;
use std::ops::Range;

use memchr::memchr;

/// Lines longer than this are rejected, and skipped to their end.
pub const LONGEST_LINE: usize = 1 << 20;

const CHUNK: usize = 1 << 17;

/// How much of a line that is too long is kept.
const BEGINNING: usize = 256;

/// Reads lines from bytes that arrive in pieces, counting them from one.
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
    beginning: Vec<u8>,
}

/// What [`Lines::next_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its line end (LF or CRLF); the last one may lack it.
    Text(&'a [u8]),
    /// The beginning of a line longer than [`LONGEST_LINE`]; the rest of it was skipped.
    TooLong(&'a [u8]),
}

impl Lines {
    /// Lines of `reader`. A byte order mark at the beginning is passed over.
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        Lines {
            reader,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            read: 0,
            line: 0,
            last: 0..0,
            ended: false,
            beginning: Vec::new(),
        }
    }

    /// Lines of a reader that stands at `position` of its input, behind so many lines.
    pub fn resume(reader: Box<dyn Read + Send>, (position, line): (u64, u64)) -> Self {
        Lines { read: position, line, ..Lines::new(reader) }
    }

    /// Where the next line begins, in bytes, and how many lines lie before it.
    pub fn position(&self) -> (u64, u64) {
        (self.read - (self.end - self.start) as u64, self.line)
    }

    /// The number of the line that was returned last, counted from one.
    pub fn number(&self) -> u64 {
        self.line
    }

    /// The line that was returned last, until the next one is asked for.
    pub fn last(&self) -> &[u8] {
        &self.buffer[self.last.clone()]
    }

    /// Whether a whole line is here already, so that [`Lines::next_line`] would not wait for the reader.
    pub fn is_buffered(&self) -> bool {
        memchr(b'\n', &self.buffer[self.start..self.end]).is_some()
    }

    /// The next line, or `None` at the end.
    ///
    /// # Errors
    /// Whatever the reader says.
    pub fn next_line(&mut self) -> std::io::Result<Option<Line<'_>>> {
        let (mut searched, mut too_long) = (0, false);
        loop {
            let newline = memchr(b'\n', &self.buffer[self.start + searched..self.end]).map(|at| searched + at);
            let len = newline.unwrap_or(self.end - self.start);
            if len > LONGEST_LINE && !too_long {
                too_long = true;
                self.beginning = self.buffer[self.start..self.start + BEGINNING].to_vec();
            }
            let is_whole = newline.is_some() || (self.ended && (len > 0 || too_long));
            if is_whole && too_long {
                self.take(len, newline.is_some().into());
                return Ok(Some(Line::TooLong(&self.beginning)));
            } else if is_whole {
                return Ok(Some(Line::Text(self.take(len, newline.is_some().into()))));
            } else if self.ended {
                return Ok(None);
            }
            if too_long {
                self.start = self.end;
            }
            searched = self.end - self.start;
            self.read_more()?;
        }
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

    fn read_more(&mut self) -> std::io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
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
mod tests {
    use super::*;

    /// Gives its bytes in pieces of `step`.
    struct Dribble(std::io::Cursor<Vec<u8>>, usize);

    impl Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let n = self.1.min(out.len());
            self.0.read(&mut out[..n])
        }
    }

    fn lines(text: &[u8], step: usize) -> Vec<String> {
        let mut lines = Lines::new(Box::new(Dribble(std::io::Cursor::new(text.to_vec()), step)));
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(match line {
                Line::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Line::TooLong(text) => format!("too long: {}", String::from_utf8_lossy(&text[..3])),
            });
        }
        found
    }

    #[test]
    fn lines_do_not_depend_on_how_the_bytes_arrive() {
        let long = "x".repeat(LONGEST_LINE + 7);
        let text = format!("\u{feff}a,b\r\n\n1,2\n{long}\nlast");
        for step in [1_000, 65_536, 1 << 24] {
            assert_eq!(lines(text.as_bytes(), step), ["a,b", "", "1,2", "too long: xxx", "last"], "step {step}");
        }
        assert_eq!(lines(b"a\nb\n", 1), ["a", "b"]);
        assert_eq!(lines(b"", 1), [""; 0]);
    }
}
