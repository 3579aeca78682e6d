//! Which keys there are. The defaults name every key, so the schema is read off them.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::problems::closest;

/// The way to a key: `["batch", "max_ticks"]`.
pub type Path = Vec<String>;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table with these and no other keys.
    Table,
    /// A table whose keys are the user's own.
    Open,
    /// A setting.
    Value,
}

/// All known paths.
#[derive(Clone, Debug, Default)]
pub struct Known(BTreeMap<Path, Kind>);

impl Known {
    /// The root, and the open tables with the tables around them.
    pub fn new(open: &[&str]) -> Self {
        let mut known = Known::default();
        known.0.insert(Path::new(), Kind::Table);
        for path in open.iter().map(|key| path(key)) {
            for end in 1..path.len() {
                known.0.entry(path[..end].to_vec()).or_insert(Kind::Table);
            }
            known.0.insert(path, Kind::Open);
        }
        known
    }

    /// Adds all that `table`, found at `at`, names.
    pub fn learn(&mut self, at: &[String], table: &DeTable<'_>) {
        for (key, value) in table {
            let path = child(at, key.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) if self.kind(at) != Some(Kind::Open) => {
                    self.0.entry(path.clone()).or_insert(Kind::Table);
                    self.learn(&path, inner);
                }
                _ => {
                    self.0.insert(path, Kind::Value);
                }
            }
        }
    }

    /// What stands at `path`, if it is known.
    pub fn kind(&self, path: &[String]) -> Option<Kind> {
        self.0.get(path).copied()
    }

    /// The tables at and below `path`.
    pub fn tables_under(&self, path: &[String]) -> impl Iterator<Item = &Path> {
        self.0.iter().filter(move |(it, kind)| it.starts_with(path) && **kind != Kind::Value).map(|(it, _)| it)
    }

    /// What the user of an unknown key may have meant, and what there is instead.
    pub fn advice(&self, path: &[String]) -> String {
        let (Some(word), at) = (path.last(), &path[..path.len().saturating_sub(1)]) else { return String::new() };
        let siblings: Vec<(&str, Kind)> = self
            .0
            .iter()
            .filter(|(it, _)| it.len() == path.len() && it.starts_with(at))
            .filter_map(|(it, kind)| Some((it.last()?.as_str(), *kind)))
            .collect();
        let names: Vec<&str> = siblings.iter().map(|(name, _)| *name).collect();
        let elsewhere = || self.0.keys().find(|it| it.last() == Some(word)).map(|it| dotted(it));
        let meant = closest(word, &names).map(str::to_owned).or_else(elsewhere);
        let meant = meant.map(|it| format!("did you mean `{it}`? ")).unwrap_or_default();
        if at.is_empty() {
            let show = |(name, kind): &(&str, Kind)| match kind {
                Kind::Value => (*name).to_owned(),
                Kind::Table | Kind::Open => format!("[{name}]"),
            };
            return format!("{meant}at the top level: {}", siblings.iter().map(show).collect::<Vec<_>>().join(", "));
        }
        format!("{meant}{}", self.keys_of(at))
    }

    /// `keys of [batch]: max_bytes, max_delay`.
    pub fn keys_of(&self, at: &[String]) -> String {
        let inside = self.0.keys().filter(|it| it.len() == at.len() + 1 && it.starts_with(at));
        let names: Vec<&str> = inside.filter_map(|it| Some(it.last()?.as_str())).collect();
        match (self.kind(at), names.is_empty()) {
            (Some(Kind::Open), _) => format!("the keys of [{}] are yours to choose", dotted(at)),
            (_, true) => format!("[{}] has no keys", dotted(at)),
            _ => format!("keys of [{}]: {}", dotted(at), names.join(", ")),
        }
    }
}

/// The path that a key with dots names.
pub fn path(key: &str) -> Path {
    key.split('.').map(str::to_owned).collect()
}

/// The path of `key` in the table at `at`.
pub fn child(at: &[String], key: &str) -> Path {
    at.iter().cloned().chain([key.to_owned()]).collect()
}

/// A path as TOML writes it, with quotes around what is no bare key.
pub fn dotted(path: &[String]) -> String {
    let bare = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let written = |part: &String| if bare(part) { part.clone() } else { quoted(part) };
    path.iter().map(written).collect::<Vec<_>>().join(".")
}

/// A text as TOML writes it, on one line whatever is in it.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
