use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::Sink;
use super::lines::Lines;
use super::order::{Order, Place};
use crate::error::{Doing as _, Error, Result, lock};
use crate::row::{Row, Texts};
use crate::tick::Names;

/// Standard output, live: the lines of a moment are printed as soon as all workers have told theirs, in an order that
/// does not depend on how many they are.
pub struct Stdout {
    lines: Lines,
    worker: usize,
    told: Vec<Told>,
    together: Arc<Mutex<Together>>,
}

/// A line, and where it stands.
type Told = (Place, Vec<u8>);

/// What the workers have told of moments that are not whole yet.
#[derive(Debug)]
pub struct Together {
    /// For each worker, the logical time before which it has told everything.
    reached: Vec<i64>,
    moments: BTreeMap<i64, Vec<Told>>,
    order: Order,
}

impl Together {
    /// Of so many workers; `names` has the symbols' texts.
    pub fn new(workers: usize, names: Arc<Names>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Together { reached: vec![0; workers], moments: BTreeMap::new(), order: Order::of(names) }))
    }

    /// Takes a worker's lines from before `reached`, and prints the moments that are whole now.
    fn take(&mut self, worker: usize, told: &mut Vec<Told>, reached: i64) -> Result<()> {
        for line in told.drain(..) {
            self.moments.entry(line.0.time_ms).or_default().push(line);
        }
        self.reached[worker] = reached;
        let whole = self.reached.iter().copied().min().unwrap_or(reached);
        let mut text = Vec::new();
        self.order.learn();
        while let Some(moment) = self.moments.first_entry().filter(|moment| *moment.key() < whole) {
            let mut lines = moment.remove();
            lines.sort_by(|(a, a_line), (b, b_line)| self.order.compare(a, b).then_with(|| a_line.cmp(b_line)));
            lines.iter().for_each(|(_, line)| text.extend_from_slice(line));
        }
        if text.is_empty() { Ok(()) } else { print(&text) }
    }
}

impl Stdout {
    /// One worker's end; the first worker prints the header.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn new(lines: Lines, worker: usize, together: Arc<Mutex<Together>>) -> Result<Self> {
        if worker == 0 {
            print(lines.header().as_bytes())?;
        }
        Ok(Stdout { lines, worker, told: Vec::new(), together })
    }
}

fn print(text: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Error::ClosedPipe),
        other => other.doing(|| "writing to standard output"),
    }
}

impl<R: Row> Sink<R> for Stdout {
    fn reached(&mut self, time_ms: i64) -> Result<()> {
        self.lines.reached(time_ms, &mut |place, _, line| self.told.push((place, line.to_vec())));
        let mut together = lock(&self.together);
        together.take(self.worker, &mut self.told, time_ms)
    }

    fn change(&mut self, row: &R, texts: &Texts, diff: isize) -> Result<()> {
        self.lines.change(row, texts, diff, &mut |place, _, line| self.told.push((place, line.to_vec())));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
