use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn whole_numbers_are_read_as_the_standard_library_reads_them(
        text in prop_oneof![
            "[0-9]{0,24}".prop_map(String::into_bytes),
            (any::<u64>(), 0..4usize).prop_map(|(n, zeros)| format!("{}{n}", "0".repeat(zeros)).into_bytes()),
            prop::collection::vec(any::<u8>(), 0..24),
            ("[0-9]{1,24}", any::<prop::sample::Index>(), any::<u8>()).prop_map(|(digits, at, byte)| {
                let mut text = digits.into_bytes();
                let at = at.index(text.len());
                text[at] = byte;
                text
            }),
        ],
    ) {
        // A plus sign and what follows a whole number's point are the standard library's and ours alone.
        prop_assume!(!text.starts_with(b"+") && !text.ends_with(b".0"));
        let known = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<u64>().ok());
        prop_assert_eq!(count::<u64>(&text).ok(), known);
    }
}

proptest! {
    #[test]
    fn plain_prices_are_read_as_all_prices_are(
        text in prop_oneof!["[0-9]{0,10}[.]?[0-9]{0,10}", "[0-9]{0,4}[.][0-9]{0,3}[0-9.,x]{0,3}"],
    ) {
        let (text, known) = (text.as_bytes(), unusual_price(text.as_bytes()).ok());
        let decimals = text.iter().rev().position(|byte| *byte == b'.').unwrap_or(0);
        let is_plain = known.is_some() && text.len() <= 19 && decimals <= 9;
        prop_assert_eq!(plain_price(text), known.filter(|_| is_plain));
        if let Some((price, len)) = leading_price(text).filter(|(_, len)| *len > 0) {
            prop_assert_eq!(Some(price), plain_price(&text[..len]));
        }
    }
}

#[test]
fn prices_are_exact() {
    let cases: [(&str, i64); 14] = [
        ("9223372036.85477580", 9_223_372_036_854_775_800),
        ("0000000000000000001.5", 1_500_000_000),
        ("0.123456789", 123_456_789),
        ("12.34", 12_340_000_000),
        ("+0.000000001", 1),
        ("-5", -5_000_000_000),
        (".5", 500_000_000),
        ("7.", 7_000_000_000),
        ("1e-05", 10_000),
        ("1.5E2", 150_000_000_000),
        ("0.0000000005", 0),
        ("0.0000000015", 2),
        ("161.59000000000003", 161_590_000_000),
        ("9223372036.854775807", i64::MAX),
    ];
    for (text, units) in cases {
        assert_eq!(price(text.as_bytes()), Ok(Price(units)), "{text}");
    }
    for text in ["", "-", ".", "NaN", "inf", "1,5", "1.2.3", "9223372036.854775808", "1e40", "e5", "0x1", " 1"] {
        assert!(price(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn local_times_follow_the_zone_through_the_change_of_clocks() {
    let mut times = Times::new(TimeZone::get("America/New_York").unwrap());
    let mut parse = |text: &str| times.parse(text.as_bytes(), true);
    let second = 1_000_000_000;
    assert_eq!(parse("2013-08-05 09:30:00"), Ok(1_375_709_400 * second));
    assert_eq!(parse("2013-08-05 09:31:07"), Ok(1_375_709_467 * second));
    assert_eq!(parse("2013-08-05 09:00:00"), Ok(1_375_707_600 * second));
    for text in ["2013-08-05 09:60:00", "2013-08-05 09:3x:00", "2013-08-05 09:30:00 ", "2013-08-05 09:3:00"] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert_eq!(parse("2013-08-05T09:30:00.5"), Ok(1_375_709_400 * second + second / 2));
    assert_eq!(parse("2013-08-05T09:30:00-04:00"), parse("2013-08-05 09:30:00"));
    assert_eq!(parse("2013-12-05 09:30:00"), parse("2013-12-05T14:30:00Z"));
    assert_eq!(parse("2013-11-03 01:59:59"), parse("2013-11-03T05:59:59Z"));
    assert_eq!(parse("2013-11-03 02:00:01"), parse("2013-11-03T07:00:01Z"));
    assert_eq!(parse("2013-03-10 02:30:00"), parse("2013-03-10 03:30:00"));
    assert_eq!(parse("2013-03-10 02:31:00"), parse("2013-03-10 03:31:00"));
    assert_eq!(parse("1375709400000000000"), parse("2013-08-05 09:30:00"));
    assert!(parse("2013-08-05").is_ok_and(|ts| ts == 1_375_675_200 * second));
    for text in ["", "yesterday", "1969-12-31T00:00:00Z", "9999-01-01T00:00:00Z", "99999999999999999999"] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(times.parse(b"2013-08-05 09:30:00", false).is_err());
}

#[test]
fn counts_are_whole_and_fit() {
    assert_eq!(count::<u32>(b"100"), Ok(100));
    assert_eq!(count::<u32>(b"100.0"), Ok(100));
    for text in ["", "-1", "1.5", "4294967296", "99999999999999999999999"] {
        assert!(count::<u32>(text.as_bytes()).is_err(), "{text}");
    }
}
