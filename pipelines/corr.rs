//! Correlations: which symbols move together, by the closes of their bars.

use std::process::ExitCode;

use tapeflow::aggregate::Ohlcv;
use tapeflow::config::Correlations;
use tapeflow::operators::correlate;
use tapeflow::oracle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "corr",
        include_str!("corr.toml"),
        |ticks, settings: &Correlations| {
            let context = ticks.context.clone();
            correlate(ticks.window_aggregate::<Ohlcv>(settings.windows), settings.windows, settings.rule, &context)
        },
        |tape, settings: &Correlations| oracle::corr(tape, &settings.windows, &settings.rule),
    )
}
