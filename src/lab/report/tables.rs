use super::saved::{Cell, Saved};
use crate::lab::Theory;
use crate::report::{count, span};

/// A table: its heads and its rows, of text that is not escaped yet.
pub struct Table {
    pub heads: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    fn new(heads: &[&str], rows: Vec<Vec<String>>) -> Self {
        Table { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows }
    }
}

/// The table of a chart, by the chart's name.
pub fn table(saved: &Saved, chart: &str) -> Table {
    match chart {
        "percentiles" => percentiles(saved),
        "ccdf" => ccdf(saved),
        "time" => time(saved),
        "slowest" => slowest(saved),
        "closes" => closes(saved),
        "cost" => cost(saved),
        "theory" => theory(saved),
        "machine" => machine(saved),
        _ => cells(saved),
    }
}

/// What a row is called: its number in the charts, and its settings.
fn named(cell: &Cell) -> String {
    format!("{} {}", cell.at + 1, cell.name)
}

/// A row for each cell: its name, and what `figures` says.
fn each(saved: &Saved, figures: impl Fn(&Cell) -> Vec<String>) -> Vec<Vec<String>> {
    saved.cells.iter().map(|cell| [named(cell)].into_iter().chain(figures(cell)).collect()).collect()
}

fn cells(saved: &Saved) -> Table {
    let heads = ["cell", "offered/s", "achieved/s", "cores", "p50", "p99", "p99 min..max", "noise p99", "remarks"];
    let rows = each(saved, |cell| {
        let it = &cell.summary;
        let (low, high) = it.p99_range;
        let remarks = [
            (cell.star, "\u{2605} recommended"),
            (cell.pareto, "on the front"),
            (it.censored, "censored"),
            (!it.sustainable && !it.censored, "not sustained"),
            (it.noisy, "noisy"),
        ];
        let remarks: Vec<&str> = remarks.iter().filter(|(holds, _)| *holds).map(|(_, remark)| *remark).collect();
        vec![
            count(it.offered.round() as u64),
            count(it.achieved.round() as u64),
            it.cores.map_or_else(String::new, |cores| format!("{cores:.2}")),
            span(it.tick.p50),
            span(it.tick.p99),
            format!("{}..{}", span(low), span(high)),
            span(it.control_p99),
            remarks.join(", "),
        ]
    });
    Table::new(&heads, rows)
}

fn percentiles(saved: &Saved) -> Table {
    let mut rows = each(saved, |cell| {
        let p = &cell.summary.tick;
        let values = [p.p50, p.p90, p.p99, p.p99_9, p.p99_99, p.max].map(span);
        values.into_iter().chain([count(p.count)]).collect()
    });
    rows.extend(saved.sweeps.iter().map(|sweep| {
        let machine = &sweep.machine;
        let at = [0.5, 0.9, 0.99, 0.999, 0.9999].map(|quantile| span(machine.value_at_quantile(quantile)));
        let last = [span(machine.max()), count(machine.len())];
        ["noise floor".to_owned()].into_iter().chain(at).chain(last).collect()
    }));
    Table::new(&["cell", "p50", "p90", "p99", "p99.9", "p99.99", "max", "ticks"], rows)
}

fn ccdf(saved: &Saved) -> Table {
    const LONGER: [(&str, u64); 5] = [
        ("> 10 us", 10_000),
        ("> 100 us", 100_000),
        ("> 1 ms", 1_000_000),
        ("> 10 ms", 10_000_000),
        ("> 100 ms", 100_000_000),
    ];
    let rows = each(saved, |cell| {
        let longer = |nanos| match cell.ticks.len() {
            0 => String::new(),
            all => {
                let longer = all - cell.ticks.count_between(0, nanos);
                if longer == 0 { "none".into() } else { format!("{:.4}%", 100.0 * longer as f64 / all as f64) }
            }
        };
        LONGER.iter().map(|(_, nanos)| longer(*nanos)).collect()
    });
    let heads: Vec<&str> = ["cell"].into_iter().chain(LONGER.iter().map(|(head, _)| *head)).collect();
    Table::new(&heads, rows)
}

fn time(saved: &Saved) -> Table {
    let second = |cell: &Cell| -> Vec<Vec<String>> {
        let row = |it: &crate::lab::Second| {
            let latency = |nanos| if it.measured == 0 { "warm-up".to_owned() } else { span(nanos) };
            let rate = |ticks: u64| count((ticks as f64 / (it.nanos.max(1) as f64 / 1e9)).round() as u64);
            let ticks = vec![rate(it.offered), rate(it.applied), count(it.backlog), format!("{:.1}", it.mean_batch)];
            let second = it.second.saturating_mul(1_000_000_000);
            let wait =
                cell.chosen(second, second.saturating_add(it.nanos)).map_or_else(String::new, |(least, most)| {
                    if least == most { span(least) } else { format!("{}..{}", span(least), span(most)) }
                });
            let name = vec![named(cell), it.second.to_string()];
            name.into_iter().chain(ticks).chain([it.p50, it.p99, it.max].map(latency)).chain([wait]).collect()
        };
        cell.timeline.iter().map(row).collect()
    };
    let heads =
        ["cell", "second", "offered/s", "applied/s", "backlog", "mean batch", "p50", "p99", "max", "waits chosen"];
    Table::new(&heads, saved.cells.iter().flat_map(second).collect())
}

fn slowest(saved: &Saved) -> Table {
    let rows = each(saved, |cell| {
        let it = &cell.slowest;
        let part = |stage: &str, nanos| {
            let share = it.share(stage).map(|share| format!(" ({:.0}%)", 100.0 * share)).unwrap_or_default();
            span(nanos) + &share
        };
        vec![
            count(it.ticks),
            span(it.at_least),
            part("source", it.source),
            part("batch", it.batch),
            part("operators", it.operators),
        ]
    });
    Table::new(&["cell", "ticks", "from", "source", "batch", "operators"], rows)
}

fn cost(saved: &Saved) -> Table {
    let laws =
        saved.sweeps.iter().filter_map(|sweep| Some((&sweep.manifest.pipeline, sweep.manifest.cost_law.as_ref()?)));
    let row = |pipeline: &String, point: &crate::lab::CostPoint| {
        vec![
            pipeline.clone(),
            format!("{:.1}", point.ticks),
            count(point.batches),
            span(point.nanos.round() as u64),
            format!("{:+.0}%", 100.0 * point.residual),
        ]
    };
    let rows = laws.flat_map(|(pipeline, law)| law.points.iter().map(|point| row(pipeline, point)).collect::<Vec<_>>());
    Table::new(&["pipeline", "ticks in a batch", "batches", "median cost", "off the law"], rows.collect())
}

fn theory(saved: &Saved) -> Table {
    let rows = each(saved, |cell| {
        let whole = |nanos: f64| span(nanos.round() as u64);
        let by_law = |of: fn(&Theory) -> f64| cell.theory.map_or("none".into(), |it| whole(of(&it)));
        let batch = cell.theory.map_or([const { String::new() }; 3], |it| {
            [whole(it.gathers), format!("{:.1}", it.ticks), count(it.rate.round() as u64)]
        });
        let (p50, p99) = (span(cell.summary.tick.p50), span(cell.summary.tick.p99));
        [by_law(|it| it.p50), p50, by_law(|it| it.p99), p99].into_iter().chain(batch).collect()
    });
    let heads = [
        "cell",
        "p50 by the law",
        "p50",
        "p99 by the law",
        "p99",
        "a batch gathers",
        "its ticks",
        "ticks/s of a worker",
    ];
    Table::new(&heads, rows)
}

fn machine(saved: &Saved) -> Table {
    let rows = each(saved, |cell| {
        let taken = cell.taken.map(|share| share.map_or("not told".into(), |share| format!("{:.1}%", 100.0 * share)));
        let littles = match cell.little() {
            Some(it) => {
                let failed = cell.littles.iter().filter(|it| !it.holds).count();
                let holds =
                    if failed == 0 { "holds".into() } else { format!("fails in {failed} of {}", cell.littles.len()) };
                [format!("{:.2}", it.backlog), format!("{:.2}", it.expected), holds]
            }
            None => [String::new(), String::new(), "did not drain".into()],
        };
        [span(cell.summary.control_p99)].into_iter().chain(taken).chain(littles).collect()
    });
    let heads = [
        "cell",
        "noise p99",
        "stolen",
        "some task waited",
        "kept from us",
        "mean backlog",
        "rate x mean wait",
        "Little's law",
    ];
    Table::new(&heads, rows)
}

fn closes(saved: &Saved) -> Table {
    let rows = each(saved, |cell| {
        let of = |histogram: &hdrhistogram::Histogram<u64>| {
            [0.5, 0.99, 1.0].map(|quantile| span(histogram.value_at_quantile(quantile)))
        };
        let windows = vec![count(cell.last_rows.len())];
        windows.into_iter().chain(of(&cell.first_rows)).chain(of(&cell.last_rows)).collect()
    });
    let heads = ["cell", "windows", "first p50", "first p99", "first max", "last p50", "last p99", "last max"];
    Table::new(&heads, rows)
}
