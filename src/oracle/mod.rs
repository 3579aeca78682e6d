//! Oracles: what every pipeline must come to, computed over the whole tape in memory, slow and plain.
//!
//! An oracle shares no code with the operators. It gets the [`Corrected`] tape, to which the rules of lateness,
//! repeats, cancels and corrections were applied once, and makes the final rows from it. `PIPELINE verify` and the
//! property tests compare them with what the dataflow came to. A pipeline's oracle is a file here.

mod averages;
mod bars;
mod bursts;
mod corr;
mod corrected;
mod feedqc;
mod tq;
mod latest;
mod movers;
mod quantiles;
mod windows;

pub use averages::averages;
pub use bars::{bars, filled};
pub use bursts::bursts;
pub use corr::corr;
pub use corrected::{Corrected, Rules, Trade};
pub use feedqc::feedqc;
pub use latest::latest;
pub use movers::movers;
pub use quantiles::quantiles;
pub use tq::tq;
pub use windows::{Held, windows};

use crate::ledger::Ledger;
use crate::tick::Price;

/// What a run must come to.
#[derive(Clone, Debug)]
pub struct Expected<R> {
    /// The final rows, in any order.
    pub rows: Vec<R>,
    /// The ledger; that of a pipeline over trades if there is none.
    pub ledger: Option<Ledger>,
}

impl<R> From<Vec<R>> for Expected<R> {
    /// The rows of a pipeline over trades, to which quotes are ignored.
    fn from(rows: Vec<R>) -> Self {
        Expected { rows, ledger: None }
    }
}

/// By how much a price rose, in percent and units of 1e-9; none from a price that is not above zero.
fn rise_percent(from: Price, to: Price) -> Option<i128> {
    let (from, to) = (i128::from(from.0), i128::from(to.0));
    (from > 0).then(|| divide_half_even((to - from) * 100_000_000_000, from))
}

/// The quotient nearest to `value / by`, the even one of two equally near. `by` is above zero.
fn divide_half_even(value: i128, by: i128) -> i128 {
    let (below, rest) = (value.div_euclid(by), value.rem_euclid(by));
    let up = 2 * rest > by || (2 * rest == by && below % 2 != 0);
    below + i128::from(up)
}
