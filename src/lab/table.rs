use std::fmt::Write as _;

use super::judge::{overload, passed_over};
use super::{Measured, Pressure, Results, Summary, Sweep, pareto, star, summary};
use crate::report::{count, span};

/// The table of a sweep, with what its marks mean.
pub fn table(sweep: &Sweep, results: &Results) -> String {
    let cells: Vec<Option<Summary>> = results.runs.iter().map(|runs| summary(runs)).collect();
    let front = pareto(&cells);
    let starred = sweep.goal.and_then(|goal| star(&cells, &goal));
    // Nothing is known of the system before a run has ended.
    let has_cpu = cells.iter().flatten().all(|cell| cell.cores.is_some());
    let mut rows = vec![heads(sweep, has_cpu)];
    for (at, cell) in cells.iter().enumerate() {
        let mark = match (starred == Some(at), front[at]) {
            (true, true) => "*+",
            (true, false) => "*",
            (false, true) => " +",
            (false, false) => "",
        };
        let settings = sweep.cells[at].values.iter().cloned();
        let figures = cell.as_ref().map_or_else(|| vec!["not run".into()], |cell| figures(cell, has_cpu));
        rows.push([mark.to_owned()].into_iter().chain(settings).chain(figures).collect());
    }
    let repeats = if sweep.repeat == 1 { "1 repeat".into() } else { format!("{} repeats", sweep.repeat) };
    let (name, number) = (&sweep.pipeline, sweep.cells.len());
    let how = if results.complete { "" } else { "; interrupted" };
    let mut out = format!("{name} sweep: {number} cells x {repeats}, latency of ticks from when each was due{how}\n\n");
    out.push_str(&aligned(&rows));
    out.push('\n');
    legend(&mut out, sweep, &cells, starred, has_cpu);
    checks(&mut out, sweep, results, &cells);
    out
}

fn heads(sweep: &Sweep, has_cpu: bool) -> Vec<String> {
    let cores = if has_cpu { &["cores"][..] } else { &[] };
    let latency = ["p50", "p90", "p99", "p99 min..max", "p99.9", "max", "noise", ""];
    let heads = [""].into_iter().chain(sweep.labels.iter().map(String::as_str)).chain(["offered/s", "achieved/s"]);
    heads.chain(cores.iter().copied()).chain(latency).map(str::to_owned).collect()
}

fn figures(cell: &Summary, has_cpu: bool) -> Vec<String> {
    // What was never applied would have been slower still than it had waited.
    let at_least = if cell.censored { ">=" } else { "" };
    let latency = |nanos| format!("{at_least}{}", span(nanos));
    let (tick, (low, high)) = (&cell.tick, cell.p99_range);
    let mut out = vec![count(cell.offered.round() as u64), count(cell.achieved.round() as u64)];
    if has_cpu {
        out.push(cell.cores.map_or_else(String::new, |cores| format!("{cores:.2}")));
    }
    out.extend([tick.p50, tick.p90, tick.p99].map(latency));
    out.push(format!("{}..{}", span(low), span(high)));
    out.extend([tick.p99_9, tick.max].map(latency));
    out.push(span(cell.control_p99));
    let remarks =
        [(cell.censored, "censored"), (!cell.sustainable && !cell.censored, "not sustained"), (cell.noisy, "noisy")];
    out.push(remarks.iter().filter(|(holds, _)| *holds).map(|(_, remark)| *remark).collect::<Vec<_>>().join(", "));
    out
}

/// The cells of a table in columns, to the right; a last column of words to the left.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let wide = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|it| it.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    let mut out = String::new();
    for row in rows {
        let cell = |(at, text): (usize, &String)| match at {
            0 => format!(" {text:2}"),
            _ if at + 1 == columns => format!("  {text}"),
            _ => format!("  {text:>width$}", width = widths[at]),
        };
        let line: String = row.iter().enumerate().map(cell).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// What the runs say about the machine, the cost of batches, and about themselves.
fn checks(out: &mut String, sweep: &Sweep, results: &Results, cells: &[Option<Summary>]) {
    let runs = || results.runs.iter().flatten();
    let mut line = |text: String| _ = writeln!(out, "  {text}");
    let overloaded = |(at, cell): (usize, &Option<Summary>)| {
        cell.as_ref().filter(|cell| !cell.sustainable && !cell.censored)?;
        let why = results.runs[at].iter().find_map(overload)?;
        Some(format!("{} ({why})", sweep.name(at)))
    };
    let overloaded: Vec<String> = cells.iter().enumerate().filter_map(overloaded).collect();
    if !overloaded.is_empty() {
        line(format!("not sustained, in half of the repeats or more: {}", few(&overloaded)));
    }
    if let Some(law) = results.cost_law() {
        line(law.to_string());
    }
    let worst = Pressure::worst(runs().map(|run| &run.pressure));
    let said: Vec<String> = worst
        .iter()
        .zip(Pressure::NAMES)
        .filter_map(|(share, of)| Some(format!("{:.1}% {of}", 100.0 * (*share)?)))
        .collect();
    if !said.is_empty() {
        line(format!("at worst, in a run, by the kernel: {}", said.join(", ")));
    }
    let again = |(at, runs): (usize, &Vec<Measured>)| -> Vec<String> {
        runs.iter().map(|run| discarded(&sweep.name(at), run.repeat + 1, run.latency.tick.p99)).collect()
    };
    let again: Vec<String> = results.discarded.iter().enumerate().flat_map(again).collect();
    if !again.is_empty() {
        line(format!("run once more, since they were noisy, and not counted: {}", few(&again)));
    }
    for (at, runs) in results.runs.iter().enumerate() {
        for run in runs {
            little(run, &sweep.name(at)).into_iter().for_each(&mut line);
        }
    }
}

/// A run that does not count, with the p99 that it had.
pub fn discarded(cell: &str, repeat: usize, p99: u64) -> String {
    format!("{cell}, repeat {repeat} (p99 {})", span(p99))
}

/// Says so where the ticks that waited in a run do not go with how long they waited.
pub fn little(run: &Measured, name: &str) -> Option<String> {
    let it = run.little.filter(|it| !it.holds)?;
    Some(format!(
        "Little's law fails in {name}, repeat {}: {:.1} ticks waited on average, but rate x mean wait is {:.1}",
        run.repeat + 1,
        it.backlog,
        it.expected
    ))
}

fn legend(out: &mut String, sweep: &Sweep, cells: &[Option<Summary>], starred: Option<usize>, has_cpu: bool) {
    let any = |of: fn(&Summary) -> bool| cells.iter().flatten().any(of);
    let cheap = if has_cpu { "fewest cores" } else { "lowest latency (this system tells no processor time)" };
    let mut line = |text: String| _ = writeln!(out, "  {text}");
    match (&sweep.goal, starred) {
        (Some(goal), Some(at)) => {
            let name = sweep.name(at);
            line(format!("* {cheap} at the highest rate that keeps {goal}, is sustained and was run in quiet: {name}"));
            let passed = cells[at].as_ref().map_or_else(Vec::new, |star| passed_over(cells, goal, star));
            if !passed.is_empty() {
                let names: Vec<String> = passed.into_iter().map(|at| sweep.name(at)).collect();
                line(format!("passed over: higher rates that kept it too, but were noisy: {}", few(&names)));
            }
        }
        (Some(goal), None) => line(format!("no row is starred: none keeps {goal}, is sustained and was run in quiet")),
        (None, _) => {}
    }
    line("+ on the Pareto front: no sustained row has as high a rate, as low a p99 and as few cores".into());
    line("figures are medians of the repeats; noise is the worst p99 of how long the machine held up a sleeper".into());
    if !has_cpu && sweep.goal.is_none() {
        line("this system tells no processor time, so there is no column of cores".into());
    }
    if any(|cell| cell.censored) {
        line(
            "censored: stopped, since it had not drained long after its schedule's end; what was never applied".into(),
        );
        line("counts as long as it had waited by then, so latencies are at least (>=) what is shown".into());
    }
    if any(|cell| cell.noisy) {
        line("noisy: the machine's own pauses passed 1 ms; it is run once more at the end, and never starred".into());
    }
}

/// Some names, and how many more there are where that would be too many.
pub fn few(names: &[String]) -> String {
    const FEW: usize = 4;
    match names.len() {
        all if all > FEW => format!("{} and {} more", names[..FEW].join(", "), all - FEW),
        _ => names.join(", "),
    }
}
