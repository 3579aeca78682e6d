//! What failed, and what was being done when it did.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard};

/// A run's failure. The text says what was being done and, where there is one, the way out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path: `reading data/a.csv`.
        doing: String,
        /// The system's own word.
        source: io::Error,
    },
    /// The input cannot be played as asked.
    #[error("{0}")]
    Input(String),
    /// The configuration is wrong; the text holds every mistake found, already rendered.
    #[error("{0}")]
    Config(String),
    /// Words of the command line that do not go together.
    #[error("{0}")]
    Usage(String),
    /// It was interrupted before anything was read; the text says when.
    #[error("interrupted {0}")]
    Interrupted(&'static str),
    /// Whoever read our standard output has closed it: `ohlcv | head`.
    #[error("standard output was closed by its reader")]
    ClosedPipe,
}

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The error of another process, by its exit code and text.
    pub fn of(exit_code: u8, text: String) -> Self {
        match exit_code {
            2 => Error::Usage(text),
            78 => Error::Config(text),
            _ => Error::Input(text),
        }
    }

    /// The exit code of a program that ends with this error (sysexits' 78 for configuration).
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Io { .. } | Error::Input(_) => 1,
            Error::Usage(_) => 2,
            Error::Config(_) => 78,
            Error::Interrupted(_) => 130,
            Error::ClosedPipe => 0,
        }
    }
}

/// Turns an [`io::Error`] into ours by saying what was being done.
pub trait Doing<T> {
    /// The result with its context; `doing` is asked only when there is an error.
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    #[inline(always)]
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|source| Error::Io { doing: doing().into(), source })
    }
}

/// Says a line to whoever sits before the terminal. If nobody reads standard error there is nobody to tell, and
/// `eprintln` would panic.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// What a lock guards. Where a thread panicked that had it, the panic ends the run, and what it left can be looked at.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

thread_local! {
    static CATCHES: Cell<bool> = const { Cell::new(false) };
}

/// Does some work by code of others that panics on damaged bytes; `None` where it did.
pub fn catching<T>(work: impl FnOnce() -> T) -> Option<T> {
    let outer = CATCHES.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    CATCHES.set(outer);
    done
}

/// Whether a panic of this thread will be [caught](catching), so that a hook has nothing to tell.
pub fn is_caught() -> bool {
    CATCHES.get()
}
