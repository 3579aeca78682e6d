use serde::{Deserialize, Serialize};

use super::Measure;
use crate::row::{Field, Key, Real, Row, Texts};
use crate::tick::Symbol;
use crate::time::EventTime;
use crate::window::{Tumbling, Window};

/// What is correlated, and which pairs are told.
#[derive(Clone, Copy, Debug)]
pub struct Correlation {
    /// Returns or levels.
    pub on: Measure,
    /// How far back a report looks, in nanoseconds; over everything if there is none, and then there is one report,
    /// the latest.
    pub span: Option<i64>,
    /// A report is made at the end of each of these in which there is a bar.
    pub every: Tumbling,
    /// A pair that has fewer steps in common has no figures.
    pub min: u64,
    /// So many pairs with the highest correlation; all of them, those without figures too, if there is none.
    pub top: Option<usize>,
}

/// How two symbols moved together, by the bars of a stretch of time: a row `ts_close, a, b, corr, beta, n`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pair {
    /// The stretch.
    pub window: Window,
    /// Its place among the pairs that are told, the highest correlation first; zero where all are.
    pub rank: u32,
    /// The symbol whose text is the lesser.
    pub a: Symbol,
    /// The other one.
    pub b: Symbol,
    /// Pearson's correlation; none where one of the two does not vary, or they have too little in common.
    pub corr: Option<Real>,
    /// By how much `b` moves when `a` moves by one: their covariance over the variance of `a`.
    pub beta: Option<Real>,
    /// At so many steps both have a value.
    pub n: u64,
}

impl Row for Pair {
    const NAME: &'static str = "corr";
    const KEY_COLUMNS: usize = 3;

    fn columns() -> Vec<&'static str> {
        vec!["ts_close", "a", "b", "corr", "beta", "n"]
    }

    fn key(&self) -> Key {
        Key { ts: self.window.end, place: self.rank, symbols: [self.a, self.b] }
    }

    fn window(&self) -> Window {
        self.window
    }

    fn fields(&self, texts: &Texts, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Time(self.window.end));
        give(Field::Text(texts.symbol(self.a)));
        give(Field::Text(texts.symbol(self.b)));
        give(Field::Real(self.corr));
        give(Field::Real(self.beta));
        give(Field::Count(self.n));
    }
}

/// A pair and its figures, as a report tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Told {
    /// As in [`Pair`].
    pub a: u32,
    /// As in [`Pair`].
    pub b: u32,
    /// As in [`Pair`].
    pub corr: Option<Real>,
    /// As in [`Pair`].
    pub beta: Option<Real>,
    /// As in [`Pair`].
    pub n: u64,
}

impl Told {
    /// The row of a report that ends at `end`.
    pub fn row(self, end: EventTime, span: Option<i64>, rank: u32) -> Pair {
        let window = Window { start: span.map_or(EventTime::MIN, |span| end.saturating_sub(span)), end };
        Pair { window, rank, a: Symbol(self.a), b: Symbol(self.b), corr: self.corr, beta: self.beta, n: self.n }
    }
}
