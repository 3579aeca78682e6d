use std::fmt::Write as _;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::bench::{Bench, Play};
use super::capacity::fails;
use super::cost::CostLaw;
use super::progress::Progress;
use super::table::aligned;
use super::tape::most_ticks;
use super::tuner::{Seen, Setting, Tried, Tuner, Verdict};
use super::{Cell, Measured};
use crate::error::Result;
use crate::latency::Costs;
use crate::report::{count, span};

/// A search for the cheapest batch limits that keep a target.
#[derive(Clone, Copy, Debug)]
pub struct Tune {
    /// The p99 of ticks, due until applied, that is to be kept, in nanoseconds.
    pub target: u64,
    /// Ticks a second.
    pub rate: f64,
    /// Workers of all processes, among which they are shared.
    pub workers: usize,
    /// How long the search may take.
    pub budget: Duration,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Tuned {
    tuner: Tuner,
    costs: Costs,
    law: Option<CostLaw>,
    /// The worst p99 of how long the machine held up a thread that only sleeps.
    noise: u64,
    /// Whether it was ended from outside.
    pub interrupted: bool,
}

impl Tune {
    /// Runs settings until there is nothing left to learn or the budget is spent. `cell` makes the cell of a setting.
    ///
    /// # Errors
    /// When a tape cannot be had, or a run fails.
    pub fn run(&self, stop: &AtomicBool, cell: &dyn Fn(Setting) -> Result<Cell>, play: &mut Play<'_>) -> Result<Tuned> {
        let first = cell(Setting::GREEDY)?;
        let mut bench = Bench::new(most_ticks([&first]), stop, play);
        let each = Duration::from_nanos(first.ends());
        // The tape is made before the clock of the budget runs.
        bench.ticks(&first)?;
        let (began, mut runs) = (Instant::now(), 0u32);
        let mut tuned = Tuned {
            tuner: Tuner::new(self.target, self.rate / self.workers as f64),
            costs: Costs::default(),
            law: None,
            noise: 0,
            interrupted: false,
        };
        let thought = (self.budget.as_secs_f64() / each.as_secs_f64().max(0.001)) as usize;
        let mut progress = Progress::new(thought.max(1), each);
        loop {
            let a_run = if runs == 0 { each } else { began.elapsed() / runs };
            let left = self.budget.saturating_sub(began.elapsed()).as_secs_f64() / a_run.as_secs_f64().max(0.001);
            // A first run is worth more than the budget.
            let left = if runs == 0 { 1.max(left as usize) } else { left as usize };
            let Some(setting) = tuned.tuner.next(left) else { break };
            progress.begin(&setting.to_string());
            let Some(run) = bench.measure(0, &cell(setting)?, runs as usize, &progress)? else {
                tuned.interrupted = true;
                break;
            };
            progress.end();
            runs += 1;
            tuned.tell(setting, &run);
        }
        progress.clear();
        Ok(tuned)
    }
}

impl Tuned {
    fn tell(&mut self, setting: Setting, run: &Measured) {
        self.costs.add(&run.traces.costs);
        self.law = CostLaw::fit(&self.costs);
        self.noise = self.noise.max(run.control.p99);
        let seen = Seen {
            p99: run.latency.tick.p99,
            cores: run.cores,
            sustained: fails(run, None).is_none(),
            noisy: run.noisy,
            per_tick: self.law.as_ref().map(|law| law.tick),
        };
        self.tuner.tell(setting, seen);
    }

    /// The setting to take, if one keeps the target.
    pub fn best(&self) -> Option<Setting> {
        self.tuner.best().map(|best| best.setting)
    }

    /// What was tried, and why it is not taken or is.
    pub fn why(&self, tune: &Tune) -> String {
        let (target, rate, workers) = (span(tune.target), count(tune.rate as u64), tune.workers);
        let share = if workers == 1 { "1 worker".into() } else { format!("{workers} workers") };
        let mut out = format!("p99 <= {target} at {rate} ticks/s on {share}\n\n");
        let heads = ["", "setting", "runs", "p99", "cores", ""];
        let mut rows: Vec<Vec<String>> = vec![heads.map(str::to_owned).to_vec()];
        let best = self.tuner.best();
        for tried in &self.tuner.tried {
            let is_best = best.is_some_and(|best| best.setting == tried.setting);
            let cores = tried.cores().map_or("-".into(), |cores| format!("{cores:.2}"));
            let mark = if is_best { "*" } else { "" };
            let (setting, runs, p99) = (tried.setting.to_string(), tried.runs.len().to_string(), span(tried.p99()));
            let verdict = verdict(tried, best, tune.target);
            rows.push(vec![mark.into(), setting, runs, p99, cores, verdict]);
        }
        out.push_str(&aligned(&rows));
        out.push('\n');
        if let Some(law) = &self.law {
            let _ = writeln!(out, "  {law}");
        }
        let _ = writeln!(out, "  the machine's own pauses had a p99 of at most {}", span(self.noise));
        if self.best().is_none() {
            let _ = writeln!(out, "  {}", self.why_none(tune));
        }
        let untried = self.tuner.next(usize::MAX).filter(|next| *next != Setting::GREEDY);
        if let (Some(next), [_]) = (untried, &self.tuner.tried[..]) {
            let text =
                "the budget had room for greedy alone: a longer --budget tries whether fewer cores will do, from";
            let _ = writeln!(out, "  {text} {next} on");
        }
        out
    }

    /// Why no setting keeps the target.
    fn why_none(&self, tune: &Tune) -> String {
        let verdict = self.tuner.tried.first().map(|greedy| greedy.verdict(tune.target));
        match verdict {
            Some(_) if self.noise > tune.target / 2 => {
                "greedy has the lowest latency there is and does not do, on a machine whose own pauses are of the \
                 target's size: try again on a quiet machine"
                    .into()
            }
            Some(Verdict::Overloaded) => {
                "no batch size sustains this rate here: greedy already takes all that waits. Give more workers, or a \
                 lower rate"
                    .into()
            }
            Some(_) => "greedy has the lowest latency there is and misses the target: give workers that spin (--set \
                        run.wait=spin), more of them, or a longer target"
                .into(),
            None => "nothing was run".into(),
        }
    }
}

fn verdict(tried: &Tried, best: Option<&Tried>, target: u64) -> String {
    match tried.verdict(target) {
        Verdict::Overloaded => "does not sustain the rate".into(),
        Verdict::Slow => format!("misses the target by {}", span(tried.p99() - target)),
        Verdict::Unclear => "misses the target, but the machine was restless".into(),
        Verdict::Meets => match best {
            Some(best) if best.setting == tried.setting => "keeps the target with the fewest cores".into(),
            Some(best) if tried.p99() > best.p99() => format!("{} is as cheap and faster", best.setting),
            _ => "keeps the target with more cores".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_was_tried_is_told_with_what_ruled_it_out() {
        let tune = Tune { target: 2_000_000, rate: 500_000.0, workers: 2, budget: Duration::from_secs(60) };
        let mut tuned = Tuned {
            tuner: Tuner::new(tune.target, 250_000.0),
            costs: Costs::default(),
            law: None,
            noise: 90_000,
            interrupted: false,
        };
        let seen = |p99, cores| Seen { p99, cores: Some(cores), sustained: true, noisy: false, per_tick: None };
        let linger = |max_delay| Setting { max_delay, ..Setting::GREEDY };
        tuned.tuner.tell(Setting::GREEDY, seen(100_000, 1.2));
        tuned.tuner.tell(linger(1_900_000), seen(2_100_000, 0.3));
        tuned.tuner.tell(linger(1_000_000), seen(1_200_000, 0.4));
        assert_eq!(tuned.best(), Some(linger(1_000_000)));
        let expected = "\
p99 <= 2.00 ms at 500,000 ticks/s on 2 workers

             setting  runs      p99  cores
              greedy     1   100 us   1.20  keeps the target with more cores
     linger 1ms900us     1  2.10 ms   0.30  misses the target by 100 us
 *        linger 1ms     1  1.20 ms   0.40  keeps the target with the fewest cores

  the machine's own pauses had a p99 of at most 90.0 us
";
        assert_eq!(tuned.why(&tune), expected);

        let mut hasty = Tuned { tuner: Tuner::new(tune.target, 250_000.0), ..tuned };
        hasty.tuner.tell(Setting::GREEDY, seen(100_000, 1.2));
        assert!(hasty.why(&tune).contains("the budget had room for greedy alone"), "{}", hasty.why(&tune));

        let mut none = Tuned { tuner: Tuner::new(tune.target, 250_000.0), ..hasty };
        none.tuner.tell(Setting::GREEDY, Seen { sustained: false, ..seen(1, 2.0) });
        assert!(
            none.why(&tune).contains("does not sustain the rate\n") && none.why(&tune).contains("Give more workers")
        );
    }
}
