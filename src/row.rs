//! Rows: what a pipeline makes, as fields. From the fields come its CSV and JSON lines and its digest.

mod encoding;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::tick::{Kind, Names, Price, Symbol, Tick, Venue, mix, stable_hash};
use crate::time::EventTime;
use crate::window::Window;
pub use encoding::{Encoding, LastTimes};

/// One value of a row.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// A text, such as a symbol's.
    Text(&'a str),
    /// Nanoseconds since the epoch.
    Time(EventTime),
    /// A price, or none.
    Price(Option<Price>),
    /// An exact amount in units of 1e-9, or none: a sum of money, a percentage.
    Amount(Option<i128>),
    /// A count of something.
    Count(u64),
    /// A real number, or none.
    Real(Option<Real>),
    /// Nothing, in a column of whichever kind.
    Null,
}

/// A real number as rows hold it: finite, equal and hashed by its bits, ordered by its value.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// What a row is about, and its place among the others: rows are sorted by time, then by place, then by the texts of
/// the two symbols. A row about one symbol names it twice, a row about none ([`Row::IS_OF_SYMBOLS`]) twice the first there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The time it is sorted by.
    pub ts: EventTime,
    /// A rank among the rows of this time; zero where there is none.
    pub place: u32,
    /// Whom it speaks of.
    pub symbols: [Symbol; 2],
}

impl Key {
    /// The key of a row about one symbol.
    pub fn of(ts: EventTime, symbol: Symbol) -> Self {
        Key { ts, place: 0, symbols: [symbol; 2] }
    }
}

/// Which records of a tape a pipeline takes, and by which clock of their symbol they are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Trades and what cancels and corrects them; quotes are ignored.
    Trades,
    /// Quotes, too, by a clock of their own.
    TradesAndQuotes,
    /// All records by one clock, whatever they say.
    Records,
}

/// A result. Rows of one pipeline are sorted by [`Row::key`]; they may travel from one process to another.
pub trait Row: Clone + Ord + std::fmt::Debug + Serialize + DeserializeOwned + 'static {
    /// What such rows are called, in the plural: the name of their file.
    const NAME: &'static str;

    /// The records that such rows are made of.
    const TAKES: Takes = Takes::Trades;

    /// Whether each row is about a symbol, or about two: else about all of them, such as a place in a ranking.
    const IS_OF_SYMBOLS: bool = true;

    /// So many leading columns say what a row is about: in the end no two rows agree in them, unless they are numbered
    /// as well ([`Columns::of`]). Of the other columns one
    /// is never empty, so that a row can be told from the mark that there is none.
    const KEY_COLUMNS: usize;

    /// The columns' names, in the order of [`Row::fields`].
    fn columns() -> Vec<&'static str>;

    /// What the row is about: there is at most one row for a key in the end.
    fn key(&self) -> Key;

    /// The window it speaks of.
    fn window(&self) -> Window;

    /// Hands over each column's value; `texts` has the texts of symbols and venues.
    fn fields(&self, texts: &Texts, give: &mut impl FnMut(Field<'_>));

    /// A hash of the row's content, the same in every process. A run's digest is the wrapping sum of its
    /// final rows' hashes, so that it depends on no order; a retraction subtracts.
    #[inline]
    fn digest(&self, texts: &Texts) -> u64 {
        let mut hash: u64 = 0x7461_7065_666c_6f77;
        self.fields(texts, &mut |field| {
            let word = match field {
                Field::Text(text) => stable_hash(text.as_bytes()),
                Field::Time(ts) => ts as u64,
                Field::Price(Some(price)) => mix(price.0 as u64),
                Field::Amount(Some(amount)) => mix(amount as u64 ^ mix((amount >> 64) as u64)),
                Field::Count(count) => count,
                Field::Real(Some(real)) => mix(real.0.to_bits()),
                Field::Price(None) | Field::Amount(None) | Field::Real(None) | Field::Null => u64::MAX,
            };
            hash = mix(hash.rotate_left(5) ^ word);
        });
        hash
    }
}

/// What all rows of a pipeline have in common.
#[derive(Clone, Copy)]
pub struct Rows {
    /// As [`Row::NAME`].
    pub name: &'static str,
    /// As [`Row::TAKES`].
    pub takes: Takes,
    /// As [`Columns::of`].
    pub columns: fn(bool) -> Columns,
}

impl Rows {
    /// What rows of this kind have in common.
    pub fn of<R: Row>() -> Self {
        Rows { name: R::NAME, takes: R::TAKES, columns: Columns::of::<R> }
    }
}

/// The columns of an output: those of its rows, and `nth` after their key where the key alone does not tell rows apart.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Their names.
    pub names: Vec<&'static str>,
    /// So many leading ones are the key.
    of_key: usize,
    numbers: Option<usize>,
}

impl Columns {
    /// What stands before the row where changes are told.
    pub const OF_CHANGES: [&'static str; 2] = ["time", "diff"];

    /// The columns of rows of this kind; `is_numbered` says whether their place, as [`Key::place`] has it, is among
    /// them.
    pub fn of<R: Row>(is_numbered: bool) -> Self {
        let (mut names, of_key) = (R::columns(), R::KEY_COLUMNS + usize::from(is_numbered));
        let numbers = is_numbered.then_some(R::KEY_COLUMNS);
        numbers.into_iter().for_each(|at| names.insert(at, "nth"));
        Columns { names, of_key, numbers }
    }

    /// Hands over each column's number and value.
    ///
    /// # Panics
    /// If the row has more or fewer values than columns.
    fn each<R: Row>(&self, row: &R, texts: &Texts, give: &mut impl FnMut(usize, Field<'_>)) {
        let mut at = 0;
        row.fields(texts, &mut |field| {
            if self.numbers == Some(at) {
                give(at, Field::Count(row.key().place.into()));
                at += 1;
            }
            give(at, field);
            at += 1;
        });
        assert!(at == self.names.len(), "a row of {} has {at} values for {} columns", R::NAME, self.names.len());
    }

    /// A column's name.
    fn name(&self, at: usize) -> &'static str {
        self.names.get(at).copied().unwrap_or_default()
    }
}

/// A worker's own copy of the symbols' and venues' texts, so that a row costs no lock.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    tables: [Arc<Names>; 2],
    symbols: Vec<Arc<str>>,
    venues: Vec<Arc<str>>,
}

impl Texts {
    /// A copy of what is in these tables now.
    pub fn new(symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        let mut texts = Texts { tables: [symbols, venues], ..Texts::default() };
        texts.refresh();
        texts
    }

    /// Takes over the names that the tables were given meanwhile.
    pub fn refresh(&mut self) {
        for (table, texts) in self.tables.iter().zip([&mut self.symbols, &mut self.venues]) {
            if table.len() > texts.len() {
                *texts = table.all();
            }
        }
    }

    /// Makes sure that a symbol and a venue are known, and asks the tables only if one is not.
    pub fn know(&mut self, symbol: Symbol, venue: Venue) {
        if symbol.0 as usize >= self.symbols.len() || usize::from(venue.0) > self.venues.len() {
            let [symbols, venues] = &self.tables;
            symbols.learn(symbol.0);
            venue.0.checked_sub(1).into_iter().for_each(|id| venues.learn(id.into()));
            self.refresh();
        }
    }

    /// The text of a symbol, empty where it is not known.
    pub fn symbol(&self, symbol: Symbol) -> &str {
        self.symbols.get(symbol.0 as usize).map_or("", |text| text)
    }

    /// The columns of [`Texts::record`].
    pub const RECORD: &'static str = "ts_event,seq,symbol,venue,action,ref_seq,price,size";

    /// A record of the tape as a line, for people: behind a quote's bid stands its ask, and behind a print what its
    /// conditions keep it from.
    pub fn record(&self, tick: &Tick) -> String {
        let (action, ref_seq) = match tick.kind {
            Kind::Trade => ("trade", String::new()),
            Kind::Cancel => ("cancel", tick.ref_seq.to_string()),
            Kind::Correct => ("correct", tick.ref_seq.to_string()),
            Kind::Quote => ("quote", String::new()),
        };
        let (symbol, venue) = (self.symbol(tick.symbol), self.venue(tick.venue));
        let Tick { ts_event, seq, price, size, ask_size, eligible, .. } = tick;
        let counts =
            [("open and close", eligible.last()), ("high and low", eligible.high_low()), ("volume", eligible.volume())];
        let not: Vec<&str> = counts.into_iter().filter(|(_, counts)| !counts).map(|(what, _)| what).collect();
        let note = match tick.kind {
            Kind::Quote => format!(" (bid; ask {},{ask_size})", tick.ask()),
            _ if not.is_empty() => String::new(),
            _ => format!(" (does not count for {})", not.join(", ")),
        };
        format!("{ts_event},{seq},{symbol},{venue},{action},{ref_seq},{price},{size}{note}")
    }

    /// The text of a venue, empty where none was given.
    pub fn venue(&self, venue: Venue) -> &str {
        // Venue 0 is "none given", so the table's ids are moved by one.
        venue.0.checked_sub(1).and_then(|id| self.venues.get(usize::from(id))).map_or("", |text| text)
    }
}
