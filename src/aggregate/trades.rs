use serde::{Deserialize, Serialize};

use super::{Aggregate, Print, Value};
use crate::row::Field;
use crate::tick::Price;
use crate::time::EventTime;

/// A print as it stands, ordered by its place among its symbol's. Equal times fall to the sequence number, and equal
/// sequence numbers (two venues' prints) to the data, so that no order of arrival shows in a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trade {
    /// When it happened.
    pub ts_event: EventTime,
    /// The venue's sequence number.
    pub seq: u64,
    /// At which price.
    pub price: Price,
    /// How many shares.
    pub size: u32,
}

/// All prints of a window, whatever they count for, for what cannot be told from a summary. Use it with short windows.
///
/// ```
/// use tapeflow::aggregate::{Aggregate, Print, Trades};
/// use tapeflow::tick::{Eligible, Price};
/// let mut trades = Trades::default();
/// for (ts_event, seq) in [(2, 7), (1, 9), (2, 6)] {
///     trades.add(&Print { ts_event, seq, price: Price(1), size: 1, eligible: Eligible::ALL, live: true });
/// }
/// let order: Vec<u64> = trades.lower().unwrap().0.iter().map(|trade| trade.seq).collect();
/// assert_eq!(order, [9, 6, 7]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trades(Vec<Trade>);

/// The prints of a window in their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TradeList(pub Vec<Trade>);

impl From<&Print> for Trade {
    #[inline(always)]
    fn from(print: &Print) -> Self {
        Trade { ts_event: print.ts_event, seq: print.seq, price: print.price, size: print.size }
    }
}

impl Aggregate for Trades {
    type Value = TradeList;

    fn add(&mut self, print: &Print) {
        self.0.push(print.into());
    }

    fn remove(&mut self, print: &Print) -> bool {
        let gone = Trade::from(print);
        let at = self.0.iter().position(|trade| *trade == gone);
        at.map(|at| self.0.swap_remove(at)).is_some()
    }

    fn combine(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    fn lower(&self) -> Option<TradeList> {
        let mut trades = self.0.clone();
        trades.sort_unstable();
        (!trades.is_empty()).then_some(TradeList(trades))
    }
}

impl Value for TradeList {
    const NAME: &'static str = "trades";
    const COLUMNS: &'static [&'static str] = &["trades"];

    fn fields(&self, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Count(self.0.len() as u64));
    }
}
