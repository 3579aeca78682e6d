//! Movers: which symbols changed most, or were traded most, window by window or over the day, per sector if you like.

use std::process::ExitCode;

use tapeflow::aggregate::Traded;
use tapeflow::config::Movers;
use tapeflow::operators::movers;
use tapeflow::oracle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "movers",
        include_str!("movers.toml"),
        |ticks, settings: &Movers| {
            let context = ticks.context.clone();
            movers(ticks.window_aggregate::<Traded>(settings.windows), settings.ranking.clone(), &context)
        },
        |tape, settings: &Movers| oracle::movers(tape, settings.windows, &settings.ranking),
    )
}
