//! Ways in which an input is damaged: bits flipped, pieces cut out, copied, put in, the end cut off.

#![allow(dead_code, reason = "each integration test uses its own part of this")]

use proptest::prelude::*;
use proptest::sample::Index;

/// What is put into inputs, beside single bytes.
const PIECES: [&str; 30] = [
    "\n",
    "\r\n",
    "\n\n",
    "\u{feff}",
    "\0",
    "\"",
    "\"\"",
    ",",
    ",,,,",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\\u0000",
    "\\ud800",
    "NaN",
    "inf",
    "1e999",
    "-1",
    "0",
    ".",
    "9223372036854775807",
    "18446744073709551616",
    "null",
    "cancel",
    "2262-04-12T00:00:00Z",
    "symbol",
    " = ",
    "#",
];

/// One way in which an input is damaged.
#[derive(Clone, Debug)]
pub enum Damage {
    Flip(Index, u8),
    Put(Index, Vec<u8>),
    Cut(Index, usize),
    Copy(Index, Index, usize),
    End(Index),
}

fn flip() -> impl Strategy<Value = Damage> {
    (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit))
}

/// A bit or two that flip, since in a form whose every byte has its place more damage is seen too soon.
pub fn flips() -> impl Strategy<Value = Vec<Damage>> {
    prop::collection::vec(flip(), 1..3)
}

/// Up to five ways at once, one after the other.
pub fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let piece = prop_oneof![
        prop::sample::select(PIECES.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        Just(b"\x89TF1".to_vec()),
        prop::collection::vec(any::<u8>(), 1..5),
    ];
    let any = prop_oneof![
        4 => flip(),
        4 => (any::<Index>(), piece).prop_map(|(at, piece)| Damage::Put(at, piece)),
        3 => (any::<Index>(), 1..80usize).prop_map(|(at, len)| Damage::Cut(at, len)),
        2 => (any::<Index>(), any::<Index>(), 1..200usize).prop_map(|(from, to, len)| Damage::Copy(from, to, len)),
        1 => any::<Index>().prop_map(Damage::End),
    ];
    prop::collection::vec(any, 0..6)
}

/// The bytes, damaged in these ways.
pub fn damaged(bytes: &[u8], damage: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for one in damage {
        let len = bytes.len();
        let piece = |at: &Index, most: usize| {
            let from = at.index(len + 1);
            from..len.min(from + most)
        };
        match one {
            Damage::Flip(at, bit) if len > 0 => bytes[at.index(len)] ^= 1 << bit,
            Damage::Flip(..) => {}
            Damage::Put(at, piece) => _ = bytes.splice(at.index(len + 1)..at.index(len + 1), piece.iter().copied()),
            Damage::Cut(at, most) => _ = bytes.drain(piece(at, *most)),
            Damage::Copy(from, to, most) => {
                let copy = bytes[piece(from, *most)].to_vec();
                bytes.splice(to.index(len + 1)..to.index(len + 1), copy);
            }
            Damage::End(at) => bytes.truncate(at.index(len + 1)),
        }
    }
    bytes
}

/// The same of a text, which stays one.
pub fn damaged_text(text: &str, damage: &[Damage]) -> String {
    String::from_utf8_lossy(&damaged(text.as_bytes(), damage)).into_owned()
}

/// So many times the usual number of cases, which `PROPTEST_CASES` sets.
pub fn cases(times: f64) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { failure_persistence: None, cases: (f64::from(usual.cases) * times).ceil() as u32, ..usual }
}
