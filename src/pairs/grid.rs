use std::ops::Range;

use serde::Deserialize;

use crate::tick::Price;
use crate::time::EventTime;

/// Stands where a symbol has no value.
pub const NONE: i64 = i64::MIN;

/// A return of one, as an integer: returns are counted in units of 1e-12.
const ONE: i128 = 1_000_000_000_000;

/// The highest return that is told apart, some 1,100.
const MOST: i128 = 1 << 50;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// The simple return from step to step, in units of 1e-12, half to even; none from a price that is not above zero.
    /// It saturates at 2^50 units.
    Returns,
    /// The price, in its units.
    Levels,
}

/// The values of all symbols at the same steps. A step is a window in which at least one symbol has a bar. A symbol
/// without one keeps its last close (previous tick); before its first bar it has no value.
#[derive(Clone, Debug)]
pub struct Grid {
    measure: Measure,
    steps: Vec<EventTime>,
    /// How many symbols have a bar at each step.
    bars: Vec<u32>,
    series: Vec<Series>,
    /// So many of the first steps are forgotten, and not yet removed.
    dead: usize,
}

#[derive(Clone, Debug, Default)]
struct Series {
    has_bar: Vec<bool>,
    levels: Vec<i64>,
    values: Vec<i64>,
}

impl Grid {
    /// A grid without steps.
    pub fn new(measure: Measure) -> Self {
        Grid { measure, steps: Vec::new(), bars: Vec::new(), series: Vec::new(), dead: 0 }
    }

    /// Makes room for so many symbols.
    pub fn grow(&mut self, symbols: usize) {
        let steps = self.steps.len();
        let none = || Series { has_bar: vec![false; steps], levels: vec![NONE; steps], values: vec![NONE; steps] };
        if symbols > self.series.len() {
            self.series.resize_with(symbols, none);
        }
    }

    /// How many symbols there is room for.
    pub fn symbols(&self) -> usize {
        self.series.len()
    }

    /// A symbol's values by step.
    pub fn values(&self, symbol: usize) -> &[i64] {
        &self.series[symbol].values
    }

    /// The windows' starts, by step.
    pub fn steps(&self) -> &[EventTime] {
        &self.steps
    }

    /// The steps whose windows start in `[from, until)`.
    pub fn range(&self, from: EventTime, until: EventTime) -> Range<usize> {
        let at = |ts: EventTime| self.steps.partition_point(|start| *start < ts).max(self.dead);
        at(from)..at(until).max(at(from))
    }

    /// Whether a symbol had a bar before `until`.
    pub fn has_traded(&self, symbol: usize, until: EventTime) -> bool {
        let steps = self.range(EventTime::MIN, until);
        self.series[symbol].levels[steps].last().is_some_and(|level| *level != NONE)
    }

    /// The last step whose window starts before `until`.
    pub fn last_before(&self, until: EventTime) -> Option<EventTime> {
        self.steps[self.range(EventTime::MIN, until)].last().copied()
    }

    /// Opens the step of a window if there is none; its index, and whether it is new.
    pub fn open_step(&mut self, start: EventTime) -> (usize, bool) {
        let at = self.steps.partition_point(|step| *step < start);
        if self.steps.get(at) == Some(&start) {
            return (at, false);
        }
        self.steps.insert(at, start);
        self.bars.insert(at, 0);
        for series in &mut self.series {
            let level = if at == 0 { NONE } else { series.levels[at - 1] };
            series.has_bar.insert(at, false);
            series.levels.insert(at, level);
            series.values.insert(at, self.measure.value(level, level));
        }
        (at, true)
    }

    /// Takes away a step at which nobody has a bar.
    pub fn close_step(&mut self, at: usize) {
        self.steps.remove(at);
        self.bars.remove(at);
        for series in &mut self.series {
            series.has_bar.remove(at);
            series.levels.remove(at);
            series.values.remove(at);
        }
    }

    /// Makes `close` a symbol's bar at a step, or takes its bar away. Returns its values that changed, or are there now
    /// that the symbol has traded even if there is none of them: at which step, from, to.
    pub fn set(&mut self, symbol: usize, at: usize, close: Option<Price>) -> Vec<(usize, i64, i64)> {
        let measure = self.measure;
        let series = &mut self.series[symbol];
        self.bars[at] = self.bars[at] + u32::from(close.is_some()) - u32::from(series.has_bar[at]);
        series.has_bar[at] = close.is_some();
        let mut before = if at == 0 { NONE } else { series.levels[at - 1] };
        let mut changed = Vec::new();
        for step in at..series.levels.len() {
            let carries = step > at || close.is_none();
            let old_level = series.levels[step];
            let level = match close {
                Some(close) if step == at => close.0.max(NONE + 1),
                _ if carries && !series.has_bar[step] => before,
                _ => old_level,
            };
            series.levels[step] = level;
            let (old, new) = (series.values[step], measure.value(before, level));
            series.values[step] = new;
            if old != new || (old_level == NONE) != (level == NONE) {
                changed.push((step, old, new));
            }
            // A bar of its own ends what the changed one is carried to.
            if step > at && (series.has_bar[step] || old_level == level) {
                break;
            }
            before = level;
        }
        changed
    }

    /// Whether nobody has a bar at a step.
    pub fn is_empty_step(&self, at: usize) -> bool {
        self.bars[at] == 0
    }

    /// Forgets the steps that start before `ts`, but for the last of them, from which the next one's returns count.
    pub fn forget_before(&mut self, ts: EventTime) {
        self.dead = self.dead.max(self.steps.partition_point(|start| *start < ts).saturating_sub(1));
        if self.dead < 1_024.max(self.steps.len() / 2) {
            return;
        }
        let dead = std::mem::take(&mut self.dead);
        self.steps.drain(..dead);
        self.bars.drain(..dead);
        for series in &mut self.series {
            series.has_bar.drain(..dead);
            series.levels.drain(..dead);
            series.values.drain(..dead);
        }
    }
}

impl Measure {
    /// A symbol's value at a step with this level after one with that `before`.
    fn value(self, before: i64, level: i64) -> i64 {
        match self {
            Measure::Levels => level,
            Measure::Returns if before == NONE || before <= 0 => NONE,
            Measure::Returns => {
                let (change, before) = ((i128::from(level) - i128::from(before)) * ONE, i128::from(before));
                let (quotient, rest) = (change.div_euclid(before), change.rem_euclid(before));
                let up = rest * 2 > before || (rest * 2 == before && quotient % 2 != 0);
                (quotient + i128::from(up)).clamp(-MOST, MOST) as i64
            }
        }
    }
}
