//! Topics as tests see them: what is played to them, what is in them, and whether what comes out is what a file gives.

#![allow(dead_code, reason = "each integration test uses its own part of this")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers as _, Message as _, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::program::{Done, Played, Running};

pub fn replay(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.arg("play").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
pub fn play(args: &[&str]) -> Done {
    Running::start(&mut replay(args)).end().exits(0)
}

/// Ticks of eleven symbols with late ones and cancels among them.
pub fn tape(ticks: u64) -> String {
    let mut text = "ts_event,symbol,price,size,seq,action,ref_seq\n".to_owned();
    for i in 0..ticks {
        let (symbol, late) = (i * 7 % 11, if i % 53 == 0 { 400 } else { 0 });
        let ts = (1_000_000 + i.saturating_sub(late)) * 1_000_000;
        text += &format!("{ts},S{symbol},{}.{:02},{},{i},,\n", 10 + symbol, i % 100, 1 + i % 9);
        if i % 97 == 0 {
            text += &format!("{ts},S{symbol},,,{i}0000,cancel,{i}\n");
        }
    }
    text
}

#[track_caller]
pub fn assert_same(what: &str, out: &str, expected: &Played) -> Played {
    let played = Played::read(Path::new(out), String::new());
    for column in ["on_time", "amended", "late", "unmatched", "ignored"] {
        assert_eq!(played.ledger(column), expected.ledger(column), "{what}: {column}");
    }
    assert_eq!(played.digest(), expected.digest(), "{what}");
    assert_eq!(played.bars, expected.bars, "{what}");
    played
}

/// The same but for records that came once more and changed nothing.
#[track_caller]
pub fn assert_same_but_for_repeats(played: &Played, expected: &Played) {
    let repeats = played.ledger("read") - expected.ledger("read");
    for (column, more) in [("on_time", 0), ("amended", repeats), ("late", 0), ("unmatched", 0), ("rejected", 0)] {
        assert_eq!(played.ledger(column), expected.ledger(column) + more, "{column}, with {repeats} repeats");
    }
    assert_eq!((played.digest(), &played.bars), (expected.digest(), &expected.bars));
}

pub const NOW: [&str; 2] = ["--set", "source.end=now"];

/// The topics of the brokers at this address.
pub struct Topics(pub String);

impl Topics {
    /// The address of one, for our programs.
    pub fn url(&self, topic: &str) -> String {
        format!("kafka://{}/{topic}", self.0)
    }

    /// A client's settings.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.0);
        config
    }

    /// Puts values into a topic's partition.
    pub fn put(&self, topic: &str, partition: i32, values: &[&[u8]]) {
        let producer: BaseProducer = self.client().create().unwrap();
        for value in values {
            producer.send(BaseRecord::<(), _>::to(topic).partition(partition).payload(*value)).unwrap();
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    }

    /// How many messages came to a topic's partitions.
    pub fn count(&self, topic: &str, partitions: i32) -> i64 {
        let client: BaseConsumer = self.client().create().unwrap();
        let end = |partition| client.fetch_watermarks(topic, partition, Duration::from_secs(60)).unwrap().1;
        (0..partitions).map(end).sum()
    }

    /// All that is in a topic, a partition after the other.
    pub fn messages(&self, topic: &str, partitions: i32) -> Vec<OwnedMessage> {
        let mut config = self.client();
        config.set("group.id", "test").set("enable.partition.eof", "true").set("fetch.wait.max.ms", "10");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut found = Vec::new();
        for partition in 0..partitions {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
            consumer.assign(&list).unwrap();
            loop {
                match consumer.poll(Duration::from_secs(60)) {
                    Some(Ok(message)) => found.push(message.detach()),
                    Some(Err(KafkaError::PartitionEOF(ended))) if ended == partition => break,
                    // The end of the one before may be told once more, and an event of the client is nothing.
                    Some(Err(KafkaError::PartitionEOF(_))) | None => continue,
                    other => panic!("{other:?}"),
                }
            }
        }
        found
    }

    /// The same as keys and values.
    pub fn all(&self, topic: &str, partitions: i32) -> Vec<(String, String)> {
        let messages = self.messages(topic, partitions);
        messages.iter().map(|message| (text(message.key()), text(message.payload()))).collect()
    }

    /// The values of a topic of one partition, each with its headers.
    pub fn letters(&self, topic: &str) -> Vec<(String, Vec<(String, String)>)> {
        let headers = |message: &OwnedMessage| {
            let headers = message.headers().unwrap();
            headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
        };
        self.messages(topic, 1).iter().map(|message| (text(message.payload()), headers(message))).collect()
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}
