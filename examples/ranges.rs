//! ranges: how far each symbol's price ranged in each window.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use tapeflow::aggregate::{Aggregate, Print, Value};
use tapeflow::config::{Count, Layers, Settings};
use tapeflow::operators::Summary;
use tapeflow::oracle::{Corrected, windows};
use tapeflow::row::Field;
use tapeflow::tick::Price;
use tapeflow::window::Windows;

/// The highest and the lowest price of some prints, and how many they are.
#[derive(Clone, Default)]
struct HighLow {
    bounds: Option<(Price, Price)>,
    trades: u64,
}

impl Aggregate for HighLow {
    type Value = Range;

    fn add(&mut self, print: &Print) {
        let (low, high) = self.bounds.unwrap_or((print.price, print.price));
        self.bounds = Some((low.min(print.price), high.max(print.price)));
        self.trades += 1;
    }

    fn remove(&mut self, print: &Print) -> bool {
        // Without an extreme, nobody knows the next one: say so, and the window is summed up again.
        let is_inside = self.bounds.is_some_and(|(low, high)| low < print.price && print.price < high);
        self.trades -= u64::from(is_inside);
        is_inside
    }

    fn combine(&mut self, other: &Self) {
        if let Some((low, high)) = other.bounds {
            let (lowest, highest) = self.bounds.unwrap_or((low, high));
            self.bounds = Some((lowest.min(low), highest.max(high)));
        }
        self.trades += other.trades;
    }

    fn lower(&self) -> Option<Range> {
        let (low, high) = self.bounds?;
        Some(Range { low, high, trades: self.trades })
    }
}

/// What a window comes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Range {
    low: Price,
    high: Price,
    trades: u64,
}

impl Value for Range {
    const NAME: &'static str = "ranges";
    const COLUMNS: &'static [&'static str] = &["low", "high", "range", "trades"];

    fn fields(&self, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Price(Some(self.low)));
        give(Field::Price(Some(self.high)));
        give(Field::Price(Some(Price(self.high.0 - self.low.0))));
        give(Field::Count(self.trades));
    }
}

/// The settings: the windows, and how many trades one must have.
struct Ranges {
    windows: Windows,
    min_trades: u64,
}

#[derive(Deserialize)]
struct RangesSection {
    min_trades: Count,
}

impl Settings for Ranges {
    fn read(layers: &mut Layers) -> Option<Self> {
        let windows = Windows::read(layers)?;
        let ranges: RangesSection = layers.section("ranges")?;
        Some(Ranges { windows, min_trades: ranges.min_trades.0 })
    }
}

/// The rows, by plain code over the whole tape.
fn oracle(tape: &Corrected, settings: &Ranges) -> Vec<Summary<Range>> {
    let mut rows = Vec::new();
    for ((window, place, symbol), trades) in windows(tape, &settings.windows) {
        let mut prices: Vec<Price> = trades.iter().map(|trade| trade.price).collect();
        prices.sort();
        let value = Range { low: prices[0], high: prices[prices.len() - 1], trades: prices.len() as u64 };
        if value.trades >= settings.min_trades {
            rows.push(Summary { window, place, symbol, value });
        }
    }
    rows
}

const SETTINGS: &str = concat!(include_str!("../pipelines/ohlcv.toml"), include_str!("ranges.toml"));

fn main() -> ExitCode {
    tapeflow::cli::main(
        "ranges",
        SETTINGS,
        |ticks, settings: &Ranges| {
            let (windows, min_trades) = (settings.windows.clone(), settings.min_trades);
            ticks.window_aggregate::<HighLow>(windows).filter(move |row| row.value.trades >= min_trades)
        },
        oracle,
    )
}
