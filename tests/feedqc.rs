//! What is told of a feed equals a batch run over all of its records, whatever the knobs. What this can catch: a record
//! that is missed or counted twice; a gap that a late record fills, or splits, and that still stands; windows that a
//! record bears on and that are not amended; state that is forgotten too early; a knob that shows. What it cannot: a rule
//! that oracle and operator both misread, for which there is a case worked out by hand.

mod play;
mod program;
mod tapes;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use play::{Knobs, knobs, lateness, play_through};
use program::{feedqc as program, verified_rows};
use proptest::prelude::*;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::oracle::{self, Corrected};
use tapeflow::quality::Standard;
use tapeflow::row::Row as _;
use tapeflow::tick::{Kind, Price, Tick, mix};
use tapeflow::time::SECOND;
use tapeflow::window::Tumbling;
use tapes::{Spec, specs, tape};

fn spec_and_standard() -> impl Strategy<Value = (Spec, Standard)> {
    (specs(), prop::sample::select(vec![1, 2, 5]), any::<bool>()).prop_map(|(spec, stale_windows, seq_per_symbol)| {
        let windows = Tumbling::new(spec.window).unwrap();
        (spec, Standard { windows, stale_windows, seq_per_symbol })
    })
}

/// A tape whose records were received at some time, and whose quotes have an ask.
fn received(spec: &Spec) -> Vec<Tick> {
    let mut tape = tape(spec);
    for tick in &mut tape {
        let dice = mix(spec.seed ^ tick.seq ^ tick.ts_event as u64);
        if !dice.is_multiple_of(4) {
            tick.set_received(tick.ts_event + (dice / 4 % 3_000_000) as i64 - 10_000);
        }
        if tick.kind == Kind::Quote {
            tick.set_ask(Price(tick.price.0 + (dice / 16 % 3) as i64 - 1));
        }
    }
    tape
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn figures_equal_the_oracle_whatever_the_knobs(
        (spec, standard) in spec_and_standard(), knobs in knobs(), (policy, horizon, zone) in lateness(),
    ) {
        let tape = received(&spec);
        let sessions = Sessions::new(TimeZone::get(zone).unwrap());
        let late = Lateness { disorder: spec.disorder, policy, horizon, sessions };
        let played = play_through(&tape, &late, &knobs, move |ticks| ticks.check_feed(standard));
        let expected = oracle::feedqc(&Corrected::new(&tape, &late, play::texts()), &standard);
        let digest = expected.rows.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
        prop_assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected.rows.into_iter().collect());
        prop_assert_eq!(played.digest, digest);
        prop_assert_eq!(Some(played.ledger), expected.ledger);
        prop_assert!(played.ledger.balances());
    }

    #[test]
    fn the_changes_are_the_same_whatever_the_knobs((spec, standard) in spec_and_standard(), knobs in knobs()) {
        let tape = received(&spec);
        let sessions = Sessions::new(TimeZone::UTC);
        let late = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
        let run = |knobs: &Knobs| play_through(&tape, &late, knobs, move |ticks| ticks.check_feed(standard));
        prop_assert_eq!(run(&Knobs::default()).changes, run(&knobs).changes);
    }
}

#[test]
fn sessions_are_forgotten_and_nothing_that_matters() {
    let spec = Spec {
        seed: 5,
        records: 3_000,
        symbols: 4,
        venues: 3,
        start: (1_710_115_200 - 600) * SECOND,
        disorder: SECOND,
        horizon: 60 * SECOND,
        moves: 0,
        window: 5 * SECOND,
        late: true,
        seq_per_symbol: false,
    };
    let (tape, windows) = (received(&spec), Tumbling::new(5 * SECOND).unwrap());
    let (horizon, sessions) = (Horizon::Span(20 * SECOND), Sessions::new(TimeZone::UTC));
    let late = Lateness { disorder: SECOND, policy: LatePolicy::Amend, horizon, sessions };
    let standard = Standard { windows, stale_windows: 3, seq_per_symbol: false };
    let expected = oracle::feedqc(&Corrected::new(&tape, &late, play::texts()), &standard);
    let expected: BTreeSet<_> = expected.rows.into_iter().collect();
    let sum = |of: fn(&tapeflow::quality::Figures) -> u64| expected.iter().map(|row| of(&row.figures)).sum::<u64>();
    let told = [sum(|f| f.gaps), sum(|f| f.duplicates), sum(|f| f.backwards), sum(|f| f.stale), sum(|f| f.crossed)];
    assert!(told.iter().all(|n| *n > 0), "the tape tests too little: {told:?}");
    for workers in [1, 2, 3] {
        let knobs = Knobs { workers, ..Knobs::default() };
        let played = play_through(&tape, &late, &knobs, move |ticks| ticks.check_feed(standard));
        assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[test]
fn each_channel_of_a_venue_is_told_with_its_gaps_latencies_and_rates() {
    let tape = "ts_event,ts_recv,symbol,venue,channel,seq,action,price,size,bid,ask
1000000000,1000000100,A,X,1,1,,10,1,,
1005000000,1005000200,A,X,1,2,,10,1,,
1100000000,1099999995,B,X,1,4,quote,,,10,10
1050000000,1050000100,B,X,1,5,,10,1,,
1200000000,,A,X,2,1,quote,,,11,10
2000000000,,A,X,1,6,,10,1,,
2500000000,,A,X,2,1,,10,1,,
";
    let args = ["--window", "1s", "--set", "feedqc.stale=2s", "--set", "output.mode=final"];
    let mut rows = verified_rows(program, tape, &args);
    rows.sort();
    // Records by kind, gap, missing, duplicate, backwards; latencies; active, silent, stale, locked, crossed; peaks.
    let expected = [
        "X/1,1000000000,2000000000,4,3,0,0,1,1,1,0,1,100,200,200,1,128:2 256:1,2,0,0,1,0,4,3,2",
        "X/1,2000000000,3000000000,1,1,0,0,0,0,0,0,0,,,,0,,1,1,0,0,0,1,1,1",
        "X/2,1000000000,2000000000,1,0,0,0,1,0,0,0,0,,,,0,,1,0,0,0,1,1,1,1",
        "X/2,2000000000,3000000000,1,1,0,0,0,0,0,1,0,,,,0,,1,0,0,0,0,1,1,1",
    ];
    assert_eq!(rows, expected);
}
