//! Trades and quotes out of fields that are as nearly all are.

use super::super::eight::Eight;
use super::super::record::{Record, Short};
use super::super::values::{leading_digits, leading_price, leading_time};
use super::{
    ACTION, ASK, ASK_SIZE, BID, BID_SIZE, CHANNEL, CLOSE, CONDITIONS, Columns, DUE, OPEN, PRICE, Quantity, SEQ, SIDE,
    SIZE, SYMBOL, TS_EVENT, TS_RECV, VENUE, quantity,
};
use crate::tick::{Kind, Price, Symbol, Tick};

/// A line with a value of these is not plain: a bar, and a record whose venue is more than its venue.
const ODD: u32 = ((1 << (CLOSE + 1)) - (1 << OPEN)) | 1 << CHANNEL;

/// A trade has at least these.
const TRADE: u32 = 1 << TS_EVENT | 1 << SYMBOL | 1 << PRICE | 1 << SIZE;

/// What a line says, read while its fields are found: plain numbers, short texts, or nothing. Of any other field it is not
/// said what it is, or whether it is right: then all of the line is left to [`Columns::records`], with which this agrees.
pub(in crate::tape::format) struct Said {
    /// Which columns have a value, a bit each: those of the others are of earlier lines.
    pub filled: u32,
    /// Nanoseconds, units of 1e-9 and counts; of a text where it begins in the line, and in the higher half how long it
    /// is. There is a place for whatever a column's byte may be, so that nobody needs to look whether there is.
    values: [u64; 1 << u8::BITS],
}

impl Default for Said {
    fn default() -> Self {
        Said { filled: 0, values: [0; 1 << u8::BITS] }
    }
}

impl Said {
    /// Takes the value of a column with which the rest of a text begins, at this place of it. Returns how long it is and,
    /// unless it is nothing, the column's bit, which is for the caller to fill in; `None` if it is odd. What stands behind
    /// it is for the caller to look at, too.
    #[inline(always)]
    pub fn hear(&mut self, known: Known, rest: &[u8], at: usize) -> Option<(usize, u32)> {
        // An empty value of any column is nothing.
        let Some(quantity) = known.quantity else { return (field(rest) == 0).then_some((0, 0)) };
        let (value, len) = match quantity {
            Quantity::Time => leading_time(rest).map(|(time, len)| (time as u64, len))?,
            Quantity::Price => leading_price(rest).map(|(price, len)| (price.0 as u64, len))?,
            Quantity::Count => leading_digits(rest)?,
            Quantity::Text => {
                let len = field(rest);
                (at as u64 | (len as u64) << 32, len)
            }
        };
        self.values[known.column()] = value;
        Some((len, if len > 0 { known.bit } else { 0 }))
    }

    #[inline(always)]
    fn number(&self, column: usize) -> Option<u64> {
        self.has(column).then(|| self.values[column])
    }

    #[inline(always)]
    fn text<'a>(&self, column: usize, line: &'a [u8]) -> &'a [u8] {
        let (rest, len) = self.rest(column, line);
        &rest[..len]
    }

    /// The line from where a text begins, and how long that is; nothing where there is none.
    #[inline(always)]
    fn rest<'a>(&self, column: usize, line: &'a [u8]) -> (&'a [u8], usize) {
        if !self.has(column) {
            return (b"", 0);
        }
        let place = self.values[column];
        (&line[place as u32 as usize..], (place >> 32) as usize)
    }

    #[inline(always)]
    fn has(&self, column: usize) -> bool {
        self.filled >> column & 1 == 1
    }
}

/// A column of a file that is one of ours.
#[derive(Clone, Copy)]
pub(in crate::tape::format) struct Known {
    column: u8,
    /// The column's own.
    pub bit: u32,
    /// What it holds, if a line with a value of it may be plain.
    pub quantity: Option<Quantity>,
}

impl Known {
    pub fn of(column: usize) -> Known {
        let (column, bit, quantity) = (column as u8, 1 << column, quantity(column));
        Known { column, bit, quantity: (ODD & bit == 0).then_some(quantity) }
    }

    #[inline(always)]
    pub fn column(self) -> usize {
        self.column.into()
    }
}

/// How long the field is with which a text begins.
#[inline(always)]
pub(in crate::tape::format) fn field(text: &[u8]) -> usize {
    let len = text.first_chunk().map_or(0, |eight| Eight::of(*eight).in_field());
    match text.get(len) {
        Some(b',' | b'"') => len,
        _ => field_from(len, text),
    }
}

/// The same, where so many bytes are no end of it.
fn field_from(len: usize, text: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    text[len..].iter().position(ends).map_or(text.len(), |more| len + more)
}

impl Columns {
    /// Appends the trade or quote that is said of a line, if all of it is plain. It stands at the beginning of this text.
    #[inline(always)]
    pub(in crate::tape::format) fn record(&mut self, text: &[u8], out: &mut Vec<Record>) -> Option<()> {
        let said = &self.said;
        if self.times.unit != 1 || self.only_paths_symbol {
            return None;
        }
        // No more is said of most trades.
        if said.filled & !(1 << SEQ) == TRADE {
            let (ts_event, seq) = (said.values[TS_EVENT] as i64, said.number(SEQ).unwrap_or(0));
            let price = Some(Price(said.values[PRICE] as i64)).filter(|price| price.0 > 0)?;
            let size = u32::try_from(said.values[SIZE]).ok()?;
            let ((name, len), has_seq) = (said.rest(SYMBOL, text), said.has(SEQ));
            let symbol = self.ids.leading_symbol(name, len).ok()?;
            self.check_numbered(symbol, has_seq).ok()?;
            let record = Record::from(Tick::trade(symbol, ts_event, seq, price, size));
            out.push(Record { has_seq, ..record });
            return Some(());
        }
        self.full_record(text, out)
    }

    /// The same of one of which more is said.
    fn full_record(&mut self, text: &[u8], out: &mut Vec<Record>) -> Option<()> {
        let said = &self.said;
        let size = |column| u32::try_from(said.number(column).unwrap_or(0)).ok();
        let (ts_event, seq) = (said.number(TS_EVENT)? as i64, said.number(SEQ).unwrap_or(0));
        let mut tick = Tick::trade(Symbol(0), ts_event, seq, Price(0), 0);
        let is_quoted = || said.has(BID) || said.has(ASK) || (self.only_quotes && !said.has(SIZE));
        let is_quote = match said.text(ACTION, text) {
            b"" => !said.has(PRICE) && is_quoted(),
            b"trade" => false,
            b"quote" => true,
            _ => return None,
        };
        if is_quote {
            tick.kind = Kind::Quote;
            tick.price = Price(said.number(BID).unwrap_or(0) as i64);
            tick.set_ask(Price(said.number(ASK).unwrap_or(0) as i64));
            (tick.size, tick.ask_size) = (size(BID_SIZE)?, size(ASK_SIZE)?);
        } else {
            tick.price = Price(said.number(PRICE).filter(|price| *price > 0)? as i64);
            tick.size = size(SIZE).filter(|_| said.has(SIZE))?;
        }
        let ts_recv = said.number(TS_RECV).map(|time| time as i64);
        ts_recv.into_iter().for_each(|ts_recv| tick.set_received(ts_recv));
        let due = said.number(DUE).map(i64::try_from).transpose().ok()?;
        let (side, conditions) = (Short::new(said.text(SIDE, text))?, Short::new(said.text(CONDITIONS, text))?);
        let has_seq = said.has(SEQ);
        let (name, len) = said.rest(SYMBOL, text);
        tick.symbol = self.ids.leading_symbol(name, len).ok()?;
        let (name, len) = said.rest(VENUE, text);
        if len > 0 {
            tick.venue = self.ids.leading_venue(name, len).ok()?;
        }
        self.check_numbered(tick.symbol, has_seq).ok()?;
        out.push(Record { tick, has_seq, is_of_bar: false, due, ts_recv, side, conditions });
        Some(())
    }
}
