//! The settings of a run: the sections of a pipeline's TOML that all pipelines share, a file each, read and checked
//! together.

mod batch;
mod late;
mod market;
mod output;
mod run;
mod source;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::hours::days;
use super::{Layers, Span, conditions, limits};
use crate::lateness::Lateness;
use crate::market::Market;
use crate::row::Encoding;
use crate::runtime::Knobs;
use crate::sink::{Mode, ToTopic};
use crate::source::{Address, Inputs, Pacing, Playback};
use crate::tape::{PartitionRules, Table};
use crate::tick::Tick;
use batch::BatchSection;
use late::LateSection;
use market::MarketSection;
use output::OutputSection;
use run::RunSection;
use source::SourceSection;

pub use output::Output;

/// Settings of a pipeline's own, beside those that all share.
pub trait Settings: Sized + Send + Sync + 'static {
    /// Reads them, and leaves what is wrong with them in the layers.
    fn read(layers: &mut Layers) -> Option<Self>;
}

/// Where ticks come from.
#[derive(Clone, Debug)]
pub enum Input {
    /// The made-up tape, whole: its ticks arrive in another order than they are made.
    Market(Market),
    /// Files, standard input, or a live input.
    Files(Inputs),
}

/// The settings of a run.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many workers each process has.
    pub workers: usize,
    /// How many processes the run has.
    pub processes: usize,
    /// Which of them this is, where others start them; the first starts the others where it has no `hosts`.
    pub process: usize,
    /// The file of the addresses at which they listen.
    pub hosts: Option<PathBuf>,
    /// Where ticks come from.
    pub input: Input,
    /// How they are played.
    pub playback: Playback,
    /// What is due within this span is played, in nanoseconds.
    pub play_for: Option<u64>,
    /// The silence after which standard input is idle, in nanoseconds.
    pub idle: u64,
    /// The topic to which rejected lines go, and how it is written to.
    pub rejected: Option<(Address, ToTopic)>,
    /// How partitions are judged.
    pub rules: PartitionRules,
    /// What conditions let trades count for; all for all if there is none.
    pub conditions: Option<Arc<Table>>,
    /// Which ticks are late.
    pub lateness: Lateness,
    /// Amendments are shown at multiples of so many milliseconds.
    pub changes_every_ms: i64,
    /// Batching and waiting.
    pub knobs: Knobs,
    /// Whether a reject makes the run fail.
    pub strict: bool,
    /// Where rows go.
    pub output: Output,
    /// In which form.
    pub encoding: Encoding,
    /// What they tell of changes.
    pub mode: Mode,
    /// Whether rows are numbered: those of windows that are filled, of which two can share both their times.
    pub is_numbered: bool,
    /// Memory for rows until the run ends, in bytes.
    pub buffer_bytes: usize,
}

/// What a made-up tick takes in memory at the most: once while the tape is made, and once where it is kept.
const BYTES_PER_MADE_TICK: u64 = 2 * size_of::<Tick>() as u64;

/// The nanoseconds of a span, at most 292 years.
pub(super) fn nanos(span: Span) -> i64 {
    i64::try_from(span.0.as_nanos()).unwrap_or(i64::MAX)
}

/// So many nanoseconds as people write them.
pub(super) fn span(nanos: i64) -> Span {
    Span(Duration::from_nanos(nanos.unsigned_abs()))
}

impl Config {
    /// Reads the sections that all pipelines share. What is wrong is left in the layers; `None` when they do not
    /// even hold the defaults.
    pub fn read(layers: &mut Layers) -> Option<Config> {
        let source: SourceSection = layers.section("source")?;
        let market: MarketSection = layers.section("market")?;
        let late: LateSection = layers.section("late")?;
        let batch: BatchSection = layers.section("batch")?;
        let run: RunSection = layers.section("run")?;
        let output: OutputSection = layers.section("output")?;
        let workers = run::workers(layers)?;
        let (zone, days) = (source.zone(layers), days(layers)?);
        let between = source.between(layers, &zone);
        let is_market = source.is_market();
        let natural = if is_market { (Pacing::Speed(1.0), Some(market.rate.0)) } else { (Pacing::Max, None) };
        let playback = source.playback(layers, &days, between, natural);
        let inputs = source.inputs(layers, zone, between, &run);
        let input = if is_market { Input::Market(market.market(layers)) } else { Input::Files(inputs) };
        let lateness = late.lateness(days);
        let batch = batch.limits(layers);
        let to_topic = output.to_topic(layers, batch, run.topics_within());
        let rejected = source.rejected(layers).map(|address| (address, to_topic.clone()));
        let made = if let Input::Market(market) = &input { market.ticks * BYTES_PER_MADE_TICK } else { 0 };
        let in_batches = (workers * batch.max_ticks * size_of::<Tick>()) as u64;
        let needs = [
            ("market.length", "the ticks of the made-up market", made),
            ("batch.max_ticks", "full batches of all workers", in_batches),
            ("output.buffer", "rows that wait for the end of the run", output.buffer.0),
        ];
        let memory = limits::memory(layers, &needs)?;
        let to = output.output(layers, is_market, to_topic);
        Some(Config {
            workers,
            processes: run.processes(layers, workers),
            process: run.process.0 as usize,
            hosts: run.hosts(),
            input,
            playback,
            play_for: source.play_for.0.map(|span| nanos(span) as u64),
            idle: nanos(source.idle) as u64,
            rejected,
            rules: PartitionRules { disorder: lateness.disorder, max_jump: nanos(source.max_jump) },
            conditions: conditions::table(layers)?,
            lateness,
            changes_every_ms: late.changes_every_ms(layers),
            knobs: run.knobs(batch, memory),
            strict: run.strict,
            mode: output.mode(&to),
            output: to,
            encoding: output.format,
            is_numbered: layers.has("window.kind") && layers.section::<String>("window.kind")? == "count",
            buffer_bytes: usize::try_from(output.buffer.0).unwrap_or(usize::MAX),
        })
    }
}

/// Properties that are passed on as they are, to whoever knows them.
fn properties(layers: &mut Layers, section: &str, table: &toml::Table) -> Vec<(String, String)> {
    let mut properties = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::String(text) => properties.push((name.clone(), text.clone())),
            toml::Value::Integer(number) => properties.push((name.clone(), number.to_string())),
            toml::Value::Boolean(flag) => properties.push((name.clone(), flag.to_string())),
            _ => layers.problem(
                &format!("{section}.{name}"),
                "not a property's value",
                "write a text, a number, true or false, for example \"fetch.wait.max.ms\" = 5",
            ),
        }
    }
    properties
}
