/// Session windows: runs of prints, each less than the gap after the one before it. A window is `[first, last + gap)`;
/// a print at exactly `last + gap` begins the next one. A late print can join two runs, and a cancel can part one.
///
/// ```text
///   |  || | |          | ||      prints
///   [ ........ +gap )  [ ... +gap )
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The shortest pause between two windows, in nanoseconds; at least one.
    pub gap: i64,
}

impl Gap {
    /// Runs apart by `gap` nanoseconds or more; `None` unless it is at least one.
    pub fn new(gap: i64) -> Option<Self> {
        (gap > 0).then_some(Gap { gap })
    }
}
