//! Single values: from the types that a file may have to our units.

use jiff::civil::DateTime;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;

use super::super::columns::Quantity;
use super::super::values::{self, round_half_even};
use crate::time::{MS, SECOND};

/// What the whole numbers of a column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Themselves: of a time nanoseconds since the epoch, of a price whole units of the currency.
    Plain,
    /// The same, with no sign.
    Unsigned,
    /// Units of the so many-th decimal place.
    Decimal(u32),
    /// Spans of so many nanoseconds since the epoch.
    Timestamp(i64),
    /// The same, since the epoch by the wall's clock.
    WallClock(i64),
    /// Days since the epoch.
    Date,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// There is none.
    Nothing,
    /// A number in our unit, see [`Fields::set_number`](super::super::fields::Fields::set_number).
    Number(i64),
    /// A text, to be read, or complained of, as lines' texts are.
    Text(Vec<u8>),
}

/// What the numbers of a column mean that is to hold this quantity; `of_bars` says whether times without a zone are
/// those of the wall's clock, as bars have them. Ticks have UTC. Times that are mere numbers count so many nanoseconds each.
///
/// # Errors
/// When the column can hold no such thing: its type, in Parquet's words.
pub(super) fn meaning(
    column: &ColumnDescriptor,
    quantity: Quantity,
    of_bars: bool,
    time_unit: i64,
) -> Result<Meaning, String> {
    use ConvertedType as C;
    let physical = column.physical_type();
    let (logical, converted) = (column.logical_type_ref(), column.converted_type());
    let is_whole = matches!(physical, Type::INT32 | Type::INT64);
    let is_bytes = matches!(physical, Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY);
    let meaning = match (logical, converted) {
        (Some(LogicalType::Timestamp(stamp)), _) => {
            let unit = match stamp.unit {
                TimeUnit::MILLIS => MS,
                TimeUnit::MICROS => MS / 1_000,
                TimeUnit::NANOS => 1,
            };
            Some(if of_bars && !stamp.is_adjusted_to_u_t_c {
                Meaning::WallClock(unit)
            } else {
                Meaning::Timestamp(unit)
            })
        }
        (None, C::TIMESTAMP_MILLIS) => Some(Meaning::Timestamp(MS)),
        (None, C::TIMESTAMP_MICROS) => Some(Meaning::Timestamp(MS / 1_000)),
        (Some(LogicalType::Decimal(decimal)), _) => u32::try_from(decimal.scale).ok().map(Meaning::Decimal),
        (None, C::DECIMAL) => u32::try_from(column.type_scale()).ok().map(Meaning::Decimal),
        (Some(LogicalType::Date), _) | (None, C::DATE) => Some(Meaning::Date),
        (Some(LogicalType::Integer(of)), _) if !of.is_signed => Some(Meaning::Unsigned),
        (None, C::UINT_8 | C::UINT_16 | C::UINT_32 | C::UINT_64) => Some(Meaning::Unsigned),
        (Some(LogicalType::Integer(_) | LogicalType::Unknown), _) => Some(Meaning::Plain),
        (Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), _) => Some(Meaning::Plain),
        (None, C::NONE | C::UTF8 | C::ENUM | C::JSON | C::INT_8 | C::INT_16 | C::INT_32 | C::INT_64) => {
            Some(Meaning::Plain)
        }
        _ => None,
    };
    let is_number = matches!(meaning, Some(Meaning::Plain | Meaning::Unsigned)) && is_whole;
    let meaning = if quantity == Quantity::Time && is_number { Some(Meaning::Timestamp(time_unit)) } else { meaning };
    let fits = meaning.is_some_and(|meaning| match (quantity, meaning) {
        (Quantity::Time, Meaning::Timestamp(_) | Meaning::WallClock(_) | Meaning::Date) => is_whole,
        (_, Meaning::Timestamp(_) | Meaning::WallClock(_) | Meaning::Date) => false,
        (Quantity::Price | Quantity::Count, Meaning::Decimal(_)) => is_whole || is_bytes,
        (_, Meaning::Decimal(_)) => false,
        (Quantity::Time, _) => is_whole || physical == Type::INT96 || physical == Type::BYTE_ARRAY,
        (Quantity::Price | Quantity::Count, _) => {
            is_whole || matches!(physical, Type::FLOAT | Type::DOUBLE | Type::BYTE_ARRAY)
        }
        (Quantity::Text, _) => is_whole || is_bytes,
    });
    let theirs = || match logical {
        Some(logical) => format!("{physical} ({logical:?})"),
        None => physical.to_string(),
    };
    meaning.filter(|_| fits).ok_or_else(theirs)
}

/// The value of a whole number.
pub(super) fn whole(value: i128, meaning: Meaning, quantity: Quantity) -> Cell {
    let number = |number: Option<i128>| {
        let number = number.and_then(|number| i64::try_from(number).ok());
        number.map_or_else(|| Cell::Text(value.to_string().into_bytes()), Cell::Number)
    };
    let ten = |places: u32| 10i128.checked_pow(places);
    match (quantity, meaning) {
        (Quantity::Time, Meaning::Timestamp(unit)) => number(value.checked_mul(unit.into())),
        (Quantity::Time, Meaning::WallClock(unit)) => wall_clock(value.checked_mul(unit.into())),
        (Quantity::Time, Meaning::Date) => wall_clock(value.checked_mul(i128::from(86_400 * SECOND))),
        (Quantity::Time, _) => number(Some(value)),
        (Quantity::Price, Meaning::Decimal(scale @ 10..)) => number(ten(scale - 9).map(|d| rounded(value, d))),
        (Quantity::Price, Meaning::Decimal(scale)) => number(ten(9 - scale).and_then(|m| value.checked_mul(m))),
        (Quantity::Price, _) => number(ten(9).and_then(|m| value.checked_mul(m))),
        (Quantity::Count, Meaning::Decimal(scale)) => match ten(scale).filter(|d| value % d == 0) {
            Some(d) => count(value / d),
            None => Cell::Text(format!("{value}e-{scale}").into_bytes()),
        },
        (Quantity::Count, _) => count(value),
        (Quantity::Text, _) => Cell::Text(value.to_string().into_bytes()),
    }
}

fn count(value: i128) -> Cell {
    // Counts have the bits of an unsigned number.
    u64::try_from(value).map_or_else(|_| Cell::Text(value.to_string().into_bytes()), |n| Cell::Number(n as i64))
}

fn rounded(value: i128, d: i128) -> i128 {
    if value < 0 { -round_half_even(-value, d) } else { round_half_even(value, d) }
}

/// A time without a zone, so many nanoseconds since the epoch, as lines have it.
fn wall_clock(ns: Option<i128>) -> Cell {
    let stamp = ns.and_then(|ns| jiff::Timestamp::from_nanosecond(ns).ok());
    let local: Option<DateTime> = stamp.map(|stamp| jiff::tz::TimeZone::UTC.to_datetime(stamp));
    Cell::Text(local.map_or_else(|| b"a time beyond all calendars".to_vec(), |local| local.to_string().into_bytes()))
}

/// The value of a real number. One that is none, as tables in memory have it where a value is missing, is nothing.
pub(super) fn real(value: f64, quantity: Quantity) -> Cell {
    if value.is_nan() {
        return Cell::Nothing;
    }
    match quantity {
        Quantity::Price => match values::real_price(value) {
            Ok(price) => Cell::Number(price.0),
            Err(_) => Cell::Text(value.to_string().into_bytes()),
        },
        // All whole numbers up to here are exact.
        _ if value.fract() == 0.0 && (0.0..9e15).contains(&value) => Cell::Number(value as i64),
        _ => Cell::Text(value.to_string().into_bytes()),
    }
}

/// The value of a decimal's bytes: a whole number of at most 16 bytes, the highest first.
pub(super) fn decimal(bytes: &[u8], meaning: Meaning, quantity: Quantity) -> Cell {
    if bytes.len() > 16 {
        return Cell::Text(b"a decimal of more than 16 bytes".to_vec());
    }
    let is_negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = [if is_negative { 0xff } else { 0 }; 16];
    all[16 - bytes.len()..].copy_from_slice(bytes);
    whole(i128::from_be_bytes(all), meaning, quantity)
}
