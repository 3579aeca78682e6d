//! Correlations equal a batch run over the corrected tape, bit for bit, whatever the knobs. What this can catch: a bar
//! that is missed, counted twice or left in the moments; a report that is not amended, or made of the wrong bars; a
//! best pair that is overlooked; state that is forgotten too early; a knob that shows. What it cannot: a rule that
//! oracle and operator both misread; `tests/oracles.rs` compares with pandas.

mod play;
mod program;
mod tapes;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use play::{Knobs, Played, knobs, lateness, play_through};
use program::{Folder, Running, corr as program};
use proptest::prelude::*;
use tapeflow::aggregate::Ohlcv;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::operators::correlate;
use tapeflow::oracle::{self, Corrected};
use tapeflow::pairs::{Correlation, Measure, Pair};
use tapeflow::row::Row as _;
use tapeflow::tick::{Symbol, Tick};
use tapeflow::time::SECOND;
use tapeflow::window::Tumbling;
use tapes::{Spec, specs, trade};

/// The tape of a spec. Where some come late, each symbol is there from the beginning: one that comes for the first time when
/// what it belongs to is forgotten fails the run.
fn tape(spec: &Spec) -> Vec<Tick> {
    let opening = |symbol: u32| Tick { symbol: Symbol(symbol), ..trade(spec.start - 600 * SECOND, 2_000_000, 100, 1) };
    let openings = (0..spec.symbols).filter(|_| spec.late).map(opening);
    openings.chain(tapes::tape(spec)).collect()
}

/// Rules for bars of a window of this length.
fn rules(window: i64) -> impl Strategy<Value = Correlation> {
    let on = prop::sample::select(vec![Measure::Returns, Measure::Levels]);
    let every = prop::sample::select(vec![1, 2, 7]);
    let span = prop::option::weighted(0.7, prop::sample::select(vec![1, 3, 10, 100]));
    let top = prop::option::weighted(0.7, prop::sample::select(vec![1, 3, 50]));
    (on, every, span, 1..5_u64, top).prop_map(move |(on, every, span, min, top)| {
        let span = span.map(|times: i64| window * every * times);
        Correlation { on, span, every: Tumbling::new(window * every).unwrap(), min, top }
    })
}

fn correlated(tape: &[Tick], late: &Lateness, window: i64, rule: Correlation, knobs: &Knobs) -> Played<Pair> {
    let windows = Tumbling::new(window).unwrap();
    play_through(tape, late, knobs, move |ticks| {
        let context = ticks.context.clone();
        correlate(ticks.window_aggregate::<Ohlcv>(windows), windows, rule, &context)
    })
}

fn spec_and_rule() -> impl Strategy<Value = (Spec, Correlation)> {
    specs().prop_flat_map(|spec| {
        let window = spec.window;
        (Just(spec), rules(window))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pairs_equal_the_oracle_whatever_the_knobs(
        (spec, rule) in spec_and_rule(), knobs in knobs(), (policy, horizon, zone) in lateness(),
    ) {
        let tape = tape(&spec);
        let sessions = Sessions::new(TimeZone::get(zone).unwrap());
        let late = Lateness { disorder: spec.disorder, policy, horizon, sessions };
        let played = correlated(&tape, &late, spec.window, rule, &knobs);
        let corrected = Corrected::new(&tape, &late, play::texts());
        let expected = oracle::corr(&corrected, &Tumbling::new(spec.window).unwrap(), &rule);
        let digest = expected.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
        prop_assert_eq!(played.rows.len(), expected.len());
        prop_assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect());
        prop_assert_eq!(played.digest, digest);
        prop_assert_eq!(played.ledger, corrected.ledger);
    }

    #[test]
    fn the_changes_are_the_same_whatever_the_knobs(
        (spec, rule) in spec_and_rule(), knobs in knobs(), (policy, horizon, zone) in lateness(),
    ) {
        let tape = tape(&spec);
        let sessions = Sessions::new(TimeZone::get(zone).unwrap());
        let late = Lateness { disorder: spec.disorder, policy, horizon, sessions };
        let one = correlated(&tape, &late, spec.window, rule, &Knobs::default());
        let other = correlated(&tape, &late, spec.window, rule, &knobs);
        prop_assert_eq!(one.changes, other.changes);
    }
}

#[test]
fn a_cancelled_print_leaves_nothing_in_the_moments() {
    let spec = Spec {
        seed: 7,
        records: 2_000,
        symbols: 8,
        venues: 1,
        start: 3_600 * SECOND,
        disorder: SECOND,
        horizon: 60 * SECOND,
        moves: 0,
        window: SECOND,
        late: true,
        seq_per_symbol: false,
    };
    let tape = tape(&spec);
    let horizon = Horizon::Span(20 * SECOND);
    let late =
        Lateness { disorder: SECOND, policy: LatePolicy::Amend, horizon, sessions: Sessions::new(TimeZone::UTC) };
    let every = Tumbling::new(SECOND).unwrap();
    for (span, top) in [(Some(30 * SECOND), Some(2)), (None, None), (Some(3 * SECOND), None)] {
        let rule = Correlation { on: Measure::Returns, span, every, min: 2, top };
        let expected = oracle::corr(&Corrected::new(&tape, &late, play::texts()), &every, &rule);
        for workers in [1, 2] {
            let knobs = Knobs { workers, ..Knobs::default() };
            let played = correlated(&tape, &late, SECOND, rule, &knobs);
            let expected: BTreeSet<_> = expected.iter().cloned().collect();
            assert!(!expected.is_empty());
            assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected, "{span:?}, top {top:?}");
        }
    }
}

#[test]
fn a_late_first_print_without_returns_is_in_every_report_that_follows() {
    let at = |second: i64, price: i64| trade((3_600 + second) * SECOND, second as u64 + 1, price, 1);
    let mut tape: Vec<Tick> = (0..20).map(|second| at(second, 100 + second)).collect();
    tape.push(Tick { symbol: Symbol(1), ..at(3, -3) });
    let (horizon, sessions) = (Horizon::Session, Sessions::new(TimeZone::UTC));
    let late = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon, sessions };
    let windows = Tumbling::new(SECOND).unwrap();
    let rule = Correlation { on: Measure::Returns, span: Some(SECOND), every: windows, min: 1, top: None };
    let expected = oracle::corr(&Corrected::new(&tape, &late, play::texts()), &windows, &rule);
    let played = correlated(&tape, &late, SECOND, rule, &Knobs { max_ticks: 1, ..Knobs::default() });
    assert_eq!(expected.len(), 17);
    assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect());
}

#[test]
fn a_symbol_that_comes_when_its_reports_are_forgotten_fails_the_run_and_one_that_comes_in_time_does_not() {
    let folder = Folder::new();
    let mut tape = "ts_event,symbol,price,size\n".to_owned();
    for second in 0..100 {
        for (symbol, swing) in [("A", 7), ("B", 11)] {
            tape += &format!("{second}000000000,{symbol},{},1\n", 100 + second * second % swing);
        }
    }
    let with = |seconds: [u32; 3]| {
        let late = seconds.map(|second| format!("{second}500000000,C,{},1\n", 100 + second * second % 7));
        folder.write("tape.csv", tape.clone() + &late.concat())
    };
    let args = |input: &str, horizon: &str, more: &[&str]| -> Vec<String> {
        let args = ["--input", input, "--window", "1s", "--set", "corr.window=10s", "--set", "corr.min=2", "--set"];
        args.into_iter().chain([horizon]).chain(more.iter().copied()).map(str::to_owned).collect()
    };
    let run =
        |args: Vec<String>| Running::start(&mut program(&args.iter().map(String::as_str).collect::<Vec<_>>())).end();
    let short = "late.horizon=5s";
    for more in [["--top", "2"], ["--top", "all"], ["--set", "corr.window=all"]] {
        // What the others' clocks settle ends two horizons before them, and C is to be a bar ahead of that at least.
        let done = run(args(&with([3, 4, 5]), short, &more)).exits(1);
        done.says(&["C changed in [3000000000, 4000000000)", "late.horizon"]);
        for (seconds, horizon) in [([92, 93, 94], short), ([3, 4, 5], "late.horizon=60s")] {
            let verify = [&["verify".to_owned()][..], &args(&with(seconds), horizon, &more)].concat();
            let verified = run(verify).exits(0).stdout;
            assert!(verified.starts_with("equal: "), "{verified}");
        }
    }
}
