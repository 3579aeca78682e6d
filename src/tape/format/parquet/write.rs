use std::sync::Arc;

use parquet::basic::{Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};

use super::super::encode::{FEED_COLUMNS, fields};
use super::super::record::Record;
use crate::error::{Error, Result as OurResult};
use crate::row::{Field, Texts};
use crate::tick::{Names, Price};

/// Rows of a group. It is held until it is whole; a reader that begins in the midst of a file begins with one.
const GROUP: usize = 1 << 17;

/// What `DECIMAL(18, 9)` can hold is below this many units of 1e-9.
const ABOVE: i64 = 1_000_000_000_000_000_000;

/// Turns records into a file of Parquet from which [`Table`](super::Table) reads the same records again.
pub struct TableEncoder {
    texts: Texts,
    /// How many of [`FEED_COLUMNS`] are left out at the beginning.
    skipped: usize,
    /// What each of the other columns has of this group.
    columns: Vec<Pending>,
    rows: usize,
    writer: SerializedFileWriter<Vec<u8>>,
}

/// The values of a column that are not written yet.
struct Pending {
    /// One for each row that has a value, zero for each that has none.
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Longs(Vec<i64>),
    Ints(Vec<i32>),
    Texts(Vec<ByteArray>),
}

impl TableEncoder {
    /// An encoder of records whose symbols and venues are in these tables, with a column of due times if they have
    /// them.
    ///
    /// # Errors
    /// When the file cannot be begun.
    pub fn new(has_due: bool, symbols: Arc<Names>, venues: Arc<Names>) -> OurResult<Self> {
        let skipped = usize::from(!has_due);
        let (texts, names) = (Texts::new(symbols, venues), &FEED_COLUMNS[skipped..]);
        let columns = names.iter().map(|name| Pending::of(name)).collect();
        let writer = begin(names).map_err(failed)?;
        Ok(TableEncoder { texts, skipped, columns, rows: 0, writer })
    }

    /// Adds a record, and appends a group of rows to `out` when it is whole.
    ///
    /// # Errors
    /// When the record has a price that is too high for the column's type.
    pub fn encode(&mut self, record: &Record, out: &mut Vec<u8>) -> OurResult<()> {
        self.texts.know(record.tick.symbol, record.tick.venue);
        let fields = fields(&self.texts, record);
        for (column, field) in self.columns.iter_mut().zip(&fields[self.skipped..]) {
            column.push(*field)?;
        }
        self.rows += 1;
        if self.rows == GROUP {
            self.end_group(out).map_err(failed)?;
        }
        Ok(())
    }

    /// Appends what is left, and the index at the end of the file.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn end(&mut self, out: &mut Vec<u8>) -> OurResult<()> {
        let mut end = || -> Result<()> {
            self.end_group(out)?;
            self.writer.finish()?;
            self.hand_over(out)
        };
        end().map_err(failed)
    }

    fn end_group(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            if let Some(writer) = group.next_column()? {
                column.write(writer)?;
            }
        }
        group.close()?;
        self.rows = 0;
        self.hand_over(out)
    }

    /// Appends what has been written so far to `out`. The writer counts its bytes by itself.
    fn hand_over(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.flush()?;
        out.append(self.writer.inner_mut());
        Ok(())
    }
}

fn failed(error: ParquetError) -> Error {
    Error::Input(format!("writing Parquet: {error}"))
}

/// The columns of a tape by their types.
fn column(name: &str) -> (Physical, LogicalType, Repetition) {
    let (physical, logical) = match name {
        "due" | "ts_event" | "ts_recv" => (Physical::INT64, LogicalType::timestamp(true, TimeUnit::NANOS)),
        "price" | "bid" | "ask" => (Physical::INT64, LogicalType::decimal(9, 18)),
        "seq" | "ref_seq" => (Physical::INT64, LogicalType::integer(64, false)),
        "size" | "bid_size" | "ask_size" => (Physical::INT32, LogicalType::integer(32, false)),
        _ => (Physical::BYTE_ARRAY, LogicalType::String),
    };
    let is_always = name == "ts_event" || name == "symbol";
    (physical, logical, if is_always { Repetition::REQUIRED } else { Repetition::OPTIONAL })
}

fn begin(names: &[&str]) -> Result<SerializedFileWriter<Vec<u8>>> {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("tapeflow ", env!("CARGO_PKG_VERSION")).into())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?));
    let mut columns = Vec::new();
    for name in names {
        let (physical, logical, repetition) = column(name);
        // Times and sequence numbers grow by little, and hardly ever repeat.
        if matches!(logical, LogicalType::Timestamp(_)) || name.ends_with("seq") {
            let path = ColumnPath::from(*name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        let mut of = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        if matches!(logical, LogicalType::Decimal(_)) {
            of = of.with_precision(18).with_scale(9);
        }
        columns.push(Arc::new(of.with_logical_type(Some(logical)).build()?));
    }
    let schema = Type::group_type_builder("tape").with_fields(columns).build()?;
    SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties.build()))
}

impl Pending {
    fn of(name: &str) -> Self {
        let values = match column(name).0 {
            Physical::INT64 => Values::Longs(Vec::new()),
            Physical::INT32 => Values::Ints(Vec::new()),
            _ => Values::Texts(Vec::new()),
        };
        Pending { levels: Vec::new(), values }
    }

    fn push(&mut self, field: Option<Field<'_>>) -> OurResult<()> {
        self.levels.push(field.is_some().into());
        match (&mut self.values, field) {
            (Values::Longs(values), Some(Field::Time(time))) => values.push(time),
            (Values::Longs(_), Some(Field::Price(Some(Price(ABOVE..))))) => {
                let text = "writing Parquet: prices from 1,000,000,000 on are beyond its DECIMAL(18, 9)";
                return Err(Error::Input(text.into()));
            }
            (Values::Longs(values), Some(Field::Price(Some(price)))) => values.push(price.0),
            // Unsigned numbers are stored by their bits.
            (Values::Longs(values), Some(Field::Count(count))) => values.push(count as i64),
            (Values::Ints(values), Some(Field::Count(count))) => values.push(count as u32 as i32),
            (Values::Texts(values), Some(Field::Text(text))) => values.push(text.into()),
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self, mut writer: SerializedColumnWriter<'_>) -> Result<()> {
        let levels = Some(&self.levels[..]);
        match &mut self.values {
            Values::Longs(values) => {
                writer.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Ints(values) => {
                writer.typed::<Int32Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Texts(values) => {
                writer.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                values.clear();
            }
        }
        self.levels.clear();
        writer.close()
    }
}
