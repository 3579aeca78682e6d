use std::collections::{BTreeMap, BTreeSet};

use super::Summary;
use crate::aggregate::Value;
use crate::operators::agenda::{Agenda, changes_of};
use crate::operators::settling::Settling;
use crate::operators::{Changes, Context};
use crate::tick::Symbol;
use crate::time::EventTime;
use crate::window::{Early, Window};

/// Of rows that begin together and grow, the longest: the row of the whole window, which changes as it fills.
pub fn longest<'scope, V: Value>(
    growing: Changes<'scope, Summary<V>>,
    windows: Early,
    context: Context,
) -> Changes<'scope, Summary<V>> {
    let (symbols, arrived, changes) = Default::default();
    let operator = Longest { context, windows, symbols, arrived, changes };
    changes_of(growing.inner, "Longest", operator, |operator, (row, time, diff)| {
        operator.arrived.entry(time).or_default().push((row, diff));
    })
}

struct Longest<V> {
    context: Context,
    windows: Early,
    symbols: BTreeMap<Symbol, Grown<V>>,
    /// Rows that change at logical times to come.
    arrived: BTreeMap<u64, Vec<(Summary<V>, isize)>>,
    changes: Vec<(Summary<V>, u64, isize)>,
}

/// What the windows of one symbol held after so many steps, by their beginnings.
struct Grown<V> {
    steps: BTreeMap<(EventTime, u32), V>,
    settling: Settling,
}

impl<V: Value> Grown<V> {
    /// What is known last of the window that begins at `start`.
    fn last(&self, start: EventTime) -> Option<&V> {
        self.steps.range((start, 0)..=(start, u32::MAX)).next_back().map(|(_, value)| value)
    }
}

impl<V: Value> Longest<V> {
    /// Applies the changes of one symbol at one time.
    fn change(&mut self, symbol: Symbol, mut rows: Vec<(Summary<V>, isize)>, time: u64) {
        let empty = || Grown { steps: BTreeMap::new(), settling: Settling::default() };
        let grown = self.symbols.entry(symbol).or_insert_with(empty);
        let starts: BTreeSet<EventTime> = rows.iter().map(|(row, _)| row.window.start).collect();
        let old: Vec<Option<V>> = starts.iter().map(|start| grown.last(*start).cloned()).collect();
        // What is taken back goes before what takes its place.
        rows.sort_by_key(|(_, diff)| *diff);
        for (Summary { window, place, value, .. }, diff) in rows {
            match diff {
                1 => _ = grown.steps.insert((window.start, place), value),
                _ => _ = grown.steps.remove(&(window.start, place)),
            }
        }
        for (start, old) in starts.iter().zip(old) {
            let new = grown.last(*start).cloned();
            if old != new {
                let window: Window = self.windows.whole(*start);
                let row = |value, diff| (Summary { window, place: 0, symbol, value }, time, diff);
                self.changes.extend(old.map(|value| row(value, -1)));
                self.changes.extend(new.map(|value| row(value, 1)));
            }
        }
        let rules = &self.context.lateness;
        let settled = || grown.steps.last_key_value().map(|((start, _), _)| rules.settled_before(*start));
        if let Some(settled) = grown.settling.at(time, settled, &self.context) {
            let kept = self.windows.whole(settled).start;
            grown.steps = grown.steps.split_off(&(kept, 0));
        }
    }
}

impl<V: Value> Agenda for Longest<V> {
    type Row = Summary<V>;

    fn next(&self) -> Option<u64> {
        self.arrived.first_key_value().map(|(time, _)| *time)
    }

    fn act(&mut self, time: u64) {
        let mut by_symbol: BTreeMap<Symbol, Vec<(Summary<V>, isize)>> = BTreeMap::new();
        for (row, diff) in self.arrived.remove(&time).unwrap_or_default() {
            by_symbol.entry(row.symbol).or_default().push((row, diff));
        }
        for (symbol, rows) in by_symbol {
            self.change(symbol, rows, time);
        }
    }

    fn changes(&mut self) -> &mut Vec<(Summary<V>, u64, isize)> {
        &mut self.changes
    }
}
