use std::time::{Duration, Instant};

use bytesize::ByteSize;

use crate::error::Error;
use crate::memory;

/// How often this process's memory is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// The most memory that this process may take, in bytes, if there is a limit.
pub struct Ceiling {
    most: Option<u64>,
    looked: Option<Instant>,
}

impl Ceiling {
    pub fn new(most: Option<u64>) -> Self {
        Ceiling { most, looked: None }
    }

    /// How often to look.
    pub fn every(&self) -> Duration {
        EVERY
    }

    /// The error of a run that takes more.
    pub fn look(&mut self, now: Instant) -> Option<Error> {
        let most = self.most?;
        if self.looked.is_some_and(|looked| now - looked < EVERY) {
            return None;
        }
        self.looked = Some(now);
        let takes = memory::resident().filter(|takes| *takes > most)?;
        let [takes, most] = [takes, most].map(ByteSize);
        Some(Error::Input(format!(
            "the run takes {takes} of memory, which is more than limits.memory ({most}), and is ended: let it keep less \
             (late.horizon, or fewer --symbols at once), or allow it more"
        )))
    }
}
