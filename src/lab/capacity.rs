use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::bench::{Bench, Play};
use super::cell::Source;
use super::judge::overload;
use super::machine::{Machine, command_line};
use super::progress::Progress;
use super::search::{Search, Step};
use super::table::{aligned, little};
use super::tape::most_ticks;
use super::together::Together;
use super::{Cell, Goal, Measured, Summary, summary};
use crate::error::{Error, Result};
use crate::report::{count, span};

/// The most ticks of one tape: its rate is the highest that is tried.
const MOST_TICKS: u64 = 40_000_000;

/// The lowest rate that is tried.
const LEAST: f64 = 1_000.0;

/// Latency is told at these shares of what can be sustained.
const SHARES: [f64; 2] = [0.5, 0.8];

/// How many runs a search is thought to take.
const RUNS: usize = 14;

/// For each setting, the highest rate that it sustains, and its latency below it.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// The pipeline.
    pub pipeline: String,
    /// The keys of what varies.
    pub keys: Vec<String>,
    /// Their names at the heads of columns.
    pub labels: Vec<String>,
    /// A cell for each setting, at the rate to begin with.
    pub cells: Vec<Cell>,
    /// How often the latency is measured at each share.
    pub repeat: usize,
    /// What the latency is to keep to as well.
    pub goal: Option<Goal>,
    /// The settings that all share, unless they vary.
    pub settings: serde_json::Value,
}

/// A rate that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// Ticks a second.
    pub rate: f64,
    /// Why it cannot be sustained, if it cannot.
    pub fails: Option<String>,
    /// What was measured.
    pub run: Measured,
}

/// What was found of one setting.
#[derive(Clone, Debug, Serialize)]
pub struct CapacityOf {
    /// The highest rate that holds.
    pub sustained: Option<f64>,
    /// Whether that was the highest there was to try, or the last that was.
    pub at_least: bool,
    /// Whether the search was ended from outside.
    pub interrupted: bool,
    /// Why the next higher rate that was tried fails.
    pub limit: Option<String>,
    /// All that was tried, in its order.
    pub tried: Vec<Tried>,
    /// The latency at the shares of the highest rate.
    pub at_shares: Vec<(f64, Summary)>,
}

/// Why a run shows that its rate does not hold; none if it does.
pub fn fails(run: &Measured, goal: Option<&Goal>) -> Option<String> {
    let lost = (!run.balances).then(|| "the ledger does not balance".into());
    lost.or_else(|| overload(run)).or_else(|| {
        let goal = goal.filter(|goal| !goal.is_met(&run.latency.tick))?;
        Some(format!("{} is {}", goal.percentile(), span(goal.of(&run.latency.tick))))
    })
}

impl CapacityOf {
    /// Whether no run has ended.
    pub fn is_empty(&self) -> bool {
        self.tried.is_empty()
    }

    /// The worst p99 of how long the machine held up a thread that only sleeps, in all runs.
    fn noise(&self) -> Option<u64> {
        let tried = self.tried.iter().map(|it| it.run.control.p99);
        tried.chain(self.at_shares.iter().map(|(_, it)| it.control_p99)).max()
    }

    /// Whether the machine was too restless in any of its runs.
    fn is_noisy(&self) -> bool {
        self.tried.iter().any(|it| it.run.noisy) || self.at_shares.iter().any(|(_, it)| it.noisy)
    }
}

impl Capacity {
    /// Searches for the capacity of one setting after the other, until `stop` is set.
    ///
    /// # Errors
    /// When a tape cannot be had, or a run fails.
    pub fn run(&self, stop: &AtomicBool, play: &mut Play<'_>) -> Result<Vec<CapacityOf>> {
        let mut bench = Bench::new(MOST_TICKS.min(most_ticks(&self.cells)), stop, play);
        let each = self.cells.iter().map(Cell::ends).max().unwrap_or(0);
        let mut progress = Progress::new(self.cells.len() * self.runs(), Duration::from_nanos(each));
        let mut found = Vec::new();
        for at in 0..self.cells.len() {
            let before = progress.done();
            let of = self.of(at, &mut bench, &mut progress)?;
            progress.took(progress.done() - before, self.runs());
            found.push(of);
            if found[at].interrupted {
                break;
            }
        }
        progress.clear();
        Ok(found)
    }

    fn runs(&self) -> usize {
        RUNS + SHARES.len() * self.repeat
    }

    /// The capacity of one setting.
    fn of(&self, at: usize, bench: &mut Bench<'_, '_>, progress: &mut Progress) -> Result<CapacityOf> {
        let cell = &self.cells[at];
        let mut search = Search::new(first_rate(cell)?, LEAST, most(cell, bench)?);
        let mut measure = |rate: f64, repeat: usize, what: &str| -> Result<Option<Measured>> {
            let cell = cell.at_rate(rate)?;
            progress.begin(&format!("{} {what}", self.name(at)));
            let run = bench.measure(at, &cell, repeat, progress)?;
            progress.end();
            Ok(run)
        };
        let mut tried: Vec<Tried> = Vec::new();
        let mut interrupted = false;
        let (sustained, at_least) = loop {
            let rate = match search.step() {
                Step::Try(rate) => rate.round(),
                Step::Found(rate) => break (Some(rate.round()), false),
                Step::AtLeast(rate) => break (Some(rate.round()), true),
                Step::Nothing => break (None, false),
            };
            let said = tried.last().map(|it| format!(" (before: {})", it.fails.as_deref().unwrap_or("holds")));
            let what = format!("at {}/s{}", count(rate as u64), said.unwrap_or_default());
            let Some(run) = measure(rate, 0, &what)? else {
                interrupted = true;
                let held = tried.iter().filter(|it| it.fails.is_none()).map(|it| it.rate);
                break (held.reduce(f64::max), true);
            };
            let fails = fails(&run, self.goal.as_ref());
            search.tell(fails.is_none());
            tried.push(Tried { rate, fails, run });
        };
        let fails_at = search.fails().map(f64::round);
        let limit = tried.iter().rev().filter(|it| Some(it.rate) == fails_at).find_map(|it| it.fails.clone());
        let mut at_shares = Vec::new();
        for share in SHARES {
            let rate = (sustained.unwrap_or(0.0) * share).round();
            let mut runs = Vec::new();
            for repeat in 0..self.repeat {
                if sustained.is_none() || interrupted {
                    break;
                }
                let what = format!("latency at {:.0}%: {}/s, repeat {}", share * 100.0, count(rate as u64), repeat + 1);
                let run = measure(rate, repeat, &what)?;
                interrupted = run.is_none();
                runs.extend(run);
            }
            at_shares.extend(summary(&runs).map(|summary| (share, summary)));
        }
        Ok(CapacityOf { sustained, at_least, interrupted, limit, tried, at_shares })
    }

    /// A setting in words.
    fn name(&self, cell: usize) -> String {
        let pair = |(label, value): (&String, &String)| format!("{label}={value}");
        self.labels.iter().zip(&self.cells[cell].values).map(pair).collect::<Vec<_>>().join(" ")
    }

    /// The table, with what its columns mean.
    pub fn table(&self, found: &[CapacityOf]) -> String {
        let goal = self.goal.map(|goal| format!(" with {goal}")).unwrap_or_default();
        let mut out = format!("{} capacity: the highest rate that is sustained{goal}\n\n", self.pipeline);
        let heads = SHARES.iter().flat_map(|share| {
            let share = format!("{:.0}%", share * 100.0);
            [format!("at {share}: p50"), "p99".into(), "p99.9".into(), "cores".into()]
        });
        let first = [String::new()].into_iter().chain(self.labels.iter().cloned()).chain(["sustained/s".into()]);
        let mut rows: Vec<Vec<String>> =
            vec![first.chain(heads).chain(["noise".into(), "limited by".into()]).collect()];
        for (at, of) in found.iter().enumerate() {
            let sustained = match of.sustained {
                Some(rate) => format!("{}{}", if of.at_least { ">=" } else { "" }, count(rate as u64)),
                None if of.interrupted => "unknown".into(),
                None => "none".into(),
            };
            let figures = (0..SHARES.len()).flat_map(|share| match of.at_shares.get(share) {
                Some((_, it)) => {
                    let cores = it.cores.map_or("-".into(), |cores| format!("{cores:.2}"));
                    [span(it.tick.p50), span(it.tick.p99), span(it.tick.p99_9), cores]
                }
                None => [const { String::new() }; 4],
            });
            let noise = of.noise().map_or_else(String::new, span);
            let limit = match (&of.limit, of.at_least) {
                (_, true) if of.interrupted => "the search, which was interrupted".into(),
                (_, true) => "nothing: it is the highest rate there was to try".into(),
                (limit, _) => limit.clone().unwrap_or_default(),
            };
            let values = self.cells[at].values.iter().cloned();
            rows.push(
                [String::new()]
                    .into_iter()
                    .chain(values)
                    .chain([sustained])
                    .chain(figures)
                    .chain([noise, limit])
                    .collect(),
            );
        }
        out.push_str(&aligned(&rows));
        for (at, of) in found.iter().enumerate() {
            for tried in &of.tried {
                let name = format!("{} at {}/s", self.name(at), count(tried.rate as u64));
                out.push_str(&little(&tried.run, &name).map(|text| format!("\n  {text}")).unwrap_or_default());
            }
        }
        out.push_str(
            "\n  sustained: the backlog did not grow, the last tick was applied in time, and nothing was lost",
        );
        out.push_str(
            "\n  a rate fails when it failed twice; the next one tried above what is sustained is at most 2% higher",
        );
        out.push_str(
            "\n  latency of ticks from when each was due, medians of the repeats, at these shares of what is \
             sustained",
        );
        out.push_str("\n  noise is the worst p99, in all its runs, of how long the machine held up a sleeper\n");
        if found.iter().any(CapacityOf::is_noisy) {
            out.push_str(
                "  beyond 1 ms a rate may have failed by the machine's doing: search again when it is quiet\n",
            );
        }
        out
    }

    /// Writes `capacity.csv`, with a row for each rate that was tried, and `capacity.json`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path, found: &[CapacityOf]) -> Result<()> {
        let mut files = Together::into(folder);
        let keys: String = self.keys.iter().map(|key| format!("{key},")).collect();
        let mut csv =
            format!("{keys}rate,holds,why,offered,achieved,cores,p50,p90,p99,p99.9,p99.99,max,backlog,growth\n");
        for (at, of) in found.iter().enumerate() {
            let values: String = self.cells[at].values.iter().map(|value| super::files::quoted(value) + ",").collect();
            for Tried { rate, fails, run } in &of.tried {
                let (holds, why) = (fails.is_none(), fails.as_deref().unwrap_or_default());
                let cores = run.cores.map(|cores| format!("{cores:.3}")).unwrap_or_default();
                let backlog = run.little.map(|it| format!("{:.2}", it.backlog)).unwrap_or_default();
                let growth = run.backlog.map(|it| format!("{:.1}", it.growth)).unwrap_or_default();
                let (p, offered, achieved) = (&run.latency.tick, run.offered, run.achieved);
                csv += &format!(
                    "{values}{rate},{holds},{},{offered:.1},{achieved:.1},{cores},\
                     {},{},{},{},{},{},{backlog},{growth}\n",
                    super::files::quoted(why),
                    p.p50,
                    p.p90,
                    p.p99,
                    p.p99_9,
                    p.p99_99,
                    p.max
                );
            }
        }
        files.put("capacity.csv", csv)?;
        let settings = |at: usize| -> serde_json::Map<String, serde_json::Value> {
            self.keys.iter().cloned().zip(self.cells[at].values.iter().map(|it| it.as_str().into())).collect()
        };
        let all = found.iter().enumerate().map(|(at, of)| json!({ "settings": settings(at), "capacity": of }));
        let report = json!({
            "manifest": {
                "pipeline": self.pipeline,
                "version": env!("CARGO_PKG_VERSION"),
                "command": command_line(),
                "machine": Machine::here(),
                "repeat": self.repeat,
                "goal": self.goal.map(|goal| goal.to_string()),
                "complete": found.len() == self.cells.len(),
                "settings": self.settings,
            },
            "settings": all.collect::<Vec<_>>(),
        });
        let text = serde_json::to_string_pretty(&report);
        files.put("capacity.json", text.map_err(|e| Error::Input(format!("writing capacity.json: {e}")))? + "\n")?;
        files.settle()
    }
}

/// The rate that a search begins with.
fn first_rate(cell: &Cell) -> Result<f64> {
    cell.rate().ok_or_else(|| {
        Error::Usage("capacity: give a rate to begin with, such as --rate 100k/s, instead of a speed".into())
    })
}

/// The highest rate that can be tried: of a market, it makes a tape that fits; a recorded tape is to last long enough.
fn most(cell: &Cell, bench: &mut Bench<'_, '_>) -> Result<f64> {
    let Some(_) = cell.span else {
        let text = "capacity: say how long each rate is measured beside its warm-up, such as --for 2s";
        return Err(Error::Usage(text.into()));
    };
    let ticks = match cell.source {
        Source::Market(_) => MOST_TICKS.min(most_ticks([cell])),
        Source::Recorded(_) => bench.ticks(cell)?,
    };
    Ok((ticks as f64 / (cell.ends() as f64 / 1e9)).floor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Goal;
    use crate::lab::judge::tests::measured;

    #[test]
    fn a_rate_fails_for_the_first_reason_there_is() {
        let run = measured(2_000_000, 1_000.0, 1.0);
        let goal: Goal = "p99 <= 2ms".parse().unwrap();
        assert_eq!(fails(&run, Some(&goal)), None);
        let slow: Goal = "p99 <= 1ms".parse().unwrap();
        assert_eq!(fails(&run, Some(&slow)).unwrap(), "p99 is 2.00 ms");
        assert_eq!(fails(&run, None), None);
        let late = Measured { late: 2_000_000_000, achieved: 500.0, ..run };
        assert_eq!(fails(&late, Some(&slow)).unwrap(), "the last tick was applied 2.00 s late");
        assert_eq!(fails(&Measured { balances: false, ..late }, None).unwrap(), "the ledger does not balance");
    }
}
