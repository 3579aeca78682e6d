//! DBN, the form in which Databento delivers trades and quotes, compressed with zstd or not; it is read only.
//!
//! | schema | what a message becomes |
//! |---|---|
//! | `trades` | a trade |
//! | `tbbo`, `tcbbo` | the quote that held, and after it the trade |
//! | `mbp-1`, `cmbp-1` | a trade, whose book is the one that is known already; of all other actions the quote |
//! | `bbo-1s`, `bbo-1m`, `cbbo-1s`, `cbbo-1m` | the quote at the interval's end, which is `ts_recv` |
//!
//! A live capture has no schema of its own: its trades bring the book along. Prices are in our unit already. Messages
//! are laid out alike in all versions that are read (1 to 3), so none is converted.
//!
//! A message's `sequence` is not taken for `seq`. It may be that of a packet, as CME's is, and then several trades of a
//! symbol have the same one, and would be repeats of one print. So ticks are numbered by their positions.

use std::ffi::c_char;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use dbn::decode::DynReader;
use dbn::decode::dbn::fsm::{DbnFsm, ProcessResult};
use dbn::{
    BboMsg, CbboMsg, Cmbp1Msg, ErrorMsg, FlagSet, HasRType, Mbp1Msg, Metadata, Publisher, RecordHeader, RecordRef,
    Schema, SymbolMappingMsg, SystemMsg, TradeMsg, TsSymbolMap, UNDEF_ORDER_SIZE, UNDEF_PRICE, UNDEF_TIMESTAMP,
    VersionUpgradePolicy,
};

use super::Rows;
use super::columns::{
    ACTION, ASK, ASK_SIZE, BID, BID_SIZE, Columns, PRICE, SIDE, SIZE, SYMBOL, TS_EVENT, TS_RECV, VENUE,
};
use super::fields::Fields;
use super::record::Record;
use crate::error::{Doing as _, Error, Result, catching};

/// The schemas whose messages are trades or quotes.
const READ: [Schema; 9] = [
    Schema::Trades,
    Schema::Tbbo,
    Schema::Mbp1,
    Schema::Bbo1S,
    Schema::Bbo1M,
    Schema::Tcbbo,
    Schema::Cmbp1,
    Schema::Cbbo1S,
    Schema::Cbbo1M,
];

/// An open file, read a message after the other.
pub struct Messages {
    path: PathBuf,
    reader: DynReader<'static, BufReader<File>>,
    decoder: DbnFsm,
    header: String,
    /// Messages of trades come among those of the book.
    is_of_book: bool,
    symbols: TsSymbolMap,
    /// Messages that were read.
    number: u64,
}

/// What comes next in a file.
enum Found {
    Metadata(Box<Metadata>),
    Message,
    End,
}

/// A side of the book: its price and size.
type Level = (i64, u32);

/// What a message says of an instrument, whatever its schema.
struct Said {
    header: RecordHeader,
    ts_event: u64,
    ts_recv: u64,
    flags: FlagSet,
    /// The bid and the ask.
    quote: Option<[Level; 2]>,
    /// The trade's price and size, and the side of who was the aggressor.
    trade: Option<(i64, u32, c_char)>,
}

impl Messages {
    /// Opens a file behind its first `number` messages.
    ///
    /// # Errors
    /// When it cannot be opened, is no DBN, or holds neither trades nor quotes.
    pub fn open(path: &Path, number: u64) -> Result<Messages> {
        let doing = || format!("reading {}", path.display());
        let wrong = |why: String| Error::Input(format!("reading {}: {why}", path.display()));
        let file = File::open(path).doing(doing)?;
        let no_dbn = |e: String| wrong(format!("it is no DBN file, or not a whole one: {e}"));
        let mut reader = DynReader::new_inferred(file).map_err(|e| no_dbn(e.to_string()))?;
        let decoder = DbnFsm::builder().upgrade_policy(VersionUpgradePolicy::AsIs).build();
        let mut decoder = decoder.map_err(|e| wrong(e.to_string()))?;
        let found = catching(|| find(&mut reader, &mut decoder));
        let metadata = match found.unwrap_or_else(|| Err("its bytes contradict each other".into())).map_err(no_dbn)? {
            Found::Metadata(metadata) => metadata,
            _ => return Err(no_dbn("it ends before its header does".into())),
        };
        let (schema, schemas) = (metadata.schema, READ.map(|schema| schema.as_str()).join(", "));
        if let Some(other) = schema.filter(|schema| !READ.contains(schema)) {
            return Err(wrong(format!(
                "it holds `{other}`, and of DBN's schemas {schemas} are read: ask for one of them"
            )));
        }
        let symbols = metadata.symbol_map().map_err(|e| wrong(format!("its symbols cannot be read: {e}")))?;
        let header = format!(
            "DBN {} with {} of {}",
            metadata.version,
            schema.map_or("the messages of a live capture", |schema| schema.as_str()),
            metadata.dataset
        );
        let is_of_book = matches!(schema, Some(Schema::Mbp1 | Schema::Cmbp1));
        let mut messages =
            Messages { path: path.to_path_buf(), reader, decoder, header, is_of_book, symbols, number: 0 };
        while messages.number < number && messages.advance()? {}
        Ok(messages)
    }

    /// Goes on to the next message, which the decoder then holds; false at the end. What it says of symbols is learnt.
    fn advance(&mut self) -> Result<bool> {
        let cannot = |path: &Path, number: u64, why: String| {
            let path = path.display();
            Error::Input(format!("reading {path}: what follows row {number} cannot be read: {why}"))
        };
        let found = find(&mut self.reader, &mut self.decoder).map_err(|why| cannot(&self.path, self.number, why))?;
        if let Found::End = found {
            return Ok(false);
        }
        if let Some(message) = self.decoder.last_record().filter(|message| message.has::<SymbolMappingMsg>()) {
            self.symbols.on_record(message).map_err(|e| cannot(&self.path, self.number, e.to_string()))?;
        }
        self.number += 1;
        Ok(true)
    }
}

/// Reads on until something is whole. What the library would take for the end, too, is an error: a file that was cut.
fn find(reader: &mut DynReader<'_, BufReader<File>>, decoder: &mut DbnFsm) -> std::result::Result<Found, String> {
    loop {
        // Lengths are in words of four bytes, and those of all kinds are even: the library takes that for granted.
        if decoder.has_decoded_metadata() && decoder.data().first().is_some_and(|words| words % 2 == 1) {
            return Err("no message is so long".into());
        }
        match decoder.process() {
            ProcessResult::Record(()) => return Ok(Found::Message),
            ProcessResult::Metadata(metadata) => return Ok(Found::Metadata(metadata.into())),
            ProcessResult::Err(e) => return Err(e.to_string()),
            ProcessResult::ReadMore(_) => match reader.read(decoder.space()).map_err(|e| e.to_string())? {
                0 if decoder.data().is_empty() => return Ok(Found::End),
                0 => return Err("the file ends in the midst of it".into()),
                bytes => decoder.fill(bytes),
            },
        }
    }
}

impl Rows for Messages {
    fn next(&mut self, ours: &mut Columns, out: &mut Vec<Record>) -> Result<Option<std::result::Result<(), String>>> {
        ours.named_by_records();
        ours.fields.clear();
        if !self.advance()? {
            return Ok(None);
        }
        let Some(message) = self.decoder.last_record() else { return Ok(None) };
        let before = out.len();
        let read = said(message, self.is_of_book).and_then(|said| match said {
            Some(said) => said.records(&self.symbols, ours, out),
            None => Ok(()),
        });
        Ok(Some(read.inspect_err(|_| out.truncate(before))))
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn text(&self, columns: &Columns) -> Vec<u8> {
        columns.row_as_text()
    }

    fn header(&self) -> String {
        self.header.clone()
    }
}

/// What a message says; nothing if it is about the connection over which it came.
fn said(message: RecordRef<'_>, is_of_book: bool) -> std::result::Result<Option<Said>, String> {
    let is_trade = |action: c_char| action as u8 == b'T';
    // A trade's message brings the book before it along.
    let has_quote = |action: c_char| !is_of_book || !is_trade(action);
    Ok(Some(if message.has::<TradeMsg>() {
        let TradeMsg { hd, ts_recv, flags, price, size, side, action, .. } = *whole(message)?;
        if !is_trade(action) {
            return Err(format!("action `{}` is no trade", char::from(action as u8)));
        }
        Said { header: hd, ts_event: hd.ts_event, ts_recv, flags, quote: None, trade: Some((price, size, side)) }
    } else if message.has::<Mbp1Msg>() {
        let Mbp1Msg { hd, ts_recv, flags, price, size, side, action, levels: [ref book], .. } = *whole(message)?;
        let quote = has_quote(action).then_some([(book.bid_px, book.bid_sz), (book.ask_px, book.ask_sz)]);
        let trade = is_trade(action).then_some((price, size, side));
        Said { header: hd, ts_event: hd.ts_event, ts_recv, flags, quote, trade }
    } else if message.has::<Cmbp1Msg>() {
        let Cmbp1Msg { hd, ts_recv, flags, price, size, side, action, levels: [ref book], .. } = *whole(message)?;
        let quote = has_quote(action).then_some([(book.bid_px, book.bid_sz), (book.ask_px, book.ask_sz)]);
        let trade = is_trade(action).then_some((price, size, side));
        Said { header: hd, ts_event: hd.ts_event, ts_recv, flags, quote, trade }
    } else if message.has::<BboMsg>() {
        let BboMsg { hd, ts_recv, flags, levels: [ref book], .. } = *whole(message)?;
        let quote = Some([(book.bid_px, book.bid_sz), (book.ask_px, book.ask_sz)]);
        Said { header: hd, ts_event: ts_recv, ts_recv, flags, quote, trade: None }
    } else if message.has::<CbboMsg>() {
        let CbboMsg { hd, ts_recv, flags, levels: [ref book], .. } = *whole(message)?;
        let quote = Some([(book.bid_px, book.bid_sz), (book.ask_px, book.ask_sz)]);
        Said { header: hd, ts_event: ts_recv, ts_recv, flags, quote, trade: None }
    } else if message.has::<SymbolMappingMsg>() || message.has::<SystemMsg>() || message.has::<ErrorMsg>() {
        return Ok(None);
    } else {
        let rtype = message.header().rtype;
        let kind = message.header().rtype().map_or(format!("unknown ({rtype})"), |kind| kind.to_string());
        return Err(format!("its kind is {kind}, which is neither a trade nor a quote"));
    }))
}

/// The message, unless it is shorter than its kind.
fn whole<T: HasRType<Header = RecordHeader>>(message: RecordRef<'_>) -> std::result::Result<&T, String> {
    message.try_get().map_err(|_| "the message is shorter than its kind".into())
}

impl Said {
    /// Makes the records of what is said.
    fn records(
        &self,
        symbols: &TsSymbolMap,
        columns: &mut Columns,
        out: &mut Vec<Record>,
    ) -> std::result::Result<(), String> {
        if let Some(sides) = self.quote {
            self.begin(symbols, &mut columns.fields);
            columns.fields.set_unescaped(ACTION, b"quote");
            for ((price, size), (price_column, size_column)) in
                sides.into_iter().zip([(BID, BID_SIZE), (ASK, ASK_SIZE)])
            {
                put(&mut columns.fields, (price_column, price), (size_column, size));
            }
            columns.records(b"", out)?;
        }
        if let Some((price, size, side)) = self.trade {
            self.begin(symbols, &mut columns.fields);
            put(&mut columns.fields, (PRICE, price), (SIZE, size));
            if side as u8 != b'N' {
                columns.fields.set_unescaped(SIDE, &[side as u8]);
            }
            columns.records(b"", out)?;
        }
        Ok(())
    }

    /// Begins a record with what is in all of them.
    fn begin(&self, symbols: &TsSymbolMap, fields: &mut Fields) {
        let RecordHeader { instrument_id, publisher_id, .. } = self.header;
        fields.clear();
        put_time(fields, TS_EVENT, self.ts_event);
        if !self.flags.is_bad_ts_recv() {
            put_time(fields, TS_RECV, self.ts_recv);
        }
        // Mappings go by the day on which a message was received.
        let received = if self.ts_recv == UNDEF_TIMESTAMP { self.ts_event } else { self.ts_recv };
        match symbols.get_for_ts(received, instrument_id) {
            Some(symbol) => fields.set_unescaped(SYMBOL, symbol.as_bytes()),
            None => fields.set_unescaped(SYMBOL, instrument_id.to_string().as_bytes()),
        }
        match Publisher::try_from(publisher_id) {
            Ok(publisher) => fields.set_unescaped(VENUE, publisher.venue().as_str().as_bytes()),
            Err(_) => fields.set_unescaped(VENUE, publisher_id.to_string().as_bytes()),
        }
    }
}

fn put(fields: &mut Fields, (price_column, price): (usize, i64), (size_column, size): (usize, u32)) {
    if price != UNDEF_PRICE {
        fields.set_number(price_column, price);
    }
    if size != UNDEF_ORDER_SIZE {
        fields.set_number(size_column, size.into());
    }
}

fn put_time(fields: &mut Fields, column: usize, ns: u64) {
    if ns != UNDEF_TIMESTAMP {
        // What is beyond our range is so by far.
        fields.set_number(column, i64::try_from(ns).unwrap_or(i64::MAX));
    }
}
