//! What the pipelines over collections keep up with: `cargo bench --bench collections`, with `-- --quick` in a minute.
//!
//! Measured, on one and on two workers, from a tape in memory into a sink that discards, at full speed: ticks a second,
//! changes of rows a second (insertions and retractions, the amendments of about 1% of the ticks among them), and how
//! many times faster than the tape's own time that is.
//!
//! `corr` at 500 symbols has 124,750 pairs, whose moments move on with each bar of a second, and from which it reports
//! the ten that move together most over the last half minute, each second. It and `movers` are to keep up with 100 times
//! real time, which the last line judges.
//!
//! `movers` ranks the symbols of each second by change, and `bursts` the runs of trades between pauses of a tenth of a
//! second by volume, all day long: some hundred of them end each second.
//!
//! Every run's digest is compared with the others' of its pipeline; the bench fails where they differ.

mod bars;

use std::process::ExitCode;
use std::sync::Arc;

use bars::Rates;
use tapeflow::aggregate::{Ohlcv, Traded, Vwap};
use tapeflow::asof::AsOf;
use tapeflow::lateness::Horizon;
use tapeflow::market::Market;
use tapeflow::operators::{Boards, By, Changes, Every, Places, Ranking, Ticks, bursts, correlate, movers};
use tapeflow::pairs::{Correlation, Measure};
use tapeflow::quality::Standard;
use tapeflow::row::Row;
use tapeflow::runtime::Nobody;
use tapeflow::sink::{Discard, Sink};
use tapeflow::source::{Pacing, in_memory};
use tapeflow::tick::{Kind, Names, Price, Tick};
use tapeflow::time::{MS, SECOND};
use tapeflow::window::{Gap, Last};

const REPETITIONS: usize = 3;

/// So many times real time `movers` and `corr` are to keep up with.
const FAST: f64 = 100.0;

/// How long days and windows are kept.
const DAY: i64 = 86_400 * SECOND;

/// A tape and how long it is in its own time.
struct Tape {
    symbols: Arc<Names>,
    ticks: Vec<Tick>,
    seconds: f64,
}

impl Tape {
    fn new(symbols: u32, per_second: f64, seconds: u64) -> Tape {
        let names = Arc::new(Names::default());
        let market = Market { seed: 1, symbols, per_second, ticks: (per_second as u64) * seconds };
        let ticks = market.tape(&names, bars::partition_rules());
        Tape { symbols: names, ticks, seconds: seconds as f64 }
    }

    /// The same, with two of three trades made quotes a cent about their price.
    fn quoted(mut self) -> Tape {
        for tick in self.ticks.iter_mut().filter(|tick| tick.kind == Kind::Trade && !tick.seq.is_multiple_of(3)) {
            tick.kind = Kind::Quote;
            tick.set_ask(Price(tick.price.0 + Price::SCALE / 50));
        }
        self
    }
}

fn main() -> ExitCode {
    let seconds = if bars::is_quick() { 20 } else { 120 };
    let market = Tape::new(500, 20_000.0, seconds);
    let quoted = Tape::new(500, 20_000.0, seconds).quoted();
    println!("{}", bars::machine());
    println!("500 symbols, 20,000 ticks a second of event time, {seconds} s of it; medians of {REPETITIONS}\n");
    println!("{:<26}{:>8}{:>12}{:>13}{:>12}{:>9}", "what", "workers", "M ticks/s", "changes/s", "real time", "spread");
    let seconds = bars::windows();
    measure("bars alone", &market, move |ticks| ticks.window_aggregate::<Ohlcv>(seconds));
    let last = Last::new(100, seconds).expect("a hundred is more than none");
    measure("vwap, last 100", &market, move |ticks| ticks.window_aggregate::<Vwap>(last));
    let every = Every { windows: seconds, boards: Boards::Windows, keep: Some(DAY) };
    measure("latest", &quoted, move |ticks| ticks.latest(every));
    let places = |by| Places { by, least: false, n: 10, keep: Some(DAY) };
    let ranking = Ranking { boards: Boards::Windows, places: places(By::Change), sectors: None };
    let mut slowest = measure("movers, by change", &market, move |ticks| {
        let context = ticks.context.clone();
        movers(ticks.window_aggregate::<Traded>(seconds), ranking.clone(), &context)
    });
    let (gap, by_volume) = (Gap::new(100 * MS).expect("longer than nothing"), places(By::Volume));
    measure("bursts, by volume", &market, move |ticks| {
        let context = ticks.context.clone();
        bursts(ticks.window_aggregate::<Traded>(gap), gap, by_volume, &context)
    });
    let corr = |on, span, top| Correlation { on, span, every: bars::windows(), min: 10, top };
    let half_minute = Some(30 * SECOND);
    for (what, rule) in [
        ("corr, returns, 30 s", corr(Measure::Returns, half_minute, Some(10))),
        ("corr, levels, 30 s", corr(Measure::Levels, half_minute, Some(10))),
        ("corr, returns, all", corr(Measure::Returns, None, Some(10))),
    ] {
        let times = measure(what, &market, move |ticks| {
            let context = ticks.context.clone();
            correlate(ticks.window_aggregate::<Ohlcv>(seconds), seconds, rule, &context)
        });
        slowest = slowest.min(times);
    }
    let rule = AsOf { strict: false, tolerance: None, markout: SECOND };
    measure("tq", &quoted, move |ticks| ticks.match_quotes(seconds, rule));
    let standard = Standard { windows: seconds, stale_windows: 60, seq_per_symbol: false };
    measure("feedqc", &quoted, move |ticks| ticks.check_feed(standard));
    let verdict = if slowest >= FAST { "keep" } else { "do not keep" };
    println!(
        "\nmovers and corr {verdict} up with {FAST:.0}x: the slowest plays {slowest:.0} times as fast as real time"
    );
    ExitCode::SUCCESS
}

/// Plays a tape through a pipeline on one and on two workers, and prints a row for each. Returns how many times as fast as
/// real time the slower one is.
fn measure<R, F>(what: &str, tape: &Tape, pipeline: F) -> f64
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Clone + Send + Sync + 'static,
{
    let (mut digests, mut slowest) = (Vec::new(), f64::INFINITY);
    for workers in [1, 2] {
        let (mut rates, mut changes) = (Vec::new(), 0);
        for _ in 0..REPETITIONS {
            let around = bars::surroundings(&tape.symbols);
            let opened = in_memory(&tape.ticks, Pacing::Max, workers, &around);
            let sinks = (0..workers).map(|_| Box::new(Discard) as Box<dyn Sink<R> + Send>).collect();
            let (horizon, pipeline) = (Horizon::Session, pipeline.clone());
            let (knobs, nobody) = (bars::as_fast_as_it_goes(16_384), &mut Nobody);
            let outcome = bars::play_through(knobs, opened.feeds, sinks, horizon, &around, nobody, pipeline);
            assert!(outcome.ledger.balances(), "{what}: a tick was lost: {:?}", outcome.ledger);
            digests.push(outcome.written.digest);
            // A row that stands was inserted once, and each that was retracted once more.
            changes = outcome.written.rows.unsigned_abs() + 2 * outcome.written.retracted;
            rates.push(tape.ticks.len() as f64 / (outcome.elapsed as f64 / 1e9));
        }
        let rates = Rates::of(rates);
        let took = tape.ticks.len() as f64 / rates.median;
        slowest = slowest.min(tape.seconds / took);
        println!(
            "{what:<26}{workers:>8}{:>12.2}{:>13}{:>11.0}x{:>8.0}%",
            rates.median / 1e6,
            bars::thousands((changes as f64 / took) as usize),
            tape.seconds / took,
            100.0 * rates.spread
        );
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{what}: the digests differ: {digests:x?}");
    slowest
}
