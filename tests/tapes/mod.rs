//! Small nasty tapes: a seeded generator, a strategy over it that shrinks by leaving records out, and a shuffle.
//!
//! Most event times lie on a lattice of [`LATTICE`], some a nanosecond beside it, so that rules whose disorder, horizon
//! and window are multiples of it meet records exactly on their bounds, and many records share a timestamp.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tapeflow::tick::{Eligible, Kind, Price, Symbol, Tick, Venue, mix};
use tapeflow::time::SECOND;

/// The texts of the symbols by id; their order as texts is not that of the ids.
pub const NAMES: [&str; 8] = ["ZZ", "A", "MSFT", "BRK.B", "AA", "a", "BRK.A", "M"];

/// The raster on which most event times lie.
pub const LATTICE: i64 = SECOND / 4;

/// Where a tape may begin: early on the first day of the epoch, and 20 s before a midnight of UTC and one of New York
/// (2024-03-11).
const STARTS: [i64; 3] = [3_600 * SECOND, (1_710_115_200 - 20) * SECOND, (1_710_129_600 - 20) * SECOND];

/// What a tape is made from; equal specs make equal tapes.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The seed of all choices.
    pub seed: u64,
    /// How many records there are.
    pub records: usize,
    /// How many symbols there are, with the ids `0..symbols`; at most as many as [`NAMES`].
    pub symbols: u32,
    /// How many venues there are, with the ids `0..venues`.
    pub venues: u16,
    /// The event time at which the tape begins; some messages come before it.
    pub start: i64,
    /// How far arrival is shuffled, in nanoseconds. Without `late`, no record is late under this disorder.
    pub disorder: i64,
    /// The horizon on whose bounds some records and messages are put, in nanoseconds.
    pub horizon: i64,
    /// How far from the first trade of a print its repeats may lie, in nanoseconds; `i64::MAX` for anywhere.
    pub moves: i64,
    /// The windows whose edges prints are put on, in nanoseconds.
    pub window: i64,
    /// Whether some records arrive later than the disorder allows.
    pub late: bool,
    /// Whether every symbol of a venue counts its own seq, so that symbols share numbers.
    pub seq_per_symbol: bool,
}

/// Specs of all sizes and tempers.
pub fn specs() -> impl Strategy<Value = Spec> {
    let shape = (any::<u64>(), 1..=150_usize, 1..=NAMES.len() as u32, 1..=3_u16, prop::sample::select(&STARTS[..]));
    let disorder = prop::sample::select(vec![0, LATTICE, SECOND, 3 * SECOND]);
    let horizon = prop::sample::select(vec![5 * SECOND, 20 * SECOND, 60 * SECOND]);
    let moves = prop::sample::select(vec![0, 2 * SECOND, i64::MAX]);
    let window = prop::sample::select(vec![SECOND, 5 * SECOND, 10 * SECOND]);
    (shape, disorder, horizon, moves, window, prop::bool::weighted(0.75), any::<bool>()).prop_map(
        |((seed, records, symbols, venues, start), disorder, horizon, moves, window, late, seq_per_symbol)| Spec {
            seed,
            records,
            symbols,
            venues,
            start,
            disorder,
            horizon,
            moves,
            window,
            late,
            seq_per_symbol,
        },
    )
}

/// Tapes of all specs. A failing one shrinks by leaving records out; those that stay are as they were.
#[allow(dead_code, reason = "an integration test may need its tapes' specs and so build on `specs` instead")]
pub fn tapes() -> impl Strategy<Value = Vec<Tick>> {
    specs().no_shrink().prop_map(|spec| tape(&spec)).prop_flat_map(|tape| {
        let keep = prop::collection::vec(prop::bool::weighted(1.0), tape.len());
        keep.prop_map(move |keep| tape.iter().zip(keep).filter(|(_, keep)| *keep).map(|(tick, _)| *tick).collect())
    })
}

/// The same records in another order of arrival in which none is late under `disorder`: by `ts_event` plus a delay of
/// at most the disorder. If nobody was late on the given tape either, bars and ledger must stay as they were.
#[allow(dead_code, reason = "not every integration test that draws tapes permutes them")]
pub fn shuffled_within(tape: &[Tick], disorder: i64, seed: u64) -> Vec<Tick> {
    let mut dice = Dice(seed);
    let mut keyed: Vec<((i64, u64), Tick)> =
        tape.iter().map(|tick| ((tick.ts_event + dice.up_to(disorder), dice.next()), *tick)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, tick)| tick).collect()
}

/// A record in the making: sequence numbers come last, when all records are known.
#[derive(Clone)]
struct Draft {
    /// The record, still without `seq` and `ref_seq`.
    tick: Tick,
    /// The record whose seq this one speaks of, by its place among the drafts.
    about: Option<usize>,
    /// The record whose seq this one has as well, by its place among the drafts.
    seq_of: Option<usize>,
    /// The order of arrival.
    arrival: (i64, u64),
}

/// Makes the tape of a spec, in its order of arrival.
pub fn tape(spec: &Spec) -> Vec<Tick> {
    let mut dice = Dice(spec.seed);
    let mut drafts: Vec<Draft> = Vec::new();
    let mut now = spec.start;
    while drafts.len() < spec.records {
        now = step(&mut dice, now, spec.window);
        let prints: Vec<usize> = (0..drafts.len()).filter(|i| drafts[*i].tick.kind == Kind::Trade).collect();
        let Some(print) = dice.recent(&prints) else {
            let tick = any_trade(&mut dice, now, spec);
            push(&mut drafts, &mut dice, spec, tick, None, None);
            continue;
        };
        let of = drafts[print].tick;
        match dice.below(24) {
            // A cancel, now and then under the very seq of its print.
            0..=1 => {
                let tick = message(&mut dice, spec, of, Kind::Cancel);
                let seq_of = dice.one_in(6).then_some(print);
                push(&mut drafts, &mut dice, spec, tick, Some(print), seq_of);
            }
            // A correction.
            2..=3 => {
                let tick = message(&mut dice, spec, of, Kind::Correct);
                push(&mut drafts, &mut dice, spec, tick, Some(print), None);
            }
            // Two or three words about the same print, in any order of arrival; perhaps at one time and with one seq.
            4..=5 => {
                let first = drafts.len();
                for _ in 0..2 + dice.below(2) {
                    let kind = if dice.one_in(2) { Kind::Cancel } else { Kind::Correct };
                    let mut tick = message(&mut dice, spec, of, kind);
                    let mut seq_of = None;
                    if drafts.len() > first && dice.one_in(3) {
                        tick.ts_event = drafts[first].tick.ts_event;
                        seq_of = dice.one_in(2).then_some(first);
                    }
                    push(&mut drafts, &mut dice, spec, tick, Some(print), seq_of);
                }
            }
            // The same print again, with another price and mostly at another time.
            6..=7 => {
                let mut first = print;
                while let Some(earlier) = drafts[first].seq_of {
                    first = earlier;
                }
                let home = drafts[first].tick.ts_event;
                let (least, most) = (home.saturating_sub(spec.moves), home.saturating_add(spec.moves));
                let ts_event = near(&mut dice, of.ts_event, spec.horizon).clamp(least, most);
                let tick = Tick { ts_event, price: price(&mut dice), size: size(&mut dice), ..of };
                push(&mut drafts, &mut dice, spec, tick, None, Some(print));
            }
            // An exact duplicate of any record.
            8 => {
                let all: Vec<usize> = (0..drafts.len()).collect();
                let same = dice.recent(&all).expect("there is a print");
                let (tick, about) = (drafts[same].tick, drafts[same].about);
                push(&mut drafts, &mut dice, spec, tick, about, Some(same));
            }
            // A message about a message or a quote, which are no prints.
            9 => {
                let others: Vec<usize> = (0..drafts.len()).filter(|i| !prints.contains(i)).collect();
                if let Some(other) = dice.recent(&others) {
                    let kind = if dice.one_in(3) { Kind::Correct } else { Kind::Cancel };
                    let tick = message(&mut dice, spec, drafts[other].tick, kind);
                    push(&mut drafts, &mut dice, spec, tick, Some(other), None);
                }
            }
            // A message about nothing: of the wrong venue or symbol, or about a number nobody has.
            10 => {
                let mut tick = message(&mut dice, spec, of, Kind::Cancel);
                match dice.below(3) {
                    0 => tick.venue = Venue(dice.below(u64::from(spec.venues)) as u16),
                    1 => tick.symbol = Symbol(dice.below(u64::from(spec.symbols)) as u32),
                    _ => tick.ref_seq = 1_000_000,
                }
                let about = (tick.ref_seq == 0).then_some(print);
                push(&mut drafts, &mut dice, spec, tick, about, None);
            }
            11 => {
                let tick = Tick {
                    kind: Kind::Quote,
                    ts_event: near(&mut dice, now, spec.horizon),
                    ..any_trade(&mut dice, now, spec)
                };
                push(&mut drafts, &mut dice, spec, tick, None, None);
            }
            _ => {
                let tick = any_trade(&mut dice, now, spec);
                push(&mut drafts, &mut dice, spec, tick, None, None);
            }
        }
    }
    drafts.truncate(spec.records);
    number(&mut drafts, &mut dice, spec);
    drafts.sort_by_key(|draft| draft.arrival);
    let mut tape: Vec<Tick> = drafts.into_iter().map(|draft| draft.tick).collect();
    if spec.late {
        pin(&mut tape, &mut dice, spec);
    }
    set_conditions(&mut tape, spec);
    tape
}

/// On every other tape lets some prints count for a part only, by dice of their own.
fn set_conditions(tape: &mut [Tick], spec: &Spec) {
    let mut dice = Dice(mix(spec.seed));
    if dice.one_in(2) {
        return;
    }
    for tick in tape {
        let bits = dice.below(8);
        tick.eligible = match tick.kind {
            Kind::Trade | Kind::Correct if dice.one_in(3) => Eligible::new(bits & 1 > 0, bits & 2 > 0, bits & 4 > 0),
            Kind::Correct if dice.one_in(2) => Eligible::UNSAID,
            _ => Eligible::ALL,
        };
    }
}

/// Moves some records of a tape in its order of arrival to the bounds of disorder and horizon behind their symbol's
/// clock, or a nanosecond beside them. Prints that are repeated stay, for their moves are bounded.
fn pin(tape: &mut [Tick], dice: &mut Dice, spec: &Spec) {
    let mut trades: BTreeMap<(Venue, Symbol, u64), usize> = BTreeMap::new();
    for tick in tape.iter().filter(|tick| tick.kind == Kind::Trade) {
        *trades.entry((tick.venue, tick.symbol, tick.seq)).or_default() += 1;
    }
    let mut clocks: BTreeMap<Symbol, i64> = BTreeMap::new();
    for tick in tape.iter_mut().filter(|tick| tick.kind != Kind::Quote) {
        let clock = clocks.entry(tick.symbol).or_insert(tick.ts_event);
        let repeated = tick.kind == Kind::Trade && trades[&(tick.venue, tick.symbol, tick.seq)] > 1;
        if !repeated && dice.one_in(14) {
            let bound = if dice.one_in(2) { spec.disorder } else { spec.horizon };
            tick.ts_event = (*clock - bound + dice.up_to(2) - 1).max(0);
        }
        *clock = tick.ts_event.max(*clock);
    }
}

/// Gives out the sequence numbers: by event time within a venue, with gaps, and at times a little out of order.
fn number(drafts: &mut [Draft], dice: &mut Dice, spec: &Spec) {
    let mut order: Vec<((i64, u64), usize)> = Vec::new();
    for (place, draft) in drafts.iter().enumerate() {
        let astray = if dice.one_in(12) { dice.up_to(2 * SECOND) } else { 0 };
        order.push(((draft.tick.ts_event + astray, dice.next()), place));
    }
    order.sort();
    let mut last: BTreeMap<(Venue, Option<Symbol>), u64> = BTreeMap::new();
    for (_, place) in order {
        let tick = &mut drafts[place].tick;
        let last = last.entry((tick.venue, spec.seq_per_symbol.then_some(tick.symbol))).or_default();
        *last += if dice.one_in(4) { 2 + dice.below(4) } else { 1 };
        tick.seq = *last;
    }
    // Borrowed numbers: a lender stands before its borrower, so its own number is settled.
    for place in 0..drafts.len() {
        if let Some(lender) = drafts[place].seq_of {
            drafts[place].tick.seq = drafts[lender].tick.seq;
        }
    }
    for place in 0..drafts.len() {
        if let Some(about) = drafts[place].about {
            drafts[place].tick.ref_seq = drafts[about].tick.seq;
        }
    }
}

/// Adds a record and decides when it arrives.
fn push(
    drafts: &mut Vec<Draft>,
    dice: &mut Dice,
    spec: &Spec,
    tick: Tick,
    about: Option<usize>,
    seq_of: Option<usize>,
) {
    let mut delay = match dice.below(4) {
        0 => 0,
        1 => spec.disorder,
        _ => dice.up_to(spec.disorder),
    };
    if spec.late && dice.one_in(6) {
        delay = spec.disorder
            + match dice.below(6) {
                0 => 1,
                1 => dice.up_to(600 * SECOND),
                _ => LATTICE * (1 + dice.up_to(60)),
            };
    }
    drafts.push(Draft { tick, about, seq_of, arrival: (tick.ts_event + delay, dice.next()) });
}

/// The next moment at which something happens: often the same one, at times an edge of a window or far away.
fn step(dice: &mut Dice, now: i64, window: i64) -> i64 {
    let edge = (now.div_euclid(window) + 1) * window;
    match dice.below(40) {
        0..=13 => now,
        14..=25 => (now.div_euclid(LATTICE) + 1 + dice.up_to(3)) * LATTICE,
        26..=28 => now + 1,
        29..=33 => now + dice.up_to(LATTICE),
        34..=36 => edge,
        37 => (edge - 1).max(now),
        38 => edge + dice.up_to(4) * window,
        _ => now + dice.up_to(120 * SECOND),
    }
}

/// A moment at which something else is said about a moment: mostly soon after, at times before it or far away.
fn near(dice: &mut Dice, ts_event: i64, horizon: i64) -> i64 {
    let away = match dice.below(12) {
        0 => 0,
        1 => 1,
        2 => -1,
        3 => -dice.up_to(2 * SECOND),
        4 => -LATTICE * dice.up_to(8),
        5 => LATTICE * dice.up_to(400),
        6 if dice.one_in(3) => -horizon + dice.up_to(2) - 1,
        6 => horizon + dice.up_to(2) - 1,
        7 => dice.up_to(5 * SECOND),
        _ => LATTICE * dice.up_to(40),
    };
    (ts_event + away).max(0)
}

/// A trade of the first symbol, at no venue.
pub fn trade(ts_event: i64, seq: u64, price: i64, size: u32) -> Tick {
    Tick::trade(Symbol(0), ts_event, seq, Price(price), size)
}

fn any_trade(dice: &mut Dice, ts_event: i64, spec: &Spec) -> Tick {
    let (price, size) = (price(dice), size(dice));
    let symbol = Symbol(dice.below(u64::from(spec.symbols)) as u32);
    let venue = Venue(dice.below(u64::from(spec.venues)) as u16);
    Tick { symbol, venue, ..trade(ts_event, 0, price.0, size) }
}

/// A cancel or correction of a record's venue and symbol, at a time near to it.
fn message(dice: &mut Dice, spec: &Spec, of: Tick, kind: Kind) -> Tick {
    let ts_event = near(dice, of.ts_event, spec.horizon);
    let (price, size) = if kind == Kind::Cancel { (Price(0), 0) } else { (price(dice), size(dice)) };
    Tick { ts_event, price, size, kind, ..of }
}

/// Few prices, so that they meet again; some a unit apart, so that averages fall halfway; a few beyond reason.
fn price(dice: &mut Dice) -> Price {
    let hundred = 100 * Price::SCALE;
    match dice.below(16) {
        0..=6 => Price(hundred + dice.up_to(3)),
        7..=13 => Price(hundred + dice.up_to(20) * Price::SCALE / 100),
        14 => Price(dice.up_to(6) - 3),
        _ => Price((dice.up_to(2) - 1) * 1_000_000 * Price::SCALE),
    }
}

fn size(dice: &mut Dice) -> u32 {
    match dice.below(12) {
        0..=1 => 0,
        2..=6 => 1,
        7..=10 => dice.below(1000) as u32,
        _ => u32::MAX,
    }
}

/// A stream of choices: splitmix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// One of `0..n`.
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// One of `0..=most`.
    fn up_to(&mut self, most: i64) -> i64 {
        self.below(most as u64 + 1) as i64
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of the places given, half of the time one of the last four.
    fn recent(&mut self, places: &[usize]) -> Option<usize> {
        let from = if self.one_in(2) { places.len().saturating_sub(4) } else { 0 };
        let some = &places[from..];
        if some.is_empty() { None } else { Some(some[self.below(some.len() as u64) as usize]) }
    }
}
