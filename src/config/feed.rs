//! The settings of `feedqc`.

use serde::Deserialize;

use super::settings::{nanos, span};
use super::{Layers, Settings, Span};
use crate::quality::Standard;
use crate::window::Tumbling;

#[derive(Deserialize)]
struct FeedqcSection {
    stale: Span,
    seq: Counts,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Counts {
    Venue,
    Symbol,
}

impl Settings for Standard {
    fn read(layers: &mut Layers) -> Option<Self> {
        let windows = Tumbling::read(layers)?;
        let FeedqcSection { stale, seq } = layers.section("feedqc")?;
        let (stale, length) = (nanos(stale), windows.length());
        if stale < length || stale % length != 0 {
            let help = format!("windows are {} long, and {} is not a multiple of that", span(length), span(stale));
            layers.problem("feedqc.stale", "not a whole number of windows", &help);
        }
        let stale_windows = (stale / length).max(1);
        Some(Standard { windows, stale_windows, seq_per_symbol: seq == Counts::Symbol })
    }
}
