//! The texts of prices, times and counts.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::eight::Eight;
use crate::tick::Price;
use crate::time::{EventTime, SECOND};

/// Parses a decimal into units of 1e-9, rounding half to even beyond the ninth place.
///
/// # Errors
/// Why the text is not a number that a price can hold.
pub fn price(text: &[u8]) -> Result<Price, &'static str> {
    plain_price(text).map_or_else(|| unusual_price(text), Ok)
}

fn unusual_price(text: &[u8]) -> Result<Price, &'static str> {
    const NOT: &str = "is not a number";
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (mut value, mut places, mut seen, mut point) = (0i128, 0i32, false, false);
    let mut exponent = 0i32;
    for (i, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if value < 1 << 100 {
                    value = value * 10 + i128::from(byte - b'0');
                    places += i32::from(point);
                } else if !point {
                    return Err("is too large for a price");
                }
            }
            b'.' if !point => point = true,
            b'e' | b'E' if seen => {
                let text = std::str::from_utf8(&digits[i + 1..]).map_err(|_| NOT)?;
                exponent = text.parse::<i8>().map_err(|_| NOT)?.into();
                break;
            }
            _ => return Err(NOT),
        }
    }
    if !seen {
        return Err(NOT);
    }
    let shift = 9 - places + exponent;
    let units = if shift >= 0 {
        10i128.checked_pow(shift as u32).and_then(|scale| value.checked_mul(scale))
    } else {
        Some(10i128.checked_pow(shift.unsigned_abs()).map_or(0, |scale| round_half_even(value, scale)))
    };
    let units = units.and_then(|u| i64::try_from(u).ok()).ok_or("is too large for a price")?;
    Ok(Price(if negative { -units } else { units }))
}

/// A price as nearly all are written: digits, and a point with at most nine behind it.
#[inline]
pub(super) fn plain_price(text: &[u8]) -> Option<Price> {
    whole(leading_price(text), text)
}

/// What was read of the beginning of a text, if that is all of the text, and not nothing.
#[inline(always)]
fn whole<T>(read: Option<(T, usize)>, text: &[u8]) -> Option<T> {
    read.filter(|(_, len)| *len == text.len() && *len > 0).map(|(value, _)| value)
}

/// The plain price with which a text begins, and how long it is: nothing where there is none.
#[inline(always)]
pub(super) fn leading_price(text: &[u8]) -> Option<(Price, usize)> {
    match text.first_chunk().and_then(|text| Eight::of(*text).decimal()) {
        Some((units, len)) => Some((Price(units), len)),
        None => leading_long_price(text),
    }
}

/// The same of one that does not end within eight bytes, or within which the text ends.
fn leading_long_price(text: &[u8]) -> Option<(Price, usize)> {
    let (mut value, mut point, mut len) = (0u64, None, 0);
    while let Some(byte) = text.get(len) {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => value = value.wrapping_mul(10).wrapping_add(u64::from(digit)),
            _ if *byte == b'.' && point.is_none() => point = Some(len),
            _ => break,
        }
        len += 1;
    }
    // Nineteen digits do not overflow.
    let is_number = (len != 1 || point.is_none()) && len <= 19;
    let places = point.map_or(0, |at| len - at - 1);
    let scale = 10u64.pow(9u32.checked_sub(places as u32).filter(|_| is_number)?);
    i64::try_from(value.checked_mul(scale)?).ok().map(|units| (Price(units), len))
}

/// The price that a real number stands for: that of its shortest decimal, which a line of text would have.
///
/// # Errors
/// As for [`price`].
pub fn real_price(real: f64) -> Result<Price, &'static str> {
    let units = (real * 1e9).round_ties_even();
    // Of all decimals with at most 15 digits, a real is the nearest one to a single one.
    if units.abs() < 1e15 && units / 1e9 == real {
        return Ok(Price(units as i64));
    }
    price(real.to_string().as_bytes())
}

pub(super) fn round_half_even(n: i128, d: i128) -> i128 {
    let (quotient, rest) = (n / d, n % d);
    quotient + i128::from(rest * 2 > d || (rest * 2 == d && quotient % 2 == 1))
}

/// Parses a whole number.
pub fn count<T: TryFrom<u64>>(text: &[u8]) -> Result<T, &'static str> {
    let value = digits(text).map_or_else(|| unusual_count(text), Ok)?;
    T::try_from(value).map_err(|_| TOO_LARGE)
}

const TOO_LARGE: &str = "is too large";

/// The number that a text is, if it is digits alone, and so many that they cannot overflow.
#[inline]
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    whole(leading_digits(text), text)
}

/// The number that the digits are with which a text begins, and how many they are, nineteen at most.
#[inline(always)]
pub(super) fn leading_digits(text: &[u8]) -> Option<(u64, usize)> {
    let Some(eights) = text.first_chunk::<24>() else { return leading_digits_near_end(text) };
    let [first, second, third] = std::array::from_fn(|nth| Eight::at(eights, 8 * nth));
    let Some(value) = first.whole() else {
        let (number, digits, _) = first.number();
        return Some((number, digits));
    };
    let (eight, value, len) = match second.whole() {
        Some(number) => (third, value * 100_000_000 + number, 16),
        None => (second, value, 8),
    };
    let (number, digits, power) = eight.number();
    // Where all of the third are digits, too, there are more than nineteen.
    (len + digits <= 19).then_some((value.wrapping_mul(power).wrapping_add(number), len + digits))
}

/// The same of a text that ends soon: eight digits at once, and then one by one.
fn leading_digits_near_end(text: &[u8]) -> Option<(u64, usize)> {
    let (mut value, mut len) = (0u64, 0);
    while let Some(number) = text[len..].first_chunk().and_then(|eight| Eight::of(*eight).whole()) {
        (value, len) = (value.wrapping_mul(100_000_000).wrapping_add(number), len + 8);
    }
    for digit in text[len..].iter().map(|byte| byte.wrapping_sub(b'0')).take_while(|digit| *digit <= 9) {
        (value, len) = (value.wrapping_mul(10).wrapping_add(u64::from(digit)), len + 1);
    }
    (len <= 19).then_some((value, len))
}

fn unusual_count(text: &[u8]) -> Result<u64, &'static str> {
    // Tables that passed through floating point write 100 shares as `100.0`.
    let text = text.strip_suffix(b".0").unwrap_or(text);
    let mut value = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err("is not a whole number");
        }
        value = value.checked_mul(10).and_then(|v| v.checked_add(digit.into())).ok_or(TOO_LARGE)?;
    }
    if text.is_empty() { Err("is empty") } else { Ok(value) }
}

/// Checks that a tape can have this time.
///
/// # Errors
/// Why it cannot.
#[inline]
pub fn in_range(ts: EventTime) -> Result<(), &'static str> {
    match ts {
        ..0 => Err("is before 1970"),
        // A day below the end of the range, so that window ends and watermarks fit too.
        _ if ts > EventTime::MAX - 86_400_000_000_000 => Err("is beyond the year 2262"),
        _ => Ok(()),
    }
}

/// A time as nearly all are written: nanoseconds since the epoch.
#[inline]
pub(super) fn plain_time(text: &[u8]) -> Option<EventTime> {
    whole(leading_time(text), text)
}

/// The plain time with which a text begins, and how long it is.
#[inline(always)]
pub(super) fn leading_time(text: &[u8]) -> Option<(EventTime, usize)> {
    let (number, len) = leading_digits(text)?;
    let ts = EventTime::try_from(number).ok()?;
    in_range(ts).is_ok().then_some((ts, len))
}

/// Parses times: whole numbers since the epoch, of nanoseconds unless told otherwise, RFC 3339, or, where `naive` allows it, local times.
#[derive(Clone, Debug)]
pub struct Times {
    zone: TimeZone,
    /// Nanoseconds of one, in a time that is a whole number.
    pub unit: i64,
    /// The last local hour seen, as it is written, and when it began: a day has many rows.
    hour: Option<([u8; 13], EventTime)>,
}

impl Times {
    /// Times whose local forms are in `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Times { zone, unit: 1, hour: None }
    }

    /// Nanoseconds since the epoch.
    ///
    /// # Errors
    /// Why the text is not a time.
    pub fn parse(&mut self, text: &[u8], naive: bool) -> Result<EventTime, &'static str> {
        const NOT: &str = "is neither a whole number since the epoch nor an RFC 3339 time, which ends with its zone: \
                           2026-01-05T14:30:00Z";
        let ts = if text.iter().all(u8::is_ascii_digit) {
            let units: EventTime = count(text).map_err(|_| NOT)?;
            units.checked_mul(self.unit).ok_or("is beyond the year 2262")?
        } else if naive && let Some(ts) = self.in_known_hour(text) {
            ts
        } else {
            let text = std::str::from_utf8(text).map_err(|_| NOT)?;
            if let Ok(ts) = text.parse::<jiff::Timestamp>() {
                EventTime::try_from(ts.as_nanosecond()).map_err(|_| "is beyond the year 2262")?
            } else if !naive {
                return Err(NOT);
            } else {
                self.local(text)?
            }
        };
        in_range(ts)?;
        Ok(ts)
    }

    /// A time like `2013-08-05 09:31:00` in the hour that was seen last.
    fn in_known_hour(&self, text: &[u8]) -> Option<EventTime> {
        let (hour, began) = self.hour?;
        let [b':', m, n, b':', s, t] = text.strip_prefix(&hour)? else { return None };
        let two = |tens: &u8, ones: &u8| {
            let is_below_60 = (b'0'..=b'5').contains(tens) && ones.is_ascii_digit();
            is_below_60.then(|| i64::from((tens - b'0') * 10 + (ones - b'0')))
        };
        Some(began + (two(m, n)? * 60 + two(s, t)?) * SECOND)
    }

    fn local(&mut self, text: &str) -> Result<EventTime, &'static str> {
        let local: DateTime = text.parse().map_err(|_| "is not a time like 2013-08-05 09:30:00")?;
        let ts = self.zone.to_timestamp(local).map_err(|_| "is out of range")?.as_nanosecond();
        let ts = EventTime::try_from(ts).map_err(|_| "is out of range")?;
        let into_hour = i64::from(local.minute()) * 60 + i64::from(local.second());
        let began = ts - into_hour * SECOND - i64::from(local.subsec_nanosecond());
        self.hour = match text.as_bytes().split_first_chunk() {
            Some((hour, [b':', ..])) => Some((*hour, began)),
            _ => None,
        };
        Ok(ts)
    }
}

#[cfg(test)]
mod tests;
