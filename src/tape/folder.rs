use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Doing, Error, Result};

/// The file in a folder whose tape was not written to its end: cut off, it looks like a whole one.
const UNFINISHED: &str = "UNFINISHED";

/// What it says.
const TEXT: &str = "This tape was not written to its end. Remove the folder and make it anew.\n";

/// Whether a folder says that its tape was not written to its end.
pub fn is_unfinished(dir: &Path) -> bool {
    // Whoever wrote it may have been stopped while it did so, and others may give a file this name.
    fs::read(dir.join(UNFINISHED)).is_ok_and(|text| TEXT.as_bytes().starts_with(&text))
}

/// Writes a tape into folders that hold nothing yet. They are marked as unfinished until all of it is written.
///
/// # Errors
/// When a folder holds something, or cannot be written to; and whatever `write` comes to.
pub(crate) fn write_whole<T>(dirs: &[&Path], write: impl FnOnce() -> Result<T>) -> Result<T> {
    dirs.iter().try_for_each(|dir| refuse_used(dir))?;
    for dir in dirs {
        make_folder(dir)?;
        let mark = dir.join(UNFINISHED);
        fs::write(&mark, TEXT).doing(|| writing(&mark))?;
    }
    let written = write()?;
    for dir in dirs {
        let mark = dir.join(UNFINISHED);
        fs::remove_file(&mark).doing(|| format!("removing {}", mark.display()))?;
    }
    Ok(written)
}

/// Refuses a folder that holds something.
fn refuse_used(dir: &Path) -> Result<()> {
    refuse_file(dir)?;
    let used = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).doing(|| format!("looking whether {} is empty", dir.display())),
    };
    if used {
        return Err(Error::Usage(format!(
            "{} exists and is not empty; give another --out or remove it",
            dir.display()
        )));
    }
    Ok(())
}

fn refuse_file(dir: &Path) -> Result<()> {
    if dir.is_file() {
        let text = "is a file, and --out takes a folder: give another name";
        return Err(Error::Input(format!("{} {text}", dir.display())));
    }
    Ok(())
}

/// Makes a folder, with those that it is in, unless it is there.
///
/// # Errors
/// When a file has its name, or the system refuses it.
pub fn make_folder(dir: &Path) -> Result<()> {
    refuse_file(dir)?;
    fs::create_dir_all(dir).doing(|| format!("making the folder {}", dir.display()))
}

pub(crate) fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

/// Does `count` pieces of work by at most `threads` threads, and returns what each thread came to. A thread takes the
/// next piece when it is done with one; nobody begins another once one has failed.
pub(crate) fn in_parallel<T: Default + Send>(
    threads: NonZeroUsize,
    count: usize,
    work: impl Fn(usize, &mut T) -> Result<()> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let share = || {
        let mut done = T::default();
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= count {
                return Ok(done);
            }
            work(piece, &mut done).inspect_err(|_| next.store(count, Ordering::Relaxed))?;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.get().min(count.max(1))).map(|_| scope.spawn(share)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
