use std::collections::BTreeMap;

use super::order::Place;
use crate::row::{Columns, Encoding, Key, LastTimes, Row, Texts};
use crate::time::MS;

/// What an output tells of rows that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The rows that stand in the end.
    Final,
    /// Every retraction and insertion, with its logical time.
    Changes,
    /// At each logical time the last row about everything that changed, or a tombstone where there is none any more.
    Upsert,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 3] = [Mode::Final, Mode::Changes, Mode::Upsert];

    /// The name of a file of such lines about rows that are called `rows`.
    pub fn file(self, rows: &str, encoding: Encoding) -> String {
        let kind = match self {
            Mode::Final => "",
            Mode::Changes => ".changes",
            Mode::Upsert => ".upsert",
        };
        format!("{rows}{kind}.{}", encoding.extension())
    }
}

/// What a line says of a row, where later lines about the same replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upsert {
    /// The row's leading columns, which say what it is about, with commas between them.
    pub key: Vec<u8>,
    /// There is no such row any more.
    pub is_gone: bool,
}

/// Who is given a line, with its place and, where later lines replace it, what it says of its row.
pub type Give<'a> = &'a mut dyn FnMut(Place, &[u8], Option<Upsert>);

/// Makes lines of the changes of one worker, moment by moment.
#[derive(Clone)]
pub struct Lines {
    mode: Mode,
    encoding: Encoding,
    columns: Columns,
    time_ms: i64,
    times: LastTimes,
    line: Vec<u8>,
    /// What changed at this time, by the text of its key, or by its row's of which each change is told: the line about
    /// it, and whether a row is inserted.
    waiting: BTreeMap<Vec<u8>, (Key, Vec<u8>, bool)>,
}

impl Lines {
    /// Lines about rows that have these columns.
    pub fn new(mode: Mode, encoding: Encoding, columns: Columns) -> Self {
        Lines {
            mode,
            encoding,
            columns,
            time_ms: 0,
            times: LastTimes::default(),
            line: Vec::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// What they tell.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The line before all others, empty where the encoding has none.
    pub fn header(&self) -> String {
        let leading: &[&str] = if self.mode == Mode::Changes { &Columns::OF_CHANGES } else { &[] };
        self.encoding.header(&[leading, &self.columns.names].concat())
    }

    /// What comes next is of this time: gives the lines that have waited for their moment to be whole.
    pub fn reached(&mut self, time_ms: i64, give: &mut dyn FnMut(Place, isize, &[u8])) {
        self.reached_by_row(time_ms, &mut |place, line, _| give(place, 1, line));
    }

    /// The same, with what each line says of its row where later ones replace it.
    pub fn reached_by_row(&mut self, time_ms: i64, give: Give<'_>) {
        while let Some((mut text, (key, line, is_row))) = self.waiting.pop_first() {
            let upsert = (self.mode == Mode::Upsert).then(|| {
                // Behind the last column stands a comma, too.
                text.pop();
                Upsert { key: text, is_gone: !is_row }
            });
            give(Place { time_ms: self.time_ms, key }, &line, upsert);
        }
        self.time_ms = time_ms;
    }

    /// Gives the line of a change, its place, and how often it is added to the lines that stand.
    pub fn change<R: Row>(&mut self, row: &R, texts: &Texts, diff: isize, give: &mut dyn FnMut(Place, isize, &[u8])) {
        let Lines { mode, encoding, columns, time_ms, times, line, waiting } = self;
        let key = row.key();
        line.clear();
        match mode {
            Mode::Final => {
                encoding.write(row, texts, columns, times, line);
                give(Place { time_ms: 0, key }, diff, line);
            }
            Mode::Changes => {
                encoding.write(row, texts, columns, times, line);
                // A row whose place alone has changed, which it does not show, is none that has.
                match waiting.remove(line) {
                    Some((_, _, was_inserted)) if was_inserted != (diff > 0) => {}
                    _ => {
                        let (time, mut change) = (time_ms.saturating_mul(MS), Vec::new());
                        encoding.write_change((time, diff), row, texts, columns, &mut change);
                        waiting.insert(line.clone(), (key, change, diff > 0));
                    }
                }
            }
            Mode::Upsert => {
                Encoding::Csv.write_key(row, texts, columns, line);
                let (_, upsert, is_row) = waiting.entry(line.clone()).or_insert((key, Vec::new(), false));
                if diff > 0 {
                    upsert.clear();
                    encoding.write(row, texts, columns, times, upsert);
                    *is_row = true;
                } else if !*is_row {
                    upsert.clear();
                    encoding.write_tombstone(row, texts, columns, upsert);
                }
            }
        }
    }
}
