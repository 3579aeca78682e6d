//! Records out of the fields of a line.

use std::borrow::Cow;

use super::super::record::{Record, Short};
use super::super::values;
use super::{
    ACTION, ASK, ASK_SIZE, BID, BID_SIZE, CHANNEL, CLOSE, COLUMNS, CONDITIONS, Columns, DUE, Naming, OPEN, PRICE,
    Quantity, REF_SEQ, SEQ, SIDE, SIZE, SYMBOL, TS_EVENT, TS_RECV, VENUE, VOLUME, complain, quantity,
};
use crate::tick::{Kind, Price, Symbol, Tick, Venue};
use crate::time::EventTime;

impl Columns {
    /// Reads the record, or the four of a bar, out of the slots.
    pub(in crate::tape::format) fn records(&mut self, line: &[u8], out: &mut Vec<Record>) -> Result<(), String> {
        let is_bar = (OPEN..=CLOSE).any(|column| self.fields.has(column)) && !self.fields.has(PRICE);
        let ts_event = self.time(TS_EVENT, line, is_bar)?;
        let symbol = self.symbol(line)?;
        let tick = Tick { venue: self.venue(line)?, ..Tick::trade(symbol, ts_event, 0, Price(0), 0) };
        let mut record = Record {
            tick,
            has_seq: self.fields.has(SEQ),
            is_of_bar: is_bar,
            due: self.count(DUE, line)?,
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
        record.tick.seq = self.count(SEQ, line)?.unwrap_or(0);
        self.check_numbered(symbol, record.has_seq)?;
        record.tick.kind = self.kind(line)?;
        if matches!(record.tick.kind, Kind::Cancel | Kind::Correct) {
            record.tick.ref_seq = required(REF_SEQ, self.count(REF_SEQ, line)?)?;
        }
        if matches!(record.tick.kind, Kind::Trade | Kind::Correct) {
            record.tick.price = self.positive_price(PRICE, line)?;
            record.tick.size = required(SIZE, self.count(SIZE, line)?)?;
        }
        if record.tick.kind == Kind::Quote {
            // A side that nobody quotes is empty, or zero.
            record.tick.price = self.price(BID, line)?.unwrap_or_default();
            record.tick.set_ask(self.price(ASK, line)?.unwrap_or_default());
            record.tick.size = self.count(BID_SIZE, line)?.unwrap_or(0);
            record.tick.ask_size = self.count(ASK_SIZE, line)?.unwrap_or(0);
            for (column, price) in [(BID, record.tick.price), (ASK, record.tick.ask())] {
                if price.0 < 0 {
                    return Err(complain(COLUMNS[column], &self.shown(column, line), "is below zero"));
                }
            }
        }
        out.push(record);
        Ok(())
    }

    /// A bar as the four prints that aggregate back to it: open, high, low and close, all at the bar's time and in this
    /// order. Its volume, if it has one, lies in equal parts on the last three, so that a VWAP is that of typical prices.
    fn bar(&self, record: Record, line: &[u8], out: &mut Vec<Record>) -> Result<(), String> {
        let mut prices = [Price(0); 4];
        for (i, price) in prices.iter_mut().enumerate() {
            *price = self.positive_price(OPEN + i, line)?;
        }
        let [open, high, low, close] = prices;
        if low > open.min(close) || high < open.max(close) {
            return Err(format!("the bar's open {open} and close {close} do not lie between {low} and {high}"));
        }
        let volume: u64 = self.count(VOLUME, line)?.unwrap_or(0);
        let (third, rest) = (volume / 3, volume - 2 * (volume / 3));
        let too_large = || complain(COLUMNS[VOLUME], &self.shown(VOLUME, line), "is too large");
        let last = u32::try_from(rest).map_err(|_| too_large())?;
        let prints = prices.into_iter().zip([0, third as u32, third as u32, last]);
        out.extend(prints.map(|(price, size)| Record {
            tick: Tick { price, size, ..record.tick },
            has_seq: false,
            ..record
        }));
        Ok(())
    }

    /// What the line says it is. One that does not is a quote if it has a bid or an ask, and no price.
    #[inline]
    pub(super) fn kind(&self, line: &[u8]) -> Result<Kind, String> {
        // A size without a price is a trade's whose price has another name in this file.
        let is_quote = || self.fields.has(BID) || self.fields.has(ASK) || (self.only_quotes && !self.fields.has(SIZE));
        match self.fields.get(ACTION, line) {
            b"" if !self.fields.has(PRICE) && is_quote() => Ok(Kind::Quote),
            b"" | b"trade" | b"new" | b"T" => Ok(Kind::Trade),
            b"cancel" | b"X" => Ok(Kind::Cancel),
            b"correct" | b"C" => Ok(Kind::Correct),
            b"quote" | b"Q" => Ok(Kind::Quote),
            other => Err(complain("action", other, "is none of trade, cancel, correct, quote")),
        }
    }

    #[inline]
    fn time(&mut self, column: usize, line: &[u8], naive: bool) -> Result<EventTime, String> {
        match values::plain_time(self.fields.get(column, line)) {
            Some(time) if self.times.unit == 1 => Ok(time),
            _ => self.unusual_time(column, line, naive),
        }
    }

    #[inline(never)]
    fn unusual_time(&mut self, column: usize, line: &[u8], naive: bool) -> Result<EventTime, String> {
        if !self.fields.has(column) {
            return Err(format!("{} is missing", COLUMNS[column]));
        }
        let time = match self.fields.number(column) {
            Some(time) => values::in_range(time).map(|()| time),
            None => self.times.parse(self.fields.get(column, line), naive),
        };
        time.map_err(|why| complain(COLUMNS[column], &self.shown(column, line), why))
    }

    #[inline]
    fn positive_price(&self, column: usize, line: &[u8]) -> Result<Price, String> {
        match values::plain_price(self.fields.get(column, line)) {
            Some(price) if price.0 > 0 => Ok(price),
            _ => self.unusual_positive_price(column, line),
        }
    }

    #[inline(never)]
    fn unusual_positive_price(&self, column: usize, line: &[u8]) -> Result<Price, String> {
        let price = required(column, self.price(column, line)?)?;
        if price.0 <= 0 {
            return Err(complain(COLUMNS[column], &self.shown(column, line), "is not above zero"));
        }
        Ok(price)
    }

    fn price(&self, column: usize, line: &[u8]) -> Result<Option<Price>, String> {
        if let Some(units) = self.fields.number(column) {
            return Ok(Some(Price(units)));
        }
        self.parsed(column, line, values::price)
    }

    #[inline]
    fn count<T: TryFrom<u64>>(&self, column: usize, line: &[u8]) -> Result<Option<T>, String> {
        if !self.fields.has(column) {
            return Ok(None);
        }
        match values::digits(self.fields.get(column, line)).and_then(|count| T::try_from(count).ok()) {
            Some(count) => Ok(Some(count)),
            None => self.unusual_count(column, line),
        }
    }

    #[inline(never)]
    fn unusual_count<T: TryFrom<u64>>(&self, column: usize, line: &[u8]) -> Result<Option<T>, String> {
        if let Some(number) = self.fields.number(column) {
            let count = T::try_from(number as u64).map(Some);
            return count.map_err(|_| complain(COLUMNS[column], &self.shown(column, line), "is too large"));
        }
        self.parsed(column, line, values::count)
    }

    fn parsed<T>(
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

    /// A field as a message shows it.
    fn shown<'a>(&'a self, column: usize, line: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(number) = self.fields.number(column) else { return self.fields.get(column, line).into() };
        let text = match quantity(column) {
            Quantity::Price => Price(number).to_string(),
            Quantity::Count => (number as u64).to_string(),
            Quantity::Time | Quantity::Text => number.to_string(),
        };
        text.into_bytes().into()
    }

    /// The fields of a row that is no line of text, as one: `ts_event=1,symbol=A`.
    #[cfg(any(feature = "parquet", feature = "dbn"))]
    pub(in crate::tape::format) fn row_as_text(&self) -> Vec<u8> {
        let columns = (0..COLUMNS.len()).filter(|column| self.fields.has(*column));
        let fields = columns.map(|column| [COLUMNS[column].as_bytes(), b"=", &self.shown(column, b"")].concat());
        fields.collect::<Vec<_>>().join(&b',')
    }

    #[inline]
    fn short(&self, column: usize, line: &[u8]) -> Result<Short, String> {
        let text = self.fields.get(column, line);
        Short::new(text).ok_or_else(|| complain(COLUMNS[column], text, "is not a text of at most 8 bytes"))
    }

    #[inline]
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
        self.ids.symbol(text)
    }

    /// The venue; where its feed comes in channels, each of which numbers its own records, with the channel behind a
    /// slash.
    #[inline]
    fn venue(&mut self, line: &[u8]) -> Result<Venue, String> {
        match (self.fields.get(VENUE, line), self.fields.get(CHANNEL, line)) {
            (b"", b"") => Ok(Venue::default()),
            (venue, b"") => self.ids.venue(venue),
            (venue, channel) => self.ids.venue(&[venue, b"/", channel].concat()),
        }
    }
}

#[inline]
fn required<T>(column: usize, value: Option<T>) -> Result<T, String> {
    value.ok_or_else(|| format!("{} is missing", COLUMNS[column]))
}
