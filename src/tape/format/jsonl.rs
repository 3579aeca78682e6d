use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::{Columns, Known, Quantity, is_name};
use super::lines::LONGEST_LINE;
use super::record::Record;

/// Reads one object.
pub(super) fn decode(line: &[u8], columns: &mut Columns, out: &mut Vec<Record>) -> Result<(), String> {
    if decode_plain(line, columns, out).is_some() {
        return Ok(());
    }
    columns.fields.clear();
    let note = |columns: &mut Columns, plain: &Plain<'_>, known: Option<Known>, is_text| {
        let value = if is_text { plain.text()? } else { plain.number()? };
        known.into_iter().for_each(|known| columns.fields.set(known.column(), plain.at, value));
        Some(value)
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

/// Reads the object with which this text begins, if it is as nearly all are, and returns how long it is with the end of
/// its line.
pub(super) fn decode_plain(text: &[u8], columns: &mut Columns, out: &mut Vec<Record>) -> Option<usize> {
    // The first object is looked at as a whole.
    columns.naming()?;
    let len = match expected(text, columns)? {
        Some(len) => len,
        None => {
            let mut filled = 0;
            let len = (Plain { line: text, at: 0 }).object(columns, |columns, plain, known, is_text| {
                hear(columns, known, &text[plain.at..], plain.at, is_text, &mut filled)
            })?;
            columns.said.filled = filled;
            len
        }
    };
    (len <= LONGEST_LINE).then_some(())?;
    columns.record(text, out)?;
    Some(len)
}

/// Reads an object that has before each of its values what others have there, and returns how long it is with the end of
/// its line; `Some(None)` if it has something else there, and `None` if a value is odd.
#[inline(always)]
fn expected(text: &[u8], columns: &mut Columns) -> Option<Option<usize>> {
    let (mut rest, mut filled) = (text, 0);
    for nth in 0.. {
        let Some((known, behind)) = columns.expected.before(nth, rest) else { break };
        let (value, is_text) = match behind {
            [b'"', value @ ..] => (value, true),
            [b'n', ..] => {
                rest = behind.strip_prefix(b"null")?;
                continue;
            }
            _ => (behind, false),
        };
        let len = hear(columns, known, value, text.len() - value.len(), is_text, &mut filled)?;
        rest = value.get(len..)?;
        if is_text {
            rest = rest.strip_prefix(b"\"")?;
        }
    }
    columns.said.filled = filled;
    Some(end(rest).map(|end| text.len() - rest.len() + end))
}

/// Takes the value with which this text begins, which stands between quotes or does not, and returns how long it is. Its
/// column is filled then, unless it is nothing.
#[inline(always)]
fn hear(
    columns: &mut Columns,
    known: Option<Known>,
    rest: &[u8],
    at: usize,
    is_text: bool,
    filled: &mut u32,
) -> Option<usize> {
    let plain = Plain { line: rest, at: 0 };
    let Some(known) = known else { return if is_text { plain.text() } else { plain.number() } };
    let (len, bit) = columns.said.hear(known, rest, at)?;
    // Of a name that is there twice the last value counts, which may be an empty one.
    (*filled & known.bit == 0).then_some(())?;
    *filled |= bit;
    let is_right = match (is_text, known.quantity) {
        // Names are looked up, and those that have escapes in them are none. Other texts are taken as they are.
        (true, Some(Quantity::Text)) => is_name(known.column()) || plain.text() == Some(len),
        (false, Some(Quantity::Text)) => false,
        (true, _) => true,
        (false, _) => plain.is_number(len),
    };
    is_right.then_some(len)
}

/// How long the end of an object is, with that of its line.
#[inline(always)]
fn end(text: &[u8]) -> Option<usize> {
    match text {
        [b'}', b'\n', ..] => Some(2),
        b"}" => Some(1),
        [b'}', b'\r', b'\n', ..] => Some(3),
        _ => None,
    }
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

/// Reads an object as nearly all are: of texts in ASCII without escapes, of numbers without a sign or an exponent, and
/// of nulls. Of any other object it says nothing, not even whether it is one.
struct Plain<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Plain<'a> {
    /// Tells which of our columns each value is of, where it begins, and whether it is a text; what is told says how long
    /// it is. Returns how long the object is, with the end of its line.
    #[inline(always)]
    fn object(
        mut self,
        columns: &mut Columns,
        mut tell: impl FnMut(&mut Columns, &Plain<'a>, Option<Known>, bool) -> Option<usize>,
    ) -> Option<usize> {
        for place in 0.. {
            let known = match columns.expected.before(place, &self.line[self.at..]) {
                Some((known, behind)) => {
                    self.at = self.line.len() - behind.len();
                    known
                }
                None => self.name(place, columns)?,
            };
            self.spaces();
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    self.at += tell(columns, &self, known, true)? + 1;
                    (self.line.get(self.at - 1) == Some(&b'"')).then_some(())?;
                }
                b'0'..=b'9' => self.at += tell(columns, &self, known, false)?,
                _ => {
                    let from = self.at;
                    self.at += b"null".len();
                    (self.line.get(from..self.at)? == b"null").then_some(())?;
                }
            }
            self.spaces();
            if self.peek()? != b',' {
                break;
            }
        }
        end(self.line.get(self.at..)?).map(|end| self.at + end)
    }

    /// Reads the name before a value, with what is around it, and remembers it for other objects.
    fn name(&mut self, place: usize, columns: &mut Columns) -> Option<Option<Known>> {
        let from = self.at;
        self.pass(if place == 0 { b'{' } else { b',' })?;
        self.pass(b'"')?;
        let key = self.at..self.at + self.text()?;
        self.at = key.end;
        self.pass(b'"')?;
        self.pass(b':')?;
        let known = columns.ours(std::str::from_utf8(&self.line[key]).ok()?).map(Known::of);
        columns.expected.learn(place, &self.line[from..self.at], known);
        Some(known)
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    #[inline(always)]
    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Passes over this byte, and spaces before it.
    #[inline(always)]
    fn pass(&mut self, byte: u8) -> Option<()> {
        self.spaces();
        self.at += 1;
        (self.line.get(self.at - 1) == Some(&byte)).then_some(())
    }

    /// How long the text is up to a quote.
    fn text(&self) -> Option<usize> {
        let rest = &self.line[self.at..];
        let len = rest.iter().position(|byte| !PLAIN[usize::from(*byte)])?;
        (rest[len] == b'"').then_some(len)
    }

    /// How long the number is that begins here.
    fn number(&self) -> Option<usize> {
        let end = |from: usize| {
            let rest = self.line.get(from..).unwrap_or_default();
            from + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
        };
        let whole = end(self.at);
        let len = if self.line.get(whole) == Some(&b'.') { end(whole + 1) } else { whole } - self.at;
        self.is_number(len).then_some(len)
    }

    /// Whether so many bytes are a number that does not go on: digits without a zero before them, and a point with digits
    /// behind it. They are digits and one point at most.
    #[inline(always)]
    fn is_number(&self, len: usize) -> bool {
        if matches!(self.line.get(self.at + len), Some(b'.' | b'e' | b'E')) {
            return false;
        }
        match &self.line[self.at..self.at + len] {
            [b'.', ..] | [.., b'.'] | [b'0', b'0'..=b'9', ..] => false,
            digits => !digits.is_empty(),
        }
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
        while let Some(key) = map.next_key_seed(Key)? {
            let raw: &RawValue = map.next_value()?;
            let Some(column) = self.columns.ours(&key) else { continue };
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
