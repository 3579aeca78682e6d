use std::cmp::Ordering;
use std::sync::Arc;

use crate::row::Key;
use crate::tick::{Names, Symbol};

/// Where a line stands among the others: by logical time, where it tells it, and then by its row's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The logical time in milliseconds, zero for lines that tell none.
    pub time_ms: i64,
    /// The row's key.
    pub key: Key,
}

/// The order of places: by their times, and then by the texts of their symbols.
#[derive(Debug)]
pub struct Order {
    names: Arc<Names>,
    /// Each symbol's first eight bytes, as one number that is ordered as they are, and its text.
    symbols: Vec<(u64, Arc<str>)>,
}

impl Order {
    /// The order of the symbols that are known now.
    pub fn of(names: Arc<Names>) -> Self {
        let mut order = Order { names, symbols: Vec::new() };
        order.learn();
        order
    }

    /// Learns the symbols that are known by now.
    pub fn learn(&mut self) {
        let new = self.names.since(self.symbols.len());
        self.symbols.extend(new.into_iter().map(|text| (beginning(&text), text)));
    }

    /// Which of two places is first.
    #[inline]
    pub fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let times = |place: &Place| (place.time_ms, place.key.ts, place.key.place);
        let ([a0, a1], [b0, b1]) = (a.key.symbols, b.key.symbols);
        times(a).cmp(&times(b)).then_with(|| self.by_text(a0, b0)).then_with(|| self.by_text(a1, b1))
    }

    /// A number by which symbols are in the order of their texts, as far as they differ in their first eight bytes.
    #[inline]
    pub fn beginning(&self, symbol: Symbol) -> u64 {
        self.symbols.get(symbol.0 as usize).map_or(0, |(beginning, _)| *beginning)
    }

    #[inline]
    fn by_text(&self, a: Symbol, b: Symbol) -> Ordering {
        // Where rows are about no symbol there may be none at all.
        let text = |symbol: Symbol| self.symbols.get(symbol.0 as usize);
        if a == b { Ordering::Equal } else { text(a).cmp(&text(b)) }
    }
}

fn beginning(text: &str) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(text.bytes()).for_each(|(byte, of_text)| *byte = of_text);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn symbols_are_in_the_order_of_their_texts(
            early in prop::collection::vec("[A-C\u{0}é]{0,10}", 1..6),
            late in prop::collection::vec("[A-C\u{0}é]{0,10}", 1..6),
        ) {
            let names = Arc::new(Names::default());
            early.iter().for_each(|text| _ = names.intern(text));
            let mut order = Order::of(names.clone());
            late.iter().for_each(|text| _ = names.intern(text));
            order.learn();
            let place = |text: &str| Place { time_ms: 0, key: Key::of(0, Symbol(names.intern(text))) };
            for a in early.iter().chain(&late) {
                for b in early.iter().chain(&late) {
                    prop_assert_eq!(order.compare(&place(a), &place(b)), a.cmp(b));
                }
            }
        }
    }
}
