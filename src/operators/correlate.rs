use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::AsCollection;
use differential_dataflow::consolidation::{consolidate, consolidate_updates};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::vec::{Broadcast, Filter as _, Map as _};

use super::agenda::{Agenda, changes_of};
use super::context::Context;
use super::places::first_places;
use super::settling::Settling;
use super::standings::forgotten;
use super::{Changes, Summary};
use crate::aggregate::Bar;
use crate::pairs::{Correlation, Pair, Reports, Told};
use crate::tick::{Price, Symbol};
use crate::time::EventTime;
use crate::window::{Tumbling, Window};

/// Correlates the closes of bars, pair by pair.
///
/// Every worker gets all bars and has its share of the pairs, in a dense array. When a report is due, each selects
/// its best pairs, and what comes of those of all workers is a differential collection. A bar that changes later
/// changes every report that looks at it, exactly. A report that nothing can change any more is taken out of
/// differential's arrangements, and stays in the result. A bar of a symbol that comes for the first time and is so far
/// behind the others that this was forgotten fails the run.
///
/// ```
/// use tapeflow::aggregate::Ohlcv;
/// use tapeflow::operators::{Changes, Ticks, correlate};
/// use tapeflow::pairs::{Correlation, Measure, Pair};
/// use tapeflow::window::Tumbling;
///
/// /// The two symbols that moved together most closely over the last half hour, minute by minute.
/// fn best_pair(ticks: Ticks<'_>) -> Changes<'_, Pair> {
///     let windows = |seconds: i64| Tumbling::new(seconds * 1_000_000_000).expect("longer than nothing");
///     let (on, span) = (Measure::Returns, Some(1_800_000_000_000));
///     let rule = Correlation { on, span, every: windows(60), min: 10, top: Some(1) };
///     let context = ticks.context.clone();
///     correlate(ticks.window_aggregate::<Ohlcv>(windows(1)), windows(1), rule, &context)
/// }
/// ```
pub fn correlate<'scope>(
    bars: Changes<'scope, Summary<Bar>>,
    windows: Tumbling,
    rule: Correlation,
    context: &Context,
) -> Changes<'scope, Pair> {
    let closes = bars.inner.flat_map(|(bar, time, diff)| {
        let (symbol, start, diff) = (bar.symbol.0, bar.window.start, diff as i64);
        bar.value.close.map(|close| Close { symbol, start, price: close.0, time, diff })
    });
    let operator = Correlate::new(context, windows, rule, closes.scope().peers());
    let best = changes_of(closes.broadcast(), "Correlate", operator, |operator, close| {
        operator.arrived.entry(close.time).or_default().push(close);
    });
    let Some(top) = rule.top else {
        return best.map(move |(end, (told, _))| told.row(end, rule.span, 0));
    };
    let symbols = |(told, _): &Best| [told.a, told.b].map(Symbol);
    let ranked = first_places(best, top, context, |(told, _)| told.corr, symbols, |rank, best| (rank, *best));
    // What goes when it is settled stays in the result.
    let for_good = ranked.inner.filter(|((_, (_, (_, is_settled))), _, diff)| !is_settled || *diff > 0);
    for_good.as_collection().map(move |(end, (rank, (told, _)))| told.row(end, rule.span, rank))
}

/// One of a worker's best pairs in a report, and whether that is settled. It becomes so by a change of its own, which
/// changes no row, and by which the ranking tells what is taken out of it from what is taken back.
type Best = (Told, bool);

/// A bar's close that is inserted or retracted.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Close {
    symbol: u32,
    start: EventTime,
    price: i64,
    time: u64,
    diff: i64,
}

/// The operator's state: the reports, and what is to happen at which time.
struct Correlate {
    context: Context,
    windows: Tumbling,
    rule: Correlation,
    reports: Reports,
    /// Changed closes by the time of their change.
    arrived: BTreeMap<u64, Vec<Close>>,
    /// The ends of reports that are to be made, by that time.
    due: BTreeMap<u64, EventTime>,
    settling: Settling,
    /// The windows that start before are forgotten.
    forgotten: EventTime,
    changes: Vec<((EventTime, Best), u64, isize)>,
}

impl Correlate {
    fn new(context: &Context, windows: Tumbling, rule: Correlation, workers: usize) -> Self {
        let reports = Reports::new(rule, context.symbols.clone(), context.worker, workers);
        let (arrived, due, changes) = Default::default();
        Correlate {
            context: context.clone(),
            windows,
            rule,
            reports,
            arrived,
            due,
            settling: Settling::default(),
            forgotten: EventTime::MIN,
            changes,
        }
    }

    /// Forgets what nothing can change any more. All workers know the same bars, so they do at the same time.
    fn forget(&mut self, ms: u64) {
        let settled = || self.reports.latest_bars().min().map(|latest| self.context.lateness.settled_before(latest));
        if let Some(settled) = self.settling.at(ms, settled, &self.context) {
            let settled = self.windows.window_of(settled).start;
            self.forgotten = self.forgotten.max(settled);
            let settled = self.reports.forget_before(settled);
            if self.rule.top.is_some() {
                self.changes.extend(settled.flat_map(|(end, told)| {
                    let [open, settled] = [false, true].map(|is_settled| (end, (told, is_settled)));
                    [(open, ms, -1), (settled, ms, 1), (settled, ms + 1, -1)]
                }));
            }
        }
    }
}

impl Agenda for Correlate {
    type Row = (EventTime, Best);

    fn next(&self) -> Option<u64> {
        let arrived = self.arrived.first_key_value().map(|(ms, _)| *ms);
        let due = self.due.first_key_value().map(|(ms, _)| *ms);
        arrived.into_iter().chain(due).min()
    }

    /// Does what is to happen at a time: the bars that changed then, in all reports, then a new report.
    fn act(&mut self, ms: u64) {
        let arrived = self.arrived.remove(&ms).unwrap_or_default();
        let bars = bars_of(arrived);
        if let Some((start, symbol)) = bars.keys().next().filter(|(start, _)| *start < self.forgotten) {
            let window = self.windows.window_of(*start);
            return forgotten(&self.context, Symbol(*symbol as u32), window, "by a longer late.horizon");
        }
        let touched = self.reports.set(bars);
        let mut made: BTreeSet<EventTime> = self.due.remove(&ms).into_iter().collect();
        for step in &touched.steps {
            let end = self.rule.every.window_of(*step).end;
            let at = Window { start: end, end }.end_ms() as u64;
            if at > ms {
                self.due.insert(at, end);
            } else {
                made.insert(end);
            }
        }
        self.reports.amend(&touched);
        for end in made {
            if self.reports.lacks(end) {
                self.reports.report(end);
            }
        }
        self.changes.extend(self.reports.drain().map(|((end, told), diff)| ((end, (told, false)), ms, diff)));
        // The differences are shown, not what happened in between.
        consolidate_updates(&mut self.changes);
        self.forget(ms);
    }

    fn changes(&mut self) -> &mut Vec<((EventTime, Best), u64, isize)> {
        &mut self.changes
    }
}

/// What the bars of symbols are now, of which some closes were inserted and retracted.
fn bars_of(arrived: Vec<Close>) -> BTreeMap<(EventTime, usize), Option<Price>> {
    let of = |close: Close| ((close.start, close.symbol as usize, close.price), close.diff as isize);
    let mut closes: Vec<_> = arrived.into_iter().map(of).collect();
    // A bar may have changed without its close.
    consolidate(&mut closes);
    let mut bars: BTreeMap<(EventTime, usize), Option<Price>> = BTreeMap::new();
    for ((start, symbol, price), diff) in closes {
        let bar = bars.entry((start, symbol)).or_default();
        if diff > 0 {
            *bar = Some(Price(price));
        }
    }
    bars
}
