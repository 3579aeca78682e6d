use super::saved::{Cell, Saved, Sweep};
use crate::lab::Pressure;
use crate::report::{Percentiles, count, span};

/// What is measured, and from when to when.
pub fn contract(sweep: &Sweep) -> String {
    format!(
        "The load is open loop: when each tick is due is fixed before a run, and its latency counts from then until \
         it is applied in its window, however late we were to read it. What was due in the first {} of a run is \
         played and not measured; figures are medians of {}, ranges are their least and most, and percentiles are \
         never averaged or added.",
        span(sweep.manifest.warmup),
        repeats(sweep),
    )
}

/// When ticks arrive.
pub fn arrivals(sweep: &Sweep) -> String {
    let source = &sweep.manifest.settings["source"];
    let varies = |key: &str| sweep.manifest.keys.iter().any(|it| it == key);
    let said = |key: &str| source[key].as_str().filter(|it| !["auto", "off"].contains(it));
    let evenly = if said("rate").is_some() || varies("source.rate") { "constant" } else { "the tape's own gaps" };
    let arrivals = if varies("source.arrivals") { "as the cells say" } else { said("arrivals").unwrap_or(evenly) };
    match said("burst") {
        _ if varies("source.burst") => format!("{arrivals}, in bursts as the cells say"),
        Some(burst) => format!("{arrivals}, in bursts of {burst}"),
        None => arrivals.into(),
    }
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
            let decided = chosen.chosen(0, u64::MAX).map_or_else(String::new, |(least, most)| {
                let (times, least, most) = (count(chosen.decisions.len() as u64), span(least), span(most));
                format!(" Its controllers chose {times} times how long batches wait, from {least} to {most} (crosses).")
            });
            format!("Second by second, the p99 of {name} is {p99s}; at a second's end {waiting}.{decided}")
        }
        "slowest" => {
            let share = |stage| format!("{:.0}%", 100.0 * chosen.slowest.share(stage).unwrap_or(0.0));
            format!(
                "The slowest hundredth of the ticks of {name}, from {} up, spent {} of that time due and not yet \
                 read, {} in the batch and {} in the operators.",
                span(chosen.slowest.at_least),
                share("source"),
                share("batch"),
                share("operators")
            )
        }
        "cost" => {
            let law = |sweep: &Sweep| {
                sweep.manifest.cost_law.as_ref().map(|law| format!("{}: {law}.", sweep.manifest.pipeline))
            };
            let laws: Vec<String> = saved.sweeps.iter().filter_map(law).collect();
            if laws.is_empty() {
                "Batches are all of a size, so nothing can be told of a law of their cost.".into()
            } else {
                laws.join(" ")
            }
        }
        "theory" => match &chosen.theory {
            Some(it) => {
                let [p50, p99] = [it.p50, it.p99].map(|nanos| span(nanos.round() as u64));
                format!(
                    "By the law, a tick of {name} takes {p50} in the median and {p99} at p99; {} and {} were \
                     measured. What lies above the lines is what the law does not know: waking up, uneven \
                     arrivals, and the machine.",
                    span(chosen.summary.tick.p50),
                    span(chosen.summary.tick.p99)
                )
            }
            None => format!("The theory says nothing of {name}: {}.", unsaid(&saved.sweeps[chosen.sweep])),
        },
        "machine" => {
            let worst = |at: usize| {
                let shares = || saved.cells.iter().filter_map(|cell| Some((cell.taken[at]?, &cell.name)));
                let (share, name) = shares().max_by(|a, b| a.0.total_cmp(&b.0))?;
                Some(format!("{:.1}% {} ({name})", 100.0 * share, Pressure::NAMES[at]))
            };
            let worst: Vec<String> = (0..3).filter_map(worst).collect();
            let failed = saved.cells.iter().filter(|cell| cell.littles.iter().any(|it| !it.holds)).count();
            let little = match failed {
                0 => "Little's law holds in all runs that drained".into(),
                some => format!("Little's law fails in {some} of {} cells", saved.cells.len()),
            };
            if worst.is_empty() {
                format!("This system does not tell what others took. {little}.")
            } else {
                format!("By the kernel, at worst {}. {little}.", worst.join(", "))
            }
        }
        _ => format!(
            "Half of the windows of {name} had their first rows out {} after they were due, and their last {}.",
            span(chosen.first_rows.value_at_quantile(0.5)),
            span(chosen.last_rows.value_at_quantile(0.5))
        ),
    }
}

/// Why there is no theory of a cell.
fn unsaid(sweep: &Sweep) -> &'static str {
    if sweep.manifest.cost_law.is_none() {
        "batches are all of a size, so there is no law of their cost"
    } else {
        "its load is beyond what the law can serve, or has no steady rate, or its waits were chosen under way"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::report::verdict::tests::saved;
    use crate::lab::{Chosen, Theory};

    #[test]
    fn sentences_under_charts_speak_of_the_cell_that_was_chosen() {
        let mut saved = saved(None);
        assert!(caption(&saved, "percentiles").contains("takes from 1.00 us (batch=0) to 4.00 us (batch=1);"));
        assert!(caption(&saved, "slowest").contains("of batch=0, from 100 ns up, spent 75% of that time due and not"));
        assert!(caption(&saved, "theory").contains("says nothing of batch=0: batches are all of a size"));
        saved.cells[0].theory = Some(Theory { rate: 1e5, gathers: 0.0, ticks: 1.0, p50: 800.0, p99: 900.4 });
        assert!(
            caption(&saved, "theory").contains("takes 800 ns in the median and 900 ns at p99; 0 ns and 1.00 us were")
        );
        let machine = caption(&saved, "machine");
        assert!(
            machine.starts_with("By the kernel, at worst 1.0% of a core was stolen by the hypervisor (batch=1), 50.0%")
        );
        assert!(machine.ends_with("Little's law holds in all runs that drained."), "{machine}");
        assert!(!caption(&saved, "time").contains("controllers"));
        saved.cells[0].decisions = [7_000, 3_000].map(|delay| Chosen { at: 1, worker: 0, delay }).to_vec();
        assert!(caption(&saved, "time").contains("chose 2 times how long batches wait, from 3.00 us to 7.00 us"));
        assert_eq!(arrivals(&saved.sweeps[0]), "constant");
        assert!(contract(&saved.sweeps[0]).contains("in the first 5.00 ms of a run"));
    }
}
