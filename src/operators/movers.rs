use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::places::{Places, first_places};
use super::reference::{Reference, labels};
use super::standings::{Boards, KEEP, Standing, standings};
use super::{Changes, Summary};
use crate::aggregate::Turnover;
use crate::row::{Field, Key, Row, Texts};
use crate::tick::{Price, Symbol};
use crate::window::Window;

/// Who is ranked, and how.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// Over which stretches of time.
    pub boards: Boards,
    /// The places of each board, or of each sector of it. The change is against the previous close.
    pub places: Places,
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
    /// Its last price, if a print counts for it.
    pub close: Option<Price>,
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
    const IS_OF_SYMBOLS: bool = false;
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

    fn fields(&self, texts: &Texts, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Time(self.board.start));
        give(Field::Time(self.board.end));
        give(Field::Text(&self.sector));
        give(Field::Count(self.rank.into()));
        give(Field::Text(texts.symbol(self.symbol)));
        give(Field::Price(self.close));
        give(Field::Price(self.previous));
        let both = self.close.zip(self.previous);
        give(Field::Amount(both.map(|(close, previous)| i128::from(close.0) - i128::from(previous.0))));
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
/// older than [`Places::keep`] is taken out of them, and stays in the result.
///
/// ```
/// use tapeflow::aggregate::Traded;
/// use tapeflow::operators::{Boards, By, Changes, Mover, Places, Ranking, Ticks, movers};
/// use tapeflow::window::Tumbling;
///
/// /// The ten symbols with the most volume, minute by minute.
/// fn most_traded(ticks: Ticks<'_>) -> Changes<'_, Mover> {
///     let minute = Tumbling::new(60_000_000_000).expect("a minute is longer than nothing");
///     let places = Places { by: By::Volume, least: false, n: 10, keep: Some(86_400_000_000_000) };
///     let ranking = Ranking { boards: Boards::Windows, places, sectors: None };
///     let context = ticks.context.clone();
///     movers(ticks.window_aggregate::<Traded>(minute), ranking, &context)
/// }
/// ```
pub fn movers<'scope>(
    bars: Changes<'scope, Summary<Turnover>>,
    ranking: Ranking,
    context: &Context,
) -> Changes<'scope, Mover> {
    let Ranking { boards, places, sectors } = ranking;
    let standings = standings(bars, boards, places.keep, context);
    let board_of = |standing: &Standing| Window { start: standing.board.0, end: standing.board.1 };
    let place = move |standing: &Standing| (board_of(standing), Symbol(standing.symbol), board_of(standing));
    let standings = places.until_settled(standings, context, KEEP, place);
    let weight =
        move |standing: &Standing| places.weight(standing.change_percent(), standing.volume, standing.notional);
    let standings = standings.filter(move |standing| weight(standing).is_some());
    let labelled = match sectors {
        None => standings.map(|standing| ((standing.board, String::new()), standing)),
        Some(sectors) => {
            let labels = labels(standings.clone().map(|standing| standing.symbol), sectors, context);
            let by_symbol = standings.map(|standing| (standing.symbol, standing));
            by_symbol.join_map(labels, |_, standing, sector| ((standing.board, sector.clone()), standing.clone()))
        }
    };
    let symbols = |standing: &Standing| [Symbol(standing.symbol); 2];
    let with_rank = |place, standing: &Standing| (place + 1, standing.clone());
    let ranked = first_places(labelled, places.n, context, weight, symbols, with_rank);
    let rows = ranked.map(move |((_, sector), (rank, standing))| Mover {
        board: board_of(&standing),
        sector,
        rank,
        symbol: Symbol(standing.symbol),
        close: standing.close.map(Price),
        previous: standing.previous.map(Price),
        change_percent: standing.change_percent(),
        volume: standing.volume,
        notional: standing.notional,
        trades: standing.trades,
    });
    places.for_good(rows, |row| row.board)
}
