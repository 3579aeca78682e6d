//! The promise: bars are a function of the tape, and of none of the knobs, and equal a batch run over the whole
//! tape. What this can catch: a tick lost, doubled or put into the wrong window; an amendment that is missed, or
//! shown twice; state that is forgotten too early; a knob that shows. What it cannot: a rule that the oracle and
//! the operator both misread, and anything outside memory (files and pipes have tests of their own).

mod play;
mod tapes;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;
use play::{Knobs, knobs, lateness, play, play_through};
use proptest::prelude::*;
use tapeflow::aggregate::Ohlcv;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::oracle::{self, Corrected};
use tapeflow::row::Row as _;
use tapeflow::tick::{Kind, Tick};
use tapeflow::time::SECOND;
use tapeflow::window::Tumbling;
use tapes::{Spec, shuffled_within, specs, tape, trade};

fn check(tape: &[Tick], rules: &Lateness, window: i64, knobs: &Knobs) {
    let played = play(tape, rules, window, knobs);
    let corrected = Corrected::new(tape, rules, play::texts());
    let expected: BTreeSet<_> = oracle::bars(&corrected, &Tumbling::new(window).unwrap().into()).into_iter().collect();
    let digest = expected.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
    assert_eq!(played.rows.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(played.rows.len(), expected.len());
    assert_eq!(played.digest, digest);
    assert_eq!(played.ledger, corrected.ledger);
    assert!(played.ledger.balances());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bars_equal_the_oracle_whatever_the_knobs(
        spec in specs(), knobs in knobs(), (policy, horizon, zone) in lateness(), speed in 0..3_u8,
    ) {
        let tape = tape(&spec);
        let sessions = Sessions::new(TimeZone::get(zone).unwrap());
        let rules = Lateness { disorder: spec.disorder, policy, horizon, sessions };
        let knobs = Knobs { speed: [None, Some(1_000.0), Some(20_000.0)][usize::from(speed)], ..knobs };
        check(&tape, &rules, spec.window, &knobs);
    }

    #[test]
    fn a_shuffle_within_the_disorder_changes_nothing(spec in specs(), seed: u64, knobs in knobs()) {
        let spec = Spec { late: false, moves: 0, ..spec };
        let tape = tape(&spec);
        let sessions = Sessions::new(TimeZone::UTC);
        let rules = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
        let straight = play(&tape, &rules, spec.window, &Knobs::default());
        let shuffled = play(&shuffled_within(&tape, spec.disorder, seed), &rules, spec.window, &knobs);
        prop_assert_eq!(&straight.rows, &shuffled.rows);
        prop_assert_eq!(straight.digest, shuffled.digest);
        prop_assert_eq!(straight.ledger, shuffled.ledger);
    }

    #[test]
    fn the_changes_are_the_same_whatever_the_knobs(spec in specs(), knobs in knobs()) {
        let tape = tape(&spec);
        let sessions = Sessions::new(TimeZone::UTC);
        let rules = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
        let one = play(&tape, &rules, spec.window, &Knobs::default());
        let other = play(&tape, &rules, spec.window, &knobs);
        prop_assert_eq!(one.changes, other.changes);
    }
}

/// A print each half second of one symbol, whose sequence numbers begin anew after `period` prints, and each seventh of
/// which comes late.
fn reused(period: u64) -> Vec<Tick> {
    let tick = |i: i64| trade(3_600 * SECOND + i * SECOND / 2, 1 + i as u64 % period, 100 + i, 1);
    let mut tape: Vec<Tick> = (0..300).map(tick).collect();
    tape.sort_by_key(|tick| tick.ts_event + if tick.price.0 % 7 == 0 { 3 * SECOND } else { 0 });
    tape
}

#[test]
fn sequence_numbers_that_begin_anew_beyond_the_horizon_are_new_prints() {
    let sessions = Sessions::new(TimeZone::UTC);
    let horizon = Horizon::Span(5 * SECOND);
    let rules = Lateness { disorder: SECOND, policy: LatePolicy::Amend, horizon, sessions };
    for period in [11, 20, 21, 41, 50] {
        let tape = reused(period);
        let few = play(&tape, &rules, SECOND, &Knobs { max_ticks: 1, ..Knobs::default() });
        let many = play(&tape, &rules, SECOND, &Knobs::default());
        assert_eq!(few.rows, many.rows, "period {period}");
        assert_eq!((few.digest, few.ledger), (many.digest, many.ledger), "period {period}");
        assert_eq!(few.rows.len(), 150, "period {period}");
    }
}

#[test]
#[should_panic(expected = "worker 0 has done nothing for 50ms: it hangs, and the run is ended")]
fn a_worker_that_hangs_ends_the_run() {
    let sessions = Sessions::new(TimeZone::UTC);
    let rules = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::None, sessions };
    let ticks: Vec<Tick> = (0..10).map(|at| trade(at * SECOND, at as u64, 100, 1)).collect();
    let knobs = Knobs { watchdog: Some(Duration::from_millis(50)), ..Knobs::default() };
    play_through(&ticks, &rules, &knobs, |ticks| {
        let bars = ticks.window_aggregate::<Ohlcv>(Tumbling::new(SECOND).unwrap());
        bars.inspect(|_| std::thread::sleep(Duration::from_secs(3_600)))
    });
}

#[test]
#[should_panic(expected = "worker 1 panicked, as told above")]
fn a_worker_that_panics_ends_the_run() {
    let sessions = Sessions::new(TimeZone::UTC);
    let rules = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::None, sessions };
    let ticks: Vec<Tick> = (0..10).map(|at| trade(at * SECOND, at as u64, 100, 1)).collect();
    play_through(&ticks, &rules, &Knobs { workers: 2, ..Knobs::default() }, |ticks| {
        let worker = ticks.context.worker;
        let bars = ticks.window_aggregate::<Ohlcv>(Tumbling::new(SECOND).unwrap());
        bars.inspect(move |_| assert_eq!(worker, 0, "it is not for this worker"))
    });
}

#[test]
fn what_no_operator_takes_is_missed_in_the_ledger() {
    let sessions = Sessions::new(TimeZone::UTC);
    let rules = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::None, sessions };
    let kinds = [Kind::Trade, Kind::Quote, Kind::Trade, Kind::Quote, Kind::Quote];
    let tick = |(at, kind)| Tick { kind, ..trade(at * SECOND, at as u64, 100, 1) };
    let ticks: Vec<Tick> = (0..).zip(kinds).map(tick).collect();
    let second = Tumbling::new(SECOND).unwrap();
    let played = play_through(&ticks, &rules, &Knobs::default(), move |ticks| {
        let [_quotes, trades] = ticks.split();
        trades.window_aggregate::<Ohlcv>(second)
    });
    assert_eq!((played.ledger.read, played.ledger.accounted()), (5, 2));
    let played = play_through(&ticks, &rules, &Knobs::default(), move |ticks| ticks.window_aggregate::<Ohlcv>(second));
    assert_eq!((played.ledger.ignored, played.ledger.balances()), (3, true));
}

#[test]
fn another_tape_has_another_digest() {
    let spec = Spec {
        seed: 1,
        records: 50,
        symbols: 3,
        venues: 1,
        start: 3_600 * SECOND,
        disorder: 0,
        horizon: 60 * SECOND,
        moves: 0,
        window: SECOND,
        late: false,
        seq_per_symbol: false,
    };
    let sessions = Sessions::new(TimeZone::UTC);
    let rules = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
    let digest = |seed| play(&tape(&Spec { seed, ..spec.clone() }), &rules, SECOND, &Knobs::default()).digest;
    let digests: BTreeSet<u64> = (0..50).map(digest).collect();
    assert_eq!(digests.len(), 50);
}
