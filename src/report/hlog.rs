use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};

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
            self.interval(stage.name(), second, 1, stages.get(stage))?;
        }
        Ok(())
    }

    /// Adds a histogram that covers `seconds` from the beginning, and writes everything out.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn whole(&mut self, tag: &str, seconds: u64, histogram: &Histogram<u64>) -> Result<()> {
        self.interval(tag, 0, seconds, histogram)?;
        self.file.flush().doing(|| format!("writing {}", self.path.display()))
    }

    fn interval(&mut self, tag: &str, start: u64, seconds: u64, histogram: &Histogram<u64>) -> Result<()> {
        let doing = || format!("writing {}", self.path.display());
        let mut log =
            IntervalLogWriterBuilder::new().begin_log_with(&mut self.file, &mut self.serializer).doing(doing)?;
        let (start, length) = (Duration::from_secs(start), Duration::from_secs(seconds));
        match log.write_histogram(histogram, start, length, Tag::new(tag)) {
            Ok(()) => Ok(()),
            Err(IntervalLogWriterError::IoError(source)) => Err(Error::Io { doing: doing(), source }),
            Err(error) => Err(Error::Input(format!("{}: {error}", doing()))),
        }
    }
}
