//! What it costs to bring ticks from one process to another: `cargo bench --bench communication`, with `-- --quick` in
//! less time. It takes two to four minutes, and prints two tables in Markdown, as they stand in README.md and
//! docs/communication.md.
//!
//! The same tape goes through every transport in every codec, from `replay play` to `ohlcv`, twice: as fast as it goes,
//! for ticks a second and the processor time of both programs per tick, and at a steady rate, for the latency from when
//! each tick was due until it was applied. All runs must have the same digest. Other programs on the machine only ever
//! make a run slower; the first row, ticks that are in the pipeline's memory already, is what there is to reach.
//!
//! A second table is of reading alone, from a topic that is full: by `ohlcv`, and by a loop over librdkafka's client
//! that does nothing with the messages, which is what a reader can reach.
//!
//! The broker is that of `scripts/kafka`, which is started for it and stopped, or KAFKA_BOOTSTRAP names one.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

const OHLCV: &str = env!("CARGO_BIN_EXE_ohlcv");
const REPLAY: &str = env!("CARGO_BIN_EXE_replay");

/// Ticks a second at which latency is measured, and for how many seconds. The first one is not counted: in it
/// connections are made.
const RATE: u64 = 100_000;
const SECONDS: u64 = 5;

/// For so many seconds a broker is sent ticks before anything is measured: its code is compiled while it runs.
const WARMUP: u64 = 30;

/// What one run came to.
struct Run {
    digest: String,
    seconds: f64,
    cpu_seconds: f64,
    /// Of the broker, where one is ours.
    broker_seconds: Option<f64>,
    p50_us: f64,
    p99_us: f64,
}

/// A broker, and its process where that is known.
struct Broker {
    at: String,
    pid: Option<String>,
}

/// Where `scripts/kafka` keeps the broker.
const KEPT: &str = "target/kafka";

impl Broker {
    fn start() -> Option<Broker> {
        let output = kafka(&["start", "--port", "19092", "--data", KEPT]).output().ok()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            eprintln!("there is no broker, so Kafka is left out: {}", why.trim());
            return None;
        }
        let at = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let pid = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(KEPT).join("pid")).ok();
        let name = kafka(&["status", "--data", KEPT]).output().ok()?.stdout;
        eprintln!("through {}", String::from_utf8_lossy(&name).trim());
        Some(Broker { at, pid: pid.map(|pid| pid.trim().to_owned()) })
    }

    fn cpu(&self) -> Option<f64> {
        cpu(self.pid.as_ref()?, [11, 12])
    }

    /// The bytes of a topic's messages as the broker keeps them, which is as they were sent.
    fn bytes(&self, topic: &str) -> Option<u64> {
        self.pid.as_ref()?;
        let log = Path::new(env!("CARGO_MANIFEST_DIR")).join(KEPT).join("log");
        let segments = glob::glob(&format!("{}/{topic}-*/*.log", log.display())).ok()?;
        Some(segments.flatten().filter_map(|path| path.metadata().ok()).map(|segment| segment.len()).sum())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // One that does not end is told by the next start.
        let _ = kafka(&["stop", "--data", KEPT]).status();
    }
}

fn kafka(args: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("scripts/kafka"));
    command.args(args).current_dir(root);
    command
}

fn main() {
    let ticks = if std::env::args().any(|arg| arg == "--quick") { RATE * SECONDS } else { 1_000_000 };
    let broker = Broker::start();
    let folder = tempfile::tempdir().expect("a folder to work in");
    let tape = folder.path().join("tape.csv");
    std::fs::write(&tape, made_up(ticks)).expect("writing the tape");
    let rate = format!("{RATE}/s");
    if let Some(broker) = &broker {
        let at = format!("kafka://{}/warm-up-{}", broker.at, stamp());
        let pace = ["--rate", &rate, "--loop", "--for", &format!("{WARMUP}s")];
        let out = folder.path().join("out");
        through("kafka", &at, [&tape, &tape, &out], ("jsonl", "1"), &pace, RATE * WARMUP);
    }
    eprintln!("{ticks} ticks as fast as it goes; latency at {RATE} ticks/s\n");
    println!("| transport | codec | ticks/s | CPU ns/tick | broker ns/tick | bytes/tick | p50 us | p99 us |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|");

    let market = folder.path().join("market");
    let span = format!("{SECONDS}s");
    let paced = ["--rate", &rate, "--for", &span];
    let (fast, steady) = (in_process(&market, &["--speed", "max"]), in_process(&market, &paced));
    show("in-process", "-", &fast, &steady, 2_000_000, None);
    let mut digests: Vec<[String; 2]> = Vec::new();
    let mut reading = Vec::new();
    for (codec, pack) in [("jsonl", "1"), ("csv", "1"), ("bin", "1"), ("jsonl", "100"), ("bin", "100")] {
        let file = folder.path().join(format!("sent.{codec}"));
        if !file.exists() {
            let sent = ["play", text(&tape), "--speed", "max", "--as", codec, "--to", text(&file)];
            ended(spawn(REPLAY, &sent, None));
        }
        let bytes = std::fs::metadata(&file).expect("the sent tape").len();
        // A stream is packed as it is: what waits goes together.
        let transports = if pack == "1" { &["file", "pipe", "unix", "tcp", "kafka"][..] } else { &["kafka"] };
        for transport in transports {
            if *transport == "kafka" && broker.is_none() {
                continue;
            }
            let topic = format!("bench-{}", stamp());
            let run = |pace: &[&str], which: &str, count: u64| {
                let at = match (*transport, &broker) {
                    ("unix", _) => format!("unix-listen://{}", text(&folder.path().join("feed.sock"))),
                    ("tcp", _) => "tcp-listen://127.0.0.1:17771".into(),
                    ("kafka", Some(broker)) => format!("kafka://{}/{topic}-{which}", broker.at),
                    _ => "-".into(),
                };
                let before = broker.as_ref().and_then(Broker::cpu);
                let out = folder.path().join("out");
                let run = through(transport, &at, [&tape, &file, &out], (codec, pack), pace, count);
                let after = broker.as_ref().filter(|_| *transport == "kafka").and_then(Broker::cpu);
                Run { broker_seconds: before.zip(after).map(|(before, after)| after - before), ..run }
            };
            // What has no sender has no schedule but the pipeline's own.
            let (fast, steady) = (run(&["--speed", "max"], "fast", ticks), run(&paced, "paced", RATE * SECONDS));
            let name = if pack == "1" { codec.to_owned() } else { format!("{codec}, {pack} a message") };
            let bytes = match &broker {
                Some(broker) if *transport == "kafka" => broker.bytes(&format!("{topic}-fast")),
                _ => Some(bytes),
            };
            show(transport, &name, &fast, &steady, ticks, bytes);
            digests.push([fast.digest, steady.digest]);
            if let Some(broker) = broker.as_ref().filter(|_| *transport == "kafka") {
                let (topic, out) = (format!("{topic}-fast"), folder.path().join("out"));
                for (reader, run) in
                    [("ohlcv", drained(broker, &topic, codec, &out)), ("a loop", polled(broker, &topic))]
                {
                    reading.push(format!("| {reader} | {name} | {}", of_reading(&run, ticks)));
                }
            }
        }
    }
    if !reading.is_empty() {
        println!(
            "\n| reader of a full topic | codec | ticks/s | CPU ns/tick | broker ns/tick |\n|---|---|--:|--:|--:|"
        );
        reading.iter().for_each(|row| println!("{row}"));
    }
    assert!(digests.iter().all(|found| *found == digests[0]), "the digests differ: {digests:?}");
    eprintln!("\nall digests are the same: {}", digests[0][0]);
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

fn stamp() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// A hundred symbols, a microsecond of event time from tick to tick.
fn made_up(ticks: u64) -> String {
    let mut lines = String::from("ts_event,symbol,price,size,seq\n");
    for i in 0..ticks {
        let (symbol, cents) = (i * 7919 % 100, i * 31 % 100);
        lines += &format!(
            "{},S{symbol},{}.{cents:02},{},{i}\n",
            1_700_000_000_000_000_000 + i * 1000,
            10 + symbol,
            i % 900 + 1
        );
    }
    lines
}

fn spawn(program: &str, args: &[&str], stdin: Option<Stdio>) -> Child {
    let mut command = Command::new(program);
    command.args(args).stdin(stdin.unwrap_or(Stdio::null())).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("starting a program")
}

fn ended(mut child: Child) {
    let status = child.wait().expect("waiting for a program");
    assert!(status.success(), "a program failed: {status}");
}

/// Plays the tape through a transport.
fn through(
    transport: &str,
    at: &str,
    [tape, file, out]: [&Path; 3],
    (codec, pack): (&str, &str),
    pace: &[&str],
    count: u64,
) -> Run {
    let (began, cpu) = (Instant::now(), children_cpu());
    let packed = if pack == "1" { &[][..] } else { &["--pack", pack] };
    let send =
        |to: &str| spawn(REPLAY, &[&["play", text(tape), "--as", codec, "--to", to], pace, packed].concat(), None);
    let connect = at.replace("-listen", "");
    let rows = ["--out", text(out)];
    match transport {
        "file" => ended(spawn(OHLCV, &[&["--input", text(file)], pace, &rows[..]].concat(), None)),
        "pipe" => {
            let mut sender = send("-");
            let piped = sender.stdout.take().map(Stdio::from);
            ended(spawn(OHLCV, &[&["--input", "-"], &rows[..]].concat(), piped));
            ended(sender);
        }
        "kafka" => {
            // It ends with the last record: of a topic nobody says that it has ended.
            let args = ["--input", at, "--format", codec, "--limit", &count.to_string()];
            let reader = spawn(OHLCV, &[&args[..], &rows[..]].concat(), None);
            ended(send(at));
            ended(reader);
        }
        _ => {
            let reader = spawn(OHLCV, &[&["--input", at], &rows[..]].concat(), None);
            ended(send(&connect));
            ended(reader);
        }
    }
    read(out, began, cpu)
}

/// Reads a topic to its end by `ohlcv`.
fn drained(broker: &Broker, topic: &str, codec: &str, out: &Path) -> Run {
    let (began, cpu, at) = (Instant::now(), children_cpu(), format!("kafka://{}/{topic}", broker.at));
    let before = broker.cpu();
    let args = ["--input", &at, "--format", codec, "--set", "source.end=now", "-w", "1", "--out", text(out)];
    ended(spawn(OHLCV, &args, None));
    let broker_seconds = before.zip(broker.cpu()).map(|(before, after)| after - before);
    Run { broker_seconds, ..read(out, began, cpu) }
}

/// Reads it by librdkafka's client alone, with no settings but its own.
fn polled(broker: &Broker, topic: &str) -> Run {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::error::KafkaError;
    use rdkafka::{Offset, TopicPartitionList};
    let (began, cpu_before, before) = (Instant::now(), cpu("self", [11, 12]), broker.cpu());
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", &broker.at).set("group.id", "bench").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().expect("a client");
    let found = consumer.fetch_metadata(Some(topic), std::time::Duration::from_secs(10)).expect("the topic");
    let mut list = TopicPartitionList::new();
    let partitions = found.topics()[0].partitions();
    for partition in partitions {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("reading all partitions");
    let mut open = partitions.len();
    while open > 0 {
        match consumer.poll(std::time::Duration::from_secs(1)) {
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => panic!("reading {topic}: {error}"),
            Some(Ok(_)) | None => {}
        }
    }
    let seconds = |before: Option<f64>, after: Option<f64>| before.zip(after).map(|(before, after)| after - before);
    Run {
        digest: String::new(),
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: seconds(cpu_before, cpu("self", [11, 12])).unwrap_or(f64::NAN),
        broker_seconds: seconds(before, broker.cpu()),
        p50_us: f64::NAN,
        p99_us: f64::NAN,
    }
}

fn of_reading(run: &Run, ticks: u64) -> String {
    let per_tick = |seconds: f64| format!("{:.0}", seconds * 1e9 / ticks as f64);
    let broker = run.broker_seconds.map_or_else(|| "-".into(), per_tick);
    format!("{:.0} | {} | {broker} |", ticks as f64 / run.seconds, per_tick(run.cpu_seconds))
}

fn in_process(out: &Path, pace: &[&str]) -> Run {
    let (began, cpu) = (Instant::now(), children_cpu());
    ended(spawn(OHLCV, &[&["--out", text(out)], pace].concat(), None));
    read(out, began, cpu)
}

fn read(out: &Path, began: Instant, cpu: f64) -> Run {
    let (seconds, cpu_seconds) = (began.elapsed().as_secs_f64(), children_cpu() - cpu);
    let summary = std::fs::read_to_string(out.join("summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&summary).expect("a summary of JSON");
    let digest = summary["digest"].as_str().unwrap_or_default().to_owned();
    let log = tapeflow::report::read_log(&out.join("latency.hlog")).expect("a log of latencies");
    let mut later = tapeflow::latency::histogram();
    let seconds_of_ticks = log.into_iter().filter(|(tag, _)| tag == "tick");
    seconds_of_ticks.skip(1).for_each(|(_, second)| later.add(second).expect("a histogram of the same kind"));
    let micros = |quantile: f64| later.value_at_quantile(quantile) as f64 / 1e3;
    Run { digest, seconds, cpu_seconds, broker_seconds: None, p50_us: micros(0.5), p99_us: micros(0.99) }
}

fn show(transport: &str, codec: &str, fast: &Run, steady: &Run, ticks: u64, bytes: Option<u64>) {
    let or_none = |figure: Option<String>| figure.unwrap_or_else(|| "-".into());
    let per_tick = |seconds: f64| format!("{:.0}", seconds * 1e9 / ticks as f64);
    println!(
        "| {transport} | {codec} | {:.0} | {} | {} | {} | {:.0} | {:.0} |",
        ticks as f64 / fast.seconds,
        per_tick(fast.cpu_seconds),
        or_none(fast.broker_seconds.map(per_tick)),
        or_none(bytes.map(|bytes| format!("{:.1}", bytes as f64 / ticks as f64))),
        steady.p50_us,
        steady.p99_us
    );
}

/// The processor time of all programs that have ended here, in seconds.
fn children_cpu() -> f64 {
    cpu("self", [13, 14]).unwrap_or(f64::NAN)
}

/// Two fields of a process's account added up, in seconds; the kernel counts in hundredths.
fn cpu(process: &str, fields: [usize; 2]) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let all: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let hundredths = fields.map(|at| all.get(at).and_then(|field| field.parse::<f64>().ok()));
    Some((hundredths[0]? + hundredths[1]?) / 100.0)
}
