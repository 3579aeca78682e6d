//! Records of a tape in words, for people.

use crate::row::Texts;
use crate::tick::{Kind, Symbol, Tick};
use crate::window::Window;

/// The columns of [`line`].
pub const COLUMNS: &str = "ts_event,seq,symbol,venue,action,ref_seq,price,size";

/// A record as a line.
pub fn line(tick: &Tick, texts: &Texts) -> String {
    let (action, ref_seq) = match tick.kind {
        Kind::Trade => ("trade", String::new()),
        Kind::Cancel => ("cancel", tick.ref_seq.to_string()),
        Kind::Correct => ("correct", tick.ref_seq.to_string()),
        Kind::Quote => ("quote", String::new()),
    };
    let (symbol, venue) = (texts.symbol(tick.symbol), texts.venue(tick.venue));
    let Tick { ts_event, seq, price, size, .. } = tick;
    format!("{ts_event},{seq},{symbol},{venue},{action},{ref_seq},{price},{size}")
}

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
