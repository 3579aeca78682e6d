use std::collections::BTreeMap;

use super::bars::bar;
use super::{Corrected, Trade, rise_percent, windows};
use crate::aggregate::Turnover;
use crate::operators::{Burst, By, Places, Summary};
use crate::window::{Gap, Window};

/// The first places of each day among the runs of trades that end in it.
pub fn bursts(tape: &Corrected, gap: Gap, places: &Places) -> Vec<Burst> {
    let mut days: BTreeMap<(i64, i64), Vec<Summary<Turnover>>> = BTreeMap::new();
    for ((window, place, symbol), trades) in windows(tape, &gap.into()) {
        let value = Turnover { bar: bar(&trades), notional: trades.iter().map(Trade::notional).sum() };
        let day = tape.sessions.of(trades[trades.len() - 1].ts_event);
        days.entry(day).or_default().push(Summary { window, place, symbol, value });
    }
    let mut rows = Vec::new();
    for ((start, end), runs) in days {
        let value = |run: &Summary<Turnover>| match places.by {
            By::Change => rise_percent(run.value.bar.open?, run.value.bar.close?),
            By::Volume => Some(i128::from(run.value.bar.volume)),
            By::Notional => Some(run.value.notional),
        };
        let mut runs: Vec<_> = runs.into_iter().filter_map(|run| Some((value(&run)?, run))).collect();
        runs.sort_by_key(|(value, run)| {
            let value = if places.least { *value } else { -*value };
            (value, tape.texts.symbol(run.symbol).to_owned(), run.window.start)
        });
        let day = Window { start, end };
        rows.extend((1..).zip(runs).take(places.n).map(|(rank, (_, run))| Burst { day, rank, run }));
    }
    rows
}
