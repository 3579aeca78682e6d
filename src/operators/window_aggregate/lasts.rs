use super::in_order::InOrder;
use super::panes::{Around, Out, Panes};
use crate::aggregate::{Aggregate, Print};
use crate::prints::Change;
use crate::time::{EventTime, MS};
use crate::window::{Last, Window};

/// The last prints of a symbol, looked at again and again. A change shows until as many prints have followed.
pub struct Lasts<A: Aggregate> {
    prints: InOrder,
    /// The window of time of the newest print.
    newest: Option<Window>,
    /// What the windows that are about to change came to.
    told: Vec<(Window, Option<A::Value>)>,
}

impl<A: Aggregate> Default for Lasts<A> {
    fn default() -> Self {
        Lasts { prints: InOrder::default(), newest: None, told: Vec::new() }
    }
}

impl<A: Aggregate> Lasts<A> {
    /// What the last prints before the end of `window` come to, if one of them lies in it.
    fn value(&self, window: Window, around: &Around<'_, Last>) -> Option<A::Value> {
        let end = self.prints.number_at(window.end);
        let last = self.prints.get(end.checked_sub(1)?).filter(|last| last.ts_event >= window.start)?;
        let session = around.lateness.sessions.of(last.ts_event).0;
        let from = end.saturating_sub(around.windows.prints as u64).max(self.prints.number_at(session));
        let mut state = A::default();
        (from..end).filter_map(|number| self.prints.get(number)).for_each(|print| state.add(print));
        state.lower()
    }

    /// The emitted windows that these changes can touch: those of the prints themselves, and those until as many prints
    /// have followed.
    fn emitted(&self, changes: &[Change], around: &Around<'_, Last>) -> Vec<Window> {
        let mut windows = Vec::new();
        for print in changes.iter().flat_map(|(before, after)| [before, after]).flatten() {
            // It may be the last of its time, and the changes beside it may move it.
            let place = self.prints.number_at(print.ts_event.saturating_add(1));
            let reach = place.saturating_add(around.windows.prints.saturating_add(changes.len()) as u64);
            let mut next = Some(print.ts_event);
            while let Some(window) = next.map(|ts| around.windows.every.window_of(ts))
                && window.end_ms() <= around.passed
            {
                windows.push(window);
                let end = self.prints.number_at(window.end);
                next = self.prints.get(end).filter(|_| end <= reach).map(|print| print.ts_event);
            }
        }
        windows.sort();
        windows.dedup();
        windows
    }
}

impl<A: Aggregate> Panes<A> for Lasts<A> {
    type Rules = Last;

    fn add(&mut self, print: &Print, last: &Last) -> Option<i64> {
        self.prints.insert(*print);
        if self.newest.is_some_and(|newest| newest.contains(print.ts_event)) {
            return None;
        }
        let window = last.every.window_of(print.ts_event);
        self.newest = Some(window);
        Some(window.end_ms())
    }

    fn first_end_ms(last: &Last, ts: EventTime) -> i64 {
        last.every.window_of(ts).end_ms()
    }

    fn before(&mut self, changes: &[Change], around: &Around<'_, Last>) {
        let emitted = self.emitted(changes, around);
        self.told = emitted.into_iter().map(|window| (window, self.value(window, around))).collect();
    }

    fn after(&mut self, changes: &[Change], around: &Around<'_, Last>, out: &mut Out<A::Value>) {
        for (before, after) in changes {
            before.iter().for_each(|gone| _ = self.prints.remove(gone));
            if let Some(new) = after {
                self.prints.insert(*new);
                let end_ms = around.windows.every.window_of(new.ts_event).end_ms();
                out.looks.extend(Some(end_ms).filter(|end_ms| *end_ms > around.passed));
            }
        }
        for (window, old) in std::mem::take(&mut self.told) {
            let new = self.value(window, around);
            if old != new {
                out.row(window, 0, old, -1);
                out.row(window, 0, new, 1);
            }
        }
    }

    fn close(&mut self, around: &Around<'_, Last>, out: &mut Out<A::Value>) {
        // Windows shorter than a millisecond end several at one watermark.
        let mut next = self.prints.number_at(around.passed.saturating_sub(1).saturating_mul(MS));
        next = next.saturating_sub(1).max(self.prints.first());
        while let Some(print) = self.prints.get(next) {
            let window = around.windows.every.window_of(print.ts_event);
            if window.end_ms() > around.passed {
                break;
            }
            if window.end_ms() == around.passed {
                out.row(window, 0, self.value(window, around), 1);
            }
            next = self.prints.number_at(window.end);
        }
    }

    fn holding(&self, ts: EventTime, around: &Around<'_, Last>) -> Vec<(Window, Option<A::Value>)> {
        let window = around.windows.every.window_of(ts);
        vec![(window, self.value(window, around))]
    }

    fn forget(&mut self, settled: EventTime, _open: EventTime, around: &Around<'_, Last>) -> EventTime {
        let kept = self.prints.number_at(settled.min(around.passed.saturating_mul(MS)));
        self.prints.forget_before(kept.saturating_sub(around.windows.prints as u64));
        settled
    }
}
