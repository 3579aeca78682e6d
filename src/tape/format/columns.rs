//! Which column of a file is which of ours, by its header or the names in its objects.

mod expected;
mod records;
mod said;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::fields::Fields;
use super::ids::Ids;
use super::values::Times;
use crate::tick::{Kind, Names, Symbol};
use expected::Expected;
pub(super) use said::{Known, Said, field};

/// The columns that a tape may have, by the names they have unless `[source.columns]` says otherwise.
pub const COLUMNS: [&str; 22] = [
    "ts_event",
    "symbol",
    "price",
    "size",
    "seq",
    "ts_recv",
    "venue",
    "side",
    "conditions",
    "action",
    "ref_seq",
    "due",
    "open",
    "high",
    "low",
    "close",
    "bid",
    "bid_size",
    "ask",
    "ask_size",
    "channel",
    "volume",
];

pub(super) const TS_EVENT: usize = 0;
pub(super) const SYMBOL: usize = 1;
pub(super) const PRICE: usize = 2;
pub(super) const SIZE: usize = 3;
const SEQ: usize = 4;
pub(super) const TS_RECV: usize = 5;
pub(super) const VENUE: usize = 6;
pub(super) const SIDE: usize = 7;
const CONDITIONS: usize = 8;
pub(super) const ACTION: usize = 9;
const REF_SEQ: usize = 10;
const DUE: usize = 11;
const OPEN: usize = 12;
const CLOSE: usize = 15;
pub(super) const BID: usize = 16;
pub(super) const BID_SIZE: usize = 17;
pub(super) const ASK: usize = 18;
pub(super) const ASK_SIZE: usize = 19;
const CHANNEL: usize = 20;
const VOLUME: usize = 21;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Nanoseconds since the epoch.
    Time,
    /// Units of 1e-9 of the currency.
    Price,
    /// A whole number from zero on.
    Count,
    Text,
}

/// Whether a column holds names, of which there are few.
#[inline(always)]
pub(super) fn is_name(column: usize) -> bool {
    matches!(column, SYMBOL | VENUE | ACTION)
}

/// What one of our columns holds.
#[inline(always)]
pub(super) fn quantity(column: usize) -> Quantity {
    match column {
        TS_EVENT | TS_RECV | DUE => Quantity::Time,
        PRICE | OPEN..=CLOSE | BID | ASK => Quantity::Price,
        SIZE | SEQ | REF_SEQ | BID_SIZE | ASK_SIZE | VOLUME => Quantity::Count,
        _ => Quantity::Text,
    }
}

/// Where the symbols of a file's records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Each record names its own.
    Column,
    /// The path does: the file's folder in a tree of days, else the file itself.
    Path,
}

/// Which column of a file is which of ours, and what is needed to read them.
pub struct Columns {
    theirs: HashMap<String, usize>,
    pub(super) expected: Expected,
    pub(super) ids: Ids,
    pub(super) times: Times,
    path_symbol: Option<String>,
    naming: Option<Naming>,
    /// Whether each symbol's ticks have sequence numbers, once one was read.
    numbered: Vec<Option<bool>>,
    only_paths_symbol: bool,
    /// The header has columns of quotes and none of trades.
    only_quotes: bool,
    /// Whether a name was met of each of our columns.
    met: [bool; COLUMNS.len()],
    pub(super) fields: Fields,
    pub(super) said: Said,
}

impl Columns {
    /// Columns with our names, but for those that `renamed` maps: ours to theirs. `zone` is that of bars'
    /// local times.
    pub fn new(renamed: &[(String, String)], zone: TimeZone, symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        let mut theirs: HashMap<String, usize> = COLUMNS.iter().enumerate().map(|(i, c)| (c.to_string(), i)).collect();
        theirs.insert("timestamp".into(), TS_EVENT);
        for (ours, name) in renamed {
            if let Some(i) = COLUMNS.iter().position(|c| c == ours) {
                theirs.retain(|_, column| *column != i);
                theirs.insert(name.clone(), i);
            }
        }
        Columns {
            theirs,
            expected: Expected::default(),
            ids: Ids::new(symbols, venues),
            times: Times::new(zone),
            path_symbol: None,
            naming: None,
            numbered: Vec::new(),
            only_paths_symbol: false,
            only_quotes: false,
            met: [false; COLUMNS.len()],
            fields: Fields::default(),
            said: Said::default(),
        }
    }

    /// The same columns, in which a time that is a whole number counts so many nanoseconds each.
    pub fn counting(mut self, unit: i64) -> Self {
        self.times.unit = unit;
        self
    }

    /// The same columns, for lines of which nothing is known of those before, with other tables.
    pub(super) fn apart(&self, symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        Columns {
            theirs: self.theirs.clone(),
            expected: self.expected.clone(),
            ids: Ids::new(symbols, venues),
            times: self.times.clone(),
            path_symbol: self.path_symbol.clone(),
            naming: self.naming,
            numbered: Vec::new(),
            only_paths_symbol: self.only_paths_symbol,
            only_quotes: self.only_quotes,
            met: self.met,
            fields: Fields::default(),
            said: Said::default(),
        }
    }

    /// Our column of a name in the file, if it is one.
    pub(super) fn ours(&mut self, name: &str) -> Option<usize> {
        let column = self.theirs.get(name).copied()?;
        self.met[column] = true;
        Some(column)
    }

    /// Whether a name of this column of ours was met.
    pub(super) fn has_met(&self, ours: &str) -> bool {
        COLUMNS.iter().position(|column| *column == ours).is_some_and(|column| self.met[column])
    }

    /// The name that the file must use for one of our columns.
    fn their_name(&self, column: usize) -> &str {
        let mut names = self.theirs.iter().filter(|(name, i)| **i == column && *name != "timestamp");
        names.next().map_or(COLUMNS[column], |(name, _)| name)
    }

    /// Begins another file, whose path names this symbol.
    pub(super) fn begin(&mut self, symbol: &str) {
        self.path_symbol = Some(symbol.to_owned());
    }

    /// Whoever reads the file was chosen by the symbol of its path, so no other belongs there.
    pub(super) fn take_only_paths_symbol(&mut self) {
        self.only_paths_symbol = true;
    }

    /// The form itself says that each record names its symbol.
    pub(super) fn named_by_records(&mut self) {
        self.naming = Some(Naming::Column);
    }

    pub(super) fn naming(&self) -> Option<Naming> {
        self.naming
    }

    /// Which of ours each of a file's columns is, if any; `found` shows them in messages.
    ///
    /// # Errors
    /// When one is there twice, or one is missing that a tick or a bar needs.
    pub(super) fn header<'a>(
        &mut self,
        names: impl Iterator<Item = &'a str>,
        found: &str,
    ) -> Result<Vec<Option<usize>>, String> {
        let mut header = Vec::new();
        for name in names {
            let column = self.ours(name);
            if column.is_some() && header.contains(&column) {
                return Err(format!("the header has a column for `{}` already", super::quotable(name)));
            }
            header.push(column);
        }
        self.check(|column| header.contains(&Some(column)), found)?;
        Ok(header)
    }

    /// Whether a file with these columns holds bars.
    pub(super) fn is_of_bars(has: impl Fn(usize) -> bool) -> bool {
        (OPEN..=CLOSE).all(&has) && !has(PRICE)
    }

    /// Checks that a header, or a first object, has what a tick or a bar needs.
    fn check(&mut self, has: impl Fn(usize) -> bool, found: &str) -> Result<(), String> {
        let bar = Self::is_of_bars(&has);
        self.only_quotes = !has(PRICE) && (has(BID) || has(ASK));
        let needed: &[usize] = match bar {
            true => &[TS_EVENT],
            false if self.only_quotes => &[TS_EVENT, SYMBOL],
            false => &[TS_EVENT, SYMBOL, PRICE, SIZE],
        };
        let missing: Vec<&str> = needed.iter().filter(|c| !has(**c)).map(|c| self.their_name(*c)).collect();
        if !missing.is_empty() {
            let found = super::quotable(found);
            return Err(format!(
                "the columns are `{found}`: `{}` is missing. Ticks need ts_event, symbol, price and size; quotes \
                 need ts_event, symbol, bid and ask; bars need ts_event or timestamp, open, high, low and close; \
                 [source.columns], or replay's --column, maps other names, as by --set source.columns.ts_event=time",
                missing.join("`, `")
            ));
        }
        self.naming = Some(if bar && !has(SYMBOL) { Naming::Path } else { Naming::Column });
        Ok(())
    }

    /// Checks the object in the slots, the first: unlike a header, it speaks only of itself.
    pub(super) fn check_object(&mut self, line: &[u8]) -> Result<(), String> {
        let found = String::from_utf8_lossy(&line[..line.len().min(200)]);
        // A cancel or a quote has neither price nor size.
        let needs_price = !matches!(self.kind(line), Ok(Kind::Cancel | Kind::Quote));
        let has: [bool; COLUMNS.len()] = std::array::from_fn(|column| {
            self.fields.has(column) || (!needs_price && (column == PRICE || column == SIZE))
        });
        let checked = self.check(|column| has[column], &found);
        self.only_quotes = false;
        checked
    }

    /// Forgets which symbols' ticks have sequence numbers.
    pub(super) fn forget_numbered(&mut self) {
        self.numbered.clear();
    }

    /// A symbol's ticks have sequence numbers or have none: a position that stands in for one could be another's.
    #[inline(always)]
    pub(super) fn check_numbered(&mut self, symbol: Symbol, has_seq: bool) -> Result<(), String> {
        match self.numbered.get(symbol.0 as usize) {
            Some(Some(known)) if *known == has_seq => Ok(()),
            _ => self.learn_numbered(symbol.0 as usize, has_seq),
        }
    }

    #[cold]
    fn learn_numbered(&mut self, at: usize, has_seq: bool) -> Result<(), String> {
        if self.numbered.len() <= at {
            self.numbered.resize(at + 1, None);
        }
        match (*self.numbered[at].get_or_insert(has_seq), has_seq) {
            (true, false) => Err("seq is missing, which earlier lines of this symbol have".into()),
            (false, true) => Err("seq is given, which earlier lines of this symbol have not".into()),
            _ => Ok(()),
        }
    }
}

/// Says what is wrong with a field.
#[cold]
pub(super) fn complain(column: &str, text: &[u8], why: &str) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(64)]);
    format!("{column} `{text}` {why}")
}
