use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::{Goal, Measured};
use crate::report::{Percentiles, span};

/// What is achieved of what is offered, at least, where all is applied in time.
const IN_TIME: f64 = 0.999;

/// In a short span, that would be less than it takes to wake up late once: the last tick may always be so late, in
/// nanoseconds, or as late as the machine's longest pause.
const LATE: u64 = 5_000_000;

/// What a cell's repeats come to. Each figure of latency is the median of the repeats by itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// How many repeats there are.
    pub repeats: usize,
    /// Ticks a second by the schedule.
    pub offered: f64,
    /// Ticks a second applied; of an even number of repeats, in the worse of the two in the middle.
    pub achieved: f64,
    /// Cores in use, where the system tells.
    pub cores: Option<f64>,
    /// Latency of ticks, due until applied.
    pub tick: Percentiles,
    /// The lowest and the highest p99 of the repeats.
    pub p99_range: (u64, u64),
    /// The machine's own pauses: the worst p99 of the repeats.
    pub control_p99: u64,
    /// Whether most repeats sustained the load, and all were run to their ends.
    pub sustainable: bool,
    /// Whether a repeat was stopped because it did not drain.
    pub censored: bool,
    /// Whether the machine was too restless during a repeat.
    pub noisy: bool,
}

/// Why a run shows that its load cannot be sustained; none if it can be. The last batch goes as soon as the input ends,
/// so how late the last tick was is a sign of overload whatever batches wait for.
pub fn overload(run: &Measured) -> Option<String> {
    let growth = run.backlog.filter(|backlog| backlog.grows(run.offered));
    let in_time = run.achieved >= IN_TIME * run.offered || run.late <= LATE.max(run.control.max);
    if run.censored {
        Some("it did not drain".into())
    } else if let Some(backlog) = growth {
        Some(format!("the backlog grows by {:.1}% of the rate", 100.0 * backlog.growth / run.offered))
    } else {
        (!in_time).then(|| format!("the last tick was applied {} late", span(run.late)))
    }
}

/// So many in so many nanoseconds, a second.
pub fn per_second(count: u64, nanos: u64) -> f64 {
    count as f64 / (nanos.max(1) as f64 / 1e9)
}

/// The median; of an even number, the upper of the two in the middle by this order, since percentiles are not averaged.
fn median<T: Copy>(values: impl Iterator<Item = T>, order: impl FnMut(&T, &T) -> Ordering) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(order);
    values.get(values.len() / 2).copied()
}

/// Summarises a cell's repeats; there is nothing to say of none.
pub fn summary(repeats: &[Measured]) -> Option<Summary> {
    let float = |of: fn(&Measured) -> f64| median(repeats.iter().map(of), f64::total_cmp);
    let nanos = |of: fn(&Percentiles) -> u64| median(repeats.iter().map(|it| of(&it.latency.tick)), u64::cmp);
    let censored = repeats.iter().any(|it| it.censored);
    let sustained = repeats.iter().filter(|run| overload(run).is_none()).count();
    let p99s = || repeats.iter().map(|it| it.latency.tick.p99);
    Some(Summary {
        repeats: repeats.len(),
        offered: float(|it| it.offered)?,
        achieved: median(repeats.iter().map(|it| it.achieved), |a, b| b.total_cmp(a))?,
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
        sustainable: !censored && 2 * sustained > repeats.len(),
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

/// The cells at higher rates than the starred one's that would meet the goal, too, but for a machine that was restless.
pub fn passed_over(cells: &[Option<Summary>], goal: &Goal, star: &Summary) -> Vec<usize> {
    let is_it =
        |cell: &Summary| cell.sustainable && cell.noisy && cell.offered > star.offered && goal.is_met(&cell.tick);
    (0..cells.len()).filter(|at| cells[*at].as_ref().is_some_and(is_it)).collect()
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
    use crate::lab::{Backlog, Traces};
    use crate::report::Latency;

    /// A run of a thousand ticks in a second.
    pub fn measured(p99: u64, achieved: f64, cores: f64) -> Measured {
        let (tick, zero) = (Percentiles { p99, p50: p99 / 2, ..Percentiles::default() }, Percentiles::default());
        let (source, batch, operators, close, sink) = (zero, zero, zero, zero, zero);
        Measured {
            repeat: 0,
            latency: Latency { from: String::new(), tick, source, batch, operators, close, sink },
            offered: 1_000.0,
            achieved,
            late: ((1_000.0 / achieved - 1.0) * 1e9) as u64,
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
        // Of an even number it is the worse of the two in the middle, in whatever direction that is.
        runs.push(measured(40, 11.0, 0.4));
        let it = summary(&runs).unwrap();
        assert_eq!((it.tick.p99, it.achieved, it.sustainable), (30, 11.0, false));
        runs[3].censored = true;
        runs[0].noisy = true;
        let it = summary(&runs).unwrap();
        assert!(it.censored && it.noisy && !it.sustainable);
        assert!(!summary(&[measured(1, 990.0, 0.1)]).unwrap().sustainable);
        assert!(summary(&[]).is_none());
    }

    #[test]
    fn a_load_is_not_sustained_where_the_backlog_grows_or_the_last_tick_is_late() {
        let late = |late, run: Measured| overload(&Measured { late, achieved: 990.0, ..run });
        let run = measured(1_000, 1_000.0, 0.1);
        assert_eq!(overload(&run), None);
        // Less than 99.9% is achieved of a short span when a worker wakes up late at its end, or the machine pauses.
        assert_eq!(late(5_000_000, run.clone()), None);
        assert_eq!(late(10_100_000, run.clone()).unwrap(), "the last tick was applied 10.1 ms late");
        let restless = Percentiles { max: 10_100_000, ..run.control };
        assert_eq!(late(10_100_000, Measured { control: restless, ..run.clone() }), None);
        // Of a long span, a thousandth is more than that.
        assert_eq!(overload(&Measured { late: 10_100_000, achieved: 999.0, ..run.clone() }), None);
        let grows = Backlog { growth: 21.0, growth_error: 5.0, ..Backlog::default() };
        let growing = Measured { backlog: Some(grows), ..run.clone() };
        assert_eq!(late(10_100_000, growing.clone()).unwrap(), "the backlog grows by 2.1% of the rate");
        let stands = Backlog { growth: 21.0, growth_error: 10.5, ..Backlog::default() };
        assert_eq!(overload(&Measured { backlog: Some(stands), ..run }), None);
        assert_eq!(overload(&Measured { censored: true, ..growing }).unwrap(), "it did not drain");
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
        let passed = |cells: &[Option<Summary>], star: usize| passed_over(cells, &goal, cells[star].as_ref().unwrap());
        cells[2].as_mut().unwrap().noisy = true;
        assert_eq!(star(&cells, &goal), Some(1));
        assert!(passed(&cells, 1).is_empty());
        cells[1].as_mut().unwrap().sustainable = false;
        assert_eq!(star(&cells, &goal), Some(0));
        assert_eq!(passed(&cells, 0), [2]);
        assert_eq!(star(&cells[3..], &goal), None);
        assert_eq!(star(&[cell(1e3, 9, 0.5), cell(1e3, 8, 0.5), cell(1e3, 9, 0.5)], &goal), Some(1));
    }
}
