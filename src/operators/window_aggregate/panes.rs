use super::Summary;
use crate::aggregate::{Aggregate, Print};
use crate::lateness::Lateness;
use crate::ledger::Unfilled;
use crate::prints::{Change, PrintLog};
use crate::tick::Symbol;
use crate::time::EventTime;
use crate::window::Window;

/// What the windows of one symbol can see around them.
pub struct Around<'a, R> {
    /// The kind's rules.
    pub windows: &'a R,
    /// The rules of lateness.
    pub lateness: &'a Lateness,
    /// The symbol's prints, as far as they are kept.
    pub log: &'a PrintLog,
    /// The watermark up to which everything has happened, in milliseconds: the windows that end there or before were
    /// emitted.
    pub passed: i64,
}

impl<R> Around<'_, R> {
    /// Takes a print out of a window's summary, which the log does not show any more, unless the summary must be made
    /// anew.
    pub fn take_out<A: Aggregate>(&self, gone: &Print, window: Window, state: &mut A) -> bool {
        state.remove(gone) || state.remove_edge(gone, || self.log.edges_of(window))
    }
}

/// What a symbol's windows want.
pub struct Out<V> {
    /// Whose windows they are.
    pub symbol: Symbol,
    /// When they want it, as logical time.
    pub time: u64,
    /// Rows that were inserted or retracted, of other symbols as well.
    pub changes: Vec<(Summary<V>, u64, isize)>,
    /// Watermarks in milliseconds at which the symbol is to be looked at by [`Panes::close`].
    pub looks: Vec<i64>,
    /// A print that fills more windows than one may, and how many: it ends the run.
    pub too_many: Option<(Print, u32)>,
}

impl<V> Out<V> {
    pub fn new() -> Self {
        Out { symbol: Symbol(0), time: 0, changes: Vec::new(), looks: Vec::new(), too_many: None }
    }

    /// Inserts (`diff` 1) or retracts (-1) a window's row, if it has one.
    #[inline]
    pub fn row(&mut self, window: Window, place: u32, value: Option<V>, diff: isize) {
        if let Some(value) = value {
            self.changes.push((Summary { window, place, symbol: self.symbol, value }, self.time, diff));
        }
    }
}

/// The windows of one symbol: what a kind of window keeps of prints. A kind is a file beside this one.
///
/// It must hold that at a watermark exactly those windows stand as rows that end there or before, of the prints that
/// were given until then; the order in which they were given must not show.
pub trait Panes<A: Aggregate>: Default + 'static {
    /// The kind's rules.
    type Rules: Clone + 'static;

    /// Takes in a print that no emitted window can hold. Says when the symbol is to be looked at because of it, unless
    /// it will be anyhow.
    fn add(&mut self, print: &Print, windows: &Self::Rules) -> Option<i64>;

    /// The windows that a print of time `ts` can change end at this watermark or later.
    fn first_end_ms(windows: &Self::Rules, ts: EventTime) -> i64;

    /// Prepares for changes that the log does not show yet.
    fn before(&mut self, changes: &[Change], around: &Around<'_, Self::Rules>);

    /// Makes the changes that [`Panes::before`] was told of, and that the log shows now.
    fn after(&mut self, changes: &[Change], around: &Around<'_, Self::Rules>, out: &mut Out<A::Value>);

    /// Emits the windows that end exactly at the watermark.
    fn close(&mut self, around: &Around<'_, Self::Rules>, out: &mut Out<A::Value>);

    /// The windows that hold `ts` by what is known now, and what they come to.
    fn holding(&self, ts: EventTime, around: &Around<'_, Self::Rules>) -> Vec<(Window, Option<A::Value>)>;

    /// What is in windows that were begun and not filled, where windows are filled.
    fn unfilled(&self) -> Unfilled {
        Unfilled::default()
    }

    /// Forgets what can be made anew from the log, or can change no more: nothing before `settled` changes, and what
    /// lies before `open` changes seldom. Returns the time from which on prints must be kept.
    fn forget(&mut self, settled: EventTime, open: EventTime, around: &Around<'_, Self::Rules>) -> EventTime;
}
