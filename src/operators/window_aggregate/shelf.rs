use std::collections::VecDeque;

use crate::time::EventTime;
use crate::window::Window;

/// Things in the order of their beginnings. Nearly all come and go at the ends, which allocates nothing. The beginnings
/// stand together, since what is looked for lies near the end: that is one line of the cache, where the things would be
/// one each.
pub struct Shelf<T> {
    starts: VecDeque<EventTime>,
    things: VecDeque<T>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { starts: VecDeque::new(), things: VecDeque::new() }
    }
}

impl<T> Shelf<T> {
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where those stand that begin at `ts` or later. The search begins at the end, in steps that double.
    fn place(&self, ts: EventTime) -> usize {
        let (is_before, len) = (|at: usize| self.starts[at] < ts, self.starts.len());
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

    /// Where the one stands that begins at `start`.
    fn at(&self, start: EventTime) -> Option<usize> {
        let place = self.place(start);
        (self.starts.get(place) == Some(&start)).then_some(place)
    }

    pub fn get(&self, start: EventTime) -> Option<&T> {
        self.things.get(self.at(start)?)
    }

    pub fn get_mut(&mut self, start: EventTime) -> Option<&mut T> {
        let place = self.at(start)?;
        self.things.get_mut(place)
    }

    /// Puts in one that was not there.
    pub fn put(&mut self, start: EventTime, thing: T) {
        let place = self.place(start);
        self.starts.insert(place, start);
        self.things.insert(place, thing);
    }

    /// The beginning of the first one.
    pub fn first(&self) -> Option<EventTime> {
        self.starts.front().copied()
    }

    pub fn drop_first(&mut self) {
        self.starts.pop_front();
        self.things.pop_front();
    }

    /// The beginning of the last one that begins before `ts`.
    pub fn last_before(&self, ts: EventTime) -> Option<EventTime> {
        self.starts.get(self.place(ts).checked_sub(1)?).copied()
    }

    /// The beginning of the first one that begins at `ts` or later.
    pub fn first_from(&self, ts: EventTime) -> Option<EventTime> {
        self.starts.get(self.place(ts)).copied()
    }

    /// Those that begin within a stretch.
    pub fn within(&self, stretch: Window) -> impl Iterator<Item = (EventTime, &T)> {
        let places = self.place(stretch.start)..self.place(stretch.end);
        self.starts.range(places.clone()).copied().zip(self.things.range(places))
    }
}
