use serde::{Deserialize, Deserializer};

use super::Span;
use super::settings::nanos;

/// For how long results can be amended after their time, in nanoseconds, or for ever: a span, or `all`.
#[derive(Clone, Copy, Debug)]
pub struct Keep(pub Option<i64>);

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "all" => Ok(Keep(None)),
            span => match span.parse::<Span>() {
                Ok(span) => Ok(Keep(Some(nanos(span)))),
                Err(e) => Err(serde::de::Error::custom(format!("{e}, or \"all\""))),
            },
        }
    }
}
