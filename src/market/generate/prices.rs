use super::bars::{Bar, tick_of};
use super::shape::Shape;
use crate::calendar::Session;
use crate::random::Random;
use crate::tick::Price;
use crate::time::EventTime;

/// The tails of steps in price: Student's law of so many degrees of freedom, which ends in the inverse cubic law.
const FREEDOM: f64 = 3.5;

/// The deviation of Student's law: sqrt(3.5 / 1.5).
const STUDENT: f64 = 1.527_525_231_651_946_6;

/// The market's part in the variance of each stock's steps. What is held back at a day's high and low, the bounce and
/// the grid leave any two stocks correlated by some 0.2 to 0.3 over minutes.
const MARKETS_PART: f64 = 0.5;

/// The range of a Brownian motion over its deviation is 2 sqrt(ln 2) (Parkinson, Journal of Business 53, 1980).
const RANGE: f64 = 1.665_109_222_315_395_5;

/// The spread, as a part of the price, where it is more than a tick.
const SPREAD: f64 = 0.0003;

/// Steps of the market's path in a session: seconds, on a whole day.
const STEPS: usize = 23_400;

/// How the market moves through a session, in deviations of a whole one; all stocks of a day share it.
pub(in crate::market) struct MarketPath(Vec<f64>);

impl MarketPath {
    /// A path whose steps are as large as the session is busy.
    pub fn new(mut random: Random, shape: Shape) -> Self {
        let mut at = 0.0;
        let mut path = vec![at];
        for step in 0..STEPS {
            let busy = shape.activity((step as f64 + 0.5) / STEPS as f64);
            at += random.student(FREEDOM) / STUDENT * (busy / STEPS as f64).sqrt();
            path.push(at);
        }
        MarketPath(path)
    }

    fn at(&self, fraction: f64) -> f64 {
        let at = fraction.clamp(0.0, 1.0) * STEPS as f64;
        let step = (at as usize).min(STEPS - 1);
        self.0[step] + (self.0[step + 1] - self.0[step]) * (at - step as f64)
    }
}

/// What the market quotes when a trade happens, and the trade's price.
#[derive(Clone, Copy, Debug)]
pub(in crate::market) struct Quoted {
    /// The trade's price: the ask if a buyer wanted it, else the bid.
    pub price: Price,
    /// The best bid.
    pub bid: Price,
    /// The best ask.
    pub ask: Price,
}

/// Prices for trades at these times, of which `is_buy` says who wanted them. The first is the bar's open, the last its
/// close, and of at least four, one is its high, one its low, and none lies beyond; all others are on the grid.
///
/// Between the four the middle of the market wanders as Brownian bridges do: by steps of the stock's own at each trade,
/// so that busy times are volatile ones, and with the market.
pub(super) fn prices(
    random: &mut Random,
    session: Session,
    market: &MarketPath,
    bar: Bar,
    times: &[EventTime],
    is_buy: &mut [bool],
) -> Vec<Quoted> {
    let count = times.len();
    let (own, shared) = ((1.0 - MARKETS_PART).sqrt() / STUDENT / (count.max(1) as f64).sqrt(), MARKETS_PART.sqrt());
    let (open, length) = (session.open, session.length().max(1) as f64);
    let mut sum = 0.0;
    let mut path: Vec<f64> = Vec::with_capacity(count);
    path.extend(times.iter().map(|ts| {
        sum += random.student(FREEDOM) * own;
        sum + shared * market.at((ts - open) as f64 / length)
    }));

    let [open, high, low, close] = [bar.open, bar.high, bar.low, bar.close].map(|price| price.0 as f64);
    let deviation = (high - low) / RANGE;
    let mut pins = vec![(0, bar.open)];
    if count >= 4 {
        let (high_at, low_at) = extremes(random, count);
        (is_buy[high_at], is_buy[low_at]) = (true, false);
        pins.extend([(high_at, bar.high), (low_at, bar.low)]);
        pins.sort_unstable();
    }
    if count >= 2 {
        pins.push((count - 1, bar.close));
    }
    path.iter_mut().for_each(|at| *at *= deviation);
    let ends: Vec<f64> = pins.iter().map(|(at, _)| path[*at]).collect();
    for (pair, ends) in pins.windows(2).zip(ends.windows(2)) {
        let [(from, begin), (to, end)] = [pair[0], pair[1]];
        bridge(&mut path[from..to], ends[1], begin.0 as f64, end.0 as f64, (low, high));
    }
    if let Some(at) = path.last_mut() {
        *at = if count >= 2 { close } else { open };
    }

    let tick = tick_of(low);
    let spread = ((open * SPREAD / tick as f64).round() as i64).max(1) * tick;
    let middles = path.iter().zip(is_buy.iter());
    let mut quoted: Vec<Quoted> = middles
        .map(|(at, is_buy)| {
            let bid = ((at - spread as f64 / 2.0) / tick as f64).round() as i64 * tick;
            let price = if *is_buy { bid + spread } else { bid };
            around(Price(price.clamp(bar.low.0, bar.high.0)), *is_buy, tick, spread)
        })
        .collect();
    for (at, price) in pins {
        quoted[at] = around(price, is_buy[at], tick, spread);
    }
    quoted
}

/// The quotes at which a trade has this price.
fn around(price: Price, is_buy: bool, tick: i64, spread: i64) -> Quoted {
    let down = price.0.div_euclid(tick) * tick;
    let up = if down == price.0 { down } else { down + tick };
    let (bid, ask) = if is_buy { (up - spread, up) } else { (down, down + spread) };
    Quoted { price, bid: Price(bid.max(0)), ask: Price(ask) }
}

/// Which of `count` trades are the highest and the lowest: by the arcsine law, which holds for a Brownian motion's
/// extremes, but for the first and last moments of a session.
fn extremes(random: &mut Random, count: usize) -> (usize, usize) {
    let mut extreme = || {
        let sine = libm::sin(random.fraction() * std::f64::consts::FRAC_PI_2);
        1 + ((0.02 + 0.96 * sine * sine) * (count - 2) as f64) as usize
    };
    let (high, low) = (extreme(), extreme());
    if high != low {
        (high, low)
    } else if high > 1 {
        (high, high - 1)
    } else {
        (high, high + 1)
    }
}

/// Makes a walk one that begins with `begin` and goes on to `end`, which follows its last point and where the walk
/// itself would be at `next`; and that keeps between two bounds. At a bound it is held back, as by Skorokhod's map, so
/// that its other steps stay what they are but for a drift: mirrored there, it would move against the market.
fn bridge(walk: &mut [f64], mut next: f64, begin: f64, end: f64, (low, high): (f64, f64)) {
    let span = walk.len() as f64;
    for _ in 0..3 {
        let Some(first) = walk.first().copied() else { return };
        let drift = (end - begin - (next - first)) / span;
        let mut held = begin - first;
        for at in walk.iter_mut() {
            let free = *at + held;
            let kept = free.clamp(low, high);
            held += kept - free + drift;
            *at = kept;
        }
        next += held;
    }
    walk.iter_mut().for_each(|at| *at = at.clamp(low, high));
}
