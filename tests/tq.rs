//! Trades beside their quotes equal a batch run over the corrected tape, bit for bit, whatever the knobs. What this can
//! catch: a trade that is lost, doubled or beside the wrong quote; a late quote, a cancel or a correction that does not
//! reach a row, be it by the tick test or the markout; state that is forgotten too early; a knob that shows. What it
//! cannot: a rule that oracle and operator both misread; `tests/oracles.rs` compares with pandas.

mod play;
mod tapes;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use play::{Knobs, knobs, lateness, play_through};
use proptest::prelude::*;
use tapeflow::asof::AsOf;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::oracle::{self, Corrected};
use tapeflow::row::Row as _;
use tapeflow::tick::{Kind, Price, Tick, mix};
use tapeflow::time::SECOND;
use tapeflow::window::Tumbling;
use tapes::{LATTICE, Spec, specs, tape};

fn rules() -> impl Strategy<Value = AsOf> {
    let tolerance = prop::option::of(prop::sample::select(vec![0, LATTICE, 3 * SECOND]));
    let markout = prop::sample::select(vec![0, 1, LATTICE, SECOND, 7 * SECOND]);
    (any::<bool>(), tolerance, markout).prop_map(|(strict, tolerance, markout)| AsOf { strict, tolerance, markout })
}

/// A tape of which about half the trades became quotes, so that prices meet mids.
fn quoted(spec: &Spec) -> Vec<Tick> {
    let mut tape = tape(spec);
    for tick in tape.iter_mut().filter(|tick| matches!(tick.kind, Kind::Trade | Kind::Quote)) {
        // Few prices, so that runs of one price, at the mid, go on from window to window. Repeats of a print stay what
        // they were.
        tick.price = Price(tick.price.0.rem_euclid(3) - i64::from(tick.price.0 % 11 == 0) + 2);
        let dice = mix(spec.seed ^ tick.seq.wrapping_mul(0x9e37));
        if dice.is_multiple_of(2) || tick.kind == Kind::Quote {
            tick.kind = Kind::Quote;
            let ask = match dice / 2 % 8 {
                0 => 0,
                1 => tick.price.0 - 1,
                2..5 => tick.price.0,
                n => tick.price.0 + (n as i64 - 6) * 2,
            };
            tick.set_ask(Price(ask));
            tick.ask_size = (dice % 7) as u32;
        }
    }
    tape
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trades_beside_quotes_equal_the_oracle_whatever_the_knobs(
        spec in specs(), rule in rules(), knobs in knobs(), (policy, horizon, zone) in lateness(),
    ) {
        let tape = quoted(&spec);
        let sessions = Sessions::new(TimeZone::get(zone).unwrap());
        let late = Lateness { disorder: spec.disorder, policy, horizon, sessions };
        let windows = Tumbling::new(spec.window).unwrap();
        let played = play_through(&tape, &late, &knobs, move |ticks| ticks.match_quotes(windows, rule));
        let expected = oracle::tq(&Corrected::new(&tape, &late, play::texts()), &windows, &rule);
        let digest = expected.rows.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
        prop_assert_eq!(played.rows.len(), expected.rows.len());
        prop_assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected.rows.into_iter().collect());
        prop_assert_eq!(played.digest, digest);
        prop_assert_eq!(Some(played.ledger), expected.ledger);
        prop_assert!(played.ledger.balances());
    }

    #[test]
    fn the_changes_are_the_same_whatever_the_knobs(spec in specs(), rule in rules(), knobs in knobs()) {
        let tape = quoted(&spec);
        let sessions = Sessions::new(TimeZone::UTC);
        let late = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
        let windows = Tumbling::new(spec.window).unwrap();
        let run = |knobs: &Knobs| play_through(&tape, &late, knobs, move |ticks| ticks.match_quotes(windows, rule));
        prop_assert_eq!(run(&Knobs::default()).changes, run(&knobs).changes);
    }
}

#[test]
fn a_long_tape_forgets_nothing_that_matters() {
    let spec = Spec {
        seed: 11,
        records: 4_000,
        symbols: 3,
        venues: 2,
        start: 3_600 * SECOND,
        disorder: SECOND,
        horizon: 60 * SECOND,
        moves: 0,
        window: SECOND,
        late: true,
        seq_per_symbol: false,
    };
    let tape = quoted(&spec);
    let (horizon, sessions) = (Horizon::Span(20 * SECOND), Sessions::new(TimeZone::UTC));
    let late = Lateness { disorder: SECOND, policy: LatePolicy::Amend, horizon, sessions };
    let windows = Tumbling::new(SECOND).unwrap();
    let rule = AsOf { strict: false, tolerance: None, markout: 2 * SECOND };
    let expected = oracle::tq(&Corrected::new(&tape, &late, play::texts()), &windows, &rule);
    let expected: BTreeSet<_> = expected.rows.into_iter().collect();
    let sides: BTreeSet<_> = expected.iter().map(|row| (row.side, row.spread_bp.map(|bp| bp.0 == 0.0))).collect();
    assert!(sides.len() > 4, "the tape tests too little: {sides:?}");
    for workers in [1, 2] {
        let knobs = Knobs { workers, ..Knobs::default() };
        let played = play_through(&tape, &late, &knobs, move |ticks| ticks.match_quotes(windows, rule));
        assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}
