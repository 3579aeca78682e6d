use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::latency::{LONGEST, histogram};
use crate::threads;

/// How long the control thread sleeps.
const SLEEP: Duration = Duration::from_millis(1);

/// The machine, as far as it tells.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The processor's model.
    pub cpu: Option<String>,
    /// How many cores we may use.
    pub cores: Option<usize>,
    /// The kernel's release.
    pub kernel: Option<String>,
}

impl Machine {
    /// This machine.
    pub fn here() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Machine {
            cpu: model.map(|(_, model)| model.trim().to_owned()),
            cores: std::thread::available_parallelism().ok().map(usize::from),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|it| it.trim().to_owned()),
        }
    }
}

/// The command line of this process, as a shell takes it.
pub fn command_line() -> String {
    std::env::args_os().map(|arg| shell_word(&arg.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// A word that a shell gives on as it is, in quotes only where it must be.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// A thread for each core that does nothing but sleep a millisecond at a time, and records how much longer than the
/// shortest each took (jHiccup's method): what the machine does to anyone, whatever we do. Where the system allows it,
/// each is pinned to its core, so that a core that others use is not slept through on another.
pub struct Control {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Histogram<u64>>>,
}

impl Control {
    /// Begins to watch the machine.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut cores: Vec<_> = core_affinity::get_core_ids().unwrap_or_default().into_iter().map(Some).collect();
        if cores.is_empty() {
            cores.push(None);
        }
        let watch = |core: Option<core_affinity::CoreId>| {
            let stop = stop.clone();
            threads::spawn("sleeper", move || {
                // One that cannot be pinned watches wherever it is put.
                core.map(core_affinity::set_for_current);
                hiccups(&stop)
            })
        };
        let threads = cores.into_iter().map(watch).collect();
        Control { stop, threads }
    }

    /// How long the machine held sleepers up, in nanoseconds, all cores together.
    pub fn end(self) -> Histogram<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = histogram();
        for thread in self.threads {
            // Histograms of equal bounds add.
            let _ = thread.join().map(|hiccups| all.add(hiccups));
        }
        all
    }
}

fn hiccups(stop: &AtomicBool) -> Histogram<u64> {
    let (mut hiccups, mut shortest) = (histogram(), u64::MAX);
    let interval = SLEEP.as_nanos() as u64;
    while !stop.load(Ordering::Relaxed) {
        let before = Instant::now();
        std::thread::sleep(SLEEP);
        let took = before.elapsed().as_nanos() as u64;
        shortest = shortest.min(took);
        // In range for certain; those who would have begun to sleep during a pause count too.
        let _ = hiccups.record_correct((took - shortest).min(LONGEST), interval);
    }
    hiccups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let words = ["--batch", "1,16", "p99 <= 2ms", "it's", ""].map(shell_word);
        assert_eq!(words.join(" "), "--batch 1,16 'p99 <= 2ms' 'it'\\''s' ''");
    }
}
