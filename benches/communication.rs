//! What it costs to bring ticks from one process to another: `cargo bench --bench communication`, with `-- --quick` in
//! less time, and with `-- --kafka HOST:PORT` through a broker too (`scripts/kafka start` prints the address).
//!
//! The same tape goes through every transport in every codec, from `replay play` to `ohlcv`, twice: as fast as it goes,
//! for ticks a second and the processor time of both programs per tick, and at a steady rate, for the latency from when
//! each tick was due until it was applied. All runs must have the same digest. Other programs on the machine only ever
//! make a run slower; the first row, ticks that are in the pipeline's memory already, is what there is to reach.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const OHLCV: &str = env!("CARGO_BIN_EXE_ohlcv");
const REPLAY: &str = env!("CARGO_BIN_EXE_replay");
const CODECS: [&str; 3] = ["csv", "jsonl", "bin"];

/// What one run came to.
struct Run {
    digest: String,
    seconds: f64,
    cpu_seconds: f64,
    p50_us: f64,
    p99_us: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let kafka = args.iter().position(|arg| arg == "--kafka").and_then(|at| args.get(at + 1));
    let ticks = if args.iter().any(|arg| arg == "--quick") { 200_000 } else { 2_000_000 };
    let rate = ticks / 20;
    let folder = tempfile::tempdir().expect("a folder to work in");
    let tape = folder.path().join("tape.csv");
    std::fs::write(&tape, made_up(ticks)).expect("writing the tape");
    println!("{ticks} ticks; latency at {rate} ticks/s\n");
    println!("transport   codec     ticks/s   CPU ns/tick   bytes/tick       p50       p99");

    let market = folder.path().join("market");
    let args = ["--rate".into(), format!("{rate}/s"), "--for".into(), "2s".into()];
    let (fast, paced) = (in_process(&market, &["--speed".into(), "max".into()]), in_process(&market, &args));
    show("in-process", "-", &fast, &paced, 2_000_000, 0);
    let mut digests: Vec<[String; 2]> = Vec::new();
    for codec in CODECS {
        let file = folder.path().join(format!("sent.{codec}"));
        let sent = spawn(REPLAY, &["play", text(&tape), "--speed", "max", "--as", codec, "--to", text(&file)], None);
        ended(sent);
        let bytes = std::fs::metadata(&file).expect("the sent tape").len();
        let mut transports = vec!["file", "pipe", "unix", "tcp"];
        transports.extend(kafka.map(|_| "kafka"));
        for transport in transports {
            let run = |pace: &[&str], which: &str, count: u64| {
                let at = match transport {
                    "unix" => format!("unix-listen://{}", text(&folder.path().join("feed.sock"))),
                    "tcp" => "tcp-listen://127.0.0.1:17771".into(),
                    "kafka" => format!("kafka://{}/tapeflow-{}-{codec}-{which}", kafka.expect("a broker"), stamp()),
                    _ => "-".into(),
                };
                through(transport, &at, [&tape, &file, &folder.path().join("out")], codec, pace, count)
            };
            let fast = run(&["--speed", "max"], "fast", ticks);
            let pace = format!("{rate}/s");
            // What has no sender has no schedule but the pipeline's own.
            let paced = run(&["--rate", &pace, "--for", "2s"], "paced", rate * 2);
            show(transport, codec, &fast, &paced, ticks, bytes);
            digests.push([fast.digest, paced.digest]);
        }
    }
    assert!(digests.iter().all(|found| *found == digests[0]), "the digests differ: {digests:?}");
    println!("\nall digests are the same: {}", digests[0][0]);
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
fn through(transport: &str, at: &str, [tape, file, out]: [&Path; 3], codec: &str, pace: &[&str], count: u64) -> Run {
    let (began, cpu) = (Instant::now(), children_cpu());
    let send = |to: &str| spawn(REPLAY, &[&["play", text(tape), "--as", codec, "--to", to], pace].concat(), None);
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
            std::thread::sleep(Duration::from_millis(50));
            ended(send(&connect));
            ended(reader);
        }
    }
    read(out, began, cpu)
}

fn in_process(out: &Path, pace: &[String]) -> Run {
    let (began, cpu) = (Instant::now(), children_cpu());
    let pace: Vec<&str> = pace.iter().map(String::as_str).collect();
    ended(spawn(OHLCV, &[&["--out", text(out)], &pace[..]].concat(), None));
    read(out, began, cpu)
}

fn read(out: &Path, began: Instant, cpu: f64) -> Run {
    let (seconds, cpu_seconds) = (began.elapsed().as_secs_f64(), children_cpu() - cpu);
    let summary = std::fs::read_to_string(out.join("summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&summary).expect("a summary of JSON");
    let tick = &summary["latency"]["tick"];
    let micros = |name: &str| tick[name].as_f64().unwrap_or(f64::NAN) / 1e3;
    let digest = summary["digest"].as_str().unwrap_or_default().to_owned();
    Run { digest, seconds, cpu_seconds, p50_us: micros("p50"), p99_us: micros("p99") }
}

fn show(transport: &str, codec: &str, fast: &Run, paced: &Run, ticks: u64, bytes: u64) {
    println!(
        "{transport:<10}  {codec:<5}  {:>10.0}  {:>12.0}  {:>11.1}  {:>8.0} us {:>8.0} us",
        ticks as f64 / fast.seconds,
        fast.cpu_seconds * 1e9 / ticks as f64,
        bytes as f64 / ticks as f64,
        paced.p50_us,
        paced.p99_us
    );
}

/// The processor time of all programs that have ended here, in seconds; the kernel counts it in hundredths.
fn children_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let hundredths = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (hundredths(13) + hundredths(14)) / 100.0
}
