//! Latest: each symbol's last trade, last quote and day so far, at the end of every window or session.

use std::process::ExitCode;

use tapeflow::operators::Every;
use tapeflow::oracle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "latest",
        include_str!("latest.toml"),
        |ticks, every: &Every| ticks.latest(*every),
        |tape, every: &Every| oracle::latest(tape, every),
    )
}
