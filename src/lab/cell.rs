use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Traces;
use super::judge::{achieved, offered};
use crate::config::{Config, Effective, Input};
use crate::error::{Error, Result};
use crate::report::{Latency, Percentiles, Report};
use crate::runtime::Outcome;
use crate::source::Pacing;
use crate::tape::Market;
use crate::tick::{Names, Tick};

/// A cell whose schedule has ended is given so long to drain, or as long as its measured span if that is longer.
const GRACE: u64 = 2_000_000_000;

/// A control thread that is held up for longer, in one sleep of a hundred, makes a run noisy.
const NOISE: u64 = 1_000_000;

/// The sections of the settings that no row depends on. How fast and how long a cell plays is compared by its tape.
const NOT_IN_ROWS: [&str; 6] = ["workers", "batch", "run", "output", "sweep", "market"];

/// One combination of settings.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The values of what varies.
    pub values: Vec<String>,
    /// Its settings.
    pub config: Config,
    /// The market that is played.
    pub market: Market,
    /// How long ticks are measured, in nanoseconds.
    pub span: u64,
    /// All that its rows depend on beside the market.
    pub rows_by: String,
}

impl Cell {
    /// The cell with these settings: a market is made for it that is as fast as it is played, and as long as the
    /// warm-up and the measured span together.
    ///
    /// # Errors
    /// When the settings are of a run that a sweep cannot be made of.
    pub fn new(values: Vec<String>, config: Config, effective: &Effective, warmup: u64) -> Result<Self> {
        let wrong = |text: &str| Err(Error::Usage(format!("sweep: {text}")));
        let Input::Market(market) = config.input else {
            return wrong("only the made-up market can be swept so far: leave --input out");
        };
        let rate = match config.pacing {
            Pacing::Rate(rate) => rate,
            Pacing::Speed(1.0) => market.per_second,
            _ => return wrong("cells are played at a rate: give --rate, such as --rate 200k/s, instead of --speed"),
        };
        if config.limit != u64::MAX {
            return wrong("cells are played for a span of time: give --for instead of --limit");
        }
        let length = (market.ticks as f64 / market.per_second * 1e9).round() as u64;
        let span = config.play_for.unwrap_or(length);
        let ticks = rate * (warmup as f64 + span as f64) / 1e9;
        if span == 0 || ticks < 1.0 {
            return wrong("no tick would be played: give a longer --for or a higher --rate");
        }
        let market = Market { per_second: rate, ticks: ticks.min(1e12) as u64, ..market };
        let mut config = Config { pacing: Pacing::Rate(rate), play_for: None, ..config };
        config.knobs.warmup = warmup;
        let rows_by = rows_by(effective.to_json());
        Ok(Cell { values, config, market, span, rows_by })
    }

    /// Ticks a second, by the schedule.
    pub fn rate(&self) -> f64 {
        self.market.per_second
    }

    /// When the schedule ends, in nanoseconds from its beginning.
    pub fn ends(&self) -> u64 {
        self.config.knobs.warmup.saturating_add(self.span)
    }

    /// When it is given up, if it has not drained.
    pub fn given_up(&self) -> u64 {
        self.ends().saturating_add(self.span.max(GRACE))
    }

    /// Whether it plays the same ticks by the same rules, so that its rows must be the same.
    pub fn has_the_rows_of(&self, other: &Cell) -> bool {
        self.market == other.market && self.rows_by == other.rows_by
    }
}

fn rows_by(mut settings: Value) -> String {
    if let Value::Object(sections) = &mut settings {
        sections.retain(|section, _| !NOT_IN_ROWS.contains(&section.as_str()));
        if let Some(Value::Object(source)) = sections.get_mut("source") {
            source.retain(|key, _| key == "zone");
        }
    }
    settings.to_string()
}

/// A market, made once, and the names of its symbols.
pub struct Tape {
    /// What it was made of.
    pub market: Market,
    /// The disorder that its watermarks allow for.
    pub disorder: i64,
    /// The ticks.
    pub ticks: Vec<Tick>,
    /// Their symbols.
    pub symbols: Arc<Names>,
}

impl Tape {
    /// Whether it is a cell's.
    pub fn is_of(&self, cell: &Cell) -> bool {
        self.market == cell.market && self.disorder == cell.config.rules.disorder
    }

    /// Makes a cell's.
    pub fn of(cell: &Cell) -> Self {
        let symbols = Arc::new(Names::default());
        let (market, disorder) = (cell.market, cell.config.rules.disorder);
        Tape { market, disorder, ticks: market.tape(&symbols, cell.config.rules), symbols }
    }
}

/// What one run of a cell came to.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Which of the cell's repeats it was, from zero.
    pub repeat: usize,
    /// Latencies of what was due after the warm-up. Of a censored run, those of what was applied.
    pub latency: Latency,
    /// Ticks a second that were due in the measured span.
    pub offered: f64,
    /// Ticks a second that were applied of them.
    pub achieved: f64,
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
    /// What it leaves behind for charts and other programs.
    #[serde(flatten)]
    pub traces: Traces,
}

impl Measured {
    /// What a cell's outcome says.
    pub fn new(cell: &Cell, repeat: usize, outcome: &Outcome, cpu: Option<f64>, control: Percentiles) -> Self {
        let warmup = cell.config.knobs.warmup;
        let latency = Report::latency(outcome, "when each tick was due");
        let censored = outcome.ledger.read < cell.market.ticks || outcome.elapsed > cell.given_up();
        let max_delay = cell.config.knobs.batch.max_delay.as_nanos() as u64;
        Measured {
            repeat,
            offered: offered(cell.market.ticks, cell.rate(), warmup, cell.span),
            achieved: achieved(latency.tick.count, outcome.applied_by, warmup, cell.span, max_delay),
            cpu_seconds: cpu,
            cores: cpu.map(|cpu| cpu / (outcome.elapsed.max(1) as f64 / 1e9)),
            elapsed: outcome.elapsed,
            digest: (!censored).then(|| format!("{:016x}", outcome.written.digest)),
            balances: outcome.ledger.balances(),
            censored,
            noisy: control.p99 > NOISE,
            control,
            latency,
            traces: Traces::default(),
        }
    }
}
