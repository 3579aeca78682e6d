use std::fmt::{self, Display};
use std::time::Duration;

use crate::config::Span;

/// Most ticks in a batch: enough for any linger, and small enough for the caches.
const MAX_TICKS: usize = 16_384;

/// The setting that is chosen is run so often in all, and its median counts.
const CONFIRMED: usize = 3;

/// The longest linger is known well enough when what is in doubt is no more than this share of the target.
const CLOSE: f64 = 0.1;

/// Fewer cores than this are no difference: the kernel counts processor time in hundredths of a second.
const SAME: f64 = 0.01;

/// Batch limits that may be chosen: greedy where the delay is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Most ticks in a batch.
    pub max_ticks: usize,
    /// Longest wait of its oldest tick, in nanoseconds.
    pub max_delay: u64,
}

impl Setting {
    /// Serve what waits at once.
    pub const GREEDY: Setting = Setting { max_ticks: MAX_TICKS, max_delay: 0 };

    /// Wait so long for company; in whole microseconds, which is what people write.
    fn linger(nanos: f64) -> Self {
        let micros = (nanos / 1e3) as u64;
        // Two digits say enough.
        let unit = 10u64.pow(micros.max(1).ilog10().saturating_sub(1));
        Setting { max_ticks: MAX_TICKS, max_delay: micros / unit * unit * 1_000 }
    }

    /// The name of its policy.
    pub fn policy(&self) -> &'static str {
        if self.max_delay == 0 { "greedy" } else { "linger" }
    }

    /// Its delay as people write it.
    pub fn delay(&self) -> Span {
        Span(Duration::from_nanos(self.max_delay))
    }
}

impl Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max_delay {
            0 => f.pad("greedy"),
            _ => f.pad(&format!("linger {}", self.delay())),
        }
    }
}

/// What one run showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// The p99 of ticks, due until applied, in nanoseconds.
    pub p99: u64,
    /// Cores in use.
    pub cores: Option<f64>,
    /// Whether the rate was sustained.
    pub sustained: bool,
    /// Whether the machine was too restless to trust a latency that is too long.
    pub noisy: bool,
    /// For each tick of a batch, in nanoseconds, by the law of costs.
    pub per_tick: Option<f64>,
}

/// What is known of a setting.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The setting.
    pub setting: Setting,
    /// Its runs.
    pub runs: Vec<Seen>,
}

/// Whether a setting does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It sustains the rate within the target.
    Meets,
    /// It sustains the rate, and is too slow.
    Slow,
    /// It does not sustain the rate.
    Overloaded,
    /// It is too slow in a single run, in which the machine was restless.
    Unclear,
}

impl Tried {
    /// The runs that count: those in quiet, where there are any.
    fn counted(&self) -> impl Iterator<Item = &Seen> {
        let any_quiet = self.runs.iter().any(|run| !run.noisy);
        self.runs.iter().filter(move |run| !(any_quiet && run.noisy))
    }

    /// The p99 in the middle of the runs that count, and of two the higher.
    pub fn p99(&self) -> u64 {
        let mut all: Vec<u64> = self.counted().map(|run| run.p99).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(u64::MAX)
    }

    /// The cores in the middle of the runs that count, and of two the higher.
    pub fn cores(&self) -> Option<f64> {
        let mut all: Vec<f64> = self.counted().filter_map(|run| run.cores).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    /// Whether it does for a target of so many nanoseconds.
    pub fn verdict(&self, target: u64) -> Verdict {
        let (kept, counted) =
            self.counted().fold((0, 0), |(kept, all), it| (kept + usize::from(it.sustained), all + 1));
        let sustained = 2 * kept > counted;
        match (sustained, self.p99() <= target) {
            (true, true) => Verdict::Meets,
            _ if self.runs.len() == 1 && self.runs[0].noisy => Verdict::Unclear,
            (true, false) => Verdict::Slow,
            (false, _) => Verdict::Overloaded,
        }
    }
}

/// Looks for the setting that keeps a target with the fewest cores: greedy has the lowest latency, and the longer a
/// linger the fewer the cores, so it is the longest linger that still keeps the target.
#[derive(Clone, Debug)]
pub struct Tuner {
    target: u64,
    /// Ticks a second of each worker.
    rate: f64,
    /// All that was tried, in the order in which it was first tried.
    pub tried: Vec<Tried>,
}

impl Tuner {
    /// A tuner for a target in nanoseconds, at so many ticks a second of each worker.
    pub fn new(target: u64, rate: f64) -> Self {
        Tuner { target, rate, tried: Vec::new() }
    }

    /// What is to be run next, where there is time for so many more runs; none when there is nothing left to learn.
    pub fn next(&self, runs_left: usize) -> Option<Setting> {
        let Some(greedy) = self.tried.first() else { return (runs_left > 0).then_some(Setting::GREEDY) };
        if runs_left == 0 {
            return None;
        }
        if let Some(unclear) = self.tried.iter().find(|it| it.verdict(self.target) == Verdict::Unclear) {
            return Some(unclear.setting);
        }
        if greedy.verdict(self.target) != Verdict::Meets {
            // What takes longer than greedy is slower still.
            return None;
        }
        let confirming = self.best().map_or(0, |best| CONFIRMED.saturating_sub(best.runs.len()));
        if runs_left > confirming
            && let Some(longer) = self.longer(greedy)
        {
            return Some(longer);
        }
        self.best().filter(|best| best.runs.len() < CONFIRMED).map(|best| best.setting)
    }

    /// A linger between the longest that is known to do and the shortest that is known not to.
    fn longer(&self, greedy: &Tried) -> Option<Setting> {
        let does = |it: &&Tried| it.verdict(self.target) == Verdict::Meets;
        let fails = self.tried.iter().filter(|it| !does(it)).map(|it| it.setting.max_delay).min();
        let upto = fails.unwrap_or(u64::MAX);
        let least = self.tried.iter().filter(does).map(|it| it.setting.max_delay).filter(|it| *it < upto).max()?;
        let most = fails.unwrap_or(self.target).min(self.target);
        if (most - least.min(most)) as f64 <= CLOSE * self.target as f64 {
            return None;
        }
        let linger = if self.tried.len() == 1 {
            // By the law of costs: a tick that waits T goes with T's ticks, and what greedy takes comes on top.
            let load = self.rate * greedy.runs[0].per_tick.unwrap_or(0.0) / 1e9;
            (self.target - greedy.p99().min(self.target)) as f64 / (1.0 + load)
        } else {
            (least + most) as f64 / 2.0
        };
        let setting = Setting::linger(linger);
        // What was tried, or is not told apart from it by two digits, teaches nothing.
        let is_new = setting.max_delay > least && (fails.is_none() || setting.max_delay < most);
        is_new.then_some(setting)
    }

    /// A run of this setting showed this.
    pub fn tell(&mut self, setting: Setting, seen: Seen) {
        match self.tried.iter_mut().find(|it| it.setting == setting) {
            Some(tried) => tried.runs.push(seen),
            None => self.tried.push(Tried { setting, runs: vec![seen] }),
        }
    }

    /// The cheapest setting that keeps the target so far, and of those that cost the same the fastest. Where the
    /// system tells no processor time, the longest linger is the cheapest.
    pub fn best(&self) -> Option<&Tried> {
        let does = || self.tried.iter().filter(|it| it.verdict(self.target) == Verdict::Meets);
        match does().filter_map(Tried::cores).min_by(f64::total_cmp) {
            Some(fewest) => {
                let is_cheap = |it: &&Tried| it.cores().is_some_and(|cores| cores < fewest + SAME);
                does().filter(is_cheap).min_by_key(|it| it.p99())
            }
            None => does().max_by_key(|it| it.setting.max_delay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A machine on which a greedy run has this p99, a linger adds itself, and a batch costs 100 us.
    fn machine(greedy: u64) -> impl FnMut(Setting) -> Seen {
        move |setting| {
            let delay = setting.max_delay as f64;
            let cores = if delay == 0.0 { 1.5 } else { 0.2 + 100_000.0 / delay };
            let p99 = greedy + setting.max_delay;
            Seen { p99, cores: Some(cores), sustained: true, noisy: false, per_tick: Some(100.0) }
        }
    }

    fn tune(mut tuner: Tuner, runs: usize, mut machine: impl FnMut(Setting) -> Seen) -> Tuner {
        let mut left = runs;
        while let Some(setting) = tuner.next(left) {
            left -= 1;
            tuner.tell(setting, machine(setting));
        }
        tuner
    }

    fn tried(tuner: &Tuner) -> Vec<String> {
        tuner.tried.iter().map(|it| format!("{} x{}", it.setting, it.runs.len())).collect()
    }

    #[test]
    fn the_longest_linger_that_keeps_the_target_is_found_and_confirmed() {
        // 2 ms less 100 us, by 1 + 250k/s x 100 ns, is 1.853 ms: the first guess, from which little is left.
        let tuner = tune(Tuner::new(2 * MS, 250_000.0), 20, machine(MS / 10));
        assert_eq!(tried(&tuner), ["greedy x1", "linger 1ms800us x3"]);
        assert_eq!(tuner.best().unwrap().setting, Setting { max_ticks: 16_384, max_delay: 1_800_000 });
    }

    #[test]
    fn a_guess_that_misses_is_halved_back() {
        // Waking up late costs another 700 us as soon as there is a linger.
        let late = |setting: Setting| {
            let seen = machine(MS / 10)(setting);
            Seen { p99: seen.p99 + if setting.max_delay > 0 { 700_000 } else { 0 }, ..seen }
        };
        let tuner = tune(Tuner::new(2 * MS, 250_000.0), 20, late);
        assert_eq!(
            tried(&tuner),
            ["greedy x1", "linger 1ms800us x1", "linger 900us x1", "linger 1ms300us x1", "linger 1ms100us x3"]
        );
        assert_eq!(tuner.tried[1].verdict(2 * MS), Verdict::Slow);
    }

    #[test]
    fn where_greedy_misses_nothing_else_can_do() {
        let tuner = tune(Tuner::new(MS / 20, 250_000.0), 20, machine(MS / 10));
        assert_eq!(tried(&tuner), ["greedy x1"]);
        assert!(tuner.best().is_none());
        let overloaded = |setting| Seen { sustained: false, ..machine(1)(setting) };
        let tuner = tune(Tuner::new(MS, 250_000.0), 20, overloaded);
        assert_eq!((tried(&tuner), tuner.tried[0].verdict(MS)), (vec!["greedy x1".to_owned()], Verdict::Overloaded));
    }

    #[test]
    fn a_miss_on_a_restless_machine_is_looked_at_again() {
        let mut runs = 0;
        let tuner = tune(Tuner::new(2 * MS, 250_000.0), 20, |setting| {
            runs += 1;
            let seen = machine(MS / 10)(setting);
            if runs == 1 { Seen { p99: 30 * MS, noisy: true, ..seen } } else { seen }
        });
        assert_eq!(tried(&tuner), ["greedy x2", "linger 1ms800us x3"]);
        // A machine that is never quiet leaves what was seen on it.
        let restless = |setting| Seen { p99: 30 * MS, noisy: true, ..machine(1)(setting) };
        let tuner = tune(Tuner::new(2 * MS, 250_000.0), 20, restless);
        assert_eq!((tried(&tuner), tuner.tried[0].verdict(2 * MS)), (vec!["greedy x2".to_owned()], Verdict::Slow));
    }

    #[test]
    fn the_budget_is_kept_and_confirming_comes_first() {
        for runs in 0..8 {
            let tuner = tune(Tuner::new(2 * MS, 250_000.0), runs, machine(MS / 10));
            let spent: usize = tuner.tried.iter().map(|it| it.runs.len()).sum();
            assert!(spent <= runs, "{runs}: {:?}", tried(&tuner));
            assert_eq!(tuner.best().is_some(), runs > 0);
        }
        let tuner = tune(Tuner::new(2 * MS, 250_000.0), 3, machine(MS / 10));
        assert_eq!(tried(&tuner), ["greedy x3"]);
    }

    #[test]
    fn a_winner_that_does_not_stand_is_replaced() {
        let mut lingers = 0;
        let tuner = tune(Tuner::new(2 * MS, 250_000.0), 20, |setting| {
            let seen = machine(MS / 10)(setting);
            lingers += usize::from(setting.max_delay == 1_800_000);
            // The first time it kept the target by luck.
            if setting.max_delay == 1_800_000 && lingers > 1 { Seen { p99: 3 * MS, ..seen } } else { seen }
        });
        assert_eq!(tuner.tried[1].verdict(2 * MS), Verdict::Slow);
        let best = tuner.best().unwrap();
        assert!(best.setting.max_delay < 1_800_000 && best.setting.max_delay > MS && best.runs.len() == 3, "{tuner:?}");
    }

    #[test]
    fn lingers_are_written_with_two_digits() {
        assert_eq!(
            [1.0, 9_999.0, 123_456.0, 1_999_999.0].map(|it| Setting::linger(it).max_delay),
            [0, 9_000, 120_000, 1_900_000]
        );
        assert_eq!(Setting::linger(1_850_000.0).to_string(), "linger 1ms800us");
    }
}
