use memchr::memchr;

use super::columns::{Columns, Known, field};
use super::eight::{Eight, before};
use super::fields::Fields;
use super::lines::LONGEST_LINE;
use super::record::Record;

/// The columns of a CSV file, by position: which of ours each one is, if any, and what it holds.
#[derive(Clone)]
pub(super) struct Header(Vec<Column>);

#[derive(Clone, Copy)]
struct Column {
    known: Option<Known>,
    /// What stands behind its fields.
    end: u8,
}

const LINE_FEED: u8 = b'\n';

/// What is behind the end of a line that has no mere line feed.
fn unusual_end(text: &[u8]) -> Option<&[u8]> {
    match text {
        [] => Some(text),
        [b'\r', b'\n', next @ ..] => Some(next),
        _ => None,
    }
}

impl Header {
    /// Reads the header line.
    pub fn parse(line: &[u8], columns: &mut Columns) -> Result<Header, String> {
        let text = std::str::from_utf8(line).map_err(|_| "the header is not UTF-8")?;
        if text.contains('\r') {
            return Err("the header has a carriage return in it: lines must end in \\n or \\r\\n".into());
        }
        if let Some(other) = [';', '\t', '|'].into_iter().find(|other| !text.contains(',') && text.contains(*other)) {
            return Err(format!("the header's names are separated by {other:?}: only commas are read"));
        }
        let names = text.split(',').map(|name| name.trim().trim_matches('"'));
        let ours = columns.header(names, text)?;
        let mut header: Vec<_> =
            ours.into_iter().map(|column| Column { known: column.map(Known::of), end: b',' }).collect();
        if let Some(last) = header.last_mut() {
            last.end = LINE_FEED;
        }
        Ok(Header(header))
    }

    /// Reads one line of values.
    pub fn decode(&self, line: &[u8], columns: &mut Columns, out: &mut Vec<Record>) -> Result<(), String> {
        if line.is_empty() {
            return Err("the line is empty".into());
        }
        if self.decode_plain(line, columns, out).is_some() {
            return Ok(());
        }
        columns.fields.clear();
        let count = match self.plain(line, &mut columns.fields) {
            Some(count) => count,
            None => {
                columns.fields.clear();
                self.quoted(line, &mut columns.fields)?
            }
        };
        if count != self.0.len() {
            return Err(format!("the line has {count} fields where the header has {}", self.0.len()));
        }
        columns.records(line, out)
    }

    /// Reads the line with which this text begins, if it is as nearly all are, and returns how long it is with its end.
    #[inline]
    pub fn decode_plain(&self, text: &[u8], columns: &mut Columns, out: &mut Vec<Record>) -> Option<usize> {
        let (mut rest, mut filled) = (text, 0);
        for column in &self.0 {
            let (len, bit) = match column.known {
                // Many columns are empty in nearly all lines.
                _ if rest.first() == Some(&column.end) => (0, 0),
                Some(known) => columns.said.hear(known, rest, text.len() - rest.len())?,
                None => (field(rest), 0),
            };
            filled |= bit;
            let behind = rest.get(len..)?;
            rest = match behind.split_first() {
                Some((byte, behind)) if *byte == column.end => behind,
                _ if column.end == LINE_FEED => unusual_end(behind)?,
                _ => return None,
            };
        }
        columns.said.filled = filled;
        let len = text.len() - rest.len();
        (len <= LONGEST_LINE).then_some(())?;
        columns.record(text, out)?;
        Some(len)
    }

    /// Notes the fields of a line and returns how many there are; `None` if it has a quote.
    #[inline]
    fn plain(&self, line: &[u8], fields: &mut Fields) -> Option<usize> {
        let (mut at, mut count) = (0, 0);
        let mut note = |end: usize| {
            // Many columns are empty in nearly all lines.
            if end > at
                && let Some(known) = self.0.get(count).and_then(|column| column.known)
            {
                fields.set(known.column(), at, end - at);
            }
            count += 1;
            at = end + 1;
        };
        let is_plain = commas(line, &mut note);
        note(line.len());
        is_plain.then_some(count)
    }

    /// The same of one in which a field may be quoted.
    fn quoted(&self, line: &[u8], fields: &mut Fields) -> Result<usize, String> {
        let (mut at, mut count) = (0, 0);
        loop {
            let column = self.0.get(count).and_then(|column| column.known).map(Known::column);
            let next = match line.get(at) {
                Some(b'"') => quoted(line, at, column, fields)?,
                _ => {
                    let end = memchr(b',', &line[at..]).map_or(line.len(), |i| at + i);
                    if let Some(column) = column {
                        fields.set(column, at, end - at);
                    }
                    end
                }
            };
            count += 1;
            if next >= line.len() {
                return Ok(count);
            }
            at = next + 1;
        }
    }
}

/// Tells the places of all commas, one after the other, and returns whether there is no quote. A search for each of them
/// would cost more than fields are long.
#[inline]
fn commas(line: &[u8], mut tell: impl FnMut(usize)) -> bool {
    let (eights, rest) = line.as_chunks();
    let mut quotes = 0;
    for (i, eight) in eights.iter().enumerate() {
        let eight = Eight::of(*eight);
        quotes |= eight.equal_to(b'"');
        let mut found = eight.equal_to(b',');
        while found != 0 {
            tell(8 * i + before(found));
            found &= found - 1;
        }
    }
    for (i, byte) in rest.iter().enumerate() {
        match byte {
            b',' => tell(8 * eights.len() + i),
            b'"' => quotes |= 1,
            _ => {}
        }
    }
    quotes == 0
}

/// Reads the quoted field that begins at `at` and returns where it ends.
fn quoted(line: &[u8], at: usize, column: Option<usize>, fields: &mut Fields) -> Result<usize, String> {
    let mut text = Vec::new();
    let mut from = at + 1;
    loop {
        let quote = memchr(b'"', &line[from..]).ok_or("a quoted field is not closed")? + from;
        text.extend_from_slice(&line[from..quote]);
        match line.get(quote + 1) {
            Some(b'"') => text.push(b'"'),
            None | Some(b',') => {
                if let Some(column) = column {
                    fields.set_unescaped(column, &text);
                }
                return Ok(quote + 1);
            }
            Some(_) => return Err("a quoted field goes on after its quote".into()),
        }
        from = quote + 2;
    }
}
