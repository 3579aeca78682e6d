//! The dataset of the course "Parallel Python: Analyzing Large Datasets": minute bars of 21 stocks,
//! once as a CSV file a day and once as JSON lines. The prices are made up; only the form is the course's.

use std::fs::{self, File};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::decimal::write_signed;
use crate::error::{Doing, Error, Result};
use crate::random::Random;
use crate::tape::folder::{in_parallel, make_folder, write_whole, writing};
use crate::tick::stable_hash;

/// The course's symbols, and in whole currency units about what each cost when its tape begins.
pub const SYMBOLS: [(&str, i64); 21] = [
    ("aet", 33),
    ("afl", 46),
    ("aig", 30),
    ("al", 25),
    ("amgn", 57),
    ("avy", 37),
    ("b", 17),
    ("bwa", 34),
    ("ge", 15),
    ("hal", 31),
    ("hp", 41),
    ("hpq", 52),
    ("ibm", 131),
    ("jbl", 17),
    ("jpm", 43),
    ("luv", 11),
    ("met", 36),
    ("pcg", 45),
    ("tgt", 49),
    ("usb", 23),
    ("xom", 69),
];

/// The first day of the tape, a Monday.
const FIRST_DAY: Date = date(2010, 1, 4);

/// Days of a tape of scale 1.
const DAYS: f64 = 800.0;

/// The largest scale: more would be a typing error, or would not fit the disk.
const MAX_SCALE: f64 = 100.0;

/// The regular session: its first minute, counted from midnight, and its number of minutes.
const SESSION: (usize, usize) = (9 * 60 + 30, 390);

const HEADER: &[u8] = b"timestamp,open,close,high,low\n";
const JSON_KEYS: [&[u8]; 4] = [b"\", \"open\": ", b", \"close\": ", b", \"high\": ", b", \"low\": "];

/// A dataset to be written, in the two trees of the course:
///
/// - `OUT/minute/<symbol>/<day>T00:00:00.csv`, a file a day;
/// - `OUT/json/<symbol>.json`, one object a line, the same rows in time order.
///
/// A row is a minute of the regular session, 09:30 to 15:59 in naive local time, on weekdays from 2010-01-04.
/// At scale 1 that is 800 days: 6,552,000 rows in 16,821 files, together 968 MB (311 in `minute`, 657 in
/// `json`, for seed 42). A smaller scale has fewer days, and those are the first days of the larger one.
///
/// The bytes are a function of the seed and the scale alone. Every day of a symbol draws from its own
/// random sequence, and prices are integers, so neither threads nor machines matter.
#[derive(Clone, Debug)]
pub struct Course {
    out: PathBuf,
    days: usize,
    seed: u64,
    threads: NonZeroUsize,
}

/// What [`Course::write`] wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Files under `minute`.
    pub minute_files: u64,
    /// Files under `json`.
    pub json_files: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}

impl Course {
    /// A dataset to be written below the folder `out`, by at most `threads` threads.
    pub fn new(out: impl Into<PathBuf>, scale: f64, seed: u64, threads: NonZeroUsize) -> Result<Self> {
        if !(scale > 0.0 && scale <= MAX_SCALE) {
            return Err(Error::Usage(format!(
                "a scale of {scale} cannot be generated: give --scale a number above 0 and up to {MAX_SCALE}; \
                 1 is {DAYS} days or about 1 GB"
            )));
        }
        let days = (DAYS * scale).round().max(1.0) as usize;
        Ok(Course { out: out.into(), days, seed, threads })
    }

    /// The folder of the CSV files.
    pub fn minute_dir(&self) -> PathBuf {
        self.out.join("minute")
    }

    /// The folder of the JSON files.
    pub fn json_dir(&self) -> PathBuf {
        self.out.join("json")
    }

    /// How many CSV files there will be: how often [`Course::write`] calls `progress`.
    pub fn minute_files(&self) -> u64 {
        (self.days * SYMBOLS.len()) as u64
    }

    /// Writes both trees and calls `progress`, from any thread, after each day of each symbol.
    ///
    /// A tree that is there already is never written into: it is an error, and nothing is written.
    pub fn write(&self, progress: &(dyn Fn() + Sync)) -> Result<Written> {
        let bytes = write_whole(&[&self.minute_dir(), &self.json_dir()], || {
            in_parallel(self.threads, SYMBOLS.len(), |n, bytes| {
                let (symbol, price) = SYMBOLS[n];
                *bytes += self.write_symbol(symbol, price * 1000, progress)?;
                Ok(())
            })
        })?;
        let bytes = bytes.iter().sum();
        Ok(Written { minute_files: self.minute_files(), json_files: SYMBOLS.len() as u64, bytes })
    }

    /// Writes all files of one symbol, whose price at the beginning is given in thousandths; returns their bytes.
    fn write_symbol(&self, symbol: &str, mut price: i64, progress: &(dyn Fn() + Sync)) -> Result<u64> {
        let dir = self.minute_dir().join(symbol);
        make_folder(&dir)?;
        let json_path = self.json_dir().join(format!("{symbol}.json"));
        let mut json_file = File::create_new(&json_path).doing(|| writing(&json_path))?;

        let (mut csv, mut json, mut bytes) = (Vec::new(), Vec::new(), 0);
        for day in 0..self.days {
            let day = weekday(day).to_string();
            let bars = bars_of_day(Random(stable_hash(format!("{}/{symbol}/{day}", self.seed).as_bytes())), &mut price);
            csv.clear();
            json.clear();
            render(&day, &bars, &mut csv, &mut json);

            let csv_path = dir.join(format!("{day}T00:00:00.csv"));
            fs::write(&csv_path, &csv).doing(|| writing(&csv_path))?;
            json_file.write_all(&json).doing(|| writing(&json_path))?;
            bytes += (csv.len() + json.len()) as u64;
            progress();
        }
        Ok(bytes)
    }
}

/// A minute's open, close, high and low, in thousandths and in the order of the course's columns.
type Bar = [i64; 4];

/// A random walk through one day. It begins a night's move away from `price` and leaves there where it ended.
fn bars_of_day(mut random: Random, price: &mut i64) -> Vec<Bar> {
    let volatility = 400 + random.below(800) as i64;
    *price = walk(&mut random, *price, 8_000);
    let mut bar = || {
        let open = *price;
        let close = walk(&mut random, open, volatility);
        *price = close;
        let mut wick = || (walk(&mut random, open, volatility / 2) - open).abs();
        [open, close, open.max(close) + wick(), (open.min(close) - wick()).max(1)]
    };
    (0..SESSION.1).map(|_| bar()).collect()
}

/// Appends a day's rows to both forms.
fn render(day: &str, bars: &[Bar], csv: &mut Vec<u8>, json: &mut Vec<u8>) {
    csv.extend_from_slice(HEADER);
    for (minute, bar) in (SESSION.0..).zip(bars) {
        let start = csv.len();
        push_timestamp(csv, day, minute);
        json.extend_from_slice(b"{\"timestamp\": \"");
        json.extend_from_slice(&csv[start..]);
        for (key, price) in JSON_KEYS.iter().zip(bar) {
            csv.push(b',');
            let start = csv.len();
            push_price(csv, *price);
            json.extend_from_slice(key);
            json.extend_from_slice(&csv[start..]);
        }
        csv.push(b'\n');
        json.extend_from_slice(b"}\n");
    }
}

/// Appends `2013-08-05 09:30:00`, for the minute counted from midnight.
fn push_timestamp(out: &mut Vec<u8>, day: &str, minute: usize) {
    let digit = |n: usize| b'0' + (n % 10) as u8;
    let (hour, minute) = (minute / 60, minute % 60);
    out.extend_from_slice(day.as_bytes());
    out.extend_from_slice(&[b' ', digit(hour / 10), digit(hour), b':', digit(minute / 10), digit(minute)]);
    out.extend_from_slice(b":00");
}

/// Appends a price of thousandths as pandas prints it: the shortest decimal, with one digit behind the point at least.
fn push_price(out: &mut Vec<u8>, price: i64) {
    let digit = |n: i64| b'0' + (n % 10) as u8;
    let digits = [b'.', digit(price / 100), digit(price / 10), digit(price)];
    let shortest = if price % 10 != 0 {
        4
    } else if price % 100 != 0 {
        3
    } else {
        2
    };
    write_signed(price / 1000, out);
    out.extend_from_slice(&digits[..shortest]);
}

/// The `n`th weekday of the tape.
fn weekday(n: usize) -> Date {
    FIRST_DAY + ((n / 5 * 7 + n % 5) as i64).days()
}

/// A roughly normal step away from `price`, its deviation in millionths of the price; from 1 to 10,000 units.
fn walk(random: &mut Random, price: i64, deviation: i64) -> i64 {
    // Four uniform numbers of 16 bits, summed, are near enough to a bell: deviation 65536 / sqrt(3).
    let bits = random.next();
    let bell = (0..4).map(|part| (bits >> (16 * part) & 0xffff) as i64).sum::<i64>() - 2 * 0xffff;
    (price + price * bell / 37_837 * deviation / 1_000_000).clamp(1_000, 10_000_000)
}

#[cfg(test)]
mod tests;
