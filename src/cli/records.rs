//! Which records of a tape a result is made of.

use std::collections::HashSet;

use crate::tick::{Kind, Symbol, Tick};

/// The records of a tape that are inside of something, and those that speak of one that is, in the order of the tape.
pub fn about(tape: &[Tick], is_inside: impl Fn(&Tick) -> bool) -> Vec<&Tick> {
    let inside: HashSet<(Symbol, u64)> =
        tape.iter().filter(|tick| is_inside(tick)).map(|tick| (tick.symbol, tick.seq)).collect();
    let speaks_of_it = |tick: &Tick| {
        matches!(tick.kind, Kind::Cancel | Kind::Correct) && inside.contains(&(tick.symbol, tick.ref_seq))
    };
    tape.iter().filter(|tick| is_inside(tick) || speaks_of_it(tick)).collect()
}
