use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
use parquet::errors::Result;
use parquet::schema::types::ColumnDescriptor;

use super::super::columns::{Quantity, quantity};
use super::super::fields::Fields;
use super::cell::{self, Cell, Meaning};

/// A column of the file that is one of ours, and some of its rows.
pub(super) struct Column {
    /// Which of ours it is.
    ours: usize,
    /// Its place among the file's columns.
    pub place: usize,
    /// Its name there.
    pub name: String,
    meaning: Meaning,
    quantity: Quantity,
    is_optional: bool,
    reader: Option<ColumnReader>,
    /// One for each row that has a value, zero for each that has none, where there may be such.
    levels: Vec<i16>,
    /// The values as they are stored, without those that are missing.
    stored: Stored,
    /// The same in our units, but for texts.
    numbers: Vec<i64>,
    /// Where the number does not hold: what does.
    others: Vec<(usize, Cell)>,
    /// The row, the value and the other that come next.
    next: (usize, usize, usize),
}

#[derive(Default)]
struct Stored {
    ints: Vec<i32>,
    longs: Vec<i64>,
    stamps: Vec<Int96>,
    floats: Vec<f32>,
    doubles: Vec<f64>,
    texts: Vec<ByteArray>,
    fixed: Vec<FixedLenByteArray>,
}

impl Column {
    /// The column at this place of the file, which is our `ours`-th.
    ///
    /// # Errors
    /// Its type, if it can hold no such thing.
    pub fn new(
        (ours, place): (usize, usize),
        of: &ColumnDescriptor,
        of_bars: bool,
        time_unit: i64,
    ) -> std::result::Result<Column, String> {
        let quantity = quantity(ours);
        Ok(Column {
            ours,
            place,
            name: of.name().to_owned(),
            meaning: cell::meaning(of, quantity, of_bars, time_unit)?,
            quantity,
            is_optional: of.max_def_level() > 0,
            reader: None,
            levels: Vec::new(),
            stored: Stored::default(),
            numbers: Vec::new(),
            others: Vec::new(),
            next: (0, 0, 0),
        })
    }

    /// Begins a group of rows, and passes over the first `skipped` of them.
    pub fn begin(&mut self, mut reader: ColumnReader, skipped: usize) -> Result<()> {
        use ColumnReader as R;
        if skipped > 0 {
            match &mut reader {
                R::BoolColumnReader(reader) => reader.skip_records(skipped)?,
                R::Int32ColumnReader(reader) => reader.skip_records(skipped)?,
                R::Int64ColumnReader(reader) => reader.skip_records(skipped)?,
                R::Int96ColumnReader(reader) => reader.skip_records(skipped)?,
                R::FloatColumnReader(reader) => reader.skip_records(skipped)?,
                R::DoubleColumnReader(reader) => reader.skip_records(skipped)?,
                R::ByteArrayColumnReader(reader) => reader.skip_records(skipped)?,
                R::FixedLenByteArrayColumnReader(reader) => reader.skip_records(skipped)?,
            };
        }
        self.reader = Some(reader);
        Ok(())
    }

    /// Reads the next rows of the group, at most so many; returns how many there were.
    pub fn read(&mut self, rows: usize) -> Result<usize> {
        use ColumnReader as R;
        let (levels, stored) = (&mut self.levels, &mut self.stored);
        self.numbers.clear();
        self.others.clear();
        self.next = (0, 0, 0);
        let (meaning, quantity) = (self.meaning, self.quantity);
        let (numbers, others) = (&mut self.numbers, &mut self.others);
        let is_unsigned = meaning == Meaning::Unsigned;
        let Some(reader) = &mut self.reader else { return Ok(0) };
        Ok(match reader {
            // No column of ours is of this type.
            R::BoolColumnReader(_) => 0,
            R::Int32ColumnReader(reader) => {
                let rows = read(reader, rows, levels, &mut stored.ints)?;
                let value = |n: i32| if is_unsigned { i128::from(n as u32) } else { n.into() };
                convert(&stored.ints, numbers, others, |n| cell::whole(value(*n), meaning, quantity));
                rows
            }
            R::Int64ColumnReader(reader) => {
                let rows = read(reader, rows, levels, &mut stored.longs)?;
                let value = |n: i64| if is_unsigned { i128::from(n as u64) } else { n.into() };
                convert(&stored.longs, numbers, others, |n| cell::whole(value(*n), meaning, quantity));
                rows
            }
            R::Int96ColumnReader(reader) => {
                let rows = read(reader, rows, levels, &mut stored.stamps)?;
                convert(&stored.stamps, numbers, others, |stamp| cell::whole(nanoseconds(stamp), meaning, quantity));
                rows
            }
            R::FloatColumnReader(reader) => {
                let rows = read(reader, rows, levels, &mut stored.floats)?;
                // The decimal that it stands for is that of its own width.
                let value = |n: f32| n.to_string().parse().unwrap_or(f64::from(n));
                convert(&stored.floats, numbers, others, |n| cell::real(value(*n), quantity));
                rows
            }
            R::DoubleColumnReader(reader) => {
                let rows = read(reader, rows, levels, &mut stored.doubles)?;
                convert(&stored.doubles, numbers, others, |n| cell::real(*n, quantity));
                rows
            }
            R::ByteArrayColumnReader(reader) => {
                let rows = read(reader, rows, levels, &mut stored.texts)?;
                if matches!(meaning, Meaning::Decimal(_)) {
                    convert(&stored.texts, numbers, others, |bytes| cell::decimal(bytes.data(), meaning, quantity));
                }
                rows
            }
            R::FixedLenByteArrayColumnReader(reader) => {
                let rows = read(reader, rows, levels, &mut stored.fixed)?;
                let is_decimal = matches!(meaning, Meaning::Decimal(_));
                convert(&stored.fixed, numbers, others, |bytes| match is_decimal {
                    true => cell::decimal(bytes.data(), meaning, quantity),
                    false => Cell::Text(bytes.data().to_vec()),
                });
                rows
            }
        })
    }

    /// Puts the next row's value into its field, if it has one.
    pub fn put(&mut self, fields: &mut Fields) {
        let (row, value, other) = self.next;
        self.next.0 += 1;
        if self.is_optional && self.levels.get(row) != Some(&1) {
            return;
        }
        self.next.1 += 1;
        if let Some((at, cell)) = self.others.get(other)
            && *at == value
        {
            self.next.2 += 1;
            if let Cell::Text(text) = cell {
                fields.set_unescaped(self.ours, text);
            }
        } else if let Some(number) = self.numbers.get(value) {
            fields.set_number(self.ours, *number);
        } else if let Some(text) = self.stored.texts.get(value) {
            fields.set_unescaped(self.ours, text.data());
        }
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Vec<i16>,
    values: &mut Vec<T::T>,
) -> Result<usize> {
    levels.clear();
    values.clear();
    Ok(reader.read_records(rows, Some(levels), None, values)?.0)
}

fn convert<T>(values: &[T], numbers: &mut Vec<i64>, others: &mut Vec<(usize, Cell)>, cell: impl Fn(&T) -> Cell) {
    for (at, value) in values.iter().enumerate() {
        numbers.push(match cell(value) {
            Cell::Number(number) => number,
            other => {
                others.push((at, other));
                0
            }
        });
    }
}

/// An old kind of timestamp: nanoseconds of a Julian day.
fn nanoseconds(stamp: &Int96) -> i128 {
    const EPOCH: i128 = 2_440_588;
    let [low, high, day] = *stamp.data() else { return -1 };
    let of_day = i128::from(u64::from(high) << 32 | u64::from(low));
    (i128::from(day) - EPOCH) * 86_400_000_000_000 + of_day
}
