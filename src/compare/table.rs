use std::fmt::Write as _;

use super::{Figure, Kind, Pair, Side, pairs, settings_that_differ};
use crate::report::{count, span};

/// The figures of a sweep's cell that are shown; a run's are all shown.
const OF_A_CELL: [(Option<&str>, &str); 5] =
    [(None, "rate"), (None, "cores"), (Some("tick"), "p50"), (Some("tick"), "p99"), (Some("tick"), "p99.9")];

/// The table of a comparison, for people.
pub fn table(base: &Side, new: &Side) -> String {
    let mut out = format!("{} compare: base {}, new {}\n\n", base.pipeline, base.folder, new.folder);
    let mut line = |text: String| _ = writeln!(out, "{}", text.trim_end());
    if base.version != new.version {
        line(format!("  version   {} -> {}", base.version, new.version));
    }
    for (column, was) in &base.ledger {
        let is = new.ledger.iter().find(|(it, _)| it == column).map_or(0, |(_, is)| *is);
        if is != *was {
            line(format!("  ledger    {column} {} -> {}", count(*was), count(is)));
        }
    }
    if base.kind == Kind::Run && base.ledger == new.ledger {
        line("  ledger    equal".into());
    }
    let mut differ = settings_that_differ(&base.settings, &new.settings);
    // Two runs have two folders.
    differ.retain(|(key, ..)| key != "output.to");
    if differ.is_empty() {
        line("  settings  equal".into());
    }
    differ.iter().for_each(|(key, was, is)| line(format!("  settings  {key} {was} -> {is}")));
    let pairs = pairs(base, new);
    for pair in &pairs {
        line(String::new());
        if base.kind == Kind::Sweep {
            line(format!("  {}", pair.base.name));
        }
        if let Some(side) = censored(pair) {
            line(format!("  censored  {side}: it did not drain, so latencies are at least these"));
        }
        line(format!("  digest    {}", digests(pair)));
        let shown = |(figure, _): &(&Figure, &Figure)| {
            base.kind == Kind::Run || OF_A_CELL.contains(&(figure.stage, figure.name))
        };
        let rows = pair.figures().filter(shown).map(|(was, is)| row(was, is));
        let rows: Vec<[String; 5]> = std::iter::once(heads()).chain(rows).collect();
        let wide = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let wide = [wide(0), wide(1), wide(2), wide(3)];
        for [figure, was, is, change, word] in &rows {
            let [w0, w1, w2, w3] = wide;
            line(format!("    {figure:w0$}  {was:>w1$}  {is:>w2$}  {change:>w3$}  {word}"));
        }
    }
    let only = |side: &Side, other: &Side| -> Vec<String> {
        let missing = |name: &String| !other.subjects.iter().any(|it| it.name == *name);
        side.subjects.iter().map(|it| it.name.clone()).filter(missing).collect()
    };
    only(base, new).iter().for_each(|name| line(format!("\n  only in base: {name}")));
    only(new, base).iter().for_each(|name| line(format!("\n  only in new: {name}")));
    line(String::new());
    line(match base.kind {
        Kind::Run => {
            "  one run a side has no range: repeat them, or sweep, to know which differences to believe".into()
        }
        Kind::Sweep
            if pairs.iter().flat_map(Pair::figures).all(|(was, is)| was.values.len().max(is.values.len()) == 1) =>
        {
            "  one run a cell has no range: --repeat them, to know which differences to believe".into()
        }
        Kind::Sweep => "  figures are medians of the repeats (min..max); where those ranges overlap, there is no \
                        difference to be believed"
            .into(),
    });
    out
}

fn digests(pair: &Pair<'_>) -> String {
    let all = |digests: &[String]| if digests.is_empty() { "none".into() } else { digests.join(", ") };
    if pair.base.digests.is_empty() && pair.new.digests.is_empty() {
        return "unknown: neither side was played to its end".into();
    }
    let (was, is) = (all(&pair.base.digests), all(&pair.new.digests));
    if was == is { format!("equal: {was}") } else { format!("DIFFERENT: {was} -> {is}") }
}

/// On which side a run was stopped, if one was.
fn censored(pair: &Pair<'_>) -> Option<&'static str> {
    match (pair.base.censored, pair.new.censored) {
        (true, true) => Some("base and new"),
        (true, false) => Some("base"),
        (false, true) => Some("new"),
        (false, false) => None,
    }
}

fn heads() -> [String; 5] {
    ["", "base", "new", "change", ""].map(str::to_owned)
}

fn row(was: &Figure, is: &Figure) -> [String; 5] {
    let name = was.stage.map_or_else(|| was.name.to_owned(), |stage| format!("{stage} {}", was.name));
    let change = was.change_to(is);
    let change_text = if change.is_finite() { format!("{:+.1}%", 100.0 * change) } else { "from zero".into() };
    let repeated = was.values.len() > 1 || is.values.len() > 1;
    let word = match (was.range() == is.range() && change == 0.0, was.overlaps(is)) {
        (true, _) => "equal",
        (false, true) => "no difference to be believed",
        (false, false) if repeated => "differs",
        (false, false) => "",
    };
    [name, value(was), value(is), change_text, word.to_owned()]
}

/// A median, with its range if it has one.
fn value(figure: &Figure) -> String {
    let show = |value: f64| match (figure.stage, figure.name) {
        (Some(_), _) => span(value as u64),
        (None, "cores") => format!("{value:.2}"),
        (None, _) => format!("{}/s", count(value.round() as u64)),
    };
    let (low, high) = figure.range();
    if low == high {
        return show(figure.median());
    }
    format!("{} ({}..{})", show(figure.median()), show(low), show(high))
}
