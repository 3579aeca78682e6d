//! Rows: what a pipeline makes, as fields. From the fields come its CSV and JSON lines and its digest.

use std::io::Write as _;
use std::sync::Arc;

use crate::tick::{Price, Symbol, mix, stable_hash};
use crate::time::EventTime;
use crate::window::Window;

/// One value of a row.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// A symbol's text.
    Symbol(&'a str),
    /// Nanoseconds since the epoch.
    Time(EventTime),
    /// A price, or none.
    Price(Option<Price>),
    /// A count of something.
    Count(u64),
}

/// A result. Rows of one pipeline are sorted by [`Row::key`], the symbol by its text.
pub trait Row: Clone + Ord + std::fmt::Debug + 'static {
    /// What such rows are called, in the plural: the name of their file.
    const NAME: &'static str;

    /// The columns' names, in the order of [`Row::fields`].
    fn columns() -> Vec<&'static str>;

    /// What the row is about: there is at most one row for a key in the end.
    fn key(&self) -> (EventTime, Symbol);

    /// The window it speaks of.
    fn window(&self) -> Window;

    /// Hands over each column's value; `symbol` is the text of the key's symbol.
    fn fields(&self, symbol: &str, give: &mut dyn FnMut(Field<'_>));

    /// A hash of the row's content, the same in every process. A run's digest is the wrapping sum of its
    /// final rows' hashes, so that it depends on no order; a retraction subtracts.
    fn digest(&self, symbol: &str) -> u64 {
        let mut hash: u64 = 0x7461_7065_666c_6f77;
        self.fields(symbol, &mut |field| {
            let word = match field {
                Field::Symbol(text) => stable_hash(text.as_bytes()),
                Field::Time(ts) => ts as u64,
                Field::Price(Some(price)) => mix(price.0 as u64),
                Field::Price(None) => u64::MAX,
                Field::Count(count) => count,
            };
            hash = mix(hash.rotate_left(5) ^ word);
        });
        hash
    }
}

/// The text form of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Comma-separated values under a header.
    Csv,
    /// One JSON object a line. Prices are numbers with all their digits.
    Jsonl,
}

impl Encoding {
    /// The header line of rows with these columns, empty where the encoding has none.
    pub fn header(self, columns: &[&str]) -> String {
        match self {
            Encoding::Csv => columns.join(",") + "\n",
            Encoding::Jsonl => String::new(),
        }
    }

    /// Appends the row's line to `out`.
    pub fn write<R: Row>(self, row: &R, symbol: &str, columns: &[&str], out: &mut Vec<u8>) {
        let mut column = 0;
        row.fields(symbol, &mut |field| {
            match self {
                Encoding::Csv if column > 0 => out.push(b','),
                Encoding::Csv => {}
                Encoding::Jsonl => {
                    out.extend_from_slice(if column == 0 { b"{\"" } else { b",\"" });
                    out.extend_from_slice(columns[column].as_bytes());
                    out.extend_from_slice(b"\":");
                }
            }
            self.value(field, out);
            column += 1;
        });
        out.extend_from_slice(if self == Encoding::Jsonl { b"}\n" } else { b"\n" });
    }

    /// Appends one value.
    pub(crate) fn value(self, field: Field<'_>, out: &mut Vec<u8>) {
        match field {
            Field::Symbol(text) => self.text(text, out),
            Field::Time(ts) => out.extend_from_slice(itoa::Buffer::new().format(ts).as_bytes()),
            Field::Count(count) => out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes()),
            Field::Price(Some(price)) => price.write(out),
            Field::Price(None) if self == Encoding::Jsonl => out.extend_from_slice(b"null"),
            Field::Price(None) => {}
        }
    }

    /// A text, quoted where the encoding wants it.
    pub fn text(self, text: &str, out: &mut Vec<u8>) {
        match self {
            // Writing to a vector cannot fail, and a text always has a JSON form.
            Encoding::Jsonl => drop(serde_json::to_writer(out, text)),
            Encoding::Csv if text.contains([',', '"', '\n', '\r']) => {
                let _ = write!(out, "\"{}\"", text.replace('"', "\"\""));
            }
            Encoding::Csv => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// A worker's own copy of the symbols' texts, so that a row costs no lock.
#[derive(Debug, Default)]
pub struct Texts(Vec<Arc<str>>);

impl Texts {
    /// The text of a symbol, asking the shared table only for symbols that are new to this worker.
    pub fn get(&mut self, symbol: Symbol, names: &crate::tick::Names) -> &Arc<str> {
        if symbol.0 as usize >= self.0.len() {
            self.0 = names.all();
        }
        &self.0[symbol.0 as usize]
    }
}
