use std::fmt::Write as _;

use serde::Serialize;

use super::saved::{Cell, Saved, Sweep, letter};
use super::tables::{Table, table};
use super::verdict::verdict;
use super::words::{arrivals, caption, contract, repeats};
use crate::error::{Error, Result};
use crate::lab::{CostLaw, Theory};
use crate::report::span;

/// The charts, each with what stands above it.
const CHARTS: [(&str, &str); 10] = [
    ("price", "What p99 costs"),
    ("percentiles", "Latency by percentile"),
    ("ccdf", "How many ticks take longer"),
    ("heat", "p99 by settings"),
    ("time", "Latency over time"),
    ("slowest", "Where p99 goes: the slowest hundredth of the ticks"),
    ("closes", "Window close: first and last rows"),
    ("cost", "What a batch costs, and the law a + b n"),
    ("theory", "What follows from that law, and what was measured"),
    ("machine", "What the machine took"),
];

/// Batches that gather for less stand there on the axis, which has no zero: a microsecond.
const SHORTEST: f64 = 1_000.0;

/// So many cells are shown at first.
const MOST_SHOWN: usize = 8;

/// What the page's charts are drawn from.
#[derive(Serialize)]
struct Data {
    cells: Vec<Line>,
    /// Of each sweep, what the machine did to a sleeper: see [`curve`].
    noise: Vec<Vec<(f64, u64)>>,
    noise_p99: Vec<u64>,
    /// Of each front, its cells by what they cost.
    fronts: Vec<Vec<usize>>,
    heat: Vec<Panel>,
    /// Of each sweep whose batches differ in size.
    costs: Vec<Cost>,
    theory: Vec<Forecast>,
    has_cores: bool,
}

/// A cell, as it is drawn.
#[derive(Serialize)]
struct Line {
    at: usize,
    front: bool,
    star: bool,
    /// Cores in use, or ticks a second where that is not known.
    price: f64,
    p50: u64,
    p99: u64,
    low: u64,
    high: u64,
    curve: Vec<(f64, u64)>,
    /// Seconds from the schedule's beginning to the middle of an interval, p50, p99.
    time: Vec<(f64, u64, u64)>,
    /// Seconds from the schedule's beginning, and the wait that a controller chose then.
    decisions: Vec<(f64, u64)>,
    slowest: Vec<f64>,
    /// How long its batches gather by the theory, in nanoseconds.
    gathers: Option<f64>,
    /// Stolen time, pressure and run delay, as shares of the time.
    taken: [Option<f64>; 3],
    /// Seconds of event time from the first window end, latency of the first and of the last rows.
    closes: Vec<(f64, u64, u64)>,
}

/// What batches cost, in nanoseconds: so much for itself and so much for each tick, by the law, and sizes and their
/// median costs, as measured.
#[derive(Serialize)]
struct Cost {
    batch: f64,
    tick: f64,
    points: Vec<(f64, f64)>,
}

/// What a sweep's law of costs comes to at a rate, in ticks a second of a worker: how long batches gather, p50, p99.
#[derive(Serialize)]
struct Forecast {
    rate: f64,
    points: Vec<(f64, f64, f64)>,
}

/// A heat map of p99 by two of the settings that vary.
#[derive(Serialize)]
struct Panel {
    title: String,
    x: String,
    y: String,
    xs: Vec<String>,
    ys: Vec<String>,
    boxes: Vec<Square>,
}

#[derive(Serialize)]
struct Square {
    x: usize,
    y: usize,
    p99: u64,
    star: bool,
    remark: &'static str,
}

/// The page: a function of what was saved, and of nothing else.
///
/// # Errors
/// When the data cannot be written as JSON.
pub fn page(saved: &Saved) -> Result<String> {
    let data = serde_json::to_string(&data(saved)).map_err(|e| Error::Input(format!("writing report.html: {e}")))?;
    let title = format!("{} sweep", saved.pipelines());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{css}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<div class=\"sweeps\">\n",
        title = escaped(&title),
        css = include_str!("page.css"),
    );
    (0..saved.sweeps.len()).for_each(|at| out.push_str(&section(saved, at)));
    out.push_str("</div>\n");
    out.push_str(&choice(saved));
    out.push_str("<div class=\"charts\">\n");
    CHARTS.iter().for_each(|(name, head)| out.push_str(&figure(saved, name, head)));
    out.push_str("</div>\n");
    if let Some(first) = saved.sweeps.first() {
        let _ = writeln!(out, "<h2 class=\"after\">What is measured</h2>\n<p>{}</p>", escaped(&contract(first)));
    }
    // In JSON a less-than sign is as good escaped, and no text can end the element then.
    let data = data.replace('<', "\\u003c");
    let _ = write!(
        out,
        "<script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{}</script>\n</body>\n</html>\n",
        include_str!("page.js")
    );
    Ok(out)
}

/// A sweep's verdict, and what was run.
fn section(saved: &Saved, at: usize) -> String {
    let Sweep { folder, manifest, cells, machine } = &saved.sweeps[at];
    let mut out = String::from("<section>\n");
    if saved.sweeps.len() > 1 {
        let _ = writeln!(out, "<h2>{}: {}</h2>", letter(at), escaped(&folder.display().to_string()));
    }
    let (sentence, warnings) = verdict(saved, at);
    let _ = writeln!(out, "<p class=\"verdict\">{}</p>", escaped(&sentence));
    for warning in warnings {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escaped(&warning));
    }
    let unknown = || "unknown".to_owned();
    let settings = &manifest.settings;
    let commit = manifest.commit.as_ref().map(|commit| format!(", commit {commit}")).unwrap_or_default();
    let this = &manifest.machine;
    let facts = [
        ("program", format!("{} of tapeflow {}{commit}", manifest.pipeline, manifest.version)),
        ("when", manifest.at.clone()),
        ("machine", this.cpu.clone().unwrap_or_else(unknown)),
        ("cores", this.cores.map_or_else(unknown, |cores| cores.to_string())),
        ("kernel", this.kernel.clone().unwrap_or_else(unknown)),
        ("cells", format!("{cells} x {}, in a shuffled order", repeats(&saved.sweeps[at]))),
        ("tape", settings["source"]["input"].as_str().unwrap_or_default().to_owned()),
        ("arrivals", arrivals(&saved.sweeps[at])),
        (
            "noise",
            format!(
                "a thread that sleeps was held up for {} at p99, {} at most",
                span(machine.value_at_quantile(0.99)),
                span(machine.max())
            ),
        ),
        ("goal", manifest.goal.clone().unwrap_or_else(|| "none".into())),
    ];
    out.push_str("<dl>\n");
    for (name, fact) in facts {
        let _ = writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&fact));
    }
    let text = serde_json::to_string_pretty(settings).unwrap_or_default();
    let _ = write!(
        out,
        "</dl>\n<p class=\"faint\">The same again:</p>\n<pre>{}</pre>\n\
         <details><summary>All settings that the cells share</summary><pre>{}</pre></details>\n</section>\n",
        escaped(&manifest.command),
        escaped(&text)
    );
    out
}

/// Which cells are drawn.
fn choice(saved: &Saved) -> String {
    let mut out = String::from("<fieldset><legend>Cells in the charts</legend>\n");
    for (cell, shown) in saved.cells.iter().zip(saved.foremost(MOST_SHOWN)) {
        let (checked, star) = (if shown { " checked" } else { "" }, if cell.star { " \u{2605}" } else { "" });
        let _ = writeln!(
            out,
            "<label><input type=\"checkbox\" id=\"cell{at}\"{checked}>\
             <span class=\"swatch\" style=\"--colour: var(--line{colour})\"></span>{number} {name}{star}</label>",
            at = cell.at,
            colour = cell.at % 8,
            number = cell.at + 1,
            name = escaped(&cell.name),
        );
    }
    out + "</fieldset>\n"
}

fn figure(saved: &Saved, name: &str, head: &str) -> String {
    let words = escaped(&caption(saved, name));
    let Table { heads, rows } = table(saved, name);
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", escaped(head))).collect();
    let row = |row: &Vec<String>| {
        let cells = row.iter().skip(1).map(|cell| format!("<td>{}</td>", escaped(cell)));
        let first = row.first().map(|first| format!("<th scope=\"row\">{}</th>", escaped(first)));
        format!("<tr>{}</tr>\n", first.into_iter().chain(cells).collect::<String>())
    };
    let rows: String = rows.iter().map(row).collect();
    format!(
        "<figure>\n<h2>{head}</h2>\n<canvas id=\"{name}\" role=\"img\" aria-label=\"{words}\"></canvas>\n\
         <figcaption>{words}</figcaption>\n<details><summary>The numbers</summary><div class=\"scroll\"><table>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody></table></div></details>\n</figure>\n"
    )
}

fn data(saved: &Saved) -> Data {
    let has_cores = saved.has_cores();
    let numbers = |front: &Vec<&Cell>| front.iter().map(|cell| cell.at).collect();
    Data {
        cells: saved.cells.iter().map(|cell| line(cell, has_cores)).collect(),
        noise: saved.sweeps.iter().map(|sweep| curve(&sweep.machine)).collect(),
        noise_p99: saved.sweeps.iter().map(|sweep| sweep.machine.value_at_quantile(0.99)).collect(),
        fronts: saved.fronts().iter().map(numbers).collect(),
        heat: (0..saved.sweeps.len()).flat_map(|at| panels(saved, at)).collect(),
        costs: saved.sweeps.iter().filter_map(|sweep| sweep.manifest.cost_law.as_ref()).map(cost).collect(),
        theory: (0..saved.sweeps.len()).flat_map(|at| forecasts(saved, at)).collect(),
        has_cores,
    }
}

fn cost(law: &CostLaw) -> Cost {
    let points = law.points.iter().map(|point| (point.ticks, point.nanos)).collect();
    Cost { batch: law.batch, tick: law.tick, points }
}

/// What a sweep's law says at each rate of a worker, from the shortest time that batches gather there to the longest.
fn forecasts(saved: &Saved, sweep: usize) -> Vec<Forecast> {
    const STEPS: i32 = 40;
    let Some(law) = &saved.sweeps[sweep].manifest.cost_law else { return Vec::new() };
    let mut theories: Vec<Theory> =
        saved.cells.iter().filter(|cell| cell.sweep == sweep).filter_map(|cell| cell.theory).collect();
    theories.sort_by(|a, b| a.rate.total_cmp(&b.rate).then(a.gathers.total_cmp(&b.gathers)));
    let of_a_rate = |theories: &[Theory]| {
        let (rate, first) = (theories[0].rate, theories[0].gathers.max(SHORTEST));
        let longer = theories[theories.len() - 1].gathers.max(SHORTEST) / first;
        let at = |step| Theory::when(law, rate, first * longer.powf(f64::from(step) / f64::from(STEPS)));
        let points = (0..=STEPS).map(at).map(|it| (it.gathers, it.p50, it.p99));
        Forecast { rate, points: points.collect() }
    };
    theories.chunk_by(|a, b| a.rate == b.rate).map(of_a_rate).collect()
}

fn line(cell: &Cell, has_cores: bool) -> Line {
    let it = &cell.summary;
    let slowest = ["source", "batch", "operators"].map(|stage| cell.slowest.share(stage));
    let first_end = cell.closes.first().map_or(0, |close| close.end_ms);
    let measured = cell.timeline.iter().filter(|second| second.measured > 0);
    Line {
        at: cell.at,
        front: cell.pareto,
        star: cell.star,
        price: cell.price(has_cores),
        p50: it.tick.p50,
        p99: it.tick.p99,
        low: it.p99_range.0,
        high: it.p99_range.1,
        curve: curve(&cell.ticks),
        time: measured.map(|at| (at.second as f64 + at.nanos as f64 / 2e9, at.p50, at.p99)).collect(),
        decisions: cell.decisions.iter().map(|it| (it.at as f64 / 1e9, it.delay.max(1))).collect(),
        slowest: slowest.into_iter().flatten().collect(),
        gathers: cell.theory.map(|theory| theory.gathers.max(SHORTEST)),
        taken: cell.taken,
        closes: cell.closes.iter().map(|it| ((it.end_ms - first_end) as f64 / 1e3, it.first, it.last)).collect(),
    }
}

/// Points of a distribution: the share of all that is longer, and the latency. The longest is one of all.
pub fn curve(histogram: &hdrhistogram::Histogram<u64>) -> Vec<(f64, u64)> {
    let all = histogram.len();
    if all == 0 {
        return Vec::new();
    }
    let longer = |quantile: f64| (1.0 - quantile).max(1.0 / all as f64);
    histogram.iter_quantiles(5).map(|it| (longer(it.quantile_iterated_to()), it.value_iterated_to().max(1))).collect()
}

/// A sweep's heat maps: batch against linger where they vary, else the first two that do; one for each combination of
/// the others.
fn panels(saved: &Saved, sweep: usize) -> Vec<Panel> {
    let labels = &saved.sweeps[sweep].manifest.labels;
    let find = |name: &str| labels.iter().position(|label| label == name);
    let x = find("batch").unwrap_or(0);
    let y = find("linger").filter(|y| *y != x).or_else(|| (0..labels.len()).find(|at| *at != x));
    let mut panels: Vec<Panel> = Vec::new();
    for cell in saved.cells.iter().filter(|cell| cell.sweep == sweep && cell.values.len() == labels.len()) {
        let other = |at: &usize| *at != x && Some(*at) != y;
        let others = (0..labels.len()).filter(other).map(|at| format!("{}={}", labels[at], cell.values[at]));
        let which = (saved.sweeps.len() > 1).then(|| letter(sweep).to_string());
        let title = which.into_iter().chain(others).collect::<Vec<_>>().join(" ");
        let at = panels.iter().position(|panel| panel.title == title).unwrap_or_else(|| {
            let y = y.map(|y| labels[y].clone()).unwrap_or_default();
            let (xs, ys, boxes) = (Vec::new(), Vec::new(), Vec::new());
            panels.push(Panel { title, x: labels[x].clone(), y, xs, ys, boxes });
            panels.len() - 1
        });
        let panel = &mut panels[at];
        let remark = match &cell.summary {
            it if it.censored => "censored",
            it if it.noisy => "noisy",
            _ => "",
        };
        let place = |values: &mut Vec<String>, value: &String| {
            values.iter().position(|it| it == value).unwrap_or_else(|| {
                values.push(value.clone());
                values.len() - 1
            })
        };
        let (x, y) = (place(&mut panel.xs, &cell.values[x]), y.map_or("", |y| &cell.values[y]).to_owned());
        let y = place(&mut panel.ys, &y);
        panel.boxes.push(Square { x, y, p99: cell.summary.tick.p99.max(1), star: cell.star, remark });
    }
    panels
}

/// Text as HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
