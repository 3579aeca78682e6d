use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::{Doing as _, Error, Result};

/// Keeps other runs out of an `--out` folder as long as it lives, and the process does.
pub struct Claim {
    _folder: File,
}

impl Claim {
    /// Claims a folder. On a file system that knows no locks it is anybody's.
    ///
    /// # Errors
    /// When another run is under way there, or it cannot be opened.
    pub fn of(folder: &Path) -> Result<Claim> {
        let opened = File::open(folder).doing(|| format!("opening {}", folder.display()))?;
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(is_claimed(folder)),
            _ => Ok(Claim { _folder: opened }),
        }
    }
}

/// Another run is under way at this path.
pub fn is_claimed(path: &Path) -> Error {
    let text = "another run is under way there: wait for its end, or give another --out";
    Error::Usage(format!("{}: {text}", path.display()))
}
