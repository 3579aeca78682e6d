use std::borrow::Cow;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::Path;

use super::ahead::{AT_ONCE, Ahead, Pieces};
use super::columns::Columns;
use super::lines::{Lines, Position};
use super::record::Record;
use super::{Decoder, Format, LONGEST_LINE, Line};
use crate::error::{Doing as _, Error, Result};

/// What a file holds: lines, or the rows of a format that has none.
pub enum Input {
    /// Lines of text, or the blocks of the binary form.
    Lines(Lines),
    /// Lines of text that are decoded ahead.
    Pieces(Pieces),
    /// Rows, which know their file.
    Rows(Box<dyn Rows>),
}

/// A line or row that is no record: why, and what it says.
pub type Rejected<'a> = (String, Cow<'a, [u8]>);

/// The rows of an open file that is not read line by line.
pub trait Rows: Send {
    /// Reads the next row and appends its records, or says why it has none; `None` at the end. `columns` say which of
    /// the file's columns is which of ours.
    ///
    /// # Errors
    /// When the file cannot be read, or has not the columns of a tape.
    fn next(&mut self, columns: &mut Columns, out: &mut Vec<Record>)
    -> Result<Option<std::result::Result<(), String>>>;

    /// The number of the row that was read last, counted from one.
    fn number(&self) -> u64;

    /// That row as a text.
    fn text(&self, columns: &Columns) -> Vec<u8>;

    /// The columns that the file has, in its own words.
    fn header(&self) -> String;
}

impl Input {
    /// Opens a file in this format, at a [`Input::position`].
    ///
    /// # Errors
    /// Whatever the system says, with the path; when the file is not in that format; or when this program was built
    /// without what reads it.
    pub fn open(path: &Path, format: Option<Format>, position: Position) -> Result<Input> {
        let doing = || format!("reading {}", path.display());
        if let Some(format) = format.filter(|format| format.is_of_files()) {
            if path.exists() && !path.is_file() {
                return Err(format.only_files(&path.to_string_lossy()));
            }
            return Ok(Input::Rows(format.rows(path, position)?));
        }
        let mut file = File::open(path).doing(doing)?;
        if position.bytes > 0 {
            file.seek(SeekFrom::Start(position.bytes)).doing(doing)?;
        }
        Ok(Input::Lines(Lines::resume(Box::new(file), format, position)))
    }

    /// Where the next line or row begins.
    pub fn position(&self) -> Position {
        match self {
            Input::Lines(lines) => lines.position(),
            Input::Pieces(pieces) => pieces.position(),
            Input::Rows(rows) => Position::at_row(rows.number()),
        }
    }

    /// How many bytes of the file at `path` were read once its end was reached; rows are read by their places in it, so
    /// it is as long as it is now.
    pub fn read(&self, path: &Path) -> u64 {
        match self {
            Input::Lines(_) | Input::Pieces(_) => self.position().bytes,
            Input::Rows(_) => path.metadata().map_or(0, |file| file.len()),
        }
    }

    /// The number of the line or row that was read last, counted from one.
    pub fn number(&self) -> u64 {
        match self {
            Input::Lines(lines) => lines.number(),
            Input::Pieces(pieces) => pieces.number(),
            Input::Rows(rows) => rows.number(),
        }
    }

    /// The number of the line or row that comes next.
    #[inline]
    pub fn next_number(&self) -> u64 {
        match self {
            Input::Lines(lines) => lines.next_number(),
            Input::Pieces(pieces) => pieces.number() + 1,
            Input::Rows(rows) => rows.number() + 1,
        }
    }

    /// Whether reading on would not wait.
    pub fn is_buffered(&mut self) -> bool {
        match self {
            Input::Lines(lines) => lines.is_buffered(),
            Input::Pieces(_) | Input::Rows(_) => true,
        }
    }
}

impl Decoder {
    /// Reads the next line or row of the input at `path`, or some of those that are decoded already, and appends their
    /// records, or says why it has none; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read, or is a file of rows that has not the columns of a tape.
    pub fn next<'a>(
        &mut self,
        input: &'a mut Input,
        path: &Path,
        out: &mut Vec<Record>,
    ) -> Result<Option<std::result::Result<(), Rejected<'a>>>> {
        let line = match input {
            Input::Lines(lines) => {
                if let Some(block) = &mut self.block {
                    let taken = block.decode_all(lines.records(AT_ONCE), &mut self.columns, out);
                    lines.take_records(taken);
                    if taken > 0 {
                        return Ok(Some(Ok(())));
                    }
                }
                lines.next_line().doing(|| format!("reading {}", path.display()))?
            }
            Input::Pieces(pieces) => match pieces.adopt(&mut self.columns, out)? {
                true => return Ok(Some(Ok(()))),
                false => pieces.next_line()?,
            },
            Input::Rows(rows) => {
                let decoded = rows.next(&mut self.columns, out)?;
                return Ok(decoded.map(|row| row.map_err(|reason| (reason, rows.text(&self.columns).into()))));
            }
        };
        let Some(line) = line else { return Ok(None) };
        Ok(Some(match line {
            Line::Text(text) => self.decode(text, out).map_err(|reason| (reason, text.into())),
            Line::Broken(reason, bytes) => {
                // A first byte has shown what is read, though there is no block yet.
                self.format = Some(Format::Bin);
                Err((reason, bytes.into()))
            }
            Line::TooLong(text) => Err((format!("the line is longer than {LONGEST_LINE} bytes"), text.into())),
        }))
    }

    /// Has threads decode the rest of the file at `path` ahead, if it is one of text and it is known what its lines hold.
    ///
    /// # Errors
    /// When the file cannot be opened once more.
    pub fn go_ahead(&self, input: &mut Input, path: &Path, ahead: Ahead) -> Result<()> {
        let is_text = matches!(self.format, Some(Format::Csv | Format::Jsonl));
        if let Input::Lines(lines) = input
            && is_text
            && self.naming().is_some()
            && !self.wants_header()
        {
            *input = Input::Pieces(Pieces::begin(path, lines.position(), self, ahead)?);
        }
        Ok(())
    }

    /// Of records that were read last, so many from the beginning of a line on: gives back all lines but that one, and
    /// returns how many of the records are its own.
    pub fn give_back(&mut self, input: &mut Input, records: usize) -> usize {
        match (input, &mut self.block) {
            (Input::Pieces(pieces), _) => pieces.give_back(records),
            (Input::Lines(lines), Some(block)) => {
                lines.give_back(records - 1);
                block.left += records - 1;
                1
            }
            _ => records,
        }
    }

    /// The number of the line or row that was read last, and what it says.
    pub fn last_line(&self, input: &Input) -> (u64, Vec<u8>) {
        let text = match input {
            Input::Lines(lines) => lines.last().to_vec(),
            Input::Pieces(pieces) => pieces.last().to_vec(),
            Input::Rows(rows) => rows.text(&self.columns),
        };
        (input.number(), text)
    }
}

impl Format {
    /// Whether it is read in a file alone, from places that the file names, and never as it comes.
    pub fn is_of_files(self) -> bool {
        matches!(self, Format::Parquet | Format::Dbn)
    }

    /// The error for an input in this format that is no file.
    pub fn only_files(self, name: &str) -> Error {
        Error::Usage(format!("{name}: {} is read in files only: save it to one first", self.name()))
    }

    #[cfg_attr(
        not(any(feature = "parquet", feature = "dbn")),
        expect(unused_variables, reason = "nothing here has rows")
    )]
    fn rows(self, path: &Path, position: Position) -> Result<Box<dyn Rows>> {
        match self {
            #[cfg(feature = "parquet")]
            Format::Parquet => Ok(Box::new(super::parquet::Table::open(path, position.rows())?)),
            #[cfg(feature = "dbn")]
            Format::Dbn => Ok(Box::new(super::dbn::Messages::open(path, position.rows())?)),
            _ => Err(self.not_built(&format!("reading {}", path.display()))),
        }
    }

    /// The error of a program that was built without what this format needs.
    pub(super) fn not_built(self, doing: &str) -> Error {
        let name = self.name();
        let feature = name.to_ascii_lowercase();
        Error::Usage(format!("{doing}: this program was built without {name}; build it with --features {feature}"))
    }
}
