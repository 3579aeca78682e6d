//! `[output]`: where rows go, and in which form.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::properties;
use crate::batch::BatchLimits;
use crate::config::{Bytes, Layers};
use crate::row::Encoding;
use crate::sink::{Mode, ToTopic};
use crate::source::Address;

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nowhere; they are counted and digested.
    Nowhere,
    /// Standard output.
    Stdout,
    /// A connection, a growing file or a topic.
    Address(Address, ToTopic),
    /// Files in this folder.
    Folder(PathBuf),
}

#[derive(Deserialize)]
pub(super) struct OutputSection {
    to: String,
    /// In which form rows go there.
    pub format: Encoding,
    mode: OutputMode,
    pub buffer: Bytes,
    librdkafka: toml::Table,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OutputMode {
    Auto,
    Final,
    Changes,
    Upsert,
}

impl OutputSection {
    /// How topics are written to: in batches as ticks are applied in, so far as their limits are fixed.
    pub fn to_topic(&self, layers: &mut Layers, batch: BatchLimits, within: Option<Duration>) -> ToTopic {
        let properties = properties(layers, "output.librdkafka", &self.librdkafka);
        let linger = if batch.target_p99.is_some() { Duration::ZERO } else { batch.max_delay };
        ToTopic { max_batch: Some(batch.max_ticks as u64), linger: Some(linger), properties, within }
    }

    /// Where rows go; those of the made-up market go nowhere where nothing is said.
    pub fn output(&self, layers: &mut Layers, is_market: bool, to_topic: ToTopic) -> Output {
        match self.to.as_str() {
            "auto" if is_market => Output::Nowhere,
            "auto" | "stdout" | "-" => Output::Stdout,
            "none" => Output::Nowhere,
            "" => {
                layers.problem("output.to", "no output", "name a folder, or write stdout or none");
                Output::Nowhere
            }
            text => match Address::parse(text) {
                None => Output::Folder(text.into()),
                Some(Ok(address)) => Output::Address(address, to_topic),
                Some(Err(wrong)) => {
                    layers.problem("output.to", "no address to send to", &wrong);
                    Output::Nowhere
                }
            },
        }
    }

    /// What rows that go there tell of changes.
    pub fn mode(&self, output: &Output) -> Mode {
        match (self.mode, output) {
            (OutputMode::Upsert, _) | (OutputMode::Auto, Output::Stdout | Output::Address(..)) => Mode::Upsert,
            (OutputMode::Changes, _) => Mode::Changes,
            (OutputMode::Final | OutputMode::Auto, _) => Mode::Final,
        }
    }
}
