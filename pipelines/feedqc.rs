//! Feed quality: gaps, duplicates, latencies, silence and peaks of each venue's feed, window by window.

use std::process::ExitCode;

use tapeflow::oracle;
use tapeflow::quality::Standard;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tapeflow::cli::main(
        "feedqc",
        include_str!("feedqc.toml"),
        |ticks, standard: &Standard| ticks.check_feed(*standard),
        |tape, standard: &Standard| oracle::feedqc(tape, standard),
    )
}
