use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

/// What the kernel says others did to us, where it says so: in seconds, of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// The hypervisor gave our cores to others, on all cores together.
    pub steal: Option<f64>,
    /// Some task of the machine waited for a core (the `some` line of `/proc/pressure/cpu`).
    pub stalled: Option<f64>,
    /// Our own threads waited for a core, all together, as far as they were looked at.
    pub run_delay: Option<f64>,
    /// How long the span was.
    pub of: f64,
}

impl Pressure {
    /// What they are of.
    pub const NAMES: [&str; 3] = [
        "of a core was stolen by the hypervisor",
        "of the time some task waited for a core",
        "of a core was kept from our threads",
    ];

    /// Stolen time, pressure and run delay, as shares of the span.
    pub fn shares(&self) -> [Option<f64>; 3] {
        [self.steal, self.stalled, self.run_delay].map(|it| Some(it? / self.of.max(1e-9)))
    }

    /// The largest shares of several spans, each by itself.
    pub fn worst<'a>(spans: impl Iterator<Item = &'a Pressure>) -> [Option<f64>; 3] {
        spans.map(Pressure::shares).fold([None; 3], |worst, it| {
            std::array::from_fn(|at| worst[at].into_iter().chain(it[at]).max_by(f64::total_cmp))
        })
    }
}

/// Follows the kernel's accounts through a span.
pub struct Accounts {
    began: std::time::Instant,
    steal: Option<f64>,
    stalled: Option<f64>,
    delays: Delays,
}

impl Accounts {
    /// Begins to follow.
    pub fn open() -> Self {
        let mut delays = Delays::default();
        delays.see(run_delays(), true);
        Accounts { began: std::time::Instant::now(), steal: steal(), stalled: stalled(), delays }
    }

    /// Looks at our threads, which take their accounts with them when they end.
    pub fn look(&mut self) {
        self.delays.see(run_delays(), false);
    }

    /// What there was since they were opened.
    pub fn close(mut self) -> Pressure {
        self.look();
        let since =
            |before: Option<f64>, now: Option<f64>| before.zip(now).map(|(before, now)| (now - before).max(0.0));
        Pressure {
            steal: since(self.steal, steal()),
            stalled: since(self.stalled, stalled()),
            run_delay: self.delays.seconds(),
            of: self.began.elapsed().as_secs_f64(),
        }
    }
}

/// How long each thread has waited for a core: before the span, and when it was last looked at, in nanoseconds.
#[derive(Default)]
struct Delays(BTreeMap<u64, (u64, u64)>);

impl Delays {
    fn see(&mut self, threads: Vec<(u64, u64)>, is_first: bool) {
        for (thread, nanos) in threads {
            let before = if is_first { nanos } else { 0 };
            self.0.entry(thread).or_insert((before, nanos)).1 = nanos;
        }
    }

    fn seconds(&self) -> Option<f64> {
        let waited: u64 = self.0.values().map(|(before, last)| last.saturating_sub(*before)).sum();
        (!self.0.is_empty()).then_some(waited as f64 / 1e9)
    }
}

fn steal() -> Option<f64> {
    parse_steal(&fs::read_to_string("/proc/stat").ok()?)
}

/// The eighth figure of all cores together, in hundredths of a second.
fn parse_steal(stat: &str) -> Option<f64> {
    let cores = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    Some(cores.split_whitespace().nth(7)?.parse::<f64>().ok()? / 100.0)
}

fn stalled() -> Option<f64> {
    parse_stalled(&fs::read_to_string("/proc/pressure/cpu").ok()?)
}

/// The total of the `some` line, in microseconds.
fn parse_stalled(pressure: &str) -> Option<f64> {
    let some = pressure.lines().find_map(|line| line.strip_prefix("some "))?;
    Some(some.split_whitespace().find_map(|word| word.strip_prefix("total="))?.parse::<f64>().ok()? / 1e6)
}

/// Our threads, and how long each has waited for a core, in nanoseconds.
fn run_delays() -> Vec<(u64, u64)> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let delay = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((task.file_name().to_str()?.parse().ok()?, parse_delay(&stat)?))
    };
    tasks.filter_map(delay).collect()
}

/// The second figure of a `schedstat`.
fn parse_delay(stat: &str) -> Option<u64> {
    stat.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_accounts_are_read() {
        let stat = "cpu  10 20 30 40 50 60 70 250 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!((parse_steal(stat), parse_steal("cpu0 1 2\n"), parse_steal("cpu 1 2\n")), (Some(2.5), None, None));
        let pressure = "some avg10=1.00 avg60=2.00 avg300=3.00 total=1500000\nfull avg10=0.00 total=7\n";
        assert_eq!((parse_stalled(pressure), parse_stalled("full total=7\n")), (Some(1.5), None));
        assert_eq!((parse_delay("12 34 56\n"), parse_delay("12\n")), (Some(34), None));
    }

    #[test]
    fn the_worst_of_several_spans_is_each_figures_own() {
        let one = Pressure { steal: Some(1.0), stalled: Some(1.0), run_delay: None, of: 4.0 };
        let other = Pressure { steal: Some(1.0), stalled: None, run_delay: None, of: 2.0 };
        assert_eq!(Pressure::worst([one, other].iter()), [Some(0.5), Some(0.25), None]);
    }

    #[test]
    fn a_thread_that_comes_later_counts_in_full_and_one_that_ends_keeps_its_account() {
        let mut delays = Delays::default();
        assert_eq!(delays.seconds(), None);
        delays.see(vec![(1, 1_000_000_000)], true);
        delays.see(vec![(1, 1_500_000_000), (2, 2_000_000_000)], false);
        delays.see(vec![(1, 1_750_000_000)], false);
        assert_eq!(delays.seconds(), Some(2.75));
    }
}
