//! The options that all subcommands share which read a tape.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use jiff::tz::TimeZone;
use tapeflow::calendar::Days;
use tapeflow::config::{Span, TimeOfDay, TimeUnit};
use tapeflow::error::{Error, Result};
use tapeflow::report::count;
use tapeflow::source::{Inputs, Live, Surroundings};
use tapeflow::tape::format::{COLUMNS, Format};
use tapeflow::tape::{Conditions, PartitionRules, Rejects, Strikes};
use tapeflow::time::Clock;

use crate::Form;

/// How a tape is read.
#[derive(Args)]
pub struct Reading {
    /// A file, a folder or a glob: ticks, quotes or bars, in any form that the pipelines read
    path: String,
    /// The form of the files [default: by their extension]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// The zone of bars' local times, and of trading days
    #[arg(long, default_value = "America/New_York", value_parser = zone)]
    pub zone: TimeZone,
    /// When a trading day begins in that zone; one that begins in the afternoon has the next day's date
    #[arg(long, value_name = "HH:MM", default_value = "00:00")]
    day_begins: TimeOfDay,
    /// What times count that are whole numbers since the epoch: ns, us, ms or s
    #[arg(long, value_name = "UNIT", default_value = "ns")]
    time_unit: TimeUnit,
    /// Another name of one of our columns in the files, as in --column size=qty; repeatable
    #[arg(long, value_name = "OURS=THEIRS", value_parser = column)]
    column: Vec<(String, String)>,
    /// A record that jumps ahead by more than this must be confirmed by its partition's next one
    #[arg(long, value_name = "DUR", default_value = "1h")]
    max_jump: Span,
}

impl Reading {
    /// The days of trading.
    pub fn days(&self) -> Days {
        Days::new(self.zone.clone()).beginning_at(self.day_begins.0)
    }

    /// The files, which are not standard input. What could be missed of them is told.
    pub fn inputs(&self, instead: &str) -> Result<Inputs> {
        if self.path == "-" {
            return Err(Error::Usage(format!("standard input is live already: {instead}")));
        }
        let inputs = Inputs {
            path: self.path.clone(),
            format: self.format.map(Format::from),
            columns: self.column.clone(),
            zone: self.zone.clone(),
            time_unit: self.time_unit.0,
            live: Live::default(),
        };
        inputs.tell_beforehand()?;
        Ok(inputs)
    }

    /// What reading them needs; nobody's watermark is of interest.
    pub fn surroundings(&self, stop: Arc<AtomicBool>, play_for: Option<Span>) -> Surroundings {
        Surroundings {
            cluster: Arc::default(),
            clock: Clock::wall(),
            rules: PartitionRules {
                disorder: 0,
                max_jump: i64::try_from(self.max_jump.0.as_nanos()).unwrap_or(i64::MAX),
            },
            symbols: Arc::default(),
            venues: Arc::default(),
            rejects: Rejects::default(),
            conditions: Conditions::default(),
            strikes: Strikes::default(),
            stop,
            play_for: play_for.map(|span| u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX)),
            idle: 0,
            inquiry: Arc::default(),
        }
    }
}

/// What a summary says of lines that could not be read: nothing if there are none.
pub fn told(rejects: &Rejects) -> String {
    if rejects.count() == 0 {
        return String::new();
    }
    let examples: String = rejects.examples().iter().map(|example| format!("  {example}\n")).collect();
    format!("rejected {} lines:\n{examples}", count(rejects.count()))
}

fn zone(name: &str) -> std::result::Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| "unknown time zone; write an IANA name, for example America/New_York".into())
}

fn column(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((ours, theirs)) if COLUMNS.contains(&ours) && !theirs.is_empty() => Ok((ours.into(), theirs.into())),
        Some((ours, theirs)) if !theirs.is_empty() => {
            Err(format!("`{ours}` is not one of our columns; ours are: {}", COLUMNS.join(", ")))
        }
        _ => Err("write ours=theirs, for example size=qty".into()),
    }
}
