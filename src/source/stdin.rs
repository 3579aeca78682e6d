//! Standard input, of which no more is read once a run is to end early.

use std::io::{Error, ErrorKind, Read, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::stdio::stdin;

/// How often it looks whether to end while nothing comes.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Standard input, which breaks off once `stop` is set, and so does not keep whoever reads it waiting.
pub(super) struct StandardInput {
    pub stop: Arc<AtomicBool>,
}

impl Read for StandardInput {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        while !self.stop.load(Ordering::Acquire) {
            let mut asked = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
            if retry_on_intr(|| poll(&mut asked, Some(&LOOK_EVERY)))? > 0 {
                return Ok(retry_on_intr(|| rustix::io::read(stdin(), &mut *bytes))?);
            }
        }
        Err(Error::new(ErrorKind::ConnectionAborted, "the run is to end early"))
    }
}
