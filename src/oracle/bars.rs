use std::borrow::Cow;
use std::collections::BTreeMap;

use super::windows::{daily, day, tumbling};
use super::{Corrected, Trade, divide_half_even, windows};
use crate::aggregate::Bar;
use crate::operators::Summary;
use crate::tick::Price;
use crate::window::{Day, Fill, Windows};

/// One bar for every window of a symbol that holds a surviving print.
pub fn bars(tape: &Corrected, rule: &Windows) -> Vec<Summary<Bar>> {
    let row = |((window, place, symbol), trades): (_, Cow<[Trade]>)| {
        let value = bar(&trades);
        Summary { window, place, symbol, value }
    };
    windows(tape, rule).into_iter().map(row).collect()
}

/// The same, with a bar of the last close for every window without one, from a symbol's first close of a day on, as far as
/// the day's session lasts.
pub fn filled(tape: &Corrected, rule: &Windows, fill: &Fill) -> Vec<Summary<Bar>> {
    let mut rows = bars(tape, rule);
    let rule = if let Windows::Early(early) = rule { &early.windows } else { rule };
    let mut days: BTreeMap<_, BTreeMap<i64, Summary<Bar>>> = BTreeMap::new();
    for bar in &rows {
        let Day { start, open, close, .. } = day(&fill.hours, bar.window.start);
        days.entry((bar.symbol, start, open, close)).or_default().insert(bar.window.start, bar.clone());
    }
    for ((symbol, _, open, close), bars) in days {
        let (mut ts, mut last) = (*bars.keys().next().expect("a day with bars"), None);
        while ts < close && open < close {
            let window = match rule {
                Windows::Tumbling(rule) => tumbling(rule, ts),
                Windows::Daily(rule) => daily(rule, ts),
                _ => unreachable!("only windows that lie end to end can be filled"),
            };
            match (bars.get(&window.start), last) {
                (Some(bar), _) => last = bar.value.close.or(last),
                (None, Some(close)) if window.end > open => {
                    let [open, high, low, close] = [Some(close); 4];
                    let value = Bar { open, high, low, close, volume: 0, trades: 0, vwap: None };
                    rows.push(Summary { window, place: 0, symbol, value });
                }
                _ => {}
            }
            ts = window.end;
        }
    }
    rows
}

/// The bar of some trades of one symbol, in their order; each figure is of those that count for it.
pub(super) fn bar(trades: &[Trade]) -> Bar {
    let lasts: Vec<Price> = trades.iter().filter(|trade| trade.eligible.last()).map(|trade| trade.price).collect();
    let ranging = || trades.iter().filter(|trade| trade.eligible.high_low()).map(|trade| trade.price);
    let volume: u64 = trades.iter().map(Trade::shares).sum();
    let value: i128 = trades.iter().map(Trade::notional).sum();
    Bar {
        open: lasts.first().copied(),
        high: ranging().max(),
        low: ranging().min(),
        close: lasts.last().copied(),
        volume,
        trades: trades.len() as u64,
        // An average of prices is no greater than the greatest, so it fits.
        vwap: (volume > 0).then(|| Price(divide_half_even(value, i128::from(volume)) as i64)),
    }
}
