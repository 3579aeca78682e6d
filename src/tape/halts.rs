//! Silences of a tape within its days, and which of them look like halts of trading.

use std::collections::HashMap;

use crate::tick::{Kind, Symbol, Tick};
use crate::time::{EventTime, SECOND};

/// The pause of the rules for price limits ("limit up, limit down"); other halts last longer.
const HALT: i64 = 300 * SECOND;

/// A stretch of event time within one day in which nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Whose it was; none where it was everybody's.
    pub symbol: Option<Symbol>,
    /// The last event time before it.
    pub from: EventTime,
    /// How long it lasted, in nanoseconds.
    pub length: i64,
}

/// Listens to a tape in merged order. A halt has no record of its own in our formats, so it is told by what is
/// missing: for five minutes or longer a symbol is neither traded nor quoted, and others are. It must be
/// out of the ordinary, too: else the symbol is never silent for half as long, nor is one in a hundred of its gaps a halt.
#[derive(Debug, Default)]
pub struct Listener {
    /// The longest of everybody.
    pub longest: Option<Silence>,
    /// The longest of a symbol.
    pub longest_of_symbol: Option<Silence>,
    all: Heard,
    symbols: HashMap<Symbol, Heard>,
    /// When the last silence of everybody ended that was as long as a halt.
    all_halted_until: EventTime,
}

/// What was heard of one symbol, or of all.
#[derive(Debug, Default)]
struct Heard {
    day: i64,
    /// When something was heard last.
    at: Option<EventTime>,
    gaps: usize,
    /// The longest gap that is shorter than a halt.
    shorter: i64,
    /// Gaps as long as halts, as long as they are out of the ordinary.
    halts: Vec<Silence>,
}

impl Heard {
    /// The gap that ends now, if there is one.
    fn hear(&mut self, now: EventTime, day: i64) -> Option<(EventTime, i64)> {
        let from = self.at.filter(|_| day == self.day);
        self.at = Some(from.map_or(now, |from| from.max(now)));
        self.day = day;
        from.map(|from| (from, now - from)).filter(|(_, length)| *length > 0)
    }

    fn is_heard_often(&self) -> bool {
        self.shorter < HALT / 2
    }
}

impl Listener {
    /// The next record, when its partition's clock shows this, on a day that begins so.
    pub fn hear(&mut self, tick: &Tick, clock: EventTime, day: i64) {
        // What is said of earlier prints may come while nobody trades.
        if !matches!(tick.kind, Kind::Trade | Kind::Quote) {
            return;
        }
        if let Some((from, length)) = self.all.hear(clock, day) {
            keep(&mut self.longest, Silence { symbol: None, from, length });
            if length >= HALT {
                self.all_halted_until = clock;
            }
        }
        let heard = self.symbols.entry(tick.symbol).or_default();
        let Some((from, length)) = heard.hear(tick.ts_event, day) else { return };
        let silence = Silence { symbol: Some(tick.symbol), from, length };
        keep(&mut self.longest_of_symbol, silence);
        heard.gaps += 1;
        if length < HALT {
            heard.shorter = heard.shorter.max(length);
        } else if self.all_halted_until <= from {
            heard.halts.push(silence);
        }
        if !heard.is_heard_often() {
            heard.halts = Vec::new();
        }
    }

    /// What looks like a halt, by time.
    pub fn halts(&self) -> Vec<Silence> {
        let rare = self.symbols.values().filter(|heard| heard.halts.len() * 100 < heard.gaps);
        let mut halts: Vec<Silence> = rare.flat_map(|heard| heard.halts.iter().copied()).collect();
        halts.sort_by_key(|halt| (halt.from, halt.symbol));
        halts
    }
}

fn keep(longest: &mut Option<Silence>, silence: Silence) {
    if longest.is_none_or(|longest| longest.length < silence.length) {
        *longest = Some(silence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::Price;

    /// What is heard of these records: their kind, symbol and second, each day a hundred thousand seconds.
    fn heard(records: impl IntoIterator<Item = (Kind, u32, i64)>) -> Listener {
        let mut listener = Listener::default();
        let mut clock = 0;
        for (kind, symbol, at) in records {
            let tick = Tick { kind, ..Tick::trade(Symbol(symbol), at * SECOND, 0, Price(1), 1) };
            clock = clock.max(tick.ts_event);
            listener.hear(&tick, clock, at / DAY);
        }
        listener
    }

    const DAY: i64 = 100_000;

    fn told(silence: Option<Silence>) -> (Option<u32>, i64, i64) {
        let Silence { symbol, from, length } = silence.unwrap();
        (symbol.map(|symbol| symbol.0), from / SECOND, length / SECOND)
    }

    #[test]
    fn the_longest_silences_are_those_within_a_day() {
        let trade = |symbol, at| (Kind::Trade, symbol, at);
        let listener = heard([trade(0, 1), trade(1, 4), trade(1, 10), trade(0, 9), trade(0, 15), trade(1, DAY + 7)]);
        assert_eq!(told(listener.longest), (None, 4, 6));
        // A late record ends no silence of everybody, but one of its symbol.
        assert_eq!(told(listener.longest_of_symbol), (Some(0), 1, 8));
        assert!(heard([]).longest.is_none() && heard([trade(0, 1), trade(0, DAY)]).longest_of_symbol.is_none());
    }

    #[test]
    fn a_halt_is_a_long_silence_of_one_who_is_else_heard_often_while_others_are() {
        // Each second both, but for the seconds in which one is silent.
        let play = |is_silent: &dyn Fn(u32, i64) -> bool, kind: Kind| {
            let records = (0..2_000).flat_map(|at| [0, 1].map(|symbol| (symbol, at)));
            let heard =
                heard(records.map(|(symbol, at)| (if is_silent(symbol, at) { kind } else { Kind::Quote }, symbol, at)));
            heard.halts().iter().map(|halt| told(Some(*halt))).collect::<Vec<_>>()
        };
        let halt = |symbol, at| symbol == 1 && (501..800).contains(&at);
        assert_eq!(play(&halt, Kind::Cancel), [(Some(1), 500, 300)]);
        assert!(play(&halt, Kind::Trade).is_empty());
        assert!(play(&|symbol, at| symbol == 1 && (502..800).contains(&at), Kind::Cancel).is_empty(), "a second less");
        assert!(play(&|_, at| (501..900).contains(&at), Kind::Cancel).is_empty(), "nobody is heard");
        let two = |symbol, at| halt(symbol, at) || symbol == 1 && (1_201..1_350).contains(&at);
        assert!(play(&two, Kind::Cancel).is_empty(), "it is silent now and then");
        let rarely = |symbol, at| symbol == 1 && at % 400 != 0;
        assert!(play(&rarely, Kind::Cancel).is_empty(), "it is always silent");
    }
}
