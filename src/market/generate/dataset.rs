use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;

use super::bars::{self, Bar, MadeUp};
use super::halt::Halt;
use super::{Day, DayFeed, MarketPath, Mix, Shape, made_up_name, zipf};
use crate::calendar::{Session, trading_days};
use crate::error::{Doing as _, Error, Result};
use crate::random::Random;
use crate::row::Encoding;
use crate::tape::folder::{in_parallel, make_folder, write_whole, writing};
use crate::tape::format::Encoder;
use crate::tick::{Names, Symbol, stable_hash};
use crate::time::SECOND;

/// Lines are written to a file in pieces of about so many bytes.
const PIECE: usize = 1 << 18;

/// Shares of a made-up trade, on average.
const MEAN_SIZE: u64 = 100;

/// Which days are to be filled in.
#[derive(Clone, Debug)]
pub enum Recipe {
    /// Days that are made up, of stocks that are, too.
    MadeUp {
        /// How many stocks; the n-th is 1/n as busy as the first.
        symbols: u32,
        /// How many days of trading.
        days: usize,
        /// The first day, or the next on which the exchange trades.
        start: Date,
    },
    /// Days from a folder of tables `table_SYMBOL.csv.bz2`: `yyyymmdd,time,open,high,low,close,volume`.
    Daily {
        /// The folder.
        dir: PathBuf,
        /// Its first so many symbols by name.
        symbols: Option<u32>,
        /// Each symbol's days among the first so many of all.
        days: usize,
        /// The first day; else the first in any table.
        start: Option<Date>,
    },
}

/// A tape to be written: `OUT/SYMBOL/DAY.csv`, a file a symbol's day, in order of receipt.
///
/// The bytes are a function of the recipe, the seed, the number of trades and the mix alone.
pub struct Dataset {
    seed: u64,
    mix: Mix,
    stocks: Vec<Stock>,
    /// The sessions of all days, and how the market moves in each.
    days: BTreeMap<Date, (Session, MarketPath)>,
    /// Which stock's which day each file is.
    files: Vec<(usize, usize)>,
}

struct Stock {
    name: String,
    days: Vec<(Date, Bar, usize)>,
}

/// What [`Dataset::write`] wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Files.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Dataset {
    /// The tape of a recipe, with `trades_per_day` trades of each symbol a day, on average: busy symbols have more, and
    /// a half day fewer.
    ///
    /// # Errors
    /// When there is no day to fill in, or a table of daily bars cannot be read.
    pub fn new(recipe: &Recipe, seed: u64, trades_per_day: u64, mix: Mix) -> Result<Dataset> {
        if !(0.0..=1000.0).contains(&mix.quotes_per_trade) {
            return Err(Error::Usage("quotes per trade: give a number from 0 to 1000".into()));
        }
        if u64::from(mix.cancels) + u64::from(mix.corrections) > 10_000 {
            return Err(Error::Usage("cancels and corrections of 10,000 prints are 10,000 at most".into()));
        }
        let trades_per_day = trades_per_day.clamp(4, 1 << 30);
        let stocks = match recipe {
            Recipe::MadeUp { symbols, days, start } => made_up(seed, *symbols, *days, *start, trades_per_day)?,
            Recipe::Daily { dir, symbols, days, start } => {
                from_tables(&tables(dir, *symbols)?, *days, *start, trades_per_day)?
            }
        };
        let mut days = BTreeMap::new();
        let mut files = Vec::new();
        for (s, stock) in stocks.iter().enumerate() {
            for (d, (day, ..)) in stock.days.iter().enumerate() {
                files.push((s, d));
                if !days.contains_key(day) {
                    let random = Random(stable_hash(format!("{seed}/market path/{day}").as_bytes()));
                    days.insert(*day, (Session::of(*day)?, MarketPath::new(random, Shape::U)));
                }
            }
        }
        if files.is_empty() {
            return Err(Error::Usage("there is no day to fill in: give --days 1 or more, and another --start".into()));
        }
        Ok(Dataset { seed, mix, stocks, days, files })
    }

    /// How many files there will be: how often [`Dataset::write`] calls `progress`.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// The symbol, the day and the bar of a file.
    pub fn bar(&self, file: usize) -> (&str, Date, Bar) {
        let (stock, day) = self.files[file];
        let (date, bar, _) = self.stocks[stock].days[day];
        (&self.stocks[stock].name, date, bar)
    }

    /// What a file holds; its symbol and venues get ids in these tables.
    pub fn feed(&self, file: usize, symbols: &Names, venues: &Names) -> DayFeed {
        let (name, day, bar) = self.bar(file);
        let (session, market) = &self.days[&day];
        let (stock, nth) = self.files[file];
        let count = self.stocks[stock].days[nth].2;
        let mut random = Random(stable_hash(format!("{}/{name}/{day}", self.seed).as_bytes()));
        // Of random numbers of its own, so that all else of a day without a halt is as it was.
        let mut chance = Random(stable_hash(format!("{}/halt/{name}/{day}", self.seed).as_bytes()));
        let halt = Halt::of(&mut chance, self.mix.halts, *session);
        let day = Day { session: *session, shape: Shape::U, auctions: true, bar, count, market, halt };
        let prints = day.prints(&mut random);
        DayFeed::new(Symbol(symbols.intern(name)), DayFeed::venues(venues), &prints, halt, self.mix, &mut random)
    }

    /// Writes all files below `out`, which must be empty if it is there, and calls `progress`, from any thread, after
    /// each with its records.
    ///
    /// # Errors
    /// When the folder is in use, or the system cannot write.
    pub fn write(
        &self,
        out: &Path,
        encoding: Encoding,
        threads: NonZeroUsize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Written> {
        let write = |file: usize, sum: &mut Written| {
            let (name, day, _) = self.bar(file);
            let extension = if encoding == Encoding::Csv { "csv" } else { "jsonl" };
            let path = out.join(name).join(format!("{day}.{extension}"));
            let (records, bytes) = self.write_file(file, &path, encoding)?;
            *sum = Written { files: sum.files + 1, records: sum.records + records, bytes: sum.bytes + bytes };
            progress(records);
            Ok(())
        };
        let done = write_whole(&[out], || {
            let mut traded = self.stocks.iter().filter(|stock| !stock.days.is_empty());
            traded.try_for_each(|stock| make_folder(&out.join(&stock.name)))?;
            in_parallel(threads, self.files(), write)
        })?;
        Ok(done.into_iter().fold(Written::default(), |a, b| Written {
            files: a.files + b.files,
            records: a.records + b.records,
            bytes: a.bytes + b.bytes,
        }))
    }

    fn write_file(&self, file: usize, path: &Path, encoding: Encoding) -> Result<(u64, u64)> {
        let (symbols, venues) = (Arc::new(Names::default()), Arc::new(Names::default()));
        let feed = self.feed(file, &symbols, &venues);
        let mut encoder = Encoder::of_tape(encoding, symbols, venues);
        let mut to = File::create_new(path).doing(|| writing(path))?;
        let (mut lines, mut records, mut bytes) = (encoder.header().into_bytes(), 0, 0);
        for record in feed {
            encoder.encode(&record, &mut lines);
            records += 1;
            if lines.len() >= PIECE {
                to.write_all(&lines).doing(|| writing(path))?;
                bytes += lines.len() as u64;
                lines.clear();
            }
        }
        to.write_all(&lines).doing(|| writing(path))?;
        Ok((records, bytes + lines.len() as u64))
    }
}

fn made_up(seed: u64, symbols: u32, days: usize, start: Date, trades_per_day: u64) -> Result<Vec<Stock>> {
    let dates: Vec<Date> = trading_days(start).take(days).collect();
    let sessions = dates.iter().map(|day| Session::of(*day)).collect::<Result<Vec<_>>>()?;
    let whole = 390.0 * 60.0 * SECOND as f64;
    let shares = zipf(trades_per_day * u64::from(symbols), symbols).enumerate();
    Ok(shares
        .map(|(n, trades)| {
            let name = made_up_name(n as u32, symbols);
            let mut stock = MadeUp::new(seed, &name);
            let days = dates.iter().zip(&sessions).map(|(day, session)| {
                let count = (trades as f64 * session.length() as f64 / whole) as u64;
                let count = count.max(4);
                (*day, stock.next_day(bars::market_move(seed, *day), count * MEAN_SIZE), count as usize)
            });
            Stock { days: days.collect(), name }
        })
        .collect())
}

/// The tables of a folder, by symbol.
fn tables(dir: &Path, symbols: Option<u32>) -> Result<Vec<(String, PathBuf)>> {
    let doing = || format!("reading {}", dir.display());
    let mut tables = Vec::new();
    for entry in fs::read_dir(dir).doing(doing)? {
        let path = entry.doing(doing)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".csv.bz2").or(name.strip_suffix(".csv"));
        if let Some(symbol) = stem.and_then(|stem| stem.strip_prefix("table_")) {
            tables.push((symbol.to_owned(), path));
        }
    }
    tables.sort();
    tables.dedup_by(|a, b| a.0 == b.0);
    tables.truncate(symbols.map_or(usize::MAX, |symbols| symbols as usize));
    if tables.is_empty() {
        let text = "no file here is called like table_ibm.csv.bz2 or table_ibm.csv";
        return Err(Error::Usage(format!("reading {}: {text}", dir.display())));
    }
    Ok(tables)
}

/// Trades are in proportion to volume.
fn from_tables(tables: &[(String, PathBuf)], days: usize, start: Option<Date>, trades: u64) -> Result<Vec<Stock>> {
    let read = tables.iter().map(|(name, path)| Ok((name.clone(), bars::read_daily(path)?)));
    let read = read.collect::<Result<Vec<_>>>()?;
    let all = read.iter().flat_map(|(_, days)| days.iter().map(|(day, _)| *day));
    let chosen: std::collections::BTreeSet<Date> = all.filter(|day| start.is_none_or(|start| *day >= start)).collect();
    let Some(last) = chosen.iter().take(days).copied().max() else { return Ok(Vec::new()) };
    let is_chosen = |day: &Date| chosen.contains(day) && *day <= last;
    let volumes = read.iter().flat_map(|(_, days)| days).filter(|(day, _)| is_chosen(day)).map(|(_, bar)| bar.volume);
    let (sum, count) = volumes.fold((0u128, 0u128), |(sum, n), volume| (sum + u128::from(volume), n + 1));
    let trades_of = |bar: &Bar| {
        let share = u128::from(trades) * u128::from(bar.volume) * count / sum.max(1);
        // A print has a share at least, and four prints make a bar.
        (share.min(bar.volume.into()) as usize).clamp(4, 1 << 30)
    };
    Ok(read
        .into_iter()
        .map(|(name, days)| {
            let days = days.into_iter().filter(|(day, _)| is_chosen(day));
            Stock { name, days: days.map(|(day, bar)| (day, bar, trades_of(&bar))).collect() }
        })
        .collect())
}
