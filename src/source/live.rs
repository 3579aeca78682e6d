use std::time::Duration;

use super::gather::gather;
use super::peers::Peers;
use super::{Address, Inputs, Opened, Surroundings, follow, socket};
use crate::error::{Error, Result};
use crate::time::EventTime;

/// What is said of live inputs alone.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// Where a topic is read from.
    pub start: Start,
    /// What ends the input.
    pub end: End,
    /// How far a partition may be ahead of the slowest, in nanoseconds of event time.
    pub max_lead: i64,
    /// How long a topic and its brokers are waited for; for ever if there is none.
    pub within: Option<Duration>,
    /// Properties for `librdkafka`, and their values.
    pub properties: Vec<(String, String)>,
}

/// Where a topic is read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The first message that there is.
    #[default]
    Earliest,
    /// What comes from now on.
    Latest,
    /// Where the group's last run has ended, or the first message if there was none.
    Stored,
    /// This offset of each partition.
    Offset(i64),
    /// The first message of this time or later.
    Time(EventTime),
}

/// What ends a live input, beside Ctrl-C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Of connections, that all have ended; of a file that grows and of a topic, nothing.
    #[default]
    Auto,
    /// Nothing: who has gone is expected back.
    Never,
    /// What is there when the run begins is all.
    Now,
    /// The first message of this time or later.
    Time(EventTime),
}

impl Live {
    /// Refuses what an input that is not live has no use for.
    pub(super) fn check_unused(&self, path: &str) -> Result<()> {
        if self.end != End::Auto {
            let text = "source.end = \"never\" and \"now\" are for live inputs, and the input is";
            return Err(Error::Usage(format!("{text} {path}: give a time before which it is to end, or leave it out")));
        }
        self.check_not_kafka(path)
    }

    fn check_not_kafka(&self, path: &str) -> Result<()> {
        if self.start != Start::Earliest || !self.properties.is_empty() {
            let text =
                "[source.librdkafka], and a source.start that is no time of a tape, are for kafka://HOST:PORT/TOPIC";
            return Err(Error::Usage(format!("{text}, and the input is {path}")));
        }
        Ok(())
    }
}

/// Opens a live input for so many workers; at most `limit` records are played.
pub(super) fn open(
    inputs: &Inputs,
    address: &Address,
    limit: u64,
    workers: usize,
    around: &Surroundings,
) -> Result<Opened> {
    let end = inputs.live.end;
    if !matches!(address, Address::Kafka { .. }) {
        inputs.live.check_not_kafka(&inputs.path)?;
    }
    let refuse = |words: &str| Err(Error::Usage(format!("{address}: source.end is {words}")));
    match address {
        Address::Tcp { .. } | Address::Unix { .. } => {
            if !matches!(end, End::Auto | End::Never) {
                return refuse("auto (when all connections have ended) or never");
            }
            let transport = socket::bring(address, end == End::Never)?;
            Ok(gather(inputs, limit, workers, around, Peers::default(), transport))
        }
        Address::Growing(path) => {
            if matches!(end, End::Time(_)) {
                return refuse("auto or never (it is followed until Ctrl-C), or now (what it holds is all)");
            }
            let transport = follow::bring(path.clone(), end == End::Now);
            Ok(gather(inputs, limit, workers, around, Peers::default(), transport))
        }
        #[cfg(feature = "kafka")]
        Address::Kafka { brokers, topic } => super::kafka::open(inputs, brokers, topic, limit, workers, around),
        #[cfg(not(feature = "kafka"))]
        Address::Kafka { .. } => Err(without_kafka(address)),
    }
}

/// The error of a program that was built without Kafka.
#[cfg(not(feature = "kafka"))]
pub(crate) fn without_kafka(address: &Address) -> Error {
    Error::Usage(format!("{address}: this program was built without Kafka; build it with --features kafka"))
}
