use std::hash::Hasher;

use super::columns::COLUMNS;
use crate::tick::mix;

/// The fields of one line or row by our columns: ranges of the line, or of the scratch where they do not stand there
/// so, or numbers where a form has them.
#[derive(Default)]
pub(super) struct Fields {
    /// Which columns have a field that is not empty, a bit each: the slots of the others are of earlier lines.
    filled: u32,
    slots: [Slot; COLUMNS.len()],
    scratch: Vec<u8>,
    numbers: [i64; COLUMNS.len()],
}

#[derive(Clone, Copy, Default)]
struct Slot {
    start: u32,
    len: u32,
    stands: Stands,
}

/// Where a field stands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stands {
    #[default]
    Line,
    Scratch,
    Numbers,
}

impl Fields {
    /// Forgets the last line.
    #[inline]
    pub fn clear(&mut self) {
        self.filled = 0;
        self.scratch.clear();
    }

    /// The field is `len` bytes of the line from `start`.
    #[inline]
    pub fn set(&mut self, column: usize, start: usize, len: usize) {
        self.fill(column, Slot { start: start as u32, len: len as u32, stands: Stands::Line });
    }

    /// The field is this text, which does not stand so in the line.
    pub fn set_unescaped(&mut self, column: usize, text: &[u8]) {
        let start = self.scratch.len() as u32;
        self.scratch.extend_from_slice(text);
        self.fill(column, Slot { start, len: text.len() as u32, stands: Stands::Scratch });
    }

    /// The field is this number: of a time nanoseconds since the epoch, of a price units of 1e-9, of a count the bits
    /// of an unsigned one.
    #[cfg_attr(not(any(feature = "parquet", feature = "dbn")), expect(dead_code, reason = "lines have texts alone"))]
    pub fn set_number(&mut self, column: usize, number: i64) {
        self.numbers[column] = number;
        self.fill(column, Slot { start: 0, len: 1, stands: Stands::Numbers });
    }

    #[inline]
    fn fill(&mut self, column: usize, slot: Slot) {
        self.slots[column] = slot;
        self.filled = self.filled & !(1 << column) | u32::from(slot.len > 0) << column;
    }

    /// The field's number, where it has been set as one.
    #[inline]
    pub fn number(&self, column: usize) -> Option<i64> {
        (self.has(column) && self.slots[column].stands == Stands::Numbers).then(|| self.numbers[column])
    }

    /// The field's bytes, empty where the line has none. Of a number it has none.
    #[inline]
    pub fn get<'a>(&'a self, column: usize, line: &'a [u8]) -> &'a [u8] {
        if !self.has(column) {
            return b"";
        }
        let Slot { start, len, stands } = self.slots[column];
        let from = match stands {
            Stands::Line => line,
            Stands::Scratch => &self.scratch,
            Stands::Numbers => return b"",
        };
        &from[start as usize..start as usize + len as usize]
    }

    /// Whether the line has the field, and it is not empty.
    #[inline]
    pub fn has(&self, column: usize) -> bool {
        self.filled >> column & 1 != 0
    }
}

/// FNV-1a. Every line's symbol is looked up, and symbols are short.
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, n: usize) {
        self.0 = (self.0 ^ n as u64).wrapping_mul(0x0100_0000_01b3);
    }

    fn finish(&self) -> u64 {
        mix(self.0)
    }
}
