//! Topics of a real broker: what the mock of `tests/kafka.rs` cannot show, such as a broker that is killed and comes
//! back. The broker is the one that `scripts/kafka start` runs, or that KAFKA_BOOTSTRAP names, which is not killed;
//! where there is none, the tests say that they were skipped. Each ends with the rows of the file and a ledger that
//! balances.

#![cfg(feature = "kafka")]

mod program;
mod topics;

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use program::{Folder, Played, Running, ohlcv, run, wait_until};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;
use topics::{NOW, Topics, assert_same, play, replay, tape};

/// The records of `tape(3_000)`.
const RECORDS: u64 = 3_031;

/// One test has the broker at a time, since some of them kill it.
static ONE: Mutex<()> = Mutex::new(());

struct Broker {
    topics: Topics,
    /// The process, where it is ours to kill.
    pid: Option<String>,
    _one: MutexGuard<'static, ()>,
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".kafka").join(name)
}

fn skipped(why: &str) {
    // Not by `eprintln`, which the test harness keeps to itself.
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes());
}

impl Broker {
    fn find() -> Option<Broker> {
        let one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let read = |name: &str| fs::read_to_string(kept(name)).map(|text| text.trim().to_owned());
        if let Ok(at) = std::env::var("KAFKA_BOOTSTRAP") {
            return Some(Broker { topics: Topics(at), pid: None, _one: one });
        }
        let (Ok(port), Ok(pid)) = (read("port"), read("pid")) else {
            skipped("no real broker runs; `scripts/kafka start` brings one");
            return None;
        };
        let pid = Some(pid).filter(|pid| pid.parse::<u32>().is_ok());
        Some(Broker { topics: Topics(format!("127.0.0.1:{port}")), pid, _one: one })
    }

    /// One that may be killed.
    fn find_ours() -> Option<Broker> {
        let broker = Broker::find()?;
        if broker.pid.is_none() {
            skipped("this broker is not ours to kill, or would forget what it was sent");
            return None;
        }
        Some(broker)
    }

    fn kill(&mut self) {
        let pid = self.pid.take().unwrap();
        assert!(Command::new("kill").args(["-s", "KILL", &pid]).status().unwrap().success());
        wait_until("the end of the broker", || TcpStream::connect(&self.topics.0).is_err());
    }

    fn start(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka");
        let port = self.topics.0.rsplit(':').next().unwrap();
        let mut start = Command::new(script);
        start.current_dir(env!("CARGO_MANIFEST_DIR")).args(["start", "--port", port]);
        assert!(start.status().unwrap().success());
    }

    /// A new topic, by its name.
    fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let name = unused(name);
        let client: AdminClient<DefaultClientContext> = self.topics.client().create().unwrap();
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let made = runtime.block_on(client.create_topics([&topic], &AdminOptions::new())).unwrap();
        made.into_iter().for_each(|made| _ = made.unwrap());
        name
    }
}

fn unused(name: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    format!("{name}-{}", now.as_nanos())
}

/// A run that reads a topic while it is written.
struct Reader {
    running: Running,
    said: PathBuf,
    out: String,
}

impl Reader {
    /// It ends with the first message of this century in each partition.
    fn start(folder: &Folder, topic: &str) -> Reader {
        let (said, out) = (folder.path().join("said"), folder.arg("out"));
        let end = ["--set", "source.end=2000-01-01T00:00:00Z"];
        let mut reader = ohlcv(&[&["--input", topic, "--out", &out, "-w", "2"], &end[..]].concat());
        let running = Running::start(reader.stderr(fs::File::create(&said).unwrap()));
        Reader { running, said, out }
    }

    fn wait_until_it_says(&self, words: &str) {
        wait_until(words, || fs::read_to_string(&self.said).unwrap().contains(words));
    }

    /// Has it end, and reads what it made.
    #[track_caller]
    fn end(self, topics: &Topics, topic: &str, partitions: i32) -> Played {
        (0..partitions).for_each(|partition| topics.put(topic, partition, &[b"the end"]));
        let code = self.running.end().code;
        assert_eq!(code, Some(0), "{}", fs::read_to_string(&self.said).unwrap());
        Played::read(Path::new(&self.out), String::new())
    }
}

/// The rows are those of a file, and so is the ledger but for records that came once more and changed nothing.
#[track_caller]
fn assert_same_but_for_repeats(played: &Played, expected: &Played) {
    let repeats = played.ledger("read") - RECORDS;
    for (column, more) in [("on_time", 0), ("amended", repeats), ("late", 0), ("unmatched", 0), ("rejected", 0)] {
        assert_eq!(played.ledger(column), expected.ledger(column) + more, "{column}, with {repeats} repeats");
    }
    assert_eq!((played.digest(), &played.bars), (expected.digest(), &expected.bars));
}

#[test]
fn neither_codecs_nor_workers_show_in_the_rows_of_three_partitions() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    for (codec, pack) in [("jsonl", "1"), ("csv", "1"), ("bin", "1"), ("bin", "100")] {
        let topic = broker.topics.url(&broker.topic("ticks", 3, &[]));
        play(&[&path, "--speed", "max", "--to", &topic, "--as", codec, "--pack", pack]);
        let out = folder.arg("out");
        run(&[&["--input", &topic, "--out", &out, "-w", "2"], &NOW[..]].concat()).exits(0);
        assert_same(&format!("{codec}, {pack}"), &out, &expected);
    }
}

#[test]
fn one_message_of_a_hundred_is_malformed_and_costs_only_itself() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    let lines = play(&[&path, "--speed", "max", "--as", "jsonl"]).stdout;
    let (topic, dead) = (broker.topic("ticks", 3, &[]), broker.topic("dead", 1, &[]));
    let producer: BaseProducer = broker.topics.client().set("enable.idempotence", "true").create().unwrap();
    for (at, line) in lines.lines().enumerate() {
        let tick: Value = serde_json::from_str(line).unwrap();
        let key = tick["symbol"].as_str().unwrap();
        if at % 100 == 0 {
            producer.send(BaseRecord::to(&topic).key(key).payload(&line[..line.len() / 2])).unwrap();
        }
        producer.send(BaseRecord::to(&topic).key(key).payload(line)).unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    let (topic, out) = (broker.topics.url(&topic), folder.arg("out"));
    let rejected = format!("source.rejected={}", broker.topics.url(&dead));
    run(&[&["--input", &topic, "--out", &out, "--set", &rejected], &NOW[..]].concat()).exits(0);
    let played = assert_same("malformed", &out, &expected);
    assert_eq!(played.ledger("rejected"), RECORDS.div_ceil(100));
    let letters = broker.topics.letters(&dead);
    assert_eq!(letters.len() as u64, RECORDS.div_ceil(100));
    for (value, headers) in letters {
        assert!(lines.contains(&value), "{value}");
        assert!(headers[0].1.starts_with(&format!("{topic}[")), "{headers:?}");
    }
}

#[test]
fn a_topic_that_is_missing_is_waited_for_or_is_an_error() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    let name = unused("missing");
    let topic = broker.topics.url(&name);
    run(&[&["--input", &topic], &NOW[..]].concat()).exits(1).says(&["there is no such topic"]);
    let reader = Reader::start(&folder, &topic);
    reader.wait_until_it_says("there is no such topic yet");
    play(&[&path, "--speed", "max", "--to", &topic]);
    let played = reader.end(&broker.topics, &name, 1);
    assert_eq!(played.ledger("read"), RECORDS);
    assert_same_but_for_repeats(&played, &expected);
}

#[test]
fn a_message_that_is_too_large_is_no_success_and_does_no_harm() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    let topic = broker.topics.url(&broker.topic("small", 3, &[("max.message.bytes", "2000")]));
    let args = [&path, "--speed", "max", "--as", "jsonl", "--to", &topic];
    let large = Running::start(&mut replay(&[&args[..], &["--pack", "4000"]].concat())).end();
    large.exits(1).says(&["were not acknowledged", "too large", "max.message.bytes"]);
    // What is sent together counts as one.
    play(&[&args[..], &["--property", "batch.size=1500"]].concat());
    let out = folder.arg("out");
    run(&[&["--input", &topic, "--out", &out], &NOW[..]].concat()).exits(0);
    assert_same("small", &out, &expected);
}

#[test]
fn a_broker_that_is_absent_when_all_begin_is_waited_for() {
    let Some(mut broker) = Broker::find_ours() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    let name = broker.topic("absent", 3, &[]);
    let topic = broker.topics.url(&name);
    broker.kill();
    let reader = Reader::start(&folder, &topic);
    let sender = Running::start(&mut replay(&[&path, "--speed", "max", "--to", &topic]));
    reader.wait_until_it_says("trying again");
    broker.start();
    sender.end().exits(0).says(&["trying again"]);
    let played = reader.end(&broker.topics, &name, 3);
    assert_eq!(played.ledger("read"), RECORDS);
    assert_same_but_for_repeats(&played, &expected);
}

#[test]
fn a_broker_that_is_killed_and_comes_back_costs_nothing_but_time() {
    let Some(mut broker) = Broker::find_ours() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    let name = broker.topic("killed", 3, &[]);
    let topic = broker.topics.url(&name);
    let reader = Reader::start(&folder, &topic);
    let mut sender = Running::start(&mut replay(&[&path, "--rate", "1k/s", "--to", &topic]));
    wait_until("the first messages", || !broker.topics.messages(&name, 3).is_empty());
    broker.kill();
    assert!(sender.child.try_wait().unwrap().is_none(), "all was sent before the broker was killed");
    reader.wait_until_it_says("trying again");
    broker.start();
    sender.end().exits(0);
    // What was on its way when it was killed may be in the topic twice.
    assert_same_but_for_repeats(&reader.end(&broker.topics, &name, 3), &expected);
}
