use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Doing as _, Result};
use crate::row::Key;
use crate::tick::Symbol;
use crate::time::EventTime;

/// The bytes of a change in a file before its line: two times, a place, two symbols, how often, the line's length.
const HEAD: usize = 36;

/// Where a line stands among the others: by logical time, where it tells it, and then by its row's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The logical time in milliseconds, zero for lines that tell none.
    pub time_ms: i64,
    /// The row's key.
    pub key: Key,
}

/// A line that is inserted or retracted so many times; its text is a range of its run's.
pub struct Change {
    /// Where it stands.
    pub place: Place,
    /// How often it is inserted, less how often it is retracted.
    pub times: i32,
    /// Where its text begins.
    pub start: u32,
    /// How long its text is.
    pub len: u32,
}

/// Changes sorted by time, symbol and text, to be read once.
pub enum Run {
    /// In memory.
    Held(Vec<u8>, std::vec::IntoIter<Change>),
    /// In a file.
    Spilled(Temporary),
}

/// A file that goes when it is no longer needed, however the run ends.
pub struct Temporary(pub PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Who cannot remove it cannot be helped: the run has its result, or its error, without it.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes changes into a file, as [`Reading`] reads them.
pub struct Spill {
    file: Temporary,
    out: BufWriter<File>,
}

impl Spill {
    pub fn create(path: PathBuf) -> Result<Spill> {
        let out = BufWriter::with_capacity(1 << 18, File::create(&path).doing(|| writing(&path))?);
        Ok(Spill { file: Temporary(path), out })
    }

    pub fn write(&mut self, Place { time_ms, key }: Place, times: i32, line: &[u8]) -> Result<()> {
        let mut head = [0u8; HEAD];
        head[..8].copy_from_slice(&time_ms.to_le_bytes());
        head[8..16].copy_from_slice(&key.ts.to_le_bytes());
        let [first, second] = key.symbols;
        let words = [key.place, first.0, second.0, times as u32, line.len() as u32];
        head[16..].chunks_exact_mut(4).zip(words).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
        self.out.write_all(&head).and_then(|()| self.out.write_all(line)).doing(|| writing(&self.file.0))
    }

    pub fn end(mut self) -> Result<Temporary> {
        self.out.flush().doing(|| writing(&self.file.0))?;
        Ok(self.file)
    }
}

pub fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

/// One change read back from a run, ordered for a heap that gives the least first.
pub struct Head {
    pub place: Place,
    symbols: [Arc<str>; 2],
    pub line: Vec<u8>,
    pub times: i32,
    run: usize,
}

impl Head {
    fn order(&self) -> (i64, EventTime, u32, &[Arc<str>; 2], &[u8], usize) {
        let Place { time_ms, key } = self.place;
        (time_ms, key.ts, key.place, &self.symbols, &self.line, self.run)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.order().cmp(&self.order())
    }
}

/// A run being read.
enum Reading {
    Held(Vec<u8>, std::vec::IntoIter<Change>),
    Spilled(Temporary, BufReader<File>),
}

impl Reading {
    fn open(run: Run) -> Result<Reading> {
        Ok(match run {
            Run::Held(text, changes) => Reading::Held(text, changes),
            Run::Spilled(file) => {
                let bytes = File::open(&file.0).doing(|| format!("reading {}", file.0.display()))?;
                Reading::Spilled(file, BufReader::with_capacity(1 << 16, bytes))
            }
        })
    }

    fn next(&mut self, run: usize, names: &[Arc<str>]) -> Result<Option<Head>> {
        let (place, times, line) = match self {
            Reading::Held(text, changes) => {
                let Some(Change { place, times, start, len }) = changes.next() else { return Ok(None) };
                (place, times, text[start as usize..start as usize + len as usize].to_vec())
            }
            Reading::Spilled(Temporary(path), file) => {
                let mut head = [0u8; HEAD];
                match file.read_exact(&mut head) {
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                    other => other.doing(|| format!("reading {}", path.display()))?,
                }
                let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
                let time = |i: usize| (u64::from(word(i)) | u64::from(word(i + 4)) << 32) as i64;
                let mut line = vec![0; word(32) as usize];
                file.read_exact(&mut line).doing(|| format!("reading {}", path.display()))?;
                let key = Key { ts: time(8), place: word(16), symbols: [Symbol(word(20)), Symbol(word(24))] };
                (Place { time_ms: time(0), key }, word(28) as i32, line)
            }
        };
        let text = |symbol: Symbol| names.get(symbol.0 as usize).cloned().unwrap_or_default();
        Ok(Some(Head { place, symbols: place.key.symbols.map(text), line, times, run }))
    }
}

/// Merges runs and hands over what is left of each line in the end, sorted by place and text.
pub fn merge(runs: Vec<Run>, names: &[Arc<str>], mut give: impl FnMut(&Head) -> Result<()>) -> Result<()> {
    let mut reading = runs.into_iter().map(Reading::open).collect::<Result<Vec<_>>>()?;
    let mut heap = BinaryHeap::new();
    for (run, reading) in reading.iter_mut().enumerate() {
        heap.extend(reading.next(run, names)?);
    }
    while let Some(mut row) = heap.pop() {
        heap.extend(reading[row.run].next(row.run, names)?);
        while let Some(same) = heap.peek()
            && (same.place, &same.line) == (row.place, &row.line)
        {
            let run = same.run;
            row.times += same.times;
            heap.pop();
            heap.extend(reading[run].next(run, names)?);
        }
        if row.times != 0 {
            give(&row)?;
        }
    }
    Ok(())
}
