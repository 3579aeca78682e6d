use std::borrow::Cow;

use super::{Corrected, Trade, windows};
use crate::aggregate::Spread;
use crate::operators::Summary;
use crate::window::Windows;

/// The quantiles of prices and sizes of every window that holds a surviving print.
pub fn quantiles(tape: &Corrected, rule: &Windows) -> Vec<Summary<Spread>> {
    let row = |((window, place, symbol), trades): (_, Cow<[Trade]>)| {
        let ranging = trades.iter().filter(|trade| trade.eligible.high_low());
        let counting = trades.iter().filter(|trade| trade.eligible.volume());
        let value = Spread {
            prices: of(ranging.map(|trade| trade.price).collect()),
            sizes: of(counting.map(|trade| trade.size).collect()),
            volume: trades.iter().map(Trade::shares).sum(),
            trades: trades.len() as u64,
        };
        Summary { window, place, symbol, value }
    };
    windows(tape, rule).into_iter().map(row).collect()
}

/// Of each percentage the first value, from the least on, that so many are not greater than.
fn of<V: Copy + Ord>(mut values: Vec<V>) -> [Option<V>; 5] {
    values.sort_unstable();
    [5, 25, 50, 75, 95].map(|percent| {
        let mut ranked = values.iter().zip(1..);
        ranked.find(|(_, rank)| rank * 100 >= percent * values.len()).map(|(value, _)| *value)
    })
}
