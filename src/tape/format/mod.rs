//! Formats: lines of text, or rows, to records. A new format is a new file here and a line in [`Format`].

mod ahead;
pub mod bin;
mod coder;
mod columns;
mod csv;
#[cfg(feature = "dbn")]
mod dbn;
mod eight;
mod encode;
mod fields;
mod ids;
mod input;
mod jsonl;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod record;
pub mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use ahead::{Ahead, Pieces};
pub use bin::BlockEncoder;
pub use coder::Coder;
pub use columns::{COLUMNS, Columns, Naming};
pub use encode::{Encoder, FEED_COLUMNS};
pub use input::{Input, Rejected, Rows};
pub use lines::{LONGEST_LINE, Line, Lines, Position};
pub use record::{Record, Short};

use crate::error::Error;
use crate::tick::Names;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values; the first line names the columns.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Our compact binary form: see [`bin`].
    Bin,
    /// Parquet: columns of values, in groups of rows. Read and written with the feature `parquet`.
    Parquet,
    /// DBN: Databento's messages, compressed with zstd or not. Read with the feature `dbn`.
    Dbn,
}

impl Format {
    /// The format that a file's extension tells, if it does.
    pub fn of(path: &Path) -> Option<Format> {
        match uncompressed(path).extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
            "bin" => Some(Format::Bin),
            "parquet" | "pq" => Some(Format::Parquet),
            "dbn" => Some(Format::Dbn),
            _ => None,
        }
    }

    /// The format that the first line shows.
    fn shown_by(line: &[u8]) -> Format {
        match line {
            [b'{', ..] => Format::Jsonl,
            _ if line.starts_with(&bin::MARK) => Format::Bin,
            _ => Format::Csv,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "CSV",
            Format::Jsonl => "JSON lines",
            Format::Bin => "bin",
            Format::Parquet => "Parquet",
            Format::Dbn => "DBN",
        }
    }

    /// What files in this format are called at the end.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
            Format::Bin => "bin",
            Format::Parquet => "parquet",
            Format::Dbn => "dbn",
        }
    }
}

/// A path without the `.zst` that compressed DBN has behind its extension.
pub fn uncompressed(path: &Path) -> PathBuf {
    let ends_in = |path: &Path, ending: &str| path.extension().is_some_and(|end| end.eq_ignore_ascii_case(ending));
    let inner = path.with_extension("");
    if ends_in(path, "zst") && ends_in(&inner, "dbn") { inner } else { path.into() }
}

/// Turns the lines of one input into records.
pub struct Decoder {
    format: Option<Format>,
    columns: Columns,
    header: Option<csv::Header>,
    block: Option<bin::Block>,
}

impl Decoder {
    /// A decoder of lines in `format`, or in the one that the first line shows.
    pub fn new(format: Option<Format>, columns: Columns) -> Self {
        Decoder { format, columns, header: None, block: None }
    }

    /// Decodes one line and appends its records: one for a tick, four for a bar, none for the header.
    ///
    /// # Errors
    /// The reason for which the line is rejected.
    pub fn decode(&mut self, line: &[u8], out: &mut Vec<Record>) -> std::result::Result<(), String> {
        let format = match self.format {
            Some(format) => format,
            None => *self.format.insert(Format::shown_by(line)),
        };
        match format {
            Format::Jsonl => jsonl::decode(line, &mut self.columns, out),
            Format::Bin => {
                if let Some(block) = self.block.as_mut().filter(|block| block.left > 0) {
                    out.push(block.decode(line, &mut self.columns)?);
                } else {
                    self.block = Some(bin::Block::parse(line, &mut self.columns)?);
                }
                Ok(())
            }
            Format::Csv => match &self.header {
                Some(header) => header.decode(line, &mut self.columns, out),
                None => {
                    self.header = Some(csv::Header::parse(line, &mut self.columns)?);
                    Ok(())
                }
            },
            format @ (Format::Parquet | Format::Dbn) => Err(format!("{} has no lines", format.name())),
        }
    }

    /// Decodes the line with which a text begins, if it is as nearly all are, appends its record and returns how long it
    /// is with its end.
    #[inline]
    fn decode_plain(&mut self, text: &[u8], out: &mut Vec<Record>) -> Option<usize> {
        match self.format? {
            Format::Csv => self.header.as_ref()?.decode_plain(text, &mut self.columns, out),
            Format::Jsonl => jsonl::decode_plain(text, &mut self.columns, out),
            Format::Bin | Format::Parquet | Format::Dbn => None,
        }
    }

    /// The format, if it was told or shown.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// Whether the header is still to come: without it no line can be read.
    pub fn wants_header(&self) -> bool {
        matches!(self.format, None | Some(Format::Csv)) && self.header.is_none()
    }

    /// One that reads on from where this one is, with tables of its own.
    fn apart(&self, symbols: Arc<Names>, venues: Arc<Names>) -> Decoder {
        let columns = self.columns.apart(symbols, venues);
        Decoder { format: self.format, columns, header: self.header.clone(), block: None }
    }

    /// Lines of CSV have the columns of a feed, and no header.
    pub fn take_feed_columns(&mut self) {
        let header = FEED_COLUMNS.join(",");
        self.header = csv::Header::parse(header.as_bytes(), &mut self.columns).ok();
    }

    /// Begins another file of the same format, whose symbol may differ.
    pub fn begin(&mut self, path: &Path) {
        (self.header, self.block) = (None, None);
        self.columns.begin(&symbol_of(path));
    }

    /// Lets only records through that are about the symbol that their path names.
    pub fn take_only_paths_symbol(&mut self) {
        self.columns.take_only_paths_symbol();
    }

    /// Whether a header or a line so far has this column of ours.
    pub fn has_met(&self, ours: &str) -> bool {
        self.columns.has_met(ours)
    }

    /// What the lines seen so far are about, once a header or a record was decoded.
    pub fn naming(&self) -> Option<Naming> {
        self.columns.naming()
    }
}

/// Whether a file is one day of its folder's symbol, as in `minute/ibm/2013-08-05T00:00:00.csv`: a CSV file whose
/// name is a day.
pub fn is_day(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let is_date = stem.parse::<jiff::civil::Date>().is_ok() || stem.parse::<jiff::civil::DateTime>().is_ok();
    Format::of(path) == Some(Format::Csv) && is_date
}

/// Whether the name of a CSV file does not tell if it is a day of its folder's symbol or a symbol of its own: it
/// begins with a digit, and is no date.
pub fn is_unclear(path: &Path) -> bool {
    let starts_so = path.file_stem().is_some_and(|stem| stem.as_encoded_bytes()[0].is_ascii_digit());
    Format::of(path) == Some(Format::Csv) && starts_so && !is_day(path)
}

/// The symbol that a path names: the folder of a day's file, else the file itself.
pub fn symbol_of(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name).filter(|_| is_day(path));
    folder.or(path.file_stem()).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What a message may quote of an input: a few hundred characters, none of which moves a terminal's cursor.
pub fn quotable(text: &str) -> String {
    text.chars().take(600).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The error for a first line that does not name the columns a tape needs.
pub fn unusable(path: &Path, reason: &str) -> Error {
    Error::Input(format!("reading {}: {reason}", quotable(&path.to_string_lossy())))
}
