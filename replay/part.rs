//! Which part of a tape `replay play` plays, and what goes wrong on the way.

use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use tapeflow::config::Span;
use tapeflow::error::{Error, Result};
use tapeflow::lateness::Sessions;
use tapeflow::source::{Pacing, Surroundings};
use tapeflow::tape::{self, Faults, Leaf, Merge, Selection, Silences};
use tapeflow::tick::Symbol;
use tapeflow::time::EventTime;

/// Which part is played.
#[derive(Args)]
pub struct Part {
    /// Begin at this time of the tape: 2026-01-05T09:45:00-05:00, or in --zone 2026-01-05T09:45 or 2026-01-05
    #[arg(long, value_name = "TIME")]
    start: Option<At>,
    /// End before this time of the tape
    #[arg(long, value_name = "TIME")]
    end: Option<At>,
    /// Play these symbols only: A,B
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
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

/// A time of the tape.
#[derive(Clone, Copy)]
enum At {
    Instant(Timestamp),
    Local(DateTime),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let local = || text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|day| day.at(0, 0, 0, 0)));
        let at = text.parse().map(At::Instant).or_else(|_| local().map(At::Local));
        at.map_err(|_| "is no time; write for example 2026-01-05T09:45 or 2026-01-05T14:45:00Z".into())
    }
}

impl At {
    fn event_time(self, zone: &TimeZone) -> Result<EventTime> {
        let instant = match self {
            At::Instant(instant) => Ok(instant),
            At::Local(local) => local.to_zoned(zone.clone()).map(|there| there.timestamp()),
        };
        let nanos = instant.ok().and_then(|instant| EventTime::try_from(instant.as_nanosecond()).ok());
        nanos.ok_or_else(|| Error::Usage("--start or --end: the time is too far away".into()))
    }
}

/// What becomes of silences.
#[derive(Clone, Copy, PartialEq)]
enum GapRule {
    Preserve,
    Compress(Span),
    SkipOvernight,
}

impl FromStr for GapRule {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match (text, text.strip_prefix("compress=")) {
            ("preserve", _) => Ok(GapRule::Preserve),
            ("skip-overnight", _) => Ok(GapRule::SkipOvernight),
            (_, Some(most)) => most.parse().map(GapRule::Compress).map_err(|why| format!("`{most}` {why}")),
            _ => Err("write preserve, compress=5s or skip-overnight".into()),
        }
    }
}

fn nanos(span: Span) -> i64 {
    i64::try_from(span.0.as_nanos()).unwrap_or(i64::MAX)
}

impl Part {
    /// Refuses what would have no effect with this pacing, or another one than it seems to have.
    pub fn check(&self, pacing: &Pacing) -> Result<()> {
        let usage = |text: &str| Err(Error::Usage(text.into()));
        if self.gaps != GapRule::Preserve && !matches!(pacing, Pacing::Speed(_)) {
            return usage("--gaps shortens the silences of a schedule by event time: give --speed, such as 1x");
        }
        let is_whole = self.start.is_none() && self.end.is_none() && self.symbols.is_empty() && !self.again;
        if matches!(pacing, Pacing::Scaled(_)) && !is_whole {
            return usage(
                "--arrivals tape scales the whole tape to --rate: to play a part of it, give --speed instead",
            );
        }
        Ok(())
    }

    /// The same merge, of this part.
    pub fn of(
        &self,
        merge: Merge,
        open: impl FnMut() -> Result<Vec<Leaf>> + Send + 'static,
        around: &Surroundings,
        zone: &TimeZone,
    ) -> Result<Merge> {
        let at = |at: Option<At>| at.map(|at| at.event_time(zone)).transpose();
        let symbols = (!self.symbols.is_empty())
            .then(|| self.symbols.iter().map(|symbol| Symbol(around.symbols.intern(symbol))).collect());
        let sessions = Sessions::new(zone.clone());
        let merge = merge.select(Selection { start: at(self.start)?, end: at(self.end)?, symbols });
        let merge = match self.gaps {
            GapRule::Preserve => merge,
            GapRule::Compress(most) => merge.silences(Silences::Compress(nanos(most))),
            GapRule::SkipOvernight => merge.silences(Silences::SkipOvernight(sessions.clone())),
        };
        Ok(if self.again { merge.again(sessions, Box::new(open)) } else { merge })
    }
}

impl FaultFlags {
    /// The faults; `pacing` is how the tape is played.
    pub fn faults(&self, seed: u64, pacing: &Pacing) -> Result<Faults> {
        if self.jitter.is_some() && *pacing == Pacing::Max {
            return Err(Error::Usage("--jitter needs a schedule: give --speed 1x or --rate 200k/s".into()));
        }
        let is_any = self.drop.is_some() || self.duplicate.is_some() || self.late.is_some() || self.jitter.is_some();
        if !is_any {
            return Ok(Faults::default());
        }
        Ok(Faults {
            drop: self.drop.unwrap_or_default(),
            duplicate: self.duplicate.unwrap_or_default(),
            late: self.late.unwrap_or_default(),
            late_by: self.late_by.map_or(tapeflow::time::SECOND, nanos),
            jitter: self.jitter.map_or(0, |jitter| nanos(jitter) as u64),
            seed,
        })
    }
}
