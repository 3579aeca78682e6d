//! Our compact binary form: blocks of records of a fixed width, each of which can be read on its own.
//!
//! All numbers are little-endian. A block is a head of 20 bytes, a dictionary, and its records:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | the mark `89 54 46 31` |
//! | 4 | CRC-32 (IEEE) of all of the block that follows |
//! | 4 | how many records |
//! | 2 | a record's width in bytes |
//! | 2 | which columns a record has: bit n stands for the n-th row of the table below |
//! | 4 | the dictionary's bytes: how many symbols (2), how many venues (2), then each as its length (1) and its text |
//!
//! | column | bytes | what it holds |
//! |---|---|---|
//! | flags | 1 | bits 0-1: trade, cancel, correct or quote; bit 7: the record has a sequence number |
//! | ts_event | 8 | nanoseconds since the epoch |
//! | symbol | 2 | its place in the dictionary |
//! | price | 8 | units of 1e-9; of a quote the bid |
//! | size | 4 | of a quote the bid's |
//! | seq | 8 | |
//! | venue | 2 | its place in the dictionary, from one; zero where none is given |
//! | side, conditions | 8 each | a text, filled up with zeros |
//! | ref_seq | 8 | of a quote the ask, in units of 1e-9 |
//! | due, ts_recv | 8 each | nanoseconds since the epoch, -1 where there is none |
//! | ask_size | 4 | |
//!
//! The first three are in every block, the others where a record of the block has something to say there.

use std::slice::ChunksExact;
use std::sync::Arc;

use super::columns::Columns;
use super::record::{Record, Short};
use crate::row::Texts;
use crate::tick::{Eligible, Kind, Names, Price, Symbol, Tick, Venue};

/// The mark that a block begins with. No line of text does: its first byte is not UTF-8.
pub const MARK: [u8; 4] = *b"\x89TF1";

/// The bytes of a block before its dictionary.
pub(super) const HEAD: usize = 20;

/// No block is longer, so that a broken length does not fill the memory.
const LONGEST_BLOCK: usize = 1 << 24;

/// So many records fill a block.
const FULL: usize = 4096;

const WIDTHS: [usize; 13] = [1, 8, 2, 8, 4, 8, 2, 8, 8, 8, 8, 8, 4];

const ALWAYS: u16 = 0b111;
const PRICE: u16 = 1 << 3;
const SIZE: u16 = 1 << 4;
const SEQ: u16 = 1 << 5;
const VENUE: u16 = 1 << 6;
const SIDE: u16 = 1 << 7;
const CONDITIONS: u16 = 1 << 8;
const REF_SEQ: u16 = 1 << 9;
const DUE: u16 = 1 << 10;
const TS_RECV: u16 = 1 << 11;
const ASK_SIZE: u16 = 1 << 12;

const HAS_SEQ: u8 = 0x80;
const KINDS: [Kind; 4] = [Kind::Trade, Kind::Cancel, Kind::Correct, Kind::Quote];

/// What the beginning of some bytes says of the block that they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// There is no telling yet.
    Short,
    /// It is no block, or none that can be.
    Broken(&'static str),
    /// A block of so many bytes: of its head with the dictionary, and of so many records of this width.
    Block {
        /// Head and dictionary.
        head: usize,
        /// Records.
        records: usize,
        /// Bytes of each.
        width: usize,
    },
}

/// Reads the head at the beginning of `bytes`.
pub(super) fn head(bytes: &[u8]) -> Head {
    let known = bytes.len().min(MARK.len());
    if bytes[..known] != MARK[..known] {
        return Head::Broken("no block begins here");
    }
    if bytes.len() < HEAD {
        return Head::Short;
    }
    let (records, width, dictionary) = (number(bytes, 8, 4), number(bytes, 12, 2), number(bytes, 16, 4));
    let length = records.saturating_mul(width).saturating_add(dictionary);
    if width != width_of(number(bytes, 14, 2) as u16) || length > LONGEST_BLOCK {
        return Head::Broken("the block's head is damaged, or of a later version");
    }
    Head::Block { head: HEAD + dictionary, records, width }
}

/// Whether a whole block has the checksum that its head gives.
pub(super) fn is_sound(block: &[u8]) -> bool {
    crc32fast::hash(&block[8..]) as usize == number(block, 4, 4)
}

/// Zero for columns that are not known, which no record's width is.
fn width_of(columns: u16) -> usize {
    if columns >> WIDTHS.len() != 0 || columns & ALWAYS != ALWAYS {
        return 0;
    }
    WIDTHS.iter().enumerate().filter(|(bit, _)| columns >> bit & 1 == 1).map(|(_, width)| width).sum()
}

fn number(bytes: &[u8], at: usize, width: usize) -> usize {
    bytes[at..at + width].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// A block whose head was read, and what its records need of it.
pub(super) struct Block {
    columns: u16,
    symbols: Vec<Result<Symbol, String>>,
    venues: Vec<Result<Venue, String>>,
    /// Records still to come.
    pub left: usize,
}

impl Block {
    /// Reads a head with its dictionary. A name that cannot be is told with each record that uses it.
    ///
    /// # Errors
    /// Why it is no head.
    pub fn parse(bytes: &[u8], columns: &mut Columns) -> Result<Block, String> {
        let Head::Block { head, records, .. } = head(bytes) else {
            return Err("it is no block of the binary form".into());
        };
        let mut block =
            Block { columns: number(bytes, 14, 2) as u16, symbols: Vec::new(), venues: Vec::new(), left: records };
        columns.named_by_records();
        let Some(mut rest) = bytes.get(HEAD + 4..head) else { return Ok(block) };
        let (symbols, venues) = (number(bytes, HEAD, 2), number(bytes, HEAD + 2, 2));
        for at in 0..symbols + venues {
            let Some((len, after)) = rest.split_first() else { break };
            let Some((text, after)) = after.split_at_checked(usize::from(*len)) else { break };
            rest = after;
            if at < symbols {
                block.symbols.push(columns.ids.symbol(text));
            } else {
                block.venues.push(columns.ids.venue(text));
            }
        }
        Ok(block)
    }

    /// Reads as many of the next records as a tape can have, up to the first that it cannot.
    pub fn decode_all(&mut self, records: ChunksExact<'_, u8>, columns: &mut Columns, out: &mut Vec<Record>) -> usize {
        let (before, mut sound) = (out.len(), records.len());
        out.extend(records.enumerate().map(|(at, bytes)| {
            let (record, checked) = self.read(bytes, columns);
            if checked.is_err() {
                sound = sound.min(at);
            }
            record
        }));
        out.truncate(before + sound);
        self.left -= sound;
        sound
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// Why it is none that a tape can have.
    pub fn decode(&mut self, bytes: &[u8], columns: &mut Columns) -> Result<Record, String> {
        self.left -= 1;
        let (record, checked) = self.read(bytes, columns);
        checked.map(|()| record).map_err(|fault| self.tell(fault, bytes[0], &record, columns))
    }

    /// What a record's bytes say, and whether a tape can have it. Both come together, and what is wrong is told later, so
    /// that a record is written where it is to stay: a processor waits to copy what was written in parts just now.
    #[inline(always)]
    fn read(&self, bytes: &[u8], columns: &mut Columns) -> (Record, Result<(), Fault>) {
        let mut fields = Cursor { bytes, columns: self.columns };
        let [flags] = fields.take(1, 0);
        let ts_event = i64::from_le_bytes(fields.take(1 << 1, 0));
        let symbol_at = u16::from_le_bytes(fields.take(1 << 2, 0));
        let price = Price(i64::from_le_bytes(fields.take(PRICE, 0)));
        let size = u32::from_le_bytes(fields.take(SIZE, 0));
        let seq = u64::from_le_bytes(fields.take(SEQ, 0));
        let venue_at = u16::from_le_bytes(fields.take(VENUE, 0));
        let (side, conditions) = (text(fields.take(SIDE, 0)), text(fields.take(CONDITIONS, 0)));
        let ref_seq = u64::from_le_bytes(fields.take(REF_SEQ, 0));
        let time = |bytes| Some(i64::from_le_bytes(bytes)).filter(|time| *time >= 0);
        let (due, ts_recv) = (time(fields.take(DUE, 0xff)), time(fields.take(TS_RECV, 0xff)));
        let ask_size = u32::from_le_bytes(fields.take(ASK_SIZE, 0));
        let (kind, has_seq) = (KINDS[usize::from(flags & 3)], flags & HAS_SEQ != 0);
        let symbol = known(&self.symbols, symbol_at);
        let venue = if venue_at == 0 { Some(Venue::default()) } else { known(&self.venues, venue_at - 1) };
        let mut tick = Tick {
            ts_event,
            seq,
            price,
            ref_seq,
            size,
            ask_size,
            symbol: symbol.unwrap_or_default(),
            watermark_lead_ms: 0,
            recv_lag: Tick::NOT_RECEIVED,
            venue: venue.unwrap_or_default(),
            kind,
            eligible: Eligible::ALL,
        };
        let is_priced = match kind {
            Kind::Trade | Kind::Correct => price.0 > 0,
            Kind::Quote => price.0 >= 0 && tick.ask().0 >= 0,
            Kind::Cancel => true,
        };
        let checked = match (side, conditions) {
            (None, _) | (_, None) => Err(Fault::Text),
            _ if flags & !(HAS_SEQ | 3) != 0 => Err(Fault::Flags),
            _ if super::values::in_range(ts_event).is_err() => Err(Fault::Time),
            _ if symbol.is_none() => Err(Fault::Symbol(symbol_at)),
            _ if venue.is_none() => Err(Fault::Venue(venue_at - 1)),
            _ if columns.check_numbered(tick.symbol, has_seq).is_err() => Err(Fault::Numbered),
            _ if !is_priced => Err(Fault::Price),
            _ => Ok(()),
        };
        match kind {
            Kind::Trade => (tick.ref_seq, tick.ask_size) = (0, 0),
            Kind::Cancel => (tick.price, tick.size, tick.ask_size) = (Price(0), 0, 0),
            Kind::Correct => tick.ask_size = 0,
            Kind::Quote => {}
        }
        ts_recv.into_iter().for_each(|ts_recv| tick.set_received(ts_recv));
        let (side, conditions) = (side.unwrap_or_default(), conditions.unwrap_or_default());
        (Record { tick, has_seq, due, ts_recv, side, conditions }, checked)
    }

    /// Says what is wrong with a record.
    #[cold]
    fn tell(&self, fault: Fault, flags: u8, record: &Record, columns: &mut Columns) -> String {
        let Tick { ts_event, symbol, price, .. } = record.tick;
        let why = |name: Option<&String>, what| name.cloned().unwrap_or(format!("{what} is not in the dictionary"));
        match fault {
            Fault::Text => "side or conditions is not a text".into(),
            Fault::Flags => format!("flags {flags:#04x} are of a later version"),
            Fault::Time => {
                let why = super::values::in_range(ts_event).err().unwrap_or_default();
                format!("ts_event `{ts_event}` {why}")
            }
            Fault::Symbol(at) => why(self.symbols.get(usize::from(at)).and_then(|name| name.as_ref().err()), "symbol"),
            Fault::Venue(at) => why(self.venues.get(usize::from(at)).and_then(|name| name.as_ref().err()), "venue"),
            Fault::Numbered => columns.check_numbered(symbol, record.has_seq).err().unwrap_or_default(),
            Fault::Price if record.tick.kind == Kind::Quote => {
                format!("bid `{price}` or ask `{}` is below zero", record.tick.ask())
            }
            Fault::Price => format!("price `{price}` is not above zero"),
        }
    }
}

/// Why a record is none that a tape can have; of a name, at which place of its dictionary.
enum Fault {
    Text,
    Flags,
    Time,
    Symbol(u16),
    Venue(u16),
    Numbered,
    Price,
}

/// The id of the name at this place of a dictionary.
#[inline(always)]
fn known<T: Copy>(names: &[Result<T, String>], at: u16) -> Option<T> {
    names.get(usize::from(at)).and_then(|name| name.as_ref().ok()).copied()
}

#[inline(always)]
fn text(bytes: [u8; 8]) -> Option<Short> {
    if bytes == [0; 8] {
        return Some(Short::default());
    }
    let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    Short::new(&bytes[..len])
}

/// Takes a record's columns, one after the other.
struct Cursor<'a> {
    bytes: &'a [u8],
    columns: u16,
}

impl Cursor<'_> {
    /// The column's bytes, or so many of `absent` where the block does not have it.
    fn take<const N: usize>(&mut self, column: u16, absent: u8) -> [u8; N] {
        match self.bytes.split_first_chunk() {
            Some((value, rest)) if self.columns & column != 0 => {
                self.bytes = rest;
                *value
            }
            _ => [absent; N],
        }
    }
}

/// Turns records into blocks from which a [`Decoder`](super::Decoder) makes the same records again.
pub struct BlockEncoder {
    texts: Texts,
    records: Vec<Record>,
    columns: u16,
    symbols: Dictionary,
    venues: Dictionary,
}

/// The names of one block: their ids in the order of their places, and each id's place.
#[derive(Default)]
struct Dictionary {
    ids: Vec<u32>,
    places: Vec<u16>,
}

impl Dictionary {
    const ABSENT: u16 = u16::MAX;

    fn place(&mut self, id: u32) -> u16 {
        if self.places.len() <= id as usize {
            self.places.resize(id as usize + 1, Self::ABSENT);
        }
        let place = &mut self.places[id as usize];
        if *place == Self::ABSENT {
            *place = self.ids.len() as u16;
            self.ids.push(id);
        }
        *place
    }

    fn clear(&mut self) {
        self.ids.drain(..).for_each(|id| self.places[id as usize] = Self::ABSENT);
    }
}

impl BlockEncoder {
    /// An encoder of records whose symbols and venues are in these tables.
    pub fn new(symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        let (symbol, venue) = Default::default();
        let texts = Texts::new(symbols, venues);
        BlockEncoder { texts, records: Vec::new(), columns: ALWAYS, symbols: symbol, venues: venue }
    }

    /// Adds a record to the block, and seals the block when it is full.
    pub fn encode(&mut self, record: &Record, out: &mut Vec<u8>) {
        let tick = &record.tick;
        let say = |is_said: bool, column| if is_said { column } else { 0 };
        self.columns |= say(tick.price.0 != 0, PRICE)
            | say(tick.size != 0, SIZE)
            | say(tick.seq != 0 && record.has_seq, SEQ)
            | say(tick.venue.0 != 0, VENUE)
            | say(!record.side.as_str().is_empty(), SIDE)
            | say(!record.conditions.as_str().is_empty(), CONDITIONS)
            | say(tick.ref_seq != 0, REF_SEQ)
            | say(record.due.is_some(), DUE)
            | say(record.ts_recv.is_some(), TS_RECV)
            | say(tick.ask_size != 0, ASK_SIZE);
        self.symbols.place(tick.symbol.0);
        if tick.venue.0 != 0 {
            self.venues.place(tick.venue.0.into());
        }
        self.records.push(*record);
        if self.records.len() == FULL {
            self.seal(out);
        }
    }

    /// Appends the block of what was added, if anything was, and begins another.
    pub fn seal(&mut self, out: &mut Vec<u8>) {
        if self.records.is_empty() {
            return;
        }
        let (begin, columns) = (out.len(), std::mem::replace(&mut self.columns, ALWAYS));
        out.extend_from_slice(&MARK);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(self.records.len() as u32).to_le_bytes());
        out.extend_from_slice(&(width_of(columns) as u16).to_le_bytes());
        out.extend_from_slice(&columns.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(self.symbols.ids.len() as u16).to_le_bytes());
        out.extend_from_slice(&(self.venues.ids.len() as u16).to_le_bytes());
        self.records.iter().for_each(|record| self.texts.know(record.tick.symbol, record.tick.venue));
        let symbols = self.symbols.ids.iter().map(|id| self.texts.symbol(Symbol(*id)));
        let venues = self.venues.ids.iter().map(|id| self.texts.venue(Venue(*id as u16)));
        for text in symbols.chain(venues) {
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
        let dictionary = (out.len() - begin - HEAD) as u32;
        out[begin + 16..begin + HEAD].copy_from_slice(&dictionary.to_le_bytes());
        for record in self.records.drain(..) {
            let mut put = |column: u16, bytes: &[u8]| {
                if columns & column != 0 {
                    out.extend_from_slice(bytes);
                }
            };
            let tick = &record.tick;
            let short = |text: Short| {
                let mut bytes = [0; 8];
                bytes[..text.as_str().len()].copy_from_slice(text.as_str().as_bytes());
                bytes
            };
            let venue = if tick.venue.0 == 0 { 0 } else { self.venues.place(tick.venue.0.into()) + 1 };
            put(1, &[tick.kind as u8 | if record.has_seq { HAS_SEQ } else { 0 }]);
            put(1 << 1, &tick.ts_event.to_le_bytes());
            put(1 << 2, &self.symbols.place(tick.symbol.0).to_le_bytes());
            put(PRICE, &tick.price.0.to_le_bytes());
            put(SIZE, &tick.size.to_le_bytes());
            put(SEQ, &if record.has_seq { tick.seq } else { 0 }.to_le_bytes());
            put(VENUE, &venue.to_le_bytes());
            put(SIDE, &short(record.side));
            put(CONDITIONS, &short(record.conditions));
            put(REF_SEQ, &tick.ref_seq.to_le_bytes());
            put(DUE, &record.due.unwrap_or(-1).to_le_bytes());
            put(TS_RECV, &record.ts_recv.unwrap_or(-1).to_le_bytes());
            put(ASK_SIZE, &tick.ask_size.to_le_bytes());
        }
        self.symbols.clear();
        self.venues.clear();
        let checksum = crc32fast::hash(&out[begin + 8..]);
        out[begin + 4..begin + 8].copy_from_slice(&checksum.to_le_bytes());
    }
}
