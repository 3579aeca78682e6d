//! replay: makes a tape.

mod generate;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes tapes of stock ticks.
#[derive(Parser)]
#[command(name = "replay", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Generate(generate::Generate),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Generate(generate) => generate.run(),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    if error.exit_code() != 0 {
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "replay: error: {error}");
    }
    ExitCode::from(error.exit_code())
}
