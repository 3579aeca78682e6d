use std::sync::Arc;

use differential_dataflow::AsCollection;
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::vec::{Filter as _, Map as _};

use super::context::Context;
use super::reference::{Reference, labels};
use super::standings::{Boards, Standing, expires, standings};
use super::{Changes, Summary};
use crate::aggregate::Turnover;
use crate::row::{Field, Key, Row, Texts};
use crate::tick::{Price, Symbol, Venue};
use crate::window::Window;

/// What symbols are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The change against the previous close in percent; a symbol without one is not ranked.
    Change,
    /// Shares.
    Volume,
    /// Money.
    Notional,
}

impl By {
    fn of(self, standing: &Standing) -> Option<i128> {
        match self {
            By::Change => standing.change_percent(),
            By::Volume => Some(standing.volume.into()),
            By::Notional => Some(standing.notional),
        }
    }
}

/// Who is ranked, and how.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Over which stretches of time.
    pub boards: Boards,
    /// By what.
    pub by: By,
    /// From the least on, instead of from the most.
    pub least: bool,
    /// So many of each board, or of each sector of it.
    pub n: usize,
    /// For how many nanoseconds after its end a board can change; for ever if there is none.
    pub keep: Option<i64>,
    /// The symbols' sectors, where each has a ranking of its own.
    pub sectors: Option<Arc<Reference>>,
}

/// One place of a ranking: a row `ts_open, ts_close, sector, rank` and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mover {
    /// The stretch of time.
    pub board: Window,
    /// The sector, empty where there are none, or the symbol has none.
    pub sector: String,
    /// The place, from 1 on.
    pub rank: u32,
    /// Who holds it.
    pub symbol: Symbol,
    /// Its last price.
    pub close: Price,
    /// Its last price before.
    pub previous: Option<Price>,
    /// The change in percent, in units of 1e-9, half to even.
    pub change_percent: Option<i128>,
    /// Shares.
    pub volume: u64,
    /// The sum of price times size, in units of 1e-9.
    pub notional: i128,
    /// Prints.
    pub trades: u64,
}

impl Row for Mover {
    const NAME: &'static str = "movers";
    const KEY_COLUMNS: usize = 4;

    fn columns() -> Vec<&'static str> {
        let key = ["ts_open", "ts_close", "sector", "rank"];
        let prices = ["symbol", "close", "previous_close", "change", "change_percent"];
        key.into_iter().chain(prices).chain(["volume", "notional", "trades"]).collect()
    }

    fn key(&self) -> Key {
        Key { ts: self.board.start, place: self.rank, symbols: Default::default() }
    }

    fn window(&self) -> Window {
        self.board
    }

    fn fields(&self, texts: &Texts, give: &mut dyn FnMut(Field<'_>)) {
        give(Field::Time(self.board.start));
        give(Field::Time(self.board.end));
        give(Field::Text(&self.sector));
        give(Field::Count(self.rank.into()));
        give(Field::Text(texts.symbol(self.symbol)));
        give(Field::Price(Some(self.close)));
        give(Field::Price(self.previous));
        give(Field::Amount(self.previous.map(|previous| i128::from(self.close.0) - i128::from(previous.0))));
        give(Field::Amount(self.change_percent));
        give(Field::Count(self.volume));
        give(Field::Amount(Some(self.notional)));
        give(Field::Count(self.trades));
    }
}

/// Ranks symbols on each board: a collection of the first `n` places, which changes as the bars do. Whoever is pushed
/// out is retracted, and whoever moves up is told anew. Equal values go by the symbols' texts.
///
/// A board is inserted when it is over. Differential's arrangements hold the boards that can still change: what is
/// older than [`Ranking::keep`] is taken out of them, and stays in the result.
///
/// ```
/// use tapeflow::aggregate::Traded;
/// use tapeflow::operators::{Boards, By, Changes, Mover, Ranking, Ticks, movers};
/// use tapeflow::window::Tumbling;
///
/// /// The ten symbols with the most volume, minute by minute.
/// fn most_traded(ticks: Ticks<'_>) -> Changes<'_, Mover> {
///     let minute = Tumbling::new(60_000_000_000).expect("a minute is longer than nothing");
///     let (boards, by, keep, sectors) = (Boards::Windows, By::Volume, Some(86_400_000_000_000), None);
///     let ranking = Ranking { boards, by, least: false, n: 10, keep, sectors };
///     let context = ticks.context.clone();
///     movers(ticks.window_aggregate::<Traded>(minute), ranking, &context)
/// }
/// ```
pub fn movers<'scope>(
    bars: Changes<'scope, Summary<Turnover>>,
    ranking: Ranking,
    context: &Context,
) -> Changes<'scope, Mover> {
    let Ranking { boards, by, least, n, keep, sectors } = ranking;
    let standings = standings(bars, boards, keep, context);
    let board_of = |standing: &Standing| Window { start: standing.board.0, end: standing.board.1 };
    // What is inserted now is taken out at once, too, at the time at which its board is settled for good.
    let standings = standings.inner.flat_map(move |(standing, time, diff)| {
        let expires = expires(board_of(&standing), keep).map(|at| (standing.clone(), at, -diff));
        std::iter::once((standing, time, diff)).chain(expires)
    });
    let standings = standings.as_collection();
    let labelled = match sectors {
        None => standings.map(|standing| ((standing.board, String::new()), standing)),
        Some(sectors) => {
            let labels = labels(standings.clone().map(|standing| standing.symbol), sectors, context);
            let by_symbol = standings.map(|standing| (standing.symbol, standing));
            by_symbol.join_map(labels, |_, standing, sector| ((standing.board, sector.clone()), standing.clone()))
        }
    };
    let mut texts = Texts::new(context.symbols.clone(), context.venues.clone());
    let ranked = labelled.reduce_named("Movers", move |_board, standings: &[(&Standing, isize)], places| {
        standings.iter().for_each(|(standing, _)| texts.know(Symbol(standing.symbol), Venue::default()));
        let valued = standings.iter().filter_map(|(standing, _)| Some((by.of(standing)?, *standing)));
        let mut valued: Vec<(i128, &Standing)> = valued.collect();
        let text = |standing: &Standing| texts.symbol(Symbol(standing.symbol));
        valued.sort_by(|(a, one), (b, other)| {
            let by_value = if least { a.cmp(b) } else { b.cmp(a) };
            by_value.then_with(|| text(one).cmp(text(other)))
        });
        let first = valued.into_iter().zip(1..).take(n);
        places.extend(first.map(|((_, standing), rank)| ((rank, standing.clone()), 1)));
    });
    let rows = ranked.map(move |((_, sector), (rank, standing))| Mover {
        board: board_of(&standing),
        sector,
        rank,
        symbol: Symbol(standing.symbol),
        close: Price(standing.close),
        previous: standing.previous.map(Price),
        change_percent: standing.change_percent(),
        volume: standing.volume,
        notional: standing.notional,
        trades: standing.trades,
    });
    // That a board was forgotten is no change to its result.
    rows.inner.filter(move |(row, time, _)| expires(row.board, keep).is_none_or(|at| *time < at)).as_collection()
}
