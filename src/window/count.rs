use serde::Deserialize;

use crate::error::Error;
use crate::tick::{Eligible, Price};
use crate::time::EventTime;

/// What a count window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Prints: tick bars.
    Trades,
    /// Shares: volume bars.
    Volume,
    /// Price times shares, whatever the price's sign: dollar bars.
    Notional,
}

/// Windows that are full, rather than over: of so many trades, shares, or so much money, counted from the beginning of
/// each trading session (a local day) in the order of its prints. What is left when the session ends fills no window.
///
/// A window is `[first print, last print + 1 ns)`. The print that fills it is all its own, or, where prints are
/// split, only as many of its shares as it takes; the others go into the next window, which then begins with the same
/// print. Of money, what one share brings in excess is not carried over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub(crate) of: Measure,
    pub(crate) every: i128,
    pub(crate) splits: bool,
}

impl Count {
    /// Most windows that one print may fill on its own. Each is a row, and a print can be of four billion shares.
    pub const MOST_OF_PRINT: u32 = 1_000_000;

    /// Windows of `every` trades, shares, or units of the currency; `None` unless it is at least one.
    ///
    /// ```
    /// use tapeflow::{tick::{Eligible, Price}, window::{Count, Measure}};
    /// let dollars = Count::new(Measure::Notional, 1_000, true).unwrap();
    /// let price = Price(300 * Price::SCALE);
    /// assert_eq!(dollars.takes(0, price, 10, Eligible::ALL), 4);
    /// assert!(dollars.is_full(dollars.measure(price, 4, Eligible::ALL)));
    /// ```
    pub fn new(of: Measure, every: u64, splits: bool) -> Option<Self> {
        let every = i128::from(every) * if of == Measure::Notional { i128::from(Price::SCALE) } else { 1 };
        (every > 0).then_some(Count { of, every, splits: splits && of != Measure::Trades })
    }

    /// What so many shares of a print count. Those that are not volume count nothing, and are in the window.
    pub fn measure(&self, price: Price, shares: u32, eligible: Eligible) -> i128 {
        match self.of {
            Measure::Trades => 1,
            _ if !eligible.volume() => 0,
            Measure::Volume => i128::from(shares),
            Measure::Notional => i128::from(price.0).abs() * i128::from(shares),
        }
    }

    /// Whether a window that counts so much is full.
    pub fn is_full(&self, counted: i128) -> bool {
        counted >= self.every
    }

    /// How many of a print's shares go into a window that counts so much already and is not full.
    pub fn takes(&self, counted: i128, price: Price, shares: u32, eligible: Eligible) -> u32 {
        let each = self.measure(price, 1, eligible);
        if !self.splits || each == 0 {
            return shares;
        }
        let wanted = (self.every - counted + each - 1) / each;
        u32::try_from(wanted).map_or(shares, |wanted| wanted.min(shares))
    }

    /// How many windows a print fills on its own, from an empty one on; one at the most where prints are not split.
    pub fn fills(&self, price: Price, shares: u32, eligible: Eligible) -> u32 {
        shares / self.takes(0, price, shares, eligible).max(1)
    }

    /// Why a run ends with a print that fills more than the most.
    pub fn too_many(symbol: &str, ts_event: EventTime, shares: u32, windows: u32) -> Error {
        Error::Input(format!(
            "filling windows of {symbol}: its print of {shares} shares at {ts_event} would fill {windows} of them, and {} \
             are the most: raise window.every, or let window.overshoot be \"whole\"",
            Count::MOST_OF_PRINT
        ))
    }
}
