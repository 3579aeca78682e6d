//! Bars: open, high, low, close, volume and VWAP of each symbol, by windows of time, of activity or of volume.

use std::process::ExitCode;

use tapeflow::aggregate::Ohlcv;
use tapeflow::oracle;
use tapeflow::window::Windows;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "ohlcv",
        include_str!("ohlcv.toml"),
        |ticks, windows: &Windows| ticks.window_aggregate::<Ohlcv>(windows.clone()),
        |tape, windows: &Windows| oracle::bars(tape, windows),
    )
}
