//! Trades and quotes: each trade beside the quote that held for it, with spread, side and markout.

use std::process::ExitCode;

use tapeflow::config::Matching;
use tapeflow::oracle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "tq",
        include_str!("tq.toml"),
        |ticks, settings: &Matching| ticks.match_quotes(settings.windows, settings.rule),
        |tape, settings: &Matching| oracle::tq(tape, &settings.windows, &settings.rule),
    )
}
