//! The ids of symbols and venues, by their texts as they stand in a tape.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use super::columns::complain;
use super::fields::Fnv;
use crate::tick::{Names, Symbol, Venue};

/// The ids that one input has asked for, so that the tables of the run are asked once for each.
pub(super) struct Ids {
    symbols: Arc<Names>,
    venues: Arc<Names>,
    known: HashMap<Vec<u8>, Symbol, BuildHasherDefault<Fnv>>,
    known_venues: Vec<(Vec<u8>, Venue)>,
}

impl Ids {
    pub fn new(symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        Ids { symbols, venues, known: HashMap::default(), known_venues: Vec::new() }
    }

    /// The symbol of this text.
    pub fn symbol(&mut self, text: &[u8]) -> Result<Symbol, String> {
        if let Some(symbol) = self.known.get(text) {
            return Ok(*symbol);
        }
        if text.is_empty() {
            return Err("symbol is missing".into());
        }
        let name = name(text).map_err(|why| complain("symbol", text, why))?;
        let symbol = Symbol(self.symbols.intern(name));
        self.known.insert(name.as_bytes().to_vec(), symbol);
        Ok(symbol)
    }

    /// The venue of this text.
    pub fn venue(&mut self, text: &[u8]) -> Result<Venue, String> {
        if let Some((_, venue)) = self.known_venues.iter().find(|(known, _)| known == text) {
            return Ok(*venue);
        }
        let name = name(text).map_err(|why| complain("venue", text, why))?;
        // Venue 0 is "none given", so the table's ids are moved by one.
        let id = u16::try_from(self.venues.intern(name) + 1).map_err(|_| "there are more than 65,535 venues")?;
        self.known_venues.push((name.as_bytes().to_vec(), Venue(id)));
        Ok(Venue(id))
    }
}

/// A symbol's or venue's text: something that CSV and JSON lines carry without quoting.
fn name(text: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8")?;
    if text.len() > 64 {
        return Err("is longer than 64 bytes");
    }
    if text.contains(|c: char| c.is_control() || c == ',' || c == '"' || c == '\\') {
        return Err("holds a comma, a quote, a backslash or a control character");
    }
    Ok(text)
}
