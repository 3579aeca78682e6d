//! VWAP and TWAP of each symbol: of the session so far, of windows, or of the last trades.

use std::process::ExitCode;

use tapeflow::aggregate::Vwap;
use tapeflow::config::AveragedOver;
use tapeflow::oracle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "vwap",
        include_str!("vwap.toml"),
        |ticks, AveragedOver(windows): &AveragedOver| ticks.window_aggregate::<Vwap>(windows.clone()),
        |tape, AveragedOver(windows): &AveragedOver| oracle::averages(tape, windows),
    )
}
