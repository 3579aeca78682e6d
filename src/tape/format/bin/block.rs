//! Records out of a block.

use std::slice::ChunksExact;

use super::super::columns::Columns;
use super::super::record::{Record, Short};
use super::super::values::in_range;
use super::{
    ALWAYS, ASK_SIZE, CONDITIONS, DUE, HAS_SEQ, HEAD, Head, KINDS, PRICE, REF_SEQ, SEQ, SIDE, SIZE, TS_RECV, VENUE,
    head, number, width_of,
};
use crate::tick::{Eligible, Kind, Price, Symbol, Tick, Venue};

/// The columns of trades as most tapes have them: without numbers and venues, or with them.
const TRADES: u16 = ALWAYS | PRICE | SIZE;
const NUMBERED: u16 = TRADES | SEQ | VENUE;
/// No columns that a block can have: those of this one, whatever they are.
const ANY: u16 = 0;

/// A block whose head was read, and what its records need of it.
pub struct Block {
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
        // Where the compiler knows the columns, a record takes half as many instructions.
        match self.columns {
            TRADES => self.decode_these::<TRADES>(records, columns, out),
            NUMBERED => self.decode_these::<NUMBERED>(records, columns, out),
            _ => self.decode_these::<ANY>(records, columns, out),
        }
    }

    fn decode_these<const COLUMNS: u16>(
        &mut self,
        records: ChunksExact<'_, u8>,
        columns: &mut Columns,
        out: &mut Vec<Record>,
    ) -> usize {
        let (before, mut sound) = (out.len(), records.len());
        out.extend(records.enumerate().map(|(at, bytes)| {
            let (record, checked) = self.read::<COLUMNS>(bytes, columns);
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
        let (record, checked) = self.read::<ANY>(bytes, columns);
        checked.map(|()| record).map_err(|fault| self.tell(fault, bytes[0], &record, columns))
    }

    /// What a record's bytes say, and whether a tape can have it. Both come together, and what is wrong is told later, so
    /// that a record is written where it is to stay: a processor waits to copy what was written in parts just now.
    #[inline(always)]
    fn read<const COLUMNS: u16>(&self, bytes: &[u8], columns: &mut Columns) -> (Record, Result<(), Fault>) {
        let present = if COLUMNS == ANY { self.columns } else { COLUMNS };
        let bytes = if COLUMNS == ANY { bytes } else { &bytes[..width_of(COLUMNS)] };
        let mut fields = Cursor { bytes, columns: present };
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
            watermark_ms: 0,
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
            _ if in_range(ts_event).is_err() => Err(Fault::Time),
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
        (Record { tick, has_seq, is_of_bar: false, due, ts_recv, side, conditions }, checked)
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
                let why = in_range(ts_event).err().unwrap_or_default();
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
