use super::{Sliced, Window};
use crate::time::EventTime;

/// Windows of one length, one of which begins at every `slide`, so that they overlap. Of those that would go on beyond
/// the end of time there is the first alone.
///
/// ```text
///   [ 09:30:00 ........ 09:30:05 )
///        [ 09:30:02 ........ 09:30:07 )           length = 5s, slide = 2s
///             [ 09:30:04 ........ 09:30:09 )
///   |    |    |  |    |  |    |                   slices end where a window begins or ends
/// ```
///
/// ```
/// use tapeflow::window::{Sliced as _, Sliding, Window};
/// let windows = Sliding::new(5, 2).unwrap();
/// assert_eq!(windows.slice_of(4), Window { start: 4, end: 5 });
/// assert_eq!(windows.slice_of(5), Window { start: 5, end: 6 });
/// assert_eq!(windows.ending_after(4), Window { start: 0, end: 5 });
/// assert_eq!(windows.until(4), 9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliding {
    pub(crate) length: i64,
    pub(crate) slide: i64,
    pub(crate) offset: i64,
}

impl Sliding {
    /// Windows of `length` nanoseconds that begin every `slide`; `None` unless `0 < slide <= length`, since prints
    /// between windows would be in none.
    pub fn new(length: i64, slide: i64) -> Option<Self> {
        (0 < slide && slide <= length).then_some(Sliding { length, slide, offset: 0 })
    }

    /// The same windows, begun `offset` nanoseconds later.
    pub fn offset(self, offset: i64) -> Self {
        Sliding { offset: offset.rem_euclid(self.slide), ..self }
    }

    /// The last beginning of a window at or before `ts`, and how far `ts` is from it.
    fn begun(&self, ts: EventTime) -> (EventTime, i64) {
        // What is left of the time, since the difference of the two themselves may be more than 64 bits hold; the offset
        // is less than a slide.
        let since = ts.rem_euclid(self.slide) - self.offset;
        let since = if since < 0 { since + self.slide } else { since };
        (ts.saturating_sub(since), since)
    }
}

impl Sliced for Sliding {
    fn slice_of(&self, ts: EventTime) -> Window {
        let (begun, since) = self.begun(ts);
        // Windows begin at multiples of the slide and end at multiples of it plus this.
        let ends = self.length % self.slide;
        if since < ends {
            Window { start: begun, end: begun.saturating_add(ends) }
        } else {
            Window { start: begun.saturating_add(ends), end: begun.saturating_add(self.slide) }
        }
    }

    fn ending_after(&self, ts: EventTime) -> Window {
        let ended = ts.saturating_sub(self.length);
        let start = ended.saturating_add(self.slide - self.begun(ended).1);
        Window { start, end: start.saturating_add(self.length) }
    }

    fn until(&self, ts: EventTime) -> EventTime {
        self.begun(ts).0.saturating_add(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn slices_and_windows_are_what_the_definition_says(
            slide in 1..20_i64, more in 0..50_i64, offset in 0..40_i64, ts in 0..500_i64,
        ) {
            let length = slide + more;
            let windows = Sliding::new(length, slide).unwrap().offset(offset);
            let all: Vec<Window> = (-100..600)
                .map(|k| Window { start: offset + k * slide, end: offset + k * slide + length })
                .collect();
            let around: Vec<&Window> = all.iter().filter(|window| window.contains(ts)).collect();
            prop_assert_eq!(windows.ending_after(ts), *around[0]);
            prop_assert_eq!(windows.until(ts), around[around.len() - 1].end);
            let slice = windows.slice_of(ts);
            prop_assert!(slice.contains(ts));
            for edge in all.iter().flat_map(|window| [window.start, window.end]) {
                prop_assert!(edge <= slice.start || edge >= slice.end);
            }
            for end in [slice.start, slice.end] {
                prop_assert!(all.iter().any(|window| window.start == end || window.end == end));
            }
        }
    }
}
