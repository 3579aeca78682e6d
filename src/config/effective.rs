//! The settings a run really uses, each with the place it came from.

use std::collections::BTreeMap;
use std::fmt;

use toml::Value;

use super::known::{Path, dotted, quoted};
use super::layers::PREFIX;

/// The settings that each process of a run has to itself.
const OWN: [&str; 3] = ["run.process", "run.hosts", "run.strict"];

/// What is shown in place of a value that is nobody's business.
pub const HIDDEN: &str = "***";

/// What the names of properties have in them that are secrets: `sasl.password`, `ssl.key.pem`.
const SECRETS: [&str; 4] = ["password", "secret", "key.pem", "oauthbearer.config"];

/// Where a setting's value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The pipeline's own defaults.
    Default,
    /// A configuration file, as it was named.
    File {
        /// The file.
        path: String,
        /// The line of the key, counted from one.
        line: usize,
    },
    /// The environment variable of this name.
    Environment(String),
    /// `--set`.
    Set,
    /// A flag of its own, such as `--batch`.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::Set => f.write_str("--set"),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The settings a run really uses, once all layers are merged and found to be right.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Every setting, table by table, in the order of the defaults.
    settings: Vec<(Path, Value, Origin)>,
}

impl Effective {
    /// `order` are the paths of the defaults as they are written; what is not among them comes last in its table.
    pub(super) fn new(order: &[Path], mut merged: BTreeMap<Path, (Value, Origin)>) -> Self {
        let rest: Vec<Path> = merged.keys().filter(|path| !order.contains(path)).cloned().collect();
        let paths: Vec<&Path> = order.iter().chain(&rest).collect();
        let mut tables = vec![&[][..]];
        for path in &paths {
            if !tables.contains(&table_of(path)) {
                tables.push(table_of(path));
            }
        }
        let of_table = |table| paths.iter().filter(move |path| table_of(path) == table);
        let take = |path: &&Path| merged.remove_entry(*path).map(|(path, (value, origin))| (path, value, origin));
        Effective { settings: tables.into_iter().flat_map(of_table).filter_map(take).collect() }
    }

    /// Where the value of `key`, such as `batch.max_ticks`, came from.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.settings.iter().find(|(path, ..)| dotted(path) == key).map(|(.., origin)| origin)
    }

    /// The keys whose values are others than in `other`.
    pub fn differs_in(&self, other: &Effective) -> Vec<String> {
        let in_both = |path: &Path, value: &Value| other.settings.iter().any(|(it, v, _)| it == path && v == value);
        let mine = self.settings.iter().filter(|(path, value, _)| !in_both(path, value)).map(|(path, ..)| path);
        let is_mine = |path: &Path| self.settings.iter().any(|(it, ..)| it == path);
        let theirs = other.settings.iter().map(|(path, ..)| path).filter(|path| !is_mine(path));
        mine.chain(theirs).map(|path| dotted(path)).collect()
    }

    /// The settings as TOML, each followed by a comment that says where it came from.
    pub fn to_toml_with_origins(&self) -> String {
        let written = |(path, value, _): &(Path, Value, Origin)| {
            let key = &path[path.len().saturating_sub(1)..];
            // What is hidden is no value to read back.
            let mark = if is_secret(path) { "# " } else { "" };
            format!("{mark}{} = {}", dotted(key), literal(&shown(path, value)))
        };
        let lines: Vec<String> = self.settings.iter().map(written).collect();
        let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).min(48);
        let (mut out, mut table) = (String::new(), &[][..]);
        for (line, (path, _, origin)) in lines.iter().zip(&self.settings) {
            if table_of(path) != table {
                table = table_of(path);
                let gap = if out.is_empty() { "" } else { "\n" };
                out.push_str(&format!("{gap}[{}]\n", dotted(table)));
            }
            // A file's name may hold what a comment may not.
            let origin = origin.to_string().replace(char::is_control, "?");
            out.push_str(&format!("{line:width$}  # {origin}\n"));
        }
        out
    }

    /// All settings but those of the output, of what varies, and secrets, as arguments that say the same to another
    /// process.
    pub fn to_args(&self) -> Vec<String> {
        let others = |path: &Path| {
            let key = dotted(path);
            let is_its_own = key.starts_with("output.") || key.starts_with("sweep.vary") || OWN.contains(&key.as_str());
            is_its_own || is_secret(path)
        };
        let told = self.settings.iter().filter(|(path, ..)| !others(path));
        let sets = told.map(|(path, value, _)| format!("{}={}", dotted(path), literal(value)));
        sets.chain(["output.to=none".into()]).flat_map(|set| ["--set".into(), set]).collect()
    }

    /// The secrets of the input as environment variables, which nobody else can read as they can arguments.
    pub fn to_environment(&self) -> Vec<(String, String)> {
        let secrets = self.settings.iter().filter(|(path, ..)| path[0] == "source" && is_secret(path));
        secrets.map(|(path, value, _)| (format!("{PREFIX}{}", path.join("__")), literal(value))).collect()
    }

    /// The settings that all processes of a run must share, as [`Effective::to_json`].
    pub fn shared(&self) -> serde_json::Value {
        let mut settings = self.to_json();
        if let Some(sections) = settings.as_object_mut() {
            sections.retain(|section, _| section != "output" && section != "sweep");
            if let Some(run) = sections.get_mut("run").and_then(serde_json::Value::as_object_mut) {
                run.retain(|key, _| !OWN.contains(&format!("run.{key}").as_str()));
            }
        }
        settings
    }

    /// The settings as nested JSON objects, of which the secrets are [hidden](HIDDEN).
    pub fn to_json(&self) -> serde_json::Value {
        let mut root = toml::Table::new();
        for (path, value, _) in &self.settings {
            insert(&mut root, path, shown(path, value));
        }
        json(Value::Table(root))
    }
}

/// Whether it is a property of Kafka's client that only its owner is to know.
fn is_secret(path: &[String]) -> bool {
    path.iter().any(|key| key == "librdkafka") && names_secret(&path.join("."))
}

/// Whether a text has the name of such a property in it.
pub(super) fn names_secret(text: &str) -> bool {
    SECRETS.iter().any(|secret| text.to_lowercase().contains(secret))
}

fn shown(path: &[String], value: &Value) -> Value {
    if is_secret(path) { Value::String(HIDDEN.into()) } else { value.clone() }
}

fn table_of(path: &[String]) -> &[String] {
    &path[..path.len().saturating_sub(1)]
}

/// Puts `value` at `path` below `root`, with the tables on the way.
pub(super) fn insert(root: &mut toml::Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            root.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = root.entry(key.clone()).or_insert_with(|| Value::Table(toml::Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// A value as TOML, on one line.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(values) => format!("[{}]", values.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{} = {}", dotted(std::slice::from_ref(key)), literal(value));
            format!("{{{}}}", table.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        simple => simple.to_string(),
    }
}

fn json(value: Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(truth) => truth.into(),
        Value::Datetime(date) => date.to_string().into(),
        Value::Array(values) => values.into_iter().map(json).collect(),
        Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Layers;

    #[test]
    fn secrets_are_handed_on_and_never_shown() {
        let layers = || {
            Layers::new(
                "a.toml",
                "[source.librdkafka]\n[output.librdkafka]\n",
                &["source.librdkafka", "output.librdkafka"],
            )
        };
        let mut told = layers();
        told.set("source.librdkafka.sasl.password=geheim");
        told.set("source.librdkafka.\"group.id\"=password");
        told.set("output.librdkafka.\"ssl.key.pem\"=geheim");
        let told = told.finish().unwrap();
        let json = told.to_json();
        // Which dots are in quotes makes no difference.
        assert_eq!(json["source"]["librdkafka"], serde_json::json!({ "sasl.password": "***", "group.id": "password" }));
        let shown = [json.to_string(), told.to_toml_with_origins(), told.shared().to_string(), told.to_args().concat()];
        assert!(!shown.concat().contains("geheim"), "{shown:?}");

        let mut saved = layers();
        saved.earlier("saved.toml".as_ref(), told.to_toml_with_origins());
        assert_eq!(saved.finish().unwrap().to_environment(), []);
        let mut again = layers();
        again.environment(told.to_environment().into_iter().map(|(name, value)| (name.into(), value.into())));
        let again = again.finish().unwrap();
        assert_eq!(again.to_environment(), told.to_environment());
        assert_eq!(
            again.to_environment(),
            [("TAPEFLOW__source__librdkafka__sasl.password".into(), "\"geheim\"".into())]
        );
    }
}
