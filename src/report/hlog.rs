use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, IntervalLogWriterError, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::error::{Doing as _, Error, Result};
use crate::latency::{Stage, Stages};

/// `latency.hlog`: histograms of nanoseconds, a line a second and stage, in the log format of HdrHistogram's own
/// tools.
pub struct LatencyLog {
    path: PathBuf,
    file: BufWriter<File>,
    serializer: V2DeflateSerializer,
}

impl LatencyLog {
    /// Begins a log.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let doing = || format!("writing {}", path.display());
        let mut file = BufWriter::new(File::create(path).doing(doing)?);
        let mut serializer = V2DeflateSerializer::new();
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .with_base_time(SystemTime::now())
            .begin_log_with(&mut file, &mut serializer)
            .map(drop)
            .doing(doing)?;
        Ok(LatencyLog { path: path.into(), file, serializer })
    }

    /// Adds the stages of one second of the run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn second(&mut self, second: u64, stages: &Stages) -> Result<()> {
        for stage in Stage::ALL {
            let (start, length) = (Duration::from_secs(second), Duration::from_secs(1));
            self.interval(stage.name(), start, length, stages.get(stage))?;
        }
        Ok(())
    }

    /// Adds a histogram that covers `seconds` from the beginning, and writes everything out.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn whole(&mut self, tag: &str, seconds: u64, histogram: &Histogram<u64>) -> Result<()> {
        self.interval(tag, Duration::ZERO, Duration::from_secs(seconds), histogram)?;
        self.flush()
    }

    /// Writes everything out.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().doing(|| format!("writing {}", self.path.display()))
    }

    /// Adds a histogram of what was recorded from `start` on, for `length`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn interval(&mut self, tag: &str, start: Duration, length: Duration, histogram: &Histogram<u64>) -> Result<()> {
        let doing = || format!("writing {}", self.path.display());
        let mut log =
            IntervalLogWriterBuilder::new().begin_log_with(&mut self.file, &mut self.serializer).doing(doing)?;
        match log.write_histogram(histogram, start, length, Tag::new(tag)) {
            Ok(()) => Ok(()),
            Err(IntervalLogWriterError::IoError(source)) => Err(Error::Io { doing: doing(), source }),
            Err(error) => Err(Error::Input(format!("{}: {error}", doing()))),
        }
    }
}

/// Reads a log: the tag and the histogram of each interval, in their order.
///
/// # Errors
/// When it cannot be read, or is no such log.
pub fn read_log(path: &Path) -> Result<Vec<(String, Histogram<u64>)>> {
    let reading = || format!("reading {}", path.display());
    let wrong = |what: &str| Error::Input(format!("{}: {what}; is it a log of HdrHistogram?", reading()));
    let text = fs::read(path).doing(reading)?;
    let mut deserializer = Deserializer::new();
    let mut intervals = Vec::new();
    for entry in IntervalLogIterator::new(&text) {
        let LogEntry::Interval(interval) = entry.map_err(|_| wrong("a line is not an interval"))? else { continue };
        let bytes = BASE64_STANDARD.decode(interval.encoded_histogram()).map_err(|_| wrong("it is not base 64"))?;
        let histogram = deserializer.deserialize(&mut &bytes[..]).map_err(|_| wrong("it holds no histogram"))?;
        intervals.push((interval.tag().map_or("", |tag| tag.as_str()).to_owned(), histogram));
    }
    Ok(intervals)
}
