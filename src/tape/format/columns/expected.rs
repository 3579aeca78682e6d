//! What stands before the values of objects, which is nearly always what stood there in others.

use super::Known;

/// Objects of more values are read by their names from there on, and more kinds of objects all along: lines may hold
/// anything, and what is expected is to stay small.
const MOST: usize = 64;

/// What is expected before each value of an object.
#[derive(Clone, Default)]
pub(in crate::tape::format) struct Expected {
    /// What stood there in the first objects, in its order.
    first: Vec<Beginning>,
    /// What stood there in others instead, by its place: a tape has objects of several kinds, such as trades and quotes.
    others: Vec<(usize, Beginning)>,
}

/// What stands before a value: a separator, a name between quotes, and a colon.
#[derive(Clone)]
struct Beginning {
    bytes: Vec<u8>,
    /// The first sixteen of them as one number, and which of its bits they are.
    first: u128,
    mask: u128,
    known: Option<Known>,
}

impl Expected {
    /// Our column of the `nth` value of an object, if it is one, and the text behind what stands before it.
    #[inline(always)]
    pub fn before<'a>(&self, nth: usize, text: &'a [u8]) -> Option<(Option<Known>, &'a [u8])> {
        let first = self.first.get(nth)?;
        match first.pass(text) {
            Some(behind) => Some((first.known, behind)),
            None => self.otherwise(nth, text),
        }
    }

    #[inline(never)]
    fn otherwise<'a>(&self, nth: usize, text: &'a [u8]) -> Option<(Option<Known>, &'a [u8])> {
        let others = self.others.iter().filter(|(place, _)| *place == nth);
        others.map(|(_, other)| other).find_map(|other| Some((other.known, other.pass(text)?)))
    }

    /// Expects these bytes before the `nth` value of other objects, and the value to be of this column of ours.
    pub fn learn(&mut self, nth: usize, bytes: &[u8], known: Option<Known>) {
        if nth == self.first.len() && nth < MOST {
            self.first.push(Beginning::of(bytes, known));
        } else if self.others.len() < MOST && self.before(nth, bytes).is_none() {
            self.others.push((nth, Beginning::of(bytes, known)));
        }
    }
}

impl Beginning {
    fn of(bytes: &[u8], known: Option<Known>) -> Self {
        let number = |byte: &dyn Fn(u8) -> u8| {
            let mut sixteen = [0; 16];
            sixteen.iter_mut().zip(bytes).for_each(|(to, from)| *to = byte(*from));
            u128::from_le_bytes(sixteen)
        };
        let (first, mask) = (number(&|byte| byte), number(&|_| 0xff));
        Beginning { bytes: bytes.to_vec(), first, mask, known }
    }

    /// What is behind it in a text that begins so.
    #[inline(always)]
    fn pass<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        match text.first_chunk() {
            Some(sixteen) if self.bytes.len() <= sixteen.len() => {
                (u128::from_le_bytes(*sixteen) & self.mask == self.first).then_some(())?;
                text.get(self.bytes.len()..)
            }
            _ => text.strip_prefix(&self.bytes[..]),
        }
    }
}
