use std::collections::BTreeMap;

use super::windows::tumbling;
use super::{Corrected, Trade, rise_percent};
use crate::operators::{Boards, By, Mover, Ranking};
use crate::tick::{Price, Symbol};
use crate::window::{Tumbling, Window};

/// What a symbol did on one board.
struct Told<'a> {
    symbol: Symbol,
    trades: Vec<&'a Trade>,
    previous: Option<Price>,
}

impl Told<'_> {
    fn close(&self) -> Option<Price> {
        self.trades.iter().rfind(|trade| trade.eligible.last()).map(|trade| trade.price)
    }

    fn volume(&self) -> u64 {
        self.trades.iter().map(|trade| trade.shares()).sum()
    }

    fn notional(&self) -> i128 {
        self.trades.iter().map(|trade| trade.notional()).sum()
    }

    fn change_percent(&self) -> Option<i128> {
        rise_percent(self.previous?, self.close()?)
    }
}

/// The first places of each board, and of each sector of it where there are any. If the sectors cannot be read there
/// are none, and the error is left with the tape.
pub fn movers(tape: &Corrected, windows: Tumbling, ranking: &Ranking) -> Vec<Mover> {
    let places = ranking.places;
    let sectors = match ranking.sectors.as_ref().map(|table| table.read()).transpose() {
        Ok(sectors) => sectors,
        Err(error) => {
            tape.refused.get_or_init(|| error);
            return Vec::new();
        }
    };
    let mut boards: BTreeMap<(Window, String), Vec<Told>> = BTreeMap::new();
    for (symbol, trades) in &tape.trades {
        let mut by_board: BTreeMap<Window, Vec<&Trade>> = BTreeMap::new();
        for trade in trades {
            let bar = tumbling(&windows, trade.ts_event);
            let board = match ranking.boards {
                Boards::Windows => bar,
                Boards::Sessions => {
                    let (start, end) = tape.sessions.of(bar.start);
                    Window { start, end }
                }
            };
            by_board.entry(board).or_default().push(trade);
        }
        let sector = sectors.as_ref().and_then(|sectors| sectors.get(tape.texts.symbol(*symbol))).cloned();
        let mut previous = None;
        for (board, trades) in by_board {
            let told = Told { symbol: *symbol, trades, previous };
            previous = told.close().or(previous);
            boards.entry((board, sector.clone().unwrap_or_default())).or_default().push(told);
        }
    }
    let mut rows = Vec::new();
    for ((board, sector), told) in boards {
        let value = |told: &Told| match places.by {
            By::Change => told.change_percent(),
            By::Volume => Some(i128::from(told.volume())),
            By::Notional => Some(told.notional()),
        };
        let mut ranked: Vec<(i128, &str, &Told)> =
            told.iter().filter_map(|told| Some((value(told)?, tape.texts.symbol(told.symbol), told))).collect();
        ranked.sort_by_key(|(value, text, _)| (if places.least { *value } else { -*value }, *text));
        for (rank, (_, _, told)) in (1..).zip(ranked.into_iter().take(places.n)) {
            rows.push(Mover {
                board,
                sector: sector.clone(),
                rank,
                symbol: told.symbol,
                close: told.close(),
                previous: told.previous,
                change_percent: told.change_percent(),
                volume: told.volume(),
                notional: told.notional(),
                trades: told.trades.len() as u64,
            });
        }
    }
    rows
}
