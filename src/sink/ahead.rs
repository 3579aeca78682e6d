use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::order::{Order, Place};
use super::packed::Packer;
use super::runs::{Change, Merge, Nameless, Run, Spill, Temporary, writing};
use crate::error::{Doing as _, Result};

/// A file that is written while the run goes on, in the belief that nothing more comes to stand before what is in it.
/// What does so is for whoever gave it to keep.
pub struct Ahead {
    path: PathBuf,
    header: String,
    begun: Option<Begun>,
}

/// What is written.
pub struct Begun {
    part: Temporary,
    lines: BufWriter<File>,
    /// Where the lines stand, in case they are to be merged with others.
    places: Spill,
    last: Place,
    header_bytes: u64,
    /// So many lines are written.
    pub rows: u64,
}

/// Creates the file that gets this name when it is whole.
///
/// # Errors
/// As for [`Temporary::create`].
pub fn create_part(path: &Path) -> Result<(Temporary, File)> {
    Temporary::create(path.with_extension("part"))
}

impl Ahead {
    /// A file under this header.
    pub fn new(path: &Path, header: &str) -> Self {
        Ahead { path: path.into(), header: header.into(), begun: None }
    }

    /// Writes what is merged until fewer than so many of its bytes are left. Returns, packed, what cannot be written: it
    /// comes before what is, or is no line that stands.
    ///
    /// # Errors
    /// When it cannot be written, or a run not read.
    pub fn write(&mut self, merge: &mut Merge, left_bytes: usize, order: &Order) -> Result<Vec<u8>> {
        let begun = match &mut self.begun {
            Some(begun) => begun,
            none => none.insert(Begun::new(&self.path, &self.header)?),
        };
        begun.write(merge, left_bytes, order)
    }

    /// What is written, if anything is.
    pub fn begun(self) -> Option<Begun> {
        self.begun
    }
}

impl Begun {
    fn new(path: &Path, header: &str) -> Result<Begun> {
        let (part, file) = create_part(path)?;
        let places = Spill::create(path.with_file_name(".settling-places"))?;
        let mut lines = BufWriter::with_capacity(1 << 18, file);
        lines.write_all(header.as_bytes()).doing(|| writing(&part.path))?;
        Ok(Begun { part, lines, places, last: Place::default(), header_bytes: header.len() as u64, rows: 0 })
    }

    /// As for [`Ahead::write`].
    ///
    /// # Errors
    /// As for [`Ahead::write`].
    pub fn write(&mut self, merge: &mut Merge, left_bytes: usize, order: &Order) -> Result<Vec<u8>> {
        let (mut change, mut waiting, mut packer) = (Change::default(), Vec::new(), Packer::default());
        while merge.held_bytes >= left_bytes && merge.take(&mut change, order)? {
            let Change { place, times, line } = &change;
            if *times == 1 && (self.rows == 0 || order.compare(place, &self.last).is_gt()) {
                self.lines.write_all(line).doing(|| writing(&self.part.path))?;
                self.places.write_place(&change)?;
                (self.last, self.rows) = (*place, self.rows + 1);
            } else {
                packer.pack(place, *times, line, &mut waiting);
            }
        }
        Ok(waiting)
    }

    /// Whether it can be given its name: who removed its folder has removed it, too.
    pub fn is_there(&self) -> bool {
        self.part.is_there()
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, path: &Path) -> Result<()> {
        self.lines.flush().doing(|| writing(&self.part.path))?;
        fs::rename(&self.part.path, path).doing(|| writing(path))
    }

    /// What is written, to be merged with others. There is no such file any more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn into_run(self) -> Result<Run> {
        let path = self.part.path.clone();
        let file = self.lines.into_inner().map_err(|error| error.into_error()).doing(|| writing(&path))?;
        Ok(Run::Written(self.places.end()?, Nameless { file, path }, self.header_bytes))
    }
}
