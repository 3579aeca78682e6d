//! `replay generate`: writes a dataset to play.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use jiff::civil::{Date, date};
use tapeflow::error::{Error, Result, say};
use tapeflow::market::course::Course;
use tapeflow::market::generate::{Dataset, Mix, Recipe};
use tapeflow::row::Encoding;
use tapeflow::tape::Part;

use crate::{Form, one_of};

/// Generate a tape to play: trades and quotes as realistic as docs/generator.md shows; the same options give the same
/// bytes everywhere
#[derive(Args)]
pub struct Generate {
    /// The folder to write below; it is created if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Which files, and what they hold
    #[arg(long, value_enum, default_value_t = Layout::Ticks)]
    layout: Layout,
    #[command(flatten)]
    ticks: Ticks,
    /// Of the tutorial layout, how much of the full dataset: 1 is about 1 GB, 0.01 about 10 MB [default: 1]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    scale: Option<f64>,
    /// What all random numbers follow from
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Threads to write with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// What a tape of ticks is made of.
#[derive(Args)]
#[group(id = "of_ticks", multiple = true)]
struct Ticks {
    /// Symbols; the n-th is 1/n as busy as the first [default: 10, or all tables of --daily]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    symbols: Option<u32>,
    /// Days on which the exchange trades [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    days: Option<u32>,
    /// The first day [default: 2026-01-05, or the first of the tables of --daily]
    #[arg(long, value_name = "DATE")]
    start: Option<Date>,
    /// Trades of a symbol on a day, on average [default: 20000]
    #[arg(long, value_name = "N")]
    trades_per_day: Option<u32>,
    /// Quotes for each trade; 0 for a tape of trades [default: 5]
    #[arg(long, value_name = "X")]
    quotes_per_trade: Option<f64>,
    /// Of 10,000 prints, those that are sent twice by mistake and cancelled later [default: 7]
    #[arg(long, value_name = "N")]
    cancels: Option<u32>,
    /// Of 10,000 prints, those that are sent wrong and corrected later [default: 3]
    #[arg(long, value_name = "N")]
    corrections: Option<u32>,
    /// Of a symbol's days, the part in which it is neither traded nor quoted for five minutes [default: 0.1%]
    #[arg(long, value_name = "PART")]
    halts: Option<Part>,
    /// Fill in the real days of the tables table_SYMBOL.csv.bz2 in this folder:
    /// yyyymmdd,time,open,high,low,close,volume
    #[arg(long, value_name = "DIR")]
    daily: Option<PathBuf>,
    /// The form of the lines [default: csv]
    #[arg(long = "as", value_parser = one_of(&[Form::Csv, Form::Jsonl]))]
    form: Option<Form>,
}

/// The kinds of dataset.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Layout {
    /// Trades and quotes of four venues: SYMBOL/DAY.csv, in order of receipt
    Ticks,
    /// Minute bars of 21 stocks, as CSV files (minute/SYMBOL/DAY.csv) and as JSON lines (json/SYMBOL.json)
    Tutorial,
}

impl Generate {
    /// Writes the dataset; progress and the closing line go to standard error.
    pub fn run(self) -> Result<()> {
        match self.layout {
            Layout::Ticks if self.scale.is_some() => {
                Err(Error::Usage("--scale is for --layout tutorial; a tape of ticks has --symbols and --days".into()))
            }
            Layout::Tutorial if self.ticks.is_given() => Err(Error::Usage(
                "--layout tutorial has minute bars of its own days: beside --out it takes --scale, --seed and --threads"
                    .into(),
            )),
            Layout::Ticks => self.tape(),
            Layout::Tutorial => self.tutorial(),
        }
    }

    fn tape(self) -> Result<()> {
        let ticks = &self.ticks;
        let days = ticks.days.unwrap_or(1) as usize;
        let recipe = match &ticks.daily {
            Some(dir) => Recipe::Daily { dir: dir.clone(), symbols: ticks.symbols, days, start: ticks.start },
            None => Recipe::MadeUp {
                symbols: ticks.symbols.unwrap_or(10),
                days,
                start: ticks.start.unwrap_or(date(2026, 1, 5)),
            },
        };
        let mix = Mix {
            quotes_per_trade: ticks.quotes_per_trade.unwrap_or(5.0),
            cancels: ticks.cancels.unwrap_or(7),
            corrections: ticks.corrections.unwrap_or(3),
            halts: ticks.halts.unwrap_or(Part(0.001)),
        };
        let start = Instant::now();
        let dataset = Dataset::new(&recipe, self.seed, ticks.trades_per_day.unwrap_or(20_000).into(), mix)?;
        let bar = progress_bar(dataset.files() as u64);
        let encoding = if ticks.form == Some(Form::Jsonl) { Encoding::Jsonl } else { Encoding::Csv };
        let written = dataset.write(&self.out, encoding, self.threads.unwrap_or_else(all_cores), &|_| bar.inc(1));
        bar.finish_and_clear();
        let written = written?;
        let seconds = start.elapsed().as_secs_f64();
        say(&format!(
            "wrote {} records to {} ({} files, {}) in {seconds:.1} s, {} records/s; next: replay inspect {}",
            HumanCount(written.records),
            self.out.display(),
            HumanCount(written.files),
            ByteSize(written.bytes).display().si(),
            HumanCount((written.records as f64 / seconds) as u64),
            quoted(&self.out),
        ));
        Ok(())
    }

    fn tutorial(self) -> Result<()> {
        let threads = self.threads.unwrap_or_else(all_cores);
        let course = Course::new(self.out, self.scale.unwrap_or(1.0), self.seed, threads)?;
        let start = Instant::now();
        let bar = progress_bar(course.minute_files());
        let written = course.write(&|| bar.inc(1));
        bar.finish_and_clear();
        let written = written?;

        let minute = course.minute_dir();
        say(&format!(
            "wrote {} ({} files) and {} ({} files): {} in {:.1} s; \
             next: ohlcv --input {} --window 5m --speed max --out out",
            minute.display(),
            HumanCount(written.minute_files),
            course.json_dir().display(),
            HumanCount(written.json_files),
            ByteSize(written.bytes).display().si(),
            start.elapsed().as_secs_f64(),
            quoted(&minute),
        ));
        Ok(())
    }
}

impl Ticks {
    fn is_given(&self) -> bool {
        let counts = [self.symbols, self.days, self.trades_per_day, self.cancels, self.corrections];
        counts.iter().any(Option::is_some)
            || self.start.is_some()
            || self.quotes_per_trade.is_some()
            || self.halts.is_some()
            || self.daily.is_some()
            || self.form.is_some()
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+=:,@".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

pub fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// A bar over files on a terminal; elsewhere it stays hidden.
pub fn progress_bar(files: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} files, {rate}, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
        _ = write!(text, "{:.0} files/s", state.per_sec());
    });
    ProgressBar::new(files).with_style(style)
}
