//! Which records of a tape a result is made of.

use crate::tick::{Kind, Symbol, Tick};
use crate::window::Window;

/// The records of some symbols that lie in a window, and those that speak of one that does, in the order of the tape.
pub fn about<'a>(tape: &'a [Tick], symbols: &[Symbol], window: Window) -> Vec<&'a Tick> {
    let is_inside = |tick: &Tick| symbols.contains(&tick.symbol) && window.contains(tick.ts_event);
    let inside: Vec<(Symbol, u64)> =
        tape.iter().filter(|tick| is_inside(tick)).map(|tick| (tick.symbol, tick.seq)).collect();
    let speaks_of_it = |tick: &Tick| {
        matches!(tick.kind, Kind::Cancel | Kind::Correct) && inside.contains(&(tick.symbol, tick.ref_seq))
    };
    tape.iter().filter(|tick| is_inside(tick) || speaks_of_it(tick)).collect()
}
