use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Goal, Measured};
use crate::report::Percentiles;

/// What is achieved of what is offered, at least, where a load can be sustained.
pub const SUSTAINED: f64 = 0.999;

/// What a cell's repeats come to. Each figure is the median of the repeats by itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// How many repeats there are.
    pub repeats: usize,
    /// Ticks a second by the schedule.
    pub offered: f64,
    /// Ticks a second applied.
    pub achieved: f64,
    /// Cores in use, where the system tells.
    pub cores: Option<f64>,
    /// Latency of ticks, due until applied.
    pub tick: Percentiles,
    /// The lowest and the highest p99 of the repeats.
    pub p99_range: (u64, u64),
    /// The machine's own pauses: the worst p99 of the repeats.
    pub control_p99: u64,
    /// Whether the load can be sustained.
    pub sustainable: bool,
    /// Whether a repeat was stopped because it did not drain.
    pub censored: bool,
    /// Whether the machine was too restless during a repeat.
    pub noisy: bool,
}

/// Ticks a second: those measured, over their span, or over the time to the last one applied if that is longer. A batch
/// may be held back for `max_delay`.
pub fn achieved(measured: u64, applied_by: u64, warmup: u64, span: u64, max_delay: u64) -> f64 {
    per_second(measured, applied_by.saturating_sub(warmup).saturating_sub(max_delay).max(span))
}

/// So many in so many nanoseconds, a second.
pub fn per_second(count: u64, nanos: u64) -> f64 {
    count as f64 / (nanos.max(1) as f64 / 1e9)
}

/// The median; of an even number, the upper of the two in the middle, since percentiles are not averaged.
fn median<T: Copy>(values: impl Iterator<Item = T>, order: impl FnMut(&T, &T) -> Ordering) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(order);
    values.get(values.len() / 2).copied()
}

/// Summarises a cell's repeats; there is nothing to say of none.
pub fn summary(repeats: &[Measured]) -> Option<Summary> {
    let float = |of: fn(&Measured) -> f64| median(repeats.iter().map(of), f64::total_cmp);
    let nanos = |of: fn(&Percentiles) -> u64| median(repeats.iter().map(|it| of(&it.latency.tick)), u64::cmp);
    let (offered, achieved) = (float(|it| it.offered)?, float(|it| it.achieved)?);
    let censored = repeats.iter().any(|it| it.censored);
    let p99s = || repeats.iter().map(|it| it.latency.tick.p99);
    Some(Summary {
        repeats: repeats.len(),
        offered,
        achieved,
        cores: median(repeats.iter().filter_map(|it| it.cores), f64::total_cmp),
        tick: Percentiles {
            count: nanos(|p| p.count)?,
            p50: nanos(|p| p.p50)?,
            p90: nanos(|p| p.p90)?,
            p99: nanos(|p| p.p99)?,
            p99_9: nanos(|p| p.p99_9)?,
            p99_99: nanos(|p| p.p99_99)?,
            max: nanos(|p| p.max)?,
        },
        p99_range: (p99s().min()?, p99s().max()?),
        control_p99: repeats.iter().map(|it| it.control.p99).max()?,
        sustainable: !censored && achieved >= SUSTAINED * offered,
        censored,
        noisy: repeats.iter().any(|it| it.noisy),
    })
}

/// The cells on the Pareto front: no other sustainable cell takes as high a rate with as low a p99 on as few cores, and
/// is better in one of them.
pub fn pareto(cells: &[Option<Summary>]) -> Vec<bool> {
    let sustainable = |cell: &Option<Summary>| cell.clone().filter(|it| it.sustainable);
    let ranks = |cell: Summary| [-cell.offered, cell.tick.p99 as f64, cell.cores.unwrap_or(0.0)];
    let points: Vec<Option<[f64; 3]>> = cells.iter().map(|cell| sustainable(cell).map(ranks)).collect();
    let beats = |a: &[f64; 3], b: &[f64; 3]| a != b && a.iter().zip(b).all(|(a, b)| a <= b);
    points.iter().map(|it| it.is_some_and(|it| !points.iter().flatten().any(|other| beats(other, &it)))).collect()
}

/// The cell to take for a goal: of those that meet it on a quiet machine and sustain their load, at the highest rate,
/// the one that uses the fewest cores, or has the lowest latency where that is equal or unknown.
pub fn star(cells: &[Option<Summary>], goal: &Goal) -> Option<usize> {
    let fits = |cell: &Summary| cell.sustainable && !cell.noisy && goal.is_met(&cell.tick);
    let all = cells.iter().enumerate().filter_map(|(at, cell)| Some((at, cell.as_ref().filter(|it| fits(it))?)));
    let better = |a: &Summary, b: &Summary| {
        let cores = |it: &Summary| it.cores.unwrap_or(0.0);
        b.offered
            .total_cmp(&a.offered)
            .then(cores(a).total_cmp(&cores(b)))
            .then(goal.of(&a.tick).cmp(&goal.of(&b.tick)))
    };
    all.min_by(|(_, a), (_, b)| better(a, b)).map(|(at, _)| at)
}

/// Says which runs break the promise that the rows are a function of the ticks alone, if any do. `same` tells which
/// cells must have the same rows, `name` names a cell.
pub fn disagreement(
    runs: &[Vec<Measured>],
    same: impl Fn(usize, usize) -> bool,
    name: impl Fn(usize) -> String,
) -> Option<String> {
    let all = || runs.iter().enumerate().flat_map(|(at, runs)| runs.iter().map(move |run| (at, run)));
    let mut wrong = Vec::new();
    for (at, run) in all() {
        let first = all().find(|(other, run)| run.digest.is_some() && same(*other, at));
        if let (Some(digest), Some((other, first))) = (&run.digest, first)
            && first.digest.as_ref() != Some(digest)
        {
            let (repeat, expected) = (run.repeat + 1, first.digest.as_deref().unwrap_or_default());
            let (it, other) = (name(at), name(other));
            wrong.push(format!("  {it}, repeat {repeat}: digest {digest}, but {expected} in {other}"));
        }
        if !run.balances {
            wrong.push(format!("  {}, repeat {}: the ledger does not balance", name(at), run.repeat + 1));
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lab::Traces;
    use crate::report::Latency;

    pub fn measured(p99: u64, achieved: f64, cores: f64) -> Measured {
        let (tick, zero) = (Percentiles { p99, p50: p99 / 2, ..Percentiles::default() }, Percentiles::default());
        let (source, batch, operators, close, sink) = (zero, zero, zero, zero, zero);
        Measured {
            repeat: 0,
            latency: Latency { from: String::new(), tick, source, batch, operators, close, sink },
            offered: 1_000.0,
            achieved,
            cpu_seconds: None,
            cores: Some(cores),
            elapsed: 0,
            digest: None,
            balances: true,
            censored: false,
            noisy: false,
            control: Percentiles { p99: p99 / 10, ..zero },
            backlog: None,
            little: None,
            pressure: Default::default(),
            traces: Traces::default(),
        }
    }

    #[test]
    fn a_summary_is_medians_and_a_range_and_nothing_is_averaged() {
        let mut runs = vec![measured(30, 1_000.0, 0.3), measured(10, 999.0, 0.1), measured(20, 10.0, 0.2)];
        let it = summary(&runs).unwrap();
        assert_eq!((it.tick.p99, it.tick.p50, it.p99_range, it.control_p99), (20, 10, (10, 30), 3));
        assert_eq!((it.cores, it.achieved, it.sustainable), (Some(0.2), 999.0, true));
        runs.push(measured(40, 10.0, 0.4));
        assert_eq!(summary(&runs).unwrap().tick.p99, 30);
        runs[3].censored = true;
        runs[0].noisy = true;
        let it = summary(&runs).unwrap();
        assert!(it.censored && it.noisy && !it.sustainable);
        assert!(!summary(&[measured(1, 998.9, 0.1)]).unwrap().sustainable);
        assert!(summary(&[]).is_none());
    }

    #[test]
    fn what_is_achieved_counts_the_time_to_the_last_tick() {
        let second = 1_000_000_000;
        assert_eq!(per_second(1_500, second * 3 / 2), 1_000.0);
        // The last one is due, and applied, just before the end.
        assert_eq!(achieved(1_000, second * 3 / 2 - 1, second / 2, second, 0), 1_000.0);
        assert_eq!(achieved(1_000, second * 5 / 2, second / 2, second, 0), 500.0);
        assert_eq!(achieved(1_000, second * 5 / 2, second / 2, second, second), 1_000.0);
    }

    #[test]
    fn runs_that_must_have_the_same_rows_and_do_not_are_named() {
        let run = |digest: Option<&str>| Measured { digest: digest.map(str::to_owned), ..measured(1, 1.0, 1.0) };
        let mut runs = vec![vec![run(None), run(Some("a"))], vec![run(Some("a"))], vec![run(Some("b"))]];
        let name = |cell: usize| format!("cell={cell}");
        assert_eq!(disagreement(&runs, |a, b| (a < 2) == (b < 2), name), None);
        let text = disagreement(&runs, |_, _| true, name).unwrap();
        assert_eq!(text, "  cell=2, repeat 1: digest b, but a in cell=0");
        runs[1][0].balances = false;
        let text = disagreement(&runs, |a, b| a == b, name).unwrap();
        assert_eq!(text, "  cell=1, repeat 1: the ledger does not balance");
    }

    fn cell(offered: f64, p99: u64, cores: f64) -> Option<Summary> {
        let tick = Percentiles { p99, ..Percentiles::default() };
        Some(Summary { offered, tick, cores: Some(cores), sustainable: true, ..Summary::default() })
    }

    #[test]
    fn the_front_holds_what_nothing_sustainable_beats() {
        let mut cells = vec![cell(1e3, 10, 0.9), cell(1e3, 20, 0.5), cell(1e3, 20, 0.6), cell(1e3, 30, 0.5), None];
        assert_eq!(pareto(&cells), [true, true, false, false, false]);
        // A higher rate at the same price beats them, unless it cannot be sustained. Equals stand side by side.
        cells[4] = cell(2e3, 20, 0.5);
        assert_eq!(pareto(&cells), [true, false, false, false, true]);
        cells[4].as_mut().unwrap().sustainable = false;
        assert_eq!(pareto(&cells), [true, true, false, false, false]);
        assert_eq!(pareto(&[cell(1e3, 10, 0.9), cell(1e3, 10, 0.9)]), [true, true]);
    }

    #[test]
    fn the_star_is_the_cheapest_that_meets_the_goal_at_the_highest_rate() {
        let goal: Goal = "p99 <= 20ns".parse().unwrap();
        let mut cells = vec![cell(1e3, 10, 0.1), cell(2e3, 10, 0.9), cell(2e3, 20, 0.5), cell(2e3, 21, 0.1), None];
        assert_eq!(star(&cells, &goal), Some(2));
        cells[2].as_mut().unwrap().noisy = true;
        assert_eq!(star(&cells, &goal), Some(1));
        cells[1].as_mut().unwrap().sustainable = false;
        assert_eq!(star(&cells, &goal), Some(0));
        assert_eq!(star(&cells[3..], &goal), None);
        assert_eq!(star(&[cell(1e3, 9, 0.5), cell(1e3, 8, 0.5), cell(1e3, 9, 0.5)], &goal), Some(1));
    }
}
