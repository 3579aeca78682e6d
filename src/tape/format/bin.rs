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

mod block;
mod encoder;

pub(super) use block::Block;
pub use encoder::BlockEncoder;

use crate::tick::Kind;

/// The mark that a block begins with. No line of text does: its first byte is not UTF-8.
pub const MARK: [u8; 4] = *b"\x89TF1";

/// The bytes of a block before its dictionary.
pub(super) const HEAD: usize = 20;

/// No block is longer, so that a broken length does not fill the memory.
const LONGEST_BLOCK: usize = 1 << 24;

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
    if width == 0 || width != width_of(number(bytes, 14, 2) as u16) || length > LONGEST_BLOCK {
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
