//! How much of the hardware the dataflow leaves: `cargo bench --bench engine`, with `-- --quick` in ten seconds.
//!
//! Measured: ticks a second through the whole runtime (feed, batches, `window_aggregate` into bars of a second,
//! digest, latency recording), from a tape in memory into a sink that discards, by batch size and workers.
//!
//! The limit: the same aggregation of the same tape as a bare loop: no dataflow, no batches, no latencies, one pass
//! over a slice with a slot for each symbol, in the same run on the same cores. Under `horizon session` the loop also
//! keeps every print, as the operator must, but does nothing about cancels, corrections and late ticks.
//!
//! Readers hand each worker the ticks of its symbols. Two rows tell what that spares: there, the workers take turns at
//! the batches of the tape and exchange the ticks in the dataflow.
//!
//! Reading it: the repetitions take turns, and `of limit` is a row's rate over that of the limit above it, by medians
//! and by the fastest of each. Other programs only ever slow a run down, so where `spread`, (fastest - slowest) /
//! median, is large, the fastest tell more; by them the engine is judged. Every run's digest is compared: without a
//! horizon with the bare loop's, with one with that of a plain computation over the finished tape. The bench fails
//! where they differ.

mod bars;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use bars::exchange::{by_symbol, dealt};
use bars::limit::{BareLoop, digest_of, print_of};
use bars::{Rates, WINDOW};
use tapeflow::aggregate::{Aggregate as _, Ohlcv};
use tapeflow::lateness::{Horizon, Lateness};
use tapeflow::market::Market;
use tapeflow::row::Texts;
use tapeflow::runtime::Nobody;
use tapeflow::sink::{Discard, Sink};
use tapeflow::source::{Pacing, in_memory};
use tapeflow::tick::{Kind, Names, Symbol, Tick, owner};
use tapeflow::window::Window;

const SYMBOLS: u32 = 500;
const REPETITIONS: usize = 3;
const BATCHES: [usize; 6] = [1, 16, 256, 4_096, 16_384, 65_536];

/// The row by which the engine is judged, and what it should reach.
const JUDGED: (usize, usize) = (1, 16_384);
const BAR: f64 = 0.75;

/// A row of the table.
struct Case {
    workers: usize,
    session: bool,
    /// `None` is the limit.
    batch: Option<usize>,
    exchanges: bool,
    ticks: usize,
    rates: Vec<f64>,
}

/// The tape, and what every run needs of it.
struct Bench {
    symbols: Arc<Names>,
    tape: Vec<Tick>,
    texts: Texts,
}

fn main() -> ExitCode {
    let ticks = if bars::is_quick() { 2_000_000 } else { 20_000_000 };
    let symbols = Arc::new(Names::default());
    let market = Market { seed: 1, symbols: SYMBOLS, per_second: 200_000.0, ticks };
    let tape = market.tape(&symbols, bars::partition_rules());
    let bench = Bench { texts: Texts::new(symbols.clone(), Arc::default()), symbols, tape };
    let mut cases = cases(bench.tape.len());
    let expected: HashMap<(bool, usize), u64> =
        cases.iter().map(|case| ((case.session, case.ticks), bench.expected(case))).collect();

    println!("{}", bars::machine());
    println!("{} ticks, {SYMBOLS} symbols, windows of 1 s, disorder 50 ms", bars::thousands(bench.tape.len()));
    for _ in 0..REPETITIONS {
        for case in &mut cases {
            let (digest, seconds) = bench.run(case);
            let is_kept_loop = case.session && case.batch.is_none();
            let right = expected[&(case.session && !is_kept_loop, case.ticks)];
            if digest != right {
                eprintln!("{} has the digest {digest:016x} instead of {right:016x}", case.what());
                return ExitCode::FAILURE;
            }
            case.rates.push(case.ticks as f64 / seconds);
        }
    }
    report(cases);
    ExitCode::SUCCESS
}

/// All rows, each limit before what is compared with it. Small batches play less of the tape, not to take all day.
fn cases(ticks: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for (workers, session) in [(1, false), (2, false), (1, true)] {
        let case = |batch, ticks| Case { workers, session, batch, exchanges: false, ticks, rates: Vec::new() };
        cases.push(case(None, ticks));
        cases.extend(BATCHES.map(|batch| {
            let share = match batch {
                1 => 20,
                16 => 4,
                _ => 1,
            };
            case(Some(batch), ticks / share)
        }));
        if workers > 1 {
            cases.extend([4_096, 16_384].map(|batch| Case { exchanges: true, ..case(Some(batch), ticks) }));
        }
    }
    cases
}

fn report(cases: Vec<Case>) {
    println!(
        "\n{:<44}{:>8}{:>12}{:>9}{:>10}{:>12}{:>10}",
        "what", "batch", "M ticks/s", "spread", "of limit", "fastest", "of limit"
    );
    let (mut limit, mut judged) = (Rates::default(), 0.0);
    for case in cases {
        let rates = Rates::of(case.rates.clone());
        if case.batch.is_none() {
            limit = rates;
        }
        let fastest_share = rates.fastest / limit.fastest;
        if (case.workers, case.batch, case.session) == (JUDGED.0, Some(JUDGED.1), false) {
            judged = fastest_share;
        }
        println!(
            "{:<44}{:>8}{:>12.2}{:>8.0}%{:>9.0}%{:>12.2}{:>9.0}%",
            case.what(),
            case.batch.map_or("-".into(), bars::thousands),
            rates.median / 1e6,
            100.0 * rates.spread,
            100.0 * rates.median / limit.median,
            rates.fastest / 1e6,
            100.0 * fastest_share
        );
    }
    let (batch, got, wanted) = (bars::thousands(JUDGED.1), 100.0 * judged, 100.0 * BAR);
    let verdict = if judged >= BAR { "cleared" } else { "NOT cleared" };
    println!("\nbatches of {batch} on one worker: {got:.0}% of the limit; bar {wanted:.0}%: {verdict}");
    println!("every digest as expected; {}", bars::machine());
}

impl Case {
    fn what(&self) -> String {
        let horizon = if self.session { "session" } else { "off" };
        let (what, on) = if self.batch.is_none() { ("bare loop", "core") } else { ("dataflow", "worker") };
        let plural = if self.workers == 1 { "" } else { "s" };
        let exchanges = if self.exchanges { ", exchange" } else { "" };
        format!("{what}, {} {on}{plural}{exchanges}, horizon {horizon}", self.workers)
    }

    fn horizon(&self) -> Horizon {
        if self.session { Horizon::Session } else { Horizon::None }
    }
}

impl Bench {
    /// Runs a case once; returns its digest and how many seconds it took.
    fn run(&self, case: &Case) -> (u64, f64) {
        let tape = &self.tape[..case.ticks];
        let Some(batch) = case.batch else { return self.limit(case) };
        let around = bars::surroundings(&self.symbols);
        let sinks = (0..case.workers).map(|_| Box::new(Discard) as Box<dyn Sink<_> + Send>).collect();
        let outcome = if case.exchanges {
            let (knobs, owners) = (bars::as_fast_as_it_goes(batch), Arc::new(self.owners(case.workers)));
            let feeds = dealt(tape, batch, case.workers);
            bars::play_through(knobs, feeds, sinks, case.horizon(), &around, &mut Nobody, move |ticks| {
                by_symbol(ticks, owners.clone()).window_aggregate::<Ohlcv>(bars::windows())
            })
        } else {
            let opened = in_memory(tape, Pacing::Max, case.workers, &around);
            bars::play(opened.feeds, sinks, batch, case.horizon(), &around)
        };
        assert!(outcome.ledger.balances(), "a tick was lost: {:?}", outcome.ledger);
        (outcome.written.digest, outcome.elapsed as f64 / 1e9)
    }

    /// The worker of each symbol.
    fn owners(&self, workers: usize) -> Vec<usize> {
        self.symbols.all().iter().map(|text| owner(text, workers)).collect()
    }

    /// The bare loop, on as many cores as the case has workers, each with its own symbols.
    fn limit(&self, case: &Case) -> (u64, f64) {
        let tape = &self.tape[..case.ticks];
        let rules = bars::lateness(case.horizon());
        let run = |tape: &[Tick], rules: Lateness| self.bare_loop(tape, &rules);
        if case.workers == 1 {
            let began = Instant::now();
            return (run(tape, rules), began.elapsed().as_secs_f64());
        }
        let mut shares = vec![Vec::new(); case.workers];
        let owners = self.owners(case.workers);
        tape.iter().for_each(|tick| shares[owners[tick.symbol.0 as usize]].push(*tick));
        let began = Instant::now();
        let digests = std::thread::scope(|scope| {
            let start = |share| {
                scope.spawn({
                    let rules = rules.clone();
                    move || run(share, rules)
                })
            };
            let threads: Vec<_> = shares.iter().map(|share| start(share)).collect();
            threads.into_iter().map(|thread| thread.join().expect("the loop does not panic")).collect::<Vec<u64>>()
        });
        (digests.into_iter().fold(0, u64::wrapping_add), began.elapsed().as_secs_f64())
    }

    fn bare_loop(&self, tape: &[Tick], rules: &Lateness) -> u64 {
        let mut bare = BareLoop::new(SYMBOLS as usize, bars::windows(), rules, &self.texts);
        bare.play(tape);
        bare.end()
    }

    /// The digest that a case must have.
    fn expected(&self, case: &Case) -> u64 {
        let tape = &self.tape[..case.ticks];
        if case.session { self.finished(tape) } else { self.bare_loop(tape, &bars::lateness(Horizon::None)) }
    }

    /// The digest of the bars of a finished tape of one session: each print as the last message about it left it.
    fn finished(&self, tape: &[Tick]) -> u64 {
        let mut last: HashMap<(Symbol, u64), &Tick> = HashMap::new();
        for message in tape.iter().filter(|tick| matches!(tick.kind, Kind::Cancel | Kind::Correct)) {
            let known = last.entry((message.symbol, message.ref_seq)).or_insert(message);
            if (message.ts_event, message.seq) > (known.ts_event, known.seq) {
                *known = message;
            }
        }
        let mut bars: HashMap<(Symbol, i64), Ohlcv> = HashMap::new();
        for tick in tape.iter().filter(|tick| tick.kind == Kind::Trade) {
            let mut print = print_of(tick);
            match last.get(&(tick.symbol, tick.seq)) {
                Some(message) if message.kind == Kind::Cancel => continue,
                Some(message) => (print.price, print.size) = (message.price, message.size),
                None => {}
            }
            bars.entry((tick.symbol, tick.ts_event.div_euclid(WINDOW) * WINDOW)).or_default().add(&print);
        }
        let digests = bars.iter().map(|((symbol, start), bar)| {
            digest_of(Window { start: *start, end: start + WINDOW }, *symbol, bar, &self.texts)
        });
        digests.fold(0, u64::wrapping_add)
    }
}
