use std::collections::BTreeMap;

use super::windows::{daily, local, tumbling};
use super::{Corrected, Trade, divide_half_even, windows};
use crate::aggregate::Bar;
use crate::operators::Summary;
use crate::tick::Price;
use crate::window::{Fill, Windows};

/// R5: one bar for every window of a symbol that holds a surviving print.
pub fn bars(tape: &Corrected, rule: &Windows) -> Vec<Summary<Bar>> {
    let bar =
        |((window, place, symbol), trades): (_, Vec<Trade>)| Summary { window, place, symbol, value: bar(&trades) };
    windows(tape, rule).into_iter().map(bar).collect()
}

/// The same, with a bar of the last close for every window without one, from a symbol's first bar of a day on, as far
/// as the day's session lasts.
pub fn filled(tape: &Corrected, rule: &Windows, fill: &Fill) -> Vec<Summary<Bar>> {
    let mut rows = bars(tape, rule);
    let rule = if let Windows::Early(early) = rule { &early.windows } else { rule };
    let mut days: BTreeMap<_, BTreeMap<i64, Summary<Bar>>> = BTreeMap::new();
    for bar in &rows {
        let (open, day) = local(&fill.hours, bar.window.start, fill.hours.open);
        let (close, _) = local(&fill.hours, bar.window.start, fill.hours.close);
        days.entry((bar.symbol, day.start, open, close)).or_default().insert(bar.window.start, bar.clone());
    }
    for ((symbol, _, open, close), bars) in days {
        let (mut ts, mut last) = (*bars.keys().next().expect("a day with bars"), None);
        while ts < close {
            let window = match rule {
                Windows::Tumbling(rule) => tumbling(rule, ts),
                Windows::Daily(rule) => daily(rule, ts),
                _ => unreachable!("only windows that lie end to end can be filled"),
            };
            match (bars.get(&window.start), last) {
                (Some(bar), _) => last = Some(bar.value.close),
                (None, Some(close)) if window.end > open => {
                    let value = Bar { open: close, high: close, low: close, close, volume: 0, trades: 0, vwap: None };
                    rows.push(Summary { window, place: 0, symbol, value });
                }
                _ => {}
            }
            ts = window.end;
        }
    }
    rows
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
