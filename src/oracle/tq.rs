use super::windows::tumbling;
use super::{Corrected, Expected, divide_half_even};
use crate::asof::{AsOf, Matched, Quote, Side};
use crate::row::Real;
use crate::tick::Price;
use crate::window::{Tumbling, Window};

/// Each surviving trade beside its quote, by two cursors that walk along the quotes of its symbol.
pub fn tq(tape: &Corrected, windows: &Tumbling, rule: &AsOf) -> Expected<Matched> {
    let mut rows = Vec::new();
    for (symbol, trades) in &tape.trades {
        let mut quotes: Vec<Quote> = tape.quotes.get(symbol).into_iter().flatten().map(Quote::from).collect();
        quotes.sort_by_key(|q| (q.ts_event, q.seq, q.bid, q.ask, q.bid_size, q.ask_size));
        let (mut now, mut later) = (Cursor::default(), Cursor::default());
        let (mut before, mut price, mut place) = (None, None, 0);
        for (at, trade) in trades.iter().enumerate() {
            if price != Some(trade.price) {
                (before, price) = (price, Some(trade.price));
            }
            place = if at > 0 && trades[at - 1].ts_event == trade.ts_event { place + 1 } else { 0 };
            let quote = now.at(&quotes, trade.ts_event, rule);
            let both = quote.and_then(sides_of);
            let both_later = later.at(&quotes, trade.ts_event.saturating_add(rule.markout), rule).and_then(sides_of);
            let twice = 2 * i128::from(trade.price.0);
            let side = match both {
                None => None,
                Some(both) if twice > both => Some(Side::Buy),
                Some(both) if twice < both => Some(Side::Sell),
                Some(_) => before.map(|before| if trade.price > before { Side::Buy } else { Side::Sell }),
            };
            let away = |distance: i128| if side == Some(Side::Sell) { -distance } else { distance };
            let moved = side.and(both_later).map(|later| away(later - twice));
            let window = tumbling(windows, trade.ts_event);
            let end = tumbling(windows, (window.end - 1).saturating_add(rule.markout)).end;
            rows.push(Matched {
                symbol: *symbol,
                trade: crate::aggregate::Trade {
                    ts_event: trade.ts_event,
                    seq: trade.seq,
                    price: trade.price,
                    size: trade.size,
                },
                place,
                window: Window { start: window.start, end },
                quote,
                mid: both.map(|both| Price(divide_half_even(both, 2) as i64)),
                side,
                spread_bp: both.map(|both| Real((20_000 * away(twice - both)) as f64 / both as f64)),
                markout_bp: both.zip(moved).map(|(both, moved)| Real((10_000 * moved) as f64 / both as f64)),
            });
        }
    }
    Expected { rows, ledger: Some(tape.ledger_with_quotes()) }
}

/// Bid and ask together, where both are above zero.
fn sides_of(quote: Quote) -> Option<i128> {
    let sides = [quote.bid, quote.ask].map(|price| i128::from(price.0));
    sides.iter().all(|side| *side > 0).then(|| sides.iter().sum())
}

/// How many quotes are not later than the last time asked for; times do not fall.
#[derive(Default)]
struct Cursor(usize);

impl Cursor {
    fn at(&mut self, quotes: &[Quote], ts: i64, rule: &AsOf) -> Option<Quote> {
        while quotes.get(self.0).is_some_and(|q| q.ts_event < ts || (q.ts_event == ts && !rule.strict)) {
            self.0 += 1;
        }
        let quote = *quotes.get(self.0.checked_sub(1)?)?;
        rule.tolerance.is_none_or(|tolerance| ts - quote.ts_event <= tolerance).then_some(quote)
    }
}
