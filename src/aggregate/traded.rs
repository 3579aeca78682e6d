use serde::{Deserialize, Serialize};

use super::{Aggregate, Bar, Ohlcv, Print, Value};
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
pub struct Traded {
    bar: Ohlcv,
    notional: i128,
}

/// What a window's prints come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Turnover {
    /// Open, high, low, close, volume and the number of trades.
    pub bar: Bar,
    /// The sum of price times size, in units of 1e-9 of the currency.
    pub notional: i128,
}

/// Price times size, where the shares are volume.
fn notional(print: &Print) -> i128 {
    let size = if print.eligible.volume() { print.size } else { 0 };
    i128::from(print.price.0) * i128::from(size)
}

impl Aggregate for Traded {
    type Value = Turnover;

    const GROWS: bool = false;

    fn add(&mut self, print: &Print) {
        self.bar.add(print);
        self.notional += notional(print);
    }

    fn remove(&mut self, print: &Print) -> bool {
        let is_out = self.bar.remove(print);
        self.notional -= if is_out { notional(print) } else { 0 };
        is_out
    }

    fn remove_beside_twin(&mut self, print: &Print) -> bool {
        let is_out = self.bar.remove_beside_twin(print);
        self.notional -= if is_out { notional(print) } else { 0 };
        is_out
    }

    fn combine(&mut self, other: &Self) {
        self.bar.combine(&other.bar);
        self.notional += other.notional;
    }

    fn lower(&self) -> Option<Turnover> {
        self.bar.lower().map(|bar| Turnover { bar, notional: self.notional })
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
