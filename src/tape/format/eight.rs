//! Eight bytes of a text, looked at all at once.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHEST: u64 = 0x80 * ONES;

/// Powers of ten by their exponents.
const POWERS: [u64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// They, as one number of which the first byte is the lowest.
#[derive(Clone, Copy)]
pub(super) struct Eight(u64);

impl Eight {
    #[inline(always)]
    pub fn of(text: [u8; 8]) -> Eight {
        Eight(u64::from_le_bytes(text))
    }

    /// Those from this place on.
    #[inline(always)]
    pub fn at<const N: usize>(text: &[u8; N], from: usize) -> Eight {
        Eight::of(std::array::from_fn(|i| text[from + i]))
    }

    /// The number that they are, if all of them are digits.
    #[inline(always)]
    pub fn whole(self) -> Option<u64> {
        (self.others() == 0).then(|| value(self.digits()))
    }

    /// The number that the digits are with which they begin, how many those are, and ten to the power of that. Where all
    /// of them are digits there is no number: that is for [`Eight::whole`] to say.
    #[inline(always)]
    pub fn number(self) -> (u64, usize, u64) {
        let others = self.others();
        let len = before(others);
        (first(self.digits(), others), len, POWERS[len])
    }

    /// The decimal with which they begin, in units of 1e-9, and how long it is, if it ends within them: digits, and a
    /// point before, between or behind them. Of nothing it is nothing.
    #[inline(always)]
    pub fn decimal(self) -> Option<(i64, usize)> {
        let (digits, others) = (self.digits(), self.others());
        let whole = before(others);
        if others == 0 {
            return None;
        }
        if self.0 >> (8 * whole) & 0xff != u64::from(b'.') {
            return Some(((first(digits, others) * POWERS[9]) as i64, whole));
        }
        let others = others & (others - 1);
        let len = before(others);
        if !(2..8).contains(&len) {
            return None;
        }
        // The digits behind the point move to its place.
        let kept = (1 << (8 * whole)) - 1;
        let digits = digits & kept | digits >> 8 & !kept;
        Some(((first(digits, others >> 8) * POWERS[10 + whole - len]) as i64, len))
    }

    /// Marks those that are this one.
    #[inline(always)]
    pub fn equal_to(self, byte: u8) -> u64 {
        !at_least(self.0 ^ (ONES * u64::from(byte)), 1) & HIGHEST
    }

    /// How many there are before the first that may end a field, which is none of the bytes from `-` on.
    #[inline(always)]
    pub fn in_field(self) -> usize {
        // Where one is less, those behind it lack what it borrows: only the first mark is right.
        before(self.0.wrapping_sub(ONES * u64::from(b'-')) & !self.0 & HIGHEST)
    }

    /// A number that no other text has for the first so many of them, which are fewer than eight.
    #[inline(always)]
    pub fn name(self, len: usize) -> u64 {
        let end = 1 << (8 * len);
        self.0 & (end - 1) | end
    }

    #[inline(always)]
    fn digits(self) -> u64 {
        self.0 ^ (ONES * u64::from(b'0'))
    }

    /// Marks the bytes that are no digits, up to the first that is no point either; those behind it may be marked or not.
    #[inline(always)]
    fn others(self) -> u64 {
        // Digits and points carry nothing into the next byte.
        let digits = self.digits();
        (digits.wrapping_add(ONES * (0x80 - 10)) | digits) & HIGHEST
    }
}

/// Marks each byte that is so much or more, by its highest bit. No byte carries into the next.
#[inline(always)]
fn at_least(bytes: u64, least: u8) -> u64 {
    (((bytes & !HIGHEST) + ONES * u64::from(0x80 - least)) | bytes) & HIGHEST
}

/// How many bytes are before the first that is marked.
#[inline(always)]
pub(super) fn before(marks: u64) -> usize {
    marks.trailing_zeros() as usize / 8
}

/// The number that the digits before the first mark are.
#[inline(always)]
fn first(digits: u64, marks: u64) -> u64 {
    // Zeros before them change nothing, and what is behind them goes.
    value((digits << 8).wrapping_shl(63u32.wrapping_sub(marks.trailing_zeros())))
}

/// The number that eight digits are: pairs become numbers below 100, and of those the first and third, and the second and
/// fourth, are added up, each times its power of ten.
#[inline(always)]
fn value(digits: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits * 10 + (digits >> 8);
    let odd = (pairs & PAIRS).wrapping_mul(100 | 1_000_000 << 32);
    let even = (pairs >> 16 & PAIRS).wrapping_mul(1 | 10_000 << 32);
    odd.wrapping_add(even) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_at_each_place_ends_a_number_unless_it_is_a_digit() {
        for (place, byte) in (0..8).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte))) {
            for others in [b'0', b'9'] {
                let mut text = [others; 8];
                text[place] = byte;
                let len = if byte.is_ascii_digit() { 8 } else { place };
                let known = std::str::from_utf8(&text[..len]).unwrap().parse().unwrap_or(0);
                let (number, digits, power) = Eight::of(text).number();
                let number = Eight::of(text).whole().unwrap_or(number);
                assert_eq!((number, digits, power), (known, len, 10u64.pow(len as u32)), "{text:?}");
                assert_eq!(Eight::of(text).whole().is_some(), len == 8, "{text:?}");
            }
        }
    }

    #[test]
    fn a_field_goes_on_up_to_a_byte_below_the_minus_sign() {
        for (place, byte) in (0..8).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte))) {
            let mut text = *b"A-Z09~\xff\x80";
            text[place] = byte;
            assert_eq!(Eight::of(text).in_field(), if byte < b'-' { place } else { 8 }, "{text:?}");
        }
    }
}
