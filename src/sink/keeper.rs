use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::ahead::Ahead;
use super::chunk::Chunk;
use super::order::Order;
use super::runs::{Change, Merge, Nameless, Run, Spill};
use super::settle::Kept;
use crate::error::{Error, Result, lock};
use crate::threads;
use crate::tick::Names;

/// So many files of a level become one of the next, so that any number of them needs few to be open.
const FAN: usize = 16;

/// Workers hand over chunks of so many bytes, which a cache holds while they are sorted.
const CHUNK_BYTES: usize = 1 << 18;

/// One in so many of its bytes may wait for the keeper while it writes. Beyond that, the workers wait.
const QUEUE_SHARE: usize = 8;

/// So many bytes wait before they are written to a file ahead of the run's end, a quarter of all at most: workers are not
/// equally fast, rows are amended, and what comes to stand before a line that is written costs a copy of the file.
const WAITING_BYTES: usize = 1 << 24;

/// Keeps the lines of all workers until the run has ended. A thread of its own sorts them as they come, so that no worker
/// stands still for that. It holds so many bytes at most. What is beyond them it writes to a folder, as a merge sort does,
/// or, if they go to a file, to that file, as far as they are in order.
pub struct Keeper {
    end: End,
    thread: Option<JoinHandle<Option<Kept>>>,
}

/// A worker's end: it hands over chunks, and has empty ones back.
#[derive(Clone)]
pub struct End {
    /// Nothing comes after `None`.
    to: SyncSender<Option<Chunk>>,
    back: Arc<Back>,
    full_bytes: usize,
}

/// What comes back from the keeper.
#[derive(Default)]
struct Back {
    spare: Mutex<Vec<Chunk>>,
    failure: Mutex<Option<Error>>,
}

impl Keeper {
    /// A keeper that holds so many bytes; `folder` is for the others, as far as they are not written ahead.
    pub fn new(folder: &Path, limit_bytes: usize, names: Arc<Names>, ahead: Option<Ahead>) -> Self {
        let queue_bytes = limit_bytes / QUEUE_SHARE;
        let ((to, from), back) = (sync_channel(queue_bytes / CHUNK_BYTES), Arc::<Back>::default());
        let end = End { to, back: back.clone(), full_bytes: CHUNK_BYTES.min(limit_bytes) };
        let waiting_bytes = WAITING_BYTES.min(limit_bytes / 4);
        let mut keeping = Keeping {
            folder: folder.into(),
            waiting_bytes,
            limit_bytes: limit_bytes - queue_bytes - waiting_bytes,
            order: Order::of(names),
            ahead,
            in_turn: Merge::default(),
            held: Vec::new(),
            held_bytes: 0,
            spilled: Vec::new(),
            files: 0,
        };
        let thread = threads::spawn("rows", move || match keeping.keep(&from, &back) {
            Ok(()) => Some(keeping.kept()),
            Err(error) => {
                // The queue breaks off after that, so who finds it broken finds the reason.
                *lock(&back.failure) = Some(error);
                None
            }
        });
        Keeper { end, thread: Some(thread) }
    }

    /// An end for a worker.
    pub fn end(&self) -> End {
        self.end.clone()
    }

    /// All that was kept. No worker has an end any more.
    ///
    /// # Errors
    /// When it could not be kept.
    pub fn finish(mut self) -> Result<Kept> {
        self.join().ok_or_else(|| {
            let failure = lock(&self.end.back.failure).take();
            failure.unwrap_or_else(|| Error::Input("keeping the rows: it failed for the reason told above".into()))
        })
    }

    fn join(&mut self) -> Option<Kept> {
        let thread = self.thread.take()?;
        // It is not there to hear it if it has failed.
        let _ = self.end.to.send(None);
        thread.join().ok().flatten()
    }
}

impl Drop for Keeper {
    /// A run that fails leaves no file behind.
    fn drop(&mut self) {
        self.join();
    }
}

impl End {
    /// Hands over a chunk if it is full, and leaves an empty one.
    ///
    /// # Errors
    /// When what was handed over before could not be kept.
    pub fn take_full(&self, chunk: &mut Chunk) -> Result<()> {
        if chunk.bytes() < self.full_bytes { Ok(()) } else { self.take(chunk) }
    }

    /// Hands over a chunk, and leaves an empty one.
    ///
    /// # Errors
    /// When what was handed over before could not be kept.
    pub fn take(&self, chunk: &mut Chunk) -> Result<()> {
        let spare = lock(&self.back.spare).pop().unwrap_or_default();
        match self.to.send(Some(std::mem::replace(chunk, spare))) {
            Ok(()) => Ok(()),
            // One of the workers tells it, which ends the run.
            Err(_) => lock(&self.back.failure).take().map_or(Ok(()), Err),
        }
    }

    /// Hands over a worker's last chunk. If it cannot be kept, [`Keeper::finish`] says so.
    pub fn leave(&self, chunk: Chunk) {
        let _ = self.to.send(Some(chunk));
    }
}

/// The thread's state.
struct Keeping {
    folder: PathBuf,
    waiting_bytes: usize,
    limit_bytes: usize,
    order: Order,
    ahead: Option<Ahead>,
    /// What waits to be written ahead.
    in_turn: Merge,
    /// Runs in memory that are not.
    held: Vec<Run>,
    held_bytes: usize,
    /// Runs on disk by level.
    spilled: Vec<Vec<Run>>,
    files: usize,
}

impl Keeping {
    fn keep(&mut self, from: &Receiver<Option<Chunk>>, back: &Back) -> Result<()> {
        let mut packed = Vec::new();
        while let Ok(Some(mut chunk)) = from.recv() {
            self.order.learn();
            chunk.drain_sorted(&self.order, &mut packed);
            lock(&back.spare).push(chunk);
            match &mut self.ahead {
                None => self.hold(&packed)?,
                Some(ahead) => {
                    // A copy of its own size leaves room for others, and the memory of what is packed next is in the cache.
                    self.in_turn.add(Run::Held(packed.as_slice().into()), &self.order)?;
                    if self.in_turn.held_bytes > self.waiting_bytes {
                        let unwritten = ahead.write(&mut self.in_turn, self.waiting_bytes, &self.order)?;
                        self.hold(&unwritten)?;
                    }
                }
            }
            packed.clear();
        }
        Ok(())
    }

    /// Holds a run until the end, in memory if it can.
    fn hold(&mut self, packed: &[u8]) -> Result<()> {
        if packed.is_empty() {
            return Ok(());
        }
        self.held_bytes += packed.len();
        self.held.push(Run::Held(packed.into()));
        if self.held_bytes <= self.limit_bytes {
            return Ok(());
        }
        self.held_bytes = 0;
        let runs = std::mem::take(&mut self.held);
        let file = self.merged(runs)?;
        self.put(0, file)
    }

    /// Adds a file to its level; a full level becomes one file of the next.
    fn put(&mut self, level: usize, file: Nameless) -> Result<()> {
        if self.spilled.len() == level {
            self.spilled.push(Vec::new());
        }
        self.spilled[level].push(Run::Spilled(file));
        if self.spilled[level].len() < FAN {
            return Ok(());
        }
        let runs = std::mem::take(&mut self.spilled[level]);
        let file = self.merged(runs)?;
        self.put(level + 1, file)
    }

    fn merged(&mut self, runs: Vec<Run>) -> Result<Nameless> {
        self.files += 1;
        let mut spill = Spill::create(self.folder.join(format!(".settling-{}", self.files)))?;
        Merge::of(runs, &self.order)?.drain(&self.order, |change: &Change| spill.write(change))?;
        spill.end()
    }

    fn kept(self) -> Kept {
        let held = self.spilled.into_iter().flatten().chain(self.held).collect();
        Kept { held, in_turn: self.in_turn, begun: self.ahead.and_then(Ahead::begun), order: self.order }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::order::Place;
    use super::*;
    use crate::row::Key;
    use crate::tick::Symbol;

    const SYMBOLS: [&str; 3] = ["B", "C", "A"];

    fn names() -> Arc<Names> {
        let names = Arc::new(Names::default());
        SYMBOLS.iter().for_each(|symbol| _ = names.intern(symbol));
        names
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_lines_that_stand_are_settled_in_order_whoever_gave_them_and_however_much_is_held(
            // For each worker lines of a time and a symbol, each of which may be taken back by the next worker.
            given in prop::collection::vec(prop::collection::vec((0..40_i64, 0..3_u32, any::<bool>()), 0..80), 1..4),
            limit_bytes in prop_oneof![1..2_000_usize, Just(1 << 30)],
            is_file: bool,
            is_sorted: bool,
        ) {
            let mut given: Vec<Vec<(i64, u32, bool)>> = given;
            if is_sorted {
                given.iter_mut().for_each(|lines| lines.sort_by_key(|(ts, symbol, _)| (*ts, SYMBOLS[*symbol as usize])));
            }
            let folder = tempfile::tempdir().unwrap();
            let (path, header) = (folder.path().join("rows.csv"), "header\n");
            let keeper = Keeper::new(folder.path(), limit_bytes, names(), is_file.then(|| Ahead::new(&path, header)));
            let ends: Vec<End> = given.iter().map(|_| keeper.end()).collect();
            let mut chunks: Vec<Chunk> = given.iter().map(|_| Chunk::default()).collect();
            let mut standing = BTreeMap::new();
            for (worker, lines) in given.iter().enumerate() {
                for (nth, (ts, symbol, goes)) in lines.iter().enumerate() {
                    let place = Place { time_ms: 0, key: Key::of(*ts, Symbol(*symbol)) };
                    let line = format!("{ts} {worker} {nth}\n");
                    let changes = [(worker, 1), ((worker + 1) % given.len(), -1)];
                    for (by, times) in changes.into_iter().take(1 + usize::from(*goes)) {
                        chunks[by].push(place, times, line.as_bytes());
                        ends[by].take_full(&mut chunks[by]).unwrap();
                    }
                    if !goes {
                        standing.insert((*ts, SYMBOLS[*symbol as usize], line.clone()), line);
                    }
                }
            }
            ends.iter().zip(&mut chunks).for_each(|(end, chunk)| end.take(chunk).unwrap());
            drop(ends);
            let (mut settled, mut expected) = (Vec::new(), String::from(header));
            expected.extend(standing.values().map(String::as_str));
            let kept = keeper.finish().unwrap();
            let rows = match is_file {
                true => kept.settle(&path, header).unwrap(),
                false => kept.settle_to(&mut settled, "writing", header).unwrap(),
            };
            if is_file {
                settled = std::fs::read(&path).unwrap();
                std::fs::remove_file(&path).unwrap();
            }
            prop_assert_eq!(rows, standing.len() as u64);
            prop_assert_eq!(String::from_utf8(settled).unwrap(), expected);
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn what_cannot_be_written_is_told_once_to_a_worker_or_to_whoever_wants_everything() {
        let keeper = Keeper::new(Path::new("/nowhere/at/all"), 1, names(), None);
        let end = keeper.end();
        let give = |_| {
            let mut chunk = Chunk::default();
            chunk.push(Place::default(), 1, b"a line");
            end.take(&mut chunk).err()
        };
        let mut told: Vec<Error> = (0..3).filter_map(give).collect();
        told.extend(keeper.finish().err());
        let text = told[0].to_string();
        assert!(text.starts_with("writing /nowhere/at/all/.settling-1: "), "{text}");
        assert!(told.len() <= 2, "{told:?}");
    }

    #[test]
    fn what_cannot_be_written_of_the_last_chunks_is_told_in_the_end() {
        let keeper = Keeper::new(Path::new("/nowhere/at/all"), 1, names(), None);
        for _ in 0..3 {
            let mut chunk = Chunk::default();
            chunk.push(Place::default(), 1, b"a line");
            keeper.end().leave(chunk);
        }
        let text = keeper.finish().err().unwrap().to_string();
        assert!(text.starts_with("writing /nowhere/at/all/.settling-1: "), "{text}");
    }
}
