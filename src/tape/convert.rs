//! From one format to another, file by file. A format needs no more than this: a [`Decoder`] that turns a file's lines
//! into records, and an [`Encoder`] that turns records into bytes.

use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{create_dir, in_parallel, refuse_used, writing};
use super::format::{self, Decoder, Encoder, Line};
use super::leaf::Length;
use super::rejects::Rejects;
use crate::error::{Doing as _, Error, Result};
use crate::row::Encoding;
use crate::tick::Names;

/// Lines are written to a file in pieces of about so many bytes.
const PIECE: usize = 1 << 18;

/// A file to convert, and the one to write.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The file to read.
    pub from: PathBuf,
    /// The file to write, below the folder of all of them.
    pub to: PathBuf,
}

/// Makes the decoder of a file, of symbols and venues in the two tables.
pub type MakeDecoder<'a> = dyn Fn(&Path, Arc<Names>, Arc<Names>) -> Result<Decoder> + Sync + 'a;

/// What was converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Files.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes that were written.
    pub bytes: u64,
}

/// Converts files into the folder `out`, which must be empty if it is there, and calls `progress`, from any thread,
/// after each.
///
/// # Errors
/// When a file cannot be read or written, changes while it is read, or says only in its later lines that it has due
/// times.
pub fn convert(
    files: &[Conversion],
    out: &Path,
    encoding: Encoding,
    threads: NonZeroUsize,
    rejects: &Rejects,
    decoder: &MakeDecoder<'_>,
    progress: &(dyn Fn() + Sync),
) -> Result<Converted> {
    refuse_used(out)?;
    create_dir(out)?;
    let done = in_parallel(threads, files.len(), |n, sum: &mut Converted| {
        let Conversion { from, to } = &files[n];
        let to = out.join(to);
        create_dir(to.parent().unwrap_or(out))?;
        let (symbols, venues) = (Arc::new(Names::default()), Arc::new(Names::default()));
        let length = Length::of(from);
        let mut decoder = decoder(from, symbols.clone(), venues.clone())?;
        let mut lines = format::open(from, decoder.format(), format::Position::default())?;
        decoder.begin(from);
        let mut file = File::create_new(&to).doing(|| writing(&to))?;
        // The first record tells whether there is a column of due times.
        let mut encoder: Option<(Encoder, bool)> = None;
        let (mut records, mut bytes, mut encoded) = (Vec::new(), 0, Vec::new());
        while let Some(line) = lines.next_line().doing(|| format!("reading {}", from.display()))? {
            let (text, decoded) = match line {
                Line::Text(text) => (text, decoder.decode(text, &mut records)),
                Line::Broken(reason, bytes) => (bytes, Err(reason.to_owned())),
                Line::TooLong(text) => (text, Err(format!("the line is longer than {} bytes", format::LONGEST_LINE))),
            };
            match decoded {
                Err(reason) if decoder.wants_header() => return Err(format::unusable(from, &reason)),
                Err(reason) => {
                    let text = text.to_vec();
                    rejects.reject(from, lines.number(), &reason, &text)?;
                }
                Ok(()) => {}
            }
            for record in records.drain(..) {
                let (encoder, has_due) = encoder.get_or_insert_with(|| {
                    let (symbols, venues) = (symbols.clone(), venues.clone());
                    let has_due = record.due.is_some();
                    let make = if has_due { Encoder::new } else { Encoder::of_tape };
                    let encoder = make(encoding, symbols, venues);
                    encoded.extend_from_slice(encoder.header().as_bytes());
                    (encoder, has_due)
                });
                if record.due.is_some() && !*has_due {
                    return Err(Error::Input(format!(
                        "converting {}: line {} says when it was due, and the first one does not: take the column out",
                        from.display(),
                        lines.number()
                    )));
                }
                encoder.encode(&record, &mut encoded);
                sum.records += 1;
            }
            if encoded.len() >= PIECE {
                file.write_all(&encoded).doing(|| writing(&to))?;
                bytes += encoded.len() as u64;
                encoded.clear();
            }
        }
        length.check(from, lines.position().bytes)?;
        if encoder.is_none() {
            encoded.extend_from_slice(Encoder::of_tape(encoding, symbols, venues).header().as_bytes());
        }
        file.write_all(&encoded).doing(|| writing(&to))?;
        (sum.files, sum.bytes) = (sum.files + 1, sum.bytes + bytes + encoded.len() as u64);
        progress();
        Ok(())
    })?;
    Ok(done.into_iter().fold(Converted::default(), |a, b| Converted {
        files: a.files + b.files,
        records: a.records + b.records,
        bytes: a.bytes + b.bytes,
    }))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::format::{Columns, Format};
    use super::*;

    #[test]
    fn a_file_that_is_written_to_while_it_is_converted_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("a.csv");
        std::fs::write(&from, "ts_event,symbol,price,size\n1,A,1,1\n").unwrap();
        let files = [Conversion { from: from.clone(), to: "a.jsonl".into() }];
        let converted = |out: &str, grows: bool| {
            let decoder = |path: &Path, symbols: Arc<Names>, venues: Arc<Names>| {
                if grows {
                    let mut file = File::options().append(true).open(path).unwrap();
                    file.write_all(b"2,A,1,1\n").unwrap();
                }
                Ok(Decoder::new(Some(Format::Csv), Columns::new(&[], TimeZone::UTC, symbols, venues)))
            };
            let (out, rejects) = (folder.path().join(out), Rejects::default());
            convert(&files, &out, Encoding::Jsonl, NonZeroUsize::MIN, &rejects, &decoder, &|| ())
        };
        assert_eq!(converted("whole", false).unwrap().records, 1);
        let error = converted("grown", true).unwrap_err().to_string();
        assert!(error.contains("written to while it was read"), "{error}");
    }
}
