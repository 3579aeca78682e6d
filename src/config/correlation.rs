//! The settings of `corr`.

use std::str::FromStr;

use serde::Deserialize;

use super::settings::{nanos, span as in_words};
use super::{Layers, Settings, Span};
use crate::pairs::{Correlation, Measure};
use crate::time::MS;
use crate::window::Tumbling;

/// Which bars are correlated, and how.
#[derive(Clone, Copy, Debug)]
pub struct Correlations {
    /// The bars' windows.
    pub windows: Tumbling,
    /// How they are correlated.
    pub rule: Correlation,
}

#[derive(Deserialize)]
struct CorrSection {
    on: Measure,
    window: toml::Value,
    every: toml::Value,
    min: toml::Value,
    top: toml::Value,
}

impl Settings for Correlations {
    fn read(layers: &mut Layers) -> Option<Self> {
        let windows = Tumbling::read(layers)?;
        let corr: CorrSection = layers.section("corr")?;
        let length = windows.length();
        let span = time(layers, "corr.window", &corr.window, "all");
        let every = time(layers, "corr.every", &corr.every, "bar").unwrap_or(length);
        for (key, span) in [("corr.window", span), ("corr.every", Some(every))] {
            if let Some(wrong) = span.filter(|span| *span < length || span % length != 0) {
                let help =
                    format!("bars are {} long, and {} is not a multiple of that", in_words(length), in_words(wrong));
                layers.problem(key, "not a whole number of bars", &help);
            }
        }
        if span.is_some_and(|span| span < every) {
            layers.problem("corr.window", "shorter than from report to report", "make it at least corr.every");
        }
        if every % MS != 0 {
            layers.problem("corr.every", "not whole milliseconds", "the watermark moves by milliseconds");
        }
        let min = number(layers, "corr.min", &corr.min, None).unwrap_or(1);
        let top = number(layers, "corr.top", &corr.top, Some("all"));
        let rule =
            Correlation { on: corr.on, span, every: Tumbling::new(every)?, min, top: top.map(|top| top as usize) };
        Some(Correlations { windows, rule })
    }
}

/// A span in nanoseconds, or none where the setting is `word`. What is wrong is left in the layers.
fn time(layers: &mut Layers, key: &str, value: &toml::Value, word: &str) -> Option<i64> {
    match value.as_str().map(|text| (text, Span::from_str(text))) {
        Some((text, _)) if text == word => None,
        Some((_, Ok(span))) if !span.0.is_zero() => Some(nanos(span)),
        _ => {
            layers.problem(key, "not a span of time", &format!("write for example \"5m\", or \"{word}\""));
            None
        }
    }
}

/// A number from 1 on, or none where the setting is `word`. What is wrong is left in the layers.
fn number(layers: &mut Layers, key: &str, value: &toml::Value, word: Option<&str>) -> Option<u64> {
    if word.is_some() && value.as_str() == word {
        return None;
    }
    let number = value.as_integer().filter(|number| *number > 0);
    if number.is_none() {
        let or = word.map(|word| format!(", or \"{word}\"")).unwrap_or_default();
        layers.problem(key, "not a number from 1 on", &format!("write for example 10{or}"));
    }
    number.map(|number| number as u64)
}
