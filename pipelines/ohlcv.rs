//! Bars: open, high, low, close, volume and VWAP of each symbol, by windows of event time.

use std::process::ExitCode;

use tapeflow::aggregate::Ohlcv;
use tapeflow::oracle;
use tapeflow::window::Tumbling;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "ohlcv",
        include_str!("ohlcv.toml"),
        |ticks, windows: &Tumbling| ticks.window_aggregate::<Ohlcv>(*windows),
        |tape, windows: &Tumbling| oracle::bars(tape, windows),
    )
}
