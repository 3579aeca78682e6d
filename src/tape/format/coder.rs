use std::sync::Arc;

use super::Format;
use super::bin::BlockEncoder;
use super::encode::Encoder;
use super::record::Record;
use crate::error::{Error, Result};
use crate::row::Encoding;
use crate::tick::Names;

/// Turns records into bytes of a format.
pub struct Coder(Kind);

enum Kind {
    Lines(Encoder),
    Blocks(BlockEncoder),
    #[cfg(feature = "parquet")]
    Table(Box<super::parquet::TableEncoder>),
}

impl Coder {
    /// A coder of records whose symbols and venues are in these tables; `has_due` says whether they say when they were
    /// due, as those of a feed do, and those of a tape do not.
    ///
    /// # Errors
    /// When it cannot be written, or not by this program as it was built.
    pub fn new(format: Format, has_due: bool, symbols: Arc<Names>, venues: Arc<Names>) -> Result<Coder> {
        let lines = |encoding, symbols, venues| {
            Kind::Lines(if has_due {
                Encoder::new(encoding, symbols, venues)
            } else {
                Encoder::of_tape(encoding, symbols, venues)
            })
        };
        Ok(Coder(match format {
            Format::Csv => lines(Encoding::Csv, symbols, venues),
            Format::Jsonl => lines(Encoding::Jsonl, symbols, venues),
            Format::Bin => Kind::Blocks(BlockEncoder::new(symbols, venues)),
            #[cfg(feature = "parquet")]
            Format::Parquet => Kind::Table(Box::new(super::parquet::TableEncoder::new(has_due, symbols, venues)?)),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => return Err(format.not_built("writing Parquet")),
            Format::Dbn => {
                let text = "writing DBN: it is read only; write csv, jsonl, bin or parquet";
                return Err(Error::Usage(text.into()));
            }
        }))
    }

    /// What stands before the first record, where it does not come with it.
    pub fn header(&self) -> String {
        match &self.0 {
            Kind::Lines(encoder) => encoder.header(),
            _ => String::new(),
        }
    }

    /// Adds a record, and appends to `out` what is complete.
    ///
    /// # Errors
    /// When the format cannot hold it.
    pub fn encode(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Kind::Lines(encoder) => encoder.encode(record, out),
            Kind::Blocks(encoder) => encoder.encode(record, out),
            #[cfg(feature = "parquet")]
            Kind::Table(encoder) => encoder.encode(record, out)?,
        }
        Ok(())
    }

    /// Appends what is left, so that all of it can be read. A file of Parquet ends here.
    ///
    /// # Errors
    /// As for [`Coder::encode`].
    pub fn seal(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Kind::Lines(_) => {}
            Kind::Blocks(encoder) => encoder.seal(out),
            #[cfg(feature = "parquet")]
            Kind::Table(encoder) => encoder.end(out)?,
        }
        Ok(())
    }
}
