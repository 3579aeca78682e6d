//! Lines out of rows.

use std::io::Write as _;

use serde::Deserialize;

use super::{Columns, Field, Row, Texts};
use crate::decimal::{write_amount, write_signed, write_whole};
use crate::tick::Price;
use crate::time::EventTime;

/// The text form of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Comma-separated values under a header.
    Csv,
    /// One JSON object a line. Prices are numbers with all their digits.
    Jsonl,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Encoding; 2] = [Encoding::Csv, Encoding::Jsonl];

    /// What files in this form are called at the end.
    pub fn extension(self) -> &'static str {
        match self {
            Encoding::Csv => "csv",
            Encoding::Jsonl => "jsonl",
        }
    }

    /// The header line of rows with these columns, empty where the encoding has none.
    pub fn header(self, columns: &[&str]) -> String {
        match self {
            Encoding::Csv => columns.join(",") + "\n",
            Encoding::Jsonl => String::new(),
        }
    }

    /// Appends the row's line to `out`; `times` are those of the lines before it.
    pub fn write<R: Row>(self, row: &R, texts: &Texts, columns: &Columns, times: &mut LastTimes, out: &mut Vec<u8>) {
        let mut prices = LastPrices::default();
        columns.each(row, texts, &mut |at, field| {
            self.column(at, || columns.name(at), out);
            match field {
                Field::Time(time) => times.write(time, out),
                Field::Price(Some(price)) => prices.write(price, out),
                field => self.value(field, out),
            }
        });
        self.end_line(out);
    }

    /// Appends the line of a row that is inserted (`diff` 1) or retracted (-1) at a logical time: `time`, `diff` and
    /// then the row's columns.
    pub fn write_change<R: Row>(
        self,
        (time, diff): (EventTime, isize),
        row: &R,
        texts: &Texts,
        columns: &Columns,
        out: &mut Vec<u8>,
    ) {
        self.column(0, || Columns::OF_CHANGES[0], out);
        self.value(Field::Time(time), out);
        self.column(1, || Columns::OF_CHANGES[1], out);
        write_signed(diff as i64, out);
        columns.each(row, texts, &mut |at, field| {
            self.column(at + 2, || columns.name(at), out);
            self.value(field, out);
        });
        self.end_line(out);
    }

    /// Appends the line that says that there is no row about this any more: its key, and no value for the rest.
    pub fn write_tombstone<R: Row>(self, row: &R, texts: &Texts, columns: &Columns, out: &mut Vec<u8>) {
        columns.each(row, texts, &mut |at, field| {
            self.column(at, || columns.name(at), out);
            self.value(if at < columns.of_key { field } else { Field::Null }, out);
        });
        self.end_line(out);
    }

    /// Appends the columns that say what the row is about.
    pub fn write_key<R: Row>(self, row: &R, texts: &Texts, columns: &Columns, out: &mut Vec<u8>) {
        columns.each(row, texts, &mut |at, field| {
            if at < columns.of_key {
                self.value(field, out);
                out.push(b',');
            }
        });
    }

    /// What stands before the value of a column.
    #[inline]
    fn column(self, at: usize, name: impl FnOnce() -> &'static str, out: &mut Vec<u8>) {
        match self {
            Encoding::Csv if at > 0 => out.push(b','),
            Encoding::Csv => {}
            Encoding::Jsonl => {
                out.extend_from_slice(if at == 0 { b"{\"" } else { b",\"" });
                out.extend_from_slice(name().as_bytes());
                out.extend_from_slice(b"\":");
            }
        }
    }

    fn end_line(self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self == Encoding::Jsonl { b"}\n" } else { b"\n" });
    }

    /// Appends one value.
    #[inline]
    pub(crate) fn value(self, field: Field<'_>, out: &mut Vec<u8>) {
        match field {
            Field::Text(text) => self.text(text, out),
            Field::Time(ts) => write_signed(ts, out),
            Field::Count(count) => write_whole(count, out),
            Field::Price(Some(price)) => price.write(out),
            Field::Amount(Some(amount)) => write_amount(amount, out),
            // The shortest decimal that reads back as the same number, without an exponent. It cannot fail, either.
            Field::Real(Some(real)) if real.0.is_finite() => drop(write!(out, "{}", real.0)),
            Field::Price(None) | Field::Amount(None) | Field::Real(_) | Field::Null => {
                out.extend_from_slice(if self == Encoding::Jsonl { b"null" } else { b"" });
            }
        }
    }

    /// A text, quoted where the encoding wants it.
    pub fn text(self, text: &str, out: &mut Vec<u8>) {
        match self {
            // Writing to a vector cannot fail, and a text always has a JSON form.
            Encoding::Jsonl => drop(serde_json::to_writer(out, text)),
            Encoding::Csv if text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) => {
                let _ = write!(out, "\"{}\"", text.replace('"', "\"\""));
            }
            Encoding::Csv => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// The last two times of lines, and their texts: rows that come together are mostly about the same window.
#[derive(Clone, Default)]
pub struct LastTimes([(EventTime, [u8; LONGEST_TIME], usize); 2]);

/// No time's text is longer.
const LONGEST_TIME: usize = 20;

impl LastTimes {
    #[inline]
    fn write(&mut self, time: EventTime, out: &mut Vec<u8>) {
        let from = out.len();
        match self.0.iter().find(|(known, _, len)| *known == time && *len > 0) {
            Some((_, text, len)) => {
                out.extend_from_slice(text);
                out.truncate(from + len);
            }
            None => self.write_new(time, out),
        }
    }

    #[inline(never)]
    fn write_new(&mut self, time: EventTime, out: &mut Vec<u8>) {
        let from = out.len();
        write_signed(time, out);
        let (len, mut text) = (out.len() - from, [0; LONGEST_TIME]);
        text[..len].copy_from_slice(&out[from..]);
        self.0 = [(time, text, len), self.0[0]];
    }
}

/// The last two prices of a line, and where their texts begin and end: of a bar's five prices, few differ.
#[derive(Default)]
struct LastPrices([(Price, usize, usize); 2]);

impl LastPrices {
    #[inline]
    fn write(&mut self, price: Price, out: &mut Vec<u8>) {
        let from = out.len();
        match self.0.iter().find(|(known, begin, end)| *known == price && begin < end) {
            Some((_, begin, end)) => out.extend_from_within(*begin..*end),
            None => {
                price.write(out);
                self.0 = [(price, from, out.len()), self.0[0]];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::row::Real;

    #[test]
    fn what_is_no_number_is_nothing() {
        for real in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let text = |encoding: Encoding| {
                let mut out = Vec::new();
                encoding.value(Field::Real(Some(Real(real))), &mut out);
                String::from_utf8(out).unwrap()
            };
            assert_eq!(Encoding::ALL.map(text), ["", "null"], "{real}");
        }
    }

    proptest! {
        #[test]
        fn prices_that_come_again_are_written_again(units in prop::collection::vec(0i64..4, 0..12)) {
            let (mut prices, mut out, mut expected) = (LastPrices::default(), b"A,1,".to_vec(), "A,1,".to_owned());
            for units in units {
                prices.write(Price(units * 1_250_000_000), &mut out);
                expected += &Price(units * 1_250_000_000).to_string();
                out.push(b',');
                expected.push(',');
            }
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }

        #[test]
        fn times_that_come_again_are_written_again(
            times in prop::collection::vec(prop_oneof![-1i64..3, Just(i64::MIN), Just(i64::MAX)], 0..12),
        ) {
            let (mut last, mut out) = (LastTimes::default(), Vec::new());
            times.iter().for_each(|time| last.write(*time, &mut out));
            let expected: String = times.iter().map(i64::to_string).collect();
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
