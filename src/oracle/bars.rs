use super::{Corrected, Trade, divide_half_even, windows};
use crate::aggregate::Bar;
use crate::operators::Summary;
use crate::tick::Price;
use crate::window::Windows;

/// R5: one bar for every window of a symbol that holds a surviving print.
pub fn bars(tape: &Corrected, rule: &Windows) -> Vec<Summary<Bar>> {
    let bar =
        |((window, place, symbol), trades): (_, Vec<Trade>)| Summary { window, place, symbol, value: bar(&trades) };
    windows(tape, rule).into_iter().map(bar).collect()
}

/// The bar of some trades of one symbol, in their order.
pub(super) fn bar(trades: &[Trade]) -> Bar {
    let prices = || trades.iter().map(|trade| trade.price);
    let volume: u64 = trades.iter().map(|trade| u64::from(trade.size)).sum();
    let value: i128 = trades.iter().map(|trade| i128::from(trade.price.0) * i128::from(trade.size)).sum();
    Bar {
        open: trades[0].price,
        high: prices().max().unwrap_or_default(),
        low: prices().min().unwrap_or_default(),
        close: trades[trades.len() - 1].price,
        volume,
        trades: trades.len() as u64,
        // An average of prices is no greater than the greatest, so it fits.
        vwap: (volume > 0).then(|| Price(divide_half_even(value, i128::from(volume)) as i64)),
    }
}
