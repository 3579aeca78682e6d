use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::Columns;
use super::record::Record;

/// Reads one object.
pub(super) fn decode(line: &[u8], columns: &mut Columns, out: &mut Vec<Record>) -> Result<(), String> {
    columns.fields.clear();
    let mut json = serde_json::Deserializer::from_slice(line);
    let object = json.deserialize_map(Object { start: line.as_ptr() as usize, columns }).and_then(|()| json.end());
    object.map_err(|e| format!("the line is not a JSON object: {}", without_position(&e)))?;
    if columns.naming().is_none() {
        columns.check_object(line)?;
    }
    columns.records(line, out)
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
            let column = self.columns.ours_at(at, &key);
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
