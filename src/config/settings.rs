//! The settings of a run: the sections of a pipeline's TOML, read and checked together.

use std::path::PathBuf;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

use super::{Arrive, At, Bytes, ControlsAsked, Count, GapRule, Layers, Maybe, PaceAsked, Rate, Span, Speed};
use crate::batch::BatchLimits;
use crate::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use crate::row::Encoding;
use crate::runtime::Knobs;
use crate::sink::Mode;
use crate::source::{Address, End, Inputs, Live, Pacing, Start};
use crate::tape::format::{COLUMNS, Format};
use crate::tape::{Burst, Controls, Market, Part, PartitionRules};
use crate::time::{EventTime, MS, SECOND};

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

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nowhere; they are counted and digested.
    Nowhere,
    /// Standard output.
    Stdout,
    /// A connection, a growing file or a topic.
    Address(Address, Vec<(String, String)>),
    /// Files in this folder.
    Folder(PathBuf),
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
    /// How fast they are played.
    pub pacing: Pacing,
    /// Which part of the tape is played, and what becomes of it on its way.
    pub controls: Controls,
    /// Most records.
    pub limit: u64,
    /// What is due within this span is played, in nanoseconds.
    pub play_for: Option<u64>,
    /// The silence after which standard input is idle, in nanoseconds.
    pub idle: u64,
    /// The topic to which rejected lines go, and the properties of its producer.
    pub rejected: Option<(Address, Vec<(String, String)>)>,
    /// How partitions are judged.
    pub rules: PartitionRules,
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

#[derive(Deserialize)]
struct SourceSection {
    input: String,
    format: InputFormat,
    speed: Speed,
    rate: Maybe<Rate>,
    arrivals: Arrive,
    burst: Maybe<Burst>,
    seed: Count,
    start: Where,
    end: Until,
    symbols: Listed,
    #[serde(rename = "for")]
    play_for: Maybe<Span>,
    limit: Maybe<Count>,
    gaps: GapRule,
    #[serde(rename = "loop")]
    again: bool,
    drop: Part,
    duplicate: Part,
    late: Part,
    late_by: Span,
    jitter: Span,
    zone: String,
    max_jump: Span,
    idle: Span,
    rejected: Maybe<String>,
    columns: toml::Table,
    librdkafka: toml::Table,
}

#[derive(Deserialize)]
struct MarketSection {
    seed: Count,
    symbols: Count,
    rate: Rate,
    length: Span,
}

#[derive(Deserialize)]
struct LateSection {
    disorder: Span,
    policy: Policy,
    horizon: Reach,
    changes_every: Span,
}

#[derive(Deserialize)]
struct BatchSection {
    policy: Batching,
    max_ticks: Count,
    max_delay: Span,
    target_p99: Span,
    max_bytes: Bytes,
}

#[derive(Deserialize)]
struct RunSection {
    wait: Wait,
    max_lead: Span,
    watchdog: Maybe<Span>,
    strict: bool,
    processes: Count,
    process: Count,
    hosts: String,
}

#[derive(Deserialize)]
struct OutputSection {
    to: String,
    format: OutputFormat,
    mode: OutputMode,
    buffer: Bytes,
    librdkafka: toml::Table,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InputFormat {
    Auto,
    Csv,
    Jsonl,
    Bin,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OutputFormat {
    Csv,
    Jsonl,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OutputMode {
    Auto,
    Final,
    Changes,
    Upsert,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Policy {
    Amend,
    Drop,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Batching {
    Greedy,
    Linger,
    Auto,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wait {
    Park,
    Spin,
}

/// The most disorder that a tick can carry its watermark over ([`crate::tick::Tick::set_watermark`]).
const MAX_DISORDER: i64 = 20 * 86_400 * SECOND;

/// The horizon's words: `session`, `off`, or a span.
struct Reach(Horizon);

impl<'de> Deserialize<'de> for Reach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "session" => Ok(Reach(Horizon::Session)),
            "off" => Ok(Reach(Horizon::None)),
            span => match Span::from_str(span) {
                Ok(span) if span.0.is_zero() => Ok(Reach(Horizon::None)),
                Ok(span) => Ok(Reach(Horizon::Span(nanos(span)))),
                Err(e) => Err(serde::de::Error::custom(format!("{e}, or \"session\", or \"off\""))),
            },
        }
    }
}

/// Where the input begins: `earliest`, of topics `latest`, `stored` and `offset:N`, or a time.
enum Where {
    Start(Start),
    At(At),
}

impl<'de> Deserialize<'de> for Where {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let offset = text.strip_prefix("offset:").and_then(|offset| offset.parse::<i64>().ok()).filter(|at| *at >= 0);
        match (text.as_str(), offset) {
            ("earliest", _) => Ok(Where::Start(Start::Earliest)),
            ("latest", _) => Ok(Where::Start(Start::Latest)),
            ("stored", _) => Ok(Where::Start(Start::Stored)),
            (_, Some(offset)) => Ok(Where::Start(Start::Offset(offset))),
            (time, _) => time.parse().map(Where::At).map_err(|_| {
                let times = "\"2026-01-05T09:45\" or \"2026-11-24T14:30:00Z\"";
                let words = "\"earliest\", or of a topic \"latest\", \"stored\" or \"offset:100\"";
                serde::de::Error::custom(format!("write a time such as {times}, {words}"))
            }),
        }
    }
}

/// What ends the input: `auto`, of live ones `never` and `now`, or a time.
enum Until {
    End(End),
    At(At),
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "auto" => Ok(Until::End(End::Auto)),
            "never" => Ok(Until::End(End::Never)),
            "now" => Ok(Until::End(End::Now)),
            time => time.parse().map(Until::At).map_err(|_| {
                let times = "\"2026-01-05T16:00\" or \"2026-11-24T14:30:00Z\"";
                serde::de::Error::custom(format!("write a time such as {times}, or \"auto\", \"never\" or \"now\""))
            }),
        }
    }
}

/// Symbols: a list, or a text with commas between them. A symbol may look like a number.
struct Listed(Vec<String>);

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let listed = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => text.split(',').map(|symbol| symbol.trim().to_owned()).collect(),
            toml::Value::Array(values) => {
                values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect()
            }
            other => vec![other.to_string()],
        };
        if listed.iter().any(String::is_empty) {
            return Err(serde::de::Error::custom("a symbol is missing; write for example \"IBM,AIG\", or [] for all"));
        }
        Ok(Listed(listed))
    }
}

/// The nanoseconds of a span, at most 292 years.
pub(super) fn nanos(span: Span) -> i64 {
    i64::try_from(span.0.as_nanos()).unwrap_or(i64::MAX)
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
        let workers = check_workers(layers)?;
        let batch = check_batch(layers, &batch);
        let hosts = (run.hosts != "off").then(|| PathBuf::from(&run.hosts));
        let processes = check_processes(layers, &run, hosts.is_some());
        let on_this_machine = if hosts.is_none() { processes * workers } else { workers };
        if run.wait == Wait::Spin && on_this_machine > cores() {
            let help = format!("there are {} cores: spin with at most as many workers, or park", cores());
            layers.problem("run.wait", "more spinning workers than cores", &help);
        }
        let zone = TimeZone::get(&source.zone).unwrap_or_else(|_| {
            layers.problem("source.zone", "unknown time zone", "write an IANA name, for example \"America/New_York\"");
            TimeZone::UTC
        });
        let changes_every_ms = nanos(late.changes_every) / MS;
        if changes_every_ms < 1 {
            layers.problem("late.changes_every", "shorter than a millisecond", "the watermark moves by milliseconds");
        }
        let limit = source.limit.0.map_or(u64::MAX, |count| count.0);
        let is_market = source.input == "market";
        let natural = if is_market { (Pacing::Speed(1.0), Some(market.rate.0)) } else { (Pacing::Max, None) };
        let SourceSection { speed, rate: Maybe(rate), arrivals: arrive, burst: Maybe(burst), .. } = source;
        let asked = PaceAsked { speed, rate, arrive, burst, seed: source.seed.0 };
        let pacing = asked.pacing(natural).unwrap_or_else(|(key, title, help)| {
            layers.problem(&format!("source.{key}"), title, help);
            Pacing::Max
        });
        let is_live = Address::parse(&source.input).is_some();
        let (start, end) = check_part(layers, &source, &zone);
        let asked = ControlsAsked {
            start: start.filter(|_| !is_live),
            end: end.filter(|_| !is_live),
            symbols: source.symbols.0,
            gaps: source.gaps,
            again: source.again,
            drop: source.drop,
            duplicate: source.duplicate,
            late: source.late,
            late_by: source.late_by,
            jitter: source.jitter,
            seed: source.seed.0,
        };
        let controls = asked.controls(&zone, &pacing).unwrap_or_else(|(key, title, help)| {
            layers.problem(&format!("source.{key}"), title, help);
            Controls::default()
        });
        let format = match source.format {
            InputFormat::Auto => None,
            InputFormat::Csv => Some(Format::Csv),
            InputFormat::Jsonl => Some(Format::Jsonl),
            InputFormat::Bin => Some(Format::Bin),
        };
        let columns = check_columns(layers, &source.columns);
        let live = Live {
            start: match source.start {
                Where::Start(start) => start,
                Where::At(_) => start.filter(|_| is_live).map_or(Start::Earliest, Start::Time),
            },
            end: match source.end {
                Until::End(end) => end,
                Until::At(_) => end.filter(|_| is_live).map_or(End::Auto, End::Time),
            },
            max_lead: nanos(run.max_lead),
            properties: check_properties(layers, "source.librdkafka", &source.librdkafka),
        };
        if let Some(Err(wrong)) = Address::parse(&source.input) {
            layers.problem("source.input", "no address of a feed", &wrong);
        }
        let properties = check_properties(layers, "output.librdkafka", &output.librdkafka);
        let rejected = source.rejected.0.and_then(|text| check_rejected(layers, &text, &source.input));
        let rejected = rejected.map(|address| (address, properties.clone()));
        let input = if is_market {
            Input::Market(check_market(layers, &market))
        } else {
            Input::Files(Inputs { path: source.input, format, columns, zone: zone.clone(), live })
        };
        let to = match output.to.as_str() {
            "auto" if is_market => Output::Nowhere,
            "auto" | "stdout" | "-" => Output::Stdout,
            "none" => Output::Nowhere,
            "" => {
                layers.problem("output.to", "no output", "name a folder, or write stdout or none");
                Output::Nowhere
            }
            text => match Address::parse(text) {
                None => Output::Folder(text.into()),
                Some(Ok(address)) => Output::Address(address, properties),
                Some(Err(wrong)) => {
                    layers.problem("output.to", "no address to send to", &wrong);
                    Output::Nowhere
                }
            },
        };
        let disorder = nanos(late.disorder);
        if disorder > MAX_DISORDER {
            layers.problem("late.disorder", "more than 20 days of disorder", "sort the tape first, or write less");
        }
        Some(Config {
            workers,
            processes,
            process: run.process.0 as usize,
            hosts,
            input,
            pacing,
            controls,
            limit,
            play_for: source.play_for.0.map(|span| nanos(span) as u64),
            idle: nanos(source.idle) as u64,
            rejected,
            rules: PartitionRules { disorder, max_jump: nanos(source.max_jump) },
            lateness: Lateness {
                disorder,
                policy: match late.policy {
                    Policy::Amend => LatePolicy::Amend,
                    Policy::Drop => LatePolicy::Drop,
                },
                horizon: late.horizon.0,
                sessions: Sessions::new(zone),
            },
            changes_every_ms: changes_every_ms.max(1),
            knobs: Knobs {
                batch,
                spin: run.wait == Wait::Spin,
                max_lead_ms: nanos(run.max_lead) / MS,
                warmup: 0,
                watchdog: run.watchdog.0.map(|span| span.0),
            },
            strict: run.strict,
            mode: match (output.mode, &to) {
                (OutputMode::Upsert, _) | (OutputMode::Auto, Output::Stdout | Output::Address(..)) => Mode::Upsert,
                (OutputMode::Changes, _) => Mode::Changes,
                (OutputMode::Final | OutputMode::Auto, _) => Mode::Final,
            },
            output: to,
            encoding: match output.format {
                OutputFormat::Csv => Encoding::Csv,
                OutputFormat::Jsonl => Encoding::Jsonl,
            },
            is_numbered: layers.is_changed("window.kind") && layers.section::<String>("window.kind")? == "count",
            buffer_bytes: usize::try_from(output.buffer.0).unwrap_or(usize::MAX),
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn check_workers(layers: &mut Layers) -> Option<usize> {
    let Count(workers) = layers.section("workers")?;
    if !(1..=256).contains(&workers) {
        layers.problem("workers", "not a number of workers", "write a number from 1 to 256; as many as cores is usual");
    }
    Some(workers.clamp(1, 256) as usize)
}

fn check_processes(layers: &mut Layers, run: &RunSection, has_hosts: bool) -> usize {
    let (Count(processes), Count(process)) = (run.processes, run.process);
    if !(1..=64).contains(&processes) {
        layers.problem("run.processes", "not a number of processes", "write a number from 1 to 64");
    } else if process >= processes {
        let help =
            format!("there are {processes}, counted from 0: give --processes N as well, to all of them the same");
        layers.problem("run.process", "no such process", &help);
    } else if process > 0 && !has_hosts {
        let help = "give --hosts FILE, with a line HOST:PORT for each; or --spawn N, to start all on this machine";
        layers.problem("run.process", "nobody knows where the other processes are", help);
    } else if has_hosts && processes == 1 {
        layers.problem("run.hosts", "addresses of processes, and only one process", "give --processes N as well");
    }
    processes.clamp(1, 64) as usize
}

fn check_batch(layers: &mut Layers, batch: &BatchSection) -> BatchLimits {
    if batch.max_ticks.0 == 0 {
        layers.problem("batch.max_ticks", "a batch of no ticks", "1 is tick at a time");
    }
    let (Span(max_delay), Span(target)) = (batch.max_delay, batch.target_p99);
    if batch.policy == Batching::Greedy && !max_delay.is_zero() {
        let help = "greedy never waits: set batch.policy = \"linger\" as well, or give --linger";
        layers.problem("batch.max_delay", "a delay that would not be used", help);
    }
    if batch.policy == Batching::Auto && target.is_zero() {
        layers.problem("batch.target_p99", "a latency of nothing", "write the p99 to keep to, for example \"2ms\"");
    }
    let limits = |delay| BatchLimits::new(batch.max_ticks.0.min(1 << 24) as usize, delay, batch.max_bytes.0);
    match batch.policy {
        Batching::Auto if max_delay.is_zero() => limits(target).keeping(target),
        Batching::Auto => limits(max_delay.min(target)).keeping(target),
        Batching::Greedy | Batching::Linger => limits(max_delay),
    }
}

/// The times between which the input is played, where they are told.
fn check_part(layers: &mut Layers, source: &SourceSection, zone: &TimeZone) -> (Option<EventTime>, Option<EventTime>) {
    let mut time = |key: &str, at: &At| {
        let time = at.event_time(zone);
        if time.is_none() {
            layers.problem(key, "a time that is too far away", "write one between the years 1678 and 2262");
        }
        time
    };
    let start = if let Where::At(at) = &source.start { time("source.start", at) } else { None };
    let end = if let Until::At(at) = &source.end { time("source.end", at) } else { None };
    (start, end)
}

fn check_columns(layers: &mut Layers, columns: &toml::Table) -> Vec<(String, String)> {
    let mut renamed = Vec::new();
    for (ours, theirs) in columns {
        let key = format!("source.columns.{ours}");
        match theirs {
            _ if !COLUMNS.contains(&ours.as_str()) => {
                layers.problem(&key, "not one of our columns", &format!("ours are: {}", COLUMNS.join(", ")));
            }
            toml::Value::String(theirs) => renamed.push((ours.clone(), theirs.clone())),
            _ => layers.problem(&key, "not a column's name", "write ours = \"theirs\", for example ts_event = \"ts\""),
        }
    }
    renamed
}

/// The topic to which rejected lines go.
fn check_rejected(layers: &mut Layers, text: &str, input: &str) -> Option<Address> {
    let (key, title) = ("source.rejected", "no topic to send to");
    match Address::parse(text) {
        Some(Ok(address @ Address::Kafka { .. })) if text != input => return Some(address),
        Some(Ok(Address::Kafka { .. })) => {
            layers.problem(key, title, "it is the topic that is read: what was rejected would come again");
        }
        _ => layers.problem(key, title, "write kafka://HOST:PORT/TOPIC, or \"off\""),
    }
    None
}

/// Properties that are passed on as they are, to whoever knows them.
fn check_properties(layers: &mut Layers, section: &str, table: &toml::Table) -> Vec<(String, String)> {
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

fn check_market(layers: &mut Layers, market: &MarketSection) -> Market {
    let ticks = market.rate.0 * market.length.0.as_secs_f64();
    // A tick takes 56 bytes in memory, and as much again while the tape is made.
    if ticks > 200e6 {
        let help = format!("{ticks:.0} ticks are too many to hold: lower market.rate or market.length");
        layers.problem("market.length", "a tape that does not fit into memory", &help);
    }
    if !(1..=1_000_000).contains(&market.symbols.0) {
        layers.problem("market.symbols", "not a number of symbols", "write a number from 1 to 1000000");
    }
    Market {
        seed: market.seed.0,
        symbols: market.symbols.0.clamp(1, 1_000_000) as u32,
        per_second: market.rate.0,
        ticks: ticks.min(200e6) as u64,
    }
}
