//! `replay convert`: writes a tape in another format.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use bytesize::ByteSize;
use clap::Args;
use indicatif::HumanCount;
use std::num::NonZeroUsize;
use tapeflow::error::{Error, Result, say};
use tapeflow::source::find;
use tapeflow::tape::convert::{Conversion, convert};
use tapeflow::tape::format::{Format, uncompressed};

use crate::generate::{all_cores, progress_bar};
use crate::reading::{Reading, told};
use crate::{Form, one_of};

/// Write a tape in another format, a file for each file; there and back gives the same bytes of a tape of ours
#[derive(Args)]
pub struct Convert {
    #[command(flatten)]
    reading: Reading,
    /// The format to write
    #[arg(long, value_parser = one_of(&[Form::Csv, Form::Jsonl, Form::Bin, Form::Parquet, Form::Dbn]))]
    to: Form,
    /// The folder to write below; it is created if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Threads to convert with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Convert {
    /// Converts all files; progress and the closing line go to standard error.
    pub fn run(self) -> Result<()> {
        let inputs = self.reading.inputs("convert files, a folder or a glob")?;
        let around = self.reading.surroundings(Arc::new(AtomicBool::new(false)), None);
        let format = Format::from(self.to);
        let found = find(&inputs.path)?;
        let files = beside(&inputs.path, found, format.extension())?;
        let start = Instant::now();
        let bar = progress_bar(files.len() as u64);
        let decoder = |path: &Path, symbols, venues| inputs.decoder_of(path, symbols, venues);
        let threads = self.threads.unwrap_or_else(all_cores);
        let done = convert(&files, &self.out, format, threads, &around.rejects, &decoder, &|| bar.inc(1));
        bar.finish_and_clear();
        let done = done?;
        let seconds = start.elapsed().as_secs_f64();
        say(&format!(
            "wrote {} records to {} ({} files, {}) in {seconds:.1} s, {} records/s",
            HumanCount(done.records),
            self.out.display(),
            HumanCount(done.files),
            ByteSize(done.bytes).display().si(),
            HumanCount((done.records as f64 / seconds) as u64),
        ));
        let rejected = told(&around.rejects);
        if !rejected.is_empty() {
            say(rejected.trim_end());
        }
        Ok(())
    }
}

/// Where each file goes: to its place below the folder that was given, or beside the others of a glob.
fn beside(path: &str, found: Vec<PathBuf>, extension: &str) -> Result<Vec<Conversion>> {
    let root = match Path::new(path).is_dir() {
        true => PathBuf::from(path),
        false => common_folder(&found),
    };
    let mut taken = BTreeSet::new();
    let files = found.into_iter().map(|from| {
        let to = uncompressed(from.strip_prefix(&root).unwrap_or(&from)).with_extension(extension);
        if !taken.insert(to.clone()) {
            let text = "two files would become one, which differ in their extension only: convert them one by one";
            return Err(Error::Usage(format!("writing {}: {text}", to.display())));
        }
        Ok(Conversion { from, to })
    });
    files.collect()
}

/// The deepest folder that holds all of them.
fn common_folder(files: &[PathBuf]) -> PathBuf {
    let mut folders = files.iter().filter_map(|file| file.parent());
    let first = folders.next().unwrap_or(Path::new("")).to_path_buf();
    folders.fold(first, |common, folder| {
        common.ancestors().find(|ancestor| folder.starts_with(ancestor)).unwrap_or(Path::new("")).to_path_buf()
    })
}
