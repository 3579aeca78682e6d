use serde::{Deserialize, Serialize};

use super::context::Context;
use super::places::{Places, first_places};
use super::{Changes, Summary};
use crate::aggregate::{Turnover, Value as _, percent};
use crate::row::{Field, Key, Row, Texts};
use crate::time::SECOND;
use crate::window::{Gap, Window};

/// A place among the bursts of a day: a row `ts_day, rank` and which burst holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Burst {
    /// The day, a trading session.
    pub day: Window,
    /// The place, from 1 on.
    pub rank: u32,
    /// The run of trades that holds it.
    pub run: Summary<Turnover>,
}

/// By how much the price rose from the first trade of a run to the last, in units of 1e-9.
fn change(run: &Summary<Turnover>) -> i128 {
    i128::from(run.value.bar.close.0) - i128::from(run.value.bar.open.0)
}

/// The same in percent of the first price, half to even; none unless that is above zero.
fn change_percent(run: &Summary<Turnover>) -> Option<i128> {
    percent(change(run), run.value.bar.open)
}

impl Row for Burst {
    const NAME: &'static str = "bursts";
    const KEY_COLUMNS: usize = 2;

    fn columns() -> Vec<&'static str> {
        let run = ["ts_day", "rank", "symbol", "ts_open", "ts_close"];
        [&run[..], Turnover::COLUMNS, &["change", "change_percent"]].concat()
    }

    fn key(&self) -> Key {
        Key { ts: self.day.start, place: self.rank, symbols: Default::default() }
    }

    fn window(&self) -> Window {
        self.run.window
    }

    fn fields(&self, texts: &Texts, give: &mut dyn FnMut(Field<'_>)) {
        give(Field::Time(self.day.start));
        give(Field::Count(self.rank.into()));
        give(Field::Text(texts.symbol(self.run.symbol)));
        give(Field::Time(self.run.window.start));
        give(Field::Time(self.run.window.end));
        self.run.value.fields(give);
        give(Field::Amount(Some(change(&self.run))));
        give(Field::Amount(change_percent(&self.run)));
    }
}

/// The times over which places are found in turn: if those of a day were found among all its bursts, each burst would
/// cost as much as the day has of them.
const ROUNDS: [i64; 3] = [SECOND, 60 * SECOND, 3_600 * SECOND];

/// Ranks runs of trades: a collection of the first `n` of each day, whosever they are, which changes whenever a run is
/// over that is among them, and when a late trade, a cancel or a correction makes it another, joins two or parts one.
/// A run is of the day of its last trade. Equal ones go by the symbols' texts, and then by their time.
///
/// Differential's arrangements hold the days that can still change: what is older than [`Places::keep`] is taken out of
/// them, and stays in the result.
///
/// ```
/// use tapeflow::aggregate::Traded;
/// use tapeflow::operators::{Burst, By, Changes, Places, Ticks, bursts};
/// use tapeflow::window::Gap;
///
/// /// The ten runs with the most volume of each day, apart by pauses of a second.
/// fn greatest(ticks: Ticks<'_>) -> Changes<'_, Burst> {
///     let second = Gap::new(1_000_000_000).expect("a second is longer than nothing");
///     let places = Places { by: By::Volume, least: false, n: 10, keep: Some(86_400_000_000_000) };
///     let context = ticks.context.clone();
///     bursts(ticks.window_aggregate::<Traded>(second), second, places, &context)
/// }
/// ```
pub fn bursts<'scope>(
    runs: Changes<'scope, Summary<Turnover>>,
    gap: Gap,
    places: Places,
    context: &Context,
) -> Changes<'scope, Burst> {
    let sessions = context.lateness.sessions.clone();
    let of_day = runs.map(move |run| {
        let (start, end) = sessions.of(run.window.end.saturating_sub(gap.gap));
        (Window { start, end }, run)
    });
    let mut first = places.until_settled(of_day, context, "bursts.keep", |(day, run)| (*day, run.symbol, run.window));
    let weight =
        move |run: &Summary<Turnover>| places.weight(change_percent(run), run.value.bar.volume, run.value.notional);
    first = first.filter(move |(_, run)| weight(run).is_some());
    let symbols = |run: &Summary<Turnover>| [run.symbol; 2];
    for round in ROUNDS {
        let of_round = first.map(move |(day, run)| ((day, run.window.end.div_euclid(round)), run));
        let found = first_places(of_round, places.n, context, weight, symbols, |_, run| run.clone());
        first = found.map(|((day, _), run)| (day, run));
    }
    let with_rank = |place, run: &Summary<Turnover>| (place + 1, run.clone());
    let ranked = first_places(first, places.n, context, weight, symbols, with_rank);
    places.for_good(ranked.map(|(day, (rank, run))| Burst { day, rank, run }), |row| row.day)
}
