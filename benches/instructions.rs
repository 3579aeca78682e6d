//! How many instructions a tick takes: `cargo bench --bench instructions`, which needs valgrind (`apt-get install valgrind`).
//!
//! Counted by callgrind, each case in a process of its own, and only within the function that is meant: bytes in memory
//! to ticks in order, by format; eight partitions to one order; and the loop of a worker, from ticks in memory to the
//! digest of bars. No time is taken, so other programs do not matter. Valgrind shows x86-64 processors with AVX2 as one and
//! the same, so that the C library and memchr should take the same way on all of them. What differs from one count to the
//! next is where hash tables put things, less than a hundredth.
//!
//! The limit: the counts of `benches/instructions.csv`. Whatever takes 5% more than there fails the bench; what takes 5%
//! less asks for a new baseline. `-- --save` writes it, which is to be done in the commit that explains the change. Of
//! another compiler or architecture counts are told, and not judged.

mod bars;

use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use jiff::tz::TimeZone;
use tapeflow::aggregate::Ohlcv;
use tapeflow::lateness::Horizon;
use tapeflow::market::Market;
use tapeflow::row::Encoding;
use tapeflow::runtime::Nobody;
use tapeflow::sink::{Discard, Sink};
use tapeflow::source::{Pacing, in_memory};
use tapeflow::tape::format::{BlockEncoder, Columns, Decoder, Encoder, Format, Record};
use tapeflow::tape::{Leaf, Merge, Pace, Rejects};
use tapeflow::tick::{Names, Tick};
use tapeflow::time::{Clock, SECOND};
use tapeflow::window::{Sliding, Windows};

/// More than so much above the baseline is a regression.
const TOLERANCE: f64 = 0.05;

const BASELINE: &str = "benches/instructions.csv";

/// Four seconds of a market.
const MARKET: Market = Market { seed: 1, symbols: 500, per_second: 10_000.0, ticks: 40_000 };

/// The function whose instructions count, by callgrind's pattern.
const HERE: &str = "*instructions*counted*";
const WORKER: &str = "*runtime*drive*Drive*play*";

type Case = (&'static str, &'static str, fn(&Tape));

const CASES: [Case; 7] = [
    ("read csv", HERE, |tape| read(tape, Format::Csv)),
    ("read jsonl", HERE, |tape| read(tape, Format::Jsonl)),
    ("read bin", HERE, |tape| read(tape, Format::Bin)),
    ("merge 8 partitions", HERE, merge),
    ("bars of 1 s", WORKER, |tape| run(tape, bars::windows(), Horizon::None)),
    ("bars of 1 s; prints kept", WORKER, |tape| run(tape, bars::windows(), Horizon::Session)),
    ("bars of 1 s by 100 ms", WORKER, |tape| {
        run(tape, Sliding::new(SECOND, SECOND / 10).expect("it is shorter than its window"), Horizon::None);
    }),
];

struct Tape {
    symbols: Arc<Names>,
    ticks: Vec<Tick>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, name] = &words[..]
        && word == "--case"
    {
        let symbols = Arc::new(Names::default());
        let ticks = MARKET.tape(&symbols, bars::partition_rules());
        CASES
            .iter()
            .filter(|case| case.0 == name)
            .for_each(|case| case.2(&Tape { symbols: symbols.clone(), ticks: ticks.clone() }));
        return ExitCode::SUCCESS;
    }
    match judge(words.iter().any(|word| word == "--save")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Counts all cases, and holds them against the baseline or makes them a new one; says whether all are within it.
fn judge(saves: bool) -> Result<bool, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(BASELINE);
    let saved = std::fs::read_to_string(&path).unwrap_or_default();
    let (made_by, before) = saved.split_once('\n').unwrap_or_default();
    let compiler = compiler();
    let judges = made_by.trim_start_matches("# ") == compiler;
    let mut baseline = format!("# {compiler}\n");
    let mut right = true;
    println!("{:<28}{:>20}{:>12}{:>10}", "what", "instructions/tick", "baseline", "change");
    for (name, function, _) in CASES {
        let count = count(name, function)?;
        baseline += &format!("{name},{count:.1}\n");
        let known = before.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(',')?.parse::<f64>().ok());
        let Some(known) = known else {
            println!("{name:<28}{count:>20.1}{:>12}", "none");
            right = false;
            continue;
        };
        let change = count / known - 1.0;
        let word = match change {
            _ if change > TOLERANCE => "  too many",
            _ if change < -TOLERANCE => "  renew the baseline",
            _ => "",
        };
        right &= change <= TOLERANCE;
        println!("{name:<28}{count:>20.1}{known:>12.1}{:>+9.1}%{word}", 100.0 * change);
    }
    if saves {
        std::fs::write(&path, baseline).map_err(|error| format!("writing {}: {error}", path.display()))?;
        println!("\nthis is the baseline now");
        return Ok(true);
    }
    if !judges {
        println!("\nnot judged: the baseline is of {}, and this is {compiler}", made_by.trim_start_matches("# "));
    } else if !right {
        println!("\nmore than {:.0}% above {BASELINE}: see `-- --save` in benches/instructions.rs", 100.0 * TOLERANCE);
    }
    Ok(right || !judges)
}

/// What the counts depend on beside the code.
fn compiler() -> String {
    let told =
        Command::new("rustc").arg("--version").output().map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    format!("{} on {}", told.unwrap_or_default().trim(), std::env::consts::ARCH)
}

/// The instructions a tick of a case.
fn count(name: &str, function: &str) -> Result<f64, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program does not find itself: {error}"))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(format!("--toggle-collect={function}"));
    let out = valgrind.arg(own).args(["--case", name]).stdin(Stdio::null()).output();
    let out = out.map_err(|error| format!("valgrind cannot be run ({error}): apt-get install valgrind"))?;
    let told = String::from_utf8_lossy(&out.stderr);
    let count = told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<f64>().ok());
    match count {
        Some(count) if count > 0.0 && out.status.success() => Ok(count / MARKET.ticks as f64),
        _ => Err(format!("{name}: callgrind counted nothing in {function}:\n{told}")),
    }
}

#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// Bytes in memory to ticks in order.
fn read(tape: &Tape, format: Format) {
    let (symbols, venues): (_, Arc<Names>) = (tape.symbols.clone(), Arc::default());
    let records = tape.ticks.iter().map(|tick| Record::from(*tick));
    let mut bytes = Vec::new();
    if format == Format::Bin {
        let mut encoder = BlockEncoder::new(symbols, venues);
        records.for_each(|record| encoder.encode(&record, &mut bytes));
        encoder.seal(&mut bytes);
    } else {
        let encoding = if format == Format::Csv { Encoding::Csv } else { Encoding::Jsonl };
        let mut encoder = Encoder::of_tape(encoding, symbols, venues);
        bytes.extend(encoder.header().into_bytes());
        records.for_each(|record| encoder.encode(&record, &mut bytes));
    }
    let columns = Columns::new(&[], TimeZone::UTC, Arc::default(), Arc::default());
    let decoder = Decoder::new(Some(format), columns);
    let rejects = Rejects::default();
    let leaf = Leaf::pipe("ticks", Box::new(Cursor::new(bytes)), decoder, bars::partition_rules(), rejects);
    in_order(vec![leaf], tape.ticks.len());
}

/// Eight partitions to one order.
fn merge(tape: &Tape) {
    let mut shares = vec![Vec::new(); 8];
    tape.ticks.iter().for_each(|tick| shares[tick.symbol.0 as usize % 8].push(*tick));
    let leaves = shares.into_iter().map(|share| Leaf::made(share.into(), bars::partition_rules()));
    in_order(leaves.collect(), tape.ticks.len());
}

fn in_order(leaves: Vec<Leaf>, ticks: usize) {
    let mut merge = Merge::new(leaves, u64::MAX, u64::MAX);
    let mut timetable = Pace::AsRead.timetable();
    let came = counted(|| {
        let mut came = 0;
        loop {
            let ready = merge.ready(&mut timetable, 4096).expect("the ticks are well formed");
            match ready.len() {
                0 => return came,
                given => came += given,
            }
            ready.for_each(|due| _ = black_box(due.tick()));
        }
    });
    assert_eq!(came, ticks, "a tick was lost");
}

/// The loop of a worker, on a clock that stands still.
fn run(tape: &Tape, windows: impl Into<Windows>, horizon: Horizon) {
    let (windows, mut around) = (windows.into(), bars::surroundings(&tape.symbols));
    around.clock = Clock::manual();
    let feeds = in_memory(&tape.ticks, Pacing::Max, 1, &around).feeds;
    let sinks = vec![Box::new(Discard) as Box<dyn Sink<_> + Send>];
    let knobs = bars::as_fast_as_it_goes(4_096);
    let outcome = bars::play_through(knobs, feeds, sinks, horizon, &around, &mut Nobody, move |ticks| {
        ticks.window_aggregate::<Ohlcv>(windows.clone())
    });
    assert!(outcome.ledger.balances() && outcome.written.rows > 0, "a tick was lost");
}
