use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::Sink;
use crate::error::{Doing as _, Error, Result};
use crate::row::{Encoding, Key, Row, Texts};
use crate::tick::{Names, Symbol};
use crate::time::EventTime;

/// The bytes of a change in a file before its line: a time, a place, two symbols, how often, the line's length.
const HEAD: usize = 28;

/// So many files of a level become one of the next, so that any number of them needs few to be open.
const FAN: usize = 16;

/// Keeps changes until the run has ended, then [`settle`]s them into the final rows. It holds at most so many
/// bytes; beyond that it puts sorted runs into the output folder, as a merge sort does.
pub struct Settling {
    encoding: Encoding,
    columns: Vec<&'static str>,
    names: Arc<Names>,
    folder: PathBuf,
    worker: usize,
    limit_bytes: usize,
    text: Vec<u8>,
    changes: Vec<Change>,
    /// Runs on disk by level.
    spilled: Vec<Vec<Temporary>>,
    files: usize,
    done: Arc<Mutex<Vec<Run>>>,
}

/// A line that is inserted or retracted so many times; its text is a range of its run's.
pub struct Change {
    key: Key,
    times: i32,
    start: u32,
    len: u32,
}

/// Changes sorted by time, symbol and text, to be read once.
pub enum Run {
    /// In memory.
    Held(Vec<u8>, std::vec::IntoIter<Change>),
    /// In a file.
    Spilled(Temporary),
}

/// A file that goes when it is no longer needed, however the run ends.
pub struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Who cannot remove it cannot be helped: the run has its result, or its error, without it.
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes changes into a file, as [`Reading`] reads them.
struct Spill {
    file: Temporary,
    out: BufWriter<File>,
}

impl Spill {
    fn create(path: PathBuf) -> Result<Spill> {
        let out = BufWriter::with_capacity(1 << 18, File::create(&path).doing(|| writing(&path))?);
        Ok(Spill { file: Temporary(path), out })
    }

    fn write(&mut self, key: Key, times: i32, line: &[u8]) -> Result<()> {
        let mut head = [0u8; HEAD];
        head[..8].copy_from_slice(&key.ts.to_le_bytes());
        let [first, second] = key.symbols;
        let words = [key.place, first.0, second.0, times as u32, line.len() as u32];
        head[8..].chunks_exact_mut(4).zip(words).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
        self.out.write_all(&head).and_then(|()| self.out.write_all(line)).doing(|| writing(&self.file.0))
    }

    fn end(mut self) -> Result<Temporary> {
        self.out.flush().doing(|| writing(&self.file.0))?;
        Ok(self.file)
    }
}

fn writing(path: &Path) -> String {
    format!("writing {}", path.display())
}

impl Settling {
    /// One worker's end of the files in `folder`; its runs go to `done` when it is dropped.
    pub fn new<R: Row>(
        encoding: Encoding,
        folder: &Path,
        names: Arc<Names>,
        worker: usize,
        limit_bytes: usize,
        done: Arc<Mutex<Vec<Run>>>,
    ) -> Self {
        Settling {
            encoding,
            columns: R::columns(),
            names,
            folder: folder.into(),
            worker,
            limit_bytes: limit_bytes.min(u32::MAX as usize / 2),
            text: Vec::new(),
            changes: Vec::new(),
            spilled: Vec::new(),
            files: 0,
            done,
        }
    }

    /// Sorts what is held, and lets insertions and retractions of the same line cancel out.
    fn sort(&mut self) {
        let names = self.names.all();
        let mut by_text: Vec<u32> = (0..names.len() as u32).collect();
        by_text.sort_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
        let mut rank = vec![0u32; names.len()];
        by_text.iter().enumerate().for_each(|(at, symbol)| rank[*symbol as usize] = at as u32);
        let text = &self.text;
        let line = |c: &Change| &text[c.start as usize..c.start as usize + c.len as usize];
        let place = |c: &Change| {
            let rank = |symbol: Symbol| rank.get(symbol.0 as usize).copied();
            (c.key.ts, c.key.place, c.key.symbols.map(rank))
        };
        self.changes.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| line(a).cmp(line(b))));
        self.changes.dedup_by(|next, first| {
            let same = next.key == first.key && line(next) == line(first);
            if same {
                first.times += next.times;
            }
            same
        });
        self.changes.retain(|change| change.times != 0);
    }

    fn spill(&mut self) -> Result<()> {
        self.sort();
        let mut spill = Spill::create(self.next_file())?;
        for change in &self.changes {
            let line = &self.text[change.start as usize..change.start as usize + change.len as usize];
            spill.write(change.key, change.times, line)?;
        }
        self.text.clear();
        self.changes.clear();
        self.put(0, spill.end()?)
    }

    /// Adds a file to its level; a full level becomes one file of the next.
    fn put(&mut self, level: usize, file: Temporary) -> Result<()> {
        if self.spilled.len() == level {
            self.spilled.push(Vec::new());
        }
        self.spilled[level].push(file);
        if self.spilled[level].len() < FAN {
            return Ok(());
        }
        let runs = self.spilled[level].drain(..).map(Run::Spilled).collect();
        let mut spill = Spill::create(self.next_file())?;
        merge(runs, &self.names.all(), |head| spill.write(head.key, head.times, &head.line))?;
        self.put(level + 1, spill.end()?)
    }

    fn next_file(&mut self) -> PathBuf {
        self.files += 1;
        self.folder.join(format!(".settling-{}-{}", self.worker, self.files))
    }
}

impl<R: Row> Sink<R> for Settling {
    fn change(&mut self, row: &R, texts: &Texts, diff: isize) -> Result<()> {
        let start = self.text.len();
        self.encoding.write(row, texts, &self.columns, &mut self.text);
        let len = (self.text.len() - start) as u32;
        self.changes.push(Change { key: row.key(), times: diff as i32, start: start as u32, len });
        let held = self.text.len() + self.changes.len() * size_of::<Change>();
        if held > self.limit_bytes { self.spill() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.sort();
        let changes = std::mem::take(&mut self.changes);
        let mut done = self.done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        done.extend(self.spilled.drain(..).flatten().map(Run::Spilled));
        done.push(Run::Held(std::mem::take(&mut self.text), changes.into_iter()));
    }
}

/// One change read back from a run, ordered for a heap that gives the least first.
struct Head {
    key: Key,
    symbols: [Arc<str>; 2],
    line: Vec<u8>,
    times: i32,
    run: usize,
}

impl Head {
    fn place(&self) -> (EventTime, u32, &[Arc<str>; 2], &[u8], usize) {
        (self.key.ts, self.key.place, &self.symbols, &self.line, self.run)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
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
        other.place().cmp(&self.place())
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
        let (key, times, line) = match self {
            Reading::Held(text, changes) => {
                let Some(Change { key, times, start, len }) = changes.next() else { return Ok(None) };
                (key, times, text[start as usize..start as usize + len as usize].to_vec())
            }
            Reading::Spilled(Temporary(path), file) => {
                let mut head = [0u8; HEAD];
                match file.read_exact(&mut head) {
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                    other => other.doing(|| format!("reading {}", path.display()))?,
                }
                let [a, b, c, d, e, f, g, h, rest @ ..] = head;
                let word = |i: usize| u32::from_le_bytes([rest[i], rest[i + 1], rest[i + 2], rest[i + 3]]);
                let mut line = vec![0; word(16) as usize];
                file.read_exact(&mut line).doing(|| format!("reading {}", path.display()))?;
                let ts = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
                let key = Key { ts, place: word(0), symbols: [Symbol(word(4)), Symbol(word(8))] };
                (key, word(12) as i32, line)
            }
        };
        let text = |symbol: Symbol| names.get(symbol.0 as usize).cloned().unwrap_or_default();
        Ok(Some(Head { key, symbols: key.symbols.map(text), line, times, run }))
    }
}

/// Merges runs and hands over what is left of each line in the end, sorted by time, symbol and text.
fn merge(runs: Vec<Run>, names: &[Arc<str>], mut give: impl FnMut(&Head) -> Result<()>) -> Result<()> {
    let mut reading = runs.into_iter().map(Reading::open).collect::<Result<Vec<_>>>()?;
    let mut heap = BinaryHeap::new();
    for (run, reading) in reading.iter_mut().enumerate() {
        heap.extend(reading.next(run, names)?);
    }
    while let Some(mut row) = heap.pop() {
        heap.extend(reading[row.run].next(row.run, names)?);
        while let Some(same) = heap.peek()
            && (same.key, &same.line) == (row.key, &row.line)
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

/// Merges the runs of all workers into the final rows, sorted by time and symbol, and returns how many there are.
/// The file appears under its name when it is whole.
///
/// # Errors
/// When the file or a run cannot be written or read.
pub fn settle(runs: Vec<Run>, path: &Path, header: &str, names: &Names) -> Result<u64> {
    let part = Temporary(path.with_extension("part"));
    let doing = || writing(&part.0);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&part.0).doing(doing)?);
    out.write_all(header.as_bytes()).doing(doing)?;
    let mut rows = 0;
    merge(runs, &names.all(), |row| {
        if row.times != 1 {
            let line = String::from_utf8_lossy(&row.line);
            return Err(Error::Input(format!("settling the rows: this one stands {} times: {line}", row.times)));
        }
        rows += 1;
        out.write_all(&row.line).doing(doing)
    })?;
    out.flush().doing(doing)?;
    fs::rename(&part.0, path).doing(|| writing(path))?;
    Ok(rows)
}
