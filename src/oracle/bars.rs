use std::collections::BTreeMap;

use super::{Corrected, Trade, divide_half_even};
use crate::aggregate::Bar;
use crate::operators::Summary;
use crate::tick::{Price, Symbol};
use crate::window::{Tumbling, Window};

/// R5: one bar for every window of a symbol that holds a surviving print, by window and symbol.
pub fn bars(tape: &Corrected, windows: &Tumbling) -> Vec<Summary<Bar>> {
    let mut held: BTreeMap<(Window, Symbol), Vec<&Trade>> = BTreeMap::new();
    for trade in tape.trades.values().flatten() {
        held.entry((windows.window_of(trade.ts_event), trade.symbol)).or_default().push(trade);
    }
    held.into_iter()
        .map(|((window, symbol), trades)| Summary { window, place: 0, symbol, value: bar(&trades) })
        .collect()
}

/// The bar of some trades of one symbol, in their order.
fn bar(trades: &[&Trade]) -> Bar {
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
