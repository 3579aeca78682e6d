//! How a tape is played, as it is asked for once and handed to whoever opens one.

use super::{Pacing, Surroundings};
use crate::error::{Error, Result};
use crate::tape::Controls;

/// How a tape is played.
#[derive(Clone, Debug)]
pub struct Playback {
    /// How fast.
    pub pacing: Pacing,
    /// Which part of it, and what becomes of it on its way.
    pub controls: Controls,
    /// At most so many records.
    pub limit: u64,
}

impl Playback {
    /// Refuses a tape without an end, which no memory holds.
    pub(super) fn check_ends(&self, around: &Surroundings) -> Result<()> {
        if self.controls.again.is_some() && self.limit == u64::MAX && around.play_for.is_none() {
            return Err(Error::Usage("source.loop: the tape has no end, and all of it is needed: give --limit".into()));
        }
        Ok(())
    }
}
