use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::batch::{BatchLimits, Decision, Dial};
use crate::config::{Config, Effective};
use crate::error::{Doing as _, Error, Result};
use crate::report::Progress;
use crate::runtime::{Interval, Snapshot, Watch};

/// Files are looked at so often, and read when they have changed and are still the same one look later, so that nobody
/// is caught in the middle of writing.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// Reads the settings as the run did when it began.
pub type Read<'a> = dyn Fn() -> Result<(Config, Effective)> + 'a;

/// Shows how a run stands, and changes its batch limits when the files of its settings change.
pub struct Retune<'a> {
    name: &'a str,
    progress: Progress,
    dial: Arc<Dial>,
    limits: BatchLimits,
    running: &'a Effective,
    read: &'a Read<'a>,
    files: Vec<(PathBuf, Stamp)>,
    changed: bool,
    looked: Instant,
    hang_up: Arc<AtomicBool>,
}

/// What tells one version of a file from another: when it was written, and its length.
type Stamp = Option<(SystemTime, u64)>;

impl<'a> Retune<'a> {
    /// Watches `files`, from which the `running` settings were read; SIGHUP has them read at once.
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub fn new(
        name: &'a str,
        progress: Progress,
        limits: BatchLimits,
        running: &'a Effective,
        read: &'a Read<'a>,
        files: &[PathBuf],
    ) -> Result<Self> {
        let hang_up = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        if !files.is_empty() {
            signal_hook::flag::register(signal_hook::consts::SIGHUP, hang_up.clone()).doing(|| "asking for SIGHUP")?;
        }
        let files = files.iter().map(|file| (file.clone(), stamp(file))).collect();
        let (dial, looked) = (Arc::default(), Instant::now());
        Ok(Retune { name, progress, dial, limits, running, read, files, changed: false, looked, hang_up })
    }

    /// What is turned when the batch limits are to change.
    pub fn dial(&self) -> Arc<Dial> {
        self.dial.clone()
    }

    /// Ends the watch.
    pub fn end(self) -> Progress {
        self.progress
    }

    /// Whether the settings are to be read again.
    fn is_due(&mut self) -> bool {
        let asked = self.hang_up.swap(false, Ordering::Relaxed);
        if !asked && self.looked.elapsed() < LOOK_EVERY {
            return false;
        }
        self.looked = Instant::now();
        let mut is_new = false;
        for (file, seen) in &mut self.files {
            let now = stamp(file);
            is_new |= now != *seen;
            *seen = now;
        }
        let is_still = self.changed && !is_new;
        self.changed = is_new && !asked;
        asked || is_still
    }

    fn read_again(&mut self) {
        let files = self.files.iter().map(|(file, _)| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let (config, settings) = match (self.read)() {
            Ok(read) => read,
            Err(error) => {
                let text = match error {
                    Error::Config(text) => text.trim_end().trim_end_matches("; nothing was started").to_owned(),
                    other => other.to_string(),
                };
                return self.say(&format!("{text}\n{files} cannot be used: the settings stay as they were"));
            }
        };
        let others: Vec<String> =
            settings.differs_in(self.running).into_iter().filter(|key| !key.starts_with("batch.")).collect();
        if !others.is_empty() {
            self.say(&format!("{files}: a restart is needed to change {}", others.join(", ")));
        }
        let limits = config.knobs.batch;
        if limits != self.limits {
            self.say(&format!("{files}: batches are now {limits}; they were {}", self.limits));
            self.dial.turn(limits);
            self.limits = limits;
        } else if others.is_empty() {
            self.say(&format!("{files} was read again, and nothing is to be changed"));
        }
    }

    fn say(&self, text: &str) {
        self.progress.say(&format!("{}: {text}", self.name));
    }
}

fn stamp(file: &PathBuf) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Watch for Retune<'_> {
    fn progress(&mut self, snapshot: &Snapshot<'_>) {
        if !self.files.is_empty() && self.is_due() {
            self.read_again();
        }
        self.progress.progress(snapshot);
    }

    fn interval(&mut self, interval: &Interval<'_>) -> Result<()> {
        self.progress.interval(interval)
    }

    fn decided(&mut self, worker: usize, at: u64, decision: &Decision) -> Result<()> {
        self.progress.decided(worker, at, decision)
    }
}
