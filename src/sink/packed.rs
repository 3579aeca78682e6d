//! Changes as runs hold them, in memory and on disk: a byte of flags, the first symbol, the length of the line, what the
//! flags announce, and the line. Nearly all of them are nine bytes longer than their lines.

use std::io::{self, ErrorKind, Read};

use super::order::Place;
use crate::row::Key;
use crate::tick::Symbol;

/// The change has other times than the one before it.
const TIMES: u8 = 1;
/// It has a rank among the rows of its time.
const RANK: u8 = 2;
/// Its second symbol is another than its first.
const SECOND: u8 = 4;
/// Its line is not inserted once.
const OFTEN: u8 = 8;

/// The logical time and the row's time of a [`Place`].
type Times = (i64, i64);

/// Packs the changes of a run.
#[derive(Default)]
pub struct Packer {
    times: Times,
}

impl Packer {
    /// Appends the next change: a line that is inserted so many times.
    pub fn pack(&mut self, place: &Place, often: i32, line: &[u8], out: &mut Vec<u8>) {
        self.pack_place(place, often, line.len(), out);
        out.extend_from_slice(line);
    }

    /// The same without the line, which is so long.
    pub fn pack_place(&mut self, Place { time_ms, key }: &Place, often: i32, len: usize, out: &mut Vec<u8>) {
        let (times, [first, second], flags) = ((*time_ms, key.ts), key.symbols, out.len());
        out.push(0);
        out.extend_from_slice(&first.0.to_le_bytes());
        out.extend_from_slice(&(len as u32).to_le_bytes());
        let mut announced = |flag: u8, bytes: &[u8]| {
            out[flags] |= flag;
            out.extend_from_slice(bytes);
        };
        if times != self.times {
            announced(TIMES, &times.0.to_le_bytes());
            announced(TIMES, &times.1.to_le_bytes());
            self.times = times;
        }
        if key.place != 0 {
            announced(RANK, &key.place.to_le_bytes());
        }
        if second != first {
            announced(SECOND, &second.0.to_le_bytes());
        }
        if often != 1 {
            announced(OFTEN, &often.to_le_bytes());
        }
    }
}

/// Reads the changes of a run.
#[derive(Default)]
pub struct Unpacker {
    times: Times,
}

impl Unpacker {
    /// Reads the next change: its place, and how often the line is inserted that it leaves in `line`; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read, or not to its end.
    pub fn unpack(&mut self, from: &mut impl Read, line: &mut Vec<u8>) -> io::Result<Option<(Place, i32)>> {
        let change = self.unpack_place(from, line)?;
        if change.is_some() {
            from.read_exact(line)?;
        }
        Ok(change)
    }

    /// The same of one without its line, for which it makes room.
    ///
    /// # Errors
    /// As for [`Unpacker::unpack`].
    pub fn unpack_place(&mut self, from: &mut impl Read, line: &mut Vec<u8>) -> io::Result<Option<(Place, i32)>> {
        let flags = match bytes(from) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            flags => u8::from_le_bytes(flags?),
        };
        let first = u32::from_le_bytes(bytes(from)?);
        line.resize(u32::from_le_bytes(bytes(from)?) as usize, 0);
        if flags & TIMES != 0 {
            self.times = (i64::from_le_bytes(bytes(from)?), i64::from_le_bytes(bytes(from)?));
        }
        let rank = if flags & RANK != 0 { u32::from_le_bytes(bytes(from)?) } else { 0 };
        let second = if flags & SECOND != 0 { u32::from_le_bytes(bytes(from)?) } else { first };
        let often = if flags & OFTEN != 0 { i32::from_le_bytes(bytes(from)?) } else { 1 };
        let (time_ms, ts) = self.times;
        let key = Key { ts, place: rank, symbols: [Symbol(first), Symbol(second)] };
        Ok(Some((Place { time_ms, key }, often)))
    }
}

fn bytes<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_read_again(
            changes in prop::collection::vec(
                ((-1i64..2, -1i64..2), 0u32..2, (0u32..2, 0u32..2), -1i32..3, "[a-c,]{0,9}"), 0..20,
            ),
            cut in 1usize..40,
        ) {
            let (mut packer, mut packed, mut given) = (Packer::default(), Vec::new(), Vec::new());
            for ((time_ms, ts), place, (first, second), often, line) in changes {
                let place = Place { time_ms, key: Key { ts, place, symbols: [Symbol(first), Symbol(second)] } };
                packer.pack(&place, often, line.as_bytes(), &mut packed);
                given.push((place, often, line, packed.len()));
            }
            let (mut unpacker, mut rest, mut line) = (Unpacker::default(), &packed[..], Vec::new());
            for (place, often, text, _) in &given {
                prop_assert_eq!(unpacker.unpack(&mut rest, &mut line).unwrap(), Some((*place, *often)));
                prop_assert_eq!(std::str::from_utf8(&line), Ok(&text[..]));
            }
            prop_assert_eq!(unpacker.unpack(&mut rest, &mut line).unwrap(), None);

            // A run that was cut off is no run that has ended, unless that was between two changes.
            let until = packed.len().saturating_sub(cut);
            let (mut unpacker, mut rest) = (Unpacker::default(), &packed[..until]);
            let whole = given.iter().take_while(|(.., end)| *end <= until).count();
            for _ in 0..whole {
                prop_assert!(unpacker.unpack(&mut rest, &mut line).unwrap().is_some());
            }
            let is_between = until == 0 || given.iter().any(|(.., end)| *end == until);
            prop_assert_eq!(unpacker.unpack(&mut rest, &mut line).is_ok(), is_between);
        }
    }

    #[test]
    fn one_more_row_of_the_same_time_is_nine_bytes_longer_than_its_line() {
        let (mut packer, mut packed) = (Packer::default(), Vec::new());
        let place = Place { time_ms: 0, key: Key::of(5, Symbol(3)) };
        let added = ["first", "second", "third"].map(|line| {
            let before = packed.len() + line.len();
            packer.pack(&place, 1, line.as_bytes(), &mut packed);
            packed.len() - before
        });
        assert_eq!(added, [25, 9, 9]);
    }
}
