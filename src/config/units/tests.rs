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
    assert_eq!(read::<Maybe<Span>>("-"), "`-` is not a duration; write e.g. \"500us\", \"5ms\", \"2s\", or \"off\"");
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
    assert_eq!(read::<Span>(true), Err("invalid type: boolean `true`, expected a duration like \"5ms\"".to_owned()));
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
