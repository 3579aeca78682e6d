//! What many symbols and overlapping windows cost: `cargo bench --bench scale`, with `-- --quick` in a minute.
//!
//! Measured: nanoseconds a tick through the whole runtime on one worker, in batches of 16,384, without a horizon, from a
//! tape in memory into a sink that discards. The first half of a tape warms up, so that no memory is touched for the first
//! time in the second half, which is measured. Bytes are what the worker's thread has in use at the tape's end.
//!
//! The limit, for the symbols: a bare loop over the same ticks, which has the same misses of the cache, and the same
//! digest, or the bench fails. For the windows: bars of a second, end to end.
//!
//! Reading it: figures are of the fastest of several repetitions, which take turns. Of the symbols, the n-th is 1/n as busy
//! as the first. Bytes a symbol are those beyond what 50 symbols take, by the symbols beyond 50. Overlapping windows make
//! rows, which cost, too: beside those that begin every 10 ms are windows of 10 ms end to end, which make about as many. The
//! same minute is played with a quarter of its ticks; what the other ticks take is the cost of a tick (`a tick alone`), and
//! what is left is that of the rows.

mod bars;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bars::limit::BareLoop;
use tapeflow::aggregate::Ohlcv;
use tapeflow::error::Result;
use tapeflow::lateness::Horizon;
use tapeflow::market::Market;
use tapeflow::row::Texts;
use tapeflow::runtime::Nobody;
use tapeflow::sink::{Discard, Sink};
use tapeflow::source::{Block, Blocks, Feed, Pull};
use tapeflow::tape::Pace;
use tapeflow::tick::Names;
use tapeflow::time::{MS, SECOND};
use tapeflow::window::{Sliding, Tumbling, Windows};

const SYMBOLS: [u32; 4] = [50, 500, 50_000, 500_000];
const BATCH: usize = 16_384;
const REPETITIONS: usize = 3;

/// A tape in two halves.
struct Tape {
    symbols: Arc<Names>,
    halves: [Arc<Block>; 2],
}

impl Tape {
    fn new(symbols: u32, per_second: f64, seconds: f64) -> Self {
        let names = Arc::new(Names::default());
        let market = Market { seed: 1, symbols, per_second, ticks: (per_second * seconds) as u64 };
        let mut first = market.tape(&names, bars::partition_rules());
        let second = first.split_off(first.len() / 2);
        let halves = [first, second].map(|ticks| Arc::new(Block { ticks, ..Block::default() }));
        Tape { symbols: names, halves }
    }

    /// Ticks in the second half.
    fn measured(&self) -> f64 {
        self.halves[1].ticks.len() as f64
    }
}

/// What the second half of a tape took.
#[derive(Clone, Copy, Debug)]
struct Took {
    nanos: f64,
    /// In use at its end, beyond what was in use at the tape's beginning.
    bytes: i64,
    /// Of the whole run.
    rows: i64,
    digest: u64,
}

impl Took {
    /// The faster of the two.
    fn or(self, other: Option<Took>) -> Took {
        other.filter(|other| other.nanos < self.nanos).unwrap_or(self)
    }
}

/// When each half was asked for, and the end, and what the thread that asked had in use.
type Marks = Arc<Mutex<Vec<(Instant, i64)>>>;

/// Hands out the halves, on the worker's thread.
struct Halves(std::array::IntoIter<Arc<Block>, 2>, Marks);

impl Blocks for Halves {
    fn pull(&mut self) -> Result<Pull> {
        self.1.lock().expect("nobody panics").push((Instant::now(), bars::in_use()));
        Ok(self.0.next().map_or(Pull::End, Pull::Block))
    }
}

fn dataflow(tape: &Tape, windows: impl Into<Windows>) -> Took {
    let (windows, marks) = (windows.into(), Marks::default());
    let halves = Halves(tape.halves.clone().into_iter(), marks.clone());
    let feeds = vec![Feed::new(Box::new(halves), Pace::AsRead, bars::DISORDER)];
    let sinks = vec![Box::new(Discard) as Box<dyn Sink<_> + Send>];
    let (knobs, around) = (bars::as_fast_as_it_goes(BATCH), bars::surroundings(&tape.symbols));
    let outcome = bars::play_through(knobs, feeds, sinks, Horizon::None, &around, &mut Nobody, move |ticks| {
        ticks.window_aggregate::<Ohlcv>(windows.clone())
    });
    let marks = marks.lock().expect("nobody panics");
    let (began, half, end) = (marks[0], marks[1], marks[2]);
    let nanos = (end.0 - half.0).as_nanos() as f64;
    Took { nanos, bytes: end.1 - began.1, rows: outcome.written.rows, digest: outcome.written.digest }
}

fn bare_loop(tape: &Tape, windows: Tumbling) -> Took {
    let (rules, texts) = (bars::lateness(Horizon::None), Texts::new(tape.symbols.clone(), Arc::default()));
    let before = bars::in_use();
    let mut bare = BareLoop::new(tape.symbols.len(), windows, &rules, &texts);
    bare.play(&tape.halves[0].ticks);
    let half = Instant::now();
    bare.play(&tape.halves[1].ticks);
    let (nanos, bytes) = (half.elapsed().as_nanos() as f64, bars::in_use() - before);
    Took { nanos, bytes, rows: 0, digest: bare.end() }
}

fn main() -> ExitCode {
    println!("{}", bars::machine());
    let keys = if keys() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    overlaps();
    println!("\n{}", bars::machine());
    keys
}

/// Prints what many symbols cost; says whether all digests were right.
fn keys() -> bool {
    let seconds = if bars::is_quick() { 5.0 } else { 50.0 };
    println!(
        "\n{:<10}{:>10}{:>14}{:>14}{:>10}{:>14}{:>20}{:>20}",
        "windows", "symbols", "loop ns/tick", "ns/tick", "of loop", "rows/tick", "loop bytes/symbol", "bytes/symbol"
    );
    for (what, length) in [("60 s", 60 * SECOND), ("1 s", SECOND)] {
        let windows = Tumbling::new(length).expect("it is longer than nothing");
        let mut fewest = (0, 0);
        for symbols in SYMBOLS {
            let tape = Tape::new(symbols, 200_000.0, seconds);
            let (mut bare, mut ours) = (None, None);
            for _ in 0..REPETITIONS {
                bare = Some(bare_loop(&tape, windows).or(bare));
                ours = Some(dataflow(&tape, windows).or(ours));
            }
            let (Some(bare), Some(ours)) = (bare, ours) else { continue };
            if bare.digest != ours.digest {
                eprintln!(
                    "{symbols} symbols: the dataflow has the digest {:016x}, the loop {:016x}",
                    ours.digest, bare.digest
                );
                return false;
            }
            if symbols == SYMBOLS[0] {
                fewest = (bare.bytes, ours.bytes);
            }
            let more = f64::from(symbols - SYMBOLS[0]);
            let a_symbol = |bytes: i64| if more > 0.0 { format!("{:.0}", bytes as f64 / more) } else { "-".into() };
            println!(
                "{what:<10}{:>10}{:>14.1}{:>14.1}{:>9.2}x{:>14.3}{:>20}{:>20}",
                bars::thousands(symbols as usize),
                bare.nanos / tape.measured(),
                ours.nanos / tape.measured(),
                ours.nanos / bare.nanos,
                ours.rows as f64 / (2.0 * tape.measured()),
                a_symbol(bare.bytes - fewest.0),
                a_symbol(ours.bytes - fewest.1)
            );
        }
    }
    true
}

/// Prints what overlapping windows cost.
fn overlaps() {
    let rate = if bars::is_quick() { 20_000.0 } else { 200_000.0 };
    let [dense, sparse] = [rate, rate / 4.0].map(|rate| Tape::new(500, rate, 60.0));
    let sliding = |slide| Sliding::new(10 * SECOND, slide).expect("it is no longer than its window");
    let tumbling = |length| Tumbling::new(length).expect("it is longer than nothing");
    let cases: [(&str, Windows); 5] = [
        ("1 s, end to end", tumbling(SECOND).into()),
        ("10 ms, end to end", tumbling(10 * MS).into()),
        ("10 s by 1 s", sliding(SECOND).into()),
        ("10 s by 100 ms", sliding(100 * MS).into()),
        ("10 s by 10 ms", sliding(10 * MS).into()),
    ];
    let mut took = [[None; 2]; 5];
    for _ in 0..REPETITIONS {
        for ((_, windows), took) in cases.iter().zip(&mut took) {
            for (tape, took) in [&dense, &sparse].into_iter().zip(took) {
                *took = Some(dataflow(tape, windows.clone()).or(*took));
            }
        }
    }
    println!(
        "\n{:<18}{:>10}{:>14}{:>14}{:>14}{:>14}{:>10}{:>10}",
        "windows", "ns/tick", "of the first", "rows/tick", "a tick alone", "of the first", "ns/row", "MB"
    );
    let mut first = None;
    for ((what, _), took) in cases.iter().zip(took) {
        let [Some(many), Some(few)] = took else { continue };
        let alone = (many.nanos - few.nanos) / (dense.measured() - sparse.measured());
        let a_tick = many.nanos / dense.measured();
        let (first_tick, first_alone) = *first.get_or_insert((a_tick, alone));
        // Half of a run's rows are of its second half.
        let a_row = (few.nanos - alone * sparse.measured()) / (few.rows as f64 / 2.0);
        println!(
            "{what:<18}{a_tick:>10.1}{:>13.2}x{:>14.3}{alone:>14.1}{:>13.2}x{a_row:>10.0}{:>10.1}",
            a_tick / first_tick,
            many.rows as f64 / (2.0 * dense.measured()),
            alone / first_alone,
            many.bytes as f64 / 1e6
        );
    }
}
