use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::Sink;
use super::lines::Lines;
use super::runs::{Change, Pieces, Place, Ranks, Run, Spill, Temporary, merge, writing};
use crate::error::{Doing as _, Error, Result};
use crate::row::{Row, Texts};
use crate::tick::Names;

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

/// Room for so many changes is taken at once: the system gives memory when it is first touched, and what grows is copied.
const ROOM: usize = 1 << 20;

/// Lines in memory.
#[derive(Default)]
struct Held {
    text: Pieces,
    bytes: usize,
    changes: Vec<Change>,
}

impl Held {
    fn push(&mut self, place: Place, times: isize, line: &[u8]) {
        let (piece, start) = self.text.push(line);
        self.bytes += line.len() + size_of::<Change>();
        if self.changes.is_empty() {
            self.changes.reserve(ROOM);
        }
        self.changes.push(Change { place, times: times as i32, piece, start, len: line.len() as u32 });
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
            limit_bytes,
            held: Held::default(),
            spilled: Vec::new(),
            files: 0,
            done,
        }
    }

    /// Sorts what is held, and lets insertions and retractions of the same line cancel out.
    fn sort(&mut self) {
        let ranks = Ranks::of(&self.names.all());
        let Held { text, changes, .. } = &mut self.held;
        let line = |change: &Change| text.line(change);
        let order =
            |a: &Change, b: &Change| ranks.order(a.place).cmp(&ranks.order(b.place)).then_with(|| line(a).cmp(line(b)));
        // Rows come by their times but for amendments. Those of one time are few, and sorted while they are in the cache.
        let is_of_one_time =
            |a: &Change, b: &Change| (a.place.time_ms, a.place.key.ts) == (b.place.time_ms, b.place.key.ts);
        changes.chunk_by_mut(is_of_one_time).for_each(|rows| rows.sort_unstable_by(order));
        changes.sort_by(order);
        changes.dedup_by(|next, first| {
            let same = next.place == first.place && line(next) == line(first);
            if same {
                first.times += next.times;
            }
            same
        });
        changes.retain(|change| change.times != 0);
    }

    fn spill_if_full(&mut self) -> Result<()> {
        if self.held.bytes > self.limit_bytes { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<()> {
        self.sort();
        let mut spill = Spill::create(self.next_file())?;
        let Held { text, bytes, changes } = &mut self.held;
        changes.drain(..).try_for_each(|change| spill.write(change.place, change.times, text.line(&change)))?;
        text.clear();
        *bytes = 0;
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
        let Held { text, changes, .. } = std::mem::take(&mut self.held);
        let mut done = self.done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        done.extend(self.spilled.drain(..).flatten().map(Run::Spilled));
        done.push(Run::Held(text, changes.into_iter()));
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
