//! One layer: a TOML document, the settings in it, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use serde_path_to_error::Segment;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use super::effective::Origin;
use super::known::{Kind, Known, Path, child, dotted};
use super::problems::{Problem, line, syntax};

/// So many lines that are not TOML are shown of a layer; a file of another kind is all such lines.
const MAX_SYNTAX: usize = 10;

/// One TOML document and what is in it.
pub struct Layer {
    /// Where its settings come from; a file's line is filled in for each of them.
    pub origin: Origin,
    /// What its problems call it.
    pub name: String,
    /// The document.
    pub text: String,
    /// The settings it gives, as far as they are sound.
    pub leaves: Vec<Leaf>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// A setting as a layer gives it.
pub struct Leaf {
    /// Its key.
    pub path: Path,
    /// Where the key is written.
    pub key: Range<usize>,
    /// Its value.
    pub value: Value,
    /// Where the value is written.
    pub span: Range<usize>,
}

impl Layer {
    /// Reads a document, as far as it can be read, and compares its keys with those that are known.
    pub fn read(origin: Origin, name: &str, text: String, known: &Known) -> Self {
        let (table, mut errors) = DeTable::parse_recoverable(&text);
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        let newlines: Vec<usize> = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect();
        let mut broken = BTreeMap::new();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let problem = || syntax(span.clone(), &text[span.clone()], error.message());
            broken.entry(newlines.partition_point(|it| *it < span.start)).or_insert_with(problem);
        }
        let lines: BTreeSet<usize> = broken.keys().copied().collect();
        let mut problems: Vec<Problem> = broken.into_values().take(MAX_SYNTAX).collect();
        if let Some(last) = problems.last_mut().filter(|_| lines.len() > MAX_SYNTAX) {
            last.help = format!("{} more lines are not TOML; is it the right file?", lines.len() - MAX_SYNTAX);
        }
        let mut walk = Walk { newlines, known, broken: lines, leaves: Vec::new(), problems };
        walk.table(&[], "", table.into_inner());
        let (leaves, problems) = (walk.leaves, walk.problems);
        Layer { origin, name: name.to_owned(), text, leaves, problems }
    }

    /// The strength of its kind.
    pub fn strength(&self) -> u8 {
        match self.origin {
            Origin::Default => 0,
            Origin::File { .. } => 1,
            Origin::Environment(_) => 2,
            Origin::Set => 3,
            Origin::Flag(_) => 4,
        }
    }

    /// Where one of its settings comes from.
    pub fn origin_of(&self, leaf: &Leaf) -> Origin {
        match &self.origin {
            Origin::File { path, .. } => Origin::File { path: path.clone(), line: line(&self.text, leaf.key.start) },
            other => other.clone(),
        }
    }

    /// Where the part of a setting is written that serde came to by `segments`; all of the value if in doubt.
    pub fn span_inside(&self, leaf: &Leaf, segments: &[Segment]) -> Range<usize> {
        let root = DeTable::parse_recoverable(&self.text).0;
        let mut keys = leaf.path.iter();
        let value = keys.next().and_then(|key| root.get_ref().get(key.as_str()));
        let Some(mut value) = keys.try_fold(value, |value, key| Some(value?.get_ref().get(key.as_str()))).flatten()
        else {
            return leaf.span.clone();
        };
        for segment in segments {
            let inner = match segment {
                Segment::Seq { index } => value.get_ref().get(*index),
                Segment::Map { key } => value.get_ref().get(key.as_str()),
                Segment::Enum { .. } | Segment::Unknown => None,
            };
            value = inner.unwrap_or(value);
        }
        value.span()
    }
}

/// A document being compared with the known keys.
struct Walk<'a> {
    newlines: Vec<usize>,
    known: &'a Known,
    /// The lines that are not TOML. What the parser made of them is a guess, and is passed over: the problem is
    /// shown already.
    broken: BTreeSet<usize>,
    leaves: Vec<Leaf>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    /// Sorts the entries of the table at `at` into settings and problems; their names begin with `prefix`.
    fn table(&mut self, at: &[String], prefix: &str, table: DeTable<'_>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let (key, path) = (key.span(), child(at, &name));
            let [first, last] = [key.start, value.span().end.max(key.end)].map(|at| self.line(at));
            let guess = self.broken.range(first.min(last)..=last).next().is_some();
            let free = self.known.kind(at) == Some(Kind::Open);
            let is_table = value.get_ref().is_table();
            match self.known.kind(&path) {
                Some(Kind::Table | Kind::Open) if is_table => {
                    if let DeValue::Table(inner) = value.into_inner() {
                        self.table(&path, "", inner);
                    }
                }
                // A name of the user's own may have dots, which are those of tables where it is not in quotes.
                None if free && is_table => {
                    if let DeValue::Table(inner) = value.into_inner() {
                        self.table(at, &format!("{name}."), inner);
                    }
                }
                _ if guess => {}
                Some(Kind::Value) if free || !is_table => self.take(path, key, value),
                None if free => self.take(path, key, value),
                Some(Kind::Value) => {
                    let title = format!("`{}` is a setting, not a table", dotted(&path));
                    self.problems.push(Problem::at(key, title, "expected a value, found a table"));
                }
                Some(Kind::Table | Kind::Open) => {
                    let title = format!("`{}` is a table, not a setting", dotted(&path));
                    let problem = Problem::at(value.span(), title, "expected a table, found a value");
                    self.problems.push(Problem { help: self.known.keys_of(&path), ..problem });
                }
                None => {
                    let (kind, label) = if is_table { ("table", "not a table here") } else { ("key", "not a setting") };
                    let problem = Problem::at(key, format!("unknown {kind} `{}`", dotted(&path)), label);
                    self.problems.push(Problem { help: self.known.advice(&path), ..problem });
                }
            }
        }
    }

    /// The line of a byte, counted from zero; [`line`] counts anew each time, which is too slow for every key.
    fn line(&self, byte: usize) -> usize {
        self.newlines.partition_point(|it| *it < byte)
    }

    fn take(&mut self, path: Path, key: Range<usize>, value: Spanned<DeValue<'_>>) {
        let span = value.span();
        match Value::deserialize(ValueDeserializer::from(value)) {
            Ok(value) => self.leaves.push(Leaf { path, key, value, span }),
            Err(_) => {
                let title = format!("bad value for `{}`", dotted(&path));
                self.problems.push(Problem::at(span, title, "this number is too large"));
            }
        }
    }
}
