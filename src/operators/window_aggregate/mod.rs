mod by_kind;
mod counted;
mod early;
mod in_order;
mod lasts;
mod operator;
mod panes;
mod running;
mod runs;
mod slices;
mod symbol_state;
mod told;

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::AsCollection;
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use super::Changes;
use super::agenda::Held;
use super::context::{Ticks, watermark_of};
use crate::aggregate::{Aggregate, Value};
use crate::row::{Field, Key, Row, Texts};
use crate::tick::Symbol;
use crate::window::Window;
use operator::WindowAggregate;
use panes::Panes;

pub use by_kind::WindowKind;

/// What one window of one symbol comes to: a row `symbol, ts_open, ts_close` and the value's columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Summary<V> {
    /// The window.
    pub window: Window,
    /// Tells windows apart that begin together: how many such are before it, or, of windows that are filled by prints,
    /// how many of its trading session.
    pub place: u32,
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
        Key { place: self.place, ..Key::of(self.window.start, self.symbol) }
    }

    fn window(&self) -> Window {
        self.window
    }

    fn fields(&self, texts: &Texts, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Text(texts.symbol(self.symbol)));
        give(Field::Time(self.window.start));
        give(Field::Time(self.window.end));
        self.value.fields(give);
    }
}

impl<'scope> Ticks<'scope> {
    /// Aggregates the trades of each symbol by windows, of any kind in [`crate::window`].
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
    pub fn window_aggregate<A: Aggregate>(self, windows: impl WindowKind) -> Changes<'scope, Summary<A::Value>> {
        self.context.closes_at(windows.clone());
        windows.aggregate::<A>(self)
    }

    fn aggregate<A: Aggregate, P: Panes<A>>(self, windows: P::Rules) -> Changes<'scope, Summary<A::Value>> {
        let context = self.context;
        let stream = self.stream.unary_frontier(Pipeline, "WindowAggregate", |capability, _| {
            drop(capability);
            let operator = WindowAggregate::<A, P>::new(context.clone(), windows);
            let operator = Rc::new(RefCell::new(operator));
            context.tells(&operator, WindowAggregate::told);
            let mut held = Held::default();
            move |(input, frontier), output| {
                let operator = &mut *operator.borrow_mut();
                input.for_each(|capability, parts| {
                    let Some(sent) = capability.least().copied() else { return };
                    parts.iter().for_each(|part| operator.take(part.ticks(), watermark_of(sent)));
                    context.hand_back(std::mem::take(parts));
                    held.hold(operator, &capability, output.output_index());
                });
                let passed = frontier.frontier().first().copied();
                held.act(operator, passed, output);
                operator.passed = operator.passed.max(passed.map_or(i64::MAX, watermark_of));
                if passed.is_none() {
                    operator.end();
                }
            }
        });
        stream.as_collection()
    }
}
