//! Topics, against librdkafka's own mock of a cluster, which speaks Kafka's protocol on a real port: the programs know no
//! better. What this can catch: a tick lost, doubled or out of order through any number of partitions, and a run that
//! ends well though not all was acknowledged. What it cannot: what only a real broker does, such as retention.

#![cfg(feature = "kafka")]

mod program;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use program::{Done, Folder, Played, Running, ohlcv, run};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(topics: &[(&str, i32)]) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    topics.iter().for_each(|(topic, partitions)| cluster.create_topic(topic, *partitions, 1).unwrap());
    cluster
}

fn url(cluster: &Cluster, topic: &str) -> String {
    format!("kafka://{}/{topic}", cluster.bootstrap_servers())
}

fn replay(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.arg("play").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn play(args: &[&str]) -> Done {
    Running::start(&mut replay(args)).end().exits(0)
}

/// Ticks of eleven symbols with late ones and cancels among them.
fn tape(ticks: u64) -> String {
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
fn assert_same(what: &str, out: &str, expected: &Played) -> Played {
    let played = Played::read(Path::new(out), String::new());
    assert_eq!(played.digest(), expected.digest(), "{what}");
    assert_eq!(played.bars, expected.bars, "{what}");
    for column in ["on_time", "amended", "late", "unmatched", "ignored"] {
        assert_eq!(played.ledger(column), expected.ledger(column), "{what}: {column}");
    }
    played
}

const NOW: [&str; 2] = ["--set", "source.end=now"];

/// Puts a value into a topic's partition.
fn put(cluster: &Cluster, topic: &str, partition: i32, values: &[&[u8]]) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    for value in values {
        producer.send(BaseRecord::<(), _>::to(topic).partition(partition).payload(*value)).unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
}

/// All that is in a topic, as keys and values, a partition after the other.
fn all(cluster: &Cluster, topic: &str, partitions: i32) -> Vec<(String, String)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "test")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .create()
        .unwrap();
    let mut found = Vec::new();
    for partition in 0..partitions {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        loop {
            let message = match consumer.poll(Duration::from_secs(60)) {
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(ended))) if ended == partition => break,
                // The end of the one before may be told once more, and an event of the client is nothing.
                Some(Err(KafkaError::PartitionEOF(_))) | None => continue,
                other => panic!("{other:?}"),
            };
            let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            found.push((text(message.key()), text(message.payload())));
        }
    }
    found
}

#[test]
fn neither_partitions_nor_codecs_nor_packs_show_in_the_rows() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    assert!(expected.ledger("amended") > 40, "{:?}", expected.summary["ledger"]);
    let cluster = cluster(&[("one", 1), ("three", 3), ("eight", 8)]);
    for (topic, codec, pack, workers) in [
        ("one", "jsonl", "1", "2"),
        ("three", "csv", "1", "3"),
        ("eight", "bin", "1", "1"),
        ("three", "bin", "50", "2"),
    ] {
        let what = format!("{topic}, {codec}, {pack}, {workers}");
        let topic = if pack == "1" { topic.to_owned() } else { format!("{topic}-packed") };
        cluster.create_topic(&topic, 3, 1).or_else(|e| if pack == "1" { Ok(()) } else { Err(e) }).unwrap();
        let (topic, out) = (url(&cluster, &topic), folder.arg("out"));
        play(&[&path, "--speed", "max", "--to", &topic, "--as", codec, "--pack", pack]).says(&["sent 3,031 records"]);
        run(&[&["--input", &topic, "--out", &out, "-w", workers], &NOW[..]].concat()).exits(0);
        assert_same(&what, &out, &expected);
        // From the first message on again, and one partition is let run ahead of the others hardly at all.
        run(&[&["--input", &topic, "--out", &out, "--set", "run.max_lead=10ms"], &NOW[..]].concat()).exits(0);
        assert_same(&what, &out, &expected);
    }
}

#[test]
fn a_live_topic_is_read_as_it_is_written_until_it_is_told_to_end() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(1_000));
    let expected = folder.play(&path, &[]);
    let cluster = cluster(&[("live", 3), ("bars", 2)]);
    let (topic, bars) = (url(&cluster, "live"), url(&cluster, "bars"));
    let args = ["--input", &topic, "--out", &bars, "--set", "output.format=jsonl", "--set", "source.idle=200ms"];
    let reader = Running::start(&mut ohlcv(&args));
    play(&[&path, "--rate", "2k/s", "--to", &topic]).says(&["later than the schedule by"]);
    let rows = expected.rows().len();
    program::wait_until("the bars", || {
        let mut last = std::collections::BTreeMap::new();
        for (key, value) in all(&cluster, "bars", 2) {
            let bar: serde_json::Value = serde_json::from_str(&value).unwrap();
            assert_eq!(bar["symbol"], key);
            last.insert((bar["ts_open"].to_string(), key), bar["volume"].to_string());
        }
        last.len() == rows
    });
    reader.signal("INT");
    let done = reader.end().exits(130).says(&["from the due time that each line carries"]);
    assert!(done.stderr.contains(expected.digest()), "{}", done.stderr);
}

#[test]
fn malformed_messages_are_rejects_with_partition_and_offset() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(500));
    let expected = folder.play(&path, &[]);
    let cluster = cluster(&[("bad", 1)]);
    let (topic, out) = (url(&cluster, "bad"), folder.arg("out"));
    put(&cluster, "bad", 0, &[b"no json", b"", b"\x89TF1\x00", b"{\"ts_event\":1}\n{\"x\""]);
    play(&[&path, "--speed", "max", "--to", &topic]);
    let args = ["--input", &topic, "--out", &out, "--format", "jsonl"];
    run(&[&args, &NOW[..]].concat()).exits(0);
    let played = assert_same("bad", &out, &expected);
    let rejects: Vec<(u64, String)> = played
        .rejected
        .iter()
        .map(|reject| (reject["line"].as_u64().unwrap(), reject["reason"].as_str().unwrap().to_owned()))
        .collect();
    let lines: Vec<u64> = rejects.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [0, 1, 2, 3, 3], "{rejects:?}");
    assert_eq!(played.rejected[0]["file"].as_str().unwrap(), format!("{topic}[0]"));
    assert!(rejects[2].1.contains("the message ends in the middle of a block"), "{rejects:?}");
}

#[test]
fn a_group_goes_on_where_its_last_run_ended() {
    let folder = Folder::new();
    let cluster = cluster(&[("group", 2)]);
    let (topic, out) = (url(&cluster, "group"), folder.arg("out"));
    let whole = folder.write("whole.csv", tape(900));
    let group = ["--set", "source.librdkafka.'group.id'=bars", "--set", "source.start=stored"];
    let args = [&["--input", &topic, "--out", &out], &group[..], &NOW[..]].concat();
    let read = || {
        run(&args).exits(0);
        Played::read(Path::new(&out), String::new()).ledger("read")
    };
    play(&[&whole, "--speed", "max", "--to", &topic, "--limit", "400"]);
    assert_eq!(read(), 400);
    assert_eq!(read(), 0);
    play(&[&whole, "--speed", "max", "--to", &topic]);
    assert_eq!(read(), 910);
    run(&[&["--input", &topic, "--out", &out, "--set", "source.start=latest"], &NOW[..]].concat()).exits(0);
    assert_eq!(Played::read(Path::new(&out), String::new()).ledger("read"), 0);
    run(&["--input", &topic, "--set", "source.start=stored"]).exits(2).says(&["group.id"]);
}

#[test]
fn a_topic_that_is_not_keyed_by_symbol_is_noticed() {
    let folder = Folder::new();
    let cluster = cluster(&[("mixed", 2)]);
    let tick = |ts: u64| format!("{{\"ts_event\":{ts},\"symbol\":\"A\",\"price\":1,\"size\":1}}");
    put(&cluster, "mixed", 0, &[tick(1).as_bytes()]);
    put(&cluster, "mixed", 1, &[tick(2).as_bytes()]);
    let (topic, out) = (url(&cluster, "mixed"), folder.arg("out"));
    let done = run(&[&["--input", &topic, "--out", &out], &NOW[..]].concat()).exits(0);
    assert!(done.stderr.contains("A comes through kafka://"), "{}", done.stderr);
}

#[test]
fn what_is_not_acknowledged_is_no_success() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(2_000));
    let expected = folder.play(&path, &[]);
    let cluster = cluster(&[("lost", 1)]);
    let topic = url(&cluster, "lost");
    // The broker goes away in the middle of the feed, and does not come back in time.
    let args = [&path, "--rate", "400/s", "--to", &topic, "--property", "message.timeout.ms=1500"];
    let sender = Running::start(&mut replay(&args));
    program::wait_until("the first messages", || !all(&cluster, "lost", 1).is_empty());
    cluster.broker_down(1).unwrap();
    sender.end().exits(1).says(&["were not acknowledged"]);

    // One that does come back costs nothing.
    let cluster = self::cluster(&[("back", 1)]);
    let topic = url(&cluster, "back");
    let sender = Running::start(&mut replay(&[&path, "--rate", "400/s", "--to", &topic]));
    program::wait_until("the first messages", || !all(&cluster, "back", 1).is_empty());
    cluster.broker_down(1).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    cluster.broker_up(1).unwrap();
    sender.end().exits(0);
    let out = folder.arg("out");
    run(&[&["--input", &topic, "--out", &out], &NOW[..]].concat()).exits(0);
    assert_same("back", &out, &expected);
}

#[test]
fn what_is_not_there_is_told() {
    let cluster = cluster(&[("t", 1)]);
    let topic = url(&cluster, "t");
    run(&[&["--input", &topic, "--set", "source.librdkafka.nonsense=1"], &NOW[..]].concat())
        .exits(2)
        .says(&["nonsense"]);
    let reader = Running::start(&mut ohlcv(&["--input", "kafka://127.0.0.1:1/t"]));
    std::thread::sleep(Duration::from_millis(500));
    reader.signal("INT");
    reader.end().exits(1).says(&["kafka://127.0.0.1:1/t: ", "Connection refused", "Ctrl-C ends this"]);
}
