//! Every kind of window against the oracle, whatever the knobs. What this can catch: what `tests/bars.rs` can, of
//! windows that share slices, that join and part, and that hang together. What it cannot: a rule that the oracle and
//! the operator both misread; a few cases are worked out by hand for that.

mod play;
mod tapes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::{Time, date, time};
use jiff::tz::TimeZone;
use play::{Knobs, Played, knobs, lateness, play_through};
use proptest::prelude::*;
use tapeflow::aggregate::{Bar, Ohlcv, Quantiles, Vwap};
use tapeflow::calendar::{Calendar, Days};
use tapeflow::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use tapeflow::ledger::Unfilled;
use tapeflow::operators::{Summary, filled};
use tapeflow::oracle::{self, Corrected};
use tapeflow::row::Row as _;
use tapeflow::tick::{Eligible, Kind, Symbol, Tick};
use tapeflow::time::{MS, SECOND};
use tapeflow::window::{
    Anchored, Count, Early, Fill, Gap, Hours, Last, Measure, Sliding, Tumbling, TumblingDaily, Window, Windows,
};
use tapes::{Spec, shuffled_within, specs, tape};

/// The tapes begin at 01:00 UTC, or 20 s before a midnight of UTC or New York: so sessions open and close around them.
fn hours() -> impl Strategy<Value = Hours> {
    hours_between(vec![
        (time(1, 0, 5, 0), time(1, 1, 0, 0)),
        (time(0, 0, 7, 0), time(0, 1, 0, 0)),
        (time(1, 0, 0, 0), time(1, 20, 3, 0)),
    ])
}

/// Sessions between these times, of days that begin at midnight, on the evening before or in the middle of a tape, and of
/// calendars of which one tape's beginning is a Sunday, and the others' are not.
fn hours_between(times: Vec<(Time, Time)>) -> impl Strategy<Value = Hours> {
    let begins = vec![Time::midnight(), time(18, 0, 0, 0), time(0, 0, 3, 0)];
    let told = [(date(1970, 1, 1), Some((time(1, 0, 2, 0), time(1, 0, 9, 0)))), (date(2024, 3, 11), None)];
    let calendars = vec![Calendar::EveryDay, Calendar::Nyse, Calendar::Table(Arc::new(told.into()))];
    let zone = prop::sample::select(vec!["UTC", "America/New_York"]);
    (zone, prop::sample::select(begins), prop::sample::select(times), prop::sample::select(calendars)).prop_filter_map(
        "it opens before it closes",
        |(zone, begins, (open, close), calendar)| {
            let days = Days::new(TimeZone::get(zone).unwrap()).beginning_at(begins);
            Some(Hours::new(days, open, close)?.with_calendar(calendar))
        },
    )
}

fn windows() -> impl Strategy<Value = Windows> {
    let span = || prop::sample::select(vec![MS / 4, 300 * MS, SECOND, 5 * SECOND, 7 * SECOND]);
    let tumbling =
        (span(), 0..SECOND).prop_map(|(length, offset)| Tumbling::new(length).unwrap().offset(offset).into());
    let auction = prop::sample::select(vec![0, 1, 300 * MS, 30 * SECOND]);
    let daily = (span(), 0..SECOND, hours(), auction.clone()).prop_map(|(length, offset, hours, auction)| {
        TumblingDaily::new(length, offset, hours).unwrap().with_auction(auction).into()
    });
    let step = || prop::sample::select(vec![50 * MS, 300 * MS, SECOND, 4 * SECOND]);
    let early = (span(), 0..SECOND, step()).prop_map(|(length, offset, every)| {
        Early::new(Tumbling::new(length).unwrap().offset(offset), every).unwrap().into()
    });
    let early_daily = (span(), hours(), auction.clone(), step()).prop_map(|(length, hours, auction, every)| {
        Early::new(TumblingDaily::new(length, 0, hours).unwrap().with_auction(auction), every).unwrap().into()
    });
    let slide = prop::sample::select(vec![50 * MS, 300 * MS, SECOND]);
    let sliding = (slide, prop::sample::select(vec![SECOND, 5 * SECOND, 10 * SECOND]), 0..SECOND)
        .prop_map(|(slide, length, offset)| Sliding::new(length, slide).unwrap().offset(offset).into());
    let every = prop::sample::select(vec![SECOND, 7 * SECOND]);
    let anchored = (every, hours(), auction.clone())
        .prop_map(|(every, hours, auction)| Anchored::new(every, hours.with_auction(auction)).unwrap().into());
    let gap = prop::sample::select(vec![1, MS, SECOND / 4, SECOND, 10 * SECOND])
        .prop_map(|gap| Gap::new(gap).unwrap().into());
    prop_oneof![tumbling, daily, early, early_daily, sliding, anchored, gap, windows_of_prints()]
}

/// Windows of so many prints, or of what those come to.
fn windows_of_prints() -> impl Strategy<Value = Windows> {
    let count = prop_oneof![
        (1..5_u64).prop_map(|every| (Measure::Trades, every)),
        prop::sample::select(vec![100, 1_000]).prop_map(|every| (Measure::Volume, every)),
        prop::sample::select(vec![1_000_000, 5_000_000]).prop_map(|every| (Measure::Notional, every)),
    ];
    let count = (count, any::<bool>()).prop_map(|((of, every), splits)| Count::new(of, every, splits).unwrap().into());
    let prints = prop_oneof![8 => 1..24_usize, 1 => Just(usize::MAX)];
    let last = (prints, prop::sample::select(vec![SECOND, 7 * SECOND]))
        .prop_map(|(prints, every)| Last::new(prints, Tumbling::new(every).unwrap()).unwrap().into());
    prop_oneof![count, last]
}

/// A tape on which no print is so large that it alone fills millions of windows.
fn tape_of(spec: &Spec) -> Vec<Tick> {
    let mut tape = tape(spec);
    tape.iter_mut().filter(|tick| tick.size > 2_000).for_each(|tick| tick.size = 1_777);
    tape
}

fn play(tape: &[Tick], rules: &Lateness, windows: &Windows, knobs: &Knobs) -> Played<Summary<Bar>> {
    let windows = windows.clone();
    play_through(tape, rules, knobs, move |ticks| ticks.window_aggregate::<Ohlcv>(windows.clone()))
}

fn check(tape: &[Tick], rules: &Lateness, windows: &Windows, knobs: &Knobs) {
    let played = play(tape, rules, windows, knobs);
    let corrected = Corrected::new(tape, rules, play::texts());
    let bars = oracle::bars(&corrected, windows);
    let expected: BTreeSet<_> = bars.iter().cloned().collect();
    assert_eq!(bars.iter().map(|bar| bar.key()).collect::<BTreeSet<_>>().len(), expected.len(), "two rows of one key");
    let digest = expected.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
    assert_eq!(played.rows.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(played.digest, digest);
    assert_eq!(played.ledger, corrected.ledger);
}

fn rules(spec: &Spec, policy: LatePolicy, horizon: Horizon, zone: &str) -> Lateness {
    let sessions = Sessions::new(TimeZone::get(zone).unwrap());
    Lateness { disorder: spec.disorder, policy, horizon, sessions }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_equal_the_oracle_whatever_the_knobs(
        spec in specs(), windows in windows(), knobs in knobs(),
        (policy, horizon, zone) in lateness(),
    ) {
        check(&tape_of(&spec), &rules(&spec, policy, horizon, zone), &windows, &knobs);
    }

    #[test]
    fn averages_equal_the_oracle_whatever_the_knobs(
        spec in specs(), windows in windows(), knobs in knobs(), (policy, horizon, zone) in lateness(),
    ) {
        let (tape, rules) = (tape_of(&spec), rules(&spec, policy, horizon, zone));
        let run = |knobs: &Knobs| {
            let rule = windows.clone();
            play_through(&tape, &rules, knobs, move |ticks| ticks.window_aggregate::<Vwap>(rule.clone()))
        };
        let played = run(&knobs);
        let corrected = Corrected::new(&tape, &rules, play::texts());
        let expected: BTreeSet<_> = oracle::averages(&corrected, &windows).into_iter().collect();
        let digest = expected.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&play::texts())));
        prop_assert_eq!(played.rows.into_iter().collect::<BTreeSet<_>>(), expected);
        prop_assert_eq!((played.digest, played.ledger), (digest, corrected.ledger));
        prop_assert_eq!(run(&Knobs::default()).changes, played.changes);
    }

    #[test]
    fn quantiles_equal_the_oracle_whatever_the_knobs(
        spec in specs(), windows in windows(), knobs in knobs(), (policy, horizon, zone) in lateness(),
    ) {
        let (tape, rules) = (tape_of(&spec), rules(&spec, policy, horizon, zone));
        let rule = windows.clone();
        let one = play_through(&tape, &rules, &knobs, move |ticks| ticks.window_aggregate::<Quantiles>(rule.clone()));
        let corrected = Corrected::new(&tape, &rules, play::texts());
        let expected: BTreeSet<_> = oracle::quantiles(&corrected, &windows).into_iter().collect();
        prop_assert_eq!(one.rows.into_iter().collect::<BTreeSet<_>>(), expected);
        prop_assert_eq!(one.ledger, corrected.ledger);
    }

    #[test]
    fn windows_of_prints_that_share_times_equal_the_oracle(
        spec in specs(), windows in windows_of_prints(), symbols in 1..3_u32, apart in prop::sample::select(vec![2, 5]),
        knobs in knobs(), (policy, horizon, zone) in lateness(),
    ) {
        let mut tape = tape_of(&Spec { symbols, ..spec });
        tape.iter_mut().for_each(|tick| tick.ts_event -= tick.ts_event % (apart * SECOND));
        check(&tape, &rules(&spec, policy, horizon, zone), &windows, &knobs);
    }

    #[test]
    fn a_shuffle_within_the_disorder_changes_nothing(
        spec in specs(), windows in windows(), seed: u64, knobs in knobs(),
    ) {
        let spec = Spec { late: false, moves: 0, ..spec };
        let (tape, rules) = (tape_of(&spec), rules(&spec, LatePolicy::Amend, Horizon::Session, "UTC"));
        let straight = play(&tape, &rules, &windows, &Knobs::default());
        let shuffled = play(&shuffled_within(&tape, spec.disorder, seed), &rules, &windows, &knobs);
        prop_assert_eq!(straight.rows, shuffled.rows);
        prop_assert_eq!(straight.digest, shuffled.digest);
        prop_assert_eq!(straight.ledger, shuffled.ledger);
    }

    #[test]
    fn the_changes_are_the_same_whatever_the_knobs(spec in specs(), windows in windows(), knobs in knobs()) {
        let (tape, rules) = (tape_of(&spec), rules(&spec, LatePolicy::Amend, Horizon::Session, "UTC"));
        let one = play(&tape, &rules, &windows, &Knobs::default());
        let other = play(&tape, &rules, &windows, &knobs);
        prop_assert_eq!(one.changes, other.changes);
    }

    #[test]
    fn empty_windows_are_filled_as_the_oracle_fills_them_whatever_the_knobs(
        spec in specs(), (windows, fill) in filled_windows(), knobs in knobs(), (policy, horizon, zone) in lateness(),
    ) {
        let (tape, rules) = (tape_of(&spec), rules(&spec, policy, horizon, zone));
        let one = play_filled(&tape, &rules, &windows, &fill, &Knobs::default());
        let other = play_filled(&tape, &rules, &windows, &fill, &knobs);
        let corrected = Corrected::new(&tape, &rules, play::texts());
        let expected: BTreeSet<_> = oracle::filled(&corrected, &windows, &fill).into_iter().collect();
        prop_assert_eq!(one.rows.into_iter().collect::<BTreeSet<_>>(), expected);
        prop_assert_eq!(one.changes, other.changes);
    }

    #[test]
    fn volumes_of_short_windows_add_up_to_those_of_long_ones(spec in specs(), knobs in knobs()) {
        let (tape, rules) = (tape_of(&spec), rules(&spec, LatePolicy::Amend, Horizon::Session, "UTC"));
        let tumbling = |seconds| Tumbling::new(seconds * SECOND).unwrap();
        let in_long = |length: i64| {
            let mut volumes: BTreeMap<(i64, Symbol), (u64, u64)> = BTreeMap::new();
            for bar in play(&tape, &rules, &tumbling(length).into(), &knobs).rows {
                let long = volumes.entry((tumbling(60).window_of(bar.window.start).start, bar.symbol)).or_default();
                *long = (long.0 + bar.value.volume, long.1 + bar.value.trades);
            }
            volumes
        };
        prop_assert_eq!(in_long(1), in_long(60));
    }

    #[test]
    fn every_share_is_in_a_filled_window_or_left_over(
        spec in specs(), every in 50..500_u64, splits: bool, knobs in knobs(),
    ) {
        let (tape, rules) = (tape_of(&spec), rules(&spec, LatePolicy::Amend, Horizon::Session, "UTC"));
        let volume = Count::new(Measure::Volume, every, splits).unwrap();
        let played = play(&tape, &rules, &volume.into(), &knobs);
        let corrected = Corrected::new(&tape, &rules, play::texts());
        let (mut unfilled, mut in_rows) = (0, 0);
        for (symbol, trades) in &corrected.trades {
            let bars = played.rows.iter().filter(|bar| bar.symbol == *symbol);
            let filled: u64 = bars.clone().map(|bar| bar.value.volume).sum();
            prop_assert!(bars.clone().all(|bar| bar.value.volume >= every && (!splits || bar.value.volume == every)));
            let day = |trade: &oracle::Trade| rules.sessions.of(trade.ts_event).0;
            let days: BTreeSet<i64> = trades.iter().map(day).collect();
            let counting = trades.iter().filter(|trade| trade.eligible.volume());
            let total: u64 = counting.map(|trade| u64::from(trade.size)).sum();
            let left = total - filled;
            prop_assert!(left < every * days.len() as u64, "{left} left of {total}");
            (unfilled, in_rows) = (unfilled + left, in_rows + bars.map(|bar| bar.value.trades).sum::<u64>());
        }
        prop_assert_eq!(played.unfilled.volume, unfilled);
        let trades: usize = corrected.trades.values().map(|trades| trades.len()).sum();
        prop_assert!(splits || played.unfilled.trades + in_rows == trades as u64);
    }
}

/// Windows that may be filled, in sessions that last for a minute or two.
fn filled_windows() -> impl Strategy<Value = (Windows, Fill)> {
    let hours = hours_between(vec![
        (time(1, 0, 5, 0), time(1, 1, 0, 0)),
        (time(0, 0, 7, 0), time(0, 1, 0, 0)),
        (time(1, 0, 0, 0), time(1, 2, 3, 0)),
        (time(23, 59, 45, 0), time(23, 59, 59, 0)),
    ]);
    let length = prop::sample::select(vec![SECOND, 5 * SECOND, 7 * SECOND, 60 * SECOND, 90_000 * SECOND]);
    let auction = prop::sample::select(vec![0, 300 * MS, 30 * SECOND]);
    (hours, length, (0..SECOND, auction), any::<(bool, bool)>()).prop_map(
        |(hours, length, (offset, auction), (daily, early))| {
            let windows: Windows = match daily {
                true => TumblingDaily::new(length, offset, hours.clone()).unwrap().with_auction(auction).into(),
                false => Tumbling::new(length).unwrap().offset(offset).into(),
            };
            let windows = if early { Early::new(windows, SECOND).unwrap().into() } else { windows };
            let fill = Fill::new(&windows, hours).unwrap();
            (windows, fill)
        },
    )
}

fn play_filled(tape: &[Tick], rules: &Lateness, windows: &Windows, fill: &Fill, knobs: &Knobs) -> Played<Summary<Bar>> {
    let (windows, fill) = (windows.clone(), fill.clone());
    play_through(tape, rules, knobs, move |ticks| {
        let context = ticks.context.clone();
        filled(ticks.window_aggregate::<Ohlcv>(windows.clone()), fill.clone(), &context)
    })
}

fn trade(ts_event: i64, seq: u64, price: i64, size: u32) -> Tick {
    tapes::trade(3_600 * SECOND + ts_event, seq, price, size)
}

/// When the rows begin and end, after the tapes' beginning, and their volumes.
fn spans(tape: &[Tick], windows: &Windows) -> Vec<(i64, i64, u64)> {
    let sessions = Sessions::new(TimeZone::UTC);
    let rules = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
    check(tape, &rules, windows, &Knobs::default());
    let rows = play(tape, &rules, windows, &Knobs::default()).rows;
    let from = 3_600 * SECOND;
    rows.iter().map(|row| (row.window.start - from, row.window.end - from, row.value.volume)).collect()
}

#[test]
fn a_volume_of_277_231_at_a_step_of_20_fills_13_bars_and_leaves_17_231() {
    // The example of NautilusTrader's issue 3608, in thousandths of a share.
    let sizes = [100_000, 77_231, 50_000, 50_000];
    let tape: Vec<Tick> = (0..).zip(sizes).map(|(i, size)| trade(i * SECOND, i as u64, 100, size)).collect();
    let windows: Windows = Count::new(Measure::Volume, 20_000, true).unwrap().into();
    let bars = spans(&tape, &windows);
    assert_eq!(bars.len(), 13);
    assert!(bars.iter().all(|(_, _, volume)| *volume == 20_000));
    let rules = Lateness {
        disorder: 0,
        policy: LatePolicy::Amend,
        horizon: Horizon::Session,
        sessions: Sessions::new(TimeZone::UTC),
    };
    assert_eq!(
        play(&tape, &rules, &windows, &Knobs::default()).unfilled,
        Unfilled { windows: 1, trades: 1, volume: 17_231 }
    );
}

#[test]
fn shares_that_are_no_volume_fill_no_window_and_are_in_it() {
    let silent = |ts, seq, size| Tick { eligible: Eligible::new(true, true, false), ..trade(ts, seq, 5, size) };
    let tape = [trade(1, 1, 5, 6), silent(2, 2, 99), trade(3, 3, 5, 6), silent(4, 4, 99), trade(5, 5, 5, 9)];
    for (splits, expected) in [(true, [(1, 4, 10), (3, 6, 10)]), (false, [(1, 4, 12), (4, 6, 9)])] {
        let windows = Count::new(Measure::Volume, if splits { 10 } else { 9 }, splits).unwrap();
        assert_eq!(spans(&tape, &windows.into()), expected);
    }
}

#[test]
fn a_cancel_parts_a_run_and_a_late_print_joins_two() {
    let windows: Windows = Gap::new(10).unwrap().into();
    let run = [trade(0, 1, 5, 1), trade(8, 2, 5, 2), trade(16, 3, 5, 4), trade(26, 4, 5, 8)];
    assert_eq!(spans(&run, &windows), [(0, 26, 7), (26, 36, 8)]);
    let cancel = Tick { kind: Kind::Cancel, ref_seq: 2, ..trade(3 * SECOND, 5, 0, 0) };
    let parted: Vec<Tick> = run.iter().copied().chain([cancel]).collect();
    assert_eq!(spans(&parted, &windows), [(0, 10, 1), (16, 26, 4), (26, 36, 8)]);
    let late = trade(7, 6, 5, 16);
    let joined: Vec<Tick> = parted.iter().copied().chain([late]).collect();
    assert_eq!(spans(&joined, &windows), [(0, 26, 21), (26, 36, 8)]);
}

#[test]
fn a_late_print_moves_every_filled_window_behind_it() {
    let windows: Windows = Count::new(Measure::Trades, 2, false).unwrap().into();
    let tape = [trade(1, 1, 5, 1), trade(2, 2, 5, 2), trade(3, 3, 5, 4), trade(3 * SECOND, 4, 5, 8)];
    assert_eq!(spans(&tape, &windows), [(1, 3, 3), (3, 3 * SECOND + 1, 12)]);
    let late: Vec<Tick> = tape.iter().copied().chain([trade(0, 5, 5, 16)]).collect();
    assert_eq!(spans(&late, &windows), [(0, 2, 17), (2, 4, 6)]);
}

#[test]
fn a_sliding_window_holds_the_prints_of_all_its_slices() {
    let windows: Windows = Sliding::new(3 * SECOND, 2 * SECOND).unwrap().into();
    let tape: Vec<Tick> = (0..4).map(|i| trade(i * SECOND, i as u64, 5, 1 << i)).collect();
    let seconds: Vec<(i64, i64, u64)> =
        spans(&tape, &windows).into_iter().map(|(from, to, volume)| (from / SECOND, to / SECOND, volume)).collect();
    assert_eq!(seconds, [(-2, 1, 1), (0, 3, 7), (2, 5, 12)]);
}

#[test]
fn an_empty_window_repeats_the_last_close_until_the_session_ends() {
    let hours = Hours::new(Days::new(TimeZone::UTC), time(1, 0, 2, 0), time(1, 0, 7, 0)).unwrap();
    let windows: Windows = Tumbling::new(SECOND).unwrap().into();
    let fill = Fill::new(&windows, hours).unwrap();
    let sessions = Sessions::new(TimeZone::UTC);
    let rules = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
    let closes = |tape: &[Tick]| -> Vec<(i64, i64, u64)> {
        let played = play_filled(tape, &rules, &windows, &fill, &Knobs::default());
        let corrected = Corrected::new(tape, &rules, play::texts());
        let expected: BTreeSet<_> = oracle::filled(&corrected, &windows, &fill).into_iter().collect();
        assert_eq!(played.rows.iter().cloned().collect::<BTreeSet<_>>(), expected);
        let second = |bar: &Summary<Bar>| (bar.window.start - 3_600 * SECOND) / SECOND;
        played.rows.iter().map(|bar| (second(bar), bar.value.close.unwrap().0, bar.value.trades)).collect()
    };
    // The first is before the open, the last after the close, and a day later nobody trades in the session.
    let day = 86_400 * SECOND;
    let tape = [
        trade(0, 1, 5, 1),
        trade(4 * SECOND, 2, 7, 1),
        trade(9 * SECOND, 3, 8, 1),
        trade(day + 3_600 * SECOND, 4, 9, 1),
    ];
    let rest = [(9, 8, 1), (day / SECOND + 3_600, 9, 1)];
    let with_rest = |bars: &[(i64, i64, u64)]| [bars, &rest].concat();
    assert_eq!(closes(&tape), with_rest(&[(0, 5, 1), (2, 5, 0), (3, 5, 0), (4, 7, 1), (5, 7, 0), (6, 7, 0)]));
    // The window of a cancelled print is filled, and so are those behind it, by the close before.
    let cancel = Tick { kind: Kind::Cancel, ref_seq: 2, ..trade(9 * SECOND + 1, 5, 0, 0) };
    let cancelled = [&tape[..3], &[cancel], &tape[3..]].concat();
    assert_eq!(closes(&cancelled), with_rest(&[(0, 5, 1), (2, 5, 0), (3, 5, 0), (4, 5, 0), (5, 5, 0), (6, 5, 0)]));
    // A late print is a bar of its own, and changes those behind it up to the next one.
    let late = [&tape[..3], &[trade(3 * SECOND, 6, 6, 1)], &tape[3..]].concat();
    assert_eq!(closes(&late), with_rest(&[(0, 5, 1), (2, 5, 0), (3, 6, 1), (4, 7, 1), (5, 7, 0), (6, 7, 0)]));
}

#[test]
fn a_window_that_is_shown_early_is_amended_until_it_is_over() {
    let tumbling = Tumbling::new(10 * SECOND).unwrap();
    let windows: Windows = Early::new(tumbling, 2 * SECOND).unwrap().into();
    let sessions = Sessions::new(TimeZone::UTC);
    let rules = Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions };
    let begin = 3_600 * SECOND;
    let changes = |tape: &[Tick]| -> Vec<(i64, u64, isize)> {
        check(tape, &rules, &windows, &Knobs::default());
        let played = play(tape, &rules, &windows, &Knobs::default());
        assert!(played.changes.keys().all(|(_, bar)| bar.window == Window { start: begin, end: begin + 10 * SECOND }));
        let changes = played.changes.iter();
        changes.map(|((ms, bar), diff)| (*ms as i64 - begin / MS, bar.value.volume, *diff)).collect()
    };
    // Nothing is shown where nothing came, and the last row stands when the window is over.
    let tape =
        [trade(SECOND, 1, 5, 1), trade(SECOND + 1, 2, 5, 2), trade(5 * SECOND, 3, 5, 4), trade(6 * SECOND, 4, 5, 8)];
    let shown = [(2_000, 3, 1), (6_000, 3, -1), (6_000, 7, 1), (8_000, 7, -1), (8_000, 15, 1)];
    assert_eq!(changes(&tape), shown);
    // A late print counts at the next time for amendments, a cancel gives back what stood before.
    let cancel = Tick { kind: Kind::Cancel, ref_seq: 4, ..trade(9 * SECOND, 5, 0, 0) };
    let late = [&tape[..], &[trade(0, 6, 5, 16), cancel]].concat();
    let amended = [(7_000, 7, -1), (7_000, 23, 1), (8_000, 23, -1), (8_000, 31, 1), (10_000, 23, 1), (10_000, 31, -1)];
    assert_eq!(changes(&late), [&shown[..3], &amended].concat());
}
