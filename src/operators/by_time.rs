use std::ops::Range;

use crate::time::EventTime;

/// Values by their times. Most symbols have one or two of them, for which a tree would take room for eleven; of many, nearly
/// all come and go at the ends.
#[derive(Debug)]
pub struct ByTime<V>(Vec<(EventTime, V)>);

impl<V> Default for ByTime<V> {
    fn default() -> Self {
        ByTime(Vec::new())
    }
}

impl<V> ByTime<V> {
    /// So many are before `ts`.
    fn before(&self, ts: EventTime) -> usize {
        match self.0.last() {
            Some((last, _)) if *last < ts => self.0.len(),
            _ => self.0.partition_point(|(at, _)| *at < ts),
        }
    }

    fn place(&self, ts: EventTime) -> Result<usize, usize> {
        let at = self.before(ts);
        if self.0.get(at).is_some_and(|(found, _)| *found == ts) { Ok(at) } else { Err(at) }
    }

    /// The value of this time.
    pub fn get(&self, ts: EventTime) -> Option<&V> {
        self.place(ts).ok().map(|at| &self.0[at].1)
    }

    /// Puts a value in, and returns the one that it replaces.
    pub fn insert(&mut self, ts: EventTime, value: V) -> Option<V> {
        match self.place(ts) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                if self.0.is_empty() {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (ts, value));
                None
            }
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, ts: EventTime) -> Option<V> {
        self.place(ts).ok().map(|at| self.0.remove(at).1)
    }

    /// The times from `ts` on.
    pub fn times_from(&self, ts: EventTime) -> impl Iterator<Item = EventTime> {
        self.0[self.before(ts)..].iter().map(|(at, _)| *at)
    }

    /// The last value in this range.
    pub fn last_in(&self, range: Range<EventTime>) -> Option<&V> {
        let (ts, value) = &self.0[..self.before(range.end)].last()?;
        (*ts >= range.start).then_some(value)
    }

    /// Forgets what is before `ts`.
    pub fn forget_before(&mut self, ts: EventTime) {
        self.0.drain(..self.before(ts));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_as_a_tree(steps in prop::collection::vec((0..4, -3..9_i64, -3..9_i64), 0..60)) {
            let (mut ours, mut tree) = (ByTime::default(), BTreeMap::new());
            for (nth, (what, ts, other)) in steps.into_iter().enumerate() {
                match what {
                    0 | 1 => prop_assert_eq!(ours.insert(ts, nth), tree.insert(ts, nth)),
                    2 => prop_assert_eq!(ours.remove(ts), tree.remove(&ts)),
                    _ => {
                        ours.forget_before(ts);
                        tree = tree.split_off(&ts);
                    }
                }
                prop_assert_eq!(ours.get(other), tree.get(&other));
                let from: Vec<_> = tree.range(other..).map(|(ts, _)| *ts).collect();
                prop_assert_eq!(ours.times_from(other).collect::<Vec<_>>(), from);
                let range = ts.min(other)..ts.max(other);
                let last = tree.range(range.clone()).next_back().map(|(_, value)| value);
                prop_assert_eq!(ours.last_in(range), last);
            }
        }
    }
}
