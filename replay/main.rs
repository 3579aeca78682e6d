//! replay: makes a tape, and plays one as a live feed.

mod generate;
mod outgoing;
mod play;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes tapes of stock ticks, and plays them as live feeds.
#[derive(Parser)]
#[command(name = "replay", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(generate::Generate),
    Play(play::Play),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Generate(generate) => generate.run().map(|()| ExitCode::SUCCESS),
        Command::Play(play) => play.run(),
    };
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if error.exit_code() != 0 {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "replay: error: {error}");
    }
    ExitCode::from(error.exit_code())
}
