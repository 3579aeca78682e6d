use std::collections::BTreeSet;

use super::Summary;
use super::operator::WindowAggregate;
use super::panes::Panes;
use crate::aggregate::{Aggregate, Print};
use crate::row::{Columns, Encoding, LastTimes, Row, Texts};
use crate::standing::{Fate, Pending, Question, Said, Why};
use crate::tick::{Symbol, Tick, Venue};
use crate::time::EventTime;

/// So many watermarks, windows and records are told of at most.
const MOST: usize = 100;

/// What the operator tells whoever asks how the run stands.
impl<A: Aggregate, P: Panes<A>> WindowAggregate<A, P> {
    pub fn told(&self, question: &Question) -> Pending {
        let texts = Texts::new(self.context.symbols.clone(), self.context.venues.clone());
        let distinct = |symbols: &Vec<Symbol>| symbols.iter().collect::<BTreeSet<_>>().len();
        let why = question.why.as_ref().and_then(|(symbol, ts)| {
            let known = self.context.symbols.all().iter().position(|name| **name == **symbol)?;
            self.why(Symbol(known as u32), *ts, &texts)
        });
        Pending {
            name: format!("windows of {}", Summary::<A::Value>::NAME),
            open: self.closes.iter().map(|(ms, symbols)| (*ms, distinct(symbols))).take(MOST).collect(),
            amendments: self.amendments.iter().map(|(ms, ticks)| (*ms, ticks.len())).take(MOST).collect(),
            late: self.late.iter().rev().map(|(tick, fate)| said(tick, *fate, &texts)).collect(),
            why,
        }
    }

    /// What the windows of a symbol that hold `ts` are made of.
    fn why(&self, symbol: Symbol, ts: EventTime, texts: &Texts) -> Option<Why> {
        let rules = &self.context.lateness;
        let state = self.symbols.get(symbol.0 as usize).filter(|state| state.clock != EventTime::MIN)?;
        let columns = Columns::of::<Summary<A::Value>>(false);
        let mut why = Why {
            clock: state.clock,
            kept_from: rules.settled_before(state.clock),
            columns: columns.names.join(","),
            ..Why::default()
        };
        let mut records: Vec<(Tick, Fate)> = Vec::new();
        let late = || self.late.iter().filter(|(tick, _)| tick.symbol == symbol);
        // What is remembered of a record says more than that it is kept.
        let remembered = |tick: &Tick| late().find(|(other, _)| is_same(other, tick)).map(|(_, fate)| *fate);
        for (window, value) in state.holding::<A>(ts, &self.windows, rules, self.passed).into_iter().take(MOST) {
            let is_kept = window.start >= why.kept_from || window.end_ms() > self.passed;
            let row = value.filter(|_| is_kept).map(|value| {
                let (row, mut line) = (Summary { window, place: 0, symbol, value }, Vec::new());
                Encoding::Csv.write(&row, texts, &columns, &mut LastTimes::default(), &mut line);
                String::from_utf8_lossy(&line).trim_end().to_owned()
            });
            why.windows.push((window.end_ms(), row));
            let (prints, messages) = state.kept_of(window, rules);
            let prints = prints.iter().map(|(venue, print)| (trade(symbol, *venue, print), print.live));
            let prints = prints.map(|(tick, live)| match live {
                true => (tick, remembered(&tick).unwrap_or(Fate::Counted)),
                false => (tick, Fate::Replaced),
            });
            records.extend(prints);
            records.extend(messages.into_iter().map(|tick| (tick, remembered(&tick).unwrap_or(Fate::Applied))));
            records.extend(late().filter(|(tick, _)| window.contains(tick.ts_event)));
        }
        records.sort_by_key(|(tick, _)| (tick.ts_event, tick.seq, tick.kind, tick.venue, tick.price, tick.size));
        records.dedup_by(|(tick, _), (before, _)| is_same(tick, before));
        why.records = records.iter().take(MOST).map(|(tick, fate)| said(tick, *fate, texts)).collect();
        Some(why)
    }
}

fn said(tick: &Tick, fate: Fate, texts: &Texts) -> Said {
    Said { record: texts.record(tick), fate }
}

/// Whether two ticks are the same record, or one that repeats it word for word.
fn is_same(a: &Tick, b: &Tick) -> bool {
    let words = |tick: &Tick| (tick.ts_event, tick.seq, tick.kind, tick.venue, tick.ref_seq, tick.price, tick.size);
    a.symbol == b.symbol && words(a) == words(b)
}

/// A print as the record that it came as.
fn trade(symbol: Symbol, venue: Venue, print: &Print) -> Tick {
    Tick { venue, eligible: print.eligible, ..Tick::trade(symbol, print.ts_event, print.seq, print.price, print.size) }
}
