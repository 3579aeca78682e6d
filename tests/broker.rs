//! Topics of a real broker: what the mock of `tests/kafka.rs` cannot show, such as a broker that is killed and comes
//! back. The broker is the one that `scripts/kafka start` runs, or that KAFKA_BOOTSTRAP names, which is not killed;
//! where there is none, the tests say that they were skipped. Each ends with the rows of the file and a ledger that
//! balances.

#![cfg(feature = "kafka")]

mod program;
mod topics;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once};
use std::time::{Duration, SystemTime};

use program::{Folder, Played, Running, ohlcv, run, wait_until};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;
use topics::{NOW, Topics, assert_same, assert_same_but_for_repeats, play, replay, tape};

/// The records of `tape(3_000)`.
const RECORDS: u64 = 3_031;

/// One test has the broker at a time, since some of them kill it.
static ONE: Mutex<()> = Mutex::new(());

struct Broker {
    topics: Topics,
    /// The process, where it is ours to kill.
    pid: Option<String>,
    is_down: bool,
    _one: MutexGuard<'static, ()>,
}

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".kafka").join(name)
}

/// Not by `eprintln`, which the test harness keeps to itself.
fn said(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

fn said_once(text: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| said(text));
}

fn skipped(why: &str) {
    said(&format!("SKIPPED: {why}"));
}

impl Broker {
    fn find() -> Option<Broker> {
        let one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let read = |name: &str| fs::read_to_string(kept(name)).map(|text| text.trim().to_owned());
        if let Ok(at) = std::env::var("KAFKA_BOOTSTRAP") {
            said_once(&format!("the broker is that of KAFKA_BOOTSTRAP, at {at}"));
            return Some(Broker { topics: Topics(at), pid: None, is_down: false, _one: one });
        }
        let (Ok(port), Ok(pid)) = (read("port"), read("pid")) else {
            skipped("no real broker runs; `scripts/kafka start` brings one");
            return None;
        };
        said_once(&format!("the broker is {} at 127.0.0.1:{port}", read("name").unwrap_or_default()));
        let pid = Some(pid).filter(|pid| pid.parse::<u32>().is_ok());
        Some(Broker { topics: Topics(format!("127.0.0.1:{port}")), pid, is_down: false, _one: one })
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
        self.is_down = true;
        wait_until("the end of the broker", || TcpStream::connect(&self.topics.0).is_err());
    }

    fn start(&mut self) {
        self.is_down = false;
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

/// A test that fails while the broker is down leaves one to those that come after it.
impl Drop for Broker {
    fn drop(&mut self) {
        if self.is_down {
            self.start();
        }
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

#[test]
fn neither_codecs_nor_workers_nor_processes_show_in_the_rows_of_three_partitions() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    for (codec, pack) in [("jsonl", "1"), ("csv", "1"), ("bin", "1"), ("bin", "100")] {
        let topic = broker.topics.url(&broker.topic("ticks", 3, &[]));
        play(&[&path, "--speed", "max", "--to", &topic, "--as", codec, "--pack", pack]);
        let out = folder.arg("out");
        for processes in ["1", "2"] {
            run(&[&["--input", &topic, "--out", &out, "-w", "2", "--spawn", processes], &NOW[..]].concat()).exits(0);
            assert_same(&format!("{codec}, {pack}, {processes}"), &out, &expected);
        }
    }
}

/// A tape's records as a topic of one partition has them: its Kafka times, in milliseconds.
fn times_ms(tape: &str) -> Vec<i64> {
    let ms = |line: &str| line.split(',').next().unwrap().parse::<i64>().unwrap() / 1_000_000;
    tape.lines().skip(1).map(ms).collect()
}

#[test]
fn a_topic_is_read_from_and_to_the_offsets_and_times_that_are_asked_for() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    let (text, out) = (tape(3_000), folder.arg("out"));
    let topic = broker.topics.url(&broker.topic("times", 1, &[]));
    play(&[&folder.write("tape.csv", &text), "--speed", "max", "--to", &topic]);
    let times = times_ms(&text);
    let at = |ms: i64| times.iter().position(|time| *time >= ms).unwrap() as u64;
    let stamp = |ms: i64| format!("1970-01-01T00:{:02}:{:02}.{:03}Z", ms / 60_000, ms / 1_000 % 60, ms % 1_000);
    let [early, late] = [1_000_500, 1_002_000];
    let read = |start: &str, end: &str| {
        let [start, end] = [format!("source.start={start}"), format!("source.end={end}")];
        run(&["--input", &topic, "--out", &out, "--set", &start, "--set", &end]).exits(0);
        Played::read(Path::new(&out), String::new()).ledger("read")
    };
    assert_eq!(read("earliest", "now"), RECORDS);
    assert_eq!(read("offset:100", "now"), RECORDS - 100);
    assert_eq!(read(&stamp(early), "now"), RECORDS - at(early));
    assert_eq!(read(&stamp(early), &stamp(late)), at(late) - at(early));
    assert_eq!(read("offset:7", &stamp(late)), at(late) - 7);
    assert_eq!(read("latest", "now"), 0);
    // Behind the last message there is nothing to go on from, and before the first there is.
    assert_eq!(read("2000-01-01T00:00:00Z", "now"), 0);
    run(&["--input", &topic, "--set", "source.start=offset:99999", "--set", "source.end=now"]).exits(0);
}

#[test]
fn rows_in_a_compacted_topic_are_those_of_the_file_by_their_keys() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    let bars = broker.topic("bars", 3, &[("cleanup.policy", "compact")]);
    run(&["--input", &path, "--out", &broker.topics.url(&bars)]).exits(0);
    let mut last = BTreeMap::new();
    for (key, value) in broker.topics.all(&bars, 3) {
        if value.is_empty() {
            last.remove(&key)
        } else {
            last.insert(key, value)
        };
    }
    let mut rows: Vec<String> = expected.bars.lines().skip(1).map(str::to_owned).collect();
    rows.sort();
    let mut found: Vec<String> = last.into_values().collect();
    found.sort();
    assert_eq!(found, rows);
}

#[test]
fn a_slow_reader_of_rows_pauses_the_topic_and_memory_stays_flat() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    // Two hundred megabytes of ticks, each of which is a row of its own: a second has one of each of a thousand symbols.
    const TICKS: u64 = 100_000;
    let topic = broker.topic("slow", 2, &[]);
    let producer: BaseProducer = broker.topics.client().create().unwrap();
    let filling = " ".repeat(2_000);
    for i in 0..TICKS {
        let (symbol, ts) = (format!("S{}", i % 1_000), i / 1_000 * 1_000_000_000);
        let tick = format!("{{\"ts_event\":{ts},{filling}\"symbol\":\"{symbol}\",\"price\":1,\"size\":1}}");
        while producer.send(BaseRecord::to(&topic).key(&symbol).payload(&tick)).is_err() {
            producer.poll(Duration::from_millis(10));
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    let socket = folder.arg("rows.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let args = ["--input", &broker.topics.url(&topic), "--out", &format!("unix://{socket}"), "-w", "1"];
    let each = ["--set", "late.horizon=off", "--set", "late.disorder=0s", "--batch", "64"];
    let running = Running::start(&mut ohlcv(&[&args[..], &each, &NOW].concat()));
    let (mut reader, _) = listener.accept().unwrap();
    let proc = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", running.child.id())).unwrap();
    // Once it is held up it takes next to no processor time, by the kernel's clock of hundredths.
    let busy = || -> u64 {
        let stat = proc("stat");
        stat.rsplit(')').next().unwrap().split_whitespace().nth(11).unwrap().parse().unwrap()
    };
    wait_until("the topic's pause", || {
        let before = busy();
        std::thread::sleep(Duration::from_millis(500));
        before > 0 && busy() - before < 5
    });
    let status = proc("status");
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak_kib < 160 << 10, "{peak}");
    // Nothing is lost by it.
    let mut rows = String::new();
    reader.read_to_string(&mut rows).unwrap();
    drop(reader);
    running.end().exits(0);
    assert_eq!(rows.lines().count() as u64, TICKS + 1);
}

#[test]
fn a_topic_that_changes_while_it_is_read_ends_the_run() {
    let Some(broker) = Broker::find() else { return };
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(100));
    let client: AdminClient<DefaultClientContext> = broker.topics.client().create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let often = ["--set", "source.librdkafka.'topic.metadata.refresh.interval.ms'=200"];
    let cases = [("grown", "had 2 partitions when the run began, and now it has 3"), ("gone", "it was deleted")];
    for ((name, words), processes) in cases.into_iter().zip(["2", "1"]) {
        let name = broker.topic(name, 2, &[]);
        let (topic, bars) = (broker.topics.url(&name), broker.topic("bars", 1, &[]));
        play(&[&path, "--speed", "max", "--to", &topic]);
        let out = broker.topics.url(&bars);
        let args = ["--input", &topic, "--out", &out, "--set", "source.idle=100ms", "--spawn", processes];
        let reader = Running::start(&mut ohlcv(&[&args, &often[..]].concat()));
        wait_until("the first bar", || !broker.topics.messages(&bars, 1).is_empty());
        if name.starts_with("grown") {
            let (three, options) = (NewPartitions::new(&name, 3), AdminOptions::new());
            let more = client.create_partitions([&three], &options);
            runtime.block_on(more).unwrap().into_iter().for_each(|made| _ = made.unwrap());
        } else {
            let options = AdminOptions::new();
            let gone = client.delete_topics(&[&name], &options);
            runtime.block_on(gone).unwrap().into_iter().for_each(|gone| _ = gone.unwrap());
        }
        reader.end().exits(1).says(&[words, &topic]);
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
    // Twenty seconds, most of which the broker is away for: a machine has to be slow indeed to see them pass before.
    let mut sender = Running::start(&mut replay(&[&path, "--rate", "150/s", "--to", &topic]));
    wait_until("the first messages", || broker.topics.count(&name, 3) > 300);
    broker.kill();
    assert!(sender.child.try_wait().unwrap().is_none(), "all was sent before the broker was killed");
    reader.wait_until_it_says("trying again");
    broker.start();
    sender.end().exits(0);
    // What was on its way when it was killed may be in the topic twice.
    assert_same_but_for_repeats(&reader.end(&broker.topics, &name, 3), &expected);
}
