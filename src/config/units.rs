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
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;
    use crate::config::Maybe;

    fn round_trip<T: FromStr<Err = String> + Display + PartialEq + Debug>(value: T) {
        assert_eq!(value.to_string().parse(), Ok(value));
    }

    /// What `text` shows as once read, or the complaint about it.
    fn read<T: FromStr<Err = String> + Display>(text: &str) -> String {
        text.parse::<T>().map_or_else(|e| e, |it| it.to_string())
    }

    #[test]
    fn units_are_read_and_shown() {
        let shown = ["0", "0s", "5ms", "90s", "6h30m", "1.5s"].map(read::<Span>);
        assert_eq!(shown, ["0s", "0s", "5ms", "1m30s", "6h30m", "1s500ms"]);
        let shown = ["0", "1000", "64MiB", "1 GiB", "1.5KiB", "2MB"].map(read::<Bytes>);
        assert_eq!(shown, ["0B", "1000B", "64MiB", "1GiB", "1536B", "2000000B"]);
        let shown = ["500/s", "200k/s", "1M/s", "2.5k/s", "0.1/s", "1500k/s"].map(read::<Rate>);
        assert_eq!(shown, ["500/s", "200k/s", "1M/s", "2.5k/s", "0.1/s", "1.5M/s"]);
        let shown = ["1x", "60x", "0.5x", "max", "auto"].map(read::<Speed>);
        assert_eq!(shown, ["1x", "60x", "0.5x", "max", "auto"]);
        assert_eq!(["10x/100ms/5s", "1.5x / 1ms / 1m"].map(read::<Burst>), ["10x/100ms/5s", "1.5x/1ms/1m"]);
        let shown = ["0", "16384", "200k", "1M", "2.5k", "4.035k", "18446744073709551615"].map(read::<Count>);
        assert_eq!(shown, ["0", "16384", "200k", "1M", "2500", "4035", "18446744073709551615"]);
        assert_eq!(["off", "1k"].map(read::<Maybe<Count>>), ["off", "1k"]);
    }

    #[test]
    fn what_is_no_unit_is_refused_with_an_example() {
        assert_eq!(read::<Span>("5 parsecs"), "`5 parsecs` is not a duration; write e.g. \"500us\", \"5ms\", \"2s\"");
        assert_eq!(
            read::<Maybe<Span>>("-"),
            "`-` is not a duration; write e.g. \"500us\", \"5ms\", \"2s\", or \"off\""
        );
        for text in ["", "5", "-5ms", "ms", "99999999999999999999s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["", "-1", "64 parsecs", "99999999999EiB", "KiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["", "500", "0/s", "-1/s", "inf/s", "nan/s", "1e3/s", "/s", "k/s", "1kk/s", "./s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["", "60", "0x", "-1x", "infx", "x", "fast"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
        for text in ["", "10x", "10x/5s", "10/1ms/5s", "10x/0s/5s", "10x/5s/5s", "0x/1ms/5s", "10x/1ms/5s/1m"] {
            assert!(text.parse::<Burst>().is_err(), "{text}");
        }
        for text in ["", "0.5", "101%", "-1%", "x%", "NaN%"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
        for text in ["", "k", ".5k", "1.0", "1.2345k", "-1", "+1", "1e3", "99999999999G", "é"] {
            assert!(text.parse::<Count>().is_err(), "{text}");
        }
    }

    #[test]
    fn toml_numbers_are_taken_where_they_need_no_unit() {
        fn read<'de, T: Deserialize<'de>>(value: impl Into<toml::Value>) -> Result<T, String> {
            T::deserialize(value.into()).map_err(|e: toml::de::Error| e.message().to_owned())
        }
        assert_eq!(read(16_384), Ok(Count(16_384)));
        assert_eq!(read("1M"), Ok(Count(1_000_000)));
        assert_eq!(read(4_096), Ok(Bytes(4_096)));
        assert_eq!(read(0), Ok(Span(Duration::ZERO)));
        assert_eq!(read("off"), Ok(Maybe::<u32>(None)));
        assert_eq!(read(7), Ok(Maybe(Some(7u32))));
        assert_eq!(read("10s"), Ok(Maybe(Some(Span(Duration::from_secs(10))))));
        assert_eq!(read::<Speed>(60).unwrap_err()[..24], *"`60` is not a speed; wri");
        assert_eq!(read::<Count>(1.0).unwrap_err()[..29], *"`1.0` is not a whole number; ");
        assert_eq!(
            read::<Span>(true),
            Err("invalid type: boolean `true`, expected a duration like \"5ms\"".to_owned())
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(a in any::<u64>(), b in 1u64.., shift in 0u32..64, x in 1e-9f64..1e12) {
            round_trip(Span(Duration::from_nanos(a)));
            round_trip(Bytes((a >> 1) >> shift << shift));
            round_trip(Count(a));
            round_trip(Count((a % 1_000) * 1_000_000));
            round_trip(Rate(b as f64));
            round_trip(Rate(x));
            round_trip(Speed::Times(x));
            round_trip(Maybe(Some(Count(a))));
        }

        #[test]
        fn no_text_makes_a_unit_panic(text in "\\PC{0,12}", number in "[0-9.]{0,25}( |k|M|G|/s|x|ms|KiB|EiB){0,2}") {
            for text in [text, number] {
                let _ = (text.parse::<Span>(), text.parse::<Bytes>(), text.parse::<Rate>());
                let _ = (text.parse::<Speed>(), text.parse::<Count>());
            }
        }
    }
}
