//! The ids of symbols and venues, by their texts as they stand in a tape.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use super::columns::complain;
use super::eight::Eight;
use super::fields::Fnv;
use crate::tick::{Names, Symbol, Venue};

/// At most so many symbols are found without a look into the table of all.
const RECENT: usize = 1 << 13;

/// So many venues are looked for one after the other, which for as few as tapes have takes less than hashing.
const FEW: usize = 32;

/// No text has the number zero.
const NONE: (u64, Symbol) = (0, Symbol(0));

/// The ids that one input has asked for, so that the tables of the run are asked once for each.
pub(super) struct Ids {
    symbols: Arc<Names>,
    venues: Arc<Names>,
    known: HashMap<Vec<u8>, Symbol, BuildHasherDefault<Fnv>>,
    /// Short symbols as numbers, each in the place that its number tells, where another may have taken it.
    recent: Vec<(u64, Symbol)>,
    /// Short venues as numbers.
    first_venues: Vec<(u64, Venue)>,
    more_venues: HashMap<Vec<u8>, Venue, BuildHasherDefault<Fnv>>,
}

impl Ids {
    pub fn new(symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        let (known, first_venues, more_venues) = Default::default();
        Ids { symbols, venues, known, recent: vec![NONE], first_venues, more_venues }
    }

    /// The symbol of this text.
    #[inline]
    pub fn symbol(&mut self, text: &[u8]) -> Result<Symbol, String> {
        self.leading_symbol(text, text.len())
    }

    /// The symbol that the first so many bytes of a text are.
    #[inline(always)]
    pub fn leading_symbol(&mut self, text: &[u8], len: usize) -> Result<Symbol, String> {
        if len >= 8 {
            return self.look_up(&text[..len]);
        }
        let number = number(text, len);
        let place = place(number, self.recent.len());
        if self.recent[place].0 != number {
            return self.remember(number, &text[..len]);
        }
        Ok(self.recent[place].1)
    }

    fn remember(&mut self, number: u64, text: &[u8]) -> Result<Symbol, String> {
        let symbol = self.look_up(text)?;
        // An input of few symbols takes little: there may be thousands of such.
        let wanted = (8 * self.known.len()).next_power_of_two().min(RECENT);
        if self.recent.len() < wanted {
            self.recent = vec![NONE; wanted];
        }
        let place = place(number, self.recent.len());
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
        self.leading_venue(text, text.len())
    }

    /// The venue that the first so many bytes of a text are.
    #[inline(always)]
    pub fn leading_venue(&mut self, text: &[u8], len: usize) -> Result<Venue, String> {
        let number = if len < 8 { number(text, len) } else { 0 };
        match self.first_venues.iter().find(|(known, _)| *known == number) {
            Some((_, venue)) => Ok(*venue),
            None => self.look_up_venue(number, &text[..len]),
        }
    }

    fn look_up_venue(&mut self, number: u64, text: &[u8]) -> Result<Venue, String> {
        if let Some(venue) = self.more_venues.get(text) {
            return Ok(*venue);
        }
        let name = name(text).map_err(|why| complain("venue", text, why))?;
        let most = usize::from(u16::MAX);
        if self.venues.len() >= most && !self.venues.has(name) {
            return Err("there are more than 65,535 venues".into());
        }
        // Venue 0 is "none given", so the table's ids are moved by one.
        let id = self.venues.intern(name) as u16 + 1;
        if number != 0 && self.first_venues.len() < FEW {
            self.first_venues.push((number, Venue(id)));
        } else {
            self.more_venues.insert(text.to_vec(), Venue(id));
        }
        Ok(Venue(id))
    }
}

/// A number for the first so many bytes of a text, which are fewer than eight.
#[inline(always)]
fn number(text: &[u8], len: usize) -> u64 {
    let few = || {
        let mut eight = [0; 8];
        eight[..len].copy_from_slice(&text[..len]);
        eight
    };
    Eight::of(text.first_chunk().copied().unwrap_or_else(few)).name(len)
}

/// Which of so many places a number is looked for in; they are a power of two.
#[inline(always)]
fn place(number: u64, places: usize) -> usize {
    // A bit of a product depends on none of the higher ones, so the last letters of a name are brought down first.
    ((number ^ number >> 24).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (places - 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_venues_are_looked_through_and_the_others_are_in_a_table() {
        let (symbols, venues): (Arc<Names>, Arc<Names>) = Default::default();
        let mut ids = Ids::new(symbols, venues.clone());
        let texts: Vec<String> = (0..2 * FEW).map(|n| format!("X{n}")).collect();
        for texts in [texts.clone(), texts.into_iter().rev().collect()] {
            for text in texts {
                let venue = ids.venue(text.as_bytes()).unwrap();
                assert_eq!(*venues.text(u32::from(venue.0) - 1), *text);
            }
            assert_eq!((ids.first_venues.len(), ids.more_venues.len(), venues.len()), (FEW, FEW, 2 * FEW));
        }
    }

    #[test]
    fn venues_that_are_too_many_are_not_kept() {
        let (symbols, venues): (Arc<Names>, Arc<Names>) = Default::default();
        let mut ids = Ids::new(symbols, venues.clone());
        let most = usize::from(u16::MAX);
        (0..most).for_each(|n| assert!(ids.venue(format!("X{n}").as_bytes()).is_ok()));
        assert!(["Y", "Z"].iter().all(|text| ids.venue(text.as_bytes()).is_err()));
        assert_eq!((venues.len(), ids.venue(b"X7")), (most, Ok(Venue(8))));
    }
}
