use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Best, Correlation, Grid, Matrix, Moments, Relation, Report, Told};
use crate::tick::{Names, Price};
use crate::time::EventTime;

/// The reports that can still change, and what they are made from: the grid, and this worker's pairs.
pub struct Reports {
    rule: Correlation,
    names: Arc<Names>,
    grid: Grid,
    matrix: Matrix,
    /// The windows of which the matrix has the moments, by their starts: `[from, until)`.
    covered: (EventTime, EventTime),
    reports: BTreeMap<EventTime, Report>,
    /// The latest bar of each symbol: its clock stands there or later.
    clocks: Vec<EventTime>,
    /// The symbols' places by text.
    order: Vec<u32>,
    changes: Vec<((EventTime, Told), isize)>,
}

/// What a change of bars touched.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    /// The first and the last step at which a symbol's value changed.
    pub symbols: BTreeMap<usize, (EventTime, EventTime)>,
    /// The steps that came to be, or went.
    pub steps: BTreeSet<EventTime>,
}

impl Reports {
    /// No reports yet, of the pairs that `worker` of so many has.
    pub fn new(rule: Correlation, names: Arc<Names>, worker: usize, workers: usize) -> Self {
        Reports {
            rule,
            names,
            grid: Grid::new(rule.on),
            matrix: Matrix::new(worker, workers),
            covered: (EventTime::MIN, EventTime::MIN),
            reports: BTreeMap::new(),
            clocks: Vec::new(),
            order: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What is told and untold since the last call, by the ends of reports.
    pub fn drain(&mut self) -> impl Iterator<Item = ((EventTime, Told), isize)> {
        self.changes.drain(..)
    }

    /// The latest bar of each symbol that has one.
    pub fn latest_bars(&self) -> impl Iterator<Item = EventTime> {
        self.clocks.iter().copied().filter(|clock| *clock > EventTime::MIN)
    }

    /// Whether a report is to be made: there are bars in its last stretch, and it was not made yet.
    pub fn lacks(&self, end: EventTime) -> bool {
        self.has_bars(end) && !self.reports.contains_key(&end)
    }

    /// Makes these the bars' closes; none takes a bar away. Returns what that touched.
    pub fn set(&mut self, bars: BTreeMap<(EventTime, usize), Option<Price>>) -> Touched {
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
        self.names.learn(symbols as u32 - 1);
        let names = self.names.all();
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
    pub fn amend(&mut self, touched: &Touched) {
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
    pub fn report(&mut self, end: EventTime) {
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
        self.changes.extend(told.map(|told| ((end, *told), diff)));
    }

    /// Whether the matrix has the moments of a report.
    fn is_covered(&self, end: EventTime) -> bool {
        self.covered == self.looks_at(end) || self.rule.span.is_none()
    }

    /// The figures of a pair in a report. Where all pairs are told, so are those of symbols that had a bar by then;
    /// else only those that have figures.
    fn told(&self, end: EventTime, i: usize, j: usize) -> Option<Told> {
        let (from, until) = self.looks_at(end);
        let relation = if self.is_covered(end) {
            self.matrix.relation(i, j, self.rule.min)
        } else {
            let steps = self.grid.range(from, until);
            Moments::of(&self.grid.values(i)[steps.clone()], &self.grid.values(j)[steps]).relation(self.rule.min)
        };
        let has_traded = |symbol| self.grid.has_traded(symbol, until);
        let Relation { n, corr, beta_of_second, beta_of_first } = relation;
        let (i, j, beta) = if self.order[i] < self.order[j] { (i, j, beta_of_second) } else { (j, i, beta_of_first) };
        let is_told = corr.is_some() || (self.rule.top.is_none() && has_traded(i) && has_traded(j));
        is_told.then_some(Told { a: i as u32, b: j as u32, corr, beta, n })
    }

    /// Collects the best pairs of a report, more than are told, so that it need not be made anew when some change.
    fn best(&self, floor: Option<Told>) -> Best<'_> {
        let kept = self.rule.top.map_or(usize::MAX, |top| top.saturating_mul(2).saturating_add(8));
        Best::new(&self.order, kept, floor)
    }

    /// The best pairs of a report, of all that this worker has.
    fn select(&self, end: EventTime) -> Report {
        let mut best = self.best(None);
        if self.is_covered(end) {
            for ((i, j), corr) in self.matrix.correlations(self.rule.min) {
                if !best.is_below(corr) {
                    self.told(end, i, j).into_iter().for_each(|told| best.offer(told));
                }
            }
        } else {
            let told = self.matrix.pairs().filter_map(|(i, j)| self.told(end, i, j));
            told.for_each(|told| best.offer(told));
        }
        best.report()
    }

    /// The best pairs of a report, of which those with some symbols have changed.
    fn reselect(&self, end: EventTime, old: Report, symbols: &[usize]) -> Report {
        let mut is_touched = vec![false; self.grid.symbols()];
        symbols.iter().for_each(|symbol| is_touched[*symbol] = true);
        let untouched = |told: &&Told| !is_touched[told.a as usize] && !is_touched[told.b as usize];
        let pairs: BTreeSet<(usize, usize)> =
            symbols.iter().flat_map(|symbol| self.matrix.pairs_with(*symbol)).collect();
        let mut best = self.best(old.floor);
        old.best.iter().filter(untouched).for_each(|told| best.offer(*told));
        pairs.into_iter().filter_map(|(i, j)| self.told(end, i, j)).for_each(|told| best.offer(told));
        let new = best.report();
        if new.floor.is_some() && new.best.len() < self.rule.top.unwrap_or(0) { self.select(end) } else { new }
    }

    /// Forgets what no bar from `settled` on can change. Returns what stays told for good.
    pub fn forget_before(&mut self, settled: EventTime) -> impl Iterator<Item = (EventTime, Told)> + use<> {
        // Reports that end before are final. Over everything there is one report, which is never.
        let from = if self.rule.span.is_some() { settled } else { EventTime::MIN };
        let open = self.reports.split_off(&from);
        let settled_reports = std::mem::replace(&mut self.reports, open);
        // A report that is still to be made of a late bar looks back from after what is settled.
        let looked_at = self.rule.span.map_or(self.covered.1, |span| settled.saturating_sub(span).min(self.covered.0));
        self.grid.forget_before(settled.min(looked_at));
        let top = self.rule.top.unwrap_or(usize::MAX);
        let told =
            move |(end, report): (EventTime, Report)| report.best.into_iter().take(top).map(move |told| (end, told));
        settled_reports.into_iter().flat_map(told)
    }
}
