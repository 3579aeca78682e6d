use std::path::Path;

use crate::error::{Error, Result};

/// How many bytes a file had when it was opened; of a pipe nobody knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Length(pub Option<u64>);

impl Length {
    pub fn of(path: &Path) -> Self {
        Length(path.metadata().ok().filter(|path| path.is_file()).map(|file| file.len()))
    }

    /// Of a file that was written while it was read, nobody can say which rows it should have come to.
    pub fn check(self, path: &Path, read: u64) -> Result<()> {
        let Some(was) = self.0.filter(|length| *length != read) else { return Ok(()) };
        let path = path.display();
        let change = if read < was { "cut short" } else { "written to" };
        Err(Error::Input(format!(
            "reading {path}: it was {change} while it was read: it had {was} bytes when it was opened, and {read} \
             were read. Read it again when it is whole, or let a pipeline follow it as it grows: --input file:{path}"
        )))
    }
}
