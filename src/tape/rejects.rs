use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::format::quotable;
use crate::error::{Doing as _, Error, Result, lock};

/// How many rejects are remembered for the summary.
const EXAMPLES: usize = 3;

/// How much of a rejected line is kept.
const LONGEST_RAW: usize = 4096;

/// Lines that could not be read: counted, and kept with their reasons in `rejected.jsonl` where there is an
/// output folder, and by whoever else wants them. Shared by all readers of a run.
#[derive(Clone, Default)]
pub struct Rejects(Arc<Mutex<Inner>>);

/// A rejected line: its file and number, why, and the line itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reject {
    /// The file that it is in.
    pub file: PathBuf,
    /// Its number there.
    pub line: u64,
    /// Why it was rejected.
    pub reason: String,
    /// The line.
    pub raw: Vec<u8>,
}

/// Who keeps rejects in place of [`Rejects`].
pub type Keeper = Box<dyn Fn(Reject) + Send>;

#[derive(Default)]
struct Inner {
    elsewhere: Option<Keeper>,
    path: Option<PathBuf>,
    file: Option<BufWriter<File>>,
    letters: Option<Box<dyn DeadLetters>>,
    count: u64,
    examples: Vec<String>,
}

/// Where rejected lines are sent, so that somebody can look at them and send them again.
pub trait DeadLetters: Send {
    /// Sends a line, or a message, as it came: of this partition (a file's path, a connection, `kafka://.../TOPIC[2]`),
    /// of this line or offset, for this reason.
    ///
    /// # Errors
    /// When it cannot be sent.
    fn send(&mut self, partition: &str, number: u64, reason: &str, raw: &[u8]) -> Result<()>;

    /// Waits until all that was sent has been taken.
    ///
    /// # Errors
    /// When it is not known that all of it was.
    fn finish(&mut self) -> Result<()>;
}

#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    line: u64,
    reason: &'a str,
    raw: &'a str,
}

impl Rejects {
    /// Rejects that are kept in `path`, which is made when there is a first one. One of an earlier run goes.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn new(path: Option<PathBuf>) -> Result<Self> {
        if let Some(path) = &path {
            match std::fs::remove_file(path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                other => other.doing(|| format!("removing {}", path.display()))?,
            }
        }
        Ok(Rejects(Arc::new(Mutex::new(Inner { path, ..Inner::default() }))))
    }

    /// The same rejects, which go to this one as well.
    pub fn also_to(self, letters: Box<dyn DeadLetters>) -> Self {
        lock(&self.0).letters = Some(letters);
        self
    }

    /// Rejects that are handed to somebody else, who counts and keeps them.
    pub fn kept_elsewhere(keeper: Keeper) -> Self {
        Rejects(Arc::new(Mutex::new(Inner { elsewhere: Some(keeper), ..Inner::default() })))
    }

    /// Counts and keeps one rejected line.
    ///
    /// # Errors
    /// When the line cannot be kept, or sent on.
    pub fn reject(&self, file: &Path, line: u64, reason: &str, raw: &[u8]) -> Result<()> {
        let mut inner = lock(&self.0);
        if let Some(keep) = &inner.elsewhere {
            let raw = raw[..raw.len().min(LONGEST_RAW)].to_vec();
            keep(Reject { file: file.into(), line, reason: reason.into(), raw });
            return Ok(());
        }
        inner.count += 1;
        let (file, reason) = (file.to_string_lossy(), quotable(reason));
        if inner.examples.len() < EXAMPLES {
            inner.examples.push(format!("{}:{line}: {reason}", quotable(&file)));
        }
        if let Some(letters) = &mut inner.letters {
            letters.send(&file, line, &reason, raw)?;
        }
        let Some(path) = inner.path.clone() else { return Ok(()) };
        if inner.file.is_none() {
            inner.file = Some(BufWriter::new(File::create(&path).doing(|| format!("writing {}", path.display()))?));
        }
        let raw = String::from_utf8_lossy(&raw[..raw.len().min(LONGEST_RAW)]);
        let entry = Entry { file: &file, line, reason: &reason, raw: &raw };
        let mut text = serde_json::to_vec(&entry).map_err(|e| Error::Input(format!("keeping a reject: {e}")))?;
        text.push(b'\n');
        let kept = inner.file.as_mut().map_or(Ok(()), |file| file.write_all(&text));
        kept.doing(|| format!("writing {}", path.display()))
    }

    /// Writes out what is buffered, and waits until what was sent on has been taken.
    ///
    /// # Errors
    /// When the system cannot write it, or it is not known that all was taken.
    pub fn flush(&self) -> Result<()> {
        let mut inner = lock(&self.0);
        let path = inner.path.clone().unwrap_or_default();
        let written = inner.file.as_mut().map_or(Ok(()), |file| file.flush());
        inner.letters.as_mut().map_or(Ok(()), |letters| letters.finish())?;
        written.doing(|| format!("writing {}", path.display()))
    }

    /// How many lines were rejected.
    pub fn count(&self) -> u64 {
        lock(&self.0).count
    }

    /// The first few, as `file:line: reason`.
    pub fn examples(&self) -> Vec<String> {
        lock(&self.0).examples.clone()
    }
}
