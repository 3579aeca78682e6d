//! Prints in half the room that they have elsewhere: where they are kept by the million, fresh memory is what they cost.

use crate::aggregate::Print;
use crate::prefetch::fetch;
use crate::tick::{Eligible, Price};
use crate::time::EventTime;

/// Prints one behind the other. They are packed as long as all of them let themselves be.
#[derive(Debug)]
pub enum Prints {
    /// By what they are more than a base.
    Packed(Base, Vec<u128>),
    /// As they are.
    Whole(Vec<Print>),
}

/// From where the times and sequence numbers of packed prints count.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    ts: EventTime,
    seq: u64,
}

/// Bits of a packed print: nanoseconds, almost five hours of them; sequence numbers; 1e-4 of the currency, up to 429,496;
/// shares; what it counts for; and one that says whether it is live.
const TS: u32 = 44;
const SEQ: u32 = 24;
const PRICE: u32 = 32;
const SIZE: u32 = 24;
const ELIGIBLE: u32 = 3;

/// So many units of [`Price`] are 1e-4 of the currency.
const STEP: u64 = 100_000;

impl Base {
    /// A base for a print and those that come near it, most of them behind.
    fn near(print: &Print) -> Self {
        Base { ts: print.ts_event.wrapping_sub(1 << (TS - 4)), seq: print.seq.saturating_sub(1 << (SEQ - 4)) }
    }

    /// A print as one number, if it can be told so.
    #[inline]
    fn pack(self, print: &Print) -> Option<u128> {
        let Print { ts_event, seq, price, size, eligible, live } = *print;
        let (ts, seq) = (ts_event.wrapping_sub(self.ts) as u64, seq.wrapping_sub(self.seq));
        // A price below zero is a very large one here.
        let (steps, rest) = (price.0 as u64 / STEP, price.0 as u64 % STEP);
        let (size, eligible) = (u64::from(size), u64::from(eligible.bits()));
        let fits = (ts >> TS) | (seq >> SEQ) | (steps >> PRICE) | rest | (size >> SIZE) | (eligible >> ELIGIBLE) == 0;
        let low = u128::from(ts) | u128::from(seq) << TS;
        let high = steps | size << PRICE | eligible << (PRICE + SIZE) | u64::from(live) << (PRICE + SIZE + ELIGIBLE);
        fits.then_some(low | u128::from(high) << (TS + SEQ))
    }

    #[inline]
    fn unpack(self, packed: u128) -> Print {
        let bits = |from: u32, count: u32| (packed >> from) as u64 & ((1 << count) - 1);
        Print {
            ts_event: self.ts.wrapping_add(bits(0, TS) as i64),
            seq: self.seq.wrapping_add(bits(TS, SEQ)),
            price: Price((bits(TS + SEQ, PRICE) * STEP) as i64),
            size: bits(TS + SEQ + PRICE, SIZE) as u32,
            eligible: Eligible::of_bits(bits(TS + SEQ + PRICE + SIZE, ELIGIBLE) as u8),
            live: bits(TS + SEQ + PRICE + SIZE + ELIGIBLE, 1) == 1,
        }
    }
}

impl Prints {
    /// One print, and room for so many at first.
    pub fn begin(print: Print, room: usize) -> Self {
        let base = Base::near(&print);
        let mut prints = match base.pack(&print) {
            Some(_) => Prints::Packed(base, Vec::with_capacity(room)),
            None => Prints::Whole(Vec::with_capacity(room)),
        };
        prints.push(print);
        prints
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Prints::Packed(_, prints) => prints.len(),
            Prints::Whole(prints) => prints.len(),
        }
    }

    /// The print at this place.
    #[inline]
    pub fn get(&self, at: usize) -> Print {
        match self {
            Prints::Packed(base, prints) => base.unpack(prints[at]),
            Prints::Whole(prints) => prints[at],
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Print> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Adds a print behind the others.
    #[inline]
    pub fn push(&mut self, print: Print) {
        match self.packing(&print) {
            Some((packed, prints)) => push(prints, packed),
            None => push(self.whole(), print),
        }
    }

    /// Adds a print before the one at this place.
    pub fn insert(&mut self, at: usize, print: Print) {
        match self.packing(&print) {
            Some((packed, prints)) => prints.insert(at, packed),
            None => self.whole().insert(at, print),
        }
    }

    /// Puts a print in the place of another.
    pub fn set(&mut self, at: usize, print: Print) {
        match self.packing(&print) {
            Some((packed, prints)) => prints[at] = packed,
            None => self.whole()[at] = print,
        }
    }

    /// A print packed, and those it belongs to.
    #[inline]
    fn packing(&mut self, print: &Print) -> Option<(u128, &mut Vec<u128>)> {
        match self {
            Prints::Packed(base, prints) => base.pack(print).map(|packed| (packed, prints)),
            Prints::Whole(_) => None,
        }
    }

    /// The first place of those that are sorted so that this holds for all before it and for none from there on.
    pub fn partition_point(&self, is_before: impl Fn(Print) -> bool) -> usize {
        match self {
            Prints::Packed(base, prints) => prints.partition_point(|packed| is_before(base.unpack(*packed))),
            Prints::Whole(prints) => prints.partition_point(|print| is_before(*print)),
        }
    }

    /// They as they are, from now on.
    fn whole(&mut self) -> &mut Vec<Print> {
        match self {
            Prints::Whole(prints) => prints,
            Prints::Packed(base, packed) => {
                let mut prints = Vec::with_capacity(packed.capacity());
                prints.extend(packed.iter().map(|packed| base.unpack(*packed)));
                *self = Prints::Whole(prints);
                self.whole()
            }
        }
    }
}

/// Adds a print, and asks for the memory behind it, for which the symbol's next one would wait.
#[inline]
fn push<T>(prints: &mut Vec<T>, print: T) {
    prints.push(print);
    fetch(prints.as_ptr_range().end);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Prints of which many are near each other, and some are not.
    fn print() -> impl Strategy<Value = Print> {
        let ts = prop_oneof![8 => 0..1i64 << 42, 1 => any::<i64>()];
        let seq = prop_oneof![8 => 0..1u64 << 20, 1 => any::<u64>()];
        let steps = (0..1i64 << 32).prop_map(|steps| steps * STEP as i64);
        let price = prop_oneof![16 => steps, 1 => 0..1i64 << 48, 1 => any::<i64>()];
        let size = prop_oneof![8 => 0..1u32 << 24, 1 => any::<u32>()];
        let eligible = prop_oneof![
            8 => any::<(bool, bool, bool)>().prop_map(|(last, high_low, volume)| Eligible::new(last, high_low, volume)),
            1 => Just(Eligible::UNSAID),
        ];
        (ts, seq, price, size, eligible, any::<bool>()).prop_map(|(ts_event, seq, price, size, eligible, live)| Print {
            ts_event,
            seq,
            price: Price(price),
            size,
            eligible,
            live,
        })
    }

    proptest! {
        #[test]
        fn packed_prints_are_a_list_of_prints(
            first in print(), steps in prop::collection::vec((print(), 0..3u8, any::<prop::sample::Index>()), 0..40),
        ) {
            let (mut prints, mut list) = (Prints::begin(first, 1), vec![first]);
            for (print, step, at) in steps {
                let at = at.index(list.len());
                match step {
                    0 => (prints.push(print), list.push(print)),
                    1 => (prints.insert(at, print), list.insert(at, print)),
                    _ => (prints.set(at, print), list[at] = print),
                };
                prop_assert_eq!(prints.iter().collect::<Vec<_>>(), list.clone());
            }
        }
    }

    #[test]
    fn the_prints_of_a_usual_day_are_packed() {
        let day = |i: u64| Print {
            ts_event: 1_767_623_400_000_000_000 + 60_000_000_000 * i as i64,
            seq: 1_000 * i,
            price: Price(101_234_500_000),
            size: 100,
            eligible: Eligible::ALL,
            live: true,
        };
        let mut prints = Prints::begin(day(0), 64);
        (1..64).for_each(|i| prints.push(day(i)));
        assert!(matches!(prints, Prints::Packed(..)));
    }
}
