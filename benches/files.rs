//! From a file to a file, by format: `cargo bench --bench files`, `-- --ticks 20000000`, or `-- PATH` with a tape of your
//! own; without a PATH it makes 2 million trades of 500 symbols, as CSV, JSON lines and in the binary form, in a temporary
//! folder that it removes in the end. `-- --workers 2` runs two workers.
//!
//! Measured: the whole way of a run at full speed: reading, decoding, bars of a second, settling into `bars.csv`, without a
//! horizon. The same ticks from memory take the same way, but for reading and decoding: `of memory` is what is left of
//! their rate. Rates are per second of wall time, by the fastest run of several that take turns, and per second of processor
//! time that the process used, all its threads together: `M ticks/s/core` is what one core does. It is to
//! be above 2 in each.
//!
//! `of parsing`: of the rate at which all cores would make records of the file if they did nothing else, which is that of one
//! core, measured beside, times as many as there are.
//!
//! The floor: reading the same file, and finding the ends of its lines or summing up its blocks, on one core. The file was
//! just written or scanned, so it comes from the page cache and not from a disk.

mod bars;

use std::fs;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use tapeflow::lateness::Horizon;
use tapeflow::market::Market;
use tapeflow::row::{Columns, Encoding};
use tapeflow::sink::{Ahead, Keeper, Lines, Mode, Settling, Sink};
use tapeflow::source::{self, Inputs, Live, Opened, Pacing, Playback, Surroundings, in_memory};
use tapeflow::tape::Controls;
use tapeflow::tape::format::{self, BlockEncoder, Decoder, Format, Input, Position, Record};
use tapeflow::tick::{Names, Tick, Venue};

/// What one core should do, in millions of ticks a second.
const BAR: f64 = 2.0;

const REPETITIONS: usize = 5;

/// Where ticks come from.
enum Tape {
    Memory { ticks: Vec<Tick>, symbols: Arc<Names> },
    File(PathBuf),
}

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let asked = Asked::of_arguments();
    let tapes = match asked.path {
        Some(path) => vec![Tape::File(path)],
        None => made(asked.ticks.max(1), folder.path()),
    };
    println!("{}", bars::machine());
    let mut runs: Vec<(Vec<f64>, Vec<f64>, Vec<Run>)> = tapes.iter().map(|_| Default::default()).collect();
    for _ in 0..REPETITIONS {
        for (tape, (floors, parsing, runs)) in tapes.iter().zip(&mut runs) {
            if let Tape::File(path) = tape {
                floors.push(scan(path));
                parsing.push(parse(path));
            }
            runs.push(run(tape, asked.workers, folder.path()));
        }
    }
    println!(
        "{} ticks, {} rows, workers {}\n",
        bars::thousands(runs[0].2[0].ticks as usize),
        bars::thousands(runs[0].2[0].rows as usize),
        asked.workers
    );
    println!(
        "{:<10}{:>12}{:>9}{:>12}{:>13}{:>13}{:>13}{:>17}{:>13}",
        "tape",
        "M ticks/s",
        "spread",
        "of memory",
        "of parsing",
        "settling s",
        "cores used",
        "M ticks/s/core",
        "floor MB/s"
    );
    let (mut memory, mut is_cleared) = (None, true);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    for (tape, (floors, parsing, runs)) in tapes.iter().zip(runs) {
        let rates = bars::Rates::of(runs.iter().map(Run::rate).collect());
        let fastest =
            runs.into_iter().max_by(|one, other| one.rate().total_cmp(&other.rate())).expect("there are runs");
        let per_core = fastest.cpu.map(|cpu| fastest.ticks as f64 / 1e6 / cpu);
        let or_dash = |number: Option<String>| number.unwrap_or("-".into());
        let name = match tape {
            Tape::Memory { .. } => "memory".into(),
            Tape::File(path) => path.extension().unwrap_or_default().to_string_lossy(),
        };
        if name == "memory" {
            memory = Some(rates.fastest);
        }
        println!(
            "{name:<10}{:>12.2}{:>8.0}%{:>12}{:>13}{:>13.2}{:>13}{:>17}{:>13}",
            rates.fastest,
            100.0 * rates.spread,
            or_dash(memory.map(|memory| format!("{:.0}%", 100.0 * rates.fastest / memory))),
            or_dash(fastest_of(parsing).map(|parsing| format!("{:.0}%", 100.0 * rates.fastest / (cores * parsing)))),
            fastest.settling,
            or_dash(fastest.cpu.map(|cpu| format!("{:.2}", cpu / fastest.wall))),
            or_dash(per_core.map(|rate| format!("{rate:.2}"))),
            or_dash(fastest_of(floors).map(|floor| format!("{floor:.0}"))),
        );
        is_cleared &= per_core.unwrap_or(rates.fastest) >= BAR;
    }
    println!("\n{BAR} M ticks/s/core: {}", if is_cleared { "cleared" } else { "NOT cleared" });
    println!("{}", bars::machine());
    ExitCode::SUCCESS
}

fn fastest_of(rates: Vec<f64>) -> Option<f64> {
    rates.into_iter().max_by(f64::total_cmp)
}

struct Asked {
    path: Option<PathBuf>,
    ticks: u64,
    workers: usize,
}

impl Asked {
    fn of_arguments() -> Asked {
        let mut asked = Asked { path: None, ticks: 2_000_000, workers: 1 };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number =
                || words.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{word} takes a number"));
            match word.as_str() {
                "--ticks" => asked.ticks = number(),
                "--workers" => asked.workers = number() as usize,
                // Cargo's own word, and the size that is the default here.
                "--bench" | "--quick" => {}
                _ => asked.path = Some(PathBuf::from(&word)),
            }
        }
        asked
    }
}

/// Trades in memory, and in a file of each format.
fn made(ticks: u64, folder: &Path) -> Vec<Tape> {
    let symbols = Arc::new(Names::default());
    let market = Market { seed: 1, symbols: 500, per_second: 200_000.0, ticks };
    let ticks = bars::trades(market, &symbols);
    let file = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("the tape can be written");
        Tape::File(path)
    };
    let files = [
        file("ticks.csv", bars::csv_ticks(&ticks, &symbols)),
        file("ticks.jsonl", bars::jsonl_ticks(&ticks, &symbols)),
        file("ticks.bin", bin_ticks(&ticks, &symbols)),
    ];
    [Tape::Memory { ticks, symbols }].into_iter().chain(files).collect()
}

/// The same fields as lines have.
fn bin_ticks(tape: &[Tick], symbols: &Arc<Names>) -> Vec<u8> {
    let venues = Arc::new(Names::default());
    let venue = Venue(venues.intern("XNAS") as u16 + 1);
    let (mut out, mut encoder) = (Vec::new(), BlockEncoder::new(symbols.clone(), venues));
    tape.iter().for_each(|tick| encoder.encode(&Record::from(Tick { venue, ..*tick }), &mut out));
    encoder.seal(&mut out);
    out
}

/// Reads the file in pieces, and finds its lines or sums it up; returns MB/s.
fn scan(path: &Path) -> f64 {
    let mut file = fs::File::open(path).expect("the tape can be read");
    let (mut buffer, mut bytes, mut lines) = (vec![0; 1 << 17], 0, 0);
    let (mut sum, is_binary) = (crc32fast::Hasher::new(), path.extension().is_some_and(|end| end == "bin"));
    let began = Instant::now();
    loop {
        let n = file.read(&mut buffer).expect("the tape can be read");
        if n == 0 {
            break;
        }
        bytes += n;
        if is_binary {
            sum.update(&buffer[..n]);
        } else {
            lines += memchr::memchr_iter(b'\n', &buffer[..n]).count();
        }
    }
    assert!(lines > 0 || sum.finalize() > 0, "the tape holds nothing");
    bytes as f64 / 1e6 / began.elapsed().as_secs_f64()
}

/// Makes records of the file on one core; returns how many millions a second.
fn parse(path: &Path) -> f64 {
    let columns = format::Columns::new(&[], TimeZone::UTC, Arc::default(), Arc::default());
    let (mut decoder, mut out, mut records) = (Decoder::new(Format::of(path), columns), Vec::new(), 0);
    let began = Instant::now();
    let mut input = Input::open(path, decoder.format(), Position::default()).expect("the tape can be read");
    decoder.begin(path);
    while let Some(decoded) = decoder.next(&mut input, path, &mut out).expect("the tape can be read") {
        decoded.expect("the tape holds records alone");
        records += black_box(&out).len();
        out.clear();
    }
    records as f64 / 1e6 / began.elapsed().as_secs_f64()
}

/// What a run came to, times in seconds.
struct Run {
    ticks: u64,
    rows: u64,
    wall: f64,
    settling: f64,
    cpu: Option<f64>,
}

impl Run {
    /// In millions of ticks a second.
    fn rate(&self) -> f64 {
        self.ticks as f64 / 1e6 / self.wall
    }
}

fn run(tape: &Tape, workers: usize, folder: &Path) -> Run {
    let symbols = if let Tape::Memory { symbols, .. } = tape { symbols.clone() } else { Arc::default() };
    let around = bars::surroundings(&symbols);
    // What is in memory lies there before the run, by worker.
    let held = match tape {
        Tape::Memory { ticks, .. } => Ok(in_memory(ticks, Pacing::Max, workers, &around)),
        Tape::File(path) => Err(path),
    };
    let (began, cpu) = (Instant::now(), bars::cpu_seconds());
    let opened = held.unwrap_or_else(|path| open(path, workers, &around));
    let columns = Columns::of::<bars::Row>(false);
    let (path, header) = (folder.join("bars.csv"), Encoding::Csv.header(&columns.names));
    let keeper = Keeper::new(folder, 256 << 20, symbols.clone(), Some(Ahead::new(&path, &header)));
    let sinks = opened.feeds.iter().map(|_| {
        let lines = Lines::new(Mode::Final, Encoding::Csv, columns.clone());
        Box::new(Settling::new(lines, keeper.end())) as Box<dyn Sink<bars::Row> + Send>
    });
    let sinks = sinks.collect();
    let outcome = bars::play(opened.feeds, sinks, 16_384, Horizon::None, &around);
    assert!(outcome.ledger.balances() && around.rejects.count() == 0, "a tick was lost");
    let settled = Instant::now();
    let rows = keeper.finish().and_then(|kept| kept.settle(&path, &header)).expect("the rows can be settled");
    assert_eq!(rows, outcome.written.rows as u64, "a row was lost");
    Run {
        ticks: outcome.ledger.read,
        rows,
        wall: began.elapsed().as_secs_f64(),
        settling: settled.elapsed().as_secs_f64(),
        cpu: cpu.and_then(|before| Some(bars::cpu_seconds()? - before)),
    }
}

fn open(path: &Path, workers: usize, around: &Surroundings) -> Opened {
    let inputs = Inputs {
        path: path.display().to_string(),
        format: None,
        columns: Vec::new(),
        zone: TimeZone::UTC,
        time_unit: 1,
        live: Live::default(),
    };
    let playback = Playback { pacing: Pacing::Max, controls: Controls::default(), limit: u64::MAX };
    source::open(&inputs, &playback, workers, around).expect("the tape can be opened")
}
