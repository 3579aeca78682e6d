use std::collections::BTreeMap;
use std::iter::successors;

use super::in_order::known_ms;
use super::panes::{Around, Out, Panes};
use crate::aggregate::{Aggregate, Print};
use crate::prints::Change;
use crate::time::{EventTime, MS};
use crate::window::{Gap, Window};

/// Runs of prints between pauses, by their beginnings; any two lie at least the gap apart.
pub struct Runs<A>(BTreeMap<EventTime, Run<A>>);

#[derive(Clone)]
struct Run<A> {
    last: EventTime,
    state: A,
}

/// A window and what it comes to.
type Row<A> = (Window, <A as Aggregate>::Value);

impl<A> Default for Runs<A> {
    fn default() -> Self {
        Runs(BTreeMap::new())
    }
}

impl<A: Aggregate> Runs<A> {
    /// Adds a print to the run that it continues; it may join two. Returns whether it begins a new one.
    fn insert(&mut self, print: &Print, gap: i64) -> bool {
        let ts = print.ts_event;
        let mut state = A::default();
        state.add(print);
        let (mut first, mut last) = (ts, ts);
        let before = self.0.range_mut(..=ts).next_back().filter(|(_, run)| run.last.saturating_add(gap) > ts);
        let after = |runs: &BTreeMap<EventTime, Run<A>>| {
            runs.range(ts..).next().map(|(first, _)| *first).filter(|first| *first < ts.saturating_add(gap))
        };
        let is_new = match before {
            Some((_, run)) if ts <= run.last => {
                run.state.add(print);
                return false;
            }
            Some((start, run)) => {
                let start = *start;
                run.state.add(print);
                run.last = ts;
                let Some(next) = after(&self.0) else { return false };
                let run = self.0.remove(&start).unwrap_or(Run { last, state: A::default() });
                (first, state) = (start, run.state);
                self.join(next, &mut last, &mut state);
                false
            }
            None => {
                let next = after(&self.0);
                if let Some(next) = next {
                    self.join(next, &mut last, &mut state);
                }
                next.is_none()
            }
        };
        self.0.insert(first, Run { last, state });
        is_new
    }

    /// Takes the run that begins at `first` into another one.
    fn join(&mut self, first: EventTime, last: &mut EventTime, state: &mut A) {
        if let Some(run) = self.0.remove(&first) {
            *last = run.last.max(*last);
            state.combine(&run.state);
        }
    }

    /// The runs of which a print lies in `[from, to]`, by their beginnings.
    fn within(&self, from: EventTime, to: EventTime) -> impl Iterator<Item = (EventTime, &Run<A>)> {
        self.0.range(..=to).rev().take_while(move |(_, run)| run.last >= from).map(|(first, run)| (*first, run))
    }

    /// Takes a print out of its run if that does not part it and the summary can do it. The log does not show the print
    /// any more. At the end of a run it must be the `only` one that goes, since the log does not show the others either.
    fn remove(&mut self, print: &Print, only: bool, around: &Around<'_, Gap>) -> bool {
        let (ts, gap) = (print.ts_event, around.windows.gap);
        let Some((&start, run)) = self.0.range_mut(..=ts).next_back().filter(|(_, run)| run.last >= ts) else {
            return false;
        };
        let (first, last) = match neighbours(ts, around) {
            (Some(before), Some(after)) if after - before < gap => (start, run.last),
            (None, Some(after)) if only && after <= run.last => (after, run.last),
            (Some(before), None) if only && before >= start => (start, before),
            _ => return false,
        };
        if !around.take_out(print, Window { start: first, end: last.saturating_add(1) }, &mut run.state) {
            return false;
        }
        run.last = last;
        if first != start
            && let Some(run) = self.0.remove(&start)
        {
            self.0.insert(first, run);
        }
        true
    }

    /// Makes the runs that lay in `spans` anew from the log.
    fn regroup(&mut self, spans: &[Window], around: &Around<'_, Gap>) {
        for span in spans {
            self.0.remove(&span.start);
        }
        for span in spans {
            let mut prints: Vec<Print> = around.log.prints_of(*span).collect();
            prints.sort_by_key(|print| print.ts_event);
            prints.iter().for_each(|print| _ = self.insert(print, around.windows.gap));
        }
    }
}

/// The times of the nearest prints that are left within the gap before `ts` and behind it. They are looked for in steps
/// that double, since within a gap there may be hundreds of thousands.
fn neighbours(ts: EventTime, around: &Around<'_, Gap>) -> (Option<EventTime>, Option<EventTime>) {
    let furthest = around.windows.gap - 1;
    let reaches = || {
        successors(Some(furthest >> 16), |reach| {
            (*reach < furthest).then(|| furthest.min(reach.saturating_mul(2).saturating_add(1)))
        })
    };
    let times = |start, end| around.log.prints_of(Window { start, end }).map(|print| print.ts_event);
    let before = |reach| times(ts.saturating_sub(reach), ts.saturating_add(1)).max();
    let after = |reach: i64| times(ts, ts.saturating_add(reach).saturating_add(1)).min();
    (reaches().find_map(before), reaches().find_map(after))
}

fn window_of<A>(first: EventTime, run: &Run<A>, gap: &Gap) -> Window {
    Window { start: first, end: run.last.saturating_add(gap.gap) }
}

impl<A: Aggregate> Panes<A> for Runs<A> {
    type Rules = Gap;

    fn add(&mut self, print: &Print, gap: &Gap) -> Option<i64> {
        // A run that grows is looked at where it ended before, which is early enough to see where it ends now.
        let end = Window { start: print.ts_event, end: print.ts_event.saturating_add(gap.gap) };
        self.insert(print, gap.gap).then_some(end.end_ms())
    }

    fn first_end_ms(_gap: &Gap, ts: EventTime) -> i64 {
        // A window can end before the print that it loses, but not before that print's time.
        known_ms(ts)
    }

    fn before(&mut self, _changes: &[Change], _around: &Around<'_, Gap>) {}

    fn after(&mut self, changes: &[Change], around: &Around<'_, Gap>, out: &mut Out<A::Value>) {
        let gap = around.windows;
        let prints =
            || changes.iter().flat_map(|(before, after)| [before, after]).flatten().map(|print| print.ts_event);
        let mut from = prints().min().unwrap_or(EventTime::MAX).saturating_sub(gap.gap);
        let mut to = prints().max().unwrap_or(EventTime::MIN).saturating_add(gap.gap);
        let rows = |runs: &Self, from, to| -> Vec<Row<A>> {
            let runs = runs.within(from, to).map(|(first, run)| (window_of(first, run, gap), run));
            let emitted = runs.filter(|(window, _)| window.end_ms() <= around.passed);
            emitted.filter_map(|(window, run)| Some((window, run.state.lower()?))).collect()
        };
        let old = rows(self, from, to);
        for (first, run) in self.within(from, to) {
            (from, to) = (from.min(first), to.max(run.last));
        }

        let mut spans: Vec<Window> = Vec::new();
        let gone = || changes.iter().filter_map(|(before, _)| *before);
        let only = gone().count() == 1;
        for gone in gone() {
            let ts = gone.ts_event;
            if spans.iter().any(|span| span.contains(ts)) || self.remove(&gone, only, around) {
                continue;
            }
            let run = self.0.range(..=ts).next_back().filter(|(_, run)| run.last >= ts);
            spans.extend(run.map(|(first, run)| Window { start: *first, end: run.last.saturating_add(1) }));
        }
        self.regroup(&spans, around);
        for new in changes.iter().filter_map(|(_, after)| *after) {
            if !spans.iter().any(|span| span.contains(new.ts_event)) {
                self.insert(&new, gap.gap);
            }
        }

        let new = rows(self, from, to);
        let open = self.within(from, to).map(|(first, run)| window_of(first, run, gap).end_ms());
        out.looks.extend(open.filter(|end_ms| *end_ms > around.passed));
        let gone = old.iter().filter(|row| !new.contains(row)).cloned();
        gone.for_each(|(window, value)| out.row(window, 0, Some(value), -1));
        let added = new.iter().filter(|row| !old.contains(row)).cloned();
        added.for_each(|(window, value)| out.row(window, 0, Some(value), 1));
    }

    fn close(&mut self, around: &Around<'_, Gap>, out: &mut Out<A::Value>) {
        // Those that begin later are looked at later: one that did so whenever another ends would take as many looks as
        // there are runs in a batch, for each of them.
        for (first, run) in self.0.range(..=around.passed.saturating_mul(MS)).rev() {
            let window = window_of(*first, run, around.windows);
            match window.end_ms().cmp(&around.passed) {
                std::cmp::Ordering::Less => break,
                std::cmp::Ordering::Equal => out.row(window, 0, run.state.lower(), 1),
                std::cmp::Ordering::Greater => out.looks.push(window.end_ms()),
            }
        }
    }

    fn holding(&self, ts: EventTime, around: &Around<'_, Gap>) -> Vec<(Window, Option<A::Value>)> {
        let run = self.0.range(..=ts).next_back().map(|(first, run)| (window_of(*first, run, around.windows), run));
        let run = run.filter(|(window, _)| window.contains(ts));
        run.map(|(window, run)| (window, run.state.lower())).into_iter().collect()
    }

    fn forget(&mut self, settled: EventTime, _open: EventTime, around: &Around<'_, Gap>) -> EventTime {
        while let Some(first) = self.0.first_entry() {
            let window = window_of(*first.key(), first.get(), around.windows);
            if window.end > settled || window.end_ms() > around.passed {
                break;
            }
            first.remove();
        }
        self.0.first_key_value().map_or(settled, |(first, _)| settled.min(*first))
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::{Bar, Ohlcv};
    use crate::lateness::{Horizon, LatePolicy, Lateness, Sessions};
    use crate::prints::PrintLog;
    use crate::tick::{Eligible, Price, Venue};

    fn print(ts_event: EventTime, seq: u64, price: i64) -> Print {
        Print { ts_event, seq, price: Price(price), size: 1, eligible: Eligible::ALL, live: true }
    }

    fn bars(runs: &Runs<Ohlcv>, gap: &Gap) -> Vec<(Window, Option<Bar>)> {
        runs.0.iter().map(|(first, run)| (window_of(*first, run, gap), run.state.lower())).collect()
    }

    proptest! {
        // It is seldom that the last prints of a run go in an order that matters.
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        /// Whatever goes and comes at once, the runs are those of the prints that are left.
        #[test]
        fn changed_runs_are_those_of_what_is_left(
            times in prop::collection::vec((0..60i64, 0..9i64), 1..40),
            gone in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(0..60i64)), 1..4),
            gap in 1..12i64,
        ) {
            let sessions = Sessions::new(TimeZone::UTC);
            let lateness =
                Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions: sessions.clone() };
            let (gap, mut log, prints) = (Gap { gap }, PrintLog::default(), times.len());
            let (mut runs, mut left) = (Runs::<Ohlcv>::default(), BTreeMap::new());
            for (seq, (ts, price)) in times.into_iter().enumerate() {
                let print = print(ts, seq as u64, price);
                log.push(Venue(0), print, &sessions);
                runs.insert(&print, gap.gap);
                left.insert(print.seq, print);
            }
            let mut changes: Vec<Change> = Vec::new();
            for (seq, after) in gone {
                let Some(before) = left.remove(&(seq.index(prints) as u64)) else { continue };
                let after = after.map(|ts| print(ts, before.seq + 100, before.price.0 + 1));
                log.each(Venue(0), before.seq, (0, 60), |print| print.live = false);
                if let Some(print) = after {
                    log.push(Venue(0), print, &sessions);
                    left.insert(print.seq, print);
                }
                changes.push((Some(before), after));
            }
            let around = Around { windows: &gap, lateness: &lateness, log: &log, passed: 0 };
            runs.after(&changes, &around, &mut Out::new());
            let mut expected = Runs::<Ohlcv>::default();
            left.values().for_each(|print| _ = expected.insert(print, gap.gap));
            prop_assert_eq!(bars(&runs, &gap), bars(&expected, &gap));
        }
    }
}
