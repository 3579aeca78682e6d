use std::str::FromStr;

use toml::Value;

use crate::config::{Bytes, Count, Rate, Span, Speed};
use crate::error::{Error, Result};
use crate::tick::mix;

/// The short names of settings that have flags of their own.
const SHORT: [(&str, &str); 7] = [
    ("batch", "batch.max_ticks"),
    ("linger", "batch.max_delay"),
    ("rate", "source.rate"),
    ("arrivals", "source.arrivals"),
    ("burst", "source.burst"),
    ("workers", "workers"),
    ("processes", "run.processes"),
];

/// A setting that varies, and its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The setting's key.
    pub key: String,
    /// Who said so: a flag, or the table of the settings.
    pub said_by: String,
    /// The values, each once.
    pub values: Vec<Value>,
}

impl Axis {
    /// An axis of these values; `key` may be short, such as `batch` for `batch.max_ticks`.
    pub fn new(said_by: &str, key: &str, values: Vec<Value>) -> Self {
        let key = SHORT.iter().find(|(short, _)| *short == key).map_or(key, |(_, key)| key);
        let mut distinct: Vec<Value> = Vec::new();
        for value in values {
            if !distinct.iter().any(|it| is_same(it, &value)) {
                distinct.push(value);
            }
        }
        Axis { key: key.into(), said_by: said_by.into(), values: distinct }
    }

    /// Reads the values of a flag, separated by commas.
    ///
    /// # Errors
    /// When one of them is empty.
    pub fn parse(said_by: &str, key: &str, list: &str) -> Result<Self> {
        let values: Vec<&str> = list.split(',').map(str::trim).collect();
        if key.is_empty() || values.contains(&"") {
            let text = format!("{said_by} {list}: a value is missing; write for example {said_by} 1,16,256");
            return Err(Error::Usage(text));
        }
        Ok(Axis::new(said_by, key, values.into_iter().map(value).collect()))
    }

    /// The name at the head of its column: short where there is a short one.
    pub fn label(&self) -> &str {
        SHORT.iter().find(|(_, key)| *key == self.key).map_or(&self.key, |(short, _)| short)
    }
}

/// Whether two values are the same, or the same amount in other units: `1ms` and `1000us`.
fn is_same(a: &Value, b: &Value) -> bool {
    fn amounts<T: FromStr + PartialEq>(a: &str, b: &str) -> bool {
        a.parse::<T>().is_ok_and(|a| b.parse::<T>().is_ok_and(|b| a == b))
    }
    let (one, other) = (&text(a), &text(b));
    a == b
        || amounts::<Span>(one, other)
        || amounts::<Rate>(one, other)
        || amounts::<Speed>(one, other)
        || amounts::<Count>(one, other)
        || amounts::<Bytes>(one, other)
}

/// A value as the command line gives it: a number or a truth where it is one, else a text.
fn value(text: &str) -> Value {
    match (text.parse::<i64>(), text.parse::<bool>()) {
        (Ok(number), _) => number.into(),
        (_, Ok(truth)) => truth.into(),
        _ => text.into(),
    }
}

/// A value as people write it, without quotes.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Cells to leave out: those in which all of these axes have these values.
#[derive(Clone, Debug, PartialEq)]
pub struct Skip(Vec<(usize, String)>);

impl Skip {
    /// Reads `key=value,key2=value2`, each of which must be among what varies.
    ///
    /// # Errors
    /// When something else is named, which would leave nothing out.
    pub fn parse(said: &str, axes: &[Axis]) -> Result<Self> {
        let wrong = |text: String| Error::Usage(format!("--skip '{said}': {text}"));
        let condition = |part: &str| {
            let (key, value) =
                part.split_once('=').map(|(key, value)| (key.trim(), value.trim())).ok_or_else(|| {
                    wrong(format!("`{part}` is not KEY=VALUE; write for example --skip 'batch=1,linger=1ms'"))
                })?;
            let at = axes.iter().position(|axis| axis.key == key || axis.label() == key).ok_or_else(|| {
                let labels: Vec<&str> = axes.iter().map(Axis::label).collect();
                wrong(format!("`{key}` does not vary in this sweep; what varies: {}", labels.join(", ")))
            })?;
            let values: Vec<String> = axes[at].values.iter().map(text).collect();
            if !values.iter().any(|it| it == value) {
                return Err(wrong(format!("{key} is never {value} in this sweep, but {}", values.join(", "))));
            }
            Ok((at, value.to_owned()))
        };
        said.split(',').map(condition).collect::<Result<_>>().map(Skip)
    }

    fn matches(&self, cell: &[Value]) -> bool {
        self.0.iter().all(|(at, value)| text(&cell[*at]) == *value)
    }
}

/// Every combination of the axes' values that is not skipped, the last axis fastest.
pub fn grid(axes: &[Axis], skips: &[Skip]) -> Vec<Vec<Value>> {
    let mut cells = vec![Vec::new()];
    for axis in axes {
        let with = |cell: &Vec<Value>, value: &Value| cell.iter().chain([value]).cloned().collect();
        cells = cells.iter().flat_map(|cell| axis.values.iter().map(move |value| with(cell, value))).collect();
    }
    cells.retain(|cell| !skips.iter().any(|skip| skip.matches(cell)));
    cells
}

/// The order in which cells are run, as (cell, repeat): each round has every cell once, and is shuffled by itself, so
/// that a machine that gets slower does not look like an effect of a setting.
pub fn order(cells: usize, repeats: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut random = seed;
    let mut all = Vec::with_capacity(cells * repeats);
    for repeat in 0..repeats {
        let mut round: Vec<usize> = (0..cells).collect();
        for last in (1..cells).rev() {
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            round.swap(last, (mix(random) % (last as u64 + 1)) as usize);
        }
        all.extend(round.into_iter().map(|cell| (cell, repeat)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes() -> Vec<Axis> {
        let parse = |flag: &str, key: &str, list: &str| Axis::parse(flag, key, list).unwrap();
        vec![parse("--batch", "batch", "1, 16,1"), parse("--linger", "batch.max_delay", "0s,1ms")]
    }

    fn shown(cells: &[Vec<Value>]) -> Vec<String> {
        cells.iter().map(|cell| cell.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_grid_is_every_combination_but_those_skipped() {
        let axes = axes();
        assert_eq!((axes[0].key.as_str(), axes[1].label()), ("batch.max_ticks", "linger"));
        assert_eq!(axes[0].values, [Value::Integer(1), Value::Integer(16)]);
        assert_eq!(shown(&grid(&axes, &[])), ["1 0s", "1 1ms", "16 0s", "16 1ms"]);
        let skip = |said: &str| Skip::parse(said, &axes).unwrap();
        assert_eq!(shown(&grid(&axes, &[skip("batch=1,linger=1ms")])), ["1 0s", "16 0s", "16 1ms"]);
        assert_eq!(shown(&grid(&axes, &[skip("batch.max_ticks=16"), skip("linger=0s")])), ["1 1ms"]);
    }

    #[test]
    fn values_that_are_the_same_in_other_units_are_one() {
        let values = |list: &str| Axis::parse("--vary", "key", list).unwrap().values.len();
        let same = ["1ms,1000us", "1k/s,1000/s", "1k,1000", "1x,1.0x", "1MiB,1024KiB", "tape,tape"];
        assert_eq!(same.map(values), [1; 6]);
        let differ = ["1ms,1us", "1k/s,1k", "1,2", "1s,1x", "true,1", "tape,poisson"];
        assert_eq!(differ.map(values), [2; 6]);
    }

    #[test]
    fn a_skip_that_would_leave_nothing_out_is_refused() {
        let refused = |said: &str| Skip::parse(said, &axes()).unwrap_err().to_string();
        assert_eq!(
            refused("rate=1/s"),
            "--skip 'rate=1/s': `rate` does not vary in this sweep; what varies: batch, linger"
        );
        assert_eq!(refused("batch=2"), "--skip 'batch=2': batch is never 2 in this sweep, but 1, 16");
        assert!(refused("batch").contains("`batch` is not KEY=VALUE"));
        assert!(Axis::parse("--batch", "batch", "1,,2").is_err());
    }

    #[test]
    fn every_round_has_every_cell_once_in_an_order_that_the_seed_fixes() {
        let all = order(5, 3, 42);
        assert_eq!(all, order(5, 3, 42));
        assert_ne!(all, order(5, 3, 43));
        for (repeat, round) in all.chunks(5).enumerate() {
            assert!(round.iter().all(|(_, it)| *it == repeat));
            let mut cells: Vec<usize> = round.iter().map(|(cell, _)| *cell).collect();
            cells.sort_unstable();
            assert_eq!(cells, [0, 1, 2, 3, 4]);
        }
        assert_ne!(
            all[..5].iter().map(|it| it.0).collect::<Vec<_>>(),
            all[5..10].iter().map(|it| it.0).collect::<Vec<_>>()
        );
        assert_eq!(order(1, 2, 0), [(0, 0), (0, 1)]);
    }
}
