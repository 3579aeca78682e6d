//! Bursts equal a batch run over the corrected tape, whatever the knobs, the lateness, the gap and the ranking; their
//! changes are a function of the tape, and days that can no longer change are forgotten without a trace in the result.
//! What this can catch: a burst that stays when a cancel parted it or a late print joined it to another, one that is
//! lost between a worker's first and those of all, a tie that falls by chance, a burst of the wrong day.
//! What it cannot: a rule that oracle and dataflow both misread, for which there are cases worked out by hand.

mod play;
mod program;
mod tapes;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use play::{Knobs, Played, knobs, lateness, play_through};
use program::{Folder, Running, bursts as program, verified_rows};
use proptest::prelude::*;
use tapeflow::aggregate::Traded;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::operators::{Burst, By, Places, bursts};
use tapeflow::oracle::{self, Corrected};
use tapeflow::row::Row as _;
use tapeflow::tick::Tick;
use tapeflow::time::{MS, SECOND};
use tapeflow::window::Gap;
use tapes::{LATTICE, specs, tape};

fn places() -> impl Strategy<Value = Places> {
    let by = prop::sample::select(vec![By::Change, By::Volume, By::Notional]);
    (by, any::<bool>(), 1..=5_usize).prop_map(|(by, least, n)| Places { by, least, n, keep: None })
}

fn gaps() -> impl Strategy<Value = Gap> {
    prop::sample::select(vec![1, MS, LATTICE, LATTICE + 1, SECOND, 10 * SECOND]).prop_map(|gap| Gap::new(gap).unwrap())
}

fn played(tape: &[Tick], rules: &Lateness, gap: Gap, places: Places, knobs: &Knobs) -> Played<Burst> {
    play_through(tape, rules, knobs, move |ticks| {
        let context = ticks.context.clone();
        bursts(ticks.window_aggregate::<Traded>(gap), gap, places, &context)
    })
}

/// Plays a tape and compares with the oracle.
fn check(tape: &[Tick], rules: &Lateness, gap: Gap, places: Places, knobs: &Knobs) -> Played<Burst> {
    let played = played(tape, rules, gap, places, knobs);
    let corrected = Corrected::new(tape, rules, play::texts());
    let expected: BTreeSet<Burst> = oracle::bursts(&corrected, gap, &places).into_iter().collect();
    assert_eq!(played.rows.iter().cloned().collect::<BTreeSet<_>>(), expected);
    let digest = expected.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
    assert_eq!((played.rows.len(), played.digest, played.ledger), (expected.len(), digest, corrected.ledger));
    let too_early = played.changes.keys().find(|(time, row)| (*time as i64) < row.window().end_ms());
    assert!(too_early.is_none(), "told before its time is complete: {too_early:?}");
    played
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bursts_equal_the_oracle_whatever_the_knobs(
        spec in specs(), knobs in knobs(), (policy, horizon, zone) in lateness(), gap in gaps(), places in places(),
    ) {
        let sessions = Sessions::new(TimeZone::get(zone).unwrap());
        let rules = Lateness { disorder: spec.disorder, policy, horizon, sessions };
        check(&tape(&spec), &rules, gap, places, &knobs);
    }

    #[test]
    fn the_changes_are_the_same_whatever_the_knobs(
        spec in specs(), knobs in knobs(), gap in gaps(), places in places(),
    ) {
        let (tape, sessions) = (tape(&spec), Sessions::new(TimeZone::UTC));
        let rules = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
        let one = played(&tape, &rules, gap, places, &Knobs::default());
        let other = played(&tape, &rules, gap, places, &knobs);
        prop_assert_eq!(one.changes, other.changes);
    }

    #[test]
    fn forgetting_what_is_settled_changes_nothing(
        spec in specs(), knobs in knobs(), gap in gaps(), places in places(),
    ) {
        // Nobody is later than the disorder here, and nothing reaches further back than 5 s.
        let spec = tapes::Spec { late: false, moves: 0, ..spec };
        let (tape, sessions) = (tape(&spec), Sessions::new(TimeZone::UTC));
        let horizon = Horizon::Span(5 * SECOND);
        let rules = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon, sessions };
        let keep = Some(5 * SECOND + spec.disorder + gap.gap + SECOND);
        let forgetting = check(&tape, &rules, gap, Places { keep, ..places }, &knobs);
        prop_assert_eq!(forgetting.changes, check(&tape, &rules, gap, places, &knobs).changes);
    }
}

// By hand, through the program.

const TAPE: &str = "ts_event,symbol,price,size,seq,action,ref_seq
1000000000,A,10,100,1,,
1200000000,B,20,120,2,,
1500000000,A,11,1,3,,
2000000000,A,12,50,4,,
5000000000,A,9,200,5,,
5100000000,C,1,120,6,,
9000000000,A,,,7,cancel,3
20000000000,D,1,1,8,,
1400000000,A,11,7,9,,
";

fn rows(args: &[&str]) -> Vec<String> {
    verified_rows(program, TAPE, &[&["--set", "source.zone=UTC", "--set", "output.mode=final"], args].concat())
}

#[test]
fn the_greatest_of_a_day_are_told_and_equal_ones_go_by_the_text() {
    assert_eq!(
        rows(&["--top", "4"]),
        [
            "0,1,A,5000000000,6000000000,9,9,9,9,200,1,9,1800,0,0",
            "0,2,A,1000000000,3000000000,10,12,10,12,157,3,10.681528662,1677,2,20",
            "0,3,B,1200000000,2200000000,20,20,20,20,120,1,20,2400,0,0",
            "0,4,C,5100000000,6100000000,1,1,1,1,120,1,1,120,0,0",
        ]
    );
    let by = |by: &str| rows(&["--set", "bursts.top=1", "--set", &format!("bursts.by={by}")])[0][..6].to_owned();
    assert_eq!([by("notional"), by("change")], ["0,1,B,", "0,1,A,"]);
}

#[test]
fn a_burst_over_midnight_is_of_the_day_of_its_last_trade() {
    let folder = Folder::new();
    let tape = "ts_event,symbol,price,size\n86399500000000,A,1,1\n86400200000000,A,1,2\n86399400000000,B,1,1\n";
    let input = folder.write("tape.csv", tape);
    let args = ["--input", &input, "--set", "source.zone=UTC", "--set", "output.mode=final"];
    let rows = Running::start(&mut program(&args)).end().exits(0).stdout;
    let starts: Vec<&str> = rows.lines().skip(1).map(|row| &row[..row.find(",1,").unwrap() + 4]).collect();
    assert_eq!(starts, ["0,1,B", "86400000000000,1,A"]);
}

#[test]
fn places_change_as_the_day_goes_on_and_where_a_burst_is_parted_and_joined() {
    let changes = rows(&["--set", "bursts.top=2", "--set", "output.mode=changes"]);
    let short: Vec<String> = changes
        .iter()
        .map(|line| {
            let columns: Vec<&str> = line.split(',').collect();
            let [ms, diff, _, rank, symbol, volume] = [0, 1, 2, 3, 4, 11].map(|at| columns[at]);
            format!("{}: {diff} {rank} {symbol} {volume}", &ms[..ms.len() - 8])
        })
        .collect();
    let expected = [
        "22: 1 1 B 120",
        "30: -1 1 B 120",
        "30: 1 1 A 151",
        "30: 1 2 B 120",
        "60: -1 1 A 151",
        "60: 1 1 A 200",
        "60: -1 2 B 120",
        "60: 1 2 A 151",
        // The cancel parts the burst of 151 into 100 and 50.
        "90: -1 2 A 151",
        "90: 1 2 B 120",
        // The late print joins them.
        "200: -1 2 B 120",
        "200: 1 2 A 157",
    ];
    assert_eq!(short, expected);
}

#[test]
fn what_changes_after_it_was_forgotten_fails_the_run_and_mistakes_are_shown() {
    let folder = Folder::new();
    // The second day makes the first one over; then comes a symbol that is a day behind.
    let tape = "ts_event,symbol,price,size\n1000000000,A,1,1\n100000000000000,A,1,1\n2000000000,B,1,1\n";
    let input = folder.write("tape.csv", tape);
    let args = ["--input", &input, "--set", "source.zone=UTC", "--set", "source.max_jump=1000h"];
    Running::start(&mut program(&args)).end().exits(0);
    let forgetful = [&args[..], &["--set", "bursts.keep=1h"]].concat();
    let done = Running::start(&mut program(&forgetful)).end().exits(1);
    done.says(&["B changed in [2000000000, 3000000000)", "bursts.keep"]);
    let check = |set: &str| Running::start(&mut program(&["check", "--set", set])).end().exits(78);
    check("bursts.top=0").says(&["bursts.top", "a ranking of nobody"]);
    check("bursts.keep=500ms").says(&["bursts.keep", "days that are forgotten within a pause"]);
    check("window.gap=off").says(&["session windows without a gap"]);
}
