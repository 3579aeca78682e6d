use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::fields::{Fields, Fnv};
use super::record::{Record, Short};
use super::values::{self, Times};
use crate::tick::{Eligible, Kind, Names, Price, Symbol, Tick, Venue};
use crate::time::EventTime;

/// The columns that a tape may have, by the names they have unless `[source.columns]` says otherwise.
pub const COLUMNS: [&str; 20] = [
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
];

const TS_EVENT: usize = 0;
const SYMBOL: usize = 1;
const PRICE: usize = 2;
const SIZE: usize = 3;
const SEQ: usize = 4;
const TS_RECV: usize = 5;
const VENUE: usize = 6;
const SIDE: usize = 7;
const CONDITIONS: usize = 8;
const ACTION: usize = 9;
const REF_SEQ: usize = 10;
const DUE: usize = 11;
const OPEN: usize = 12;
const BID: usize = 16;
const BID_SIZE: usize = 17;
const ASK: usize = 18;
const ASK_SIZE: usize = 19;

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
    /// An object's first names in their order, and which of our columns each is: other objects have them so too.
    order: Vec<(String, Option<usize>)>,
    symbols: Arc<Names>,
    venues: Arc<Names>,
    known: HashMap<Vec<u8>, Symbol, BuildHasherDefault<Fnv>>,
    known_venues: Vec<(Vec<u8>, Venue)>,
    times: Times,
    path_symbol: Option<String>,
    naming: Option<Naming>,
    /// Whether each symbol's ticks have sequence numbers, once one was read.
    numbered: Vec<Option<bool>>,
    only_paths_symbol: bool,
    /// The header has columns of quotes and none of trades.
    only_quotes: bool,
    pub(super) fields: Fields,
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
            order: Vec::new(),
            symbols,
            venues,
            known: HashMap::default(),
            known_venues: Vec::new(),
            times: Times::new(zone),
            path_symbol: None,
            naming: None,
            numbered: Vec::new(),
            only_paths_symbol: false,
            only_quotes: false,
            fields: Fields::default(),
        }
    }

    /// Our column of a name in the file, if it is one.
    pub(super) fn ours(&self, name: &str) -> Option<usize> {
        self.theirs.get(name).copied()
    }

    /// Our column of the `at`-th name in an object.
    pub(super) fn ours_at(&mut self, at: usize, name: &str) -> Option<usize> {
        if let Some((known, column)) = self.order.get(at)
            && known == name
        {
            return *column;
        }
        let column = self.ours(name);
        if at == self.order.len() && at < COLUMNS.len() {
            self.order.push((name.to_owned(), column));
        }
        column
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

    /// Checks that a header, or a first object, has what a tick or a bar needs.
    pub(super) fn check(&mut self, has: impl Fn(usize) -> bool, found: &str) -> Result<(), String> {
        let bar = (OPEN..OPEN + 4).all(&has) && !has(PRICE);
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
                 need ts_event, symbol, bid and ask; bars need timestamp, open, high, low and close; \
                 [source.columns], or replay's --column, maps other names",
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

    /// Reads the record, or the four of a bar, out of the slots.
    pub(super) fn records(&mut self, line: &[u8], out: &mut Vec<Record>) -> Result<(), String> {
        let is_bar = self.fields.has(OPEN) && !self.fields.has(PRICE);
        let ts_event = self.time(TS_EVENT, line, is_bar)?;
        let symbol = self.symbol(line)?;
        let tick = Tick {
            ts_event,
            seq: 0,
            price: Price(0),
            ref_seq: 0,
            size: 0,
            symbol,
            ask_size: 0,
            watermark_lead_ms: 0,
            recv_lag: Tick::NOT_RECEIVED,
            venue: self.venue(line)?,
            kind: Kind::Trade,
            eligible: Eligible::ALL,
        };
        let mut record = Record {
            tick,
            has_seq: self.fields.has(SEQ),
            due: self.optional(DUE, line, values::count)?,
            ts_recv: None,
            side: self.short(SIDE, line)?,
            conditions: self.short(CONDITIONS, line)?,
        };
        if self.fields.has(TS_RECV) {
            let ts_recv = self.time(TS_RECV, line, is_bar)?;
            record.tick.set_received(ts_recv);
            record.ts_recv = Some(ts_recv);
        }
        if is_bar {
            return self.bar(record, line, out);
        }
        record.tick.seq = self.optional(SEQ, line, values::count)?.unwrap_or(0);
        self.check_numbered(symbol, record.has_seq)?;
        record.tick.kind = self.kind(line)?;
        if matches!(record.tick.kind, Kind::Cancel | Kind::Correct) {
            record.tick.ref_seq = self.required(REF_SEQ, line, values::count)?;
        }
        if matches!(record.tick.kind, Kind::Trade | Kind::Correct) {
            record.tick.price = self.price(PRICE, line)?;
            record.tick.size = self.required(SIZE, line, values::count)?;
        }
        if record.tick.kind == Kind::Quote {
            // A side that nobody quotes is empty, or zero.
            record.tick.price = self.optional(BID, line, values::price)?.unwrap_or_default();
            record.tick.set_ask(self.optional(ASK, line, values::price)?.unwrap_or_default());
            record.tick.size = self.optional(BID_SIZE, line, values::count)?.unwrap_or(0);
            record.tick.ask_size = self.optional(ASK_SIZE, line, values::count)?.unwrap_or(0);
            for (column, price) in [(BID, record.tick.price), (ASK, record.tick.ask())] {
                if price.0 < 0 {
                    return Err(complain(COLUMNS[column], self.fields.get(column, line), "is below zero"));
                }
            }
        }
        out.push(record);
        Ok(())
    }

    /// A symbol's ticks have sequence numbers or have none: a position that stands in for one could be another's.
    pub(super) fn check_numbered(&mut self, symbol: Symbol, has_seq: bool) -> Result<(), String> {
        let at = symbol.0 as usize;
        if self.numbered.len() <= at {
            self.numbered.resize(at + 1, None);
        }
        match (*self.numbered[at].get_or_insert(has_seq), has_seq) {
            (true, false) => Err("seq is missing, which earlier lines of this symbol have".into()),
            (false, true) => Err("seq is given, which earlier lines of this symbol have not".into()),
            _ => Ok(()),
        }
    }

    /// A bar as the four prints that aggregate back to it: open, high, low and close, all at the bar's time, in
    /// this order, and of no size.
    fn bar(&self, record: Record, line: &[u8], out: &mut Vec<Record>) -> Result<(), String> {
        let mut prices = [Price(0); 4];
        for (i, price) in prices.iter_mut().enumerate() {
            *price = self.price(OPEN + i, line)?;
        }
        let [open, high, low, close] = prices;
        if low > open.min(close) || high < open.max(close) {
            return Err(format!("the bar's open {open} and close {close} do not lie between {low} and {high}"));
        }
        out.extend(prices.map(|price| Record { tick: Tick { price, ..record.tick }, has_seq: false, ..record }));
        Ok(())
    }

    /// What the line says it is. One that does not is a quote if it has a bid or an ask, and no price.
    fn kind(&self, line: &[u8]) -> Result<Kind, String> {
        let is_quote = || self.only_quotes || self.fields.has(BID) || self.fields.has(ASK);
        match self.fields.get(ACTION, line) {
            b"" if !self.fields.has(PRICE) && is_quote() => Ok(Kind::Quote),
            b"" | b"trade" | b"new" | b"T" => Ok(Kind::Trade),
            b"cancel" | b"X" => Ok(Kind::Cancel),
            b"correct" | b"C" => Ok(Kind::Correct),
            b"quote" | b"Q" => Ok(Kind::Quote),
            other => Err(complain("action", other, "is none of trade, cancel, correct, quote")),
        }
    }

    fn time(&mut self, column: usize, line: &[u8], naive: bool) -> Result<EventTime, String> {
        let text = self.fields.get(column, line);
        if text.is_empty() {
            return Err(format!("{} is missing", COLUMNS[column]));
        }
        self.times.parse(text, naive).map_err(|why| complain(COLUMNS[column], text, why))
    }

    fn price(&self, column: usize, line: &[u8]) -> Result<Price, String> {
        let price = self.required(column, line, values::price)?;
        if price.0 <= 0 {
            return Err(complain(COLUMNS[column], self.fields.get(column, line), "is not above zero"));
        }
        Ok(price)
    }

    fn required<T>(
        &self,
        column: usize,
        line: &[u8],
        parse: fn(&[u8]) -> Result<T, &'static str>,
    ) -> Result<T, String> {
        self.optional(column, line, parse)?.ok_or_else(|| format!("{} is missing", COLUMNS[column]))
    }

    fn optional<T>(
        &self,
        column: usize,
        line: &[u8],
        parse: fn(&[u8]) -> Result<T, &'static str>,
    ) -> Result<Option<T>, String> {
        match self.fields.get(column, line) {
            b"" => Ok(None),
            text => parse(text).map(Some).map_err(|why| complain(COLUMNS[column], text, why)),
        }
    }

    fn short(&self, column: usize, line: &[u8]) -> Result<Short, String> {
        let text = self.fields.get(column, line);
        Short::new(text).ok_or_else(|| complain(COLUMNS[column], text, "is not a text of at most 8 bytes"))
    }

    fn symbol(&mut self, line: &[u8]) -> Result<Symbol, String> {
        let mut text = self.fields.get(SYMBOL, line);
        if text.is_empty() {
            let from_path = self.path_symbol.as_deref().filter(|_| self.naming == Some(Naming::Path));
            text = from_path.ok_or("symbol is missing")?.as_bytes();
        }
        if self.only_paths_symbol
            && let Some(own) = self.path_symbol.as_deref().filter(|own| own.as_bytes() != text)
        {
            return Err(complain(
                "symbol",
                text,
                &format!("stands among bars of `{own}`: play it from a folder apart"),
            ));
        }
        if let Some(symbol) = self.known.get(text) {
            return Ok(*symbol);
        }
        let text = text.to_vec();
        self.symbol_named(&text)
    }

    /// The symbol of this text.
    pub(super) fn symbol_named(&mut self, text: &[u8]) -> Result<Symbol, String> {
        if let Some(symbol) = self.known.get(text) {
            return Ok(*symbol);
        }
        if text.is_empty() {
            return Err("symbol is missing".into());
        }
        let name = name(text).map_err(|why| complain("symbol", text, why))?;
        let symbol = Symbol(self.symbols.intern(name));
        self.known.insert(name.as_bytes().to_vec(), symbol);
        Ok(symbol)
    }

    fn venue(&mut self, line: &[u8]) -> Result<Venue, String> {
        let text = self.fields.get(VENUE, line);
        if text.is_empty() {
            return Ok(Venue::default());
        }
        if let Some((_, venue)) = self.known_venues.iter().find(|(known, _)| known == text) {
            return Ok(*venue);
        }
        let text = text.to_vec();
        self.venue_named(&text)
    }

    /// The venue of this text.
    pub(super) fn venue_named(&mut self, text: &[u8]) -> Result<Venue, String> {
        if let Some((_, venue)) = self.known_venues.iter().find(|(known, _)| known == text) {
            return Ok(*venue);
        }
        let name = name(text).map_err(|why| complain("venue", text, why))?;
        // Venue 0 is "none given", so the table's ids are moved by one.
        let id = u16::try_from(self.venues.intern(name) + 1).map_err(|_| "there are more than 65,535 venues")?;
        self.known_venues.push((name.as_bytes().to_vec(), Venue(id)));
        Ok(Venue(id))
    }
}

/// A symbol's or venue's text: something that CSV and JSON lines carry without quoting.
fn name(text: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8")?;
    if text.len() > 64 {
        return Err("is longer than 64 bytes");
    }
    if text.contains(|c: char| c.is_control() || c == ',' || c == '"' || c == '\\') {
        return Err("holds a comma, a quote, a backslash or a control character");
    }
    Ok(text)
}

fn complain(column: &str, text: &[u8], why: &str) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(64)]);
    format!("{column} `{text}` {why}")
}
