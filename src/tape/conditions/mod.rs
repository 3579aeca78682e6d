//! Trade conditions: what a trade counts for that has some, by a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use super::format::{Record, Short, quotable};
use crate::error::lock;
use crate::tick::{Eligible, Kind};

/// So many texts are remembered with what they come to.
const REMEMBERED: usize = 1024;

/// So many codes that are in no table are named.
const EXAMPLES: usize = 5;

/// What each code lets a trade count for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(BTreeMap<String, Eligible>);

impl Table {
    /// A table that comes with tapeflow, if it is one: `cta` and `utp` have the consolidated processing guidelines of the
    /// plans for stocks that are listed on Nasdaq (UTP) and elsewhere (CTA), and `sip` has the codes of both. What they
    /// read differently, `B` and `R`, it reads as CTA does, which lets it count for less.
    ///
    /// Where a plan lets a trade be the last price in some cases, such as for the first one of the day, it is none here.
    pub fn named(name: &str) -> Option<Self> {
        let [cta, utp] = [include_str!("cta.csv"), include_str!("utp.csv")];
        let texts: &[&str] = match name {
            "cta" => &[cta],
            "utp" => &[utp],
            "sip" => &[utp, cta],
            _ => return None,
        };
        let codes = texts.iter().flat_map(|text| Table::parse(text).unwrap_or_default().0);
        Some(Table(codes.collect()))
    }

    /// Reads a table: CSV with the header `code,last,high_low,volume`, and `yes` or `no` under the latter three. Further
    /// columns are for people.
    ///
    /// # Errors
    /// Which line is wrong, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut table = Table::default();
        let lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
        for (at, (line, number)) in lines.filter(|(line, _)| !line.trim().is_empty()).enumerate() {
            let wrong = |why: &str| format!("line {number}, `{}`, {why}", quotable(line));
            let columns: Vec<&str> = line.split(',').map(|column| column.trim().trim_matches('"')).collect();
            let [code, last, high_low, volume, ..] = columns[..] else {
                return Err(wrong("is not code,last,high_low,volume"));
            };
            if at == 0 {
                if [code, last, high_low, volume] != ["code", "last", "high_low", "volume"] {
                    return Err(wrong("is not the header code,last,high_low,volume"));
                }
                continue;
            }
            let counts = |text: &str| match text {
                "yes" => Ok(true),
                "no" => Ok(false),
                _ => Err(wrong("says other than yes or no")),
            };
            let eligible = Eligible::new(counts(last)?, counts(high_low)?, counts(volume)?);
            if code.is_empty() || table.0.insert(code.into(), eligible).is_some() {
                return Err(wrong("names no code, or one again"));
            }
        }
        if table.0.is_empty() { Err("it names no code".into()) } else { Ok(table) }
    }

    /// What a trade with these conditions counts for, which is what each of them lets it. Codes stand apart (`@,T` or
    /// `F I`), or are of one character and stand together (`@FTI`), but for numbers (`37`), which are codes of others. One
    /// that is not in the table is handed to `unknown`, and takes nothing away.
    fn eligible(&self, conditions: &str, mut unknown: impl FnMut(&str)) -> Eligible {
        let mut eligible = Eligible::ALL;
        let mut heed = |code: &str| match self.0.get(code) {
            Some(of_code) => eligible = eligible.and(*of_code),
            None => unknown(code),
        };
        for word in conditions.split([',', ';', '|', ' ']).filter(|word| !word.is_empty()) {
            let characters = || word.char_indices().map(|(at, c)| &word[at..at + c.len_utf8()]);
            let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
            if !self.0.contains_key(word) && !is_number && characters().any(|code| self.0.contains_key(code)) {
                characters().for_each(&mut heed);
            } else {
                heed(word);
            }
        }
        eligible
    }
}

/// Trades and corrections with a code that is in no table; they count as if they did not have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// How many there were.
    pub records: u64,
    /// The first few codes.
    pub codes: BTreeSet<String>,
}

/// The conditions of a tape's trades, as one of its readers meets them. What is unknown is counted for all readers of a
/// run together. Without a table every trade counts for all.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    table: Option<Arc<Table>>,
    /// What texts came to before, and whether all of their codes are known.
    known: HashMap<Short, (Eligible, bool)>,
    unknown: Arc<Mutex<Unknown>>,
}

impl Conditions {
    /// Conditions by a table.
    pub fn new(table: Option<Arc<Table>>) -> Self {
        Conditions { table, ..Conditions::default() }
    }

    /// The same for whoever reads what is counted elsewhere.
    pub fn uncounted(&self) -> Self {
        Conditions::new(self.table.clone())
    }

    /// What was unknown so far.
    pub fn unknown(&self) -> Unknown {
        lock(&self.unknown).clone()
    }

    /// Counts what was unknown elsewhere.
    pub fn add_unknown(&self, Unknown { records, codes }: Unknown) {
        let mut counted = lock(&self.unknown);
        counted.records += records;
        counted.codes.extend(codes);
        while counted.codes.len() > EXAMPLES {
            counted.codes.pop_last();
        }
    }

    /// Notes in a record's tick what its conditions let it count for. As it is decoded, it counts for all.
    #[inline]
    pub(super) fn heed(&mut self, record: &mut Record) {
        if self.table.is_some() && !(record.tick.kind == Kind::Trade && record.conditions.is_empty()) {
            self.look_up(record);
        }
    }

    fn look_up(&mut self, record: &mut Record) {
        let Some(table) = &self.table else { return };
        let (kind, text) = (record.tick.kind, record.conditions);
        if !matches!(kind, Kind::Trade | Kind::Correct) {
            return;
        }
        if text.is_empty() {
            record.tick.eligible = Eligible::UNSAID;
            return;
        }
        if self.known.len() == REMEMBERED {
            self.known.clear();
        }
        let counted = &self.unknown;
        let (eligible, is_known) = *self.known.entry(text).or_insert_with(|| {
            let mut is_known = true;
            let eligible = table.eligible(text.as_str(), |code| {
                is_known = false;
                let codes = &mut lock(counted).codes;
                if codes.len() < EXAMPLES {
                    codes.insert(code.into());
                }
            });
            (eligible, is_known)
        });
        record.tick.eligible = eligible;
        if !is_known {
            lock(&self.unknown).records += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(table: &Table, conditions: &str) -> ([bool; 3], Vec<String>) {
        let mut unknown = Vec::new();
        let eligible = table.eligible(conditions, |code| unknown.push(code.to_owned()));
        ([eligible.last(), eligible.high_low(), eligible.volume()], unknown)
    }

    #[test]
    fn each_condition_takes_away_what_it_does_not_let_a_trade_count_for() {
        let sip = Table::named("sip").unwrap();
        let known = |conditions| {
            let (bits, unknown) = bits(&sip, conditions);
            assert!(unknown.is_empty(), "{conditions}: {unknown:?}");
            bits
        };
        assert_eq!(known("@"), [true; 3]);
        assert_eq!(known("O"), [true; 3]);
        assert_eq!(known("I"), [false, false, true]);
        assert_eq!(known("@,T"), [false, false, true]);
        assert_eq!(known("@F I"), [false, false, true]);
        assert_eq!(known("@ Z"), [false, true, true]);
        assert_eq!(known("9"), [true, true, false]);
        assert_eq!(known("Z;9"), [false, true, false]);
        assert_eq!(known("M"), [false; 3]);
        assert_eq!(bits(&sip, "@I?"), ([false, false, true], vec!["?".into()]));
        assert_eq!(bits(&sip, "late"), ([true; 3], vec!["late".into()]));
        assert_eq!(bits(&sip, "37,12"), ([true; 3], vec!["37".into(), "12".into()]));
    }

    #[test]
    fn the_plans_differ_where_they_do() {
        let table = |name| Table::named(name).unwrap();
        let [sip, cta, utp] = ["sip", "cta", "utp"].map(table);
        assert_eq!([&cta, &utp, &sip].map(|table| bits(table, "B").0[0]), [false, true, false]);
        assert_eq!([&cta, &utp, &sip].map(|table| bits(table, "R").0[1]), [false, true, false]);
        assert_eq!([&cta, &utp, &sip].map(|table| bits(table, "W").1.len()), [1, 0, 0]);
        let codes = |table: &Table| table.0.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(codes(&sip), &codes(&cta) | &codes(&utp));
        assert_eq!((cta.0.len(), utp.0.len()), (25, 31));
        assert_eq!(Table::named("nyse"), None);
    }

    #[test]
    fn a_table_of_words_is_read_and_a_wrong_one_is_told() {
        let text = "\u{feff}code,last,high_low,volume,name\n12,no,no,yes,form T\ncross, yes,yes,yes\n";
        let table = Table::parse(text).unwrap();
        assert_eq!(bits(&table, "12"), ([false, false, true], vec![]));
        assert_eq!(bits(&table, "cross|12"), ([false, false, true], vec![]));
        assert_eq!(bits(&table, "block"), ([true; 3], vec!["block".into()]));
        let head = "code,last,high_low,volume\n";
        for (wrong, told) in [
            (String::new(), "it names no code"),
            ("I,no,no,yes\n".into(), "line 1, `I,no,no,yes`, is not the header code,last,high_low,volume"),
            (format!("{head}I,no,no\n"), "line 2, `I,no,no`, is not code,last,high_low,volume"),
            (format!("{head}I,no,no,1\n"), "line 2, `I,no,no,1`, says other than yes or no"),
            (format!("{head}I,no,no,yes\nI,yes,no,yes\n"), "line 3, `I,yes,no,yes`, names no code, or one again"),
        ] {
            assert_eq!(Table::parse(&wrong), Err(told.into()));
        }
    }
}
