//! Numbers as decimal texts. Eight digits are made at once, and copied in one go with what leads or trails them.

/// Eight digits make so many.
const EIGHT: u64 = 100_000_000;

/// So many units of 1e-9 are one.
const UNIT: u64 = 1_000_000_000;

/// Eight zeros.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Appends a whole number.
#[inline]
pub fn write_whole(number: u64, out: &mut Vec<u8>) {
    if number < EIGHT {
        // The last digit is written, even if it is a zero as well.
        let digits = eight_digits(number);
        let leading = (digits | (1 << 56)).trailing_zeros() / 8;
        append((digits | ZEROS) >> (8 * leading), 8 - leading as usize, out);
    } else {
        write_long(number, out);
    }
}

/// Appends a whole number that may be below zero.
#[inline]
pub fn write_signed(number: i64, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    write_whole(number.unsigned_abs(), out);
}

/// Appends one that has more than eight digits.
fn write_long(number: u64, out: &mut Vec<u8>) {
    write_whole(number / EIGHT, out);
    append(eight_digits(number % EIGHT) | ZEROS, 8, out);
}

/// Appends the shortest exact decimal of so many units of 1e-9: `12`, `12.34`, `-0.000000001`.
#[inline]
pub fn write_units(is_negative: bool, units: u64, out: &mut Vec<u8>) {
    if is_negative {
        out.push(b'-');
    }
    let part = units % UNIT;
    write_whole(units / UNIT, out);
    if part > 0 {
        write_part(part, out);
    }
}

/// The same of any amount.
pub fn write_amount(amount: i128, out: &mut Vec<u8>) {
    let units = amount.unsigned_abs();
    match u64::try_from(units) {
        Ok(units) => write_units(amount < 0, units, out),
        // Numbers of 128 bits are slow to write, and hardly any is so large.
        Err(_) => {
            let sign = if amount < 0 { "-" } else { "" };
            out.extend_from_slice(format!("{sign}{}", units / u128::from(UNIT)).as_bytes());
            let part = (units % u128::from(UNIT)) as u64;
            if part > 0 {
                write_part(part, out);
            }
        }
    }
}

/// Appends a point, and the units behind it without the zeros at their end.
#[inline]
fn write_part(part: u64, out: &mut Vec<u8>) {
    let (first, last) = (eight_digits(part / 10), part % 10);
    let trailing = if last == 0 { first.leading_zeros() / 8 } else { 0 };
    out.push(b'.');
    append(first | ZEROS, 8 - trailing as usize, out);
    if last > 0 {
        out.push(b'0' + last as u8);
    }
}

/// Appends so many of eight bytes, of which the first one is the lowest.
#[inline(always)]
fn append(bytes: u64, count: usize, out: &mut Vec<u8>) {
    let before = out.len();
    out.extend_from_slice(&bytes.to_le_bytes());
    out.truncate(before + count);
}

/// The digits of a number below 1e8, a byte each, of which the first one is the lowest.
#[inline(always)]
fn eight_digits(number: u64) -> u64 {
    // Two numbers of four digits each, then four of two, then eight of one: each is divided by a multiplication with what
    // is a little more than the reciprocal, and a shift. They are too small for that to come to another quotient.
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((twos - 10 * tens) << 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before".to_vec();
        write(&mut out);
        String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
    }

    #[test]
    fn eight_digits_are_those_of_the_standard_library() {
        // Each pair of four digits, and all of the first four beside it.
        for number in (0..10_000).flat_map(|four| [four, four * 10_000, four * 10_001]) {
            let digits = eight_digits(number).to_le_bytes().map(|digit| char::from(b'0' + digit));
            assert_eq!(String::from_iter(digits), format!("{number:08}"));
        }
    }

    fn of_any_length() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..64u32).prop_map(|(number, shift)| number >> shift)
    }

    proptest! {
        #[test]
        fn whole_numbers_are_written_as_the_standard_library_writes_them(number in of_any_length()) {
            prop_assert_eq!(text(|out| write_whole(number, out)), number.to_string());
        }

        #[test]
        fn units_are_written_with_nine_digits_less_the_zeros(
            (whole, part) in (of_any_length(), of_any_length()), zeros in 0..9u32, is_negative: bool, is_long: bool,
        ) {
            let part = part % UNIT / 10u64.pow(zeros) * 10u64.pow(zeros);
            let units = u128::from(if is_long { whole } else { whole % (UNIT * 18) }) * u128::from(UNIT) + u128::from(part);
            let sign = if is_negative && units > 0 { "-" } else { "" };
            let expected = format!("{sign}{}.{part:09}", units / u128::from(UNIT));
            let expected = expected.trim_end_matches('0').trim_end_matches('.');
            let amount = units as i128 * if is_negative { -1 } else { 1 };
            prop_assert_eq!(text(|out| write_amount(amount, out)), expected);
        }
    }
}
