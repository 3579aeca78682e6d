use super::saved::{Cell, Saved, Sweep};
use crate::lab::judge::passed_over;
use crate::lab::table::{discarded, few};
use crate::lab::{Goal, Summary};
use crate::report::{count, span};

/// What a sweep says, in a sentence, and what must be known before it is believed.
pub fn verdict(saved: &Saved, at: usize) -> (String, Vec<String>) {
    let sweep = &saved.sweeps[at];
    let cells: Vec<&Cell> = saved.cells.iter().filter(|cell| cell.sweep == at).collect();
    (sentence(sweep, &cells), warnings(sweep, &cells))
}

fn sentence(sweep: &Sweep, cells: &[&Cell]) -> String {
    let cost = |cell: &Cell| {
        let (low, high) = cell.summary.p99_range;
        let cores = cell.summary.cores.map(|cores| format!("{cores:.2} cores and ")).unwrap_or_default();
        let rate = count(cell.summary.offered.round() as u64);
        format!("{cores}a p99 of {} ({}..{}) at {rate} ticks/s", span(cell.summary.tick.p99), span(low), span(high))
    };
    let star = cells.iter().find(|cell| cell.star);
    match (&sweep.manifest.goal, star) {
        (Some(goal), Some(cell)) => {
            let passed = passed(cells, goal, cell);
            let (name, cost) = (&cell.name, cost(cell));
            format!(
                "Take {name}: of what sustains its load and was run in quiet, it keeps {goal} at the highest rate, and \
                 costs the least of these, with {cost}.{passed}"
            )
        }
        (Some(goal), None) => {
            format!("No setting is recommended: none keeps {goal}, sustains its load and was run in quiet.")
        }
        (None, _) => {
            let front = || cells.iter().filter(|cell| cell.pareto);
            let fast = front().min_by_key(|cell| cell.summary.tick.p99);
            let cheap = front().min_by(|a, b| cores(a).total_cmp(&cores(b)));
            match (fast, cheap) {
                (Some(fast), Some(cheap)) if fast.at != cheap.at => format!(
                    "The lowest p99 is that of {}, with {}; the cheapest is {}, with {}.",
                    fast.name,
                    cost(fast),
                    cheap.name,
                    cost(cheap)
                ),
                (Some(best), _) => format!("Nothing beats {}, with {}.", best.name, cost(best)),
                (None, _) => "No cell sustains its load.".into(),
            }
        }
    }
}

/// The cells that the starred one was taken for, though they take more, in a sentence if there are any.
fn passed(cells: &[&Cell], goal: &str, star: &Cell) -> String {
    let summaries: Vec<Option<Summary>> = cells.iter().map(|cell| Some(cell.summary.clone())).collect();
    let passed = goal.parse().map_or_else(|_| Vec::new(), |goal: Goal| passed_over(&summaries, &goal, &star.summary));
    let names: Vec<String> = passed.into_iter().map(|at| cells[at].name.clone()).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(" At higher rates it was kept too, on a machine that was too restless to believe it: {}.", few(&names))
}

fn cores(cell: &Cell) -> f64 {
    cell.summary.cores.unwrap_or(0.0)
}

fn warnings(sweep: &Sweep, cells: &[&Cell]) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(disagreement) = &sweep.manifest.disagreement {
        warnings.push(format!("Cells that played the same ticks have different results: {}", disagreement.trim()));
    }
    if !sweep.manifest.complete {
        warnings.push("The sweep was interrupted.".into());
    }
    let mut some = |what: fn(&Cell) -> bool, text: &str| {
        let named: Vec<&str> = cells.iter().filter(|cell| what(cell)).map(|cell| cell.name.as_str()).collect();
        match named.len() {
            0 => {}
            1..=4 => warnings.push(format!("{text}: {}.", named.join(", "))),
            some => warnings.push(format!("{text}: {some} of {} cells, marked in the tables.", cells.len())),
        }
    };
    some(
        |cell| cell.summary.censored,
        "Censored, since they did not drain in time, so their latencies are at least these",
    );
    some(
        |cell| !cell.summary.sustainable && !cell.summary.censored,
        "Not sustained, since the backlog grew or the last tick was applied late",
    );
    some(
        |cell| cell.littles.iter().any(|it| !it.holds),
        "Little's law fails, so latencies are not those of the ticks that the schedule has, or a clock is wrong",
    );
    some(|cell| cell.summary.noisy, "Noisy, since the machine's own pauses passed 1 ms");
    let again = |cell: &&Cell| -> Vec<String> {
        cell.discarded.iter().map(|run| discarded(&cell.name, run.repeat, run.latency.tick.p99)).collect()
    };
    let again: Vec<String> = cells.iter().flat_map(again).collect();
    if !again.is_empty() {
        warnings.push(format!("Run once more, since they were noisy, and not counted: {}.", few(&again)));
    }
    warnings
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lab::Little;
    use crate::lab::machine::Machine;
    use crate::lab::report::saved::{Discarded, Ticks};
    use crate::lab::report::words::caption;
    use crate::latency::{Slowest, histogram};
    use crate::report::Percentiles;
    use serde_json::json;

    fn cell(at: usize, p99: u64, cores: f64) -> Cell {
        let tick = Percentiles { p99, ..Percentiles::default() };
        let p99_range = (p99 / 2, p99 * 2);
        let summary =
            Summary { offered: 1e5, tick, p99_range, cores: Some(cores), sustainable: true, ..Summary::default() };
        Cell {
            at,
            sweep: 0,
            name: format!("batch={at}"),
            values: vec![at.to_string()],
            summary,
            pareto: true,
            star: false,
            theory: None,
            taken: [Some(0.01 * at as f64), None, Some(0.5)],
            discarded: Vec::new(),
            littles: vec![Little { backlog: 5.0, expected: 5.0, holds: true }],
            timeline: Vec::new(),
            decisions: Vec::new(),
            slowest: Slowest { ticks: 1, at_least: 100, source: 3, batch: 0, operators: 1 },
            closes: Vec::new(),
            ticks: histogram(),
            first_rows: histogram(),
            last_rows: histogram(),
        }
    }

    pub fn saved(goal: Option<&str>) -> Saved {
        let manifest = serde_json::from_value(json!({
            "pipeline": "ohlcv", "version": "1", "commit": null, "at": "now", "command": "ohlcv sweep",
            "machine": Machine::default(), "repeat": 3, "warmup": 5_000_000, "goal": goal, "keys": ["batch.max_ticks"],
            "labels": ["batch"], "complete": true, "disagreement": null,
            "settings": { "source": { "rate": "100k/s", "arrivals": "auto", "burst": "off" } },
        }));
        let sweep = Sweep { folder: "x".into(), manifest: manifest.unwrap(), machine: histogram(), cells: 2 };
        Saved { sweeps: vec![sweep], cells: vec![cell(0, 1_000, 0.9), cell(1, 4_000, 0.2)] }
    }

    #[test]
    fn the_verdict_is_the_star_or_says_why_there_is_none() {
        let mut with_goal = saved(Some("p99 <= 2ms"));
        let sentence = |saved: &Saved| verdict(saved, 0).0;
        assert!(sentence(&with_goal).starts_with("No setting is recommended: none keeps p99 <= 2ms,"));
        with_goal.cells[1].star = true;
        assert_eq!(
            sentence(&with_goal),
            "Take batch=1: of what sustains its load and was run in quiet, it keeps p99 <= 2ms at the highest rate, and \
             costs the least of these, with 0.20 cores and a p99 of 4.00 us (2.00 us..8.00 us) at 100,000 ticks/s."
        );
        with_goal.cells[0].summary = Summary { offered: 2e5, noisy: true, ..with_goal.cells[0].summary.clone() };
        let passed = "At higher rates it was kept too, on a machine that was too restless to believe it: batch=0.";
        assert!(sentence(&with_goal).ends_with(passed), "{}", sentence(&with_goal));
        let mut without = saved(None);
        assert!(sentence(&without).starts_with("The lowest p99 is that of batch=0, with 0.90 cores"));
        assert!(sentence(&without).contains("the cheapest is batch=1, with 0.20 cores"));
        without.cells.iter_mut().for_each(|cell| cell.pareto = false);
        assert_eq!(sentence(&without), "No cell sustains its load.");
    }

    #[test]
    fn what_takes_from_the_figures_is_said() {
        let mut saved = saved(None);
        assert_eq!(verdict(&saved, 0).1, Vec::<String>::new());
        saved.sweeps[0].manifest.complete = false;
        saved.sweeps[0].manifest.disagreement = Some("  batch=1: digest b, but a in batch=0".into());
        saved.cells[0].summary.noisy = true;
        saved.cells[0].littles[0].holds = false;
        saved.cells[0].discarded = vec![Discarded {
            repeat: 2,
            latency: Ticks { tick: Percentiles { p99: 7_000_000, ..Percentiles::default() } },
        }];
        saved.cells[1].summary = Summary { censored: true, sustainable: false, ..saved.cells[1].summary.clone() };
        let warnings = verdict(&saved, 0).1.join("\n");
        for words in [
            "different results: batch=1: digest b",
            "interrupted",
            "Censored",
            "latencies are at least these: batch=1.",
            "not counted: batch=0, repeat 2 (p99 7.00 ms).",
        ] {
            assert!(warnings.contains(words), "{warnings}");
        }
        assert!(
            warnings.contains("or a clock is wrong: batch=0.")
                && caption(&saved, "machine").contains("fails in 1 of 2")
        );
        assert!(warnings.contains("passed 1 ms: batch=0.") && !warnings.contains("Not sustained"), "{warnings}");
    }
}
