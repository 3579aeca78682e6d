//! From a file to a file: `cargo bench --bench files`, or `-- PATH` with a tape of your own, or `-- --ticks 20000000`;
//! without a PATH it makes a CSV file of 2 million ticks in a temporary folder and removes it in the end.
//!
//! Measured: the whole way of a run at full speed: reading, decoding, bars of a second, settling into `bars.csv`, on
//! one worker (a reader's thread beside it) without a horizon. Rates are per second of wall time, and per second of
//! processor time that the process used, all its threads together: `M ticks/s/core` is what one core does. It is to be
//! above 2.
//!
//! The floor: reading the same file and finding the ends of its lines, on one core, before the run. The file was just
//! written or scanned, so it comes from the page cache and not from a disk.

mod bars;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use tapeflow::lateness::Horizon;
use tapeflow::row::{Columns, Encoding};
use tapeflow::sink::{Keeper, Lines, Mode, Settling, Sink};
use tapeflow::source::{self, Inputs, Live, Pacing, Playback};
use tapeflow::tape::{Controls, Market};
use tapeflow::tick::Names;

/// What one core should do, in millions of ticks a second.
const BAR: f64 = 2.0;

const REPETITIONS: usize = 3;

fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (path, mut ticks) = match arguments() {
        (Some(path), ticks) => (path, ticks),
        (None, ticks) => (folder.path().join("ticks.csv"), ticks),
    };
    if !path.exists() {
        let symbols = Names::default();
        ticks = ticks.max(1);
        let market = Market { seed: 1, symbols: 500, per_second: 200_000.0, ticks };
        let tape = bars::trades(market, &symbols);
        fs::write(&path, bars::csv_ticks(&tape, &symbols)).expect("the tape can be written");
    }
    println!("{}", bars::machine());
    let mut cores = Vec::new();
    println!(
        "\n{:>12}{:>10}{:>12}{:>14}{:>16}{:>18}{:>14}",
        "ticks", "rows", "M ticks/s", "settling s", "cores used", "M ticks/s/core", "floor MB/s"
    );
    for _ in 0..REPETITIONS {
        let floor = scan(&path);
        let run = run(&path, folder.path());
        let rate = run.ticks as f64 / 1e6 / run.wall;
        let per_core = run.cpu.map(|cpu| run.ticks as f64 / 1e6 / cpu);
        println!(
            "{:>12}{:>10}{:>12.2}{:>14.2}{:>16}{:>18}{:>14.0}",
            bars::thousands(run.ticks as usize),
            bars::thousands(run.rows as usize),
            rate,
            run.settling,
            run.cpu.map_or("-".into(), |cpu| format!("{:.2}", cpu / run.wall)),
            per_core.map_or("-".into(), |rate| format!("{rate:.2}")),
            floor
        );
        cores.push(per_core.unwrap_or(rate));
    }
    let rates = bars::Rates::of(cores);
    let verdict = if rates.median >= BAR { "cleared" } else { "NOT cleared" };
    println!(
        "\n{:.2} M ticks/s per core used (median, spread {:.0}%); bar {BAR}: {verdict}",
        rates.median,
        100.0 * rates.spread
    );
    println!("{}", bars::machine());
    ExitCode::SUCCESS
}

/// The tape's path, if one is given, and how many ticks to make if not.
fn arguments() -> (Option<PathBuf>, u64) {
    let (mut path, mut ticks) = (None, 2_000_000);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--ticks" => ticks = words.next().and_then(|n| n.parse().ok()).expect("--ticks takes a number"),
            // Cargo's own word, and the size that is the default here.
            "--bench" | "--quick" => {}
            _ => path = Some(PathBuf::from(word)),
        }
    }
    (path, ticks)
}

/// Reads the file in pieces and finds its lines; returns MB/s.
fn scan(path: &Path) -> f64 {
    let mut file = fs::File::open(path).expect("the tape can be read");
    let (mut buffer, mut bytes, mut lines) = (vec![0; 1 << 17], 0, 0);
    let began = Instant::now();
    loop {
        let n = file.read(&mut buffer).expect("the tape can be read");
        if n == 0 {
            break;
        }
        bytes += n;
        lines += memchr::memchr_iter(b'\n', &buffer[..n]).count();
    }
    assert!(lines > 0, "the tape has no lines");
    bytes as f64 / 1e6 / began.elapsed().as_secs_f64()
}

/// What a run came to, times in seconds.
struct Run {
    ticks: u64,
    rows: u64,
    wall: f64,
    settling: f64,
    cpu: Option<f64>,
}

fn run(path: &Path, folder: &Path) -> Run {
    let (began, cpu) = (Instant::now(), bars::cpu_seconds());
    let symbols = Arc::new(Names::default());
    let around = bars::surroundings(&symbols);
    let inputs = Inputs {
        path: path.display().to_string(),
        format: None,
        columns: Vec::new(),
        zone: TimeZone::UTC,
        time_unit: 1,
        live: Live::default(),
    };
    let playback = Playback { pacing: Pacing::Max, controls: Controls::default(), limit: u64::MAX };
    let opened = source::open(&inputs, &playback, 1, &around).expect("the tape can be opened");
    let columns = Columns::of::<bars::Row>(false);
    let keeper = Keeper::new(folder, 256 << 20, symbols.clone());
    let sink = Settling::new(Lines::new(Mode::Final, Encoding::Csv, columns.clone()), keeper.end());
    let sinks: Vec<Box<dyn Sink<bars::Row> + Send>> = vec![Box::new(sink)];
    let outcome = bars::play(opened.feeds, sinks, 16_384, Horizon::None, &around);
    assert!(outcome.ledger.balances() && around.rejects.count() == 0, "a tick was lost");
    let settled = Instant::now();
    let header = Encoding::Csv.header(&columns.names);
    let rows = keeper
        .finish()
        .and_then(|kept| kept.settle(&folder.join("bars.csv"), &header))
        .expect("the rows can be settled");
    assert_eq!(rows, outcome.written.rows as u64, "a row was lost");
    Run {
        ticks: outcome.ledger.read,
        rows,
        wall: began.elapsed().as_secs_f64(),
        settling: settled.elapsed().as_secs_f64(),
        cpu: cpu.and_then(|before| Some(bars::cpu_seconds()? - before)),
    }
}
