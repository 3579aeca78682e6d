//! Latest equals a batch run over the corrected tape, whatever the knobs and the lateness of trades and quotes. What
//! this can catch: a late tick that replaces a newer one, a day that is not amended to its end, a previous close of the
//! wrong day, a quote that is lost. What it cannot: a rule that oracle and dataflow both misread, for which there is a
//! case worked out by hand.

mod play;
mod program;
mod tapes;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use play::{Knobs, Played, knobs, lateness, play_through};
use program::{Folder, Running, latest as program};
use proptest::prelude::*;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::operators::{Boards, Every, Latest};
use tapeflow::oracle::{self, Corrected};
use tapeflow::row::Row as _;
use tapeflow::tick::Tick;
use tapeflow::time::SECOND;
use tapeflow::window::Tumbling;
use tapes::{Spec, specs, tape};

fn played(tape: &[Tick], rules: &Lateness, every: Every, knobs: &Knobs) -> Played<Latest> {
    play_through(tape, rules, knobs, move |ticks| ticks.latest(every))
}

fn check(tape: &[Tick], rules: &Lateness, every: Every, knobs: &Knobs) -> Played<Latest> {
    let played = played(tape, rules, every, knobs);
    let corrected = Corrected::new(tape, rules, play::texts());
    let expected = oracle::latest(&corrected, &every);
    let rows: BTreeSet<Latest> = expected.rows.into_iter().collect();
    assert_eq!(played.rows.iter().cloned().collect::<BTreeSet<_>>(), rows);
    let digest = rows.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
    assert_eq!((played.rows.len(), played.digest, Some(played.ledger)), (rows.len(), digest, expected.ledger));
    assert!(played.ledger.balances());
    let too_early = played.changes.keys().find(|(time, row)| (*time as i64) < row.window().end_ms());
    assert!(too_early.is_none(), "told before its time is complete: {too_early:?}");
    played
}

fn every(spec: &Spec, boards: Boards) -> Every {
    Every { windows: Tumbling::new(spec.window).unwrap(), boards, keep: None }
}

fn boards() -> impl Strategy<Value = Boards> {
    prop::sample::select(vec![Boards::Windows, Boards::Sessions])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn latest_equals_the_oracle_whatever_the_knobs(
        spec in specs(), knobs in knobs(), (policy, horizon, zone) in lateness(), boards in boards(),
    ) {
        let sessions = Sessions::new(TimeZone::get(zone).unwrap());
        let rules = Lateness { disorder: spec.disorder, policy, horizon, sessions };
        check(&tape(&spec), &rules, every(&spec, boards), &knobs);
    }

    #[test]
    fn the_changes_are_the_same_whatever_the_knobs(spec in specs(), knobs in knobs(), boards in boards()) {
        let (tape, sessions) = (tape(&spec), Sessions::new(TimeZone::UTC));
        let rules = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
        let one = played(&tape, &rules, every(&spec, boards), &Knobs::default());
        let other = played(&tape, &rules, every(&spec, boards), &knobs);
        prop_assert_eq!(one.changes, other.changes);
    }

    #[test]
    fn forgetting_what_is_settled_changes_nothing(spec in specs(), knobs in knobs(), boards in boards()) {
        // Nobody is later than the disorder here, and nothing reaches further back than 5 s.
        let spec = Spec { late: false, moves: 0, ..spec };
        let (tape, sessions) = (tape(&spec), Sessions::new(TimeZone::UTC));
        let horizon = Horizon::Span(5 * SECOND);
        let rules = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon, sessions };
        let keeping = every(&spec, boards);
        let forgetting = Every { keep: Some(5 * SECOND + spec.disorder + spec.window), ..keeping };
        let forgot = check(&tape, &rules, forgetting, &knobs).changes;
        prop_assert_eq!(forgot, check(&tape, &rules, keeping, &knobs).changes);
    }
}

const TAPE: &str = "ts_event,symbol,price,size,seq,action,ref_seq,bid,bid_size,ask,ask_size
1000000000,A,10,1,1,,,,,,
1100000000,A,,,2,quote,,9,3,11,4
2500000000,A,12,5,3,,,,,,
2400000000,A,,,4,quote,,8,3,12,4
8000000000,A,11,1,5,,,,,,
2300000000,A,13,2,6,,,,,,
1050000000,A,,,7,quote,,1,1,2,2
9000000000,A,,,8,cancel,3,,,,
86401000000000,A,,,9,quote,,7,1,8,1
86402000000000,A,22,1,10,,,,,,
";

#[test]
fn the_side_that_a_quote_has_not_is_empty() {
    let folder = Folder::new();
    let tape = "ts_event,symbol,action,bid,bid_size,ask,ask_size\n1000000000,A,quote,,,11,4\n";
    let input = folder.write("tape.csv", tape);
    let args = ["--input", &input, "--window", "1s", "--set", "output.mode=final"];
    let rows = Running::start(&mut program(&args)).end().exits(0).stdout;
    let row = rows.lines().nth(1).unwrap();
    assert_eq!(row, "A,1000000000,2000000000,,,,1000000000,,0,11,4,,,,0,0,,,");
}

#[test]
fn a_late_tick_replaces_nothing_newer_and_a_new_day_begins_with_the_previous_close() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", TAPE);
    let args = ["--input", &input, "--window", "1s", "--set", "source.zone=UTC", "--set", "source.max_jump=1000h"];
    let run = |more: &[&str]| Running::start(&mut program(&[&args, more].concat())).end().exits(0).stdout;
    let rows = run(&["--set", "output.mode=final"]);
    let day = |start: i64| format!("{start}000000000,{}000000000", start + 1);
    let expected = [
        // The quote at 1.05 came late and is not the last of its window.
        format!("A,{},1000000000,10,1,1100000000,9,3,11,4,10,10,10,1,1,,,", day(1)),
        // The print at 2.5 was cancelled, so the late one at 2.3 is the last.
        format!("A,{},2300000000,13,2,2400000000,8,3,12,4,10,13,10,3,2,,,", day(2)),
        format!("A,{},8000000000,11,1,2400000000,8,3,12,4,10,13,10,4,3,,,", day(8)),
        format!("A,{},,,,86401000000000,7,1,8,1,,,,0,0,11,,", day(86_401)),
        format!("A,{},86402000000000,22,1,86401000000000,7,1,8,1,22,22,22,1,1,11,11,100", day(86_402)),
    ];
    assert_eq!(rows.lines().skip(1).collect::<Vec<_>>(), expected);
    assert!(run(&["verify"]).starts_with("equal: 5 latest"));
    let sessions = run(&["--set", "latest.every=session", "--set", "output.mode=final"]);
    let (first, second) =
        ("A,0,86400000000000,8000000000,11,1,", "A,86400000000000,172800000000000,86402000000000,22,1,");
    let lines: Vec<&str> = sessions.lines().skip(1).collect();
    assert!(lines.len() == 2 && lines[0].starts_with(first) && lines[1].starts_with(second), "{sessions}");
    let done = Running::start(&mut program(&[&args[..], &["--set", "latest.keep=1s"]].concat())).end().exits(1);
    done.says(&["latest.keep", "A changed in [2000000000, 3000000000)"]);
}
