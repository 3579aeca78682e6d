use std::fmt::Write as _;

use super::page::escaped;
use super::saved::{Cell, Saved};
use crate::report::{count, span};

/// Where the plot is; to the right of it stands what its numbers mean.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 540.0;
const TOP: f64 = 66.0;

/// Where the names of the cells begin, and how wide a letter of theirs is.
const NAMES: f64 = RIGHT + 46.0;
const LETTER: f64 = 8.0;

/// The height of a line of text.
const LINE: f64 = 20.0;

const STYLE: &str = "
  text { font: 13px system-ui, sans-serif; fill: #1b1f24 }
  .head { font-size: 16px; font-weight: 600 } .faint { fill: #5b6570 } .best { font-weight: 700 }
  .rule { stroke: #d9dee3 } .noise { stroke: #5b6570; stroke-dasharray: 3 4 }
  .front { stroke: #0072b2; fill: none } .range { stroke: #0072b2; stroke-width: 1.5 }
  .dot { stroke: #0072b2; stroke-width: 1.5; fill: #ffffff } .on { fill: #0072b2 } .paper { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6e9ec } .faint { fill: #9aa5b1 } .rule { stroke: #323a43 } .noise { stroke: #9aa5b1 }
    .front, .range, .dot { stroke: #56b4e9 } .dot, .paper { fill: #14181d } .on { fill: #56b4e9 }
  }
";

/// A picture of a sweep: what p99 costs, in cores or, where the rates differ, in ticks a second.
pub fn picture(saved: &Saved) -> String {
    let has_cores = saved.has_cores();
    let price = |cell: &Cell| cell.price(has_cores);
    let bottom = (TOP + LINE * saved.cells.len() as f64).max(380.0);
    // Of the starred one a star follows.
    let longest = saved.cells.iter().map(|cell| cell.name.chars().count() + 2).max().unwrap_or(0);
    let width = (NAMES + LETTER * longest as f64 + 90.0).max(NAMES + 240.0);
    let noise = saved.sweeps.iter().map(|sweep| sweep.machine.value_at_quantile(0.99)).max().unwrap_or(0);

    let (x_ticks, most) = even_ticks(saved.cells.iter().map(price).fold(0.0, f64::max));
    let bounds = saved.cells.iter().flat_map(|cell| [cell.summary.p99_range.0, cell.summary.p99_range.1]);
    let y_ticks = log_ticks(bounds.chain([noise]));
    let (low, high) = (y_ticks.first().copied().unwrap_or(1.0), y_ticks.last().copied().unwrap_or(10.0));
    let x = |value: f64| LEFT + value / most * (RIGHT - LEFT);
    let y = |nanos: u64| bottom - (nanos.max(1) as f64 / low).ln() / (high / low).ln() * (bottom - TOP);

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {:.0}\" role=\"img\" aria-label=\"{}\">\n\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n",
        bottom + 56.0,
        escaped(&super::words::caption(saved, "price")),
    );
    let mut put = |line: String| _ = writeln!(out, "{line}");
    let text = |x: f64, y: f64, anchor: &str, class: &str, words: &str| {
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>", escaped(words))
    };
    let rule = |class: &str, [x1, y1, x2, y2]: [f64; 4]| {
        format!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
    };

    put(text(LEFT, 24.0, "start", "head", &title(saved)));
    put(text(LEFT, TOP - 14.0, "end", "faint", "p99"));
    for nanos in &y_ticks {
        let at = y(*nanos as u64);
        put(rule("rule", [LEFT, at, RIGHT, at]));
        put(text(LEFT - 8.0, at + 4.0, "end", "faint", &round(*nanos)));
    }
    for value in &x_ticks {
        put(rule("rule", [x(*value), TOP, x(*value), bottom]));
        let words = if has_cores { format!("{value}") } else { count(*value as u64) };
        put(text(x(*value), bottom + 18.0, "middle", "faint", &words));
    }
    let unit = if has_cores { "cores in use" } else { "ticks a second applied" };
    put(text((LEFT + RIGHT) / 2.0, bottom + 40.0, "middle", "faint", unit));
    put(rule("noise", [LEFT, y(noise), RIGHT, y(noise)]));
    put(text(RIGHT - 4.0, y(noise) - 5.0, "end", "faint", "the machine's own p99"));

    let point = |cell: &&Cell| format!("{:.1},{:.1}", x(price(cell)), y(cell.summary.tick.p99));
    for front in saved.fronts() {
        let points = front.iter().map(point).collect::<Vec<_>>().join(" ");
        put(format!("<polyline class=\"front\" points=\"{points}\"/>"));
    }
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for cell in &saved.cells {
        let (at, p99, (least, most)) = (x(price(cell)), y(cell.summary.tick.p99), cell.summary.p99_range);
        put(rule("range", [at, y(least), at, y(most)]));
        let on = if cell.pareto { " on" } else { "" };
        put(format!("<circle class=\"dot{on}\" cx=\"{at:.1}\" cy=\"{p99:.1}\" r=\"4.5\"/>"));
        // The first place beside the point where no other number stands.
        let places = [(9.0, -5.0), (9.0, 15.0), (-22.0, -5.0), (-22.0, 15.0), (9.0, -19.0), (-22.0, -19.0)];
        let free = |(a, b): &(f64, f64)| !taken.iter().any(|(c, d)| (a - c).abs() < 20.0 && (b - d).abs() < 13.0);
        let mut around = places.iter().map(|(a, b)| (at + a, p99 + b));
        let place = around.find(free).unwrap_or((at + 9.0, p99 - 5.0));
        taken.push(place);
        put(text(place.0, place.1, "start", if cell.star { "best" } else { "" }, &(cell.at + 1).to_string()));
    }

    put(text(width - 16.0, TOP - 14.0, "end", "faint", "p99, median of repeats"));
    for (row, cell) in saved.cells.iter().enumerate() {
        let (at, best) = (TOP + LINE * (row as f64 + 0.5), if cell.star { "best" } else { "" });
        let star = if cell.star { " \u{2605}" } else { "" };
        put(text(NAMES - 10.0, at, "end", best, &(cell.at + 1).to_string()));
        put(text(NAMES, at, "start", best, &format!("{}{star}", cell.name)));
        put(text(width - 16.0, at, "end", best, &span(cell.summary.tick.p99)));
    }
    out + "</svg>\n"
}

fn title(saved: &Saved) -> String {
    let rate = match saved.rates()[..] {
        [rate] => format!(" at {} ticks/s", count(rate)),
        _ => String::new(),
    };
    let goal = saved.sweeps.first().and_then(|sweep| sweep.manifest.goal.as_ref());
    let goal = goal.map(|goal| format!(" (\u{2605} is the cheapest that keeps {goal})")).unwrap_or_default();
    format!("{}{rate}: what p99 costs{goal}", saved.pipelines())
}

/// Ticks from zero on in round steps, and the end of the axis.
fn even_ticks(most: f64) -> (Vec<f64>, f64) {
    let most = if most > 0.0 { most * 1.08 } else { 1.0 };
    let power = 10_f64.powf((most / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|step| step * power).find(|step| *step >= most / 5.0);
    let step = step.unwrap_or(most);
    // Written as people would, not as 0.30000000000000004.
    let round = |n: usize| (n as f64 * step * 1e6).round() / 1e6;
    ((0..).map(round).take_while(|value| *value <= most).collect(), most)
}

/// One, two and five of every decade, of nanoseconds, that holds the values.
fn log_ticks(values: impl Iterator<Item = u64>) -> Vec<f64> {
    let values: Vec<f64> = values.map(|value| value.max(1) as f64).collect();
    let (least, most) = values.iter().fold((f64::MAX, 1.0), |(low, high), it| (it.min(low), it.max(high)));
    let all: Vec<f64> = (0..13).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power))).collect();
    let from = all.iter().rposition(|it| *it <= least).unwrap_or(0);
    let to = all.iter().position(|it| *it >= most && *it > all[from]).unwrap_or(all.len() - 1);
    all[from..=to].to_vec()
}

/// A round number of nanoseconds.
fn round(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    format!("{value:.0} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_what_is_drawn() {
        assert_eq!(even_ticks(1.5).0, [0.0, 0.5, 1.0, 1.5]);
        assert_eq!(even_ticks(0.27).0, [0.0, 0.1, 0.2]);
        assert_eq!(even_ticks(0.0).1, 1.0);
        assert_eq!(log_ticks([150_000, 900_000].into_iter()), [1e5, 2e5, 5e5, 1e6]);
        assert_eq!(log_ticks([1_000].into_iter()), [1e3, 2e3]);
        assert_eq!([200.0, 5e4, 2e6, 1e9].map(round), ["200 ns", "50 us", "2 ms", "1 s"]);
    }
}
