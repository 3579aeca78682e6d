//! Correlations equal a batch run over the corrected tape, bit for bit, whatever the knobs. What this can catch: a bar
//! that is missed, counted twice or left in the moments; a report that is not amended, or made of the wrong bars; a
//! best pair that is overlooked; state that is forgotten too early; a knob that shows. What it cannot: a rule that
//! oracle and operator both misread; `tests/oracles.rs` compares with pandas.

mod play;
mod tapes;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use play::{Knobs, Played, knobs, lateness, play_through};
use proptest::prelude::*;
use tapeflow::aggregate::Ohlcv;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::operators::correlate;
use tapeflow::oracle::{self, Corrected};
use tapeflow::pairs::{Correlation, Measure, Pair};
use tapeflow::row::Row as _;
use tapeflow::tick::{Eligible, Kind, Price, Symbol, Tick, Venue};
use tapeflow::time::SECOND;
use tapeflow::window::Tumbling;
use tapes::{Spec, specs, tape};

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
        let moves = if horizon == Horizon::Session { spec.moves } else { 0 };
        let spec = Spec { moves, ..spec };
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
        let moves = if horizon == Horizon::Session { spec.moves } else { 0 };
        let tape = tape(&Spec { moves, ..spec });
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
    let tick = |symbol: u32, second: i64, price: i64| Tick {
        ts_event: (3_600 + second) * SECOND,
        seq: second as u64 + 1,
        price: Price(price),
        ref_seq: 0,
        size: 1,
        symbol: Symbol(symbol),
        ask_size: 0,
        watermark_lead_ms: 0,
        recv_lag: Tick::NOT_RECEIVED,
        venue: Venue(0),
        kind: Kind::Trade,
        eligible: Eligible::ALL,
    };
    let mut tape: Vec<Tick> = (0..20).map(|second| tick(0, second, 100 + second)).collect();
    tape.push(tick(1, 3, -3));
    let (horizon, sessions) = (Horizon::Session, Sessions::new(TimeZone::UTC));
    let late = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon, sessions };
    let windows = Tumbling::new(SECOND).unwrap();
    let rule = Correlation { on: Measure::Returns, span: Some(SECOND), every: windows, min: 1, top: None };
    let expected = oracle::corr(&Corrected::new(&tape, &late, play::texts()), &windows, &rule);
    let played = correlated(&tape, &late, SECOND, rule, &Knobs { max_ticks: 1, ..Knobs::default() });
    assert_eq!(expected.len(), 17);
    assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect());
}
