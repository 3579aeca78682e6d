use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;

use super::super::columns::Columns;
use super::super::record::Record;
use super::super::{Rows, unusable};
use super::column::Column;
use crate::error::{Doing as _, Error, Result, catching};

/// Rows that are read at once.
const BATCH: u64 = 4096;

/// An open file, read a group of rows after the other.
pub struct Table {
    path: PathBuf,
    file: SerializedFileReader<File>,
    /// The file's columns that are ours, once it is known which are.
    columns: Option<Vec<Column>>,
    /// The group that comes next.
    group: usize,
    /// Rows to pass over from there.
    skipped: u64,
    /// Rows of this group that are to be read, and of them those that were read at once.
    left: u64,
    batch: u64,
    /// Rows that were handed out, or passed over.
    number: u64,
}

impl Table {
    /// Opens a file behind its first `rows` rows.
    ///
    /// # Errors
    /// When it cannot be opened, or is no Parquet.
    pub fn open(path: &Path, rows: u64) -> Result<Table> {
        let file = File::open(path).doing(|| format!("reading {}", path.display()))?;
        let file = guarded(|| SerializedFileReader::new(file)).map_err(|e| {
            let text = format!("reading {}: it is no Parquet file, or not a whole one: {e}", path.display());
            Error::Input(text)
        })?;
        let path = path.to_path_buf();
        Ok(Table { path, file, columns: None, group: 0, skipped: rows, left: 0, batch: 0, number: rows })
    }

    /// Finds the file's columns that are ours.
    fn columns(&self, columns: &mut Columns) -> std::result::Result<Vec<Column>, String> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        let ours = columns.header(fields.iter().map(|field| field.name()), &self.header())?;
        let of_bars = Columns::is_of_bars(|column| ours.contains(&Some(column)));
        let mut found = Vec::new();
        for (field, ours) in fields.iter().zip(ours).filter_map(|(field, ours)| Some((field, ours?))) {
            let name = field.name();
            let place = schema.columns().iter().position(|column| {
                let parts = column.path().parts();
                parts.len() == 1 && parts[0] == name && column.max_rep_level() == 0
            });
            let holds = |what: &str| format!("the column `{name}` holds {what}, which is no {}", super::kind(ours));
            let place = place.ok_or_else(|| holds("lists or groups"))?;
            let chunks = self.file.metadata().row_groups().iter().map(|group| group.column(place).compression());
            if let Some(other) = chunks.into_iter().find(|compression| !is_read(*compression)) {
                return Err(format!("it is compressed with {other}: write it with zstd, snappy, lz4 or none"));
            }
            let column = Column::new((ours, place), &schema.column(place), of_bars, columns.times.unit);
            found.push(column.map_err(|theirs| holds(&theirs))?);
        }
        Ok(found)
    }

    /// Reads the next rows of all columns; false at the end.
    fn read_batch(&mut self, columns: &mut [Column]) -> std::result::Result<bool, ParquetError> {
        while self.left == 0 {
            if self.group == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.file.get_row_group(self.group)?;
            self.group += 1;
            let rows = u64::try_from(group.metadata().num_rows())?;
            let skipped = self.skipped.min(rows);
            self.skipped -= skipped;
            self.left = rows - skipped;
            if self.left > 0 {
                for column in &mut *columns {
                    column.begin(group.get_column_reader(column.place)?, usize::try_from(skipped)?)?;
                }
            }
        }
        self.batch = self.left.min(BATCH);
        self.left -= self.batch;
        for column in columns {
            let rows = column.read(self.batch as usize)?;
            if rows as u64 != self.batch {
                return Err(ParquetError::EOF(format!("the column `{}` ends before its group does", column.name)));
            }
        }
        Ok(true)
    }
}

/// The library checks most of what it reads, and panics on the rest.
fn guarded<T>(work: impl FnOnce() -> std::result::Result<T, ParquetError>) -> std::result::Result<T, ParquetError> {
    catching(work).unwrap_or_else(|| Err(ParquetError::General("its bytes contradict each other".into())))
}

fn is_read(compression: Compression) -> bool {
    use Compression as C;
    matches!(compression, C::UNCOMPRESSED | C::SNAPPY | C::LZ4 | C::LZ4_RAW | C::ZSTD(_))
}

impl Rows for Table {
    fn next(&mut self, ours: &mut Columns, out: &mut Vec<Record>) -> Result<Option<std::result::Result<(), String>>> {
        let mut columns = match self.columns.take() {
            Some(columns) => columns,
            None => self.columns(ours).map_err(|reason| unusable(&self.path, &reason))?,
        };
        if self.batch == 0 {
            let more = guarded(|| self.read_batch(&mut columns)).map_err(|e| {
                let (path, number) = (self.path.display(), self.number);
                Error::Input(format!("reading {path}: what follows row {number} cannot be read: {e}"))
            })?;
            if !more {
                self.columns = Some(columns);
                return Ok(None);
            }
        }
        self.batch -= 1;
        self.number += 1;
        ours.fields.clear();
        columns.iter_mut().for_each(|column| column.put(&mut ours.fields));
        self.columns = Some(columns);
        Ok(Some(ours.records(b"", out)))
    }

    fn number(&self) -> u64 {
        self.number
    }

    fn text(&self, columns: &Columns) -> Vec<u8> {
        columns.row_as_text()
    }

    fn header(&self) -> String {
        let schema = self.file.metadata().file_metadata().schema_descr();
        let names = schema.root_schema().get_fields().iter().map(|field| field.name());
        names.collect::<Vec<_>>().join(",")
    }
}
