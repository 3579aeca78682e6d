use serde::{Deserialize, Serialize};

use super::AsOf;
use crate::aggregate::{Trade, Value};
use crate::row::{Field, Key, Real, Row, Takes, Texts};
use crate::tick::{Price, Symbol, Tick};
use crate::time::EventTime;
use crate::window::Window;

/// A quote, ordered by its place among its symbol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quote {
    /// When it was made.
    pub ts_event: EventTime,
    /// The venue's sequence number.
    pub seq: u64,
    /// The best bid; zero where there is none.
    pub bid: Price,
    /// The best ask; zero where there is none.
    pub ask: Price,
    /// Shares that are bid for.
    pub bid_size: u32,
    /// Shares that are asked for.
    pub ask_size: u32,
}

impl From<&Tick> for Quote {
    fn from(tick: &Tick) -> Self {
        let Tick { ts_event, seq, price: bid, size: bid_size, ask_size, .. } = *tick;
        Quote { ts_event, seq, bid, ask: tick.ask(), bid_size, ask_size }
    }
}

impl Quote {
    /// Bid and ask together, twice the mid, where both are above zero.
    fn both(&self) -> Option<i128> {
        (self.bid.0 > 0 && self.ask.0 > 0).then(|| i128::from(self.bid.0) + i128::from(self.ask.0))
    }
}

impl Value for Quote {
    const NAME: &'static str = "quotes";
    const COLUMNS: &'static [&'static str] = &["ts_quote", "bid", "bid_size", "ask", "ask_size"];

    fn fields(&self, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Time(self.ts_event));
        for (price, size) in [(self.bid, self.bid_size), (self.ask, self.ask_size)] {
            give(Field::Price(Some(price).filter(|price| *price != Price(0))));
            give(Field::Count(size.into()));
        }
    }
}

/// Who wanted the trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// The buyer: above the mid, or at it after a lower price.
    Buy,
    /// The seller: below the mid, or at it after a higher price.
    Sell,
}

/// A trade beside the quote that held for it: a row of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Matched {
    /// Whose trade.
    pub symbol: Symbol,
    /// The trade.
    pub trade: Trade,
    /// Its place among the symbol's trades of the same time.
    pub place: u32,
    /// The window it lies in, up to when its markout is known.
    pub window: Window,
    /// The quote that held.
    pub quote: Option<Quote>,
    /// The middle of bid and ask, to 1e-9, half to even; none unless both are above zero.
    pub mid: Option<Price>,
    /// Who wanted it: against the mid, and at the mid by the last other price (tick test); none without a mid, or
    /// where there is no other price before.
    pub side: Option<Side>,
    /// The effective spread: twice the distance from the mid, in basis points of it; negative if it is on the better
    /// side.
    pub spread_bp: Option<Real>,
    /// By how much the mid had moved on from the trade's price by the markout's horizon, in the direction of the side,
    /// in basis points of the mid at the trade.
    pub markout_bp: Option<Real>,
}

impl Matched {
    /// A trade beside the quotes of its symbol. `before` is the last other price among the trades before it.
    pub fn new(
        symbol: Symbol,
        (trade, place): (Trade, u32),
        window: Window,
        quotes: &[Quote],
        rule: AsOf,
        before: impl FnOnce() -> Option<Price>,
    ) -> Self {
        let quote = rule.holding(quotes, trade.ts_event).copied();
        let both = quote.and_then(|quote| quote.both());
        let twice = 2 * i128::from(trade.price.0);
        let side = both.and_then(|both| match twice.cmp(&both) {
            std::cmp::Ordering::Greater => Some(Side::Buy),
            std::cmp::Ordering::Less => Some(Side::Sell),
            std::cmp::Ordering::Equal => {
                before().map(|before| if trade.price > before { Side::Buy } else { Side::Sell })
            }
        });
        let sign = if side == Some(Side::Sell) { -1 } else { 1 };
        let bp = |distance: i128, both: i128| Real((sign * distance * 10_000) as f64 / both as f64);
        let later = rule.holding(quotes, trade.ts_event.saturating_add(rule.markout)).and_then(Quote::both);
        let markout = both.zip(later).filter(|_| side.is_some());
        Matched {
            symbol,
            trade,
            place,
            window,
            quote,
            mid: both.map(|both| Price((both / 2 + both % 2 * (both / 2 % 2)) as i64)),
            side,
            spread_bp: both.map(|both| bp(2 * (twice - both), both)),
            markout_bp: markout.map(|(both, later)| bp(later - twice, both)),
        }
    }
}

impl Row for Matched {
    const NAME: &'static str = "tq";
    const TAKES: Takes = Takes::TradesAndQuotes;
    const KEY_COLUMNS: usize = 3;

    fn columns() -> Vec<&'static str> {
        let trade = ["ts_event", "symbol", "nth", "seq", "price", "size"];
        [&trade[..], Quote::COLUMNS, &["mid", "side", "spread_bp", "markout_bp"]].concat()
    }

    fn key(&self) -> Key {
        Key { place: self.place, ..Key::of(self.trade.ts_event, self.symbol) }
    }

    fn window(&self) -> Window {
        self.window
    }

    fn fields(&self, texts: &Texts, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Time(self.trade.ts_event));
        give(Field::Text(texts.symbol(self.symbol)));
        give(Field::Count(u64::from(self.place)));
        give(Field::Count(self.trade.seq));
        give(Field::Price(Some(self.trade.price)));
        give(Field::Count(u64::from(self.trade.size)));
        match &self.quote {
            None => Quote::COLUMNS.iter().for_each(|_| give(Field::Null)),
            Some(quote) => quote.fields(give),
        }
        give(Field::Price(self.mid));
        give(match self.side {
            None => Field::Null,
            Some(Side::Buy) => Field::Text("buy"),
            Some(Side::Sell) => Field::Text("sell"),
        });
        give(Field::Real(self.spread_bp));
        give(Field::Real(self.markout_bp));
    }
}
