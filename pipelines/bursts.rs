//! Bursts: the greatest runs of trading of each day, over all symbols.

use std::process::ExitCode;

use tapeflow::aggregate::Traded;
use tapeflow::config::Bursts;
use tapeflow::operators::bursts;
use tapeflow::oracle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "bursts",
        include_str!("bursts.toml"),
        |ticks, Bursts { gap, places }: &Bursts| {
            let context = ticks.context.clone();
            bursts(ticks.window_aggregate::<Traded>(*gap), *gap, *places, &context)
        },
        |tape, Bursts { gap, places }: &Bursts| oracle::bursts(tape, *gap, places),
    )
}
