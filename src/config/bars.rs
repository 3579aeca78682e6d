//! What bars are of: windows, and whether those without a trade have one.

use serde::Deserialize;

use super::hours::check_days;
use super::windows::check_session;
use super::{Layers, Settings, Span};
use crate::window::{Fill, Hours, Windows};

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
        let Some(fill) = Fill::new(&windows, hours.clone()) else {
            let help = "only tumbling windows can be without a trade: leave it \"skip\"";
            layers.problem("window.fill", "windows of this kind are never empty", help);
            return Some(Bars { windows, fill: None });
        };
        check_days(layers, |begin| {
            let window = fill.window_of(begin);
            window.start != begin && window.end > hours.day(begin).open
        })?;
        let bars = ("bars", "window.length", window.length);
        check_session(layers, ("window.fill", "too many windows to fill"), &hours, bars);
        Some(Bars { windows, fill: Some(fill) })
    }
}
