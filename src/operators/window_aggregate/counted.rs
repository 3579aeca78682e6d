use std::collections::VecDeque;

use super::in_order::{InOrder, known_ms};
use super::panes::{Around, Out, Panes};
use crate::aggregate::{Aggregate, Print};
use crate::lateness::Lateness;
use crate::ledger::Unfilled;
use crate::prints::Change;
use crate::time::{EventTime, MS};
use crate::window::{Count, Window};

/// Windows that are filled. They hang together: what is in one decides where the next begins, so a change takes back
/// all windows from the first one that it touches, and fills them anew.
pub struct Counted<A> {
    prints: InOrder,
    /// The print that is to be filled in next.
    next: u64,
    /// The windows that were filled or begun, in order; each session's last one is kept as long as the session can
    /// change.
    bins: VecDeque<Bin<A>>,
    /// What was in those that were forgotten and never filled.
    forgotten: Unfilled,
}

/// A window that is filled, or being filled.
struct Bin<A> {
    /// The session in which it is, and its place there.
    session: Window,
    place: u32,
    /// The print with which it begins, and how many of its shares went elsewhere before.
    begins: u64,
    taken: u32,
    /// The print after the last of which something went in, here or before.
    ends: u64,
    span: Option<Window>,
    counted: i128,
    trades: u64,
    volume: u64,
    state: A,
    full: bool,
}

impl<A> Default for Counted<A> {
    fn default() -> Self {
        let (prints, bins, forgotten) = Default::default();
        Counted { prints, next: 0, bins, forgotten }
    }
}

impl<A: Aggregate> Bin<A> {
    fn new(session: Window, place: u32, begins: u64, taken: u32) -> Self {
        let (span, state) = (None, A::default());
        let ends = begins + u64::from(taken > 0);
        Bin { session, place, begins, taken, ends, span, counted: 0, trades: 0, volume: 0, state, full: false }
    }

    /// Takes in some shares of print `number`.
    fn fill(&mut self, number: u64, print: &Print, shares: u32, count: &Count) {
        self.state.add(&Print { size: shares, ..*print });
        self.counted += count.measure(print.price, shares, print.eligible);
        self.trades += 1;
        self.volume += if print.eligible.volume() { shares.into() } else { 0 };
        self.ends = number + 1;
        let start = self.span.map_or(print.ts_event, |span| span.start);
        self.span = Some(Window { start, end: print.ts_event.saturating_add(1) });
        self.full = count.is_full(self.counted);
    }

    /// Inserts or retracts its row, once it is full.
    fn tell(&self, diff: isize, out: &mut Out<A::Value>) {
        if let Some(span) = self.span.filter(|_| self.full) {
            out.row(span, self.place, self.state.lower(), diff);
        }
    }
}

impl<A: Aggregate> Counted<A> {
    /// Takes back what holds the print `number` and all that follows.
    fn unwind(&mut self, number: u64, out: &mut Out<A::Value>) {
        let mut from = self.bins.partition_point(|bin| bin.ends <= number);
        if from == self.bins.len() {
            return;
        }
        // What was left of a session may be continued by what comes now.
        if from > 0 && !self.bins[from - 1].full {
            from -= 1;
        }
        let first = &self.bins[from];
        let again = Bin::new(first.session, first.place, first.begins, first.taken);
        self.next = again.begins;
        self.bins.drain(from..).for_each(|bin| bin.tell(-1, out));
        self.bins.push_back(again);
    }

    /// Fills windows with the prints before `until`.
    fn fill(&mut self, until: EventTime, count: &Count, lateness: &Lateness, out: &mut Out<A::Value>) {
        while let Some(print) = self.prints.get(self.next).filter(|print| print.ts_event < until).copied() {
            let windows = count.fills(print.price, print.size, print.eligible);
            if windows > Count::MOST_OF_PRINT {
                out.too_many = Some((print, windows));
                self.next += 1;
                continue;
            }
            let (start, end) = lateness.sessions.of(print.ts_event);
            let session = Window { start, end };
            let mut left = print.size - self.bins.back().map_or(0, |bin| bin.taken_of(self.next));
            loop {
                self.begin(session, print.size - left);
                let Some(bin) = self.bins.back_mut() else { return };
                let shares = count.takes(bin.counted, print.price, left, print.eligible);
                bin.fill(self.next, &print, shares, count);
                left -= shares;
                bin.tell(1, out);
                if left == 0 {
                    break;
                }
            }
            self.next += 1;
        }
    }

    /// Sees to it that the last window is one of this session with room in it; if it has to be begun, so many shares of
    /// the next print went elsewhere.
    fn begin(&mut self, session: Window, taken: u32) {
        let Some(last) = self.bins.back() else {
            self.bins.push_back(Bin::new(session, 0, self.next, taken));
            return;
        };
        if last.session == session && !last.full {
            return;
        }
        // A window that was begun and holds nothing makes room for one of the session that is now its own.
        if last.span.is_none() {
            self.bins.pop_back();
        }
        let place = self.bins.back().filter(|bin| bin.session == session).map_or(0, |bin| bin.place + 1);
        self.bins.push_back(Bin::new(session, place, self.next, taken));
    }
}

impl<A> Bin<A> {
    /// What is in it, if it was begun and is not full.
    fn unfilled(&self) -> Option<Unfilled> {
        (self.span.is_some() && !self.full).then_some(Unfilled { windows: 1, trades: self.trades, volume: self.volume })
    }

    /// How many shares of a print went elsewhere before this window, if it is to begin with it.
    fn taken_of(&self, number: u64) -> u32 {
        if self.span.is_none() && self.begins == number { self.taken } else { 0 }
    }
}

impl<A: Aggregate> Panes<A> for Counted<A> {
    type Rules = Count;

    fn add(&mut self, print: &Print, _count: &Count) -> Option<i64> {
        let number = self.prints.insert(*print);
        (number == self.next).then(|| known_ms(print.ts_event))
    }

    fn first_end_ms(_count: &Count, ts: EventTime) -> i64 {
        known_ms(ts)
    }

    fn before(&mut self, _changes: &[Change], _around: &Around<'_, Count>) {}

    fn after(&mut self, changes: &[Change], around: &Around<'_, Count>, out: &mut Out<A::Value>) {
        for (before, after) in changes {
            if let Some(gone) = before {
                let number = self.prints.remove(gone);
                self.unwind(number, out);
            }
            if let Some(new) = after {
                let number = self.prints.insert(*new);
                self.unwind(number, out);
            }
        }
        let next = self.prints.get(self.next).map(|print| known_ms(print.ts_event));
        out.looks.extend(next.map(|ms| ms.max(around.passed)));
    }

    fn close(&mut self, around: &Around<'_, Count>, out: &mut Out<A::Value>) {
        self.fill(around.passed.saturating_mul(MS), around.windows, around.lateness, out);
        out.looks.extend(self.prints.get(self.next).map(|print| known_ms(print.ts_event)));
    }

    fn holding(&self, ts: EventTime, _around: &Around<'_, Count>) -> Vec<(Window, Option<A::Value>)> {
        let holding = |bin: &Bin<A>| Some((bin.span.filter(|span| span.contains(ts))?, bin.state.lower()));
        self.bins.iter().filter_map(holding).collect()
    }

    fn unfilled(&self) -> Unfilled {
        let mut unfilled = self.forgotten;
        self.bins.iter().filter_map(Bin::unfilled).for_each(|bin| unfilled.add(&bin));
        unfilled
    }

    fn forget(&mut self, settled: EventTime, _open: EventTime, _around: &Around<'_, Count>) -> EventTime {
        while let [Some(first), Some(second)] = [self.bins.front(), self.bins.get(1)] {
            let is_old = first.span.is_none_or(|span| span.end <= settled);
            let is_followed = first.full && first.session == second.session;
            if !is_old || !(is_followed || first.session.end <= settled) {
                break;
            }
            let gone = self.bins.pop_front();
            gone.and_then(|bin| bin.unfilled()).iter().for_each(|unfilled| self.forgotten.add(unfilled));
        }
        self.prints.forget_before(self.bins.front().map_or(self.next, |bin| bin.begins));
        settled
    }
}
