use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Seek as _, Write};
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
}

/// A file that is in no folder any more, so that nothing of it stays however the run ends, and no other run finds it. The
/// path is what it was made under, for messages.
pub struct Nameless {
    file: File,
    path: PathBuf,
}

/// A file that goes when it is no longer needed, however the run ends.
pub struct Temporary(pub PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Who cannot remove it cannot be helped: the run has its result, or its error, without it.
        let _ = fs::remove_file(&self.0);
    }
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

    pub fn write(&mut self, place: &Place, often: i32, line: &[u8]) -> Result<()> {
        self.packed.clear();
        self.packer.pack(place, often, line, &mut self.packed);
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

/// One change read back from a run. It is greater than those behind it, for a heap that gives the greatest first.
pub struct Head<'a> {
    pub place: Place,
    pub line: Vec<u8>,
    pub times: i32,
    run: usize,
    order: &'a Order,
}

impl<'a> Head<'a> {
    fn of(run: usize, order: &'a Order) -> Box<Self> {
        Box::new(Head { place: Place::default(), line: Vec::new(), times: 0, run, order })
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_place = self.order.compare(&other.place, &self.place);
        by_place.then_with(|| (&other.line, other.run).cmp(&(&self.line, self.run)))
    }
}

/// A run being read.
struct Reading<'a> {
    packed: Packed<'a>,
    unpacker: Unpacker,
}

enum Packed<'a> {
    Held(&'a [u8]),
    Spilled(&'a Path, BufReader<&'a File>),
}

impl Reading<'_> {
    fn open(run: &Run) -> Result<Reading<'_>> {
        let packed = match run {
            Run::Held(packed) => Packed::Held(packed),
            Run::Spilled(Nameless { file, path }) => {
                let mut bytes = file;
                bytes.rewind().doing(|| reading(path))?;
                Packed::Spilled(path, BufReader::with_capacity(1 << 16, bytes))
            }
        };
        Ok(Reading { packed, unpacker: Unpacker::default() })
    }

    /// Makes `next` the next change; false if there is none.
    fn next(&mut self, next: &mut Head<'_>) -> Result<bool> {
        let unpacked = match &mut self.packed {
            Packed::Held(packed) => self.unpacker.unpack(packed, &mut next.line).doing(|| "reading rows in memory"),
            Packed::Spilled(path, file) => self.unpacker.unpack(file, &mut next.line).doing(|| reading(path)),
        };
        Ok(unpacked?.map(|(place, times)| (next.place, next.times) = (place, times)).is_some())
    }
}

/// Merges runs and hands over what is left of each line in the end, sorted by place and text.
pub fn merge(runs: &[Run], order: &Order, mut give: impl FnMut(&Head<'_>) -> Result<()>) -> Result<()> {
    let mut reading = runs.iter().map(Reading::open).collect::<Result<Vec<_>>>()?;
    let mut heap = BinaryHeap::new();
    for (run, reading) in reading.iter_mut().enumerate() {
        let mut head = Head::of(run, order);
        if reading.next(&mut head)? {
            heap.push(head);
        }
    }
    // The least line so far, all of which is not known before a greater one comes.
    let mut row = Head::of(0, order);
    while let Some(mut least) = heap.peek_mut() {
        if (least.place, &least.line) == (row.place, &row.line) {
            row.times += least.times;
        } else {
            if row.times != 0 {
                give(&row)?;
            }
            let run = least.run;
            std::mem::swap(&mut row, &mut *least);
            least.run = run;
        }
        if !reading[least.run].next(&mut least)? {
            PeekMut::pop(least);
        }
    }
    if row.times != 0 {
        give(&row)?;
    }
    Ok(())
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
        let mut rows = Vec::new();
        merge(&runs, &Order::of(names), |head| {
            rows.push((head.place.key.symbols[0].0, String::from_utf8(head.line.clone()).unwrap(), head.times));
            Ok(())
        })
        .unwrap();
        let known = [(1, "a", 2), (1, "b", 1), (1, "c", 2), (0, "a", 1), (0, "z", 2)];
        assert_eq!(rows, known.map(|(symbol, line, times)| (symbol, line.to_owned(), times)));
    }
}
