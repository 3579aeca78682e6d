//! Trades and quotes out of fields that are as nearly all are.

use super::super::eight::Eight;
use super::super::record::{Record, Short};
use super::super::values::{leading_digits, leading_price, leading_time};
use super::{
    ACTION, ASK, ASK_SIZE, BID, BID_SIZE, CHANNEL, CLOSE, COLUMNS, CONDITIONS, Columns, DUE, OPEN, PRICE, Quantity,
    SEQ, SIDE, SIZE, SYMBOL, TS_EVENT, TS_RECV, VENUE,
};
use crate::tick::{Eligible, Kind, Price, Symbol, Tick, Venue};

/// A line with a value of these is not plain: a bar, and a record whose venue is more than its venue.
const ODD: u32 = ((1 << (CLOSE + 1)) - (1 << OPEN)) | 1 << CHANNEL;

/// What a line says, read while its fields are found: plain numbers, short texts, or nothing. Of any other field it is not
/// said what it is, or whether it is right: then all of the line is left to [`Columns::records`], with which this agrees.
#[derive(Default)]
pub(in crate::tape::format) struct Said {
    /// Which columns have a value, a bit each: those of the others are of earlier lines.
    filled: u32,
    /// Nanoseconds, units of 1e-9 and counts, or where a text begins in the line; and how long it is there.
    values: [(u64, usize); COLUMNS.len()],
}

impl Said {
    /// Forgets the last line.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Takes the value of one of our columns, which begins at this place of a text, and returns how long it is; `None` if
    /// it is odd. What stands behind it is for the caller to look at.
    #[inline(always)]
    pub fn hear(&mut self, column: usize, quantity: Quantity, text: &[u8], at: usize) -> Option<usize> {
        let value = &text[at..];
        if is_empty(value) {
            self.filled &= !(1 << column);
            return Some(0);
        }
        if ODD >> column & 1 == 1 {
            return None;
        }
        let (number, len) = match quantity {
            Quantity::Time => leading_time(value).map(|(time, len)| (time as u64, len))?,
            Quantity::Price => leading_price(value).map(|(price, len)| (price.0 as u64, len))?,
            Quantity::Count => leading_digits(value)?,
            Quantity::Text => (at as u64, field(value)),
        };
        self.values[column] = (number, len);
        self.filled |= 1 << column;
        Some(len)
    }

    #[inline(always)]
    fn value(&self, column: usize) -> Option<(u64, usize)> {
        self.has(column).then(|| self.values[column])
    }

    #[inline(always)]
    fn number(&self, column: usize) -> Option<u64> {
        self.value(column).map(|(number, _)| number)
    }

    #[inline(always)]
    fn text<'a>(&self, column: usize, line: &'a [u8]) -> &'a [u8] {
        match self.value(column) {
            Some((at, len)) => &line[at as usize..][..len],
            None => b"",
        }
    }

    #[inline(always)]
    fn has(&self, column: usize) -> bool {
        self.filled >> column & 1 == 1
    }
}

/// How long the field is with which a text begins.
#[inline(always)]
pub(in crate::tape::format) fn field(text: &[u8]) -> usize {
    let len = text.first_chunk().map_or(0, |eight| Eight::of(*eight).in_field());
    let rest = &text[len..];
    len + rest.iter().position(|byte| ends_field(*byte)).unwrap_or(rest.len())
}

/// Whether a field ends before this byte, in a line of CSV or in an object.
#[inline(always)]
fn ends_field(byte: u8) -> bool {
    matches!(byte, b',' | b'"' | b'\n' | b'\r')
}

#[inline(always)]
pub(in crate::tape::format) fn is_empty(text: &[u8]) -> bool {
    text.first().is_none_or(|byte| ends_field(*byte))
}

impl Columns {
    /// The trade or quote that is said of a line, if all of it is plain. It stands at the beginning of this text.
    #[inline(always)]
    pub(in crate::tape::format) fn record(&mut self, text: &[u8]) -> Option<Record> {
        let said = &self.said;
        if self.times.unit != 1 || self.only_paths_symbol {
            return None;
        }
        let size = |column| u32::try_from(said.number(column).unwrap_or(0)).ok();
        let mut tick = Tick {
            ts_event: said.number(TS_EVENT)? as i64,
            seq: said.number(SEQ).unwrap_or(0),
            price: Price(0),
            ref_seq: 0,
            size: 0,
            symbol: Symbol(0),
            ask_size: 0,
            watermark_ms: 0,
            recv_lag: Tick::NOT_RECEIVED,
            venue: Venue::default(),
            kind: Kind::Trade,
            eligible: Eligible::ALL,
        };
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
        let (has_seq, symbol, venue) = (said.has(SEQ), said.value(SYMBOL)?, said.value(VENUE));
        tick.symbol = self.ids.leading_symbol(&text[symbol.0 as usize..], symbol.1).ok()?;
        if let Some((at, len)) = venue {
            tick.venue = self.ids.leading_venue(&text[at as usize..], len).ok()?;
        }
        self.check_numbered(tick.symbol, has_seq).ok()?;
        Some(Record { tick, has_seq, is_of_bar: false, due, ts_recv, side, conditions })
    }
}
