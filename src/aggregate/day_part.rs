use serde::{Deserialize, Serialize};

use super::{Aggregate, Bar, Edges, Ohlcv, Print, Value};
use crate::row::Field;
use crate::time::EventTime;

/// A bar, and when and of what size the trade was that closed it: a part of a day that can be added to the parts before it.
#[derive(Clone, Debug, Default)]
pub struct DayPart(Ohlcv);

/// What a window's prints come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// Open, high, low, close, volume and the number of trades.
    pub bar: Bar,
    /// When the trade was whose price is the close, and its shares.
    pub last: Option<(EventTime, u32)>,
}

impl Aggregate for DayPart {
    type Value = Part;

    const GROWS: bool = false;

    fn add(&mut self, print: &Print) {
        self.0.add(print);
    }

    fn remove(&mut self, print: &Print) -> bool {
        self.0.remove(print)
    }

    fn remove_edge(&mut self, print: &Print, left: impl FnOnce() -> Edges) -> bool {
        self.0.remove_edge(print, left)
    }

    fn combine(&mut self, other: &Self) {
        self.0.combine(&other.0);
    }

    fn lower(&self) -> Option<Part> {
        let bar = self.0.lower()?;
        let last = bar.close.map(|_| (self.0.edges.last.ts_event, self.0.edges.last.size));
        Some(Part { bar, last })
    }
}

impl Value for Part {
    const NAME: &'static str = "parts";
    const COLUMNS: &'static [&'static str] =
        &["open", "high", "low", "close", "volume", "trades", "vwap", "last_ts", "last_size"];

    fn fields(&self, give: &mut impl FnMut(Field<'_>)) {
        self.bar.fields(give);
        give(self.last.map_or(Field::Null, |(ts, _)| Field::Time(ts)));
        give(self.last.map_or(Field::Null, |(_, size)| Field::Count(size.into())));
    }
}
