use serde::Serialize;
use serde_json::Value;

use super::backlog::{Backlog, Little};
use super::judge::per_second;
use super::kernel::Pressure;
use super::tape::Plan;
use super::{CostLaw, Theory, Traces};
use crate::config::{Config, Effective, Input};
use crate::error::{Error, Result};
use crate::market::Market;
use crate::report::{Latency, Percentiles, Report};
use crate::runtime::Outcome;
use crate::source::{Inputs, Pacing, Playback};

/// A cell whose schedule has ended is given so long to drain, or as long as its measured span if that is longer.
const GRACE: u64 = 2_000_000_000;

/// A control thread that is held up for longer, in one sleep of a hundred, makes a run noisy.
const NOISE: u64 = 1_000_000;

/// The sections of the settings that no row depends on. How fast and how long a cell plays is compared by its tape.
const NOT_IN_ROWS: [&str; 7] = ["workers", "batch", "run", "limits", "output", "sweep", "market"];

/// What a cell's ticks are taken from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A market that is made for it.
    Market(Market),
    /// Files, which are read once and played from memory.
    Recorded(Inputs),
}

/// One combination of settings.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The values of what varies.
    pub values: Vec<String>,
    /// Its settings.
    pub config: Config,
    /// Where its ticks come from.
    pub source: Source,
    /// How long ticks are measured, in nanoseconds; none where a recorded tape is played to its end.
    pub span: Option<u64>,
    /// All that its rows depend on beside the ticks.
    pub rows_by: String,
    /// The settings that its processes must share, and all of them as arguments.
    pub shared: Value,
    args: Vec<String>,
}

impl Cell {
    /// The cell with these settings. A market is made for it that is as fast as it is played, and as long as the
    /// warm-up and the measured span together; a recorded tape is played as it is.
    ///
    /// # Errors
    /// When the settings are of a run that cannot be measured so.
    pub fn new(values: Vec<String>, config: Config, effective: &Effective, warmup: u64) -> Result<Self> {
        let wrong = |text: &str| Err(Error::Usage(text.into()));
        if config.playback.pacing == Pacing::Max {
            return wrong("cells are played at a rate or a speed: give --rate, such as --rate 200k/s");
        }
        if let (Pacing::Rate { burst: Some(burst), .. }, Some(span)) = (config.playback.pacing, config.play_for)
            && burst.every > span
        {
            return wrong(
                "--for is shorter than a burst's period, so bursts would not come as told: give a longer --for",
            );
        }
        if !config.playback.controls.is_by_record() {
            let text = "cells play a part of a tape and its faults from memory, by a schedule of their own: leave out";
            return wrong(&format!("{text} source.gaps, source.loop and source.jitter"));
        }
        let mut config = config;
        config.knobs.warmup = warmup;
        let rows_by = rows_by(effective.to_json());
        let (shared, args) = (effective.shared(), effective.to_args());
        if let Input::Files(inputs) = &config.input {
            let source = Source::Recorded(inputs.clone());
            let span = config.play_for;
            config.play_for = span.map(|span| warmup.saturating_add(span));
            return Ok(Cell { values, config, source, span, rows_by, shared, args });
        }
        let Input::Market(market) = config.input else { return wrong("there is nothing to play") };
        let rate = match config.playback.pacing {
            Pacing::Rate { per_second, .. } | Pacing::Scaled(per_second) => per_second,
            Pacing::Speed(speed) => market.per_second * speed,
            Pacing::Max => market.per_second,
        };
        if config.playback.limit != u64::MAX {
            return wrong("cells of the made-up market are played for a span of time: give --for instead of --limit");
        }
        let length = (market.ticks as f64 / market.per_second * 1e9).round() as u64;
        let span = config.play_for.take().unwrap_or(length);
        let cell = Cell { values, config, source: Source::Market(market), span: Some(span), rows_by, shared, args };
        cell.at_rate(rate)
    }

    /// The same cell at another rate, in ticks a second.
    ///
    /// # Errors
    /// When no tick would be played.
    pub fn at_rate(&self, rate: f64) -> Result<Self> {
        let mut cell = self.clone();
        cell.config.playback.pacing = cell.config.playback.pacing.at_rate(rate);
        if let (Source::Market(market), Some(span)) = (&mut cell.source, self.span) {
            let ticks = rate * (self.config.knobs.warmup as f64 + span as f64) / 1e9;
            if span == 0 || ticks < 1.0 {
                let text = "no tick would be played: give a longer --for or a higher --rate";
                return Err(Error::Usage(text.into()));
            }
            *market = Market { per_second: rate, ticks: ticks.min(1e12) as u64, ..*market };
            // A market made for the rate has it by its own gaps, too.
            if let Pacing::Speed(speed) = &mut cell.config.playback.pacing {
                *speed = 1.0;
            }
        }
        Ok(cell)
    }

    /// Ticks a second by the schedule, where it has a rate.
    pub fn rate(&self) -> Option<f64> {
        match (&self.source, self.config.playback.pacing) {
            (Source::Market(market), _) => Some(market.per_second),
            (Source::Recorded(_), Pacing::Rate { per_second, .. } | Pacing::Scaled(per_second)) => Some(per_second),
            (Source::Recorded(_), Pacing::Speed(_) | Pacing::Max) => None,
        }
    }

    /// The arguments of its other processes, which make or read the same tape for themselves. The rate may be none that
    /// a text would tell exactly.
    pub fn follow(&self) -> Vec<String> {
        let rate = self.rate().unwrap_or(0.0).to_bits().to_string();
        [&["--cell".to_owned(), rate], &self.args[..]].concat()
    }

    /// How many ticks its tape will have, where that is known.
    pub fn ticks(&self) -> Option<u64> {
        match &self.source {
            Source::Market(market) => Some(market.ticks),
            Source::Recorded(_) => None,
        }
    }

    /// What the theory says of it, where batches cost what this law says. It knows nothing of a load that swings or has
    /// no rate, nor of batches whose waits a controller chooses.
    pub fn theory(&self, law: &CostLaw) -> Option<Theory> {
        let limits = &self.config.knobs.batch;
        let swings = matches!(self.config.playback.pacing, Pacing::Rate { burst: Some(_), .. });
        let rate = self.rate().filter(|_| !swings && limits.target_p99.is_none())?
            / (self.config.workers * self.config.processes) as f64;
        Theory::of(law, rate, limits.max_delay.as_nanos() as f64, limits.max_ticks as f64)
    }

    /// How many ticks all its batches together may hold that only wait for company, at so many ticks a second.
    pub fn most_held(&self, per_second: f64) -> f64 {
        let (limits, workers) = (&self.config.knobs.batch, self.config.workers * self.config.processes);
        (per_second * limits.max_delay.as_secs_f64()).min(limits.max_ticks as f64 * workers as f64)
    }

    /// When the schedule is to end, in nanoseconds from its beginning; at the end of the warm-up for a tape that is
    /// played to its own end.
    pub fn ends(&self) -> u64 {
        self.config.knobs.warmup.saturating_add(self.span.unwrap_or(0))
    }

    /// When a schedule that ends then is given up, if it has not drained.
    pub fn given_up(&self, ends: u64) -> u64 {
        ends.saturating_add(ends.saturating_sub(self.config.knobs.warmup).max(GRACE))
    }

    /// What its tape is made or read by.
    pub fn tape_key(&self) -> String {
        let Config { playback: Playback { controls, limit, .. }, rules, .. } = &self.config;
        match &self.source {
            Source::Market(market) => format!("{market:?} {rules:?} {controls:?}"),
            Source::Recorded(inputs) => format!("{inputs:?} {limit} {rules:?} {controls:?}"),
        }
    }

    /// Whether it plays the same ticks by the same rules, so that its rows must be the same.
    pub fn has_the_rows_of(&self, other: &Cell) -> bool {
        // Where a schedule cuts a tape short depends on its pace.
        let cut = |cell: &Cell| cell.config.play_for.map(|cut| (cut, cell.config.playback.pacing));
        self.tape_key() == other.tape_key() && cut(self) == cut(other) && self.rows_by == other.rows_by
    }
}

fn rows_by(mut settings: Value) -> String {
    if let Value::Object(sections) = &mut settings {
        sections.retain(|section, _| !NOT_IN_ROWS.contains(&section.as_str()));
        if let Some(Value::Object(source)) = sections.get_mut("source") {
            source.retain(|key, _| matches!(key.as_str(), "zone" | "day_begins"));
        }
    }
    settings.to_string()
}

/// What one run of a cell came to.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Which of the cell's repeats it was, from zero.
    pub repeat: usize,
    /// Latencies of what was due after the warm-up. Of a censored run they are at least these: a tick that was never
    /// applied counts as long as it had waited.
    pub latency: Latency,
    /// Ticks a second that were due in the measured span.
    pub offered: f64,
    /// Ticks a second that were applied of them, to the instant of the last one if that is later than the span's end.
    pub achieved: f64,
    /// How long after the last tick was due the last one was applied, in nanoseconds.
    pub late: u64,
    /// Seconds of processor time, warm-up and all.
    pub cpu_seconds: Option<f64>,
    /// Cores in use, on average.
    pub cores: Option<f64>,
    /// From the schedule's beginning to the last row, in nanoseconds.
    pub elapsed: u64,
    /// The digest of the rows, of a run that played all ticks.
    pub digest: Option<String>,
    /// Whether every record is accounted for.
    pub balances: bool,
    /// Whether it was stopped because it did not drain.
    pub censored: bool,
    /// Whether the machine was too restless to trust the latencies.
    pub noisy: bool,
    /// How long the machine held up a thread that only sleeps.
    pub control: Percentiles,
    /// The ticks that waited, where there were enough looks at them.
    pub backlog: Option<Backlog>,
    /// Whether the ticks that waited and how long they waited agree, of a run that drained.
    pub little: Option<Little>,
    /// What the kernel says others did to us, warm-up and all.
    pub pressure: Pressure,
    /// What it leaves behind for charts and other programs.
    #[serde(flatten)]
    pub traces: Traces,
}

impl Measured {
    /// What a cell's outcome says, of whose measured ticks so many were applied.
    pub fn new(cell: &Cell, plan: &Plan, repeat: usize, outcome: &Outcome, control: Percentiles, applied: u64) -> Self {
        let (warmup, cpu) = (cell.config.knobs.warmup, outcome.cpu_seconds);
        let span = plan.ends.saturating_sub(warmup);
        let latency = Report::latency(outcome, "when each tick was due");
        let censored = outcome.ledger.read < plan.dues.len() as u64 || outcome.elapsed > cell.given_up(plan.ends);
        Measured {
            repeat,
            offered: per_second(plan.measured(), span),
            achieved: per_second(applied, outcome.applied_by.saturating_sub(warmup).max(span)),
            late: outcome.applied_by.saturating_sub(plan.dues.last().copied().unwrap_or(0)),
            cpu_seconds: cpu,
            cores: cpu.map(|cpu| cpu / (outcome.elapsed.max(1) as f64 / 1e9)),
            elapsed: outcome.elapsed,
            digest: (!censored).then(|| format!("{:016x}", outcome.written.digest)),
            balances: outcome.ledger.balances(),
            censored,
            noisy: control.p99 > NOISE,
            control,
            backlog: None,
            little: None,
            pressure: Pressure::default(),
            latency,
            traces: Traces::default(),
        }
    }
}
