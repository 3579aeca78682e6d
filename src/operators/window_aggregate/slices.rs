use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::panes::{Around, Out, Panes};
use super::running::Running;
use crate::aggregate::{Aggregate, Print};
use crate::lateness::Horizon;
use crate::prints::Change;
use crate::time::{EventTime, MS};
use crate::window::{Sliced, Window};

type Rules = Arc<dyn Sliced>;

/// Windows that are cut from event time alone, as slices. The newest slice stands in place, because nearly every tick
/// falls into it.
pub struct Slices<A: Aggregate> {
    newest: Slice<A>,
    /// The others in the order of their beginnings. Nearly all come and go at the ends, which allocates nothing.
    others: VecDeque<Slice<A>>,
    /// So many of them had ended before the last window did, where windows are slices. A batch may bring many more, and to
    /// look through them for what ends now would cost more than that does.
    ended: usize,
    /// Slices that begin before this and are not here are made anew from the log.
    dropped_before: EventTime,
    /// What the windows that are about to change held.
    told: Vec<(Window, Option<A::Value>)>,
    /// What the window that was looked at last holds, where windows have several slices.
    running: Option<Box<Running<A>>>,
}

struct Slice<A> {
    span: Window,
    state: A,
}

const NOWHERE: Window = Window { start: EventTime::MIN, end: EventTime::MIN };

impl<A: Aggregate> Default for Slices<A> {
    fn default() -> Self {
        Slices {
            newest: Slice { span: NOWHERE, state: A::default() },
            others: VecDeque::new(),
            ended: 0,
            dropped_before: EventTime::MIN,
            told: Vec::new(),
            running: None,
        }
    }
}

impl<A: Aggregate> Slices<A> {
    /// Where among the others the slices begin that begin at `ts` or later. The search begins at the end, in steps
    /// that double: nearly all that is looked for lies there, and the others are in no cache.
    #[inline]
    fn place(&self, ts: EventTime) -> usize {
        let (is_before, len) = (|at: usize| self.others[at].span.start < ts, self.others.len());
        let mut step = 1;
        while step < len && !is_before(len - step) {
            step *= 2;
        }
        let (mut low, mut high) = (len.saturating_sub(step), len - step / 2);
        while low < high {
            let middle = low.midpoint(high);
            (low, high) = if is_before(middle) { (middle + 1, high) } else { (low, middle) };
        }
        low
    }

    fn slice(&self, start: EventTime) -> Option<&Slice<A>> {
        if self.newest.span.start == start {
            return Some(&self.newest);
        }
        self.others.get(self.place(start)).filter(|slice| slice.span.start == start)
    }

    fn slice_mut(&mut self, start: EventTime) -> Option<&mut Slice<A>> {
        if self.newest.span.start == start {
            return Some(&mut self.newest);
        }
        let place = self.place(start);
        self.others.get_mut(place).filter(|slice| slice.span.start == start)
    }

    /// The last slice that begins before `ts`.
    fn last_before(&self, ts: EventTime) -> Option<EventTime> {
        let others = || self.others.get(self.place(ts).checked_sub(1)?);
        let last = if self.newest.span.start < ts { Some(&self.newest) } else { others() };
        last.map(|slice| slice.span.start).filter(|start| *start > EventTime::MIN)
    }

    /// The first slice that begins at `ts` or later.
    fn first_from(&self, ts: EventTime) -> Option<EventTime> {
        let first = self.others.get(self.place(ts)).unwrap_or(&self.newest);
        Some(first.span.start).filter(|start| *start >= ts)
    }

    /// The slices that begin within a stretch.
    #[inline]
    fn within(&self, stretch: Window) -> impl Iterator<Item = &Slice<A>> {
        let others = self.others.range(self.place(stretch.start)..self.place(stretch.end));
        others.chain(Some(&self.newest).filter(|newest| stretch.contains(newest.span.start)))
    }

    /// The prints within a stretch whose slices were dropped.
    #[inline]
    fn dropped<'a>(&'a self, stretch: Window, around: &'a Around<'_, Rules>) -> impl Iterator<Item = Print> {
        let dropped = Window { end: stretch.end.min(self.dropped_before), ..stretch };
        let prints = (dropped.start < dropped.end).then(|| around.log.prints_of(dropped));
        let is_here = |print: &Print| self.slice(around.windows.slice_of(print.ts_event).start).is_some();
        prints.into_iter().flatten().filter(move |print| !is_here(print))
    }

    /// Puts in a slice that was not there.
    fn open(&mut self, slice: Slice<A>) {
        if slice.span.start > self.newest.span.start {
            let previous = std::mem::replace(&mut self.newest, slice);
            if previous.span != NOWHERE {
                self.others.push_back(previous);
            }
        } else {
            self.others.insert(self.place(slice.span.start), slice);
        }
    }

    /// Puts in the slice of `ts`, if it is not there.
    fn load(&mut self, ts: EventTime, around: &Around<'_, Rules>) {
        let span = around.windows.slice_of(ts);
        if self.slice(span.start).is_none() {
            let mut state = A::default();
            if span.start < self.dropped_before {
                around.log.prints_of(span).for_each(|print| state.add(&print));
            }
            self.open(Slice { span, state });
        }
    }

    /// Adds a print that lies in another slice than the newest; says when to look at the symbol if it opened one.
    fn add_elsewhere(&mut self, print: &Print, windows: &Rules) -> Option<i64> {
        let span = windows.slice_of(print.ts_event);
        if span.start <= self.newest.span.start
            && let Some(slice) = self.slice_mut(span.start)
        {
            slice.state.add(print);
            return None;
        }
        let mut state = A::default();
        state.add(print);
        self.open(Slice { span, state });
        let first = if windows.are_slices() { span } else { windows.ending_after(span.start) };
        Some(first.end_ms())
    }

    /// Hands out the windows that end now, of those that are slices.
    fn close_slices(&mut self, around: &Around<'_, Rules>, out: &mut Out<A::Value>) {
        let before = around.passed.saturating_sub(1).saturating_mul(MS);
        while self.others.get(self.ended).is_some_and(|slice| slice.span.end <= before) {
            self.ended += 1;
        }
        let ending = self.others.range(self.ended..).chain(Some(&self.newest));
        for Slice { span, state } in ending.take_while(|slice| slice.span.end_ms() <= around.passed) {
            out.row(*span, around.windows.place(*span), state.lower(), 1);
        }
    }

    /// Whether there is a print in a slice.
    fn has_print(&self, span: Window, around: &Around<'_, Rules>) -> bool {
        match self.slice(span.start) {
            Some(slice) => slice.state.lower().is_some(),
            None => span.start < self.dropped_before && around.log.prints_of(span).next().is_some(),
        }
    }

    /// What a window comes to.
    fn value(
        &self,
        window: Window,
        around: &Around<'_, Rules>,
        running: &mut Option<Box<Running<A>>>,
    ) -> Option<A::Value> {
        if around.windows.slice_of(window.start) == window
            && let Some(slice) = self.slice(window.start)
        {
            return slice.state.lower();
        }
        let shown_by = around.windows.shown_by(window);
        if shown_by != window && !self.has_print(shown_by, around) {
            return None;
        }
        let running = running.get_or_insert_default();
        if !running.leads_to(window) {
            running.begin(window, |older| {
                older.extend(self.within(window).map(|slice| (slice.span.start, slice.state.clone())));
                let mut anew = BTreeMap::<EventTime, A>::new();
                for print in self.dropped(window, around) {
                    anew.entry(around.windows.slice_of(print.ts_event).start).or_default().add(&print);
                }
                older.extend(anew);
            });
        }
        running.go_on(window, |rest, newer| {
            self.within(rest).for_each(|slice| newer.combine(&slice.state));
            self.dropped(rest, around).for_each(|print| newer.add(&print));
        })
    }

    /// The emitted windows that hold a print of these changes, in the order of their ends.
    fn emitted(&self, changes: &[Change], around: &Around<'_, Rules>) -> Vec<Window> {
        let mut windows = Vec::new();
        for slice in touched(changes, around) {
            let holding = around.windows.windows_after(slice.start).take_while(|window| window.start <= slice.start);
            windows.extend(holding.take_while(|window| window.end_ms() <= around.passed));
        }
        windows.sort_by_key(|window| (window.end, window.start));
        windows.dedup();
        windows
    }
}

/// The slices that hold a print of these changes.
fn touched(changes: &[Change], around: &Around<'_, Rules>) -> Vec<Window> {
    let prints = changes.iter().flat_map(|(before, after)| [before, after]).flatten();
    let mut slices: Vec<Window> = prints.map(|print| around.windows.slice_of(print.ts_event)).collect();
    slices.sort();
    slices.dedup();
    slices
}

impl<A: Aggregate> Panes<A> for Slices<A> {
    type Rules = Rules;

    // Every tick comes through here, and this is all that happens to nearly all of them.
    #[inline(always)]
    fn add(&mut self, print: &Print, windows: &Rules) -> Option<i64> {
        if self.newest.span.contains(print.ts_event) {
            self.newest.state.add(print);
            return None;
        }
        self.add_elsewhere(print, windows)
    }

    fn first_end_ms(windows: &Rules, ts: EventTime) -> i64 {
        windows.ending_after(ts).end_ms()
    }

    fn before(&mut self, changes: &[Change], around: &Around<'_, Rules>) {
        for slice in touched(changes, around) {
            self.load(slice.start, around);
        }
        let mut running = None;
        let emitted = self.emitted(changes, around);
        self.told = emitted.into_iter().map(|window| (window, self.value(window, around, &mut running))).collect();
    }

    fn after(&mut self, changes: &[Change], around: &Around<'_, Rules>, out: &mut Out<A::Value>) {
        self.running = None;
        for span in touched(changes, around) {
            let Some(slice) = self.slice_mut(span.start) else { continue };
            let inside = |print: &Option<Print>| print.filter(|print| span.contains(print.ts_event));
            for (before, after) in changes {
                if inside(before).is_some_and(|gone| !around.take_out(&gone, span, &mut slice.state)) {
                    slice.state = A::default();
                    around.log.prints_of(span).for_each(|print| slice.state.add(&print));
                    break;
                }
                if let Some(new) = inside(after) {
                    slice.state.add(&new);
                }
            }
            let next = around.windows.ending_after(span.start.max(around.passed.saturating_mul(MS)));
            if next.start <= span.start && next.end_ms() > around.passed {
                out.looks.push(next.end_ms());
            }
        }
        let mut running = None;
        for (window, old) in std::mem::take(&mut self.told) {
            let (place, new) = (around.windows.place(window), self.value(window, around, &mut running));
            if old != new {
                out.row(window, place, old, -1);
                out.row(window, place, new, 1);
            }
        }
    }

    fn close(&mut self, around: &Around<'_, Rules>, out: &mut Out<A::Value>) {
        if around.windows.are_slices() {
            return self.close_slices(around, out);
        }
        let mut running = self.running.take();
        let mut window = around.windows.ending_after(around.passed.saturating_sub(1).saturating_mul(MS));
        while window.end_ms() <= around.passed {
            match self.last_before(window.end) {
                Some(last) if last >= window.start => {
                    let value = self.value(window, around, &mut running);
                    let place = around.windows.place(window);
                    out.row(window, place, value, 1);
                    let next = around.windows.ending_after(window.end);
                    // The next window's own slices have it looked at; this is for those that it shares with this one.
                    let shows_from = around.windows.shown_by(next).start;
                    if last >= shows_from {
                        out.looks.extend(Some(next.end_ms()).filter(|ms| *ms > around.passed));
                    }
                    if next.end <= window.end {
                        break;
                    }
                    window = next;
                }
                _ => match self.first_from(window.end) {
                    Some(start) => window = around.windows.ending_after(start),
                    None => break,
                },
            }
        }
        self.running = running;
    }

    fn holding(&self, ts: EventTime, around: &Around<'_, Rules>) -> Vec<(Window, Option<A::Value>)> {
        let holding = around.windows.windows_after(ts).take_while(|window| window.start <= ts);
        let mut running = None;
        holding.map(|window| (window, self.value(window, around, &mut running))).collect()
    }

    fn forget(&mut self, settled: EventTime, open: EventTime, around: &Around<'_, Rules>) -> EventTime {
        // Beside its chunk of prints a summary is small, and making it anew reads them all.
        let stay = if A::GROWS { 0 } else { around.log.chunks() };
        let are_slices = around.windows.are_slices();
        while let Some(first) = self.others.front() {
            let until = if are_slices { first.span.end } else { around.windows.until(first.span.start) };
            let is_open = until > open || until > around.passed.saturating_mul(MS);
            if is_open || self.others.len() <= stay {
                break;
            }
            self.dropped_before = self.dropped_before.max(first.span.end);
            self.others.pop_front();
            self.ended = self.ended.saturating_sub(1);
        }
        // Where there is no horizon no print is kept, whatever is said here.
        if around.lateness.horizon == Horizon::None { settled } else { around.windows.since(settled) }
    }
}
