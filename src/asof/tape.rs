use std::collections::BTreeMap;

use super::{AsOf, Matched, Quote};
use crate::aggregate::Trade;
use crate::tick::{Price, Symbol};
use crate::time::EventTime;
use crate::window::{Tumbling, Window};

/// So many quotes are forgotten at a time.
const MANY: usize = 1_024;

/// The trades and quotes of one symbol, as far as they can still change or matter.
#[derive(Clone, Debug, Default)]
pub struct SymbolTape {
    windows: BTreeMap<EventTime, Vec<Trade>>,
    quotes: Vec<Quote>,
    /// The last price of the windows that are forgotten, and the last one before that was another.
    carried: [Option<Price>; 2],
}

impl SymbolTape {
    /// Makes `trades`, in their order, those of the window that starts at `start`.
    pub fn set_trades(&mut self, start: EventTime, trades: Vec<Trade>) {
        if trades.is_empty() {
            self.windows.remove(&start);
        } else {
            self.windows.insert(start, trades);
        }
    }

    /// Puts a quote into its place.
    pub fn add_quote(&mut self, quote: Quote) {
        let at = self.quotes.partition_point(|other| *other <= quote);
        self.quotes.insert(at, quote);
    }

    /// The windows whose trades' rows a change of the window at `start` can touch: itself, and those after it whose
    /// trades look back to it for another price.
    pub fn touched_by_trades(&self, start: EventTime) -> Vec<EventTime> {
        let mut touched = vec![start];
        for (start, trades) in self.windows.range(start.saturating_add(1)..) {
            touched.push(*start);
            if trades.iter().any(|trade| trade.price != trades[0].price) {
                break;
            }
        }
        touched
    }

    /// The windows whose trades' rows a quote can touch: from its time, less the markout's horizon, until the next
    /// quote.
    pub fn touched_by_quote(&self, quote: &Quote, windows: Tumbling, rule: AsOf) -> Vec<EventTime> {
        let next = self.quotes[self.quotes.partition_point(|other| other.ts_event <= quote.ts_event)..].first();
        let from = windows.window_of(quote.ts_event.saturating_sub(rule.markout)).start;
        let until = next.map_or(EventTime::MAX, |next| next.ts_event);
        self.windows.range(from..=until).map(|(start, _)| *start).collect()
    }

    /// The rows of the trades of one window.
    pub fn rows(&self, symbol: Symbol, window: Window, rule: AsOf) -> Vec<Matched> {
        let Some(trades) = self.windows.get(&window.start) else { return Vec::new() };
        let mut place = 0;
        let row = |at: usize| {
            let trade = trades[at];
            let is_same = at > 0 && trades[at - 1].ts_event == trade.ts_event;
            place = if is_same { place + 1 } else { 0 };
            Matched::new(symbol, (trade, place), window, &self.quotes, rule, || self.other_price(window.start, at))
        };
        (0..trades.len()).map(row).collect()
    }

    /// The last price before a trade, the `at`-th of its window, that is another.
    fn other_price(&self, start: EventTime, at: usize) -> Option<Price> {
        let price = self.windows[&start][at].price;
        let mut before = self.windows.range(..=start).rev().flat_map(|(_, trades)| trades.iter().rev());
        let skipped = self.windows[&start].len() - at;
        let other = before.by_ref().skip(skipped).map(|trade| trade.price).find(|other| *other != price);
        other.or_else(|| self.carried.into_iter().flatten().find(|other| *other != price))
    }

    /// Forgets the windows that end by `settled` and are `done`, and the quotes that only they looked at.
    pub fn forget(&mut self, settled: EventTime, windows: Tumbling, done: impl Fn(EventTime) -> bool) {
        while let Some(first) = self.windows.first_entry()
            && windows.window_of(*first.key()).end <= settled
            && done(*first.key())
        {
            for trade in first.remove() {
                let [last, _] = self.carried;
                if last != Some(trade.price) {
                    self.carried = [Some(trade.price), last];
                }
            }
        }
        let settled = windows.window_of(settled).start;
        let needed = self.windows.keys().next().map_or(settled, |first| settled.min(*first));
        let gone = self.quotes.partition_point(|quote| quote.ts_event < needed).saturating_sub(1);
        if gone >= MANY.max(self.quotes.len() / 2) {
            self.quotes.drain(..gone);
        }
    }
}
