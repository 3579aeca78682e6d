//! What the signals of the system come to.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::error::{Doing as _, Result, say};
use crate::threads;

/// A file that may not grow any more (`ulimit -f`) is an error of whoever writes it, and not the end of the program.
///
/// # Errors
/// When the system does not let us say so.
pub fn outlive_full_files() -> Result<()> {
    let heard = signal_hook::flag::register(SIGXFSZ, Arc::default());
    heard.map(drop).doing(|| "asking for the signal of a file that is too large")
}

/// Has Ctrl-C end the program at once, wherever it is, and says so: for what leaves nothing behind.
pub(super) fn end_on_signals(said: &'static str) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).doing(|| "asking for Ctrl-C")?;
    threads::spawn("signals", move || {
        signals.forever().next();
        say(&format!("interrupted: {said}"));
        std::process::exit(130);
    });
    Ok(())
}

/// A flag that the first Ctrl-C sets, to end the run after what was read; the second ends the program at once.
///
/// # Errors
/// When the system does not let us listen.
pub fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())
            .and_then(|_| signal_hook::flag::register(signal, stop.clone()))
            .doing(|| "asking for Ctrl-C")?;
    }
    Ok(stop)
}

/// Has SIGHUP set that flag as well, which comes when a terminal is closed, unless whoever started us has it ignored, as
/// `nohup` does.
///
/// # Errors
/// As there.
pub(super) fn stop_on_hang_up(stop: &Arc<AtomicBool>) -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    if ignored.is_some_and(|ignored| ignored & 1 << (SIGHUP - 1) == 0) {
        signal_hook::flag::register(SIGHUP, stop.clone()).doing(|| "asking for SIGHUP")?;
    }
    Ok(())
}
