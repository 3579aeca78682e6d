use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::LazyLock;

use super::Print;
use super::halt::{self, Halt};
use crate::random::Random;
use crate::tape::Part;
use crate::tape::format::{Record, Short};
use crate::tick::{Kind, Names, Price, Symbol, Tick, Venue};
use crate::time::{EventTime, SECOND};

/// Where shares are traded.
pub const VENUES: [&str; 4] = ["XNYS", "XNAS", "ARCX", "BATS"];

/// Of 100 trades and quotes, those up to each venue.
const SHARES: [u64; 4] = [35, 65, 85, 100];

/// How long it takes from each venue to where the tape is recorded, in nanoseconds.
const LAGS: [i64; 4] = [20_000, 60_000, 140_000, 300_000];

/// The mean delay of a cancel or correction.
const REGRET: f64 = 60.0 * SECOND as f64;

/// Nanoseconds on top of a venue's lag and shares of a quote: quantiles of lognormal laws.
static DELAYS: LazyLock<[i64; 256]> = LazyLock::new(|| lognormal(20_000.0, 1.0).map(|delay| delay as i64));
static LOTS: LazyLock<[u32; 256]> = LazyLock::new(|| lognormal(3.0, 1.0).map(|lots| lots.ceil() as u32 * 100));

fn lognormal(median: f64, deviation: f64) -> [f64; 256] {
    // The quantiles of a sample that is always the same.
    let mut random = Random(1);
    let mut normal: Vec<f64> = (0..256 * 64).map(|_| random.student(f64::INFINITY)).collect();
    normal.sort_by(f64::total_cmp);
    std::array::from_fn(|i| median * libm::exp(deviation * normal[i * 64 + 32]))
}

/// What is on a day's tape beside its trades.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// Quotes for each trade.
    pub quotes_per_trade: f64,
    /// Of 10,000 prints so many are sent twice by mistake, and the second one is cancelled later.
    pub cancels: u32,
    /// Of 10,000 prints so many are sent with a wrong price or size, and corrected later.
    pub corrections: u32,
    /// Of a symbol's days, those in which it is neither traded nor quoted for five minutes.
    pub halts: Part,
}

/// One symbol's day as it was received: trades, quotes, cancels and corrections of four venues. What holds in the end,
/// when all are heeded, has the day's open, high, low, close and volume.
pub struct DayFeed {
    symbol: Symbol,
    venues: [Venue; 4],
    /// What each venue sent, in its order, which is that of receipt too.
    sent: [VecDeque<Record>; 4],
    seqs: [u64; 4],
    received: [EventTime; 4],
    /// The standing quotes, bid and ask.
    quotes: [Option<(Price, Price)>; 4],
    /// Cancels and corrections to come, by time.
    regrets: BinaryHeap<Reverse<Regret>>,
    halt: Option<Halt>,
}

/// A print that was wrong: its venue and number, and what is said of it when it is noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Regret {
    ts_event: EventTime,
    venue: usize,
    ref_seq: u64,
    /// The right price and size, in a correction.
    right: Option<(Price, u32)>,
}

impl DayFeed {
    /// The venues' ids in this table.
    pub fn venues(names: &Names) -> [Venue; 4] {
        // Venue 0 is "none given", so the table's ids are moved by one.
        VENUES.map(|venue| Venue(names.intern(venue) as u16 + 1))
    }

    pub(super) fn new(
        symbol: Symbol,
        venues: [Venue; 4],
        prints: &[Print],
        halt: Option<Halt>,
        mix: Mix,
        random: &mut Random,
    ) -> Self {
        let mut feed = DayFeed {
            symbol,
            venues,
            sent: Default::default(),
            seqs: [0; 4],
            received: [EventTime::MIN; 4],
            quotes: [None; 4],
            regrets: BinaryHeap::new(),
            halt,
        };
        let (mut owed, mut before) = (0.0, prints.first().copied());
        for (i, print) in prints.iter().enumerate() {
            let is_auction = i == 0 || i + 1 == prints.len();
            let venue = if is_auction { 0 } else { pick(random) };
            owed += mix.quotes_per_trade;
            if let Some(before) = before
                && owed >= 1.0
            {
                let count = owed as u64;
                owed -= count as f64;
                feed.quote(before, print, venue, count, random);
            }
            feed.regret_until(print.ts_event, random);
            feed.print(i, print, venue, is_auction, mix, random);
            before = Some(*print);
        }
        feed.regret_until(EventTime::MAX, random);
        feed
    }

    /// The quotes on the way from one print to the next, of which the last is that of the next one's venue.
    fn quote(&mut self, before: Print, print: &Print, venue: usize, count: u64, random: &mut Random) {
        let (from, to) = (before.quoted, print.quoted);
        let halt = self.halt.filter(|halt| halt.is_between(before.ts_event, print.ts_event));
        let paused = if halt.is_some() { halt::LENGTH } else { 0 };
        let span = (print.ts_event - before.ts_event - paused) as u64;
        let rises = to.bid > from.bid;
        for n in 0..count {
            let ts = before.ts_event + (span * n / count + random.below(span / count + 1)) as i64;
            let ts = halt.map_or(ts, |halt| halt.after(ts)).min(print.ts_event);
            self.regret_until(ts, random);
            let is_last = n + 1 == count;
            let best = if is_last || random.below(count) < n { to } else { from };
            // A venue whose quote has become a gift moves first.
            let is_stale = |quote: &Option<(Price, Price)>| {
                quote.is_some_and(|(bid, ask)| bid >= best.ask || (ask <= best.bid && ask.0 > 0))
            };
            let stale = self.quotes.iter().position(is_stale);
            let who = if is_last { venue } else { stale.unwrap_or_else(|| pick(random)) };
            let dice = random.next();
            // Other venues than the best are up to two ticks away.
            let away = |dice: u64| match dice & 63 {
                _ if is_last => 0,
                0..48 => 0,
                48..61 => 1,
                _ => 2,
            };
            let tick = super::bars::tick_of(best.ask.0 as f64);
            let bid = Price((best.bid.0 - away(dice) * tick).max(0));
            let ask = Price(best.ask.0 + away(dice >> 6) * tick);
            let lots = [LOTS[(dice >> 12 & 255) as usize], LOTS[(dice >> 20 & 255) as usize]];
            // The side that is thin moves next, more often than not.
            let (thin, thick) = (lots[0].min(lots[1]), lots[0].max(lots[1]));
            let sizes = match (from.bid == to.bid || dice >> 28 & 3 == 0, rises) {
                (true, _) => lots,
                (_, true) => [thick, thin],
                (_, false) => [thin, thick],
            };
            self.quotes[who] = Some((bid, ask));
            let seq = self.next_seq(who);
            let mut tick = self.tick(Kind::Quote, ts, seq, bid, if bid.0 > 0 { sizes[0] } else { 0 }, who);
            tick.set_ask(ask);
            tick.ask_size = sizes[1];
            self.send(tick, who, Short::default(), Short::default(), dice >> 32);
        }
    }

    fn print(&mut self, i: usize, print: &Print, venue: usize, is_auction: bool, mix: Mix, random: &mut Random) {
        let dice = random.next();
        let said = dice % 10_000;
        let is_wrong = !is_auction && said < u64::from(mix.corrections);
        let is_doubled = !is_auction && !is_wrong && said < u64::from(mix.corrections) + u64::from(mix.cancels);
        let (price, size) = (print.quoted.price, print.size);
        // A wrong price is one percent away, a wrong size has a digit too many.
        let (said_price, said_size) = match is_wrong {
            true if random.below(2) == 0 => (Price((price.0 / 100 * 101).max(1)), size),
            true => (price, size.saturating_mul(10)),
            false => (price, size),
        };
        let side = Short::new(if print.is_buy { b"B" } else { b"S" }).unwrap_or_default();
        let conditions = match (is_auction, i) {
            (false, _) => Short::default(),
            // Of the consolidated tape: a market centre's opening and closing trade.
            (true, 0) => Short::new(b"O").unwrap_or_default(),
            (true, _) => Short::new(b"6").unwrap_or_default(),
        };
        let seq = self.next_seq(venue);
        let tick = self.tick(Kind::Trade, print.ts_event, seq, said_price, said_size, venue);
        self.send(tick, venue, side, conditions, dice >> 32);
        if is_wrong {
            let ts_event = print.ts_event + 1 + (random.exponential() * REGRET) as i64;
            self.regrets.push(Reverse(Regret { ts_event, venue, ref_seq: seq, right: Some((price, size)) }));
        }
        if is_doubled {
            let seq = self.next_seq(venue);
            let tick = self.tick(Kind::Trade, print.ts_event, seq, price, size, venue);
            self.send(tick, venue, side, conditions, dice >> 40);
            let ts_event = print.ts_event + 1 + (random.exponential() * REGRET) as i64;
            self.regrets.push(Reverse(Regret { ts_event, venue, ref_seq: seq, right: None }));
        }
    }

    /// Sends the cancels and corrections that come up to `ts`.
    fn regret_until(&mut self, ts: EventTime, random: &mut Random) {
        while let Some(Reverse(regret)) = self.regrets.peek().copied()
            && regret.ts_event <= ts
        {
            self.regrets.pop();
            let (kind, (price, size)) = match regret.right {
                Some(right) => (Kind::Correct, right),
                None => (Kind::Cancel, (Price(0), 0)),
            };
            let seq = self.next_seq(regret.venue);
            let mut tick = self.tick(kind, regret.ts_event, seq, price, size, regret.venue);
            tick.ref_seq = regret.ref_seq;
            self.send(tick, regret.venue, Short::default(), Short::default(), random.next());
        }
    }

    fn next_seq(&mut self, venue: usize) -> u64 {
        self.seqs[venue] += 1;
        self.seqs[venue]
    }

    fn tick(&self, kind: Kind, ts_event: EventTime, seq: u64, price: Price, size: u32, venue: usize) -> Tick {
        Tick { kind, venue: self.venues[venue], ..Tick::trade(self.symbol, ts_event, seq, price, size) }
    }

    /// A venue's messages are received in its order, after its lag and some more.
    fn send(&mut self, mut tick: Tick, venue: usize, side: Short, conditions: Short, dice: u64) {
        let lag = LAGS[venue] + DELAYS[(dice & 255) as usize];
        let ts_recv = self.received[venue].max(tick.ts_event + lag);
        self.received[venue] = ts_recv;
        tick.set_received(ts_recv);
        let record = Record { ts_recv: Some(ts_recv), side, conditions, ..Record::from(tick) };
        self.sent[venue].push_back(record);
    }
}

/// What was received, in this order.
impl Iterator for DayFeed {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let heads = self.sent.iter().enumerate();
        let next = heads.filter_map(|(venue, sent)| sent.front().map(|head| (head.ts_recv, venue))).min();
        next.and_then(|(_, venue)| self.sent[venue].pop_front())
    }
}

fn pick(random: &mut Random) -> usize {
    let at = random.below(100);
    SHARES.iter().position(|until| at < *until).unwrap_or(0)
}
