use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::gather::{Bringer, Door, Piece};
use super::say;
use crate::error::Error;

/// Between two looks whether a file has grown.
const LOOK_EVERY: Duration = Duration::from_millis(5);

const CHUNK: usize = 1 << 16;

/// Follows a file that grows: it is waited for, read to its end and beyond, and, when another takes its place or it is
/// cut short, read from its beginning. `once` reads what it holds and no more.
pub(super) fn bring(path: PathBuf, once: bool) -> impl FnOnce(Door) + Send + 'static {
    move |door| {
        std::thread::spawn(move || {
            let mut follow = Follow { path, once, door };
            let name = follow.path.display().to_string();
            let mut has_waited = false;
            while !follow.door.is_over() {
                match File::open(&follow.path) {
                    Ok(file) => {
                        let partition = follow.door.partition(name.clone(), None);
                        if !follow.read(file, &partition) || once {
                            break;
                        }
                        say(&format!("{name} was replaced, or cut short: reading it from its beginning"));
                    }
                    Err(error) if once || error.kind() != ErrorKind::NotFound => {
                        let partition = follow.door.partition(name.clone(), None);
                        partition.bring_blocking(Piece::Failed(failed(&name, error)));
                        break;
                    }
                    Err(_) => {
                        if !std::mem::replace(&mut has_waited, true) {
                            say(&format!("waiting for {name}, which is not there yet (Ctrl-C ends this)"));
                        }
                        std::thread::sleep(LOOK_EVERY);
                    }
                }
            }
        });
    }
}

fn failed(name: &str, source: std::io::Error) -> Error {
    Error::Io { doing: format!("reading {name}"), source }
}

struct Follow {
    path: PathBuf,
    once: bool,
    door: Door,
}

impl Follow {
    /// Brings what the file holds and will hold; true when it is to be opened anew.
    fn read(&mut self, mut file: File, partition: &Bringer) -> bool {
        const CUT: &str = "the file ends in the middle of this line";
        let mut at = 0;
        while !self.door.is_over() {
            let mut bytes = vec![0; CHUNK];
            match file.read(&mut bytes) {
                Ok(0) if self.once => {
                    partition.bring_blocking(Piece::End(CUT));
                    return false;
                }
                Ok(0) => {
                    if self.is_another(&file, at) {
                        partition.bring_blocking(Piece::End(CUT));
                        return true;
                    }
                    std::thread::sleep(LOOK_EVERY);
                }
                Ok(n) => {
                    bytes.truncate(n);
                    at += n as u64;
                    if !partition.bring_blocking(Piece::Bytes(bytes)) {
                        return false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    partition.bring_blocking(Piece::Failed(failed(&self.path.display().to_string(), error)));
                    return false;
                }
            }
        }
        false
    }

    fn is_another(&self, file: &File, at: u64) -> bool {
        let (Ok(mine), Ok(now)) = (file.metadata(), std::fs::metadata(&self.path)) else { return false };
        (mine.dev(), mine.ino()) != (now.dev(), now.ino()) || mine.len() < at
    }
}
