//! The settings of `tq`.

use serde::Deserialize;

use super::settings::nanos;
use super::{Layers, Maybe, Settings, Span};
use crate::asof::AsOf;
use crate::window::Tumbling;

/// Which quote holds for a trade, and when rows are shown.
#[derive(Clone, Copy, Debug)]
pub struct Matching {
    /// Trades are shown window by window.
    pub windows: Tumbling,
    /// Which quote holds.
    pub rule: AsOf,
}

#[derive(Deserialize)]
struct TqSection {
    strict: bool,
    tolerance: Maybe<Span>,
    markout: Span,
}

impl Settings for Matching {
    fn read(layers: &mut Layers) -> Option<Self> {
        let windows = Tumbling::read(layers)?;
        let TqSection { strict, tolerance, markout } = layers.section("tq")?;
        let rule = AsOf { strict, tolerance: tolerance.0.map(nanos), markout: nanos(markout) };
        Some(Matching { windows, rule })
    }
}
