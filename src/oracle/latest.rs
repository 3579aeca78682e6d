use std::collections::BTreeSet;

use super::windows::tumbling;
use super::{Corrected, Expected, Trade};
use crate::asof::Quote;
use crate::operators::{Boards, Every, Latest, Today};
use crate::tick::{Symbol, Tick};
use crate::window::Window;

/// How each symbol stood at the end of every board in which it was traded or quoted.
pub fn latest(tape: &Corrected, every: &Every) -> Expected<Latest> {
    let mut rows = Vec::new();
    let symbols: BTreeSet<Symbol> = tape.trades.keys().chain(tape.quotes.keys()).copied().collect();
    let session = |ts: i64| tape.sessions.of(tumbling(&every.windows, ts).start);
    for symbol in symbols {
        let trades: &[Trade] = tape.trades.get(&symbol).map_or(&[], Vec::as_slice);
        let quotes: &[Tick] = tape.quotes.get(&symbol).map_or(&[], Vec::as_slice);
        let board_of = |ts: i64| match every.boards {
            Boards::Windows => tumbling(&every.windows, ts),
            Boards::Sessions => Window { start: session(ts).0, end: session(ts).1 },
        };
        let times = trades.iter().map(|trade| trade.ts_event).chain(quotes.iter().map(|quote| quote.ts_event));
        for board in times.map(board_of).collect::<BTreeSet<Window>>() {
            let is_by_then = |ts: i64| board_of(ts) <= board;
            let day = session(board.start);
            let today: Vec<&Trade> =
                trades.iter().filter(|trade| is_by_then(trade.ts_event) && session(trade.ts_event) == day).collect();
            let before = trades.iter().rfind(|trade| trade.eligible.last() && session(trade.ts_event) < day);
            let last = today.iter().rfind(|trade| trade.eligible.last());
            let ranging = || today.iter().filter(|trade| trade.eligible.high_low()).map(|trade| trade.price);
            let quote = quotes.iter().rfind(|quote| is_by_then(quote.ts_event));
            rows.push(Latest {
                window: board,
                symbol,
                today: (!today.is_empty()).then(|| Today {
                    last: last.map(|last| (last.ts_event, last.size)),
                    prices: [
                        today.iter().find(|trade| trade.eligible.last()).map(|trade| trade.price),
                        ranging().max(),
                        ranging().min(),
                        last.map(|last| last.price),
                    ],
                    volume: today.iter().map(|trade| trade.shares()).sum(),
                    trades: today.len() as u64,
                }),
                quote: quote.map(Quote::from),
                previous: before.map(|trade| trade.price),
            });
        }
    }
    Expected { rows, ledger: Some(tape.ledger_with_quotes()) }
}
