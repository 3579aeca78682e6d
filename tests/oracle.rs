//! Tests of the oracle itself: cases worked out by hand, and of the tapes that are fed to it.
//!
//! Times are bare nanoseconds and prices bare units, so that every number can be checked in the head. If a case does
//! not say otherwise, disorder is 10, the horizon 100, windows are 50 long and late records amend.

use proptest::prelude::*;
use tapeflow::aggregate::Bar;
use tapeflow::ledger::Ledger;
use tapeflow::operators::Summary;
use tapeflow::oracle::{self, Corrected, Rules};
use tapeflow::tick::{Eligible, Kind, Price, Symbol, Tick, Venue};
use tapeflow::time::SECOND;
use tapeflow::window::{Tumbling, Window};

use crate::tapes::{LATTICE, NAMES, Spec, shuffled_within, specs, tape, tapes, trade};

mod tapes;

/// The length of windows where a case does not say otherwise.
const WINDOW: i64 = 50;

fn cancel(ts_event: i64, seq: u64, ref_seq: u64) -> Tick {
    Tick { kind: Kind::Cancel, ref_seq, ..trade(ts_event, seq, 0, 0) }
}

fn correct(ts_event: i64, seq: u64, ref_seq: u64, price: i64, size: u32) -> Tick {
    Tick { kind: Kind::Correct, ref_seq, ..trade(ts_event, seq, price, size) }
}

fn quote(ts_event: i64, seq: u64) -> Tick {
    Tick { kind: Kind::Quote, ..trade(ts_event, seq, 1, 1) }
}

fn at(venue: u16, symbol: u32, tick: Tick) -> Tick {
    Tick { venue: Venue(venue), symbol: Symbol(symbol), ..tick }
}

/// The bars of a tape by window and symbol, and its ledger.
fn bars_of(window: i64, tape: &[Tick], rules: &Rules) -> (Vec<Summary<Bar>>, Ledger) {
    let corrected = Corrected::by(tape, rules);
    (oracle::bars(&corrected, &Tumbling::new(window).unwrap().into()), corrected.ledger)
}

/// A bar of symbol 0.
fn bar(start: i64, [open, high, low, close]: [i64; 4], volume: u64, trades: u64, vwap: Option<i64>) -> Summary<Bar> {
    let [open, high, low, close] = [open, high, low, close].map(|price| Some(Price(price)));
    let value = Bar { open, high, low, close, volume, trades, vwap: vwap.map(Price) };
    Summary { window: Window { start, end: start + WINDOW }, place: 0, symbol: Symbol(0), value }
}

/// The bar of a single print.
fn lone(ts_open: i64, price: i64, size: u32) -> Summary<Bar> {
    bar(ts_open, [price; 4], u64::from(size), 1, (size > 0).then_some(price))
}

/// A ledger from on_time, amended, late, unmatched and ignored; what was read is their sum.
fn ledger([on_time, amended, late, unmatched, ignored]: [u64; 5]) -> Ledger {
    let read = on_time + amended + late + unmatched + ignored;
    Ledger { read, on_time, amended, late, rejected: 0, unmatched, ignored }
}

fn back_100(t: i64) -> i64 {
    t - 100
}

fn amend() -> Rules<'static> {
    Rules { disorder: 10, drop_late: false, keeps_prints: true, floor: &back_100, session: &|_| 0 }
}

#[track_caller]
fn check(tape: &[Tick], rules: &Rules, expected: &[Summary<Bar>], counts: [u64; 5]) {
    assert_eq!(bars_of(WINDOW, tape, rules), (expected.to_vec(), ledger(counts)));
}

// Windows and what a bar holds.

#[test]
fn a_window_holds_its_start_and_not_its_end() {
    // [0, 50): 10 x 1 + 14 x 1 + 12 x 2 = 48 over 4 = 12. [50, 100): 11. [100, 150) is empty and has no bar.
    let tape = [trade(0, 1, 10, 1), trade(30, 2, 14, 1), trade(49, 3, 12, 2), trade(50, 4, 11, 5), trade(150, 5, 9, 1)];
    let expected = [bar(0, [10, 14, 10, 12], 4, 3, Some(12)), lone(50, 11, 5), lone(150, 9, 1)];
    check(&tape, &amend(), &expected, [5, 0, 0, 0, 0]);
}

#[test]
fn windows_are_floored_below_zero_too() {
    check(&[trade(-1, 1, 7, 1), trade(0, 2, 8, 1)], &amend(), &[lone(-50, 7, 1), lone(0, 8, 1)], [2, 0, 0, 0, 0]);
}

#[test]
fn open_and_close_go_by_time_then_seq_then_price_and_never_by_arrival() {
    // By time: 20 opens though 22 came first.
    let tape = [trade(22, 1, 5, 1), trade(20, 2, 9, 1), trade(21, 3, 1, 1)];
    check(&tape, &amend(), &[bar(0, [9, 9, 1, 5], 3, 3, Some(5))], [3, 0, 0, 0, 0]);
    // By seq: all at 20, the least seq has the middle price, the greatest the least.
    let tape = [trade(20, 8, 1, 1), trade(20, 6, 5, 1), trade(20, 7, 9, 1)];
    check(&tape, &amend(), &[bar(0, [5, 9, 1, 1], 3, 3, Some(5))], [3, 0, 0, 0, 0]);
    // By price: three venues with one time and seq.
    let tape = [at(1, 0, trade(20, 6, 5, 1)), at(0, 0, trade(20, 6, 9, 1)), at(2, 0, trade(20, 6, 1, 1))];
    check(&tape, &amend(), &[bar(0, [1, 9, 1, 9], 3, 3, Some(5))], [3, 0, 0, 0, 0]);
}

#[test]
fn vwap_rounds_halves_to_even_and_needs_a_volume() {
    let of = |prints: &[(i64, u32)]| {
        let tape: Vec<Tick> = (1..).zip(prints).map(|(seq, (price, size))| trade(0, seq, *price, *size)).collect();
        bars_of(WINDOW, &tape, &amend()).0[0].value.vwap.map(|price| price.0)
    };
    assert_eq!(of(&[(1, 1), (2, 1)]), Some(2), "1.5");
    assert_eq!(of(&[(2, 1), (3, 1)]), Some(2), "2.5");
    assert_eq!(of(&[(3, 1), (4, 1)]), Some(4), "3.5");
    assert_eq!(of(&[(-1, 1), (-2, 1)]), Some(-2), "-1.5");
    assert_eq!(of(&[(-2, 1), (-3, 1)]), Some(-2), "-2.5");
    assert_eq!(of(&[(0, 1), (-1, 1)]), Some(0), "-0.5");
    assert_eq!(of(&[(2, 2), (3, 1)]), Some(2), "2.33");
    assert_eq!(of(&[(2, 1), (3, 2)]), Some(3), "2.67");
    assert_eq!(of(&[(-2, 1), (-3, 2)]), Some(-3), "-2.67");
    assert_eq!(of(&[(7, 0), (3, 1)]), Some(3), "a size of zero has no weight");
    assert_eq!(of(&[(7, 0), (3, 0)]), None, "no volume");
    let most = 1_000_000_000_000_000;
    assert_eq!(of(&[(most, u32::MAX), (most - 2, u32::MAX)]), Some(most - 1), "past 64 bits");
}

#[test]
fn a_print_without_size_still_counts_as_a_trade() {
    let tape = [trade(0, 1, 5, 0), trade(1, 2, 9, 0)];
    check(&tape, &amend(), &[bar(0, [5, 9, 5, 9], 0, 2, None)], [2, 0, 0, 0, 0]);
}

#[test]
fn bars_come_by_window_and_then_by_symbol() {
    let tape = [at(0, 1, trade(60, 1, 1, 1)), at(0, 1, trade(50, 2, 2, 1)), trade(70, 3, 3, 1), trade(70, 4, 4, 2)];
    let other = Summary { symbol: Symbol(1), ..bar(50, [2, 2, 1, 1], 2, 2, Some(2)) };
    check(&tape, &amend(), &[bar(50, [3, 4, 3, 4], 3, 2, Some(4)), other], [4, 0, 0, 0, 0]);
    let tape = [trade(50, 1, 1, 1), at(0, 1, trade(0, 2, 2, 1))];
    let other = Summary { symbol: Symbol(1), ..lone(0, 2, 1) };
    check(&tape, &amend(), &[other, lone(50, 1, 1)], [2, 0, 0, 0, 0]);
}

// Who is late.

#[test]
fn a_record_is_late_when_it_is_more_than_the_disorder_behind_its_symbols_clock() {
    let drop = Rules { drop_late: true, ..amend() };
    // The clock stands at 100: 90 is in time, 89 is not. Another symbol has its own clock.
    let tape = [trade(100, 1, 1, 1), trade(90, 2, 2, 1), trade(89, 3, 3, 1), at(0, 1, trade(20, 4, 4, 1))];
    let other = Summary { symbol: Symbol(1), ..lone(0, 4, 1) };
    check(&tape, &drop, &[other, lone(50, 2, 1), lone(100, 1, 1)], [3, 0, 1, 0, 0]);
    // Amended instead of dropped, 89 is in.
    let expected = [Summary { symbol: Symbol(1), ..lone(0, 4, 1) }, bar(50, [3, 3, 2, 2], 2, 2, Some(2))];
    check(&tape, &amend(), &[&expected[..], &[lone(100, 1, 1)]].concat(), [3, 1, 0, 0, 0]);
}

#[test]
fn the_clock_never_goes_back() {
    // 92 is accepted behind 100 and must not pull the clock with it: 85 is late.
    let drop = Rules { drop_late: true, ..amend() };
    let tape = [trade(100, 1, 1, 1), trade(92, 2, 2, 1), trade(85, 3, 3, 1)];
    check(&tape, &drop, &[lone(50, 2, 1), lone(100, 1, 1)], [2, 0, 1, 0, 0]);
}

#[test]
fn quotes_move_no_clock_and_unmatched_cancels_do() {
    let drop = Rules { drop_late: true, ..amend() };
    check(&[quote(500, 1), trade(5, 2, 1, 1), quote(0, 3)], &drop, &[lone(0, 1, 1)], [1, 0, 0, 0, 2]);
    check(&[cancel(500, 1, 77), trade(5, 2, 1, 1)], &drop, &[], [0, 0, 1, 1, 0]);
    // A late cancel is late and nothing else, though its print is there.
    check(
        &[trade(5, 1, 1, 1), trade(60, 2, 2, 1), cancel(8, 3, 1)],
        &drop,
        &[lone(0, 1, 1), lone(50, 2, 1)],
        [2, 0, 1, 0, 0],
    );
}

#[test]
fn amend_takes_late_records_down_to_the_horizon_behind_the_clock() {
    // The clock stands at 200: 100 amends, 99 is late and dropped.
    let tape = [trade(200, 1, 1, 1), trade(100, 2, 2, 1), trade(99, 3, 3, 1)];
    check(&tape, &amend(), &[lone(100, 2, 1), lone(200, 1, 1)], [1, 1, 1, 0, 0]);
    // With a disorder wider than the horizon, 99 is not late at all and so not asked for the horizon.
    let wide = Rules { disorder: 150, ..amend() };
    check(&tape, &wide, &[lone(50, 3, 1), lone(100, 2, 1), lone(200, 1, 1)], [3, 0, 0, 0, 0]);
}

#[test]
fn quotes_have_a_clock_of_their_own() {
    // A trade at 300 makes no quote late, and no quote makes a trade late.
    let tape = [quote(100, 1), trade(300, 2, 1, 1), quote(95, 3), quote(89, 4), at(0, 1, quote(3, 5)), quote(-1, 6)];
    let corrected = Corrected::by(&tape, &amend());
    let times: Vec<i64> = corrected.quotes[&Symbol(0)].iter().map(|quote| quote.ts_event).collect();
    assert_eq!(times, [89, 95, 100]);
    assert_eq!(corrected.quotes[&Symbol(1)].len(), 1);
    assert_eq!(corrected.quotes_ledger, ledger([3, 1, 1, 0, 0]));
    assert_eq!(corrected.ledger, ledger([1, 0, 0, 0, 5]));
    assert_eq!(corrected.ledger_with_quotes(), ledger([4, 1, 1, 0, 0]));
}

// What speaks of what.

#[test]
fn cancels_and_corrections_find_their_print_before_and_after_it() {
    let told = [trade(20, 1, 5, 1), trade(21, 2, 6, 1), cancel(22, 3, 1), correct(23, 4, 2, 8, 2)];
    check(&told, &amend(), &[lone(0, 8, 2)], [2, 2, 0, 0, 0]);
    let foretold = [told[3], told[2], told[1], told[0]];
    check(&foretold, &amend(), &[lone(0, 8, 2)], [2, 2, 0, 0, 0]);
    // A cancelled print leaves no bar behind.
    check(&[told[0], told[2]], &amend(), &[], [1, 1, 0, 0, 0]);
}

#[test]
fn what_names_no_print_is_unmatched() {
    let print = trade(20, 1, 5, 1);
    let strangers = [
        cancel(21, 2, 9),              // Nobody has the number 9.
        cancel(21, 3, 2),              // 2 is a cancel.
        at(1, 0, cancel(21, 4, 1)),    // Another venue's 1.
        at(0, 1, cancel(21, 5, 1)),    // Another symbol's 1.
        correct(21, 6, 7, 8, 8),       // 7 is a quote.
        quote(21, 7),                  //
        at(0, 1, trade(21, 2, 30, 1)), // Another symbol's 2, of which the second cancel does not speak.
    ];
    let other = Summary { symbol: Symbol(1), ..lone(0, 30, 1) };
    check(&[&[print], &strangers[..]].concat(), &amend(), &[lone(0, 5, 1), other], [2, 0, 0, 5, 1]);
}

#[test]
fn a_print_that_was_dropped_as_late_cannot_be_found() {
    let tape = [trade(300, 1, 1, 1), trade(150, 2, 2, 1), cancel(301, 3, 2), correct(250, 4, 2, 9, 9)];
    check(&tape, &amend(), &[lone(300, 1, 1)], [1, 0, 1, 2, 0]);
}

#[test]
fn a_message_applies_within_the_horizon_of_its_print_to_both_sides() {
    // After it: the print is at 20, a cancel at 120 applies, one at 121 does not.
    check(&[trade(20, 1, 5, 1), cancel(120, 2, 1)], &amend(), &[], [1, 1, 0, 0, 0]);
    check(&[trade(20, 1, 5, 1), cancel(121, 2, 1)], &amend(), &[lone(0, 5, 1)], [1, 0, 0, 1, 0]);
    // Before it: the print is at 220, a cancel at 120 applies, one at 119 does not. So neither has the last word.
    check(&[cancel(120, 2, 1), trade(220, 1, 5, 1)], &amend(), &[lone(200, 5, 1)], [1, 1, 0, 0, 0]);
    check(&[cancel(119, 2, 1), trade(220, 1, 5, 1)], &amend(), &[lone(200, 5, 1)], [1, 0, 0, 1, 0]);
}

#[test]
fn a_session_is_a_horizon_without_a_length() {
    // Days are 1000 long. A correction reaches back from 1999 to 1000 and not from 2000 to 1999.
    let day = |t: i64| t.div_euclid(1000) * 1000;
    let rules = Rules { floor: &day, ..amend() };
    let tape = [trade(1000, 1, 5, 1), correct(1999, 2, 1, 6, 1), trade(1999, 3, 7, 1), correct(2000, 4, 3, 8, 1)];
    check(&tape, &rules, &[lone(1000, 6, 1), lone(1950, 7, 1)], [2, 1, 0, 1, 0]);
    // Nor forward: a cancel of the day before is unmatched, one of the same day applies.
    check(&[cancel(1999, 1, 2), trade(2000, 2, 7, 1)], &rules, &[lone(2000, 7, 1)], [1, 0, 0, 1, 0]);
    check(&[cancel(2000, 1, 2), trade(2999, 2, 7, 1)], &rules, &[lone(2950, 7, 1)], [1, 1, 0, 0, 0]);
    // With the clock at 2015, 2000 is late and amends, 1999 is late and dropped; with 2005, 1999 is in time.
    let late = [trade(2015, 1, 1, 1), trade(2000, 2, 2, 1), trade(1999, 3, 3, 1)];
    check(&late, &rules, &[bar(2000, [2, 2, 1, 1], 2, 2, Some(2))], [1, 1, 1, 0, 0]);
    check(&[trade(2005, 1, 1, 1), late[2]], &rules, &[lone(1950, 3, 1), lone(2000, 1, 1)], [2, 0, 0, 0, 0]);
}

#[test]
fn a_repeated_trade_is_the_same_print() {
    // The later one by time wins whichever came first, and takes the print to its own window.
    let (early, later) = (trade(45, 1, 5, 1), trade(52, 1, 6, 2));
    check(&[early, later], &amend(), &[lone(50, 6, 2)], [1, 1, 0, 0, 0]);
    check(&[later, early], &amend(), &[lone(50, 6, 2)], [1, 1, 0, 0, 0]);
    // The same in all but price and size: the greater price wins, then the greater size.
    check(&[trade(45, 1, 7, 1), early], &amend(), &[lone(0, 7, 1)], [1, 1, 0, 0, 0]);
    check(&[trade(45, 1, 5, 3), early], &amend(), &[lone(0, 5, 3)], [1, 1, 0, 0, 0]);
    // An exact duplicate changes nothing.
    check(&[early, early, early], &amend(), &[lone(0, 5, 1)], [1, 2, 0, 0, 0]);
    // Other venues and symbols have prints of their own.
    let other = Summary { symbol: Symbol(1), ..lone(0, 5, 1) };
    let tape = [early, at(1, 0, early), at(0, 1, early)];
    check(&tape, &amend(), &[bar(0, [5; 4], 2, 2, Some(5)), other], [3, 0, 0, 0, 0]);
    // The first that is accepted is on time, though a late one was there before and dropped.
    let drop = Rules { drop_late: true, ..amend() };
    check(&[trade(60, 9, 1, 1), early, later], &drop, &[bar(50, [6, 6, 1, 1], 3, 2, Some(4))], [2, 0, 1, 0, 0]);
}

#[test]
fn the_horizon_is_measured_from_the_trade_that_wins() {
    // The print moved from 20 to 60: a cancel at 130 is 110 behind the one and 70 behind the other.
    check(&[trade(20, 1, 5, 1), cancel(130, 2, 1)], &amend(), &[lone(0, 5, 1)], [1, 0, 0, 1, 0]);
    check(&[trade(20, 1, 5, 1), cancel(130, 2, 1), trade(60, 1, 6, 1)], &amend(), &[], [1, 2, 0, 0, 0]);
}

#[test]
fn a_horizon_of_zero_keeps_no_prints() {
    let here = |t: i64| t;
    let rules = Rules { keeps_prints: false, floor: &here, ..amend() };
    // The repeat is another print, cancel and correction find nothing, and 89 is late.
    let tape = [trade(99, 1, 5, 1), trade(99, 1, 5, 1), cancel(99, 2, 1), correct(100, 3, 1, 9, 9), trade(89, 4, 2, 1)];
    check(&tape, &rules, &[bar(50, [5; 4], 2, 2, Some(5))], [2, 0, 1, 2, 0]);
}

// The last word.

#[test]
fn the_last_word_about_a_print_goes_by_time_then_seq_and_never_by_arrival() {
    let print = trade(20, 1, 5, 1);
    // By time, against the seq.
    let (first, last) = (correct(28, 9, 1, 6, 1), correct(29, 8, 1, 7, 1));
    check(&[print, first, last], &amend(), &[lone(0, 7, 1)], [1, 2, 0, 0, 0]);
    check(&[last, first, print], &amend(), &[lone(0, 7, 1)], [1, 2, 0, 0, 0]);
    // By seq at one time.
    let (first, last) = (correct(28, 8, 1, 7, 1), correct(28, 9, 1, 6, 1));
    check(&[print, last, first], &amend(), &[lone(0, 6, 1)], [1, 2, 0, 0, 0]);
    // A later correction brings a cancelled print back, a later cancel removes a corrected one.
    check(&[print, cancel(28, 8, 1), correct(28, 9, 1, 6, 1)], &amend(), &[lone(0, 6, 1)], [1, 2, 0, 0, 0]);
    check(&[print, cancel(28, 9, 1), correct(28, 8, 1, 6, 1)], &amend(), &[], [1, 2, 0, 0, 0]);
    // So does a later trade; a correction that its own print follows is counted and does nothing.
    check(&[print, cancel(22, 8, 1), trade(23, 1, 6, 1)], &amend(), &[lone(0, 6, 1)], [1, 2, 0, 0, 0]);
    check(&[correct(19, 8, 1, 9, 9), print], &amend(), &[lone(0, 5, 1)], [1, 1, 0, 0, 0]);
}

#[test]
fn a_bar_is_of_the_prints_that_count_for_it_and_a_correction_may_change_that() {
    let odd = |tick: Tick| Tick { eligible: Eligible::new(false, false, true), ..tick };
    let late = |tick: Tick| Tick { eligible: Eligible::new(false, true, true), ..tick };
    let unsaid = |tick: Tick| Tick { eligible: Eligible::UNSAID, ..tick };
    let no_price = |volume, vwap| {
        let mut bar = bar(0, [0; 4], volume, 1, Some(vwap));
        (bar.value.open, bar.value.high, bar.value.low, bar.value.close) = (None, None, None, None);
        bar
    };
    let tape = [trade(1, 1, 10, 1), odd(trade(2, 2, 99, 1)), late(trade(3, 3, 20, 1)), odd(trade(4, 4, 7, 1))];
    check(&tape, &amend(), &[bar(0, [10, 20, 10, 10], 4, 4, Some(34))], [4, 0, 0, 0, 0]);
    // Without what sets a price there is volume alone.
    check(&[tape[1], trade(3, 5, 6, 1), cancel(9, 6, 5)], &amend(), &[no_price(1, 99)], [2, 1, 0, 0, 0]);
    // A correction that says nothing of conditions leaves those of the trade, whatever another one has said.
    check(&[tape[1], unsaid(correct(9, 6, 2, 8, 3))], &amend(), &[no_price(3, 8)], [1, 1, 0, 0, 0]);
    check(&[tape[1], correct(9, 6, 2, 8, 3)], &amend(), &[lone(0, 8, 3)], [1, 1, 0, 0, 0]);
    check(&[trade(1, 1, 10, 1), odd(correct(9, 6, 1, 8, 3))], &amend(), &[no_price(3, 8)], [1, 1, 0, 0, 0]);
    let twice = [trade(1, 1, 10, 1), odd(correct(9, 6, 1, 8, 3)), unsaid(correct(10, 7, 1, 9, 4))];
    check(&twice, &amend(), &[lone(0, 9, 4)], [1, 2, 0, 0, 0]);
}

#[test]
fn words_of_one_time_and_seq_go_by_kind_then_price_then_size() {
    let print = trade(20, 1, 5, 1);
    let either_way = |one: Tick, two: Tick, expected: &[Summary<Bar>]| {
        check(&[print, one, two], &amend(), expected, [1, 2, 0, 0, 0]);
        check(&[print, two, one], &amend(), expected, [1, 2, 0, 0, 0]);
    };
    either_way(correct(30, 9, 1, 7, 1), correct(30, 9, 1, 6, 2), &[lone(0, 7, 1)]);
    either_way(correct(30, 9, 1, 7, 1), correct(30, 9, 1, 7, 2), &[lone(0, 7, 2)]);
    either_way(correct(30, 9, 1, 0, 0), cancel(30, 9, 1), &[lone(0, 0, 0)]);
    // The kind comes before the price, so a correction outdoes a cancel even with a price below its zero.
    either_way(correct(30, 9, 1, -1, 5), cancel(30, 9, 1), &[lone(0, -1, 5)]);
    // And a cancel with its print's own time and seq has the word.
    check(&[print, cancel(20, 1, 1)], &amend(), &[], [1, 1, 0, 0, 0]);
}

#[test]
fn a_correction_leaves_the_print_in_its_place() {
    // The correction at 60 changes the print at 20, which stays the first of its window by time and by seq.
    let tape = [trade(20, 1, 5, 1), trade(20, 2, 6, 1), correct(60, 3, 1, 8, 3)];
    check(&tape, &amend(), &[bar(0, [8, 8, 6, 6], 4, 2, Some(8))], [2, 1, 0, 0, 0]);
    // Of a repeated print, the place is that of the trade that wins.
    let tape = [trade(49, 1, 5, 1), trade(50, 1, 6, 1), correct(51, 3, 1, 8, 3)];
    check(&tape, &amend(), &[lone(50, 8, 3)], [1, 2, 0, 0, 0]);
}

// Every column at once.

#[test]
fn every_record_is_in_one_column() {
    let tape = [
        trade(200, 1, 10, 1),        // on time
        trade(210, 2, 20, 1),        // on time; the clock stands at 210
        trade(150, 3, 30, 1),        // late by 50 and amends
        trade(200, 1, 10, 1),        // amended: a repeat
        cancel(211, 4, 2),           // amended
        correct(212, 5, 2, 21, 1),   // amended, and wins over the cancel
        correct(205, 6, 2, 22, 1),   // amended, though the print at 210 has the last word over it
        cancel(190, 7, 3),           // amended: late by 12 and applies
        cancel(190, 8, 99),          // unmatched, late or not
        trade(111, 9, 1, 1),         // late: 212 - 100 = 112
        quote(0, 10),                // ignored
        at(0, 1, trade(0, 1, 1, 1)), // on time: another symbol
    ];
    let other = Summary { symbol: Symbol(1), ..lone(0, 1, 1) };
    // 10 and 21 over 2 = 15.5, and 16 is even.
    check(&tape, &amend(), &[other, bar(200, [10, 21, 10, 21], 2, 2, Some(16))], [3, 6, 1, 1, 1]);
}

// The tapes.

/// Rules that fit a spec; its horizon is to be given as a floor.
fn fitting<'a>(spec: &Spec, floor: &'a dyn Fn(i64) -> i64) -> Rules<'a> {
    Rules { disorder: spec.disorder, drop_late: false, keeps_prints: true, floor, session: &|_| 0 }
}

proptest! {
    #[test]
    fn columns_add_up_on_any_tape(tape in tapes(), drop_late: bool, keeps_prints: bool) {
        let disorder = SECOND;
        let rules = Rules { disorder, drop_late, keeps_prints, floor: &|t| t - 20 * SECOND, session: &|_| 0 };
        let (bars, l) = bars_of(5 * SECOND, &tape, &rules);
        prop_assert_eq!(l.read, tape.len() as u64);
        prop_assert_eq!(l.read, l.on_time + l.amended + l.late + l.rejected + l.unmatched + l.ignored);
        prop_assert!(bars.is_sorted_by(|a, b| (a.window, a.symbol) < (b.window, b.symbol)));
        prop_assert!(bars.iter().map(|bar| &bar.value).all(|bar| bar.trades > 0 && bar.low <= bar.high));
        let is_plain = tape.iter().all(|tick| tick.eligible == Eligible::ALL);
        let lies_within = |bar: &Bar| bar.open.is_some() && bar.low <= bar.open && bar.close <= bar.high;
        prop_assert!(!is_plain || bars.iter().all(|bar| lies_within(&bar.value)));
        let live: u64 = bars.iter().map(|bar| bar.value.trades).sum();
        let heard = l.on_time + l.amended;
        prop_assert!(live == heard || (keeps_prints && live < heard));
    }

    #[test]
    fn arrival_within_the_disorder_changes_nothing(spec in specs(), seed: u64) {
        // Of three trades of one number of which the middle one alone reaches both others, it repeats whichever came.
        let spec = Spec { late: false, moves: spec.moves.min(spec.horizon / 2), ..spec };
        let floor = |t| t - spec.horizon;
        let (tape, rules) = (tape(&spec), fitting(&spec, &floor));
        let expected = bars_of(spec.window, &tape, &rules);
        let dropping = Rules { drop_late: true, ..fitting(&spec, &floor) };
        prop_assert_eq!(expected.1.late, 0);
        prop_assert_eq!(&bars_of(spec.window, &tape, &dropping), &expected, "a tape without late ones had late ones");
        let shuffled = shuffled_within(&tape, spec.disorder, seed);
        prop_assert_eq!(&bars_of(spec.window, &shuffled, &rules), &expected);
        prop_assert_eq!(&bars_of(spec.window, &shuffled, &dropping), &expected);
    }

    #[test]
    fn equal_specs_make_equal_tapes_of_the_size_asked_for(spec in specs()) {
        let made = tape(&spec);
        prop_assert_eq!(made.len(), spec.records);
        prop_assert_eq!(&made, &tape(&spec));
        for (a, b) in pairs(&made).filter(|(a, b)| repeats(a, b)) {
            prop_assert!((a.ts_event - b.ts_event).abs() <= spec.moves.saturating_mul(2));
        }
        for tick in &made {
            prop_assert!(tick.ts_event >= 0 && tick.symbol.0 < spec.symbols && tick.venue.0 < spec.venues);
            prop_assert!(tick.watermark_ms == 0 && (tick.seq > 0 || tick.kind == Kind::Quote));
        }
    }
}

#[test]
fn names_sort_unlike_their_ids() {
    assert!(!NAMES.is_sorted());
    assert!(!NAMES.iter().rev().is_sorted());
}

/// Every nasty thing that the tapes promise happens on many of them.
#[test]
fn tapes_are_as_nasty_as_they_promise() {
    type Sight = (&'static str, fn(&[Tick], &Spec) -> bool);
    let sights: [Sight; 25] = [
        ("late and dropped", |tape, spec| run(tape, spec).1.late > 0),
        ("late and amended", |tape, spec| {
            let floor = |t| t - spec.horizon;
            let dropping = Rules { drop_late: true, ..fitting(spec, &floor) };
            bars_of(spec.window, tape, &dropping).1.late > run(tape, spec).1.late
        }),
        ("exactly the disorder behind", |tape, spec| behind(tape).any(|behind| behind == spec.disorder)),
        ("a nanosecond more than the disorder behind", |tape, spec| {
            behind(tape).any(|behind| behind == spec.disorder + 1)
        }),
        ("exactly the horizon behind", |tape, spec| behind(tape).any(|behind| behind == spec.horizon)),
        ("a nanosecond more than the horizon behind", |tape, spec| {
            behind(tape).any(|behind| behind == spec.horizon + 1)
        }),
        ("a message exactly the horizon after its print", |tape, spec| apart(tape).any(|apart| apart == spec.horizon)),
        ("a message exactly the horizon before its print", |tape, spec| {
            apart(tape).any(|apart| apart == -spec.horizon)
        }),
        ("a message a nanosecond more than the horizon after its print", |tape, spec| {
            apart(tape).any(|apart| apart == spec.horizon + 1)
        }),
        ("a message that arrives before its print", |tape, _| pairs(tape).any(|(a, b)| speaks_of(a, b))),
        ("a message older than its print", |tape, _| {
            pairs(tape).any(|(a, b)| speaks_of(b, a) && b.ts_event < a.ts_event)
        }),
        ("two messages about one print in swapped order", |tape, _| {
            pairs(tape).any(|(a, b)| {
                tape.iter().any(|print| speaks_of(a, print) && speaks_of(b, print)) && a.ts_event > b.ts_event
            })
        }),
        ("a cancel and a correction with one time and seq", |tape, _| {
            pairs(tape).any(|(a, b)| a.kind != b.kind && a.ref_seq == b.ref_seq && same(a, b))
        }),
        ("a cancel of a cancel", |tape, _| {
            pairs(tape).any(|(a, b)| a.kind == Kind::Cancel && b.kind == Kind::Cancel && b.ref_seq == a.seq)
        }),
        ("an exact duplicate", |tape, _| pairs(tape).any(|(a, b)| a == b)),
        ("a print that moves", |tape, _| pairs(tape).any(|(a, b)| repeats(a, b) && a.ts_event != b.ts_event)),
        ("two symbols of a venue with one seq", |tape, _| {
            pairs(tape).any(|(a, b)| a.venue == b.venue && a.symbol != b.symbol && a.seq == b.seq)
        }),
        ("an unmatched message", |tape, spec| run(tape, spec).1.unmatched > 0),
        ("a bar without volume", |tape, spec| run(tape, spec).0.iter().any(|bar| bar.value.vwap.is_none())),
        ("a bar with volume and no price", |tape, spec| {
            run(tape, spec).0.iter().any(|bar| bar.value.volume > 0 && bar.value.close.or(bar.value.high).is_none())
        }),
        ("a bar with a close and no high", |tape, spec| {
            run(tape, spec).0.iter().any(|bar| bar.value.close.is_some() && bar.value.high.is_none())
        }),
        ("a correction to other conditions", |tape, _| {
            pairs(tape)
                .any(|(a, b)| b.kind == Kind::Correct && speaks_of(b, a) && b.eligible.or(a.eligible) != a.eligible)
        }),
        ("a repeat that differs in its conditions alone", |tape, _| {
            pairs(tape).any(|(a, b)| a.kind == Kind::Trade && a != b && *a == Tick { eligible: a.eligible, ..*b })
        }),
        ("an empty window between bars", |tape, spec| {
            let bars = run(tape, spec).0;
            bars.windows(2).any(|two| two[1].window.start > two[0].window.end)
        }),
        ("a print on an edge and one just before it", |tape, spec| {
            let on = |offset: i64| {
                tape.iter().any(|tick| tick.kind == Kind::Trade && (tick.ts_event + offset) % spec.window == 0)
            };
            on(0) && on(1)
        }),
    ];
    let tapes: Vec<(Spec, Vec<Tick>)> = (0..400)
        .map(|seed| Spec {
            seed,
            records: 100,
            symbols: 1 + seed as u32 % 8,
            venues: 1 + seed as u16 % 3,
            start: 0,
            disorder: [0, LATTICE, SECOND][seed as usize % 3],
            horizon: 20 * SECOND,
            moves: i64::MAX,
            window: 5 * SECOND,
            late: true,
            seq_per_symbol: seed % 2 == 0,
        })
        .map(|spec| (spec.clone(), tape(&spec)))
        .collect();
    for (name, seen) in sights {
        let count = tapes.iter().filter(|(spec, tape)| seen(tape, spec)).count();
        println!("{count:3} of 400: {name}");
        assert!(count >= 10, "{count} of 400 tapes have {name}");
    }
}

/// The bars and ledger of a tape by the rules that fit its spec.
fn run(tape: &[Tick], spec: &Spec) -> (Vec<Summary<Bar>>, Ledger) {
    bars_of(spec.window, tape, &fitting(spec, &|t| t - spec.horizon))
}

/// How far each message stands behind the trade it speaks of.
fn apart(tape: &[Tick]) -> impl Iterator<Item = i64> {
    let trades = |message| tape.iter().filter(move |print| speaks_of(message, print));
    tape.iter().flat_map(move |message| trades(message).map(|print| message.ts_event - print.ts_event))
}

/// How far each record but the quotes stands behind the highest time before it of its symbol.
fn behind(tape: &[Tick]) -> impl Iterator<Item = i64> {
    let moves = |tick: &&Tick| tick.kind != Kind::Quote;
    let before = move |at: usize| tape[..at].iter().filter(moves).filter(move |tick| tick.symbol == tape[at].symbol);
    (0..tape.len())
        .filter(move |at| moves(&&tape[*at]))
        .filter_map(move |at| Some(before(at).map(|t| t.ts_event).max()? - tape[at].ts_event))
}

/// All pairs of records in their order of arrival.
fn pairs(tape: &[Tick]) -> impl Iterator<Item = (&Tick, &Tick)> {
    tape.iter().enumerate().flat_map(|(at, a)| tape[at + 1..].iter().map(move |b| (a, b)))
}

/// Whether one record is a message about another.
fn speaks_of(message: &Tick, print: &Tick) -> bool {
    matches!(message.kind, Kind::Cancel | Kind::Correct)
        && print.kind == Kind::Trade
        && (message.venue, message.symbol, message.ref_seq) == (print.venue, print.symbol, print.seq)
}

/// Whether two records are trades of the same print.
fn repeats(a: &Tick, b: &Tick) -> bool {
    let trades = a.kind == Kind::Trade && b.kind == Kind::Trade;
    trades && (a.venue, a.symbol, a.seq) == (b.venue, b.symbol, b.seq)
}

/// Whether two records have one venue, symbol, time and seq.
fn same(a: &Tick, b: &Tick) -> bool {
    (a.venue, a.symbol, a.ts_event, a.seq) == (b.venue, b.symbol, b.ts_event, b.seq)
}
