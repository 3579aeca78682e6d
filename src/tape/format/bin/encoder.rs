//! Blocks out of records.

use std::sync::Arc;

use super::super::record::{Record, Short};
use super::{
    ALWAYS, ASK_SIZE, CONDITIONS, DUE, HAS_SEQ, HEAD, MARK, PRICE, REF_SEQ, SEQ, SIDE, SIZE, TS_RECV, VENUE, width_of,
};
use crate::row::Texts;
use crate::tick::{Names, Symbol, Venue};

/// So many records fill a block.
const FULL: usize = 4096;

/// Turns records into blocks from which a [`Decoder`](super::super::Decoder) makes the same records again.
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
