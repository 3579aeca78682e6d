//! Makes realistic tapes: trading as busy, clustered, heavy-tailed and correlated as it is on an exchange, of days
//! whose open, high, low, close and volume are given or made up. `docs/generator.md` shows what comes out.
//!
//! Each symbol's day draws from random numbers of its own, so that it is the same whoever makes it, on whatever
//! machine.

mod arrivals;
mod bars;
mod dataset;
mod halt;
mod prices;
mod shape;
mod signs;
mod sizes;
#[cfg(test)]
mod tests;
mod venues;

pub use bars::Bar;
pub use dataset::{Dataset, Recipe, Written};
pub use shape::Shape;
pub use venues::{DayFeed, Mix, VENUES};

pub(super) use prices::MarketPath;

use self::bars::MadeUp;
use self::halt::Halt;
use self::prices::Quoted;
use self::signs::Signs;
use crate::calendar::Session;
use crate::random::Random;
use crate::time::{EventTime, MS};

/// A trade before it has a venue and a sequence number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print {
    /// When it happened.
    pub ts_event: EventTime,
    /// Shares.
    pub size: u32,
    /// Whether a buyer wanted it.
    pub is_buy: bool,
    /// Its price, and the best quotes.
    pub quoted: Quoted,
}

/// What a symbol's tape of one session is made of.
#[derive(Clone, Copy)]
pub(super) struct Day<'a> {
    /// From bell to bell.
    pub session: Session,
    /// How busy it is when.
    pub shape: Shape,
    /// Whether it begins and ends with an auction.
    pub auctions: bool,
    /// Its prices and its volume.
    pub bar: Bar,
    /// How many trades there are.
    pub count: usize,
    /// How the market moves.
    pub market: &'a MarketPath,
    /// When trading stands still, if it does; it is within the session.
    pub halt: Option<Halt>,
}

impl Day<'_> {
    /// The trades, in order.
    pub fn prints(&self, random: &mut Random) -> Vec<Print> {
        let times = self.times(random);
        let mut signs = Signs::new(random);
        let mut is_buy: Vec<bool> = times.iter().map(|_| signs.next_is_buy(random)).collect();
        let quoted = prices::prices(random, self.session, self.market, self.bar, &times, &mut is_buy);
        let sizes = sizes::sizes(random, times.len(), self.bar.volume, self.auctions);
        let prints = times.into_iter().zip(is_buy).zip(quoted).zip(sizes);
        prints.map(|(((ts_event, is_buy), quoted), size)| Print { ts_event, size, is_buy, quoted }).collect()
    }

    /// The opening auction is over some milliseconds after the bell, before anything else; so is the closing one.
    fn times(&self, random: &mut Random) -> Vec<EventTime> {
        let mut auction = || 1 + random.below(200 * MS as u64) as i64;
        if !self.auctions || self.count < 2 {
            return arrivals::arrivals(random, self.session, self.shape, self.count);
        }
        let (opening, closing) = (self.session.open + auction(), self.session.close + auction());
        let paused = if self.halt.is_some() { halt::LENGTH } else { 0 };
        let between = Session { open: opening + 1, close: self.session.close - paused };
        let mut times = vec![opening];
        let arrivals = arrivals::arrivals(random, between, self.shape, self.count - 2);
        times.extend(arrivals.into_iter().map(|ts| self.halt.map_or(ts, |halt| halt.after(ts))));
        times.push(closing);
        times
    }
}

/// The name of the `n`th of so many made-up symbols.
pub(super) fn made_up_name(n: u32, symbols: u32) -> String {
    let width = symbols.saturating_sub(1).to_string().len().max(3);
    format!("S{n:0width$}")
}

/// How many of `total` events are each symbol's, by Zipf's law: the n-th is 1/n as busy as the first.
pub(super) fn zipf(total: u64, symbols: u32) -> impl Iterator<Item = u64> {
    let weights = (1..=symbols).map(|rank| 1.0 / f64::from(rank));
    let all: f64 = weights.clone().sum();
    let (mut sum, mut given) = (0.0, 0);
    weights.enumerate().map(move |(n, weight)| {
        sum += weight;
        let until = if n + 1 == symbols as usize { total } else { (total as f64 * (sum / all)).round() as u64 };
        let share = until.max(given) - given;
        given += share;
        share
    })
}

/// A made-up day of a made-up symbol on its own, as the tape in memory has it.
pub(super) fn made_up_bar(seed: u64, name: &str, volume: u64) -> Bar {
    MadeUp::new(seed, name).next_day(0.0, volume)
}
