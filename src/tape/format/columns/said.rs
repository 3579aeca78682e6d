//! Trades and quotes out of fields that are as nearly all are.

use super::super::record::{Record, Short};
use super::super::values::{leading_digits, leading_price, leading_time};
use super::{
    ACTION, ASK, ASK_SIZE, BID, BID_SIZE, CHANNEL, CONDITIONS, Columns, DUE, OPEN, PRICE, SEQ, SIDE, SIZE, SYMBOL,
    TS_EVENT, TS_RECV, VENUE,
};
use crate::tick::{Eligible, Kind, Price, Symbol, Tick, Venue};
use crate::time::EventTime;

/// What a line says, read while its fields are found: plain numbers, short texts, or nothing. Of any other field it is not
/// said what it is, or whether it is right: then all of the line is left to [`Columns::records`], with which this agrees.
#[derive(Default)]
pub(in crate::tape::format) struct Said<'a> {
    ts_event: Option<EventTime>,
    ts_recv: Option<EventTime>,
    due: Option<i64>,
    seq: Option<u64>,
    kind: Option<Kind>,
    price: Option<Price>,
    size: Option<u32>,
    bid: Option<Price>,
    bid_size: Option<u32>,
    ask: Option<Price>,
    ask_size: Option<u32>,
    symbol: &'a [u8],
    venue: &'a [u8],
    side: Short,
    conditions: Short,
}

impl<'a> Said<'a> {
    /// Takes the value of one of our columns, with which this text begins and which ends with it or before a comma, and
    /// returns how long it is; `None` if it is odd. What stands behind it is for the caller to look at.
    #[inline(always)]
    pub fn hear(&mut self, column: usize, text: &'a [u8]) -> Option<usize> {
        match column {
            TS_EVENT => take(&mut self.ts_event, text, leading_time),
            TS_RECV => take(&mut self.ts_recv, text, leading_time),
            DUE => take(&mut self.due, text, leading_count),
            SEQ => take(&mut self.seq, text, leading_count),
            PRICE => take(&mut self.price, text, leading_price),
            SIZE => take(&mut self.size, text, leading_count),
            BID => take(&mut self.bid, text, leading_price),
            BID_SIZE => take(&mut self.bid_size, text, leading_count),
            ASK => take(&mut self.ask, text, leading_price),
            ASK_SIZE => take(&mut self.ask_size, text, leading_count),
            OPEN | CHANNEL => is_empty(text).then_some(0),
            _ => {
                let len = up_to_comma(text)?;
                self.hear_text(column, &text[..len])?;
                Some(len)
            }
        }
    }

    #[inline(always)]
    fn hear_text(&mut self, column: usize, text: &'a [u8]) -> Option<()> {
        match column {
            SYMBOL => self.symbol = text,
            VENUE => self.venue = text,
            SIDE => self.side = Short::new(text)?,
            CONDITIONS => self.conditions = Short::new(text)?,
            ACTION => {
                self.kind = match text {
                    b"" => None,
                    b"trade" => Some(Kind::Trade),
                    b"quote" => Some(Kind::Quote),
                    _ => return None,
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// How long the field is with which a text begins, unless it has a quote.
#[inline(always)]
pub(in crate::tape::format) fn up_to_comma(text: &[u8]) -> Option<usize> {
    let len = text.iter().position(|byte| matches!(byte, b',' | b'"')).unwrap_or(text.len());
    (text.get(len) != Some(&b'"')).then_some(len)
}

#[inline(always)]
fn is_empty(text: &[u8]) -> bool {
    matches!(text.first(), None | Some(b','))
}

/// Takes the value with which a text begins, or none where the field is empty, and returns how long it is.
#[inline(always)]
fn take<T>(to: &mut Option<T>, text: &[u8], read: impl Fn(&[u8]) -> Option<(T, usize)>) -> Option<usize> {
    let (value, len) = match is_empty(text) {
        true => (None, 0),
        false => read(text).map(|(value, len)| (Some(value), len))?,
    };
    *to = value;
    Some(len)
}

#[inline(always)]
fn leading_count<T: TryFrom<u64>>(text: &[u8]) -> Option<(T, usize)> {
    let (count, len) = leading_digits(text)?;
    Some((T::try_from(count).ok()?, len))
}

impl Columns {
    /// The trade or quote that a line says, if all of it is plain.
    #[inline(always)]
    pub(in crate::tape::format) fn record(&mut self, said: &Said<'_>) -> Option<Record> {
        if self.times.unit != 1 || self.only_paths_symbol || said.symbol.is_empty() {
            return None;
        }
        let mut tick = Tick {
            ts_event: said.ts_event?,
            seq: said.seq.unwrap_or(0),
            price: Price(0),
            ref_seq: 0,
            size: 0,
            symbol: Symbol(0),
            ask_size: 0,
            watermark_lead_ms: 0,
            recv_lag: Tick::NOT_RECEIVED,
            venue: Venue::default(),
            kind: Kind::Trade,
            eligible: Eligible::ALL,
        };
        let is_quoted = said.bid.is_some() || said.ask.is_some() || (self.only_quotes && said.size.is_none());
        if said.kind == Some(Kind::Quote) || (said.kind.is_none() && said.price.is_none() && is_quoted) {
            tick.kind = Kind::Quote;
            tick.price = said.bid.unwrap_or_default();
            tick.set_ask(said.ask.unwrap_or_default());
            tick.size = said.bid_size.unwrap_or(0);
            tick.ask_size = said.ask_size.unwrap_or(0);
        } else {
            tick.price = said.price.filter(|price| price.0 > 0)?;
            tick.size = said.size?;
        }
        said.ts_recv.into_iter().for_each(|ts_recv| tick.set_received(ts_recv));
        tick.symbol = self.ids.symbol(said.symbol).ok()?;
        if !said.venue.is_empty() {
            tick.venue = self.ids.venue(said.venue).ok()?;
        }
        let has_seq = said.seq.is_some();
        self.check_numbered(tick.symbol, has_seq).ok()?;
        let Said { due, ts_recv, side, conditions, .. } = *said;
        Some(Record { tick, has_seq, due, ts_recv, side, conditions })
    }
}
