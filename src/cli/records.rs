//! Which records of a tape a result is made of.

use std::collections::HashMap;

use crate::lateness::Lateness;
use crate::row::{Field, Row, Texts};
use crate::tick::{Kind, Symbol, Tick, Venue};
use crate::time::EventTime;

/// So many records are shown, where nobody asked for all.
pub const SHOWN: usize = 20;

/// The places on a tape of the records that are inside of something, and of those that speak of a print that is or
/// repeat it, in the order of the tape; where they are more than `shown`, cancels and corrections come first.
pub fn about(tape: &[Tick], lateness: &Lateness, is_inside: impl Fn(&Tick) -> bool, shown: usize) -> Vec<usize> {
    let mut inside: HashMap<(Venue, Symbol, u64), Vec<EventTime>> = HashMap::new();
    for tick in tape.iter().filter(|tick| tick.kind != Kind::Quote && is_inside(tick)) {
        inside.entry((tick.venue, tick.symbol, tick.seq)).or_default().push(tick.ts_event);
    }
    let speaks_of_it = |tick: &Tick| {
        let seq = match tick.kind {
            Kind::Trade => tick.seq,
            Kind::Cancel | Kind::Correct => tick.ref_seq,
            Kind::Quote => return false,
        };
        let prints = inside.get(&(tick.venue, tick.symbol, seq));
        prints.is_some_and(|prints| prints.iter().any(|print| lateness.reaches(tick.ts_event, *print)))
    };
    let mut about: Vec<usize> =
        (0..tape.len()).filter(|at| is_inside(&tape[*at]) || speaks_of_it(&tape[*at])).collect();
    if about.len() > shown {
        about.sort_by_key(|at| !matches!(tape[*at].kind, Kind::Cancel | Kind::Correct));
    }
    about
}

/// The times from before its window that a row tells of, such as that of the quote that held.
pub fn times_before<R: Row>(row: &R, texts: &Texts) -> Vec<EventTime> {
    let (mut times, start) = (Vec::new(), row.window().start);
    row.fields(texts, &mut |field| times.extend(if let Field::Time(ts) = field { Some(ts) } else { None }));
    times.retain(|ts| *ts < start);
    times
}

/// Says how many records at these places of a tape are from such times.
pub fn from_before(tape: &[Tick], places: &[usize], times: &[EventTime]) -> String {
    match places.iter().filter(|at| times.contains(&tape[**at].ts_event)).count() {
        0 => String::new(),
        1 => "; 1 of them from before holds in it".into(),
        n => format!("; {n} of them from before hold in it"),
    }
}
