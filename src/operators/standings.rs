use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::agenda::{Agenda, changes_of};
use super::context::Context;
use super::{Changes, Summary};
use crate::aggregate::{Turnover, percent};
use crate::error::Error;
use crate::lateness::Sessions;
use crate::tick::{self, Price};
use crate::time::{EventTime, MS};
use crate::window::Window;

/// The stretches of time that symbols are compared over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boards {
    /// Each window of the bars by itself.
    Windows,
    /// Each trading session; a bar lies in the session in which it begins.
    Sessions,
}

impl Boards {
    /// The board of a bar.
    pub fn of(self, bar: Window, sessions: &Sessions) -> Window {
        match self {
            Boards::Windows => bar,
            Boards::Sessions => {
                let (start, end) = sessions.of(bar.start);
                Window { start, end }
            }
        }
    }
}

/// How one symbol stands on one board. It travels between workers, all of which know symbols by the same ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// The board's stretch of time, `[start, end)`.
    pub board: (EventTime, EventTime),
    /// The symbol.
    pub symbol: u32,
    /// Its last price on the board, in units of 1e-9, if a print counts for it.
    pub close: Option<i64>,
    /// Its last price on any earlier board.
    pub previous: Option<i64>,
    /// Shares.
    pub volume: u64,
    /// Prints.
    pub trades: u64,
    /// The sum of price times size, in units of 1e-9.
    pub notional: i128,
}

impl Standing {
    /// By how much it rose, in percent and units of 1e-9, half to even; none without a price, or a previous one above zero.
    pub fn change_percent(&self) -> Option<i128> {
        let (close, previous) = self.close.zip(self.previous)?;
        percent(i128::from(close) - i128::from(previous), Price(previous))
    }
}

/// Adds each symbol's bars up to boards, and puts the last price before each board beside it.
///
/// A board's standings are inserted when it is over, and changed whenever one of their bars, or the last bar before,
/// changes. Bars and boards are kept for `keep` nanoseconds after the end of their board, or for ever; a change that
/// comes later cannot be told any more, and fails the run.
///
/// ```
/// use tapeflow::aggregate::Traded;
/// use tapeflow::operators::{Boards, Changes, Standing, Ticks, standings};
/// use tapeflow::window::Tumbling;
///
/// fn minute_by_minute(ticks: Ticks<'_>) -> Changes<'_, Standing> {
///     let minute = Tumbling::new(60_000_000_000).expect("a minute is longer than nothing");
///     let context = ticks.context.clone();
///     standings(ticks.window_aggregate::<Traded>(minute), Boards::Windows, None, &context)
/// }
/// ```
pub fn standings<'scope>(
    bars: Changes<'scope, Summary<Turnover>>,
    boards: Boards,
    keep: Option<i64>,
    context: &Context,
) -> Changes<'scope, Standing> {
    let operator = Standings::new(context, boards, keep);
    changes_of(bars.inner, "Standings", operator, |operator, (bar, time, diff)| {
        operator.arrived.entry(time).or_default().push((bar, diff));
    })
}

struct Standings {
    context: Context,
    boards: Boards,
    keep: Option<i64>,
    symbols: BTreeMap<u32, Symbol>,
    /// Bars that change at logical times to come.
    arrived: BTreeMap<u64, Vec<(Summary<Turnover>, isize)>>,
    /// Boards to look at again, by when.
    dirty: BTreeMap<u64, BTreeSet<(u32, Window)>>,
    changes: Vec<(Standing, u64, isize)>,
}

/// What is kept of a symbol.
#[derive(Default)]
struct Symbol {
    bars: BTreeMap<EventTime, (Window, Turnover)>,
    told: BTreeMap<EventTime, Standing>,
}

impl Standings {
    fn new(context: &Context, boards: Boards, keep: Option<i64>) -> Self {
        let (symbols, arrived, dirty, changes) = Default::default();
        Standings { context: context.clone(), boards, keep, symbols, arrived, dirty, changes }
    }

    /// Takes a bar in or out, and notes which boards that touches: its own, and those that look back to it, of which the
    /// last one is the next to have a price of its own.
    fn apply(&mut self, bar: Summary<Turnover>, diff: isize, time: u64) {
        let Summary { window, symbol, value, .. } = bar;
        let sessions = &self.context.lateness.sessions;
        let board = self.boards.of(window, sessions);
        if expires(board, self.keep).is_some_and(|expires| time >= expires) {
            return forgotten(&self.context, symbol, window, KEEP);
        }
        let kept = self.symbols.entry(symbol.0).or_default();
        match diff {
            1 => _ = kept.bars.insert(window.start, (window, value)),
            _ => _ = kept.bars.remove(&window.start),
        }
        let mut touched = vec![board];
        for (window, next) in kept.bars.range(board.end..).map(|(_, bar)| bar) {
            touched.push(self.boards.of(*window, sessions));
            if next.bar.close.is_some() {
                break;
            }
        }
        for board in touched {
            self.dirty.entry(time.max(board.end_ms() as u64)).or_default().insert((symbol.0, board));
        }
    }

    /// Says how a symbol stands on a board, if that is not what was said before.
    fn tell(&mut self, symbol: u32, board: Window, time: u64) {
        let Some(kept) = self.symbols.get_mut(&symbol) else { return };
        let mut standing: Option<Standing> = None;
        for (_, Turnover { bar, notional }) in kept.bars.range(board.start..board.end).map(|(_, bar)| bar) {
            let standing = standing.get_or_insert(Standing {
                board: (board.start, board.end),
                symbol,
                close: None,
                previous: None,
                volume: 0,
                trades: 0,
                notional: 0,
            });
            standing.close = bar.close.map(|close| close.0).or(standing.close);
            standing.volume += bar.volume;
            standing.trades += bar.trades;
            standing.notional += notional;
        }
        if let Some(standing) = &mut standing {
            let before = kept.bars.range(..board.start).rev();
            standing.previous = before.map(|(_, (_, before))| before.bar.close).find_map(|close| Some(close?.0));
        }
        let told = match &standing {
            Some(standing) => kept.told.insert(board.start, standing.clone()),
            None => kept.told.remove(&board.start),
        };
        if told != standing {
            self.changes.extend(told.map(|told| (told, time, -1)));
            self.changes.extend(standing.map(|standing| (standing, time, 1)));
        }
        let Standings { context, boards, keep, .. } = self;
        kept.forget(time, *keep, |bar| boards.of(bar, &context.lateness.sessions));
    }
}

impl Agenda for Standings {
    type Row = Standing;

    /// The next logical time at which something is to be done.
    fn next(&self) -> Option<u64> {
        let times = [self.arrived.first_key_value().map(|(t, _)| *t), self.dirty.first_key_value().map(|(t, _)| *t)];
        times.into_iter().flatten().min()
    }

    fn act(&mut self, time: u64) {
        let mut arrived = self.arrived.remove(&time).unwrap_or_default();
        // What is taken back goes before what takes its place.
        arrived.sort_by_key(|(_, diff)| *diff);
        for (bar, diff) in arrived {
            self.apply(bar, diff, time);
        }
        for (symbol, board) in self.dirty.remove(&time).unwrap_or_default() {
            self.tell(symbol, board, time);
        }
    }

    fn changes(&mut self) -> &mut Vec<(Standing, u64, isize)> {
        &mut self.changes
    }
}

impl Symbol {
    /// Forgets boards that are settled, and their bars but for the last with a price, which the next board looks back to.
    fn forget(&mut self, time: u64, keep: Option<i64>, board_of: impl Fn(Window) -> Window) {
        let is_over = |board: Window| expires(board, keep).is_some_and(|expires| time >= expires);
        while let Some(told) = self.told.first_entry()
            && is_over(Window { start: told.get().board.0, end: told.get().board.1 })
        {
            told.remove();
        }
        let mut last = None;
        while let Some(first) = self.bars.first_entry()
            && is_over(board_of(first.get().0))
        {
            last = Some(first.remove_entry()).filter(|(_, (_, value))| value.bar.close.is_some()).or(last);
        }
        self.bars.extend(last);
    }
}

/// The logical time at which a board is settled for good.
pub(super) fn expires(board: Window, keep: Option<i64>) -> Option<u64> {
    Some((board.end_ms() as u64).saturating_add((keep? / MS) as u64 + 1))
}

/// The setting by which rankings of bars are kept.
pub(super) const KEEP: &str = "movers.keep = \"all\" for ever";

/// Fails the run because something about a symbol changed that was forgotten; `setting` says how it is kept longer.
pub(super) fn forgotten(context: &Context, symbol: tick::Symbol, window: Window, setting: &str) {
    let text = context.symbols.text(symbol.0);
    let Window { start, end } = window;
    context.failure.set(Error::Input(format!(
        "{text} changed in [{start}, {end}) when that was forgotten: the symbol is far behind the others in its input. \
         Keep rows longer ({setting}), or sort the tape by time"
    )));
}
