use std::cmp::Ordering;
use std::fs::{self, File, Metadata};
use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::order::{Order, Place};
use super::packed::{Packer, Unpacker};
use crate::error::{Doing as _, Result};

/// Packed changes in their order.
pub enum Run {
    /// In memory.
    Held(Box<[u8]>),
    /// In a file.
    Spilled(Nameless),
    /// In two files: one has the places of the lines, and the other the lines, each inserted once, behind so many bytes.
    Written(Nameless, Nameless, u64),
}

/// A file that is in no folder any more, so that nothing of it stays however the run ends, and no other run finds it. The
/// path is what it was made under, for messages.
pub struct Nameless {
    pub file: File,
    pub path: PathBuf,
}

/// A file that goes when it is no longer needed, however the run ends.
pub struct Temporary {
    pub path: PathBuf,
    id: (u64, u64),
}

impl Temporary {
    /// Creates a file, which can be read, too.
    ///
    /// # Errors
    /// When it cannot be created: one that is there already is another run's, and not ours to remove.
    pub fn create(path: PathBuf) -> Result<(Temporary, File)> {
        let file = File::options().read(true).write(true).create_new(true).open(&path).doing(|| writing(&path))?;
        let id = id_of(&file.metadata().doing(|| writing(&path))?);
        Ok((Temporary { path, id }, file))
    }

    /// Whether it is still there, and not another one where its folder was removed and made anew.
    pub fn is_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|there| id_of(&there) == self.id)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.is_there() {
            // Who cannot remove it cannot be helped: the run has its result, or its error, without it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id_of(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Writes changes into a file.
pub struct Spill {
    path: PathBuf,
    out: BufWriter<File>,
    packer: Packer,
    packed: Vec<u8>,
}

impl Spill {
    pub fn create(path: PathBuf) -> Result<Spill> {
        let file = File::options().read(true).write(true).create_new(true).open(&path).doing(|| writing(&path))?;
        fs::remove_file(&path).doing(|| writing(&path))?;
        let out = BufWriter::with_capacity(1 << 18, file);
        Ok(Spill { path, out, packer: Packer::default(), packed: Vec::new() })
    }

    pub fn write(&mut self, Change { place, times, line }: &Change) -> Result<()> {
        self.packed.clear();
        self.packer.pack(place, *times, line, &mut self.packed);
        self.out.write_all(&self.packed).doing(|| writing(&self.path))
    }

    /// Writes a change without its line.
    pub fn write_place(&mut self, Change { place, times, line }: &Change) -> Result<()> {
        self.packed.clear();
        self.packer.pack_place(place, *times, line.len(), &mut self.packed);
        self.out.write_all(&self.packed).doing(|| writing(&self.path))
    }

    pub fn end(self) -> Result<Nameless> {
        let Spill { path, out, .. } = self;
        let file = out.into_inner().map_err(|error| error.into_error()).doing(|| writing(&path))?;
        Ok(Nameless { file, path })
    }
}

pub fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

fn reading(path: &Path) -> String {
    format!("reading {}", path.display())
}

/// A line, and how often it is inserted, less how often it is retracted.
#[derive(Default)]
pub struct Change {
    pub place: Place,
    pub line: Vec<u8>,
    pub times: i32,
}

impl Change {
    fn compare(&self, other: &Change, order: &Order) -> Ordering {
        order.compare(&self.place, &other.place).then_with(|| self.line.cmp(&other.line))
    }
}

/// A run that is read, and its next change.
struct Reading {
    next: Change,
    packed: Packed,
    unpacker: Unpacker,
}

enum Packed {
    /// From this byte on.
    Held(Box<[u8]>, usize),
    Spilled(PathBuf, BufReader<File>),
    Written([PathBuf; 2], [BufReader<File>; 2]),
}

impl Reading {
    fn open(run: Run) -> Result<Reading> {
        let from = |Nameless { mut file, path }: Nameless, bytes| {
            file.seek(SeekFrom::Start(bytes)).doing(|| reading(&path))?;
            Ok((path, BufReader::with_capacity(1 << 16, file)))
        };
        let packed = match run {
            Run::Held(packed) => Packed::Held(packed, 0),
            Run::Spilled(file) => from(file, 0).map(|(path, file)| Packed::Spilled(path, file))?,
            Run::Written(places, lines, header_bytes) => {
                let ((place, places), (line, lines)) = (from(places, 0)?, from(lines, header_bytes)?);
                Packed::Written([place, line], [places, lines])
            }
        };
        Ok(Reading { next: Change::default(), packed, unpacker: Unpacker::default() })
    }

    /// Goes on to the next change; false if there is none.
    fn go_on(&mut self) -> Result<bool> {
        let Reading { next: Change { place, line, times }, packed, unpacker } = self;
        let unpacked = match packed {
            Packed::Held(packed, at) => {
                let mut rest = &packed[*at..];
                let unpacked = unpacker.unpack(&mut rest, line).doing(|| "reading rows in memory")?;
                *at = packed.len() - rest.len();
                unpacked
            }
            Packed::Spilled(path, file) => unpacker.unpack(file, line).doing(|| reading(path))?,
            Packed::Written([of_places, of_lines], [places, lines]) => {
                let unpacked = unpacker.unpack_place(places, line).doing(|| reading(of_places))?;
                if unpacked.is_some() {
                    lines.read_exact(line).doing(|| reading(of_lines))?;
                }
                unpacked
            }
        };
        Ok(unpacked.map(|change| (*place, *times) = change).is_some())
    }

    /// So many bytes in memory are behind the next change.
    fn held_bytes(&self) -> usize {
        if let Packed::Held(packed, at) = &self.packed { packed.len() - at } else { 0 }
    }
}

/// Runs that are merged: what they come to is taken in order, and there may be more of them meanwhile.
#[derive(Default)]
pub struct Merge {
    /// A heap, of which the first has the least change.
    #[expect(clippy::vec_box, reason = "those in a heap change their places")]
    readings: Vec<Box<Reading>>,
    /// So many bytes in memory are behind the next changes.
    pub held_bytes: usize,
}

impl Merge {
    /// These runs.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of(runs: impl IntoIterator<Item = Run>, order: &Order) -> Result<Merge> {
        let mut merge = Merge::default();
        runs.into_iter().try_for_each(|run| merge.add(run, order))?;
        Ok(merge)
    }

    /// Adds a run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add(&mut self, run: Run, order: &Order) -> Result<()> {
        let mut reading = Box::new(Reading::open(run)?);
        if reading.go_on()? {
            self.held_bytes += reading.held_bytes();
            self.readings.push(reading);
            self.sift_up(order);
        }
        Ok(())
    }

    /// Takes the least change, which is all that the runs have of its line; false if there is none. Lines that are
    /// retracted as often as they are inserted are none.
    ///
    /// # Errors
    /// When a run cannot be read.
    pub fn take(&mut self, change: &mut Change, order: &Order) -> Result<bool> {
        while let Some(least) = self.readings.first_mut() {
            mem::swap(change, &mut least.next);
            self.go_on(order)?;
            while let Some(least) = self.readings.first()
                && (least.next.place, &least.next.line) == (change.place, &change.line)
            {
                change.times += least.next.times;
                self.go_on(order)?;
            }
            if change.times != 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes them all.
    ///
    /// # Errors
    /// When a run cannot be read, or what `give` says.
    pub fn drain(mut self, order: &Order, mut give: impl FnMut(&Change) -> Result<()>) -> Result<()> {
        let mut change = Change::default();
        while self.take(&mut change, order)? {
            give(&change)?;
        }
        Ok(())
    }

    /// Goes on in the first run.
    fn go_on(&mut self, order: &Order) -> Result<()> {
        let first = &mut self.readings[0];
        self.held_bytes -= first.held_bytes();
        if first.go_on()? {
            self.held_bytes += first.held_bytes();
        } else {
            self.readings.swap_remove(0);
        }
        self.sift_down(order);
        Ok(())
    }

    fn is_less(&self, a: usize, b: usize, order: &Order) -> bool {
        self.readings[a].next.compare(&self.readings[b].next, order).is_lt()
    }

    fn sift_up(&mut self, order: &Order) {
        let mut at = self.readings.len() - 1;
        while at > 0 && self.is_less(at, (at - 1) / 2, order) {
            self.readings.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sift_down(&mut self, order: &Order) {
        let (mut at, len) = (0, self.readings.len());
        loop {
            let mut child = 2 * at + 1;
            if child + 1 < len && self.is_less(child + 1, child, order) {
                child += 1;
            }
            if child >= len || !self.is_less(child, at, order) {
                return;
            }
            self.readings.swap(at, child);
            at = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::chunk::Chunk;
    use super::*;
    use crate::row::Key;
    use crate::tick::{Names, Symbol};

    #[test]
    fn a_line_that_several_runs_have_is_summed_up_and_symbols_are_in_the_order_of_their_texts() {
        let names = Arc::new(Names::default());
        ["B", "A"].iter().for_each(|text| _ = names.intern(text));
        let run = |lines: &[(u32, &str, isize)]| {
            let mut chunk = Chunk::default();
            for (symbol, line, times) in lines {
                let key = Key { symbols: [Symbol(*symbol); 2], ..Key::default() };
                chunk.push(Place { time_ms: 7, key }, *times, line.as_bytes());
            }
            let mut packed = Vec::new();
            chunk.drain_sorted(&Order::of(names.clone()), &mut packed);
            Run::Held(packed.into())
        };
        let runs = [
            run(&[(1, "a", 1), (1, "c", 1), (0, "a", -1)]),
            run(&[]),
            run(&[(1, "a", 1), (1, "b", 1), (0, "a", 1), (0, "z", 2)]),
            run(&[(1, "c", 1), (0, "a", 1)]),
        ];
        let (mut rows, order) = (Vec::new(), Order::of(names));
        let merge = Merge::of(runs, &order).unwrap();
        let give = |change: &Change| {
            rows.push((change.place.key.symbols[0].0, String::from_utf8(change.line.clone()).unwrap(), change.times));
            Ok(())
        };
        merge.drain(&order, give).unwrap();
        let known = [(1, "a", 2), (1, "b", 1), (1, "c", 2), (0, "a", 1), (0, "z", 2)];
        assert_eq!(rows, known.map(|(symbol, line, times)| (symbol, line.to_owned(), times)));
    }
}
