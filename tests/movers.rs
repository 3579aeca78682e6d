//! Movers equal a batch run over the corrected tape: whatever the knobs, the lateness, the ranking and the sectors,
//! also when sectors change while a run goes on, and boards that can no longer change are forgotten without a trace in
//! the result. What this can catch: a rank that stays when its holder was cancelled, a previous close that is not
//! amended, a tie that falls by chance, a window or day that is told too early. What it cannot: a rule that oracle and
//! dataflow both misread, for which there are a few cases worked out by hand.

mod play;
mod program;
mod tapes;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use play::{Knobs, Played, knobs, lateness, play_by, play_through};
use program::{Folder, Running, movers as program, verified_rows};
use proptest::prelude::*;
use tapeflow::aggregate::Traded;
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::operators::{Boards, By, Mover, Places, Ranking, Reference, movers};
use tapeflow::oracle::{self, Corrected};
use tapeflow::row::Row as _;
use tapeflow::tick::Tick;
use tapeflow::time::{Clock, SECOND};
use tapeflow::window::Tumbling;
use tapes::{NAMES, Spec, specs, tape};

fn rankings() -> impl Strategy<Value = Ranking> {
    let boards = prop::sample::select(vec![Boards::Windows, Boards::Sessions]);
    let by = prop::sample::select(vec![By::Change, By::Volume, By::Notional]);
    (boards, by, any::<bool>(), 1..=4_usize).prop_map(|(boards, by, least, n)| Ranking {
        boards,
        places: Places { by, least, n, keep: None },
        sectors: None,
    })
}

fn keeping(ranking: &Ranking, keep: Option<i64>) -> Ranking {
    Ranking { places: Places { keep, ..ranking.places }, ..ranking.clone() }
}

fn windows(spec: &Spec) -> Tumbling {
    Tumbling::new(spec.window).unwrap()
}

fn played(tape: &[Tick], rules: &Lateness, windows: Tumbling, ranking: &Ranking, knobs: &Knobs) -> Played<Mover> {
    let ranking = ranking.clone();
    play_through(tape, rules, knobs, move |ticks| {
        let context = ticks.context.clone();
        movers(ticks.window_aggregate::<Traded>(windows), ranking.clone(), &context)
    })
}

/// Plays a tape and compares with the oracle.
fn check(tape: &[Tick], rules: &Lateness, windows: Tumbling, ranking: &Ranking, knobs: &Knobs) -> Played<Mover> {
    let played = played(tape, rules, windows, ranking, knobs);
    let corrected = Corrected::new(tape, rules, play::texts());
    let expected: BTreeSet<Mover> = oracle::movers(&corrected, windows, ranking).into_iter().collect();
    assert_eq!(played.rows.iter().cloned().collect::<BTreeSet<_>>(), expected);
    let digest = expected.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
    assert_eq!((played.rows.len(), played.digest, played.ledger), (expected.len(), digest, corrected.ledger));
    let too_early = played.changes.keys().find(|(time, row)| (*time as i64) < row.window().end_ms());
    assert!(too_early.is_none(), "told before its time is complete: {too_early:?}");
    played
}

/// A table of sectors for some of the tapes' symbols.
fn sectors(folder: &Folder) -> Arc<Reference> {
    let path = folder.write("sectors.csv", "symbol,sector\nA,tech\nMSFT,tech\nBRK.B,money\nNOBODY,tech\n");
    Arc::new(Reference::new(path.into()))
}

/// Tables of sectors, of which each is longer than the one before: where two are written within a tick of the file
/// system's clock, their length tells them apart.
fn tables() -> impl Strategy<Value = Vec<String>> {
    let label = prop::sample::select(vec!["", "tech", "money"]);
    let labels = prop::collection::vec(prop::option::of(label), NAMES.len());
    prop::collection::vec(labels, 2..6).prop_map(|tables| {
        let text = |(at, labels): (usize, Vec<Option<&str>>)| {
            let named = NAMES.iter().zip(labels).filter_map(|(name, label)| Some(format!("{name},{}\n", label?)));
            format!("symbol,sector\n{}{}", named.collect::<String>(), "\n".repeat(100 * at))
        };
        tables.into_iter().enumerate().map(text).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn movers_equal_the_oracle_whatever_the_knobs(
        spec in specs(), knobs in knobs(), (policy, horizon, zone) in lateness(), ranking in rankings(), by_sector: bool,
    ) {
        let folder = Folder::new();
        let sessions = Sessions::new(TimeZone::get(zone).unwrap());
        let rules = Lateness { disorder: spec.disorder, policy, horizon, sessions };
        let ranking = Ranking { sectors: by_sector.then(|| sectors(&folder)), ..ranking };
        check(&tape(&spec), &rules, windows(&spec), &ranking, &knobs);
    }

    #[test]
    fn the_changes_are_the_same_whatever_the_knobs(spec in specs(), knobs in knobs(), ranking in rankings()) {
        let (tape, sessions) = (tape(&spec), Sessions::new(TimeZone::UTC));
        let rules = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
        let one = played(&tape, &rules, windows(&spec), &ranking, &Knobs::default());
        let other = played(&tape, &rules, windows(&spec), &ranking, &knobs);
        prop_assert_eq!(one.changes, other.changes);
    }

    #[test]
    fn forgetting_what_is_settled_changes_nothing(spec in specs(), knobs in knobs(), ranking in rankings()) {
        // Nobody is later than the disorder here, and nothing reaches further back than 5 s.
        let spec = Spec { late: false, moves: 0, ..spec };
        let tape = tape(&spec);
        let (sessions, horizon) = (Sessions::new(TimeZone::UTC), Horizon::Span(5 * SECOND));
        let rules = Lateness { disorder: spec.disorder, policy: LatePolicy::Amend, horizon, sessions };
        let ranking = keeping(&ranking, Some(5 * SECOND + spec.disorder + spec.window));
        let forgetting = check(&tape, &rules, windows(&spec), &ranking, &knobs);
        let ranking = keeping(&ranking, None);
        prop_assert_eq!(forgetting.changes, check(&tape, &rules, windows(&spec), &ranking, &knobs).changes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sectors_that_change_while_it_runs_come_to_those_of_the_last_table(
        spec in specs(), knobs in knobs(), (policy, horizon, zone) in lateness(), ranking in rankings(),
        mut tables in tables(), each in 1..20_usize,
    ) {
        let rules = Lateness { disorder: spec.disorder, policy, horizon, sessions: Sessions::new(TimeZone::get(zone).unwrap()) };
        let (tape, windows, folder) = (tape(&spec), windows(&spec), Folder::new());
        let path = folder.write("sectors.csv", tables.remove(0));
        let ranking = Ranking { sectors: Some(Arc::new(Reference::new(path.clone().into()))), ..ranking };
        // With each so many changes of bars there is another table, and it is time to look at it.
        let clock = Clock::manual();
        let to_come = Arc::new(Mutex::new((0, tables.into_iter())));
        let (time, rule) = (clock.clone(), ranking.clone());
        let played = play_by(clock, &tape, &rules, &knobs, move |ticks| {
            let (context, to_come, time, path) = (ticks.context.clone(), to_come.clone(), time.clone(), path.clone());
            let bars = ticks.window_aggregate::<Traded>(windows).inspect(move |_| {
                let (seen, tables) = &mut *to_come.lock().unwrap();
                *seen += 1;
                if *seen % each == 0 && let Some(table) = tables.next() {
                    std::fs::write(&path, table).unwrap();
                    time.advance(Duration::from_secs(1));
                }
            });
            movers(bars, rule.clone(), &context)
        });
        let corrected = Corrected::new(&tape, &rules, play::texts());
        let expected: BTreeSet<Mover> = oracle::movers(&corrected, windows, &ranking).into_iter().collect();
        let digest = expected.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
        prop_assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected);
        prop_assert_eq!((played.digest, played.ledger), (digest, corrected.ledger));
    }
}

// By hand, through the program.

const TAPE: &str = "ts_event,symbol,price,size,seq,action,ref_seq
1000000000,B,100,10,1,,
1000000000,A,100,10,2,,
1000000000,C,3,100,3,,
2000000000,A,101,10,4,,
2100000000,B,101,10,5,,
2200000000,C,1,100,6,,
2300000000,D,7,1,7,,
3000000000,A,101,1,8,,
9000000000,A,,,9,cancel,4
";

fn rows(args: &[&str]) -> Vec<String> {
    verified_rows(program, TAPE, &[&["--window", "1s", "--set", "output.mode=final", "-w", "2"], args].concat())
}

#[test]
fn the_first_places_of_a_window_by_change_fall_to_the_text_where_they_are_equal() {
    // A's rise to 101 was cancelled, so B is first, and A has no row in [2, 3). D has no previous close.
    assert_eq!(
        rows(&["--top", "3"]),
        [
            "2000000000,3000000000,,1,B,101,100,1,1,10,1010,1",
            "2000000000,3000000000,,2,C,1,3,-2,-66.666666667,100,100,1",
            "3000000000,4000000000,,1,A,101,100,1,1,1,101,1",
        ]
    );
    let losers = rows(&["--set", "movers.top=1", "--set", "movers.order=least"]);
    assert_eq!(losers[0], "2000000000,3000000000,,1,C,1,3,-2,-66.666666667,100,100,1");
    let volume = rows(&["--top", "2", "--set", "movers.by=volume"]);
    assert_eq!(
        volume[..2],
        ["1000000000,2000000000,,1,C,3,,,,100,300,1", "1000000000,2000000000,,2,A,100,,,,10,1000,1"]
    );
}

#[test]
fn a_day_is_its_bars_together() {
    let day = rows(&["--set", "movers.over=day", "--set", "movers.by=notional", "--set", "source.zone=UTC"]);
    assert_eq!(
        day,
        [
            "0,86400000000000,,1,B,101,,,,20,2010,2",
            "0,86400000000000,,2,A,101,,,,11,1101,2",
            "0,86400000000000,,3,C,1,,,,200,400,2",
            "0,86400000000000,,4,D,7,,,,1,7,1",
        ]
    );
}

#[test]
fn a_cancelled_leader_is_retracted_and_the_others_move_up() {
    let changes = rows(&["--set", "movers.top=1", "--set", "output.mode=changes"]);
    let of_window: Vec<&String> = changes.iter().filter(|line| line.contains(",2000000000,3000000000,")).collect();
    assert_eq!(
        of_window,
        [
            "3000000000,1,2000000000,3000000000,,1,A,101,100,1,1,10,1010,1",
            "9000000000,-1,2000000000,3000000000,,1,A,101,100,1,1,10,1010,1",
            "9000000000,1,2000000000,3000000000,,1,B,101,100,1,1,10,1010,1",
        ]
    );
}

/// A run that ranks by volume in the sectors of a table, and has put out the places of the second from 1 on; its input,
/// and the rest of its rows.
fn by_sectors(table: &str) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    let sectors = format!("movers.sectors={table}");
    let args =
        ["--input", "-", "--window", "1s", "--set", &sectors, "--set", "movers.by=volume", "--set", "movers.top=1"];
    let mut child = program(&args).stdin(Stdio::piped()).spawn().unwrap();
    let (mut input, mut rows) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let lines: Vec<&str> = TAPE.lines().collect();
    input.write_all((lines[..6].join("\n") + "\n").as_bytes()).unwrap();
    let first: Vec<String> = rows.by_ref().lines().take(3).map(Result::unwrap).collect();
    assert_eq!(
        first[1..],
        ["1000000000,2000000000,money,1,C,3,,,,100,300,1", "1000000000,2000000000,tech,1,A,100,,,,10,1000,1"]
    );
    (child, input, rows)
}

const SECTORS: &str = "symbol,sector\nA,tech\nB,tech\nC,money\n";

#[test]
fn sectors_that_change_while_it_runs_amend_the_places() {
    let folder = Folder::new();
    let table = folder.write("sectors.csv", SECTORS);
    let (mut child, mut input, rows) = by_sectors(&table);
    std::fs::write(&table, "symbol,sector\nA,money,\n").unwrap();
    std::fs::write(&table, "symbol,sector\nA,money\nB,tech\nC,tech\n").unwrap();
    // The table is looked at when the input ends, too, and changes what stands.
    let lines: Vec<&str> = TAPE.lines().collect();
    input.write_all((lines[6..9].join("\n") + "\n").as_bytes()).unwrap();
    drop(input);
    let rest: Vec<String> = rows.lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success());
    assert!(rest.contains(&"1000000000,2000000000,tech,1,C,3,,,,100,300,1".to_owned()), "{rest:?}");
    assert!(rest.contains(&"1000000000,2000000000,money,1,A,100,,,,10,1000,1".to_owned()), "{rest:?}");
}

#[test]
fn a_table_of_sectors_that_cannot_be_read_is_told_and_what_it_said_before_holds() {
    let folder = Folder::new();
    let table = folder.write("sectors.csv", SECTORS);
    let (child, input, rows) = by_sectors(&table);
    std::fs::write(&table, "symbol,sector\nA,money\nA,tech\n").unwrap();
    drop(input);
    let done = Running::follow(child).end().exits(0);
    done.says(&["reading the table of sectors", "line 3 names its symbol again: A,tech. What it said before holds"]);
    assert!(rows.lines().all(|row| !row.unwrap().contains(",money,1,A,")));
}

#[test]
fn what_changes_after_it_was_forgotten_fails_the_run_and_says_how_to_keep_it() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", TAPE);
    let args = ["--input", &input, "--window", "1s", "--set", "movers.keep=2s"];
    let done = Running::start(&mut program(&args)).end().exits(1);
    done.says(&["A changed in [2000000000, 3000000000)", "movers.keep"]);
    let sectors = ["--input", &input, "--set", "movers.sectors=nowhere.csv"];
    Running::start(&mut program(&sectors)).end().exits(1).says(&["nowhere.csv"]);
    let nobody = ["command line --top", "a ranking of nobody"];
    Running::start(&mut program(&["check", "--top", "0"])).end().exits(78).says(&nobody);
}
