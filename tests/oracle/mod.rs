//! The batch oracle: OHLCV bars over a whole tape in memory, slow and plain.
//!
//! It shares nothing with the streaming operator but the words in `tick.rs`, and it looks at everything at once:
//! first it judges every record by its symbol's own clock, then it gathers the prints, then what was said about them,
//! and only then does it cut bars. The rules R1 to R5 named below are those of the design's section 4.

use std::collections::BTreeMap;

use tapeflow::tick::{Kind, Price, Symbol, Tick, Venue};

/// The rules of one run.
pub struct Rules<'a> {
    /// How far a record may stand behind its symbol's clock before it is late, in nanoseconds.
    pub disorder: i64,
    /// Whether every late record is dropped; otherwise those within the horizon amend.
    pub drop_late: bool,
    /// Whether prints are kept, so that cancels, corrections and repeats find them; false for a horizon of zero.
    pub keeps_prints: bool,
    /// The earliest event time that lies within the horizon of the given one. It must not fall as time rises.
    pub floor: &'a dyn Fn(i64) -> i64,
    /// The trading session of an event time, by its beginning: sequence numbers are unique within one.
    pub session: &'a dyn Fn(i64) -> i64,
    /// The length of the windows in nanoseconds.
    pub window: i64,
}

/// One bar. The order is by `ts_open` and then by the symbol's id, for no two bars share both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OracleBar {
    pub ts_open: i64,
    pub symbol: Symbol,
    pub ts_close: i64,
    pub open: Price,
    pub high: Price,
    pub low: Price,
    pub close: Price,
    pub volume: u64,
    pub trades: u64,
    pub vwap: Option<Price>,
}

/// Where every record of the tape went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OracleLedger {
    pub read: u64,
    pub on_time: u64,
    pub amended: u64,
    pub late: u64,
    pub rejected: u64,
    pub unmatched: u64,
    pub ignored: u64,
}

/// A record that was let in, and whether it was late.
struct Accepted {
    tick: Tick,
    late: bool,
}

/// A print as it stands when everything has been said.
struct Live {
    ts_event: i64,
    seq: u64,
    symbol: Symbol,
    price: Price,
    size: u32,
}

/// What tells prints apart: venue, symbol, session and seq; then zero, or the place of arrival where no prints are kept.
type PrintId = (Venue, Symbol, i64, u64, usize);

/// All that was said about one print.
#[derive(Default)]
struct Said {
    trades: Vec<Tick>,
    applying: Vec<Tick>,
}

/// The bars of a tape by `ts_open` and symbol, and its ledger.
pub fn bars(tape: &[Tick], rules: &Rules) -> (Vec<OracleBar>, OracleLedger) {
    let mut ledger = OracleLedger { read: tape.len() as u64, ..OracleLedger::default() };
    let accepted = accept(tape, rules, &mut ledger);
    let mut prints = gather_trades(&accepted, rules, &mut ledger);
    gather_messages(&accepted, rules, &mut prints, &mut ledger);
    let live: Vec<Live> = prints.values().filter_map(settle).collect();
    (cut(&live, rules.window), ledger)
}

/// R1: judges every record by the clock of its own symbol, in the order of the tape.
fn accept(tape: &[Tick], rules: &Rules, ledger: &mut OracleLedger) -> Vec<Accepted> {
    let mut clocks: BTreeMap<Symbol, i64> = BTreeMap::new();
    let mut accepted = Vec::new();
    for tick in tape {
        if tick.kind == Kind::Quote {
            ledger.ignored += 1;
            continue;
        }
        let clock = clocks.get(&tick.symbol).copied();
        let late = clock.is_some_and(|clock| tick.ts_event < clock.saturating_sub(rules.disorder));
        let amends = !rules.drop_late && clock.is_some_and(|clock| tick.ts_event >= (rules.floor)(clock));
        if late && !amends {
            ledger.late += 1;
            continue;
        }
        clocks.insert(tick.symbol, clock.map_or(tick.ts_event, |clock| clock.max(tick.ts_event)));
        accepted.push(Accepted { tick: *tick, late });
    }
    accepted
}

/// R2 and R4 for trades: every accepted trade opens a print or repeats one.
fn gather_trades(accepted: &[Accepted], rules: &Rules, ledger: &mut OracleLedger) -> BTreeMap<PrintId, Said> {
    let mut prints: BTreeMap<PrintId, Said> = BTreeMap::new();
    for (place, Accepted { tick, late }) in accepted.iter().enumerate() {
        if tick.kind != Kind::Trade {
            continue;
        }
        let copy = if rules.keeps_prints { 0 } else { place };
        let said = prints.entry((tick.venue, tick.symbol, (rules.session)(tick.ts_event), tick.seq, copy)).or_default();
        if *late || !said.trades.is_empty() {
            ledger.amended += 1;
        } else {
            ledger.on_time += 1;
        }
        said.trades.push(*tick);
    }
    prints
}

/// R2 and R4 for cancels and corrections: each applies to its print, wherever on the tape that is, or is unmatched.
fn gather_messages(
    accepted: &[Accepted],
    rules: &Rules,
    prints: &mut BTreeMap<PrintId, Said>,
    ledger: &mut OracleLedger,
) {
    for Accepted { tick, .. } in accepted {
        if tick.kind == Kind::Trade {
            continue;
        }
        let id = (tick.venue, tick.symbol, (rules.session)(tick.ts_event), tick.ref_seq, 0);
        let print = if rules.keeps_prints { prints.get_mut(&id) } else { None };
        match print {
            Some(said) if within_horizon(tick.ts_event, winner(&said.trades).ts_event, rules) => {
                said.applying.push(*tick);
                ledger.amended += 1;
            }
            _ => ledger.unmatched += 1,
        }
    }
}

/// Whether a message and a print lie within the horizon of each other.
fn within_horizon(message: i64, print: i64, rules: &Rules) -> bool {
    print >= (rules.floor)(message) && message >= (rules.floor)(print)
}

/// The order of messages about one print; the greatest one wins. Where time and seq are equal, kinds rise from trade
/// over cancel to correction.
fn rank(tick: &Tick) -> (i64, u64, Kind, Price, u32) {
    (tick.ts_event, tick.seq, tick.kind, tick.price, tick.size)
}

/// The message that wins among some about one print.
fn winner(ticks: &[Tick]) -> Tick {
    *ticks.iter().max_by_key(|tick| rank(tick)).expect("a print has a trade")
}

/// R3: the state of a print, or nothing if the last word about it is a cancel.
fn settle(said: &Said) -> Option<Live> {
    let trade = winner(&said.trades);
    let last = winner(&[&said.trades[..], &said.applying[..]].concat());
    if last.kind == Kind::Cancel {
        return None;
    }
    Some(Live { ts_event: trade.ts_event, seq: trade.seq, symbol: trade.symbol, price: last.price, size: last.size })
}

/// R5: one bar for every window of a symbol that holds a live print.
fn cut(live: &[Live], window: i64) -> Vec<OracleBar> {
    let mut windows: BTreeMap<(i64, Symbol), Vec<&Live>> = BTreeMap::new();
    for print in live {
        let ts_open = print.ts_event.div_euclid(window) * window;
        windows.entry((ts_open, print.symbol)).or_default().push(print);
    }
    windows.into_iter().map(|((ts_open, symbol), prints)| bar(ts_open, symbol, prints, window)).collect()
}

/// The bar of one window of one symbol.
fn bar(ts_open: i64, symbol: Symbol, mut prints: Vec<&Live>, window: i64) -> OracleBar {
    prints.sort_by_key(|print| (print.ts_event, print.seq, print.price, print.size));
    let volume: u64 = prints.iter().map(|print| u64::from(print.size)).sum();
    let value: i128 = prints.iter().map(|print| i128::from(print.price.0) * i128::from(print.size)).sum();
    OracleBar {
        ts_open,
        symbol,
        ts_close: ts_open + window,
        open: prints[0].price,
        high: prints.iter().map(|print| print.price).max().expect("a bar has a print"),
        low: prints.iter().map(|print| print.price).min().expect("a bar has a print"),
        close: prints[prints.len() - 1].price,
        volume,
        trades: prints.len() as u64,
        vwap: (volume > 0).then(|| Price(divide_half_even(value, i128::from(volume)))),
    }
}

/// The quotient nearest to `value / by`, the even one of two equally near. `by` is above zero.
fn divide_half_even(value: i128, by: i128) -> i64 {
    let (below, rest) = (value.div_euclid(by), value.rem_euclid(by));
    let up = 2 * rest > by || (2 * rest == by && below % 2 != 0);
    i64::try_from(below + i128::from(up)).expect("an average of prices is no greater than the greatest")
}
