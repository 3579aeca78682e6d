//! The quality of a feed: what its records say about it, venue by venue and window by window. Nothing is patched.
//!
//! Every figure is a function of the set of accepted records, ordered by sequence number or by time, and never of the
//! order in which they came.

mod figures;
mod lags;
mod venue;

pub use figures::{Figures, Quality};
pub use lags::Lags;
pub use venue::{Noted, VenueFeed};

use crate::window::Tumbling;

/// How a feed is judged.
#[derive(Clone, Copy, Debug)]
pub struct Standard {
    /// The windows that are reported.
    pub windows: Tumbling,
    /// A symbol without a record for so many windows is stale.
    pub stale_windows: i64,
    /// Whether each symbol of a venue counts its own sequence numbers; else the venue counts them for all.
    pub seq_per_symbol: bool,
}
