//! What is said of files before they are read.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::Inputs;
use super::files::begun;
use super::find::{EXTENSIONS, find, walk};
use crate::error::{Result, say};
use crate::tape::format::{self, Decoder, Format};

impl Inputs {
    /// Says which files of a folder are passed over, and which columns no file has that were said to have another name:
    /// what they hold could be missed.
    ///
    /// # Errors
    /// When a folder or a file cannot be read.
    pub fn tell_beforehand(&self) -> Result<()> {
        tell_passed_over(&self.path)?;
        let mut missed: Vec<_> = self.columns.iter().filter(|(ours, theirs)| ours != theirs).collect();
        if missed.is_empty() {
            return Ok(());
        }
        for path in find(&self.path)? {
            // What a pipe has given to one reader it does not give to the next.
            if missed.is_empty() || !path.is_file() {
                return Ok(());
            }
            let format = self.format_of(&path)?;
            let decoder = Decoder::new(Some(format), self.columns_of(Arc::default(), Arc::default()));
            let decoder = begun(decoder, &path, format)?;
            missed.retain(|(ours, _)| !decoder.has_met(ours));
        }
        for (ours, theirs) in missed {
            let theirs = format::quotable(theirs);
            say(&format!("no file has a column `{theirs}`, which was to be {ours}, by its header or its first line"));
        }
        Ok(())
    }
}

/// Says which files of a folder, or below, are passed over.
fn tell_passed_over(path: &str) -> Result<()> {
    let mut files = Vec::new();
    if Path::new(path).is_dir() {
        walk(Path::new(path), &mut BTreeSet::new(), &mut files)?;
    }
    let is_hidden = |file: &Path| file.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
    files.retain(|file| Format::of(file).is_none() && !is_hidden(file));
    files.sort();
    if let [first, others @ ..] = &files[..] {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let first = format::quotable(&first.to_string_lossy());
        say(&format!("passing over what does not end in {EXTENSIONS}: {first}{more}"));
    }
    Ok(())
}
