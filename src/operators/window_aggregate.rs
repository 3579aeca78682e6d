use std::collections::BTreeMap;

use differential_dataflow::AsCollection;
use differential_dataflow::consolidation::consolidate_updates;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use super::Changes;
use super::context::{Context, Ticks, watermark_of};
use super::symbol_state::{About, Slice, SymbolState};
use crate::aggregate::{Aggregate, Print, Value};
use crate::lateness::{Horizon, Verdict};
use crate::ledger::Ledger;
use crate::prints::{Story, Word};
use crate::row::{Field, Key, Row, Texts};
use crate::tick::{Kind, Symbol, Tick};
use crate::time::MS;
use crate::window::{Tumbling, Window};

/// What one window of one symbol comes to: a row `symbol, ts_open, ts_close` and the value's columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Summary<V> {
    /// The window.
    pub window: Window,
    /// The symbol.
    pub symbol: Symbol,
    /// What its prints come to.
    pub value: V,
}

impl<V: Value> Row for Summary<V> {
    const NAME: &'static str = V::NAME;
    const KEY_COLUMNS: usize = 3;

    fn columns() -> Vec<&'static str> {
        ["symbol", "ts_open", "ts_close"].iter().chain(V::COLUMNS).copied().collect()
    }

    fn key(&self) -> Key {
        Key::of(self.window.start, self.symbol)
    }

    fn window(&self) -> Window {
        self.window
    }

    fn fields(&self, texts: &Texts, give: &mut dyn FnMut(Field<'_>)) {
        give(Field::Text(texts.symbol(self.symbol)));
        give(Field::Time(self.window.start));
        give(Field::Time(self.window.end));
        self.value.fields(give);
    }
}

impl<'scope> Ticks<'scope> {
    /// Aggregates the trades of each symbol by windows of event time.
    ///
    /// A window's row is inserted when the watermark of all inputs passes its end. It holds the prints that came
    /// ahead of their own partition's watermark; whatever comes behind that, late or not, and every cancel and
    /// correction, amends its window at the next multiple of `changes_every`: the old row is retracted and the
    /// new one inserted. Which ticks are too late, each symbol's own order says.
    ///
    /// ```
    /// use tapeflow::aggregate::Ohlcv;
    /// use tapeflow::operators::{Changes, Summary, Ticks};
    /// use tapeflow::window::Tumbling;
    ///
    /// fn minute_bars(ticks: Ticks<'_>) -> Changes<'_, Summary<tapeflow::aggregate::Bar>> {
    ///     let minute = Tumbling::new(60_000_000_000).expect("a minute is longer than nothing");
    ///     ticks.window_aggregate::<Ohlcv>(minute)
    /// }
    /// ```
    pub fn window_aggregate<A: Aggregate>(self, windows: Tumbling) -> Changes<'scope, Summary<A::Value>> {
        let context = self.context;
        context.closes_at(windows);
        let stream = self.stream.unary_frontier(Pipeline, "WindowAggregate", |capability, _| {
            drop(capability);
            let mut operator = WindowAggregate::<A>::new(context, windows);
            let mut held: Option<Capability<u64>> = None;
            move |(input, frontier), output| {
                input.for_each(|capability, ticks| {
                    let Some(sent) = capability.least().copied() else { return };
                    operator.take(ticks, watermark_of(sent));
                    ticks.clear();
                    if let Some(next) = operator.next_ms()
                        && held.as_ref().is_none_or(|held| next < *held.time())
                    {
                        held = Some(capability.delayed(&next, output.output_index()));
                    }
                });
                let passed = frontier.frontier().first().map_or(i64::MAX, |stamp| watermark_of(*stamp));
                while let Some(next) = operator.next_ms().filter(|next| *next as i64 <= passed)
                    && let Some(held) = &mut held
                {
                    held.downgrade(&next);
                    operator.act(next as i64);
                    output.session(held).give_iterator(operator.changes.drain(..));
                }
                match (operator.next_ms(), &mut held) {
                    (Some(next), Some(held)) => held.downgrade(&next),
                    _ => held = None,
                }
                operator.passed = operator.passed.max(passed);
                if passed == i64::MAX {
                    operator.end();
                }
            }
        });
        stream.as_collection()
    }
}

/// The operator's state: all symbols of this worker, and what is to happen at which watermark.
struct WindowAggregate<A: Aggregate> {
    context: Context,
    windows: Tumbling,
    keeps_prints: bool,
    symbols: Vec<SymbolState<A>>,
    /// Which symbols have a window that ends at a watermark.
    closes: BTreeMap<i64, Vec<Symbol>>,
    /// Ticks that are applied at a watermark, with their verdicts.
    amendments: BTreeMap<i64, Vec<(Tick, Verdict)>>,
    /// The watermark up to which everything has happened.
    passed: i64,
    changes: Vec<(Summary<A::Value>, u64, isize)>,
    ledger: Ledger,
    spare: Vec<Vec<Symbol>>,
}

impl<A: Aggregate> WindowAggregate<A> {
    fn new(context: Context, windows: Tumbling) -> Self {
        WindowAggregate {
            keeps_prints: context.lateness.horizon != Horizon::None,
            context,
            windows,
            symbols: Vec::new(),
            closes: BTreeMap::new(),
            amendments: BTreeMap::new(),
            passed: 0,
            changes: Vec::new(),
            ledger: Ledger::default(),
            spare: Vec::new(),
        }
    }

    /// The next watermark at which something is to happen.
    fn next_ms(&self) -> Option<u64> {
        let closes = self.closes.first_key_value().map(|(ms, _)| *ms);
        let amends = self.amendments.first_key_value().map(|(ms, _)| *ms);
        closes.into_iter().chain(amends).min().map(|ms| ms as u64)
    }

    /// Takes ticks that were sent when the worker's watermark stood at `sent_ms`.
    fn take(&mut self, ticks: &[Tick], sent_ms: i64) {
        let sent = sent_ms.saturating_mul(MS);
        for tick in ticks {
            let symbol = tick.symbol.0 as usize;
            if symbol >= self.symbols.len() {
                self.symbols.resize_with(symbol + 1, SymbolState::new);
            }
            if tick.kind == Kind::Quote {
                self.ledger.ignored += 1;
                continue;
            }
            let state = &mut self.symbols[symbol];
            let verdict = self.context.lateness.judge(&mut state.clock, tick.ts_event);
            if verdict == Verdict::Late {
                self.ledger.late += 1;
                continue;
            }
            let is_ahead = tick.watermark_lead_ms <= 0 && tick.ts_event >= sent;
            let print = print_of(tick);
            let is_plain = is_ahead
                && verdict == Verdict::OnTime
                && tick.kind == Kind::Trade
                && (!self.keeps_prints || state.keep_if_new(tick, print, &self.context.lateness));
            if !is_plain {
                self.take_slowly(*tick, verdict, is_ahead, sent_ms);
                continue;
            }
            self.ledger.on_time += 1;
            if state.newest.window.contains(print.ts_event) && !state.newest.emitted {
                state.newest.state.add(&print);
            } else {
                self.add(tick.symbol, &print);
            }
        }
        let counters = &self.context.counters;
        counters.applied.set(counters.applied.get() + ticks.len() as u64);
        counters.ledger.set(self.ledger);
    }

    /// Takes a tick that came behind its partition's watermark, or may be about a print that is known. It is
    /// applied at once if nothing that it touches was, or will be, emitted without it; else at the next time for
    /// amendments after its partition's watermark. The tape alone decides which.
    fn take_slowly(&mut self, tick: Tick, verdict: Verdict, is_ahead: bool, sent_ms: i64) {
        let about = self.about(&tick);
        let known = about.as_ref().and_then(|about| about.trade).map(|print| print.ts_event);
        let own = (tick.kind == Kind::Trade).then_some(tick.ts_event);
        let first_end = own.into_iter().chain(known).map(|ts| self.windows.window_of(ts).end_ms()).min();
        let at = self.context.amendments_after(tick.watermark_ms().max(sent_ms));
        let repeats = self.symbols[tick.symbol.0 as usize].waits_for(&tick, &self.context.lateness);
        let is_new = is_ahead && own.is_some() && known.is_none() && !repeats;
        if is_new || (!repeats && first_end.is_some_and(|end| at <= end)) {
            self.apply(&tick, verdict, about);
        } else {
            self.symbols[tick.symbol.0 as usize].begin_wait(&tick, &self.context.lateness);
            self.amendments.entry(at).or_default().push((tick, verdict));
        }
    }

    /// What is known of the print that a tick is, or speaks of; nothing where prints are not kept.
    fn about(&mut self, tick: &Tick) -> Option<About> {
        let seq = if tick.kind == Kind::Trade { tick.seq } else { tick.ref_seq };
        let state = &mut self.symbols[tick.symbol.0 as usize];
        self.keeps_prints.then(|| state.about(tick, seq, &self.context.lateness))
    }

    /// Applies a tick to its symbol's state.
    fn apply(&mut self, tick: &Tick, verdict: Verdict, about: Option<About>) {
        let state = &mut self.symbols[tick.symbol.0 as usize];
        let (rules, windows, is_trade) = (&self.context.lateness, self.windows, tick.kind == Kind::Trade);
        let changed = match &about {
            None if !is_trade => {
                self.ledger.unmatched += 1;
                return;
            }
            Some(about) if !is_trade => state.retell(about, Word::Message(*tick), rules, windows),
            Some(about) if about.has_story || about.trade.is_some() => {
                let changed = state.retell(about, Word::Trade(print_of(tick)), rules, windows);
                self.count_trade(verdict, about.trade.is_some());
                changed
            }
            _ => {
                self.count_trade(verdict, false);
                return self.keep_and_add(tick);
            }
        };
        for (window, before, after) in changed {
            self.settle(tick.symbol, window, &before, after);
        }
    }

    fn keep_and_add(&mut self, tick: &Tick) {
        let print = print_of(tick);
        self.add(tick.symbol, &print);
        if self.keeps_prints {
            self.symbols[tick.symbol.0 as usize].keep(tick.venue, print, &self.context.lateness);
        }
    }

    fn count_trade(&mut self, verdict: Verdict, repeats: bool) {
        if verdict == Verdict::OnTime && !repeats {
            self.ledger.on_time += 1;
        } else {
            self.ledger.amended += 1;
        }
    }

    /// Adds a print to its window. The print may be in the log already.
    fn add(&mut self, symbol: Symbol, print: &Print) {
        let window = self.windows.window_of(print.ts_event);
        let state = &mut self.symbols[symbol.0 as usize];
        match state.slice_mut(window) {
            Some(slice) if !slice.emitted => slice.state.add(print),
            Some(slice) => {
                let before = slice.state.clone();
                let mut after = before.clone();
                after.add(print);
                self.settle(symbol, window, &before, after);
            }
            None => {
                // Only an emitted window can have prints and no slice.
                let before = if window.end_ms() > self.passed { A::default() } else { state.rebuild(window) };
                let mut after = before.clone();
                after.add(print);
                self.settle(symbol, window, &before, after);
            }
        }
    }

    /// Makes a window hold `after` where it held `before`, and says so if it was emitted.
    fn settle(&mut self, symbol: Symbol, window: Window, before: &A, after: A) {
        let emitted = window.end_ms() <= self.passed;
        if emitted {
            let (old, new) = (before.lower(), after.lower());
            if old != new {
                self.change(symbol, window, old, -1);
                self.change(symbol, window, new, 1);
            }
        }
        let state = &mut self.symbols[symbol.0 as usize];
        if let Some(slice) = state.slice_mut(window) {
            slice.state = after;
            return;
        }
        if !emitted || state.keeps(window, &self.context.lateness) {
            state.open(Slice { window, state: after, emitted });
        }
        if !emitted {
            let spare = &mut self.spare;
            let closes = self.closes.entry(window.end_ms());
            closes.or_insert_with(|| spare.pop().unwrap_or_default()).push(symbol);
            let ledger = &mut self.ledger;
            let rules = &self.context.lateness;
            state.forget(rules, self.windows, |story| count_story(story, rules, ledger));
        }
    }

    fn change(&mut self, symbol: Symbol, window: Window, value: Option<A::Value>, diff: isize) {
        if let Some(value) = value {
            self.changes.push((Summary { window, symbol, value }, self.passed as u64, diff));
        }
    }

    /// Does what is to happen at the watermark `ms`: the windows that end there, then the amendments.
    fn act(&mut self, ms: i64) {
        self.passed = ms;
        if let Some(mut symbols) = self.closes.remove(&ms) {
            for symbol in symbols.drain(..) {
                for slice in self.symbols[symbol.0 as usize].ending_mut(ms) {
                    slice.emitted = true;
                    if let Some(value) = slice.state.lower() {
                        self.changes.push((Summary { window: slice.window, symbol, value }, ms as u64, 1));
                    }
                }
            }
            self.spare.push(symbols);
        }
        let amendments = self.amendments.remove(&ms).unwrap_or_default();
        for (tick, verdict) in &amendments {
            let about = self.about(tick);
            self.apply(tick, *verdict, about);
            self.symbols[tick.symbol.0 as usize].end_wait(tick, &self.context.lateness);
        }
        if !amendments.is_empty() {
            // Ticks that amend the same row at the same time are one change.
            consolidate_updates(&mut self.changes);
        }
        self.context.counters.ledger.set(self.ledger);
    }

    /// Counts the messages of all stories once no more can come.
    fn end(&mut self) {
        let (ledger, rules) = (&mut self.ledger, &self.context.lateness);
        for state in &mut self.symbols {
            state.end_stories(rules, |story| count_story(story, rules, ledger));
        }
        self.context.counters.ledger.set(self.ledger);
    }
}

fn count_story(story: &Story, rules: &crate::lateness::Lateness, ledger: &mut Ledger) {
    let (matched, unmatched) = story.matched(rules);
    ledger.amended += matched;
    ledger.unmatched += unmatched;
}

fn print_of(tick: &Tick) -> Print {
    Print { ts_event: tick.ts_event, seq: tick.seq, price: tick.price, size: tick.size, live: true }
}
