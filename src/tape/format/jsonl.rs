use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::{Columns, quantity};
use super::record::Record;

/// Reads one object.
pub(super) fn decode(line: &[u8], columns: &mut Columns, out: &mut Vec<Record>) -> Result<(), String> {
    // The first object is looked at as a whole.
    if columns.naming().is_some()
        && let Some(record) = said(line, columns)
    {
        out.push(record);
        return Ok(());
    }
    columns.fields.clear();
    let note = |columns: &mut Columns, column, at: Range<usize>| {
        columns.fields.set(column, at.start, at.len());
        Some(())
    };
    if (Plain { line, at: 0 }).object(columns, note).is_none() {
        columns.fields.clear();
        let mut json = serde_json::Deserializer::from_slice(line);
        let object = json.deserialize_map(Object { start: line.as_ptr() as usize, columns }).and_then(|()| json.end());
        let of_array = if line.starts_with(b"[") { "; each object of an array needs a line of its own" } else { "" };
        object.map_err(|e| format!("the line is not a JSON object: {}{of_array}", without_position(&e)))?;
    }
    if columns.naming().is_none() {
        columns.check_object(line)?;
    }
    columns.records(line, out)
}

/// The record of an object as nearly all are.
fn said(line: &[u8], columns: &mut Columns) -> Option<Record> {
    columns.said.clear();
    let hear = |columns: &mut Columns, column, at: Range<usize>| {
        (columns.said.hear(column, quantity(column), line, at.start) == Some(at.len())).then_some(())
    };
    (Plain { line, at: 0 }).object(columns, hear)?;
    columns.record(line)
}

/// The bytes that stand for themselves in a text.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

/// Whether a text stands for itself between quotes.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| PLAIN[usize::from(*byte)])
}

/// Reads an object as nearly all are: of texts in ASCII without escapes, of numbers without a sign or an exponent, and
/// of nulls. Of any other object it says nothing, not even whether it is one.
struct Plain<'a> {
    line: &'a [u8],
    at: usize,
}

impl Plain<'_> {
    /// Tells which of our columns each value is of, and where in the line it stands.
    #[inline(always)]
    fn object(
        mut self,
        columns: &mut Columns,
        mut tell: impl FnMut(&mut Columns, usize, Range<usize>) -> Option<()>,
    ) -> Option<()> {
        let mut separator = b'{';
        for place in 0.. {
            self.pass(separator)?;
            self.pass(b'"')?;
            let column = match columns.expected(place) {
                // The key that other objects have there needs no look at its bytes.
                Some((key, column)) if self.line[self.at..].starts_with(key) => {
                    self.at += key.len();
                    column
                }
                _ => {
                    let key = self.text()?;
                    columns.ours_at(place, &self.line[key])
                }
            };
            self.pass(b':')?;
            self.spaces();
            let (from, first) = (self.at, self.peek()?);
            let value = match first {
                b'"' => {
                    self.at += 1;
                    self.text()?
                }
                b'0'..=b'9' => self.number()?,
                _ => {
                    self.at += b"null".len();
                    (self.line.get(from..self.at)? == b"null").then_some(0..0)?
                }
            };
            if let Some(column) = column.filter(|_| first != b'n') {
                tell(columns, column, value)?;
            }
            self.spaces();
            separator = self.peek()?;
            if separator != b',' {
                break;
            }
        }
        (self.line[self.at..] == *b"}").then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Passes over this byte, and spaces before it.
    fn pass(&mut self, byte: u8) -> Option<()> {
        self.spaces();
        self.at += 1;
        (self.line.get(self.at - 1) == Some(&byte)).then_some(())
    }

    /// The text up to a quote, and passes over that.
    fn text(&mut self) -> Option<Range<usize>> {
        let from = self.at;
        self.at += self.line[from..].iter().position(|byte| !PLAIN[usize::from(*byte)])? + 1;
        (self.line[self.at - 1] == b'"').then_some(from..self.at - 1)
    }

    fn digits(&mut self) -> usize {
        let rest = &self.line[self.at..];
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += digits;
        digits
    }

    /// Digits without a zero before them, and a point with digits behind it.
    fn number(&mut self) -> Option<Range<usize>> {
        let from = self.at;
        let is_whole = self.digits() == 1 || self.line[from] != b'0';
        if self.peek() == Some(b'.') {
            self.at += 1;
            (self.digits() > 0).then_some(())?;
        }
        (is_whole && !matches!(self.peek(), Some(b'e' | b'E'))).then_some(from..self.at)
    }
}

/// The message without serde's "at line 1 column 5": the line's number in its file is told beside it.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Notes where in the line each field's value stands, without reading it: numbers keep all their digits so.
struct Object<'a> {
    start: usize,
    columns: &'a mut Columns,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of fields")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let mut at = 0;
        while let Some(key) = map.next_key_seed(Key)? {
            let raw: &RawValue = map.next_value()?;
            let column = self.columns.ours_at(at, key.as_bytes());
            at += 1;
            let Some(column) = column else { continue };
            let text = raw.get();
            let start = text.as_ptr() as usize - self.start;
            match text.as_bytes() {
                b"null" => {}
                [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
                    self.columns.fields.set(column, start + 1, inner.len());
                }
                [b'"', ..] => {
                    let unescaped: String = serde_json::from_str(text).map_err(M::Error::custom)?;
                    self.columns.fields.set_unescaped(column, unescaped.as_bytes());
                }
                other => self.columns.fields.set(column, start, other.len()),
            }
        }
        Ok(())
    }
}

/// A key, borrowed from the line unless it has escapes.
struct Key;

impl<'de> serde::de::DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
