use std::cell::OnceCell;
use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::error::Error;
use crate::lateness::{Horizon, LatePolicy, Lateness, Sessions};
use crate::ledger::Ledger;
use crate::row::Texts;
use crate::tick::{Eligible, Kind, Price, Symbol, Tick, Venue};

/// The rules of lateness, repeats, cancels and corrections as an oracle reads them.
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
}

/// A print as it stands when everything has been said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// When it happened.
    pub ts_event: i64,
    /// Its sequence number.
    pub seq: u64,
    /// Where it was printed.
    pub venue: Venue,
    /// What was traded.
    pub symbol: Symbol,
    /// At which price, as corrected.
    pub price: Price,
    /// How many shares, as corrected.
    pub size: u32,
    /// What it counts for, as corrected.
    pub eligible: Eligible,
}

impl Trade {
    /// The shares that are volume.
    pub(super) fn shares(&self) -> u64 {
        if self.eligible.volume() { self.size.into() } else { 0 }
    }

    /// What they cost, in units of 1e-9.
    pub(super) fn notional(&self) -> i128 {
        i128::from(self.price.0) * i128::from(self.shares())
    }
}

/// The corrected tape: what is left of a tape when everything that was said about its records has been applied.
///
/// A symbol has two orders and a clock for each: that of its trades with what cancels and corrects them, and that of
/// its quotes. Feeds and files often hold one of the two, so neither may make the other late.
pub struct Corrected<'a> {
    /// The tape as it came: the merged order of all partitions, each partition's own order kept.
    pub tape: &'a [Tick],
    /// Each symbol's surviving prints by time, sequence number, price, size and what they count for.
    pub trades: BTreeMap<Symbol, Vec<Trade>>,
    /// Each symbol's accepted quotes by time, sequence number and what they say.
    pub quotes: BTreeMap<Symbol, Vec<Tick>>,
    /// Where every record went, in a pipeline over trades; `rejected` is not known here.
    pub ledger: Ledger,
    /// Where every quote went, in a pipeline that takes quotes.
    pub quotes_ledger: Ledger,
    /// All accepted records, of whichever kind, in the order of the tape, in a pipeline to which a symbol has one clock
    /// for all of them.
    pub records: Vec<Tick>,
    /// Where every record went, in such a pipeline.
    pub records_ledger: Ledger,
    /// The texts of symbols and venues.
    pub texts: Texts,
    /// The trading sessions.
    pub sessions: Sessions,
    /// The error with which a run ends on this tape, where an oracle found one: its rows are none then.
    pub refused: OnceCell<Error>,
}

/// A record that was let in, and whether it was late.
struct Accepted {
    tick: Tick,
    late: bool,
}

/// What prints of one number have in common: venue, symbol, session and seq.
type Number = (Venue, Symbol, i64, u64);

/// All that was said about one print.
struct Said {
    trades: Vec<Tick>,
    applying: Vec<Tick>,
}

impl<'a> Corrected<'a> {
    /// Corrects a tape by the rules of a run.
    pub fn new(tape: &'a [Tick], lateness: &Lateness, texts: Texts) -> Self {
        let session = |ts: i64| lateness.sessions.of(ts).0;
        let floor = |ts: i64| match lateness.horizon {
            Horizon::None => ts,
            Horizon::Span(span) => ts.saturating_sub(span),
            Horizon::Session => session(ts),
        };
        let rules = Rules {
            disorder: lateness.disorder,
            drop_late: lateness.policy == LatePolicy::Drop,
            keeps_prints: lateness.horizon != Horizon::None,
            floor: &floor,
            session: &session,
        };
        Corrected { texts, sessions: lateness.sessions.clone(), ..Corrected::by(tape, &rules) }
    }

    /// Corrects a tape by rules of its own; nothing has a text then, and its sessions are days of UTC.
    pub fn by(tape: &'a [Tick], rules: &Rules) -> Self {
        let mut ledger = Ledger { read: tape.len() as u64, ..Ledger::default() };
        let accepted = accept(tape, |tick| tick.kind != Kind::Quote, rules, &mut ledger.late);
        let mut prints = gather_trades(&accepted, rules, &mut ledger);
        gather_messages(&accepted, rules, &mut prints, &mut ledger);
        let mut trades: BTreeMap<Symbol, Vec<Trade>> = BTreeMap::new();
        prints
            .values()
            .flatten()
            .filter_map(settle)
            .for_each(|trade| trades.entry(trade.symbol).or_default().push(trade));
        for trades in trades.values_mut() {
            trades
                .sort_by_key(|trade| (trade.ts_event, trade.seq, trade.price, trade.size, trade.eligible, trade.venue));
        }

        let mut quotes_ledger = Ledger::default();
        let accepted = accept(tape, |tick| tick.kind == Kind::Quote, rules, &mut quotes_ledger.late);
        quotes_ledger.amended = accepted.iter().filter(|quote| quote.late).count() as u64;
        quotes_ledger.on_time = accepted.len() as u64 - quotes_ledger.amended;
        ledger.ignored = quotes_ledger.accounted();
        quotes_ledger.read = quotes_ledger.accounted();
        let mut quotes: BTreeMap<Symbol, Vec<Tick>> = BTreeMap::new();
        accepted.iter().for_each(|quote| quotes.entry(quote.tick.symbol).or_default().push(quote.tick));
        for quotes in quotes.values_mut() {
            quotes.sort_by_key(|q| (q.ts_event, q.seq, q.price, q.ask(), q.size, q.ask_size));
        }

        let mut records_ledger = Ledger { read: tape.len() as u64, ..Ledger::default() };
        let accepted = accept(tape, |_| true, rules, &mut records_ledger.late);
        records_ledger.amended = accepted.iter().filter(|record| record.late).count() as u64;
        records_ledger.on_time = accepted.len() as u64 - records_ledger.amended;
        let records = accepted.into_iter().map(|record| record.tick).collect();
        let (texts, sessions, refused) = (Texts::default(), Sessions::new(TimeZone::UTC), OnceCell::new());
        Corrected { tape, trades, quotes, ledger, quotes_ledger, records, records_ledger, texts, sessions, refused }
    }

    /// Where every record went in a pipeline that takes trades and quotes.
    pub fn ledger_with_quotes(&self) -> Ledger {
        let mut ledger = Ledger { ignored: 0, read: self.ledger.read - self.ledger.ignored, ..self.ledger };
        ledger.add(&self.quotes_ledger);
        ledger
    }
}

/// Judges every record that is wanted by the clock of its own symbol, in the order of the tape.
fn accept(tape: &[Tick], wanted: impl Fn(&Tick) -> bool, rules: &Rules, dropped: &mut u64) -> Vec<Accepted> {
    let mut clocks: BTreeMap<Symbol, i64> = BTreeMap::new();
    let mut accepted = Vec::new();
    for tick in tape.iter().filter(|tick| wanted(tick)) {
        let clock = clocks.get(&tick.symbol).copied();
        let late = clock.is_some_and(|clock| tick.ts_event < clock.saturating_sub(rules.disorder));
        let amends = !rules.drop_late && clock.is_some_and(|clock| tick.ts_event >= (rules.floor)(clock));
        if late && !amends {
            *dropped += 1;
            continue;
        }
        clocks.insert(tick.symbol, clock.map_or(tick.ts_event, |clock| clock.max(tick.ts_event)));
        accepted.push(Accepted { tick: *tick, late });
    }
    accepted
}

/// Trades: every accepted trade opens a print, or repeats the earliest one of its number within its
/// horizon.
fn gather_trades(accepted: &[Accepted], rules: &Rules, ledger: &mut Ledger) -> BTreeMap<Number, Vec<Said>> {
    let mut prints: BTreeMap<Number, Vec<Said>> = BTreeMap::new();
    for Accepted { tick, late } in accepted {
        if tick.kind != Kind::Trade {
            continue;
        }
        let of_number = prints.entry((tick.venue, tick.symbol, (rules.session)(tick.ts_event), tick.seq)).or_default();
        let is_near = |said: &&mut Said| within_horizon(tick.ts_event, winner(&said.trades).ts_event, rules);
        let near = of_number.iter_mut().filter(|_| rules.keeps_prints).filter(is_near);
        let known = near.min_by_key(|said| winner(&said.trades).ts_event);
        if *late || known.is_some() {
            ledger.amended += 1;
        } else {
            ledger.on_time += 1;
        }
        match known {
            Some(said) => said.trades.push(*tick),
            None => of_number.push(Said { trades: vec![*tick], applying: Vec::new() }),
        }
    }
    prints
}

/// Cancels and corrections: each applies to the prints of its number within its horizon, wherever on the
/// tape those are, or is unmatched.
fn gather_messages(
    accepted: &[Accepted],
    rules: &Rules,
    prints: &mut BTreeMap<Number, Vec<Said>>,
    ledger: &mut Ledger,
) {
    for Accepted { tick, .. } in accepted {
        if tick.kind == Kind::Trade {
            continue;
        }
        let number = (tick.venue, tick.symbol, (rules.session)(tick.ts_event), tick.ref_seq);
        let of_number = prints.get_mut(&number).into_iter().flatten().filter(|_| rules.keeps_prints);
        let near = of_number.filter(|said| within_horizon(tick.ts_event, winner(&said.trades).ts_event, rules));
        match near.map(|said| said.applying.push(*tick)).count() {
            0 => ledger.unmatched += 1,
            _ => ledger.amended += 1,
        }
    }
}

/// Whether a record and a print lie within the horizon of each other.
fn within_horizon(record: i64, print: i64, rules: &Rules) -> bool {
    print >= (rules.floor)(record) && record >= (rules.floor)(print)
}

/// The order of messages about one print; the greatest one wins. Where time and seq are equal, kinds rise from trade
/// over cancel to correction.
fn rank(tick: &Tick) -> (i64, u64, Kind, Price, u32, Eligible) {
    (tick.ts_event, tick.seq, tick.kind, tick.price, tick.size, tick.eligible)
}

/// The message that wins among some about one print, of which there is at least a trade.
fn winner(ticks: &[Tick]) -> Tick {
    *ticks.iter().max_by_key(|tick| rank(tick)).expect("a print has a trade")
}

/// The state of a print, or nothing if the last word about it is a cancel.
fn settle(said: &Said) -> Option<Trade> {
    let trade = winner(&said.trades);
    let last = winner(&[&said.trades[..], &said.applying[..]].concat());
    let Tick { ts_event, seq, venue, symbol, .. } = trade;
    let says = last.eligible != Eligible::UNSAID;
    let eligible = if says { last.eligible } else { trade.eligible };
    let stands = last.kind != Kind::Cancel;
    stands.then_some(Trade { ts_event, seq, venue, symbol, price: last.price, size: last.size, eligible })
}
