//! As-of join: the quote that held when a trade happened, and what the trade looks like beside it.

mod matched;
mod tape;

pub use matched::{Matched, Quote, Side};
pub use tape::SymbolTape;

use crate::time::EventTime;

/// Which quote holds for a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsOf {
    /// Whether the quote must be earlier than the trade; else one of the same time holds, too.
    pub strict: bool,
    /// How old a quote may be, in nanoseconds, if there is a limit.
    pub tolerance: Option<i64>,
    /// So much later the mid is looked at again, for the markout, in nanoseconds.
    pub markout: i64,
}

impl AsOf {
    /// The quote that holds at `ts`: of those that are not later, the last by time and sequence number, and then by
    /// what it says, unless it is too old. `quotes` are in their order.
    pub fn holding(self, quotes: &[Quote], ts: EventTime) -> Option<&Quote> {
        let until = quotes.partition_point(|q| if self.strict { q.ts_event < ts } else { q.ts_event <= ts });
        let last = quotes[..until].last()?;
        self.tolerance.is_none_or(|most| ts.saturating_sub(last.ts_event) <= most).then_some(last)
    }
}
