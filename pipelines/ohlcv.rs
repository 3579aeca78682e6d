//! Bars: open, high, low, close, volume and VWAP of each symbol, by windows of time, of activity or of volume.

use std::process::ExitCode;

use tapeflow::aggregate::Ohlcv;
use tapeflow::config::Bars;
use tapeflow::operators::filled;
use tapeflow::oracle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "ohlcv",
        include_str!("ohlcv.toml"),
        |ticks, Bars { windows, fill }: &Bars| {
            let context = ticks.context.clone();
            let bars = ticks.window_aggregate::<Ohlcv>(windows.clone());
            match fill {
                Some(fill) => filled(bars, fill.clone(), &context),
                None => bars,
            }
        },
        |tape, Bars { windows, fill }: &Bars| match fill {
            Some(fill) => oracle::filled(tape, windows, fill),
            None => oracle::bars(tape, windows),
        },
    )
}
