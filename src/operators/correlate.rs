use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::AsCollection;
use differential_dataflow::consolidation::{consolidate, consolidate_updates};
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::vec::{Broadcast, Map};

use super::context::Context;
use super::{Changes, Summary};
use crate::aggregate::Bar;
use crate::pairs::{Grid, Matrix, Measure, Moments, Relation};
use crate::row::{Field, Key, Real, Row, Texts};
use crate::tick::{Price, Symbol};
use crate::time::EventTime;
use crate::window::{Tumbling, Window};

/// What is correlated, and which pairs are told.
#[derive(Clone, Copy, Debug)]
pub struct Correlation {
    /// Returns or levels.
    pub on: Measure,
    /// How far back a report looks, in nanoseconds; over everything if there is none, and then there is one report,
    /// the latest.
    pub span: Option<i64>,
    /// A report is made at the end of each of these in which there is a bar.
    pub every: Tumbling,
    /// A pair that has fewer steps in common has no figures.
    pub min: u64,
    /// So many pairs with the highest correlation; all of them, those without figures too, if there is none.
    pub top: Option<usize>,
}

/// How two symbols moved together, by the bars of a stretch of time: a row `ts_close, a, b, corr, beta, n`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The stretch.
    pub window: Window,
    /// Its place among the pairs that are told, the highest correlation first; zero where all are.
    pub rank: u32,
    /// The symbol whose text is the lesser.
    pub a: Symbol,
    /// The other one.
    pub b: Symbol,
    /// Pearson's correlation; none where one of the two does not vary, or they have too little in common.
    pub corr: Option<Real>,
    /// By how much `b` moves when `a` moves by one: their covariance over the variance of `a`.
    pub beta: Option<Real>,
    /// At so many steps both have a value.
    pub n: u64,
}

impl Row for Pair {
    const NAME: &'static str = "corr";
    const KEY_COLUMNS: usize = 3;

    fn columns() -> Vec<&'static str> {
        vec!["ts_close", "a", "b", "corr", "beta", "n"]
    }

    fn key(&self) -> Key {
        Key { ts: self.window.end, place: self.rank, symbols: [self.a, self.b] }
    }

    fn window(&self) -> Window {
        self.window
    }

    fn fields(&self, texts: &Texts, give: &mut dyn FnMut(Field<'_>)) {
        give(Field::Time(self.window.end));
        give(Field::Text(texts.symbol(self.a)));
        give(Field::Text(texts.symbol(self.b)));
        give(Field::Real(self.corr));
        give(Field::Real(self.beta));
        give(Field::Count(self.n));
    }
}

/// Correlates the closes of bars, pair by pair.
///
/// Every worker gets all bars and has its share of the pairs, in a dense array. When a report is due, each selects
/// its best pairs, and what comes of those of all workers is a differential collection. A bar that changes later
/// changes every report that looks at it, exactly.
///
/// ```
/// use tapeflow::aggregate::Ohlcv;
/// use tapeflow::operators::{Changes, Correlation, Pair, Ticks, correlate};
/// use tapeflow::pairs::Measure;
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
    let closes = bars.inner.map(|(bar, time, diff)| Close {
        symbol: bar.symbol.0,
        start: bar.window.start,
        price: bar.value.close.0,
        time,
        diff: diff as i64,
    });
    let mut operator = Correlate::new(context, windows, rule, closes.scope().peers());
    let best = closes.broadcast().unary_frontier(Pipeline, "Correlate", move |capability, _| {
        drop(capability);
        let mut held: Option<Capability<u64>> = None;
        move |(input, frontier), output| {
            input.for_each(|capability, closes| {
                for close in closes.drain(..) {
                    operator.arrived.entry(close.time).or_default().push(close);
                }
                if let Some(next) = operator.next_ms()
                    && held.as_ref().is_none_or(|held| next < *held.time())
                {
                    held = Some(capability.delayed(&next, output.output_index()));
                }
            });
            let passed = frontier.frontier().first().copied();
            while let Some(next) = operator.next_ms().filter(|next| passed.is_none_or(|passed| *next < passed))
                && let Some(held) = &mut held
            {
                held.downgrade(&next);
                operator.act(next);
                output.session(held).give_iterator(operator.changes.drain(..));
            }
            match (operator.next_ms(), &mut held) {
                (Some(next), Some(held)) => held.downgrade(&next),
                _ => held = None,
            }
        }
    });
    let best = best.as_collection();
    let Some(top) = rule.top else {
        return best.map(move |(end, told)| told.row(end, rule.span, 0));
    };
    let mut texts = Texts::new(context.symbols.clone(), context.venues.clone());
    let ranked = best.reduce_named("TopPairs", move |_end, told: &[(&Told, isize)], ranked| {
        texts.refresh();
        let mut told: Vec<&Told> = told.iter().map(|(told, _)| *told).collect();
        let text = |symbol: u32| texts.symbol(Symbol(symbol));
        told.sort_by(|one, other| {
            let by_text = || (text(one.a), text(one.b)).cmp(&(text(other.a), text(other.b)));
            other.corr.cmp(&one.corr).then_with(by_text)
        });
        ranked.extend(told.iter().zip(0..).take(top).map(|(told, rank)| ((rank, **told), 1)));
    });
    ranked.map(move |(end, (rank, told))| told.row(end, rule.span, rank))
}

/// A bar's close that is inserted or retracted.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Close {
    symbol: u32,
    start: EventTime,
    price: i64,
    time: u64,
    diff: i64,
}

/// A pair and its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Told {
    a: u32,
    b: u32,
    corr: Option<Real>,
    beta: Option<Real>,
    n: u64,
}

impl Told {
    fn row(self, end: EventTime, span: Option<i64>, rank: u32) -> Pair {
        let window = Window { start: span.map_or(EventTime::MIN, |span| end.saturating_sub(span)), end };
        Pair { window, rank, a: Symbol(self.a), b: Symbol(self.b), corr: self.corr, beta: self.beta, n: self.n }
    }
}

/// A report that was made: its best pairs on this worker, in order.
struct Report {
    best: Vec<Told>,
    /// All pairs that rank up to this one are among the best; all there are if there is none.
    floor: Option<Told>,
}

/// The operator's state: the grid, this worker's pairs, and the reports that can still change.
struct Correlate {
    context: Context,
    windows: Tumbling,
    rule: Correlation,
    grid: Grid,
    matrix: Matrix,
    /// The windows of which the matrix has the moments, by their starts: `[from, until)`.
    covered: (EventTime, EventTime),
    /// Changed closes by the time of their change.
    arrived: BTreeMap<u64, Vec<Close>>,
    /// The ends of reports that are to be made, by that time.
    due: BTreeMap<u64, EventTime>,
    reports: BTreeMap<EventTime, Report>,
    /// The latest bar of each symbol: its clock stands there or later.
    clocks: Vec<EventTime>,
    /// Once this time has passed, nothing before that can change.
    settles: Option<(u64, EventTime)>,
    /// The symbols' places by text.
    order: Vec<u32>,
    changes: Vec<((EventTime, Told), u64, isize)>,
}

/// What a change of bars touched.
#[derive(Default)]
struct Touched {
    /// The first and the last step at which a symbol's value changed.
    symbols: BTreeMap<usize, (EventTime, EventTime)>,
    /// The steps that came to be, or went.
    steps: BTreeSet<EventTime>,
}

impl Correlate {
    fn new(context: &Context, windows: Tumbling, rule: Correlation, workers: usize) -> Self {
        Correlate {
            context: context.clone(),
            windows,
            rule,
            grid: Grid::new(rule.on),
            matrix: Matrix::new(context.worker, workers),
            covered: (EventTime::MIN, EventTime::MIN),
            arrived: BTreeMap::new(),
            due: BTreeMap::new(),
            reports: BTreeMap::new(),
            clocks: Vec::new(),
            settles: None,
            order: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn next_ms(&self) -> Option<u64> {
        let arrived = self.arrived.first_key_value().map(|(ms, _)| *ms);
        let due = self.due.first_key_value().map(|(ms, _)| *ms);
        arrived.into_iter().chain(due).min()
    }

    /// Does what is to happen at a time: the bars that changed then, in all reports, then a new report.
    fn act(&mut self, ms: u64) {
        let arrived = self.arrived.remove(&ms).unwrap_or_default();
        let touched = self.take(arrived);
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
        self.amend(&touched);
        for end in made {
            if self.has_bars(end) && !self.reports.contains_key(&end) {
                self.report(end);
            }
        }
        // The differences are shown, not what happened in between.
        consolidate_updates(&mut self.changes);
        self.changes.iter_mut().for_each(|(_, time, _)| *time = ms);
        self.forget(ms);
    }

    /// Puts changed closes into the grid and the matrix.
    fn take(&mut self, arrived: Vec<Close>) -> Touched {
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
        let mut touched = Touched::default();
        for ((start, symbol), close) in bars {
            self.grow(symbol + 1);
            let (at, is_new) = self.grid.open_step(start);
            let span = touched.symbols.entry(symbol).or_insert((start, start));
            *span = (span.0.min(start), span.1.max(start));
            if is_new {
                touched.steps.insert(start);
                if self.covers(start) {
                    self.matrix.advance(&self.grid, at..at + 1, at..at);
                }
            }
            for (step, old, new) in self.grid.set(symbol, at, close) {
                let ts = self.grid.steps()[step];
                if self.covers(ts) {
                    self.matrix.replace(&self.grid, symbol, step, old, new);
                }
                span.1 = span.1.max(ts);
            }
            if self.grid.is_empty_step(at) {
                touched.steps.insert(start);
                if self.covers(start) {
                    self.matrix.advance(&self.grid, at..at, at..at + 1);
                }
                self.grid.close_step(at);
            }
            self.clocks[symbol] = self.clocks[symbol].max(start);
        }
        touched
    }

    fn grow(&mut self, symbols: usize) {
        if symbols <= self.grid.symbols() {
            return;
        }
        self.grid.grow(symbols);
        self.matrix.grow(symbols);
        self.clocks.resize(symbols, EventTime::MIN);
        let names = self.context.symbols.all();
        let mut by_text: Vec<usize> = (0..symbols).collect();
        by_text.sort_by(|a, b| names[*a].cmp(&names[*b]));
        self.order.resize(symbols, 0);
        by_text.iter().zip(0..).for_each(|(symbol, place)| self.order[*symbol] = place);
    }

    fn covers(&self, step: EventTime) -> bool {
        self.covered.0 <= step && step < self.covered.1
    }

    /// The starts of the windows that a report looks at, `[from, until)`.
    fn looks_at(&self, end: EventTime) -> (EventTime, EventTime) {
        (self.rule.span.map_or(EventTime::MIN, |span| end.saturating_sub(span)), end)
    }

    /// Whether there is a bar in the last stretch before the end of a report.
    fn has_bars(&self, end: EventTime) -> bool {
        let stretch = self.rule.every.window_of(end - 1);
        !self.grid.range(stretch.start, stretch.end).is_empty()
    }

    /// Amends the reports that look at what was touched.
    fn amend(&mut self, touched: &Touched) {
        let ends: Vec<EventTime> = self.reports.keys().copied().collect();
        for end in ends {
            let (from, until) = self.looks_at(end);
            let symbols: Vec<usize> = touched
                .symbols
                .iter()
                .filter(|(_, (first, last))| *first < until && *last >= from)
                .map(|(symbol, _)| *symbol)
                .collect();
            let is_whole = touched.steps.range(from..until).next().is_some();
            if !is_whole && symbols.is_empty() {
                continue;
            }
            let Some(old) = self.reports.remove(&end) else { continue };
            self.tell(end, &old, -1);
            if !self.has_bars(end) {
                self.fall_back();
                continue;
            }
            let new = if is_whole { self.select(end) } else { self.reselect(end, old, &symbols) };
            self.tell(end, &new, 1);
            self.reports.insert(end, new);
        }
    }

    /// Over everything there is one report. If the bars before its end are gone, it is that of the last bars.
    fn fall_back(&mut self) {
        if self.rule.span.is_none()
            && self.reports.is_empty()
            && let Some(last) = self.grid.last_before(self.covered.1)
        {
            self.report(self.rule.every.window_of(last).end);
        }
    }

    /// Makes a report, and moves the matrix on to it if it is the latest.
    fn report(&mut self, end: EventTime) {
        let (from, until) = self.looks_at(end);
        if until > self.covered.1 {
            let kept_from = from.max(self.covered.0).min(self.covered.1);
            let removed = self.grid.range(self.covered.0, kept_from);
            let added = self.grid.range(self.covered.1.max(from), until);
            if kept_from == self.covered.1 {
                self.matrix.clear();
                self.matrix.advance(&self.grid, added, 0..0);
            } else {
                self.matrix.advance(&self.grid, added, removed);
            }
            self.covered = (from, until);
        }
        if self.rule.span.is_none() {
            if self.reports.last_key_value().is_some_and(|(latest, _)| *latest > end) {
                return;
            }
            for (end, earlier) in std::mem::take(&mut self.reports) {
                self.tell(end, &earlier, -1);
            }
        }
        let report = self.select(end);
        self.tell(end, &report, 1);
        self.reports.insert(end, report);
    }

    /// Inserts or retracts the pairs of a report that are told.
    fn tell(&mut self, end: EventTime, report: &Report, diff: isize) {
        let told = report.best.iter().take(self.rule.top.unwrap_or(usize::MAX));
        self.changes.extend(told.map(|told| ((end, *told), 0, diff)));
    }

    /// The figures of a pair in a report. Where all pairs are told, so are those of symbols that had a bar by then;
    /// else only those that have figures.
    fn told(&self, end: EventTime, i: usize, j: usize) -> Option<Told> {
        let (from, until) = self.looks_at(end);
        let moments = if self.covered == (from, until) || self.rule.span.is_none() {
            self.matrix.get(i, j)
        } else {
            let steps = self.grid.range(from, until);
            Moments::of(&self.grid.values(i)[steps.clone()], &self.grid.values(j)[steps])
        };
        let has_traded = |symbol| self.grid.has_traded(symbol, until);
        let Relation { n, corr, beta_of_second, beta_of_first } = moments.relation(self.rule.min);
        let (i, j, beta) = if self.order[i] < self.order[j] { (i, j, beta_of_second) } else { (j, i, beta_of_first) };
        let is_told = corr.is_some() || (self.rule.top.is_none() && has_traded(i) && has_traded(j));
        is_told.then_some(Told { a: i as u32, b: j as u32, corr, beta, n })
    }

    fn rank(&self, one: &Told, other: &Told) -> Ordering {
        let place = |symbol: u32| self.order[symbol as usize];
        let by_text = || (place(one.a), place(one.b)).cmp(&(place(other.a), place(other.b)));
        other.corr.cmp(&one.corr).then_with(by_text)
    }

    /// How many pairs are kept of a report, so that it need not be made anew when some of the best change.
    fn kept(&self) -> usize {
        self.rule.top.map_or(usize::MAX, |top| top.saturating_mul(2).saturating_add(8))
    }

    /// The best pairs of a report, of all that this worker has.
    fn select(&self, end: EventTime) -> Report {
        self.best_of(self.matrix.pairs().filter_map(|(i, j)| self.told(end, i, j)), None)
    }

    /// The best pairs of a report, of which those with some symbols have changed.
    fn reselect(&self, end: EventTime, old: Report, symbols: &[usize]) -> Report {
        let mut is_touched = vec![false; self.grid.symbols()];
        symbols.iter().for_each(|symbol| is_touched[*symbol] = true);
        let untouched = |told: &&Told| !is_touched[told.a as usize] && !is_touched[told.b as usize];
        let pairs: BTreeSet<(usize, usize)> =
            symbols.iter().flat_map(|symbol| self.matrix.pairs_with(*symbol)).collect();
        let floor = old.floor;
        let is_above = |told: &Told| floor.is_none_or(|floor| self.rank(told, &floor).is_le());
        let changed = pairs.into_iter().filter_map(|(i, j)| self.told(end, i, j)).filter(is_above);
        let new = self.best_of(old.best.iter().filter(untouched).copied().chain(changed), floor);
        if new.floor.is_some() && new.best.len() < self.rule.top.unwrap_or(0) { self.select(end) } else { new }
    }

    /// The best of some pairs, which are all that rank up to `floor`.
    fn best_of(&self, told: impl Iterator<Item = Told>, floor: Option<Told>) -> Report {
        let kept = self.kept();
        let mut report = Report { best: Vec::new(), floor };
        for told in told {
            report.best.push(told);
            if report.best.len() >= kept.saturating_mul(2) {
                self.cut(&mut report, kept);
            }
        }
        if report.best.len() > kept {
            self.cut(&mut report, kept);
        }
        report.best.sort_by(|one, other| self.rank(one, other));
        report
    }

    fn cut(&self, report: &mut Report, kept: usize) {
        let (_, last, _) = report.best.select_nth_unstable_by(kept - 1, |one, other| self.rank(one, other));
        report.floor = Some(*last);
        report.best.truncate(kept);
    }

    /// Forgets what nothing can change any more.
    ///
    /// A tick that was judged before a bar's print waits at most until the next time for amendments after that bar, so
    /// what the symbols' clocks settle is forgotten with that delay.
    fn forget(&mut self, ms: u64) {
        let Some((at, settled)) = self.settles else {
            let rules = &self.context.lateness;
            let clocks = self.clocks.iter().filter(|clock| **clock > EventTime::MIN);
            let settled = clocks.map(|clock| rules.settled_before(*clock)).min();
            self.settles = settled.map(|settled| (ms + self.context.changes_every_ms as u64, settled));
            return;
        };
        if ms <= at {
            return;
        }
        self.settles = None;
        let settled = self.windows.window_of(settled).start;
        if self.rule.span.is_some() {
            // Reports that end before are final.
            self.reports = self.reports.split_off(&settled);
        }
        // A report that is still to be made of a late bar looks back from after what is settled.
        let looked_at = self.rule.span.map_or(self.covered.1, |span| settled.saturating_sub(span).min(self.covered.0));
        self.grid.forget_before(settled.min(looked_at));
    }
}
