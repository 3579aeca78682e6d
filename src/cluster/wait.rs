use crate::error::say;
use std::time::{Duration, Instant};

/// The processes of a run wait so long for each other.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A wait that is longer than this is told.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// A wait for another process.
pub struct Wait {
    began: Instant,
    is_told: bool,
}

impl Wait {
    /// It begins now.
    pub fn begin() -> Self {
        Wait { began: Instant::now(), is_told: false }
    }

    /// Whether nobody comes any more.
    pub fn is_over(&self) -> bool {
        self.began.elapsed() > PATIENCE
    }

    /// Tells whoever sits before the terminal once what is waited for, where that takes long.
    pub fn tell(&mut self, process: &str) {
        if !self.is_told && self.began.elapsed() > TOLD_AFTER {
            self.is_told = true;
            say(&format!("waiting for {process} for up to {} s", PATIENCE.as_secs()));
        }
    }
}
