use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use bzip2_rs::DecoderReader;
use jiff::civil::Date;

use crate::error::{Doing as _, Error, Result};
use crate::random::Random;
use crate::tape::format::values;
use crate::tick::{Price, stable_hash};

/// What a day came to: the tape that is made of it has these prices and this volume, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The price of the opening auction.
    pub open: Price,
    /// The highest price.
    pub high: Price,
    /// The lowest price.
    pub low: Price,
    /// The price of the closing auction.
    pub close: Price,
    /// Shares.
    pub volume: u64,
}

/// Deviations of the logarithm of a price: overnight, and of the market and of a stock by itself within a day.
const OVERNIGHT: f64 = 0.006;
const MARKET: f64 = 0.008;
const OWN: f64 = 0.012;

/// How far the extremes of a day lie beyond its open and close, on average, in terms of a day's deviation.
const WICK: f64 = 0.4;

/// A stock whose days are made up, one after the other.
pub(super) struct MadeUp {
    random: Random,
    price: f64,
}

impl MadeUp {
    /// The stock of this name; it costs some 10 to 400.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut random = Random(stable_hash(format!("{seed}/{name}").as_bytes()));
        let price = 10.0 * libm::pow(40.0, random.fraction());
        MadeUp { random, price }
    }

    /// Its next day, of so many shares; `market` is how the market moves, in deviations.
    pub fn next_day(&mut self, market: f64, volume: u64) -> Bar {
        let mut normal = || self.random.student(f64::INFINITY);
        let open = self.price * libm::exp(OVERNIGHT * normal());
        let close = open * libm::exp(MARKET * market + OWN * normal());
        let mut wick = || libm::exp(WICK * (MARKET + OWN) * normal().abs());
        let high = open.max(close) * wick();
        let low = open.min(close) / wick();
        self.price = close;
        let [open, high, low, close] = [open, high, low, close].map(|price| {
            let tick = tick_of(price * Price::SCALE as f64);
            Price(((price * Price::SCALE as f64 / tick as f64).round() as i64).max(1) * tick)
        });
        Bar { open, high, low, close, volume }
    }
}

/// How the market moves on a day, in deviations.
pub(super) fn market_move(seed: u64, day: Date) -> f64 {
    Random(stable_hash(format!("{seed}/market/{day}").as_bytes())).student(f64::INFINITY)
}

/// The smallest step of a price, in units of [`Price`]: a cent, below 1 a hundredth of one (Rule 612).
pub(super) fn tick_of(price: f64) -> i64 {
    if price < Price::SCALE as f64 { Price::SCALE / 10_000 } else { Price::SCALE / 100 }
}

/// Reads the days of a table: `yyyymmdd,time,open,high,low,close,volume` without a header, packed by bzip2 if its name
/// ends in `.bz2`. Volumes are rounded to whole shares.
///
/// # Errors
/// When the table cannot be read, or a line is no day.
pub(super) fn read_daily(path: &Path) -> Result<Vec<(Date, Bar)>> {
    let doing = || format!("reading {}", path.display());
    let file = File::open(path).doing(doing)?;
    let is_packed = path.extension().is_some_and(|extension| extension == "bz2");
    let mut lines: Box<dyn std::io::BufRead> =
        if is_packed { Box::new(BufReader::new(DecoderReader::new(file))) } else { Box::new(BufReader::new(file)) };
    let (mut days, mut line, mut number) = (Vec::new(), String::new(), 0);
    while lines.read_line(&mut line).doing(doing)? > 0 {
        number += 1;
        let day = daily_bar(line.trim_end()).map_err(|why| {
            let expected = "a day is yyyymmdd,time,open,high,low,close,volume";
            Error::Input(format!("reading {}:{number}: {why}; {expected}", path.display()))
        })?;
        days.push(day);
        line.clear();
    }
    if !days.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(Error::Input(format!("reading {}: its days are not in order", path.display())));
    }
    Ok(days)
}

fn daily_bar(line: &str) -> std::result::Result<(Date, Bar), String> {
    let fields: Vec<&str> = line.split(',').collect();
    let [day, _, prices @ .., volume] = &fields[..] else { return Err("the line has too few fields".into()) };
    let day = Date::strptime("%Y%m%d", day).map_err(|_| format!("`{day}` is no day"))?;
    let prices: Vec<Price> = prices
        .iter()
        .map(|text| values::price(text.as_bytes()).map_err(|why| format!("the price `{text}` {why}")))
        .collect::<std::result::Result<_, _>>()?;
    let [open, high, low, close] = prices[..] else { return Err("the line has not four prices".into()) };
    if low.0 <= 0 || low > open.min(close) || high < open.max(close) {
        return Err(format!("open {open} and close {close} do not lie between {low} and {high}"));
    }
    // A price's parser reads nine places, which is far more than a volume's fractions have.
    let volume = volume.parse::<f64>().ok().filter(|volume| (0.0..=1e10).contains(volume));
    let volume = volume.ok_or("the volume is not a number from 0 to 10 billion")?.round() as u64;
    Ok((day, Bar { open, high, low, close, volume }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_table_is_a_day() {
        let (day, bar) = daily_bar("19980105,0,13.4916,13.7033,13.4691,13.5853,5332919.26400001").unwrap();
        assert_eq!(day.to_string(), "1998-01-05");
        let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.0);
        assert_eq!(prices, [13_491_600_000, 13_703_300_000, 13_469_100_000, 13_585_300_000]);
        assert_eq!(bar.volume, 5_332_919);
        for (line, told) in [
            ("19980105,0,1,2,1", "four prices"),
            ("1998-01-05,0,1,2,1,1,5", "is no day"),
            ("19980105,0,3,2,1,1,5", "do not lie between"),
            ("19980105,0,1,2,1,1,many", "the volume"),
        ] {
            assert!(daily_bar(line).unwrap_err().contains(told), "{line}");
        }
    }
}
