//! Two runs, or two sweeps, beside each other: what differs, and which differences are to be believed.
//!
//! A figure of a sweep's cell has a value for each repeat. A difference is claimed only where the ranges of the two
//! sides' repeats do not overlap; a run is its own range.

mod condition;
mod read;
mod table;

pub use condition::Condition;
pub use read::{Kind, Side, read};
pub use table::table;

use serde_json::Value;

/// What is compared as one: a run, or a cell of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The values of what varies; empty for a run.
    pub name: String,
    /// The digests of its repeats, each once; a run that was stopped has none.
    pub digests: Vec<String>,
    /// Whether a repeat was stopped because it did not drain, so that latencies are at least what is said.
    pub censored: bool,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// A figure, with a value for each repeat.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The stage of latency, or none.
    pub stage: Option<&'static str>,
    /// `p99`, or `cores`.
    pub name: &'static str,
    /// Its values, in order of size.
    pub values: Vec<f64>,
}

impl Figure {
    /// A figure of these values, unless there are none.
    pub fn new(stage: Option<&'static str>, name: &'static str, mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Figure { stage, name, values })
    }

    /// The median; of an even number, the upper of the two in the middle, as in a sweep's table.
    pub fn median(&self) -> f64 {
        self.values[self.values.len() / 2]
    }

    /// The least and the greatest.
    pub fn range(&self) -> (f64, f64) {
        (self.values[0], self.values[self.values.len() - 1])
    }

    /// Whether it has a value that lies within the other's range, or the other way round.
    pub fn overlaps(&self, other: &Figure) -> bool {
        let ((low, high), (other_low, other_high)) = (self.range(), other.range());
        low <= other_high && other_low <= high
    }

    /// By what share of it the median becomes the other's; infinite where it was zero.
    pub fn change_to(&self, other: &Figure) -> f64 {
        let (from, to) = (self.median(), other.median());
        if from == to { 0.0 } else { (to - from) / from.abs() }
    }
}

/// A subject that both sides have.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// As it was.
    pub base: &'a Subject,
    /// As it is now.
    pub new: &'a Subject,
}

impl<'a> Pair<'a> {
    /// The figures that both have.
    pub fn figures(&self) -> impl Iterator<Item = (&'a Figure, &'a Figure)> + use<'a> {
        let Pair { base, new } = *self;
        base.figures.iter().filter_map(move |figure| {
            Some((figure, new.figures.iter().find(|it| (it.stage, it.name) == (figure.stage, figure.name))?))
        })
    }
}

/// The subjects that both sides have, by name.
pub fn pairs<'a>(base: &'a Side, new: &'a Side) -> Vec<Pair<'a>> {
    let of = |name: &str| new.subjects.iter().find(|it| it.name == name);
    base.subjects.iter().filter_map(|base| Some(Pair { base, new: of(&base.name)? })).collect()
}

/// The settings that differ, as `key`, and both values; `-` where a side has none.
pub fn settings_that_differ(base: &Value, new: &Value) -> Vec<(String, String, String)> {
    let (base, new) = (flat("", base), flat("", new));
    let of = |side: &[(String, Value)], key: &str| {
        side.iter().find(|(it, _)| it == key).map_or_else(|| "-".into(), |(_, value)| plain(value))
    };
    let only_new = new.iter().filter(|(key, _)| base.iter().all(|(it, _)| it != key));
    let rows = base.iter().chain(only_new).map(|(key, _)| (key.clone(), of(&base, key), of(&new, key)));
    rows.filter(|(_, base, new)| base != new).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn flat(at: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(map) => {
            let key = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
            map.iter().flat_map(|(name, value)| flat(&key(name), value)).collect()
        }
        value => vec![(at.to_owned(), value.clone())],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_one_of_medians_and_ranges() {
        let figure = |values: &[f64]| Figure::new(None, "cores", values.to_vec()).unwrap();
        let base = figure(&[3.0, 1.0, 2.0]);
        assert_eq!((base.median(), base.range()), (2.0, (1.0, 3.0)));
        assert_eq!(base.change_to(&figure(&[3.0])), 0.5);
        assert!(base.overlaps(&figure(&[3.0, 9.0])) && figure(&[0.0, 9.0]).overlaps(&base));
        assert!(!base.overlaps(&figure(&[3.1, 9.0])) && !figure(&[0.5]).overlaps(&base));
        assert_eq!(figure(&[0.0]).change_to(&figure(&[0.0])), 0.0);
        assert_eq!(figure(&[0.0]).change_to(&figure(&[5.0])), f64::INFINITY);
        assert_eq!(Figure::new(None, "cores", vec![]), None);
    }

    #[test]
    fn settings_differ_where_either_says_something_else() {
        let base = json!({ "workers": 2, "batch": { "policy": "greedy", "max_ticks": 1 }, "old": 1 });
        let new = json!({ "workers": 2, "batch": { "policy": "auto", "max_ticks": 1 }, "late": { "policy": "drop" } });
        let differ = settings_that_differ(&base, &new);
        let mut differ: Vec<String> = differ.into_iter().map(|(key, a, b)| format!("{key}: {a} -> {b}")).collect();
        differ.sort();
        assert_eq!(differ, ["batch.policy: greedy -> auto", "late.policy: - -> drop", "old: 1 -> -"]);
    }
}
