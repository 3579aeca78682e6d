use super::saved::{Cell, Saved, Sweep};
use crate::report::{Percentiles, count, span};

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
            format!("Take {}: it keeps {goal} and costs the least, with {}.", cell.name, cost(cell))
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
    some(|cell| cell.summary.censored, "Censored, since they did not drain in time, so their latencies are too low");
    some(|cell| !cell.summary.sustainable && !cell.summary.censored, "Not sustained: less was applied than offered");
    some(|cell| cell.summary.noisy, "Noisy, since the machine's own pauses passed 1 ms");
    warnings
}

/// What is measured, and from when to when.
pub fn contract(sweep: &Sweep) -> String {
    format!(
        "The load is open loop: when each tick is due is fixed before a run, and its latency counts from then until it is \
         applied in its window, however late we were to read it. What was due in the first {} of a run is played and not \
         measured; figures are medians of {}, ranges are their least and most, and percentiles are never averaged or added.",
        span(sweep.manifest.warmup),
        repeats(sweep),
    )
}

/// How often each cell was run.
pub fn repeats(sweep: &Sweep) -> String {
    if sweep.manifest.repeat == 1 { "1 repeat".into() } else { format!("{} repeats", sweep.manifest.repeat) }
}

/// The sentences under the charts, by the charts' names.
pub fn caption(saved: &Saved, chart: &str) -> String {
    let Some(chosen) = saved.chosen() else { return "No cell was run.".into() };
    let by = |of: fn(&Percentiles) -> u64| -> String {
        let all = || saved.cells.iter().map(|cell| (of(&cell.summary.tick), &cell.name));
        match (all().min(), all().max()) {
            (Some((least, quick)), Some((most, slow))) if quick != slow => {
                format!("from {} ({quick}) to {} ({slow})", span(least), span(most))
            }
            _ => span(of(&chosen.summary.tick)),
        }
    };
    let noise = |quantile| {
        let worst = saved.sweeps.iter().map(|sweep| sweep.machine.value_at_quantile(quantile)).max();
        span(worst.unwrap_or(0))
    };
    let name = &chosen.name;
    match chart {
        "percentiles" => format!(
            "At the 99th percentile a tick takes {}; a thread that only sleeps was held up for {} (the noise floor).",
            by(|p| p.p99),
            noise(0.99)
        ),
        "ccdf" => format!(
            "One tick in a thousand takes longer than {}; one sleep in a thousand was held up for {}.",
            by(|p| p.p99_9),
            noise(0.999)
        ),
        "heat" => format!("By the settings that vary, p99 goes {}.", by(|p| p.p99)),
        "price" => {
            let mut front: Vec<&Cell> = saved.cells.iter().filter(|cell| cell.pareto).collect();
            front.sort_by_key(|cell| cell.summary.tick.p99);
            let point = |cell: &&Cell| {
                let cores = cell.summary.cores.map(|cores| format!(" on {cores:.2} cores")).unwrap_or_default();
                format!("{} ({}{cores})", cell.name, span(cell.summary.tick.p99))
            };
            let front = front.iter().map(point).collect::<Vec<_>>().join(", ");
            if front.is_empty() {
                "No cell sustains its load, so there is no front.".into()
            } else {
                format!("No sustained cell beats these in rate, p99 and cores at once: {front}.")
            }
        }
        "time" => {
            let p99s = || chosen.timeline.iter().filter(|second| second.measured > 0).map(|second| second.p99);
            let (least, most) = (p99s().min().unwrap_or(0), p99s().max().unwrap_or(0));
            let backlog = chosen.timeline.iter().map(|second| second.backlog).max().unwrap_or(0);
            let waiting = match backlog {
                0 => "no tick waits".into(),
                some => format!("at most {} ticks wait", count(some)),
            };
            let p99s = if least == most { span(least) } else { format!("between {} and {}", span(least), span(most)) };
            format!("Second by second, the p99 of {name} is {p99s}; at a second's end {waiting}.")
        }
        "slowest" => {
            let share = |stage| format!("{:.0}%", 100.0 * chosen.slowest.share(stage).unwrap_or(0.0));
            format!(
                "The slowest hundredth of the ticks of {name}, from {} up, spent {} of that time due and not yet read, {} \
                 in the batch and {} in the operators.",
                span(chosen.slowest.at_least),
                share("source"),
                share("batch"),
                share("operators")
            )
        }
        _ => format!(
            "Half of the windows of {name} had their first rows out {} after they were due, and their last {}.",
            span(chosen.first_rows.value_at_quantile(0.5)),
            span(chosen.last_rows.value_at_quantile(0.5))
        ),
    }
}
