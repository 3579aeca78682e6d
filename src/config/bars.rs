//! What bars are of: windows, and whether those without a trade have one.

use serde::Deserialize;

use super::settings::nanos;
use super::{Layers, Settings, Span};
use crate::window::{Fill, Hours, Windows};

/// Most bars that one symbol may be given in one session.
const MOST_BARS: i64 = 100_000;

/// The windows of bars, and which of them without a trade have a bar all the same, if any.
pub struct Bars {
    /// The windows.
    pub windows: Windows,
    /// Which are filled.
    pub fill: Option<Fill>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Empty {
    Skip,
    Prev,
}

#[derive(Deserialize)]
struct WindowSection {
    length: Span,
    fill: Empty,
}

impl Settings for Bars {
    fn read(layers: &mut Layers) -> Option<Self> {
        let windows = Windows::read(layers)?;
        let window: WindowSection = layers.section("window")?;
        if window.fill == Empty::Skip {
            return Some(Bars { windows, fill: None });
        }
        let hours = Hours::read(layers)?;
        let bars = hours.length() / nanos(window.length).max(1);
        let fill = Fill::new(&windows, hours);
        if fill.is_none() {
            let help = "only tumbling windows can be without a trade: leave it \"skip\"";
            layers.problem("window.fill", "windows of this kind are never empty", help);
        } else if bars > MOST_BARS {
            let help =
                format!("a symbol would have {bars} bars a session, {MOST_BARS} are the most: lengthen window.length");
            layers.problem("window.fill", "too many windows to fill", &help);
        }
        Some(Bars { windows, fill })
    }
}
