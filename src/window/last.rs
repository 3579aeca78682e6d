use super::Tumbling;

/// The last so many prints of a symbol in its trading session (a local day), looked at wherever a window of time ends
/// in which there was a print. Early in a session there are fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// How many prints; at least one.
    pub prints: usize,
    /// When they are looked at.
    pub every: Tumbling,
}

impl Last {
    /// The last `prints` prints; `None` unless it is at least one.
    pub fn new(prints: usize, every: Tumbling) -> Option<Self> {
        (prints > 0).then_some(Last { prints, every })
    }
}
