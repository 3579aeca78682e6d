use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::door::{Bringer, Door, Piece};
use crate::error::{Error, say};
use crate::threads;

/// Between two looks whether a file has grown.
const LOOK_EVERY: Duration = Duration::from_millis(5);

const CHUNK: usize = 1 << 16;

/// Follows a file that grows: it is waited for, read to its end and beyond, and, when another takes its place or it is
/// cut short, read from its beginning. `once` reads what it holds and no more.
pub(super) fn bring(path: PathBuf, once: bool) -> impl FnOnce(Door) + Send + 'static {
    move |door| {
        threads::spawn("follow", move || {
            let follow = Follow { path, once, door };
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

fn failed(name: &str, source: io::Error) -> Error {
    Error::Io { doing: format!("reading {name}"), source }
}

struct Follow {
    path: PathBuf,
    once: bool,
    door: Door,
}

impl Follow {
    /// Brings what the file holds and will hold; true when it is to be opened anew.
    fn read(&self, file: File, partition: &Bringer) -> bool {
        const CUT: &str = "the file ends in the middle of this line";
        let mut growing = Growing { file, at: 0, is_left: false };
        while !self.door.is_over() {
            match growing.step(|file, at| if self.once { Place::Left } else { place(&self.path, file, at) }) {
                Ok(Step::Bytes(bytes)) => {
                    if !partition.bring_blocking(Piece::Bytes(bytes)) {
                        return false;
                    }
                }
                Ok(Step::Later) => std::thread::sleep(LOOK_EVERY),
                Ok(Step::Over) => {
                    partition.bring_blocking(Piece::End(CUT));
                    return true;
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
}

/// A file that is read while it grows.
struct Growing {
    file: File,
    at: u64,
    is_left: bool,
}

/// How a file stands to its name.
enum Place {
    Same,
    CutShort,
    /// Nothing will be added to it: it is read for what it holds, or there is something in another of its name.
    Left,
}

enum Step {
    Bytes(Vec<u8>),
    Later,
    Over,
}

impl Growing {
    /// The next bytes; where there are none for now, `place` tells what to expect. A file that was left is read to its
    /// end once more, since its last lines may have come after the look at its end and before that at its name.
    fn step(&mut self, place: impl FnOnce(&File, u64) -> Place) -> io::Result<Step> {
        let mut bytes = vec![0; CHUNK];
        let read = self.file.read(&mut bytes)?;
        if read > 0 {
            self.at += read as u64;
            bytes.truncate(read);
            return Ok(Step::Bytes(bytes));
        }
        if self.is_left {
            return Ok(Step::Over);
        }
        match place(&self.file, self.at) {
            Place::Same => {}
            Place::Left => self.is_left = true,
            Place::CutShort => return Ok(Step::Over),
        }
        Ok(Step::Later)
    }
}

/// Whoever rotates files makes the new one before their writer knows of it, so an empty one leaves nothing behind yet.
fn place(path: &Path, file: &File, at: u64) -> Place {
    let (Ok(mine), Ok(now)) = (file.metadata(), std::fs::metadata(path)) else { return Place::Same };
    if (mine.dev(), mine.ino()) != (now.dev(), now.ino()) {
        return if now.len() > 0 { Place::Left } else { Place::Same };
    }
    if mine.len() < at { Place::CutShort } else { Place::Same }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_comes_between_the_two_looks_is_read_before_the_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("ticks"), folder.path().join("ticks.1"));
        let mut writer = File::create(&path).unwrap();
        writer.write_all(b"first").unwrap();
        let mut growing = Growing { file: File::open(&path).unwrap(), at: 0, is_left: false };
        let text = |step: Step| match step {
            Step::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            Step::Later => "later".into(),
            Step::Over => "over".into(),
        };
        let look = |file: &File, at: u64| place(&path, file, at);
        assert_eq!(text(growing.step(look).unwrap()), "first");
        assert_eq!(text(growing.step(look).unwrap()), "later");
        // The writer goes on with the old file until there is something in the new one.
        std::fs::rename(&path, &old).unwrap();
        let mut new = File::create(&path).unwrap();
        assert_eq!(text(growing.step(look).unwrap()), "later");
        let rotated = growing.step(|file, at| {
            writer.write_all(b"last").unwrap();
            new.write_all(b"new").unwrap();
            look(file, at)
        });
        assert_eq!(text(rotated.unwrap()), "later");
        assert_eq!(text(growing.step(look).unwrap()), "last");
        assert_eq!(text(growing.step(look).unwrap()), "over");

        let mut growing = Growing { file: File::open(&path).unwrap(), at: 0, is_left: false };
        assert_eq!(text(growing.step(look).unwrap()), "new");
        new.set_len(1).unwrap();
        assert_eq!(text(growing.step(look).unwrap()), "over");
    }
}
