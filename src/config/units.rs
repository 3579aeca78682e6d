//! Values with their unit in them: `"5ms"`, `"64MiB"`, `"200k/s"`, `"60x"`, `"1M"`.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Time;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::GapRule;
use crate::tape::{Burst, Part};
use crate::time::{MS, SECOND};

/// A span of time, written `"500us"`, `"5ms"`, `"2s"`, `"6h30m"` or `"0"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// An amount of memory or disk, written `"64KiB"`, `"1MiB"`, `"2GB"` or as a bare number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// So many per second, above zero and finite, written `"500/s"`, `"200k/s"` or `"1M/s"`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// How fast a tape is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// `"max"`: as fast as it goes.
    Max,
    /// `"1x"`, `"60x"`, `"0.5x"`: this many times the recorded pace; above zero and finite.
    Times(f64),
    /// `"auto"`: whatever suits the input.
    Auto,
}

/// A time of day, written `"09:30"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(pub Time);

/// What a time counts that is a whole number, written `"ns"`, `"us"`, `"ms"` or `"s"`: so many nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeUnit(pub i64);

/// A number of things, written `16384`, `"200k"`, `"2.5M"` or `"1G"`; k, M and G are powers of a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

/// The suffixes of a thousand, largest first.
const THOUSANDS: [(&str, u32); 3] = [("G", 9), ("M", 6), ("k", 3)];

/// Splits `2.5k` into its number and the power of ten of its suffix.
fn suffixed(text: &str) -> (&str, u32) {
    let known = THOUSANDS.iter().find_map(|(suffix, power)| Some((text.strip_suffix(suffix)?, *power)));
    known.unwrap_or((text, 0))
}

/// A number above zero, written in digits and at most one point.
fn positive(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    text.parse().ok().filter(|x: &f64| digits && *x > 0.0 && x.is_finite())
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "0" {
            return Ok(Span(Duration::ZERO));
        }
        if text.contains('M') {
            return Err(format!("`{text}` has months in it, which is what M stands for: write m for minutes, or days"));
        }
        humantime::parse_duration(text.trim())
            .map(Span)
            .map_err(|_| format!("`{text}` is not a duration; write e.g. \"500us\", \"5ms\", \"2s\""))
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&humantime::format_duration(self.0).to_string().replace(' ', ""))
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // bytesize answers with the largest number where the true one does not fit.
        match text.trim().parse::<bytesize::ByteSize>() {
            Ok(size) if size.0 < u64::MAX => Ok(Bytes(size.0)),
            _ => Err(format!("`{text}` is not a number of bytes; write e.g. \"64KiB\", \"1MiB\", \"2GiB\"")),
        }
    }
}

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let exact = units.iter().find(|(_, power)| self.0 > 0 && self.0.trailing_zeros() >= *power);
        let (unit, power) = exact.copied().unwrap_or(("B", 0));
        f.pad(&format!("{}{unit}", self.0 >> power))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let per_second = text.trim().strip_suffix("/s").and_then(|number| {
            let (number, power) = suffixed(number.trim());
            Some(positive(number)? * 10f64.powi(power as i32)).filter(|rate| rate.is_finite())
        });
        per_second
            .map(Rate)
            .ok_or_else(|| format!("`{text}` is not a rate; write e.g. \"500/s\", \"200k/s\", \"1M/s\""))
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = THOUSANDS.iter().find_map(|(suffix, power)| {
            let (unit, short) = (10f64.powi(*power as i32), self.0 / 10f64.powi(*power as i32));
            (short >= 1.0 && short * unit == self.0).then(|| format!("{short}{suffix}/s"))
        });
        f.pad(&exact.unwrap_or_else(|| format!("{}/s", self.0)))
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "max" => Ok(Speed::Max),
            "auto" => Ok(Speed::Auto),
            times => times.strip_suffix('x').and_then(positive).map(Speed::Times).ok_or_else(|| {
                format!("`{text}` is not a speed; write e.g. \"1x\", \"60x\", \"0.5x\", \"max\", \"auto\"")
            }),
        }
    }
}

impl Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Speed::Max => f.pad("max"),
            Speed::Auto => f.pad("auto"),
            Speed::Times(times) => f.pad(&format!("{times}x")),
        }
    }
}

impl FromStr for Burst {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').map(str::trim).collect();
        let burst = || {
            let [times, length, every] = parts[..] else { return None };
            let nanos = |text: &str| u64::try_from(text.parse::<Span>().ok()?.0.as_nanos()).ok();
            let times = times.strip_suffix('x').and_then(positive)?;
            let (length, every) = (nanos(length)?, nanos(every)?);
            (length > 0 && length < every).then_some(Burst { times, length, every })
        };
        burst().ok_or_else(|| {
            format!("`{text}` is not a burst; write e.g. \"10x/100ms/5s\": ten times the rate for 100 ms of every 5 s")
        })
    }
}

impl Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [length, every] = [self.length, self.every].map(|nanos| Span(Duration::from_nanos(nanos)));
        f.pad(&format!("{}x/{length}/{every}", self.times))
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent = text.trim().strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        match percent.filter(|percent| (0.0..=100.0).contains(percent)) {
            Some(percent) => Ok(Part(percent / 100.0)),
            None => Err(format!("`{text}` is not a part of all records; write e.g. \"0.5%\"")),
        }
    }
}

impl FromStr for TimeUnit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ns" => Ok(TimeUnit(1)),
            "us" => Ok(TimeUnit(MS / 1_000)),
            "ms" => Ok(TimeUnit(MS)),
            "s" => Ok(TimeUnit(SECOND)),
            _ => Err(format!("not a unit of time: `{text}`; write ns, us, ms or s")),
        }
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = text.parse().map_err(|_| format!("not a time of day: `{text}`; write for example \"09:30\""))?;
        Ok(TimeOfDay(time))
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let exact = || {
            let (number, power) = suffixed(text.trim());
            let (whole, part) = number.split_once('.').unwrap_or((number, ""));
            let zeros = (power as usize).checked_sub(part.len())?;
            let digits = format!("{whole}{part}{}", "0".repeat(zeros));
            (!whole.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
        };
        exact().map(Count).ok_or_else(|| format!("`{text}` is not a whole number; write e.g. 4096, \"200k\", \"1M\""))
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = THOUSANDS.iter().find(|(_, power)| self.0 > 0 && self.0.is_multiple_of(10u64.pow(*power)));
        let (suffix, power) = exact.copied().unwrap_or(("", 0));
        f.pad(&format!("{}{suffix}", self.0 / 10u64.pow(power)))
    }
}

/// Reads a text by [`FromStr`], and a number as if it had been written as a text.
struct Text<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        // `{:?}` keeps the `.0`, by which a count knows that it is none.
        self.visit_str(&format!("{number:?}"))
    }
}

macro_rules! read_as_text {
    ($($unit:ty: $expected:literal,)*) => {$(
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Text($expected, PhantomData))
            }
        }
    )*};
}

read_as_text! {
    Span: "a duration like \"5ms\"",
    Bytes: "a number of bytes like \"64KiB\"",
    Rate: "a rate like \"200k/s\"",
    Speed: "a speed like \"60x\"",
    Burst: "a burst like \"10x/100ms/5s\"",
    Count: "a whole number like 4096 or \"200k\"",
    TimeUnit: "ns, us, ms or s",
    TimeOfDay: "a time of day like \"09:30\"",
    Part: "a part like \"0.5%\"",
    GapRule: "preserve, compress=5s or skip-overnight",
}

#[cfg(test)]
mod tests;
