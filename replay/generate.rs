//! `replay generate`: writes a dataset to play.

use std::fmt;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use tapeflow::error::Result;
use tapeflow::tape::course::Course;

/// Generate a dataset to play; the same seed and scale give the same bytes everywhere
#[derive(Args)]
pub struct Generate {
    /// Which files, and what they hold
    #[arg(long, value_enum)]
    layout: Layout,
    /// The folder to write below; it is created if need be
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How much of the full dataset: 1 is about 1 GB, 0.01 about 10 MB
    #[arg(long, value_name = "F", default_value_t = 1.0, allow_negative_numbers = true)]
    scale: f64,
    /// The seed of the random prices
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Threads to write with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// The kinds of dataset.
#[derive(Clone, Copy, ValueEnum)]
enum Layout {
    /// Minute bars of 21 stocks, as CSV files (minute/SYMBOL/DAY.csv) and as JSON lines (json/SYMBOL.json)
    Tutorial,
}

impl Generate {
    /// Writes the dataset; progress and the closing line go to standard error.
    pub fn run(self) -> Result<()> {
        match self.layout {
            Layout::Tutorial => self.tutorial(),
        }
    }

    fn tutorial(self) -> Result<()> {
        let threads = self.threads.unwrap_or_else(all_cores);
        let course = Course::new(self.out, self.scale, self.seed, threads)?;
        let start = Instant::now();
        let bar = progress_bar(course.minute_files());
        let written = course.write(&|| bar.inc(1));
        bar.finish_and_clear();
        let written = written?;

        let minute = course.minute_dir();
        // A closed standard error does not spoil the dataset.
        let _ = writeln!(
            std::io::stderr(),
            "wrote {} ({} files) and {} ({} files): {} in {:.1} s; \
             next: ohlcv --input {} --window 5m --speed max --out out",
            minute.display(),
            HumanCount(written.minute_files),
            course.json_dir().display(),
            HumanCount(written.json_files),
            ByteSize(written.bytes).display().si(),
            start.elapsed().as_secs_f64(),
            minute.display(),
        );
        Ok(())
    }
}

fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// A bar over files on a terminal; elsewhere it stays hidden.
fn progress_bar(files: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} files, {rate}, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
        _ = write!(text, "{:.0} files/s", state.per_sec());
    });
    ProgressBar::new(files).with_style(style)
}
