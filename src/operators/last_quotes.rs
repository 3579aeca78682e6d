use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::AsCollection;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use super::agenda::{Agenda, Held};
use super::context::{Context, Ticks, watermark_of};
use super::{Changes, Summary};
use crate::asof::Quote;
use crate::ledger::Ledger;
use crate::prefetch::prefetched;
use crate::standing::{Pending, Question};
use crate::tick::{Kind, Symbol, Tick};
use crate::time::EventTime;
use crate::window::{Tumbling, Window};

impl<'scope> Ticks<'scope> {
    /// The last quote of each symbol in each window of event time.
    ///
    /// As with trades, a window's row is inserted when the watermark passes its end, and a quote that came behind its
    /// partition's watermark amends it at the next multiple of `changes_every`. Quotes are late by their symbol's own
    /// quotes. Only quotes are taken here: hand it a stream of them, and a context of its own.
    ///
    /// ```
    /// use tapeflow::asof::Quote;
    /// use tapeflow::operators::{Changes, Summary, Ticks};
    /// use tapeflow::window::Tumbling;
    ///
    /// fn second_by_second(ticks: Ticks<'_>) -> Changes<'_, Summary<Quote>> {
    ///     ticks.last_quotes(Tumbling::new(1_000_000_000).expect("a second is longer than nothing"))
    /// }
    /// ```
    pub fn last_quotes(self, windows: Tumbling) -> Changes<'scope, Summary<Quote>> {
        self.context.closes_at(windows);
        let operator = Rc::new(RefCell::new(LastQuotes::new(self.context.clone(), windows)));
        self.context.tells(&operator, LastQuotes::told);
        let stream = self.stream.unary_frontier(Pipeline, "LastQuotes", move |capability, _| {
            drop(capability);
            let mut held = Held::default();
            move |(input, frontier), output| {
                let operator = &mut *operator.borrow_mut();
                input.for_each(|capability, parts| {
                    let Some(sent) = capability.least().copied() else { return };
                    parts.drain(..).for_each(|part| operator.take(part.ticks(), watermark_of(sent)));
                    held.hold(operator, &capability, output.output_index());
                });
                held.act(operator, frontier.frontier().first().copied(), output);
            }
        });
        stream.as_collection()
    }
}

/// What is kept of a symbol.
struct State {
    clock: EventTime,
    windows: BTreeMap<EventTime, Quote>,
    /// Its windows that wait for a quote to be applied, and how often each does.
    waiting: BTreeMap<EventTime, usize>,
}

struct LastQuotes {
    context: Context,
    windows: Tumbling,
    symbols: BTreeMap<Symbol, State>,
    /// The last quote of each window that is applied at a watermark.
    due: BTreeMap<u64, BTreeMap<(Symbol, EventTime), Quote>>,
    changes: Vec<(Summary<Quote>, u64, isize)>,
    ledger: Ledger,
}

impl LastQuotes {
    fn new(context: Context, windows: Tumbling) -> Self {
        let (symbols, due, changes, ledger) = Default::default();
        LastQuotes { context, windows, symbols, due, changes, ledger }
    }

    fn told(&self, _question: &Question) -> Pending {
        let open = self.due.iter().map(|(ms, quotes)| (*ms as i64, quotes.len()));
        Pending { name: "windows of quotes".into(), open: open.collect(), ..Pending::default() }
    }

    /// Takes quotes that were sent when the worker's watermark stood at `sent_ms`.
    fn take(&mut self, ticks: &[Tick], sent_ms: i64) {
        for tick in prefetched(ticks) {
            if tick.kind != Kind::Quote {
                self.ledger.ignored += 1;
                continue;
            }
            let new = || State { clock: EventTime::MIN, windows: BTreeMap::new(), waiting: BTreeMap::new() };
            let state = self.symbols.entry(tick.symbol).or_insert_with(new);
            if !self.ledger.takes(self.context.lateness.judge(&mut state.clock, tick.ts_event)) {
                continue;
            }
            let window = self.windows.window_of(tick.ts_event);
            let at = self.context.counts_at(tick, window.end_ms(), sent_ms);
            let quote = Quote::from(tick);
            let due = self.due.entry(at as u64).or_default();
            let waits = due.entry((tick.symbol, window.start)).or_insert_with(|| {
                *state.waiting.entry(window.start).or_default() += 1;
                quote
            });
            *waits = quote.max(*waits);
        }
        self.context.counters.count(ticks, self.ledger);
    }
}

impl Agenda for LastQuotes {
    type Row = Summary<Quote>;

    fn next(&self) -> Option<u64> {
        self.due.first_key_value().map(|(ms, _)| *ms)
    }

    /// Applies what is due at the watermark `ms`.
    fn act(&mut self, ms: u64) {
        for ((symbol, start), quote) in self.due.remove(&ms).unwrap_or_default() {
            let Some(state) = self.symbols.get_mut(&symbol) else { continue };
            if state.waiting.get_mut(&start).is_some_and(|n| (*n -= 1, *n == 0).1) {
                state.waiting.remove(&start);
            }
            let window = self.windows.window_of(start);
            let row = |value| Summary { window, symbol, place: 0, value };
            match state.windows.get(&start) {
                Some(last) if *last >= quote => {}
                last => {
                    self.changes.extend(last.map(|last| (row(*last), ms, -1)));
                    self.changes.push((row(quote), ms, 1));
                    state.windows.insert(start, quote);
                }
            }
            state.forget(&self.context, self.windows);
        }
    }

    fn changes(&mut self) -> &mut Vec<(Summary<Quote>, u64, isize)> {
        &mut self.changes
    }
}

impl State {
    /// Forgets the windows in which no quote waits, or can be accepted any more.
    fn forget(&mut self, context: &Context, windows: Tumbling) {
        let rules = &context.lateness;
        let accepted = rules.floor(self.clock).min(self.clock.saturating_sub(rules.disorder));
        let Window { start, .. } = windows.window_of(accepted);
        let kept = self.waiting.first_key_value().map_or(start, |(waits, _)| start.min(*waits));
        self.windows = self.windows.split_off(&kept);
    }
}
