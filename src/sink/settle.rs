use std::fs;
use std::io::Write;
use std::path::Path;

use super::Sink;
use super::ahead::{Begun, create_part};
use super::behind::write_behind;
use super::chunk::Chunk;
use super::keeper::End;
use super::lines::Lines;
use super::order::Order;
use super::runs::{Merge, Run, writing};
use crate::error::{Doing as _, Error, Result};
use crate::row::{Row, Texts};

/// Gives the lines of a worker to a [`Keeper`](super::Keeper), until the run has ended.
pub struct Settling {
    lines: Lines,
    chunk: Chunk,
    end: End,
}

impl Settling {
    /// One worker's end.
    pub fn new(lines: Lines, end: End) -> Self {
        Settling { lines, chunk: Chunk::default(), end }
    }
}

impl<R: Row> Sink<R> for Settling {
    fn reached(&mut self, time_ms: i64) -> Result<()> {
        self.lines.reached(time_ms, &mut |place, times, line| self.chunk.push(place, times, line));
        self.end.take_full(&mut self.chunk)
    }

    fn change(&mut self, row: &R, texts: &Texts, diff: isize) -> Result<()> {
        self.lines.change(row, texts, diff, &mut |place, times, line| self.chunk.push(place, times, line));
        self.end.take_full(&mut self.chunk)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.end.leave(std::mem::take(&mut self.chunk));
    }
}

/// All lines of a run, to be settled.
pub struct Kept {
    /// Those that can stand anywhere among the others.
    pub(super) held: Vec<Run>,
    /// Those that come behind what is written, or between its lines if they came late.
    pub(super) in_turn: Merge,
    pub(super) begun: Option<Begun>,
    pub(super) order: Order,
}

impl Kept {
    /// Writes a file of the lines that stand, in their order, and returns how many there are. It appears under its name
    /// when it is whole.
    ///
    /// # Errors
    /// When the file cannot be written, or a run not read.
    pub fn settle(mut self, path: &Path, header: &str) -> Result<u64> {
        if let Some(mut begun) = self.begun.take() {
            let unwritten = begun.write(&mut self.in_turn, 0, &self.order)?;
            if self.held.is_empty() && unwritten.is_empty() && begun.is_there() {
                let rows = begun.rows;
                return begun.finish(path).map(|()| rows);
            }
            self.held.extend([Run::Held(unwritten.into()), begun.into_run()?]);
        }
        let (part, file) = create_part(path)?;
        let rows = self.settle_to(file, &writing(&part.path), header)?;
        fs::rename(&part.path, path).doing(|| writing(path))?;
        Ok(rows)
    }

    /// As [`Kept::settle`], to something that is open already; `doing` is what is done, for errors.
    ///
    /// # Errors
    /// When it cannot be written, or a run not read.
    pub fn settle_to(self, out: impl Write + Send, doing: &str, header: &str) -> Result<u64> {
        let Kept { held, in_turn: mut merge, order, .. } = self;
        held.into_iter().try_for_each(|run| merge.add(run, &order))?;
        let mut rows = 0;
        let (made, written) = write_behind(out, |out| {
            out.write_all(header.as_bytes()).doing(|| doing)?;
            merge.drain(&order, |row| {
                if row.times != 1 {
                    let (times, line) = (row.times, String::from_utf8_lossy(&row.line));
                    return Err(Error::Input(format!("settling the rows: this one stands {times} times: {line}")));
                }
                rows += 1;
                out.write_all(&row.line).doing(|| doing)
            })
        });
        written.doing(|| doing).and(made).map(|()| rows)
    }
}
