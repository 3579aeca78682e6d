use std::collections::{BTreeMap, VecDeque};

use differential_dataflow::consolidation::consolidate_updates;

use super::Summary;
use super::panes::{Out, Panes};
use super::symbol_state::{About, SymbolState};
use crate::aggregate::{Aggregate, Print};
use crate::lateness::{Horizon, Lateness, Verdict};
use crate::ledger::{Ledger, Unfilled};
use crate::operators::Context;
use crate::operators::agenda::Agenda;
use crate::prefetch::prefetched;
use crate::prints::{Change, Story, Word};
use crate::standing::Fate;
use crate::tick::{Kind, Symbol, Tick};
use crate::time::MS;
use crate::window::Count;

/// So many late ticks, cancels and corrections are remembered, for whoever asks.
const REMEMBERED: usize = 100;

/// The operator's state: all symbols of this worker, and what is to happen at which watermark.
pub struct WindowAggregate<A: Aggregate, P: Panes<A>> {
    pub(super) context: Context,
    pub(super) windows: P::Rules,
    keeps_prints: bool,
    pub(super) symbols: Vec<SymbolState<P>>,
    /// Which symbols are to be looked at at a watermark, for a window of theirs may end there.
    pub(super) closes: BTreeMap<i64, Vec<Symbol>>,
    /// Ticks that are applied at a watermark, with their verdicts.
    pub(super) amendments: BTreeMap<i64, Vec<(Tick, Verdict)>>,
    /// The last ticks that were late, and cancels and corrections.
    pub(super) late: VecDeque<(Tick, Fate)>,
    /// The watermark up to which everything has happened.
    pub passed: i64,
    /// What the windows want, and what changed and was not handed on.
    out: Out<A::Value>,
    ledger: Ledger,
    spare: Vec<Vec<Symbol>>,
}

impl<A: Aggregate, P: Panes<A>> WindowAggregate<A, P> {
    pub fn new(context: Context, windows: P::Rules) -> Self {
        WindowAggregate {
            keeps_prints: context.lateness.horizon != Horizon::None,
            context,
            windows,
            symbols: Vec::new(),
            closes: BTreeMap::new(),
            amendments: BTreeMap::new(),
            late: VecDeque::new(),
            passed: 0,
            out: Out::new(),
            ledger: Ledger::default(),
            spare: Vec::new(),
        }
    }

    /// Takes ticks that were sent when the worker's watermark stood at `sent_ms`.
    pub fn take(&mut self, ticks: &[Tick], sent_ms: i64) {
        let sent = sent_ms.saturating_mul(MS);
        let rules = self.context.lateness.clone();
        let mut plain = 0;
        for tick in prefetched(ticks) {
            let symbol = tick.symbol.0 as usize;
            if symbol >= self.symbols.len() {
                self.symbols.resize_with(symbol + 1, SymbolState::new);
            }
            let state = &mut self.symbols[symbol];
            let is_ahead = tick.is_ahead(sent);
            let print = print_of(tick);
            // This is all that happens to nearly every tick.
            if tick.kind == Kind::Trade
                && is_ahead
                && rules.is_on_time(state.clock, tick.ts_event)
                && (!self.keeps_prints || state.keep_if_new(tick, print, &rules))
            {
                state.clock = state.clock.max(tick.ts_event);
                plain += 1;
                if let Some(look) = state.panes.add(&print, &self.windows) {
                    self.look(tick.symbol, look);
                }
            } else if tick.kind == Kind::Quote {
                self.ledger.ignored += 1;
            } else {
                self.judge(tick, is_ahead, sent_ms);
            }
        }
        self.ledger.on_time += plain;
        self.context.counters.count(ticks, self.ledger);
    }

    /// Takes a tick that is not plainly a new print on time.
    fn judge(&mut self, tick: &Tick, is_ahead: bool, sent_ms: i64) {
        let state = &mut self.symbols[tick.symbol.0 as usize];
        let verdict = self.context.lateness.judge(&mut state.clock, tick.ts_event);
        if verdict == Verdict::Late {
            self.ledger.late += 1;
            let late_by = state.clock.saturating_sub(tick.ts_event);
            self.remember(*tick, Fate::Dropped { late_by });
        } else {
            self.take_slowly(*tick, verdict, is_ahead, sent_ms);
        }
    }

    /// Takes a tick that came behind its partition's watermark, or may be about a print that is known. It is
    /// applied at once if nothing that it touches was, or will be, emitted without it; else at the next time for
    /// amendments after its partition's watermark. The tape alone decides which.
    fn take_slowly(&mut self, tick: Tick, verdict: Verdict, is_ahead: bool, sent_ms: i64) {
        let about = self.about(&tick);
        let known = about.as_ref().and_then(|about| about.earliest);
        let own = (tick.kind == Kind::Trade).then_some(tick.ts_event);
        let first_end = own.into_iter().chain(known).map(|ts| P::first_end_ms(&self.windows, ts)).min();
        let at = self.context.amendments_after(tick.watermark_ms.max(sent_ms));
        let repeats = self.symbols[tick.symbol.0 as usize].waits_for(&tick, &self.context.lateness);
        let is_new = is_ahead && own.is_some() && known.is_none() && !repeats;
        let at_once = is_new || (!repeats && first_end.is_some_and(|end| at <= end));
        if verdict == Verdict::Amends || tick.kind != Kind::Trade || known.is_some() || repeats {
            let late_by = self.symbols[tick.symbol.0 as usize].clock.saturating_sub(tick.ts_event);
            self.remember(tick, Fate::Amends { late_by, at_ms: if at_once { sent_ms } else { at } });
        }
        if at_once {
            self.apply(&tick, verdict, about, is_new);
        } else {
            self.symbols[tick.symbol.0 as usize].begin_wait(&tick, &self.context.lateness);
            self.amendments.entry(at).or_default().push((tick, verdict));
        }
    }

    /// Remembers a tick that was late, or is a cancel or a correction.
    fn remember(&mut self, tick: Tick, fate: Fate) {
        if self.late.len() == REMEMBERED {
            self.late.pop_front();
        }
        self.late.push_back((tick, fate));
    }

    /// What is known of the print that a tick is, or speaks of; nothing where prints are not kept.
    fn about(&mut self, tick: &Tick) -> Option<About> {
        let seq = if tick.kind == Kind::Trade { tick.seq } else { tick.ref_seq };
        let state = &mut self.symbols[tick.symbol.0 as usize];
        self.keeps_prints.then(|| state.about(tick, seq, &self.context.lateness))
    }

    /// Applies a tick to its symbol's state; `is_new` is a trade that no emitted window can hold.
    fn apply(&mut self, tick: &Tick, verdict: Verdict, about: Option<About>, is_new: bool) {
        let state = &mut self.symbols[tick.symbol.0 as usize];
        let (rules, is_trade) = (&self.context.lateness, tick.kind == Kind::Trade);
        let changes = match &about {
            None if !is_trade => {
                self.ledger.unmatched += 1;
                return;
            }
            Some(about) if !is_trade => state.tell(about, Word::Message(*tick), rules),
            Some(about) if about.has_story || about.trade.is_some() => {
                let changes = state.tell(about, Word::Trade(print_of(tick)), rules);
                self.count_trade(verdict, about.trade.is_some());
                changes
            }
            _ => {
                let print = print_of(tick);
                if is_new {
                    let look = state.panes.add(&print, &self.windows);
                    if self.keeps_prints {
                        state.keep(tick.venue, print, rules);
                    }
                    self.count_trade(verdict, false);
                    look.into_iter().for_each(|look| self.look(tick.symbol, look));
                    return;
                }
                self.count_trade(verdict, false);
                vec![(None, Some(print))]
            }
        };
        if !changes.is_empty() {
            self.change(tick.symbol, about.as_ref(), &changes);
        }
    }

    /// Makes changes to a symbol's prints, in its windows and its log.
    fn change(&mut self, symbol: Symbol, about: Option<&About>, changes: &[Change]) {
        let (rules, passed) = (&self.context.lateness, self.passed);
        let state = &mut self.symbols[symbol.0 as usize];
        let (panes, around) = state.panes(&self.windows, rules, passed);
        panes.before(changes, &around);
        if let Some(about) = about {
            state.log_changes(about, changes, rules);
        }
        let (panes, around) = state.panes(&self.windows, rules, passed);
        (self.out.symbol, self.out.time) = (symbol, passed as u64);
        panes.after(changes, &around, &mut self.out);
        let opens = !self.out.looks.is_empty();
        self.hand_on(symbol);
        // A symbol whose windows are all opened by ticks that come late is to forget, too.
        if opens {
            self.forget(symbol);
        }
    }

    fn count_trade(&mut self, verdict: Verdict, repeats: bool) {
        if verdict == Verdict::OnTime && !repeats {
            self.ledger.on_time += 1;
        } else {
            self.ledger.amended += 1;
        }
    }

    /// Has a symbol looked at at a watermark, and uses the occasion to forget what is over.
    fn look(&mut self, symbol: Symbol, at_ms: i64) {
        self.look_at(symbol, at_ms);
        self.forget(symbol);
    }

    /// Forgets what is over of a symbol.
    fn forget(&mut self, symbol: Symbol) {
        let (rules, ledger) = (&self.context.lateness, &mut self.ledger);
        let ended = |story: &Story| count_story(story, rules, ledger);
        self.symbols[symbol.0 as usize].forget::<A>(&self.windows, rules, self.passed, ended);
    }

    fn look_at(&mut self, symbol: Symbol, at_ms: i64) {
        let spare = &mut self.spare;
        self.closes.entry(at_ms).or_insert_with(|| spare.pop().unwrap_or_default()).push(symbol);
    }

    /// Hands on what a symbol's windows want.
    fn hand_on(&mut self, symbol: Symbol) {
        if let Some((print, windows)) = self.out.too_many.take() {
            let text = self.context.symbols.text(symbol.0);
            self.context.failure.set(Count::too_many(&text, print.ts_event, print.size, windows));
        }
        while let Some(look) = self.out.looks.pop() {
            self.look_at(symbol, look);
        }
    }

    /// Looks at the symbols that want it at the watermark `ms`.
    fn close(&mut self, ms: i64) {
        let Some(mut symbols) = self.closes.remove(&ms) else { return };
        symbols.sort_unstable();
        symbols.dedup();
        self.out.time = ms as u64;
        for symbol in symbols.drain(..) {
            let state = &mut self.symbols[symbol.0 as usize];
            let (panes, around) = state.panes(&self.windows, &self.context.lateness, ms);
            self.out.symbol = symbol;
            panes.close(&around, &mut self.out);
            self.hand_on(symbol);
        }
        self.spare.push(symbols);
    }

    /// Counts the messages of all stories, and what is left in windows that were not filled, once no more can come.
    pub fn end(&mut self) {
        let (ledger, rules) = (&mut self.ledger, &self.context.lateness);
        let mut unfilled = Unfilled::default();
        for state in &mut self.symbols {
            state.end_stories(rules, |story| count_story(story, rules, ledger));
            unfilled.add(&state.panes.unfilled());
        }
        self.context.counters.ledger.set(self.ledger);
        self.context.counters.unfilled.set(unfilled);
    }
}

impl<A: Aggregate, P: Panes<A>> Agenda for WindowAggregate<A, P> {
    type Row = Summary<A::Value>;

    /// The next watermark at which something is to happen.
    fn next(&self) -> Option<u64> {
        let closes = self.closes.first_key_value().map(|(ms, _)| *ms);
        let amends = self.amendments.first_key_value().map(|(ms, _)| *ms);
        closes.into_iter().chain(amends).min().map(|ms| ms as u64)
    }

    /// Does what is to happen at the watermark `ms`: the windows that end there, then the amendments.
    fn act(&mut self, time: u64) {
        let ms = time as i64;
        self.passed = ms;
        self.close(ms);
        let amendments = self.amendments.remove(&ms).unwrap_or_default();
        for (tick, verdict) in &amendments {
            let about = self.about(tick);
            self.apply(tick, *verdict, about, false);
            self.symbols[tick.symbol.0 as usize].end_wait(tick, &self.context.lateness);
        }
        if !amendments.is_empty() {
            // Windows that were taken back are filled anew.
            self.close(ms);
            // Ticks that amend the same row at the same time are one change.
            consolidate_updates(&mut self.out.changes);
        }
        self.context.counters.ledger.set(self.ledger);
    }

    fn changes(&mut self) -> &mut Vec<(Summary<A::Value>, u64, isize)> {
        &mut self.out.changes
    }
}

fn count_story(story: &Story, rules: &Lateness, ledger: &mut Ledger) {
    let (matched, unmatched) = story.matched(rules);
    ledger.amended += matched;
    ledger.unmatched += unmatched;
}

fn print_of(tick: &Tick) -> Print {
    let Tick { ts_event, seq, price, size, eligible, .. } = *tick;
    Print { ts_event, seq, price, size, eligible, live: true }
}
