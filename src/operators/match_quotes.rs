use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use differential_dataflow::AsCollection;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use super::agenda::{Agenda, Held};
use super::context::{Context, Ticks, watermark_of};
use super::settling::Settling;
use super::{Changes, Summary};
use crate::aggregate::{TradeList, Trades};
use crate::asof::{AsOf, Matched, Quote, SymbolTape};
use crate::ledger::Ledger;
use crate::standing::{Pending, Question};
use crate::tick::{Symbol, Tick};
use crate::time::EventTime;
use crate::window::{Tumbling, Window};

impl<'scope> Ticks<'scope> {
    /// Puts each trade beside the quote that held for it (an as-of join; trades without a quote stay).
    ///
    /// The rows of a window's trades are inserted when the watermark passes the window in which the markout's horizon
    /// ends. A trade that is cancelled, corrected or late, and a quote that is late, change the rows that look at them.
    /// Quotes are late by their symbol's own quotes, as trades are by its trades.
    ///
    /// ```
    /// use tapeflow::asof::{AsOf, Matched};
    /// use tapeflow::operators::{Changes, Ticks};
    /// use tapeflow::window::Tumbling;
    ///
    /// fn quoted_trades(ticks: Ticks<'_>) -> Changes<'_, Matched> {
    ///     let second = Tumbling::new(1_000_000_000).expect("a second is longer than nothing");
    ///     ticks.match_quotes(second, AsOf { strict: false, tolerance: None, markout: 1_000_000_000 })
    /// }
    /// ```
    pub fn match_quotes(self, windows: Tumbling, rule: AsOf) -> Changes<'scope, Matched> {
        let [quotes, trades] = self.split();
        let trades = trades.window_aggregate::<Trades>(windows);
        let operator = Rc::new(RefCell::new(MatchQuotes::new(quotes.context.clone(), windows, rule)));
        quotes.context.tells(&operator, MatchQuotes::told);
        let rows =
            quotes.stream.binary_frontier(trades.inner, Pipeline, Pipeline, "MatchQuotes", move |capability, _| {
                drop(capability);
                let mut held = Held::default();
                move |(quotes, quotes_frontier), (trades, trades_frontier), output| {
                    let operator = &mut *operator.borrow_mut();
                    quotes.for_each(|capability, parts| {
                        let Some(sent) = capability.least().copied() else { return };
                        parts.drain(..).for_each(|part| operator.take(part.ticks(), watermark_of(sent)));
                        held.hold(operator, &capability, output.output_index());
                    });
                    trades.for_each(|capability, changes| {
                        for change in changes.drain(..) {
                            operator.arrived.entry(change.1).or_default().0.push((change.0, change.2));
                        }
                        held.hold(operator, &capability, output.output_index());
                    });
                    let frontiers = [quotes_frontier.frontier(), trades_frontier.frontier()];
                    let passed = frontiers.iter().flat_map(|frontier| frontier.iter()).min().copied();
                    held.act(operator, passed, output);
                }
            });
        rows.as_collection()
    }
}

/// What arrives at a time: changed windows of trades, and quotes.
type Arrived = (Vec<(Summary<TradeList>, isize)>, Vec<(Symbol, Quote)>);

/// What is kept of a symbol.
struct State {
    tape: SymbolTape,
    /// The latest quote that was accepted.
    quote_clock: EventTime,
    /// The latest quote and trade that are on the tape.
    applied: [EventTime; 2],
    settling: Settling,
}

struct MatchQuotes {
    context: Context,
    windows: Tumbling,
    rule: AsOf,
    symbols: Vec<State>,
    arrived: BTreeMap<u64, Arrived>,
    /// The windows whose rows are first shown at a time.
    due: BTreeMap<u64, BTreeSet<(Symbol, EventTime)>>,
    changes: Vec<(Matched, u64, isize)>,
    ledger: Ledger,
}

impl MatchQuotes {
    fn new(context: Context, windows: Tumbling, rule: AsOf) -> Self {
        let (arrived, due) = Default::default();
        let (symbols, changes, ledger) = Default::default();
        MatchQuotes { context, windows, rule, symbols, arrived, due, changes, ledger }
    }

    fn told(&self, _question: &Question) -> Pending {
        let open = self.due.iter().map(|(ms, windows)| (*ms as i64, windows.len()));
        Pending {
            name: "windows of trades whose markouts are to come".into(),
            open: open.collect(),
            ..Pending::default()
        }
    }

    fn state(&mut self, symbol: Symbol) -> &mut State {
        let none = || State {
            tape: SymbolTape::default(),
            quote_clock: EventTime::MIN,
            applied: [EventTime::MIN; 2],
            settling: Settling::default(),
        };
        let at = symbol.0 as usize;
        if at >= self.symbols.len() {
            self.symbols.resize_with(at + 1, none);
        }
        &mut self.symbols[at]
    }

    /// Takes quotes that were sent when the worker's watermark stood at `sent_ms`. Those ahead of their partition's
    /// watermark count from the end of their window, others from the next time for amendments, as trades do.
    fn take(&mut self, quotes: &[Tick], sent_ms: i64) {
        let context = self.context.clone();
        for tick in quotes {
            let verdict = context.lateness.judge(&mut self.state(tick.symbol).quote_clock, tick.ts_event);
            if !self.ledger.takes(verdict) {
                continue;
            }
            let end = self.windows.window_of(tick.ts_event).end_ms();
            let at = context.counts_at(tick, end, sent_ms);
            self.arrived.entry(at as u64).or_default().1.push((tick.symbol, tick.into()));
        }
        context.counters.count(quotes, self.ledger);
    }

    /// The window of some trades' rows: it ends when their markouts are known.
    fn shown(&self, start: EventTime) -> Window {
        let last = self.windows.window_of(start).end - 1;
        Window { start, end: self.windows.window_of(last.saturating_add(self.rule.markout)).end }
    }

    fn tell(&mut self, windows: &BTreeSet<(Symbol, EventTime)>, ms: u64, diff: isize) {
        for (symbol, start) in windows {
            let window = self.shown(*start);
            let rows = self.symbols[symbol.0 as usize].tape.rows(*symbol, window, self.rule);
            self.changes.extend(rows.into_iter().map(|row| (row, ms, diff)));
        }
    }

    /// Forgets of a symbol what nothing can change any more, and nothing needs.
    fn forget(&mut self, symbol: Symbol, ms: u64) {
        let (context, windows, rule) = (self.context.clone(), self.windows, self.rule);
        let state = self.state(symbol);
        let settled = || {
            let [quotes, trades] = state.applied.map(|clock| context.lateness.settled_before(clock));
            let has_both = !state.applied.contains(&EventTime::MIN);
            has_both.then(|| quotes.saturating_sub(rule.markout).min(trades))
        };
        let Some(settled) = state.settling.at(ms, settled, &context) else { return };
        let mut tape = std::mem::take(&mut state.tape);
        tape.forget(settled, windows, |start| (self.shown(start).end_ms() as u64) <= ms);
        self.state(symbol).tape = tape;
    }
}

impl Agenda for MatchQuotes {
    type Row = Matched;

    fn next(&self) -> Option<u64> {
        let arrived = self.arrived.first_key_value().map(|(ms, _)| *ms);
        arrived.into_iter().chain(self.due.first_key_value().map(|(ms, _)| *ms)).min()
    }

    /// Does what is to happen at a time: trades and quotes that arrived, the rows that they change, and those that are
    /// first shown.
    fn act(&mut self, ms: u64) {
        let (trades, quotes) = self.arrived.remove(&ms).unwrap_or_default();
        let mut touched: BTreeSet<(Symbol, EventTime)> = BTreeSet::new();
        let mut lists: BTreeMap<(Symbol, EventTime), Vec<_>> = BTreeMap::new();
        for (list, diff) in trades {
            let place = (list.symbol, list.window.start);
            let of = self.state(list.symbol).tape.touched_by_trades(list.window.start);
            touched.extend(of.into_iter().map(|start| (list.symbol, start)));
            let new = lists.entry(place).or_default();
            if diff > 0 {
                *new = list.value.0;
            }
        }
        for (symbol, quote) in &quotes {
            let (windows, rule) = (self.windows, self.rule);
            let of = self.state(*symbol).tape.touched_by_quote(quote, windows, rule);
            touched.extend(of.into_iter().map(|start| (*symbol, start)));
        }
        touched.retain(|(_, start)| (self.shown(*start).end_ms() as u64) < ms);
        self.tell(&touched, ms, -1);

        let mut changed: BTreeSet<Symbol> = BTreeSet::new();
        let mut fresh = self.due.remove(&ms).unwrap_or_default();
        for ((symbol, start), list) in lists {
            let at = self.shown(start).end_ms() as u64;
            if at > ms {
                self.due.entry(at).or_default().insert((symbol, start));
            } else {
                fresh.insert((symbol, start));
            }
            let state = self.state(symbol);
            state.applied[1] = list.last().map_or(state.applied[1], |last| last.ts_event.max(state.applied[1]));
            state.tape.set_trades(start, list);
            changed.insert(symbol);
        }
        for (symbol, quote) in quotes {
            let state = self.state(symbol);
            state.applied[0] = state.applied[0].max(quote.ts_event);
            state.tape.add_quote(quote);
            changed.insert(symbol);
        }
        touched.append(&mut fresh);
        self.tell(&touched, ms, 1);
        differential_dataflow::consolidation::consolidate_updates(&mut self.changes);
        changed.into_iter().for_each(|symbol| self.forget(symbol, ms));
    }

    fn changes(&mut self) -> &mut Vec<(Matched, u64, isize)> {
        &mut self.changes
    }
}
