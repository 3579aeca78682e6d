use serde::{Deserialize, Serialize};

use super::{Aggregate, Bar, Ohlcv, Print, Value};
use crate::row::Field;
use crate::time::EventTime;

/// A bar, and when and of what size the trade was that closed it: a part of a day that can be added to the parts before it.
#[derive(Clone, Debug, Default)]
pub struct DayPart {
    bar: Ohlcv,
    /// Time, sequence number, price and size: the order of [`Ohlcv`]'s close.
    last: Option<(EventTime, u64, i64, u32)>,
}

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
        self.bar.add(print);
        if print.eligible.last() {
            self.last = self.last.max(Some((print.ts_event, print.seq, print.price.0, print.size)));
        }
    }

    fn remove(&mut self, print: &Print) -> bool {
        // The bar refuses to take out the print that closes it, so the last one stays.
        self.bar.remove(print)
    }

    fn remove_beside_twin(&mut self, print: &Print) -> bool {
        self.bar.remove_beside_twin(print)
    }

    fn combine(&mut self, other: &Self) {
        self.bar.combine(&other.bar);
        self.last = self.last.max(other.last);
    }

    fn lower(&self) -> Option<Part> {
        let last = self.last.map(|(ts, _, _, size)| (ts, size));
        self.bar.lower().map(|bar| Part { bar, last })
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
