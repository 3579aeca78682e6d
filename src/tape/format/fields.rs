use std::hash::Hasher;

use crate::tick::mix;

/// The fields of one line by our columns: ranges of the line, or of the scratch where escapes had to be undone.
#[derive(Default)]
pub(super) struct Fields {
    slots: [Slot; 20],
    scratch: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    start: u32,
    len: u32,
    unescaped: bool,
}

impl Fields {
    /// Forgets the last line.
    pub fn clear(&mut self) {
        self.slots = Default::default();
        self.scratch.clear();
    }

    /// The field is `len` bytes of the line from `start`.
    pub fn set(&mut self, column: usize, start: usize, len: usize) {
        self.slots[column] = Slot { start: start as u32, len: len as u32, unescaped: false };
    }

    /// The field is this text, which does not stand so in the line.
    pub fn set_unescaped(&mut self, column: usize, text: &[u8]) {
        let start = self.scratch.len() as u32;
        self.scratch.extend_from_slice(text);
        self.slots[column] = Slot { start, len: text.len() as u32, unescaped: true };
    }

    /// The field's bytes, empty where the line has none.
    pub fn get<'a>(&'a self, column: usize, line: &'a [u8]) -> &'a [u8] {
        let Slot { start, len, unescaped } = self.slots[column];
        let from = if unescaped { &self.scratch } else { line };
        &from[start as usize..start as usize + len as usize]
    }

    /// Whether the line has the field, and it is not empty.
    pub fn has(&self, column: usize) -> bool {
        self.slots[column].len > 0
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
