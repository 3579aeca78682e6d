//! Which part of a tape `replay play` plays, and what goes wrong on the way.

use clap::Args;
use tapeflow::config::{At, Clash, ControlsAsked, GapRule, Span};
use tapeflow::error::{Error, Result};
use tapeflow::source::Pacing;
use tapeflow::tape::{self, Controls};
use tapeflow::time::SECOND;

use crate::reading::Reading;

/// Which part is played.
#[derive(Args)]
pub struct Part {
    /// Play what is of this time or later: 2026-01-05T09:45:00-05:00, or in --zone 2026-01-05T09:45 or 2026-01-05
    #[arg(long, value_name = "TIME")]
    start: Option<At>,
    /// Play what is before this time of the tape
    #[arg(long, value_name = "TIME")]
    end: Option<At>,
    /// Play these symbols only: A,B
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = symbol)]
    symbols: Vec<String>,
    /// What to do with the tape's silences: preserve, compress=5s (none lasts longer), or skip-overnight
    #[arg(long, value_name = "HOW", default_value = "preserve")]
    gaps: GapRule,
    /// Play the tape over and over, each time as many days later as it is long
    #[arg(long = "loop")]
    again: bool,
}

/// What goes wrong on the way; it strikes the same records for the same --seed.
#[derive(Args)]
pub struct FaultFlags {
    /// Lose this part of the records, as 0.5%; sequence numbers have gaps
    #[arg(long, value_name = "PART")]
    drop: Option<tape::Part>,
    /// Send this part twice
    #[arg(long, value_name = "PART")]
    duplicate: Option<tape::Part>,
    /// Send this part late
    #[arg(long, value_name = "PART")]
    late: Option<tape::Part>,
    /// How late, in event time [default: 1s]
    #[arg(long, value_name = "DUR", requires = "late")]
    late_by: Option<Span>,
    /// Send each record later than it is due by up to this much, in the same order
    #[arg(long, value_name = "DUR")]
    jitter: Option<Span>,
}

impl Part {
    /// The controls, of a tape that is played at this pace.
    pub fn controls(&self, faults: &FaultFlags, seed: u64, reading: &Reading, pacing: &Pacing) -> Result<Controls> {
        let time = |at: Option<At>| match at.map(|at| at.event_time(&reading.zone)) {
            Some(None) => Err(Error::Usage("--start or --end: the time is too far away".into())),
            Some(Some(time)) => Ok(Some(time)),
            None => Ok(None),
        };
        let asked = ControlsAsked {
            start: time(self.start)?,
            end: time(self.end)?,
            symbols: self.symbols.clone(),
            gaps: self.gaps,
            again: self.again,
            drop: faults.drop.unwrap_or_default(),
            duplicate: faults.duplicate.unwrap_or_default(),
            late: faults.late.unwrap_or_default(),
            late_by: faults.late_by.unwrap_or(Span(std::time::Duration::from_nanos(SECOND as u64))),
            jitter: faults.jitter.unwrap_or_default(),
            seed,
        };
        asked.controls(&reading.days(), pacing).map_err(refused)
    }
}

/// The error of flags that do not go together.
pub fn refused((key, title, help): Clash) -> Error {
    Error::Usage(format!("--{key}: {title}; {help}"))
}

fn symbol(text: &str) -> std::result::Result<String, String> {
    let symbol = text.trim();
    if symbol.is_empty() { Err("a symbol is missing; write for example IBM,AIG".into()) } else { Ok(symbol.into()) }
}
