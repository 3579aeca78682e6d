use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::Sink;
use super::lines::Lines;
use super::runs::{Change, Place, Run, Spill, Temporary, merge, writing};
use crate::error::{Doing as _, Error, Result};
use crate::row::{Row, Texts};
use crate::tick::{Names, Symbol};

/// So many files of a level become one of the next, so that any number of them needs few to be open.
const FAN: usize = 16;

/// Keeps lines until the run has ended, then [`settle`]s them. It holds at most so many bytes; beyond that it puts
/// sorted runs into the output folder, as a merge sort does.
pub struct Settling {
    lines: Lines,
    names: Arc<Names>,
    folder: PathBuf,
    worker: usize,
    limit_bytes: usize,
    held: Held,
    /// Runs on disk by level.
    spilled: Vec<Vec<Temporary>>,
    files: usize,
    done: Arc<Mutex<Vec<Run>>>,
}

/// Lines in memory.
#[derive(Default)]
struct Held {
    text: Vec<u8>,
    changes: Vec<Change>,
}

impl Held {
    fn push(&mut self, place: Place, times: isize, line: &[u8]) {
        let (start, len) = (self.text.len() as u32, line.len() as u32);
        self.text.extend_from_slice(line);
        self.changes.push(Change { place, times: times as i32, start, len });
    }
}

impl Settling {
    /// One worker's end of the files in `folder`; its runs go to `done` when it is dropped.
    pub fn new(
        lines: Lines,
        folder: &Path,
        names: Arc<Names>,
        worker: usize,
        limit_bytes: usize,
        done: Arc<Mutex<Vec<Run>>>,
    ) -> Self {
        Settling {
            lines,
            names,
            folder: folder.into(),
            worker,
            limit_bytes: limit_bytes.min(u32::MAX as usize / 2),
            held: Held::default(),
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
        let text = &self.held.text;
        let line = |c: &Change| &text[c.start as usize..c.start as usize + c.len as usize];
        let place = |c: &Change| {
            let rank = |symbol: Symbol| rank.get(symbol.0 as usize).copied();
            (c.place.time_ms, c.place.key.ts, c.place.key.place, c.place.key.symbols.map(rank))
        };
        self.held.changes.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| line(a).cmp(line(b))));
        self.held.changes.dedup_by(|next, first| {
            let same = next.place == first.place && line(next) == line(first);
            if same {
                first.times += next.times;
            }
            same
        });
        self.held.changes.retain(|change| change.times != 0);
    }

    fn spill_if_full(&mut self) -> Result<()> {
        let held = self.held.text.len() + self.held.changes.len() * size_of::<Change>();
        if held > self.limit_bytes { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        self.sort();
        let mut spill = Spill::create(self.next_file())?;
        for change in &self.held.changes {
            let line = &self.held.text[change.start as usize..change.start as usize + change.len as usize];
            spill.write(change.place, change.times, line)?;
        }
        self.held.text.clear();
        self.held.changes.clear();
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
        merge(runs, &self.names.all(), |head| spill.write(head.place, head.times, &head.line))?;
        self.put(level + 1, spill.end()?)
    }

    fn next_file(&mut self) -> PathBuf {
        self.files += 1;
        self.folder.join(format!(".settling-{}-{}", self.worker, self.files))
    }
}

impl<R: Row> Sink<R> for Settling {
    fn reached(&mut self, time_ms: i64) -> Result<()> {
        self.lines.reached(time_ms, &mut |place, times, line| self.held.push(place, times, line));
        self.spill_if_full()
    }

    fn change(&mut self, row: &R, texts: &Texts, diff: isize) -> Result<()> {
        self.lines.change(row, texts, diff, &mut |place, times, line| self.held.push(place, times, line));
        self.spill_if_full()
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.sort();
        let changes = std::mem::take(&mut self.held.changes);
        let mut done = self.done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        done.extend(self.spilled.drain(..).flatten().map(Run::Spilled));
        done.push(Run::Held(std::mem::take(&mut self.held.text), changes.into_iter()));
    }
}

/// Merges the runs of all workers into a file of the lines that stand, in their order, and returns how many there are.
/// The file appears under its name when it is whole.
///
/// # Errors
/// When the file or a run cannot be written or read.
pub fn settle(runs: Vec<Run>, path: &Path, header: &str, names: &Names) -> Result<u64> {
    let part = Temporary(path.with_extension("part"));
    let file = File::create(&part.0).doing(|| writing(&part.0))?;
    let rows = settle_to(file, &writing(&part.0), runs, header, names)?;
    fs::rename(&part.0, path).doing(|| writing(path))?;
    Ok(rows)
}

/// As [`settle`], to something that is open already; `doing` is what is done, for errors.
///
/// # Errors
/// When it or a run cannot be written or read.
pub fn settle_to(out: impl Write, doing: &str, runs: Vec<Run>, header: &str, names: &Names) -> Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, out);
    out.write_all(header.as_bytes()).doing(|| doing)?;
    let mut rows = 0;
    merge(runs, &names.all(), |row| {
        if row.times != 1 {
            let line = String::from_utf8_lossy(&row.line);
            return Err(Error::Input(format!("settling the rows: this one stands {} times: {line}", row.times)));
        }
        rows += 1;
        out.write_all(&row.line).doing(|| doing)
    })?;
    out.flush().doing(|| doing)?;
    Ok(rows)
}
