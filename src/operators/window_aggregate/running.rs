use std::cmp::Reverse;

use crate::aggregate::Aggregate;
use crate::time::EventTime;
use crate::window::Window;

/// What one window after the other comes to, where they have slices in common. Of the slices before a middle, each is kept
/// together with all that lie between it and the middle, so that the first ones fall away at no cost; those behind the
/// middle are summed up as they come (two stacks). So a window takes two summaries, and over time each slice is touched
/// three times, however many windows hold it.
///
/// ```text
///              older        middle   newer
///   [ a+b+c | b+c | c         |      d+e      )      the window of a to e is (a+b+c) + (d+e),
///           [ b+c | c         |      d+e+f      )    the next one (b+c) + (d+e+f)
/// ```
pub struct Running<A> {
    /// The window that was looked at last.
    window: Window,
    middle: EventTime,
    /// The slices before the middle by their beginnings, the first one last.
    older: Vec<(EventTime, A)>,
    newer: A,
}

impl<A: Aggregate> Default for Running<A> {
    fn default() -> Self {
        let window = Window { start: EventTime::MIN, end: EventTime::MIN };
        Running { window, middle: EventTime::MIN, older: Vec::new(), newer: A::default() }
    }
}

impl<A: Aggregate> Running<A> {
    /// Whether a window can be had from the last one.
    pub fn leads_to(&self, window: Window) -> bool {
        self.window.start <= window.start && window.start <= self.middle && self.window.end <= window.end
    }

    /// Begins anew with a window, whose slices `give` puts in, in any order.
    pub fn begin(&mut self, window: Window, give: impl FnOnce(&mut Vec<(EventTime, A)>)) {
        self.older.clear();
        self.newer = A::default();
        self.middle = window.start;
        // What owns memory is of the size of its prints, so these are not kept once more with each slice before them.
        if !std::mem::needs_drop::<A>() {
            give(&mut self.older);
            self.older.sort_unstable_by_key(|(start, _)| Reverse(*start));
            for at in 1..self.older.len() {
                let (behind, here) = self.older.split_at_mut(at);
                here[0].1.combine(&behind[at - 1].1);
            }
            self.middle = window.end;
        }
        self.window = Window { end: self.middle, ..window };
    }

    /// Goes on to a window that this one leads to; `give` adds what lies in a stretch behind the window before it.
    pub fn go_on(&mut self, window: Window, give: impl FnOnce(Window, &mut A)) -> Option<A::Value> {
        while self.older.pop_if(|(start, _)| *start < window.start).is_some() {}
        give(Window { start: self.window.end, end: window.end }, &mut self.newer);
        self.window = window;
        let Some((_, older)) = self.older.last() else { return self.newer.lower() };
        let mut both = older.clone();
        both.combine(&self.newer);
        both.lower()
    }
}
