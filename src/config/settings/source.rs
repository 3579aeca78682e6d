//! `[source]`: where ticks come from, which of them are played, and how fast.

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

use super::run::RunSection;
use super::{nanos, properties};
use crate::calendar::Days;
use crate::config::{Arrive, At, ControlsAsked, Count, GapRule, Layers, Maybe, PaceAsked, Rate, Span, Speed, TimeUnit};
use crate::source::{Address, End, Inputs, Live, Pacing, Playback, Start};
use crate::tape::format::{COLUMNS, Format};
use crate::tape::{Burst, Controls, Part};
use crate::time::EventTime;

#[derive(Deserialize)]
pub(super) struct SourceSection {
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
    pub play_for: Maybe<Span>,
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
    time_unit: TimeUnit,
    pub max_jump: Span,
    pub idle: Span,
    rejected: Maybe<String>,
    columns: toml::Table,
    librdkafka: toml::Table,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InputFormat {
    Auto,
    Csv,
    Jsonl,
    Bin,
    Parquet,
    Dbn,
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

/// The times between which the input is played, where they are told.
pub(super) type Between = (Option<EventTime>, Option<EventTime>);

impl SourceSection {
    /// Whether it is the made-up tape.
    pub fn is_market(&self) -> bool {
        self.input == "market"
    }

    fn is_live(&self) -> bool {
        Address::parse(&self.input).is_some()
    }

    /// The zone of local times.
    pub fn zone(&self, layers: &mut Layers) -> TimeZone {
        TimeZone::get(&self.zone).unwrap_or_else(|_| {
            layers.problem("source.zone", "unknown time zone", "write an IANA name, for example \"America/New_York\"");
            TimeZone::UTC
        })
    }

    /// The times between which it is played.
    pub fn between(&self, layers: &mut Layers, zone: &TimeZone) -> Between {
        let mut time = |key: &str, at: &At| {
            let time = at.event_time(zone);
            if time.is_none() {
                layers.problem(key, "a time that is too far away", "write one between the years 1678 and 2262");
            }
            time
        };
        let start = if let Where::At(at) = &self.start { time("source.start", at) } else { None };
        let end = if let Until::At(at) = &self.end { time("source.end", at) } else { None };
        (start, end)
    }

    /// How it is played. `natural` is how fast, and at which rate, where nothing is said.
    pub fn playback(
        &self,
        layers: &mut Layers,
        days: &Days,
        (start, end): Between,
        natural: (Pacing, Option<f64>),
    ) -> Playback {
        let (Maybe(rate), Maybe(burst), Count(seed)) = (self.rate, self.burst, self.seed);
        let asked = PaceAsked { speed: self.speed, rate, arrive: self.arrivals, burst, seed };
        let pacing = asked.pacing(natural).unwrap_or_else(|(key, title, help)| {
            layers.problem(&format!("source.{key}"), title, help);
            Pacing::Max
        });
        let asked = ControlsAsked {
            start: start.filter(|_| !self.is_live()),
            end: end.filter(|_| !self.is_live()),
            symbols: self.symbols.0.clone(),
            gaps: self.gaps,
            again: self.again,
            drop: self.drop,
            duplicate: self.duplicate,
            late: self.late,
            late_by: self.late_by,
            jitter: self.jitter,
            seed,
        };
        let controls = asked.controls(days, &pacing).unwrap_or_else(|(key, title, help)| {
            layers.problem(&format!("source.{key}"), title, help);
            Controls::default()
        });
        Playback { pacing, controls, limit: self.limit.0.map_or(u64::MAX, |count| count.0) }
    }

    /// Files, standard input or a live input, of whose partitions none is further ahead than `run.max_lead`.
    pub fn inputs(&self, layers: &mut Layers, zone: TimeZone, (start, end): Between, run: &RunSection) -> Inputs {
        if let Some(Err(wrong)) = Address::parse(&self.input) {
            layers.problem("source.input", "no address of a feed", &wrong);
        }
        let format = match self.format {
            InputFormat::Auto => None,
            InputFormat::Csv => Some(Format::Csv),
            InputFormat::Jsonl => Some(Format::Jsonl),
            InputFormat::Bin => Some(Format::Bin),
            InputFormat::Parquet => Some(Format::Parquet),
            InputFormat::Dbn => Some(Format::Dbn),
        };
        let live = Live {
            start: match self.start {
                Where::Start(start) => start,
                Where::At(_) => start.filter(|_| self.is_live()).map_or(Start::Earliest, Start::Time),
            },
            end: match self.end {
                Until::End(end) => end,
                Until::At(_) => end.filter(|_| self.is_live()).map_or(End::Auto, End::Time),
            },
            max_lead: nanos(run.max_lead),
            within: run.topics_within(),
            properties: properties(layers, "source.librdkafka", &self.librdkafka),
        };
        let (path, columns, time_unit) = (self.input.clone(), self.columns(layers), self.time_unit.0);
        Inputs { path, format, columns, zone, time_unit, live }
    }

    fn columns(&self, layers: &mut Layers) -> Vec<(String, String)> {
        let mut renamed = Vec::new();
        for (ours, theirs) in &self.columns {
            let key = format!("source.columns.{ours}");
            match theirs {
                _ if !COLUMNS.contains(&ours.as_str()) => {
                    layers.problem(&key, "not one of our columns", &format!("ours are: {}", COLUMNS.join(", ")));
                }
                toml::Value::String(theirs) => renamed.push((ours.clone(), theirs.clone())),
                _ => {
                    let help = "write ours = \"theirs\", for example ts_event = \"ts\"";
                    layers.problem(&key, "not a column's name", help);
                }
            }
        }
        renamed
    }

    /// The topic to which rejected lines go.
    pub fn rejected(&self, layers: &mut Layers) -> Option<Address> {
        let (key, title) = ("source.rejected", "no topic to send to");
        let text = self.rejected.0.as_ref()?;
        match Address::parse(text) {
            Some(Ok(address @ Address::Kafka { .. })) if *text != self.input => return Some(address),
            Some(Ok(Address::Kafka { .. })) => {
                layers.problem(key, title, "it is the topic that is read: what was rejected would come again");
            }
            _ => layers.problem(key, title, "write kafka://HOST:PORT/TOPIC, or \"off\""),
        }
        None
    }
}
