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

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use tapeflow::cli::outlive_full_files;
use tapeflow::error::is_caught;
use tapeflow::tape::format::Format;

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

/// The form of records.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Comma-separated values under a header
    Csv,
    /// One JSON object a line
    Jsonl,
    /// Compact binary blocks, each with a checksum
    Bin,
    /// Parquet: columns in groups of rows, for pandas, Polars, DuckDB ...
    Parquet,
    /// Databento's DBN, as .dbn or .dbn.zst; read only
    Dbn,
}

impl From<Form> for Format {
    fn from(form: Form) -> Format {
        match form {
            Form::Csv => Format::Csv,
            Form::Jsonl => Format::Jsonl,
            Form::Bin => Format::Bin,
            Form::Parquet => Format::Parquet,
            Form::Dbn => Format::Dbn,
        }
    }
}

/// Takes these forms only.
pub fn one_of(forms: &'static [Form]) -> impl TypedValueParser<Value = Form> {
    // Whoever asks to write DBN, which is read only, is told so by what would write it.
    let value = |form: &Form| Some(form.to_possible_value()?.hide(*form == Form::Dbn));
    let values = PossibleValuesParser::new(forms.iter().filter_map(value));
    values.try_map(|name| Form::from_str(&name, false))
}

fn main() -> ExitCode {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !is_caught() {
            hook(info);
        }
    }));
    let command = Cli::parse().command;
    let result = outlive_full_files().and_then(|()| match command {
        Command::Generate(generate) => generate.run().map(|()| ExitCode::SUCCESS),
        Command::Inspect(inspect) => inspect.run().map(|()| ExitCode::SUCCESS),
        Command::Convert(convert) => convert.run().map(|()| ExitCode::SUCCESS),
        Command::Play(play) => play.run(),
    });
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
