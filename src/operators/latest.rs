use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Concat as _;
use timely::dataflow::operators::vec::Map as _;

use super::Changes;
use super::agenda::{Agenda, changes_of};
use super::by_time::ByTime;
use super::context::{Context, Ticks};
use super::standings::{Boards, expires, forgotten};
use crate::aggregate::{DayPart, Part, Value as _, percent};
use crate::asof::Quote;
use crate::row::{Field, Key, Row, Takes, Texts};
use crate::tick::{Price, Symbol};
use crate::time::EventTime;
use crate::window::{Tumbling, Window};

/// Of what `latest` makes rows.
#[derive(Clone, Copy, Debug)]
pub struct Every {
    /// The windows that trades and quotes are summed up in.
    pub windows: Tumbling,
    /// At whose ends a row is told: those of windows, or of trading sessions.
    pub boards: Boards,
    /// For how many nanoseconds after its end a row can change; for ever if there is none.
    pub keep: Option<i64>,
}

/// A day's trades so far.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Today {
    /// When the trade was that has the last price, and its shares; none where no trade counts for it.
    pub last: Option<(EventTime, u32)>,
    /// Open, high, low and last price, each where a trade counts for it.
    pub prices: [Option<Price>; 4],
    /// Shares.
    pub volume: u64,
    /// Prints, whatever they count for.
    pub trades: u64,
}

/// How a symbol stood at the end of a window in which it was traded or quoted: a row `symbol, ts_open, ts_close`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Latest {
    /// The window, or the session, at whose end this was so.
    pub window: Window,
    /// The symbol.
    pub symbol: Symbol,
    /// The trading session so far; none without a trade.
    pub today: Option<Today>,
    /// The last quote, of whichever day.
    pub quote: Option<Quote>,
    /// The last price of the last session that had one.
    pub previous: Option<Price>,
}

impl Latest {
    /// By how much the last price rose against the previous close, and that in percent, in units of 1e-9, half to even.
    fn change(&self) -> (Option<i128>, Option<i128>) {
        let last = self.today.as_ref().and_then(|today| today.prices[3]);
        let (Some(last), Some(previous)) = (last, self.previous) else { return (None, None) };
        let change = i128::from(last.0) - i128::from(previous.0);
        (Some(change), percent(change, previous))
    }
}

impl Row for Latest {
    const NAME: &'static str = "latest";
    const TAKES: Takes = Takes::TradesAndQuotes;
    const KEY_COLUMNS: usize = 3;

    fn columns() -> Vec<&'static str> {
        let key = ["symbol", "ts_open", "ts_close", "ts_trade", "price", "size"];
        let day = ["open", "high", "low", "volume", "trades", "previous_close", "change", "change_percent"];
        key.into_iter().chain(Quote::COLUMNS.iter().copied()).chain(day).collect()
    }

    fn key(&self) -> Key {
        Key::of(self.window.start, self.symbol)
    }

    fn window(&self) -> Window {
        self.window
    }

    fn fields(&self, texts: &Texts, give: &mut impl FnMut(Field<'_>)) {
        let none = Field::Price(None);
        give(Field::Text(texts.symbol(self.symbol)));
        give(Field::Time(self.window.start));
        give(Field::Time(self.window.end));
        let today = self.today.as_ref();
        let price = |at: usize| Field::Price(today.and_then(|today| today.prices[at]));
        let last = today.and_then(|today| today.last);
        give(last.map_or(none, |(ts, _)| Field::Time(ts)));
        give(price(3));
        give(last.map_or(none, |(_, size)| Field::Count(size.into())));
        match &self.quote {
            Some(quote) => quote.fields(give),
            None => Quote::COLUMNS.iter().for_each(|_| give(none)),
        }
        (0..3).for_each(|at| give(price(at)));
        give(Field::Count(today.map_or(0, |today| today.volume)));
        give(Field::Count(today.map_or(0, |today| today.trades)));
        give(Field::Price(self.previous));
        let (change, percent) = self.change();
        give(Field::Amount(change));
        give(Field::Amount(percent));
    }
}

impl<'scope> Ticks<'scope> {
    /// How each symbol stood at the end of every window, or session, in which it was traded or quoted: its last trade
    /// and quote by event time, its day so far, and the change against the previous close. A late tick replaces nothing
    /// that is newer, and amends all rows that it is part of; so do cancels and corrections.
    ///
    /// ```
    /// use tapeflow::operators::{Boards, Changes, Every, Latest, Ticks};
    /// use tapeflow::window::Tumbling;
    ///
    /// fn second_by_second(ticks: Ticks<'_>) -> Changes<'_, Latest> {
    ///     let windows = Tumbling::new(1_000_000_000).expect("a second is longer than nothing");
    ///     ticks.latest(Every { windows, boards: Boards::Windows, keep: None })
    /// }
    /// ```
    pub fn latest(self, every: Every) -> Changes<'scope, Latest> {
        let context = self.context.clone();
        let [quotes, trades] = self.split();
        let quotes = quotes.last_quotes(every.windows);
        let trades = trades.window_aggregate::<DayPart>(every.windows);
        let quotes =
            quotes.inner.map(|(row, time, diff)| ((row.symbol, row.window, Piece::Quote(row.value)), time, diff));
        let trades =
            trades.inner.map(|(row, time, diff)| ((row.symbol, row.window, Piece::Part(row.value)), time, diff));
        let operator = LatestRows::new(context, every);
        changes_of(quotes.concat(trades), "Latest", operator, |operator, ((symbol, window, piece), time, diff)| {
            operator.arrived.entry(time).or_default().push((symbol, window, piece, diff));
        })
    }
}

/// What a window holds of a symbol's trades, or of its quotes.
#[derive(Clone, Debug)]
enum Piece {
    Part(Part),
    Quote(Quote),
}

/// What is kept of a symbol: the pieces of each window, and how it stood at its end.
#[derive(Default)]
struct Kept {
    parts: ByTime<Part>,
    quotes: ByTime<Quote>,
    stood: ByTime<Latest>,
    told: ByTime<Latest>,
}

struct LatestRows {
    context: Context,
    every: Every,
    symbols: BTreeMap<Symbol, Kept>,
    arrived: BTreeMap<u64, Vec<(Symbol, Window, Piece, isize)>>,
    /// The boards that are to be told, by when.
    due: BTreeMap<u64, BTreeSet<(Symbol, Window)>>,
    changes: Vec<(Latest, u64, isize)>,
}

impl LatestRows {
    fn new(context: Context, every: Every) -> Self {
        let (symbols, arrived, due, changes) = Default::default();
        LatestRows { context, every, symbols, arrived, due, changes }
    }

    fn board_of(&self, start: EventTime) -> Window {
        self.every.boards.of(self.every.windows.window_of(start), &self.context.lateness.sessions)
    }

    /// Works out how a symbol stood from the first window on that was touched, until nothing changes any more.
    /// Returns the windows at whose ends it stood otherwise.
    fn restate(&mut self, symbol: Symbol, touched: BTreeSet<EventTime>) -> Vec<EventTime> {
        let sessions = &self.context.lateness.sessions;
        let Some(kept) = self.symbols.get_mut(&symbol) else { return Vec::new() };
        let (Some(first), Some(last)) = (touched.first().copied(), touched.last().copied()) else { return Vec::new() };
        let starts = kept.parts.times_from(first).chain(kept.quotes.times_from(first));
        let starts: BTreeSet<EventTime> = starts.chain(touched).collect();
        let mut before = kept.stood.last_in(EventTime::MIN..first).cloned();
        let mut changed = Vec::new();
        for start in starts {
            let (part, quote) = (kept.parts.get(start), kept.quotes.get(start));
            let window = self.every.windows.window_of(start);
            let same_day = |before: &Latest| sessions.of(before.window.start) == sessions.of(start);
            let now = (part.is_some() || quote.is_some()).then(|| {
                let day_before = before.as_ref().filter(|before| !same_day(before));
                let today = before.as_ref().filter(|before| same_day(before));
                Latest {
                    window,
                    symbol,
                    today: add(today.and_then(|before| before.today.as_ref()), part),
                    quote: quote.copied().or(before.as_ref().and_then(|before| before.quote)),
                    previous: match day_before {
                        Some(day) => day.today.as_ref().and_then(|today| today.prices[3]).or(day.previous),
                        None => today.and_then(|before| before.previous),
                    },
                }
            });
            let stood = kept.stood.get(start);
            if stood == now.as_ref() && start > last {
                break;
            }
            if stood != now.as_ref() {
                changed.push(start);
            }
            match now {
                Some(now) => {
                    before = Some(now.clone());
                    kept.stood.insert(start, now);
                }
                None => _ = kept.stood.remove(start),
            }
        }
        changed
    }

    /// Tells how a symbol stood at the end of a board, if that is not what was told before.
    fn tell(&mut self, symbol: Symbol, board: Window, time: u64) {
        let Some(kept) = self.symbols.get_mut(&symbol) else { return };
        let stood = kept.stood.last_in(board.start..board.end);
        let now = stood.map(|stood| Latest { window: board, ..stood.clone() });
        let told = match &now {
            Some(now) => kept.told.insert(board.start, now.clone()),
            None => kept.told.remove(board.start),
        };
        if told != now {
            self.changes.extend(told.map(|told| (told, time, -1)));
            self.changes.extend(now.map(|now| (now, time, 1)));
        }
        self.forget(symbol, time);
    }

    /// Forgets what is settled, but for the last standing, which the next looks back to.
    fn forget(&mut self, symbol: Symbol, time: u64) {
        let is_over = |start| expires(self.board_of(start), self.every.keep).is_some_and(|expires| time >= expires);
        let Some(kept) = self.symbols.get(&symbol) else { return };
        let Some(last) = kept.stood.times_from(EventTime::MIN).take_while(|start| is_over(*start)).last() else {
            return;
        };
        let board = self.board_of(last);
        let Some(kept) = self.symbols.get_mut(&symbol) else { return };
        kept.parts.forget_before(last);
        kept.quotes.forget_before(last);
        kept.stood.forget_before(last);
        kept.told.forget_before(board.start);
    }
}

impl Agenda for LatestRows {
    type Row = Latest;

    fn next(&self) -> Option<u64> {
        let times = [self.arrived.first_key_value().map(|(t, _)| *t), self.due.first_key_value().map(|(t, _)| *t)];
        times.into_iter().flatten().min()
    }

    fn act(&mut self, time: u64) {
        let mut arrived = self.arrived.remove(&time).unwrap_or_default();
        // What is taken back goes before what takes its place.
        arrived.sort_by_key(|(_, _, _, diff)| *diff);
        let mut touched: BTreeMap<Symbol, BTreeSet<EventTime>> = BTreeMap::new();
        for (symbol, window, piece, diff) in arrived {
            if expires(self.board_of(window.start), self.every.keep).is_some_and(|expires| time >= expires) {
                forgotten(&self.context, symbol, window, "latest.keep = \"all\" for ever");
                continue;
            }
            let kept = self.symbols.entry(symbol).or_default();
            match (piece, diff) {
                (Piece::Part(part), 1) => _ = kept.parts.insert(window.start, part),
                (Piece::Part(_), _) => _ = kept.parts.remove(window.start),
                (Piece::Quote(quote), 1) => _ = kept.quotes.insert(window.start, quote),
                (Piece::Quote(_), _) => _ = kept.quotes.remove(window.start),
            }
            touched.entry(symbol).or_default().insert(window.start);
        }
        for (symbol, windows) in touched {
            for changed in self.restate(symbol, windows) {
                let board = self.board_of(changed);
                self.due.entry(time.max(board.end_ms() as u64)).or_default().insert((symbol, board));
            }
        }
        for (symbol, board) in self.due.remove(&time).unwrap_or_default() {
            self.tell(symbol, board, time);
        }
    }

    fn changes(&mut self) -> &mut Vec<(Latest, u64, isize)> {
        &mut self.changes
    }
}

/// A day and one more part of it.
fn add(today: Option<&Today>, part: Option<&Part>) -> Option<Today> {
    let Some(Part { bar, last }) = part else { return today.cloned() };
    Some(match today {
        None => {
            let prices = [bar.open, bar.high, bar.low, bar.close];
            Today { last: *last, prices, volume: bar.volume, trades: bar.trades }
        }
        Some(today) => {
            let [open, high, low, close] = today.prices;
            let lowest = low.into_iter().chain(bar.low).min();
            let prices = [open.or(bar.open), high.max(bar.high), lowest, bar.close.or(close)];
            let (volume, trades) = (today.volume + bar.volume, today.trades + bar.trades);
            Today { last: last.or(today.last), prices, volume, trades }
        }
    })
}
