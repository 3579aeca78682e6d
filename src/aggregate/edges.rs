use super::{Print, Trade};
use crate::tick::Price;

/// The first, the last, the highest and the lowest of some prints, each of those that count for it. They are what a
/// summary cannot tell any more once a print is taken out that was one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edges {
    /// The first print that can be an open; after the last one where there is none.
    pub first: Trade,
    /// The last print that can be a close.
    pub last: Trade,
    /// The highest price; below the lowest one where there is none.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
}

impl Default for Edges {
    fn default() -> Self {
        let place = |ts_event, seq| Trade { ts_event, seq, price: Price(0), size: 0 };
        Edges {
            first: place(i64::MAX, u64::MAX),
            last: place(i64::MIN, 0),
            high: Price(i64::MIN),
            low: Price(i64::MAX),
        }
    }
}

impl Edges {
    /// Takes in a print as far as it counts.
    pub fn add(&mut self, print: &Print) {
        if print.eligible.last() {
            self.place(print);
        }
        if print.eligible.high_low() {
            self.stretch(print.price);
        }
    }

    /// Takes in a print that can be an open and a close.
    #[inline(always)]
    pub fn place(&mut self, print: &Print) {
        let place = Trade::from(print);
        if place < self.first {
            self.first = place;
        }
        if place > self.last {
            self.last = place;
        }
    }

    /// Takes in a price that can be a high and a low.
    #[inline(always)]
    pub fn stretch(&mut self, price: Price) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
    }

    /// Takes in the edges of other prints.
    pub fn combine(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
    }

    /// Whether a print is one of them, or as high or as low as one.
    pub fn have(&self, print: &Print) -> bool {
        let is_end = || [self.first, self.last].contains(&Trade::from(print));
        let is_extreme = || [self.high, self.low].contains(&print.price);
        print.eligible.last() && is_end() || print.eligible.high_low() && is_extreme()
    }

    /// The first price and the last one.
    pub fn ends(&self) -> Option<(Price, Price)> {
        (self.first <= self.last).then_some((self.first.price, self.last.price))
    }

    /// The lowest price and the highest one.
    pub fn range(&self) -> Option<(Price, Price)> {
        (self.low <= self.high).then_some((self.low, self.high))
    }
}
