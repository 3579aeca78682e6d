use serde::{Deserialize, Serialize};

use super::{Aggregate, Bar, Edges, Ohlcv, Print, Value};
use crate::row::Field;

/// A bar and its exact notional, which is what later steps need to add bars up: an average cannot be added.
///
/// ```
/// use tapeflow::aggregate::{Aggregate, Print, Traded};
/// use tapeflow::tick::{Eligible, Price};
/// let mut traded = Traded::default();
/// traded.add(&Print { ts_event: 1, seq: 0, price: Price(30), size: 2, eligible: Eligible::ALL, live: true });
/// traded.add(&Print { ts_event: 2, seq: 0, price: Price(10), size: 3, eligible: Eligible::ALL, live: true });
/// assert_eq!(traded.lower().unwrap().notional, 90);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Traded(Ohlcv);

/// What a window's prints come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Turnover {
    /// Open, high, low, close, volume and the number of trades.
    pub bar: Bar,
    /// The sum of price times size, in units of 1e-9 of the currency.
    pub notional: i128,
}

impl Aggregate for Traded {
    type Value = Turnover;

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

    fn lower(&self) -> Option<Turnover> {
        self.0.lower().map(|bar| Turnover { bar, notional: self.0.notional })
    }
}

impl Value for Turnover {
    const NAME: &'static str = "turnovers";
    const COLUMNS: &'static [&'static str] = &["open", "high", "low", "close", "volume", "trades", "vwap", "notional"];

    fn fields(&self, give: &mut impl FnMut(Field<'_>)) {
        self.bar.fields(give);
        give(Field::Amount(Some(self.notional)));
    }
}
