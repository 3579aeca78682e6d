//! Does a run that chooses its own waits come near the best that can be chosen by hand? `cargo bench --bench auto`,
//! about eleven minutes; with `-- --quick` one minute, which shows that it works and no more. Where the machine itself
//! holds threads up for longer than the target of 2 ms, ask for what it can do: `-- --target-ms 20`.
//!
//! Measured: cores in use and the p99 of ticks, after a warm-up, of three loads under `batch.policy = "auto"` and under
//! fixed settings: a constant 500,000 ticks a second; 100,000 that become a million halfway; and
//! bursts of ten times the rate, 100 ms in each second. The whole runtime is in it, on as many workers as cores, two at
//! most, which park when they have nothing to do.
//!
//! The limit: the fixed setting that keeps to the target on the fewest cores, found by trying all of them in the same
//! run, with the repeats of all settings taking turns.
//!
//! Reading it: figures are medians of the repeats, with the range of p99. The verdict of a load is `within 10%` when
//! auto keeps to the target, too, and takes at most a tenth more of a core. Where no fixed setting keeps to the
//! target, the machine is too restless, and nothing is concluded. All runs of one load must have the same digest, else
//! the bench fails.

mod bars;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bars::{cpu_seconds, thousands};
use tapeflow::batch::BatchLimits;
use tapeflow::error::Result;
use tapeflow::latency::Stage;
use tapeflow::lateness::Horizon;
use tapeflow::market::Market;
use tapeflow::runtime::{Interval, Knobs, Snapshot, Watch};
use tapeflow::sink::{Discard, Sink};
use tapeflow::source::{Block, Blocks, Feed, Pull};
use tapeflow::tape::{Burst, Gaps, Pace};
use tapeflow::tick::{Names, Tick, owner};

const MAX_TICKS: usize = 16_384;
/// The lingers of the fixed settings, as shares of the target; the first is greedy.
const LINGERS: [f64; 9] = [0.0, 0.05, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
/// What auto may take more than the best fixed setting.
const MARGIN: f64 = 1.1;

/// What p99 is to be, how long each run is, and how often it is repeated.
struct Plan {
    target: Duration,
    warmup: Duration,
    measured: Duration,
    repeats: usize,
}

/// A load: the tape, and when each tick is due.
struct Load {
    name: &'static str,
    tape: Vec<Tick>,
    dues: Vec<u64>,
    symbols: Arc<Names>,
}

/// One setting, and what its repeats came to.
struct Case {
    batch: BatchLimits,
    p99: Vec<u64>,
    cores: Vec<f64>,
}

fn main() -> ExitCode {
    let Some(target) = target() else {
        eprintln!("--target-ms wants milliseconds, as in --target-ms 20");
        return ExitCode::FAILURE;
    };
    let plan = if bars::is_quick() {
        Plan { target, warmup: Duration::from_millis(1_500), measured: Duration::from_secs(1), repeats: 1 }
    } else {
        Plan { target, warmup: Duration::from_secs(2), measured: Duration::from_secs(4), repeats: 3 }
    };
    println!("{}", bars::machine());
    println!("p99 is to be {target:?} at most; {} repeats of {:?} each\n", plan.repeats, plan.measured);
    let mut verdicts = Vec::new();
    for load in loads(&plan) {
        let Some(verdict) = judge(&load, &plan) else { return ExitCode::FAILURE };
        verdicts.push(format!("{}: {verdict}", load.name));
    }
    println!("{}\n{}", verdicts.join("\n"), bars::machine());
    ExitCode::SUCCESS
}

/// What was asked for, or 2 ms.
fn target() -> Option<Duration> {
    let mut args = std::env::args().skip_while(|arg| arg != "--target-ms").skip(1);
    let asked_for = std::env::args().any(|arg| arg == "--target-ms");
    let millis = if asked_for { args.next()?.parse().ok().filter(|&millis| millis > 0)? } else { 2 };
    Some(Duration::from_millis(millis))
}

fn loads(plan: &Plan) -> Vec<Load> {
    let seconds = (plan.warmup + plan.measured).as_secs_f64();
    // The step comes halfway through what is measured.
    let step = plan.warmup.as_secs_f64() + plan.measured.as_secs_f64() / 2.0;
    let (low, high) = (100_000.0, 1_000_000.0);
    let stepped = move |index: f64| match index / low {
        at if at < step => at,
        _ => step + (index - step * low) / high,
    };
    let stepped_ticks = step * low + (seconds - step) * high;
    let burst = Burst { times: 10.0, length: 100_000_000, every: 1_000_000_000 };
    let rate = |per_second, burst| {
        let mut timetable = Pace::Rate { per_second, gaps: Gaps::Even, burst }.timetable();
        let ticks = (per_second * seconds) as u64;
        (0..ticks).map(|_| timetable.due(0).unwrap_or(0)).collect::<Vec<u64>>()
    };
    let step_dues = (0..stepped_ticks as u64).map(|index| (stepped(index as f64) * 1e9) as u64).collect();
    [
        ("a constant 500,000/s", rate(500_000.0, None)),
        ("a step from 100,000/s to 1,000,000/s", step_dues),
        ("bursts of 10x for 100 ms each second, 300,000/s on average", rate(300_000.0, Some(burst))),
    ]
    .map(|(name, dues)| {
        let symbols = Arc::new(Names::default());
        let per_second = dues.len() as f64 / seconds;
        let market = Market { seed: 1, symbols: 500, per_second, ticks: dues.len() as u64 };
        let tape = market.tape(&symbols, bars::partition_rules());
        assert_eq!(tape.len(), dues.len(), "every tick has its due time");
        Load { name, tape, dues, symbols }
    })
    .into()
}

/// Tries all settings on a load and prints what they came to; returns the verdict, unless digests differ.
fn judge(load: &Load, plan: &Plan) -> Option<String> {
    let limits = |delay| BatchLimits::new(MAX_TICKS, delay, u64::MAX);
    let fixed = LINGERS.map(|share| limits(plan.target.mul_f64(share)));
    let all = fixed.into_iter().chain([limits(plan.target).keeping(plan.target)]);
    let mut cases: Vec<Case> = all.map(|batch| Case { batch, p99: Vec::new(), cores: Vec::new() }).collect();
    let mut digest = None;
    println!("{}: {} ticks", load.name, thousands(load.tape.len()));
    for _ in 0..plan.repeats {
        for case in &mut cases {
            let got = run(load, plan, case);
            if *digest.get_or_insert(got) != got {
                eprintln!("{}: the digest {got:016x} is not that of the runs before", case.batch);
                return None;
            }
        }
    }
    println!("{:>44}{:>8}{:>10}{:>20}", "setting", "cores", "p99 us", "min..max");
    for case in &cases {
        let range = format!("{}..{}", micros(case.p99[0]), micros(case.p99[case.p99.len() - 1]));
        let met = if case.keeps(plan.target) { "" } else { "  misses the target" };
        let (name, cores) = (case.batch.to_string(), median(&case.cores));
        println!("{name:>44}{cores:>8.3}{:>10}{range:>20}{met}", micros(median(&case.p99)));
    }
    let (auto, fixed) = cases.split_last()?;
    let cheapest = |a: &&Case, b: &&Case| median(&a.cores).total_cmp(&median(&b.cores));
    let verdict = match fixed.iter().filter(|case| case.keeps(plan.target)).min_by(cheapest) {
        None => "no fixed setting keeps to the target here, so nothing is concluded".into(),
        Some(best) => {
            let ratio = median(&auto.cores) / median(&best.cores);
            let verdict = match (auto.keeps(plan.target), ratio <= MARGIN) {
                (true, true) => "within 10%",
                (true, false) => "NOT within 10%",
                (false, _) => "NOT within 10%: auto misses the target",
            };
            let p99 = median(&auto.p99) as f64 / median(&best.p99) as f64;
            format!("auto takes {ratio:.2} of the cores of {}, at {p99:.2} of its p99: {verdict}", best.batch)
        }
    };
    println!("{verdict}\n");
    Some(verdict)
}

/// Runs a case once more; returns the digest.
fn run(load: &Load, plan: &Plan, case: &mut Case) -> u64 {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(2);
    let around = bars::surroundings(&load.symbols);
    let sinks = (0..workers).map(|_| Box::new(Discard) as Box<dyn Sink<_> + Send>).collect();
    let warmup = plan.warmup.as_nanos() as u64;
    let knobs = Knobs { batch: case.batch, spin: false, max_lead_ms: 60_000, warmup, watchdog: None, memory: None };
    let feeds = load.feeds(workers);
    let mut cpu = AfterWarmup { from: Instant::now() + plan.warmup, began: None };
    let outcome = bars::play_with(knobs, feeds, sinks, Horizon::Session, &around, &mut cpu);
    assert!(outcome.ledger.balances(), "a tick was lost: {:?}", outcome.ledger);
    if let (Some((at, before)), Some(after)) = (cpu.began, cpu_seconds()) {
        case.cores.push((after - before) / at.elapsed().as_secs_f64());
    }
    case.p99.push(outcome.stages.get(Stage::Tick).value_at_quantile(0.99));
    case.p99.sort_unstable();
    case.cores.sort_by(f64::total_cmp);
    outcome.written.digest
}

impl Case {
    fn keeps(&self, target: Duration) -> bool {
        u128::from(median(&self.p99)) <= target.as_nanos()
    }
}

impl Load {
    /// A feed for each worker, with the ticks of its own symbols.
    fn feeds(&self, workers: usize) -> Vec<Feed> {
        let owners: Vec<usize> = self.symbols.all().iter().map(|symbol| owner(symbol, workers)).collect();
        let mut blocks = vec![Block::default(); workers];
        for (tick, due) in self.tape.iter().zip(&self.dues) {
            let block = &mut blocks[owners[tick.symbol.0 as usize]];
            block.ticks.push(*tick);
            block.dues.push(*due);
        }
        // The due times are in the blocks; the pace only says that there are some.
        let pace = Pace::Rate { per_second: 1.0, gaps: Gaps::Even, burst: None };
        let feed = |block| Feed::new(Box::new(Once(Some(Arc::new(block)))), pace, bars::DISORDER);
        blocks.into_iter().map(feed).collect()
    }
}

struct Once(Option<Arc<Block>>);

impl Blocks for Once {
    fn pull(&mut self) -> Result<Pull> {
        Ok(self.0.take().map_or(Pull::End, Pull::Block))
    }
}

/// Notes the processor time when the warm-up is over: a controller learns at the beginning, and that is not its price.
struct AfterWarmup {
    from: Instant,
    began: Option<(Instant, f64)>,
}

impl Watch for AfterWarmup {
    fn progress(&mut self, _snapshot: &Snapshot<'_>) {
        if self.began.is_none() && Instant::now() >= self.from {
            self.began = cpu_seconds().map(|cpu| (Instant::now(), cpu));
        }
    }

    fn interval(&mut self, _interval: &Interval<'_>) -> Result<()> {
        Ok(())
    }
}

/// The median of values in order; zero of none.
fn median<T: Copy + Default>(values: &[T]) -> T {
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn micros(nanos: u64) -> String {
    thousands((nanos / 1_000) as usize)
}
