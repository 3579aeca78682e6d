//! The layers of the configuration: read one by one, merged by strength, their mistakes collected.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::effective::{Effective, Origin, insert, literal};
use super::known::{Kind, Known, Path, dotted, path, quoted};
use super::layer::{Layer, Leaf};
use super::problems::{Problem, bad_value};
use crate::error::{Doing, Error, Result};

/// The environment variables that are settings begin so: `TAPEFLOW__BATCH__MAX_TICKS`.
pub(super) const PREFIX: &str = "TAPEFLOW__";

/// No configuration is longer than this; a tape given in its place is.
const MAX_FILE: usize = 256 << 10;

/// So many problems are shown of each layer.
const MAX_SHOWN: usize = 100;

/// The layers of a configuration, from the defaults to the command line's flags.
///
/// Their strength is that of their kind, whatever the order of the calls: the defaults are weakest, then come
/// the files as they were given, the environment, `--set` as given, and flags of their own.
pub struct Layers {
    known: Known,
    /// The defaults' settings in the order they are written.
    order: Vec<Path>,
    /// From weak to strong.
    layers: Vec<Layer>,
    files: Vec<PathBuf>,
}

impl Layers {
    /// Begins with the pipeline's own TOML, called `name`. It names every key there is, except in the tables
    /// listed in `open`, such as `source.columns`, whose keys are the user's.
    pub fn new(name: &str, defaults: &'static str, open: &[&str]) -> Self {
        let mut known = Known::new(open);
        known.learn(&[], DeTable::parse_recoverable(defaults).0.get_ref());
        let mut layers = Layers { known, order: Vec::new(), layers: Vec::new(), files: Vec::new() };
        layers.add(Origin::Default, name, defaults.to_owned());
        let mut leaves: Vec<&Leaf> = layers.layers.iter().flat_map(|layer| &layer.leaves).collect();
        leaves.sort_by_key(|leaf| leaf.key.start);
        layers.order = leaves.into_iter().map(|leaf| leaf.path.clone()).collect();
        layers
    }

    /// Adds a file, stronger than the files before it. Fails where it cannot be read at all.
    pub fn file(&mut self, file: &FilePath) -> Result<()> {
        let name = file.display().to_string();
        let mut bytes = Vec::new();
        File::open(file)
            .and_then(|it| it.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes))
            .doing(|| format!("reading the configuration {name}"))?;
        let origin = Origin::File { path: name.clone(), line: 1 };
        let same = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let twice = self.files.contains(&same);
        self.files.push(same);
        let broken = |wrong| Problem::whole(format!("`{name}` {wrong}"), "");
        if twice {
            self.add_broken(origin, &name, String::new(), broken("is given twice"));
        } else if bytes.len() > MAX_FILE {
            let problem = broken("is longer than any configuration; is it the right file?");
            self.add_broken(origin, &name, String::new(), problem);
        } else if let Err(e) = std::str::from_utf8(&bytes) {
            let at = e.valid_up_to();
            let span = Some(at..at + char::REPLACEMENT_CHARACTER.len_utf8());
            let text = String::from_utf8_lossy(&bytes).into_owned();
            self.add_broken(origin, &name, text, Problem { span, ..broken("is not UTF-8 text") });
        } else if bytes.trim_ascii().is_empty() {
            self.add_broken(origin, &name, String::new(), broken("is empty"));
        } else {
            self.add(origin, &name, String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(())
    }

    /// Takes the settings among `vars`: `TAPEFLOW__BATCH__MAX_TICKS=64` is `batch.max_ticks`.
    pub fn environment(&mut self, vars: impl Iterator<Item = (OsString, OsString)>) {
        let begins = |name: &str, with: &str| name.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
        // One underscore too few, and a setting would be somebody else's variable.
        let is_key = |name: &str| {
            let key = name.to_lowercase();
            let key = key.split_once('_').map(|(table, key)| [table, key].map(str::to_owned));
            key.is_some_and(|key| self.known.kind(&key) == Some(Kind::Value))
        };
        let nearly = |name: &str| {
            let own = name.get(PREFIX.len() - 1..).filter(|_| begins(name, &PREFIX[..PREFIX.len() - 1]));
            own.is_some_and(|own| own.contains("__") || is_key(own))
        };
        let mut vars: Vec<_> = vars.map(|(name, value)| (name.to_string_lossy().into_owned(), value)).collect();
        vars.retain(|(name, _)| begins(name, PREFIX) || nearly(name));
        vars.sort();
        for (name, value) in vars {
            let shown = format!("environment {name}");
            let key = if begins(&name, PREFIX) { &name[PREFIX.len()..] } else { "" };
            let parts: Path = key.to_lowercase().split("__").map(str::to_owned).collect();
            let origin = Origin::Environment(name.clone());
            match value.to_str() {
                _ if parts.iter().any(String::is_empty) => {
                    let title = format!("the environment variable `{name}` names no setting");
                    let help = format!("write e.g. {PREFIX}BATCH__MAX_TICKS=64 for batch.max_ticks");
                    let problem = Problem { help, ..Problem::at(0..name.len(), title, "") };
                    self.add_broken(origin, "environment", name, problem);
                }
                None => {
                    let title = format!("the value of the environment variable `{name}` is not UTF-8 text");
                    self.add_broken(origin, &shown, String::new(), Problem::whole(title, ""));
                }
                Some(value) => self.add(origin, &shown, format!("{} = {}", dotted(&parts), lenient(value))),
            }
        }
    }

    /// Adds the settings of an earlier run, as TOML, which its file `path` holds: as strong as a file.
    pub fn earlier(&mut self, path: &FilePath, settings: String) {
        let name = path.display().to_string();
        self.add(Origin::File { path: name.clone(), line: 1 }, &name, settings);
    }

    /// Adds the KEY=VALUE of a `--set`. The value is TOML; what is not TOML is a text.
    pub fn set(&mut self, text: &str) {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                self.add(Origin::Set, "command line --set", format!("{} = {}", key.trim(), lenient(value)));
            }
            _ => {
                let title = format!("`--set {text}` is not KEY=VALUE");
                let help = "write e.g. --set batch.max_ticks=64".to_owned();
                let problem = Problem { help, ..Problem::at(0..text.len(), title, "") };
                self.add_broken(Origin::Set, "command line --set", text.to_owned(), problem);
            }
        }
    }

    /// Adds what a flag of its own, such as `--batch`, says about `key`.
    pub fn flag(&mut self, flag: &str, key: &str, value: impl Into<Value>) {
        let text = format!("{} = {}", dotted(&path(key)), literal(&value.into()));
        self.add(Origin::Flag(flag.to_owned()), &format!("command line {flag}"), text);
    }

    /// Reads the table or setting `key`. A bad value becomes a problem and gives way to the next weaker layer's,
    /// so that all of them are found; there is no result where nothing is left to read.
    pub fn section<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let (path, mut blamed) = (path(key), false);
        loop {
            let Some(value) = self.value(&path) else {
                if !blamed {
                    self.note(0, Problem::whole(format!("the defaults name no `{key}`"), ""));
                }
                return None;
            };
            let error = match serde_path_to_error::deserialize(value) {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let segments: Vec<Segment> = error.path().iter().cloned().collect();
            let error: toml::de::Error = error.into_inner();
            if !self.blame(&path, &segments, error.message()) {
                if !blamed {
                    let (label, help) = bad_value(error.message());
                    self.note(0, Problem::whole(format!("bad value for `{key}`: {label}"), &help));
                }
                return None;
            }
            blamed = true;
        }
    }

    /// Whether there is such a setting.
    pub fn has(&self, key: &str) -> bool {
        self.known.kind(&path(key)) == Some(Kind::Value)
    }

    /// Whether a setting is other than the defaults have it.
    pub fn is_changed(&self, key: &str) -> bool {
        let path = path(key);
        let values = self.layers.iter().flat_map(|layer| &layer.leaves).filter(|leaf| leaf.path == path);
        let values: Vec<&Value> = values.map(|leaf| &leaf.value).collect();
        values.first() != values.last()
    }

    /// Adds a problem that only reading the settings could show, at the place where `key` was given.
    pub fn problem(&mut self, key: &str, title: &str, help: &str) {
        let mut path = path(key);
        let mut place = None;
        while place.is_none() && !path.is_empty() {
            let inside = self.merged().into_iter().filter(|(it, _)| it.starts_with(&path)).map(|(_, place)| place);
            // Of a table, the first setting in the strongest layer that has any.
            place = inside.max_by_key(|(layer, leaf)| (*layer, Reverse(self.layers[*layer].leaves[*leaf].span.start)));
            path.pop();
        }
        let problem = Problem::whole(title.to_owned(), help);
        match place {
            Some((layer, leaf)) => {
                let span = Some(self.layers[layer].leaves[leaf].span.clone());
                self.note(layer, Problem { span, ..problem });
            }
            None => self.note(0, problem),
        }
    }

    /// The settings that hold, or every problem there is.
    pub fn finish(self) -> Result<Effective> {
        let (mut shown, mut found) = (Vec::new(), 0);
        for layer in &self.layers {
            let mut problems: Vec<&Problem> = layer.problems.iter().collect();
            problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
            found += problems.len();
            let show = |problem: &Problem| problem.render(&layer.name, &layer.text);
            shown.extend(problems.into_iter().take(MAX_SHOWN).map(show));
        }
        if !shown.is_empty() {
            let count = if found == 1 { "1 problem".to_owned() } else { format!("{found} problems") };
            let end = format!("{count} in the configuration; nothing was started");
            return Err(Error::Config(format!("{}\n\n{end}", shown.join("\n\n"))));
        }
        let setting = |(path, (layer, leaf)): (&Path, (usize, usize))| {
            let (layer, leaf) = (&self.layers[layer], &self.layers[layer].leaves[leaf]);
            (path.clone(), (leaf.value.clone(), layer.origin_of(leaf)))
        };
        Ok(Effective::new(&self.order, self.merged().into_iter().map(setting).collect()))
    }

    fn add(&mut self, origin: Origin, name: &str, text: String) {
        let layer = Layer::read(origin, name, text, &self.known);
        self.insert(layer);
    }

    fn add_broken(&mut self, origin: Origin, name: &str, text: String, problem: Problem) {
        self.insert(Layer { origin, name: name.to_owned(), text, leaves: Vec::new(), problems: vec![problem] });
    }

    fn insert(&mut self, layer: Layer) {
        let at = self.layers.partition_point(|it| it.strength() <= layer.strength());
        self.layers.insert(at, layer);
    }

    fn note(&mut self, layer: usize, problem: Problem) {
        let problems = &mut self.layers[layer].problems;
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    /// The layer and leaf that decide each path.
    fn merged(&self) -> BTreeMap<&Path, (usize, usize)> {
        let leaves = |(at, layer): (usize, &'_ Layer)| (0..layer.leaves.len()).map(move |leaf| (at, leaf));
        let places = self.layers.iter().enumerate().flat_map(leaves);
        places.map(|(layer, leaf)| (&self.layers[layer].leaves[leaf].path, (layer, leaf))).collect()
    }

    /// What stands at `path` once the layers are merged. A known table is there even when it is empty.
    fn value(&self, path: &[String]) -> Option<Value> {
        self.known.kind(path)?;
        let mut root = toml::Table::new();
        for table in self.known.tables_under(path) {
            insert(&mut root, table, Value::Table(toml::Table::new()));
        }
        for (it, (layer, leaf)) in self.merged().into_iter().filter(|(it, _)| it.starts_with(path)) {
            insert(&mut root, it, self.layers[layer].leaves[leaf].value.clone());
        }
        path.iter().try_fold(Value::Table(root), |value, key| match value {
            Value::Table(mut table) => table.remove(key),
            _ => None,
        })
    }

    /// Notes serde's message about the setting on the way down `segments`, and drops that setting.
    fn blame(&mut self, section: &[String], segments: &[Segment], message: &str) -> bool {
        let mut at = section.to_vec();
        let mut rest = segments;
        let (layer, leaf) = loop {
            if let Some(place) = self.merged().get(&at) {
                break *place;
            }
            match rest.split_first() {
                Some((Segment::Map { key }, after)) => (at.push(key.clone()), rest = after),
                _ => return false,
            };
        };
        let leaf = self.layers[layer].leaves.remove(leaf);
        let span = self.layers[layer].span_inside(&leaf, rest);
        let (label, help) = bad_value(message);
        let title = format!("bad value for `{}`", dotted(&at));
        self.note(layer, Problem { help, ..Problem::at(span, title, label) });
        true
    }
}

/// A value as TOML, where it is TOML; every other word is a text.
fn lenient(value: &str) -> String {
    let value = value.trim();
    if DeValue::parse(value).is_ok() { value.to_owned() } else { quoted(value) }
}
