//! replay: makes a tape, and plays one as a live feed.

mod convert;
mod deck;
mod generate;
mod inspect;
mod keyboard;
mod outgoing;
mod part;
mod play;
mod player;
mod reading;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tapeflow::row::Encoding;

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
    Inspect(inspect::Inspect),
    Convert(convert::Convert),
    Play(Box<play::Play>),
}

/// The form of lines.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Comma-separated values under a header
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl Form {
    /// In which to write.
    pub fn encoding(self) -> Encoding {
        match self {
            Form::Csv => Encoding::Csv,
            Form::Jsonl => Encoding::Jsonl,
        }
    }
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Generate(generate) => generate.run().map(|()| ExitCode::SUCCESS),
        Command::Inspect(inspect) => inspect.run().map(|()| ExitCode::SUCCESS),
        Command::Convert(convert) => convert.run().map(|()| ExitCode::SUCCESS),
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
