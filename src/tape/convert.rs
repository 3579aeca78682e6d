//! From one format to another, file by file. A format needs no more than this: a [`Decoder`] that turns a file's lines
//! or rows into records, and a [`Coder`] that turns records into bytes.

use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{in_parallel, make_folder, write_whole, writing};
use super::format::{self, Coder, Decoder, Format, Input};
use super::leaf::Length;
use super::rejects::Rejects;
use crate::error::{Doing as _, Error, Result};
use crate::tick::Names;

/// Bytes are written to a file in pieces of about so many bytes.
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
/// When a file cannot be read or written, changes while it is read, says only in its later lines that it has due times,
/// or holds what `format` cannot; or when this program does not write `format`.
pub fn convert(
    files: &[Conversion],
    out: &Path,
    format: Format,
    threads: NonZeroUsize,
    rejects: &Rejects,
    decoder: &MakeDecoder<'_>,
    progress: &(dyn Fn() + Sync),
) -> Result<Converted> {
    // What cannot be written is refused before a folder is made.
    Coder::new(format, false, Arc::default(), Arc::default())?;
    let write = |n: usize, sum: &mut Converted| {
        let Conversion { from, to } = &files[n];
        let to = out.join(to);
        make_folder(to.parent().unwrap_or(out))?;
        let (symbols, venues) = (Arc::new(Names::default()), Arc::new(Names::default()));
        let length = Length::of(from);
        let mut decoder = decoder(from, symbols.clone(), venues.clone())?;
        let mut input = Input::open(from, decoder.format(), format::Position::default())?;
        decoder.begin(from);
        let mut file = File::create_new(&to).doing(|| writing(&to))?;
        // The first record tells whether there is a column of due times.
        let mut coder: Option<(Coder, bool)> = None;
        let begin = |has_due: bool, encoded: &mut Vec<u8>| {
            let coder = Coder::new(format, has_due, symbols.clone(), venues.clone())?;
            encoded.extend_from_slice(coder.header().as_bytes());
            Ok((coder, has_due))
        };
        let (mut records, mut bytes, mut encoded) = (Vec::new(), 0, Vec::new());
        while let Some(decoded) = decoder.next(&mut input, from, &mut records)? {
            match decoded {
                Err((reason, _)) if decoder.wants_header() => return Err(format::unusable(from, &reason)),
                Err((reason, raw)) => {
                    let raw = raw.into_owned();
                    rejects.reject(from, input.number(), &reason, &raw)?;
                }
                Ok(()) => {}
            }
            for record in records.drain(..) {
                let (coder, has_due) = match &mut coder {
                    Some(begun) => begun,
                    None => coder.insert(begin(record.due.is_some(), &mut encoded)?),
                };
                if record.due.is_some() && !*has_due {
                    return Err(Error::Input(format!(
                        "converting {}: line {} says when it was due, and the first one does not: take the column out",
                        from.display(),
                        input.number()
                    )));
                }
                coder.encode(&record, &mut encoded).map_err(|e| of_line(e, from, input.number()))?;
                sum.records += 1;
            }
            if encoded.len() >= PIECE {
                file.write_all(&encoded).doing(|| writing(&to))?;
                bytes += encoded.len() as u64;
                encoded.clear();
            }
        }
        length.check(from, input.read(from))?;
        let (mut coder, _) = match coder {
            Some(begun) => begun,
            None => begin(false, &mut encoded)?,
        };
        coder.seal(&mut encoded)?;
        file.write_all(&encoded).doing(|| writing(&to))?;
        (sum.files, sum.bytes) = (sum.files + 1, sum.bytes + bytes + encoded.len() as u64);
        progress();
        Ok(())
    };
    let done = write_whole(&[out], || in_parallel(threads, files.len(), write))?;
    Ok(done.into_iter().fold(Converted::default(), |a, b| Converted {
        files: a.files + b.files,
        records: a.records + b.records,
        bytes: a.bytes + b.bytes,
    }))
}

/// An error with the line or row that it is about.
fn of_line(error: Error, path: &Path, number: u64) -> Error {
    Error::Input(format!("converting {}: line {number}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::format::Columns;
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
            convert(&files, &out, Format::Jsonl, NonZeroUsize::MIN, &rejects, &decoder, &|| ())
        };
        assert_eq!(converted("whole", false).unwrap().records, 1);
        let error = converted("grown", true).unwrap_err().to_string();
        assert!(error.contains("written to while it was read"), "{error}");
    }
}
