use std::borrow::Cow;

use super::{Corrected, Trade, divide_half_even, windows};
use crate::aggregate::Averages;
use crate::operators::Summary;
use crate::tick::Price;
use crate::window::Windows;

/// VWAP and TWAP of every window that holds a surviving print.
pub fn averages(tape: &Corrected, rule: &Windows) -> Vec<Summary<Averages>> {
    let row = |((window, place, symbol), trades): (_, Cow<[Trade]>)| {
        let value = of(&trades);
        Summary { window, place, symbol, value }
    };
    windows(tape, rule).into_iter().map(row).collect()
}

/// The averages of some trades of one symbol, in their order.
fn of(trades: &[Trade]) -> Averages {
    let volume: u64 = trades.iter().map(Trade::shares).sum();
    let notional: i128 = trades.iter().map(Trade::notional).sum();
    let lasts: Vec<&Trade> = trades.iter().filter(|trade| trade.eligible.last()).collect();
    Averages {
        vwap: (volume > 0).then(|| Price(divide_half_even(notional, i128::from(volume)) as i64)),
        twap: twap(&lasts),
        volume,
        trades: trades.len() as u64,
    }
}

/// The average by time of the trades that can be the last price.
fn twap(trades: &[&Trade]) -> Option<Price> {
    let span = i128::from(trades.last()?.ts_event - trades.first()?.ts_event);
    let held = |pair: &[&Trade]| i128::from(pair[0].price.0) * i128::from(pair[1].ts_event - pair[0].ts_event);
    let average = match span {
        0 => divide_half_even(trades.iter().map(|trade| i128::from(trade.price.0)).sum(), trades.len() as i128),
        _ => divide_half_even(trades.windows(2).map(held).sum(), span),
    };
    Some(Price(average as i64))
}
