use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::consolidation::consolidate_updates;

use super::agenda::{Agenda, changes_of};
use super::context::Context;
use super::settling::Settling;
use super::{Changes, Summary};
use crate::aggregate::Bar;
use crate::error::Error;
use crate::tick::{Price, Symbol};
use crate::time::EventTime;
use crate::window::{Day, Fill, Window};

/// The bars, and one for every window in which a symbol did not trade: of its last close, without shares or prints. They
/// begin with the symbol's first close of a day and end with the close of its session; a day on which it does not trade
/// has none. A bar without a close stays as it is, and the close before it goes on behind it.
///
/// Such a bar is inserted when its window is over, as all bars are, and changes when the last bar before it does; it
/// goes when a late print makes a bar of its window, and comes when its window's last print is cancelled.
///
/// ```
/// use tapeflow::aggregate::{Bar, Ohlcv};
/// use tapeflow::operators::{Changes, Summary, Ticks, filled};
/// use tapeflow::window::{Fill, Hours, Tumbling, Windows};
///
/// fn minute_bars<'scope>(ticks: Ticks<'scope>, hours: Hours) -> Changes<'scope, Summary<Bar>> {
///     let minutes: Windows = Tumbling::new(60_000_000_000).expect("a minute is longer than nothing").into();
///     let fill = Fill::new(&minutes, hours).expect("minutes lie end to end");
///     let context = ticks.context.clone();
///     filled(ticks.window_aggregate::<Ohlcv>(minutes), fill, &context)
/// }
/// ```
pub fn filled<'scope>(
    bars: Changes<'scope, Summary<Bar>>,
    fill: Fill,
    context: &Context,
) -> Changes<'scope, Summary<Bar>> {
    let operator = Filling::new(context, fill);
    let fills = changes_of(bars.inner.clone(), "Fill", operator, |operator, (bar, time, diff)| {
        operator.arrived.entry(time).or_default().push((bar, diff));
    });
    bars.concat(fills)
}

struct Filling {
    context: Context,
    fill: Fill,
    symbols: BTreeMap<Symbol, Closes>,
    /// Bars that change at logical times to come.
    arrived: BTreeMap<u64, Vec<(Summary<Bar>, isize)>>,
    /// The beginnings of windows that may be without a bar, by the times at which they are over.
    ends: BTreeMap<u64, BTreeSet<(Symbol, EventTime)>>,
    changes: Vec<(Summary<Bar>, u64, isize)>,
}

/// The closes of one symbol's bars, where they have one, by the beginnings of their windows.
#[derive(Default)]
struct Closes {
    closes: BTreeMap<EventTime, Option<Price>>,
    settling: Settling,
    /// What was before this is forgotten.
    forgotten: Option<EventTime>,
}

impl Closes {
    /// The last close of the day before `ts`.
    fn before(&self, ts: EventTime, day: Day) -> Option<Price> {
        self.closes.range(day.start.min(ts)..ts).rev().find_map(|(_, close)| *close)
    }
}

impl Filling {
    fn new(context: &Context, fill: Fill) -> Self {
        let (symbols, arrived, ends, changes) = Default::default();
        Filling { context: context.clone(), fill, symbols, arrived, ends, changes }
    }

    /// A bar, or its close, changes at `time`: so do the windows without a bar from there to the next close, as far as they
    /// were over before.
    fn set(&mut self, symbol: Symbol, window: Window, new: Option<Option<Price>>, time: u64) {
        let (day, kept) = (self.fill.day_of(window), self.symbols.entry(symbol).or_default());
        if kept.forgotten.is_some_and(|forgotten| window.start < forgotten) {
            let (text, Window { start, end }) = (self.context.symbols.text(symbol.0), window);
            self.context.failure.set(Error::Input(format!(
                "a bar of {text}, [{start}, {end}), changed when its day was forgotten, which is a bug in tapeflow"
            )));
            return;
        }
        let old = match new {
            Some(close) => kept.closes.insert(window.start, close),
            None => kept.closes.remove(&window.start),
        };
        if old == new {
            return;
        }
        let earlier = kept.before(window.start, day);
        let mut others = kept.closes.range(window.start + 1..);
        let next = others.find(|(_, close)| close.is_some()).map_or(EventTime::MAX, |(start, _)| *start);
        // In the bar's own window there is a bar instead, where there is one.
        let held = |bar: Option<Option<Price>>, own: bool| match bar {
            Some(_) if own => None,
            bar => bar.flatten().or(earlier),
        };
        for at in self.fill.windows_from(window.start, day).take_while(|at| at.start < next) {
            if at.end_ms() as u64 >= time {
                self.ends.entry(at.end_ms() as u64).or_default().insert((symbol, at.start));
                break;
            }
            let own = at.start == window.start;
            if !own && kept.closes.contains_key(&at.start) {
                continue;
            }
            let row = |close: Price, diff| (empty_bar(symbol, at, close), time, diff);
            self.changes.extend(held(old, own).map(|close| row(close, -1)));
            self.changes.extend(held(new, own).map(|close| row(close, 1)));
        }
    }

    /// A window is over: if there is no bar of it, the last close stands in.
    fn end(&mut self, symbol: Symbol, start: EventTime, time: u64) {
        let Some(kept) = self.symbols.get(&symbol) else { return };
        let window = self.fill.window_of(start);
        let day = self.fill.day_of(window);
        let earlier = kept.before(start, day);
        if !kept.closes.contains_key(&start) {
            // Where no close of the day is left, nothing goes on.
            let Some(close) = earlier else { return };
            self.changes.push((empty_bar(symbol, window, close), time, 1));
        }
        if let Some(next) = self.fill.windows_from(window.start, day).nth(1) {
            self.ends.entry(next.end_ms() as u64).or_default().insert((symbol, next.start));
        }
    }

    /// Forgets the days of a symbol that nothing can change any more.
    fn forget(&mut self, symbol: Symbol, time: u64) {
        let Some(kept) = self.symbols.get_mut(&symbol) else { return };
        let settled = || kept.closes.last_key_value().map(|(start, _)| self.context.lateness.settled_before(*start));
        if let Some(settled) = kept.settling.at(time, settled, &self.context) {
            let day = self.fill.day_of(self.fill.window_of(settled)).start;
            kept.closes = kept.closes.split_off(&day);
            kept.forgotten = Some(day);
        }
    }
}

impl Agenda for Filling {
    type Row = Summary<Bar>;

    /// The next logical time at which something is to be done.
    fn next(&self) -> Option<u64> {
        let times = [self.arrived.first_key_value().map(|(t, _)| *t), self.ends.first_key_value().map(|(t, _)| *t)];
        times.into_iter().flatten().min()
    }

    fn act(&mut self, time: u64) {
        let mut bars: BTreeMap<(Symbol, Window), Option<Option<Price>>> = BTreeMap::new();
        for (bar, diff) in self.arrived.remove(&time).unwrap_or_default() {
            let close = bars.entry((bar.symbol, bar.window)).or_default();
            // What is taken back may come before or after what takes its place.
            *close = if diff > 0 { Some(bar.value.close) } else { *close };
        }
        for ((symbol, window), close) in bars {
            self.set(symbol, window, close, time);
            self.forget(symbol, time);
        }
        while let Some((symbol, start)) = self.ends.get_mut(&time).and_then(BTreeSet::pop_first) {
            self.end(symbol, start, time);
        }
        self.ends.remove(&time);
        consolidate_updates(&mut self.changes);
    }

    fn changes(&mut self) -> &mut Vec<(Summary<Bar>, u64, isize)> {
        &mut self.changes
    }
}

/// The bar of a window without a print.
fn empty_bar(symbol: Symbol, window: Window, close: Price) -> Summary<Bar> {
    let [open, high, low, close] = [Some(close); 4];
    let value = Bar { open, high, low, close, volume: 0, trades: 0, vwap: None };
    Summary { window, place: 0, symbol, value }
}
