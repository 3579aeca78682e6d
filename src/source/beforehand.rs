//! What is said of files before they are read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Inputs;
use super::files::begun;
use super::find::{EXTENSIONS, find, walk};
use crate::error::{Doing as _, Result, say};
use crate::tape::format::{self, COLUMNS, Decoder, Format, Input, Line, Position};
use crate::time::{END_OF_JANUARY, utc};

/// So many lines of a file are looked at for one that can be read.
const LOOKED_AT: usize = 100;

impl Inputs {
    /// Says which files of a folder are passed over, which columns of the first file are named nearly as ours, and which
    /// no file has that were said to have another name: what they hold could be missed. Returns the first of the files.
    ///
    /// # Errors
    /// When a folder or a file cannot be read.
    pub fn tell_beforehand(&self) -> Result<Option<PathBuf>> {
        tell_passed_over(&self.path)?;
        let files = find(&self.path)?;
        // What a pipe has given to one reader it does not give to the next.
        let Some(first) = files.first().filter(|path| path.is_file()) else { return Ok(None) };
        self.tell_misnamed(first)?;
        let mut missed: Vec<_> = self.columns.iter().filter(|(ours, theirs)| ours != theirs).collect();
        for path in &files {
            if missed.is_empty() || !path.is_file() {
                return Ok(Some(first.clone()));
            }
            let format = self.format_of(path)?;
            let decoder = Decoder::new(Some(format), self.columns_of(Arc::default(), Arc::default()));
            let decoder = begun(decoder, path, format)?;
            missed.retain(|(ours, _)| !decoder.has_met(ours));
        }
        for (ours, theirs) in missed {
            let theirs = format::quotable(theirs);
            say(&format!("no file has a column `{theirs}`, which was to be {ours}, by its header or its first line"));
        }
        Ok(Some(first.clone()))
    }

    /// Says which columns of a file are not read, and have nearly the name of one that it lacks.
    fn tell_misnamed(&self, path: &Path) -> Result<()> {
        let format = self.format_of(path)?;
        if !matches!(format, Format::Csv | Format::Jsonl) {
            return Ok(());
        }
        let Input::Lines(mut lines) = Input::open(path, Some(format), Position::default())? else { return Ok(()) };
        let line = lines.next_line().doing(|| format!("reading {}", path.display()))?;
        let Some(Line::Text(line)) = line else { return Ok(()) };
        let names: Vec<String> = match format {
            Format::Jsonl => serde_json::from_slice::<serde_json::Map<_, _>>(line)
                .unwrap_or_default()
                .into_iter()
                .map(|(name, _)| name)
                .collect(),
            _ => {
                String::from_utf8_lossy(line).split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect()
            }
        };
        let is_mapped = |name: &str| self.columns.iter().any(|(ours, theirs)| ours == name || theirs == name);
        for name in names.iter().filter(|name| !COLUMNS.contains(&name.as_str()) && !is_mapped(name)) {
            let lacking = COLUMNS.iter().filter(|ours| !is_mapped(ours) && !names.iter().any(|name| name == *ours));
            let distance = |ours: &&&str| strsim::damerau_levenshtein(&name.to_lowercase(), ours);
            if let Some(ours) = lacking.min_by_key(distance).filter(|ours| distance(ours) <= 1) {
                let (name, path) = (format::quotable(name), path.display());
                let text = format!("if it is {ours}, say --set source.columns.{ours}={name}");
                say(&format!(
                    "{path} has a column `{name}`, which is not read: {text} (replay: --column {ours}={name})"
                ));
            }
        }
        Ok(())
    }

    /// Says if the first record of a file, among its first lines, is of January 1970, as where times count something
    /// longer than nanoseconds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn tell_unit(&self, path: &Path) -> Result<()> {
        let format = self.format_of(path)?;
        if self.time_unit != 1 || !matches!(format, Format::Csv | Format::Jsonl) {
            return Ok(());
        }
        let mut input = Input::open(path, Some(format), Position::default())?;
        let mut decoder = Decoder::new(Some(format), self.columns_of(Arc::default(), Arc::default()));
        decoder.begin(path);
        let mut records = Vec::new();
        for _ in 0..LOOKED_AT {
            // What cannot be read is told when it is read.
            let is_over = decoder.next(&mut input, path, &mut records)?.is_none();
            if is_over || decoder.wants_header() || !records.is_empty() {
                break;
            }
        }
        if let Some(ts_event) = records.first().map(|record| record.tick.ts_event).filter(|ts| *ts < END_OF_JANUARY) {
            let (path, at) = (path.display(), utc(ts_event));
            let text = "if its times are not nanoseconds, say --set source.time_unit=ms, or s or us";
            say(&format!("{path} begins at {at}: {text}"));
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
    files.retain(|file| Format::of(file).is_none());
    files.sort();
    if let [first, others @ ..] = &files[..] {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let first = format::quotable(&first.to_string_lossy());
        say(&format!("passing over what does not end in {EXTENSIONS}: {first}{more}"));
    }
    Ok(())
}
