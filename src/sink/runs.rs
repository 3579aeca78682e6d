use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
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

/// A line that is inserted or retracted so many times; its text is in `Pieces`.
pub struct Change {
    /// Where it stands.
    pub place: Place,
    /// How often it is inserted, less how often it is retracted.
    pub times: i32,
    /// Which piece its text is in.
    pub piece: u32,
    /// Where its text begins there.
    pub start: u32,
    /// How long its text is.
    pub len: u32,
}

/// The texts of changes, in pieces: a single text that grows would be copied again and again.
#[derive(Default)]
pub struct Pieces {
    pieces: Vec<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

/// Bytes of a piece; a longer line has a piece of its own.
const PIECE: usize = 1 << 20;

impl Pieces {
    /// Keeps a line, and tells its piece and where it begins there.
    pub fn push(&mut self, line: &[u8]) -> (u32, u32) {
        let has_room = |piece: &Vec<u8>| piece.capacity() - piece.len() >= line.len();
        if !self.pieces.last().is_some_and(has_room) {
            let spare = self.spare.pop().filter(has_room);
            self.pieces.push(spare.unwrap_or_else(|| Vec::with_capacity(PIECE.max(line.len()))));
        }
        let at = self.pieces.len() - 1;
        let start = self.pieces[at].len();
        self.pieces[at].extend_from_slice(line);
        (at as u32, start as u32)
    }

    /// The line of a change.
    pub fn line(&self, change: &Change) -> &[u8] {
        &self.pieces[change.piece as usize][change.start as usize..][..change.len as usize]
    }

    /// Forgets all lines, and keeps their room.
    pub fn clear(&mut self) {
        self.pieces.iter_mut().for_each(Vec::clear);
        self.spare.append(&mut self.pieces);
    }
}

/// Changes sorted by time, symbol and text, to be read once.
pub enum Run {
    /// In memory.
    Held(Pieces, std::vec::IntoIter<Change>),
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
#[derive(Default)]
pub struct Head {
    pub place: Place,
    order: Order,
    pub line: Vec<u8>,
    pub times: i32,
    run: usize,
}

/// What places are ordered by: time, event time, rank, and the two symbols in the order of their texts, as one number.
pub type Order = (i64, EventTime, u32, u64);

/// The symbols in the order of their texts.
pub struct Ranks(Vec<u32>);

impl Ranks {
    pub fn of(names: &[Arc<str>]) -> Self {
        let mut by_text: Vec<u32> = (0..names.len() as u32).collect();
        by_text.sort_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
        let mut ranks = vec![0; names.len()];
        by_text.iter().enumerate().for_each(|(at, symbol)| ranks[*symbol as usize] = at as u32);
        Ranks(ranks)
    }

    pub fn order(&self, Place { time_ms, key }: Place) -> Order {
        // Where rows are about no symbol there may be none at all.
        let [first, second] = key.symbols.map(|symbol| self.0.get(symbol.0 as usize).copied().unwrap_or_default());
        (time_ms, key.ts, key.place, u64::from(first) << 32 | u64::from(second))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
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
        (other.order, &other.line, other.run).cmp(&(self.order, &self.line, self.run))
    }
}

/// A run being read.
enum Reading {
    Held(Pieces, std::vec::IntoIter<Change>),
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

    /// Makes `next` the next change; false if there is none.
    fn next(&mut self, ranks: &Ranks, next: &mut Head) -> Result<bool> {
        next.line.clear();
        match self {
            Reading::Held(text, changes) => {
                let Some(change) = changes.next() else { return Ok(false) };
                (next.place, next.times) = (change.place, change.times);
                next.line.extend_from_slice(text.line(&change));
            }
            Reading::Spilled(Temporary(path), file) => {
                let mut head = [0u8; HEAD];
                match file.read_exact(&mut head) {
                    Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(false),
                    other => other.doing(|| format!("reading {}", path.display()))?,
                }
                let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
                let time = |i: usize| (u64::from(word(i)) | u64::from(word(i + 4)) << 32) as i64;
                next.line.resize(word(32) as usize, 0);
                file.read_exact(&mut next.line).doing(|| format!("reading {}", path.display()))?;
                let key = Key { ts: time(8), place: word(16), symbols: [Symbol(word(20)), Symbol(word(24))] };
                (next.place, next.times) = (Place { time_ms: time(0), key }, word(28) as i32);
            }
        }
        next.order = ranks.order(next.place);
        Ok(true)
    }
}

/// Merges runs and hands over what is left of each line in the end, sorted by place and text.
pub fn merge(runs: Vec<Run>, names: &[Arc<str>], mut give: impl FnMut(&Head) -> Result<()>) -> Result<()> {
    let ranks = Ranks::of(names);
    let mut reading = runs.into_iter().map(Reading::open).collect::<Result<Vec<_>>>()?;
    let mut heap = BinaryHeap::new();
    for (run, reading) in reading.iter_mut().enumerate() {
        let mut head = Head { run, ..Head::default() };
        if reading.next(&ranks, &mut head)? {
            heap.push(head);
        }
    }
    // The least line so far, all of which is not known before a greater one comes.
    let mut row = Head::default();
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
        if !reading[least.run].next(&ranks, &mut least)? {
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
    use proptest::prelude::*;

    use super::*;

    fn kept(lines: &[Vec<u8>], pieces: &mut Pieces) -> Vec<Change> {
        let keep = |line: &Vec<u8>| {
            let (piece, start) = pieces.push(line);
            Change { place: Place::default(), times: 1, piece, start, len: line.len() as u32 }
        };
        lines.iter().map(keep).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn pieces_tell_the_lines_that_were_kept_since_they_were_cleared(
            rounds in prop::collection::vec(
                prop::collection::vec((any::<u8>(), prop_oneof![0..200usize, PIECE / 3..PIECE + 2]), 0..8),
                1..4,
            ),
        ) {
            let mut pieces = Pieces::default();
            for round in rounds {
                let lines: Vec<Vec<u8>> = round.into_iter().map(|(byte, len)| vec![byte; len]).collect();
                let changes = kept(&lines, &mut pieces);
                for (line, change) in lines.iter().zip(&changes) {
                    prop_assert!(pieces.line(change) == line);
                }
                pieces.clear();
            }
        }
    }

    #[test]
    fn cleared_pieces_are_filled_again_and_none_is_copied() {
        let mut pieces = Pieces::default();
        let lines = vec![vec![b'x'; PIECE / 2]; 6];
        let mut where_they_are = || {
            let changes = kept(&lines, &mut pieces);
            let mut at: Vec<_> = changes.iter().map(|change| pieces.line(change).as_ptr()).collect();
            at.sort();
            pieces.clear();
            at
        };
        assert_eq!(where_they_are(), where_they_are());
    }

    #[test]
    fn a_line_that_several_runs_have_is_summed_up_and_symbols_are_in_the_order_of_their_texts() {
        let names: Vec<Arc<str>> = ["B", "A"].map(Arc::from).to_vec();
        let run = |lines: &[(u32, &str, i32)]| {
            let mut pieces = Pieces::default();
            let change = |&(symbol, line, times): &(u32, &str, i32)| {
                let (piece, start) = pieces.push(line.as_bytes());
                let key = Key { symbols: [Symbol(symbol); 2], ..Key::default() };
                Change { place: Place { time_ms: 7, key }, times, piece, start, len: line.len() as u32 }
            };
            let changes: Vec<Change> = lines.iter().map(change).collect();
            Run::Held(pieces, changes.into_iter())
        };
        let runs = vec![
            run(&[(1, "a", 1), (1, "c", 1), (0, "a", -1)]),
            run(&[]),
            run(&[(1, "a", 1), (1, "b", 1), (0, "a", 1), (0, "z", 2)]),
            run(&[(1, "c", 1), (0, "a", 1)]),
        ];
        let mut rows = Vec::new();
        merge(runs, &names, |head| {
            rows.push((head.place.key.symbols[0].0, String::from_utf8(head.line.clone()).unwrap(), head.times));
            Ok(())
        })
        .unwrap();
        let known = [(1, "a", 2), (1, "b", 1), (1, "c", 2), (0, "a", 1), (0, "z", 2)];
        assert_eq!(rows, known.map(|(symbol, line, times)| (symbol, line.to_owned(), times)));
    }
}
