//! Quantiles of the prices and sizes of each symbol's trades, by windows of time, of activity or of volume.

use std::process::ExitCode;

use tapeflow::aggregate::Quantiles;
use tapeflow::oracle;
use tapeflow::window::Windows;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "quantiles",
        include_str!("quantiles.toml"),
        |ticks, windows: &Windows| ticks.window_aggregate::<Quantiles>(windows.clone()),
        |tape, windows: &Windows| oracle::quantiles(tape, windows),
    )
}
