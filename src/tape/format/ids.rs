//! The ids of symbols and venues, by their texts as they stand in a tape.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use super::columns::complain;
use super::fields::Fnv;
use crate::tick::{Names, Symbol, Venue, mix};

/// At most so many symbols are found without a look into the table of all.
const RECENT: usize = 1 << 10;

/// No text has the number zero.
const NONE: (u64, Symbol) = (0, Symbol(0));

/// The ids that one input has asked for, so that the tables of the run are asked once for each.
pub(super) struct Ids {
    symbols: Arc<Names>,
    venues: Arc<Names>,
    known: HashMap<Vec<u8>, Symbol, BuildHasherDefault<Fnv>>,
    /// Short symbols as numbers, each in the place that its number tells, where another may have taken it.
    recent: Vec<(u64, Symbol)>,
    known_venues: Vec<(Vec<u8>, Venue)>,
}

impl Ids {
    pub fn new(symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        Ids { symbols, venues, known: HashMap::default(), recent: vec![NONE], known_venues: Vec::new() }
    }

    /// The symbol of this text.
    #[inline]
    pub fn symbol(&mut self, text: &[u8]) -> Result<Symbol, String> {
        if text.len() >= 8 {
            return self.look_up(text);
        }
        // The one before it keeps texts of different lengths apart.
        let number = text.iter().fold(1, |number, byte| number << 8 | u64::from(*byte));
        let place = mix(number) as usize & (self.recent.len() - 1);
        if self.recent[place].0 != number {
            return self.remember(number, text);
        }
        Ok(self.recent[place].1)
    }

    fn remember(&mut self, number: u64, text: &[u8]) -> Result<Symbol, String> {
        let symbol = self.look_up(text)?;
        // An input of few symbols takes little: there may be thousands of such.
        let wanted = (2 * self.known.len()).next_power_of_two().min(RECENT);
        if self.recent.len() < wanted {
            self.recent = vec![NONE; wanted];
        }
        let place = mix(number) as usize & (self.recent.len() - 1);
        self.recent[place] = (number, symbol);
        Ok(symbol)
    }

    fn look_up(&mut self, text: &[u8]) -> Result<Symbol, String> {
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
