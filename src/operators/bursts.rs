use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use differential_dataflow::consolidation::{consolidate, consolidate_updates};
use serde::{Deserialize, Serialize};

use super::agenda::{Agenda, changes_of};
use super::context::Context;
use super::places::{Places, first_places};
use super::standings::{expires, forgotten};
use super::{Changes, Summary};
use crate::aggregate::{Turnover, Value as _, percent};
use crate::row::{Field, Key, Row, Texts};
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

/// By how much the price rose from the first trade of a run to the last, in units of 1e-9; none where no trade counts for
/// a price.
fn change(run: &Summary<Turnover>) -> Option<i128> {
    let (open, close) = run.value.bar.open.zip(run.value.bar.close)?;
    Some(i128::from(close.0) - i128::from(open.0))
}

/// The same in percent of the first price, half to even; none unless that is above zero.
fn change_percent(run: &Summary<Turnover>) -> Option<i128> {
    percent(change(run)?, run.value.bar.open?)
}

impl Row for Burst {
    const NAME: &'static str = "bursts";
    const IS_OF_SYMBOLS: bool = false;
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

    fn fields(&self, texts: &Texts, give: &mut impl FnMut(Field<'_>)) {
        give(Field::Time(self.day.start));
        give(Field::Count(self.rank.into()));
        give(Field::Text(texts.symbol(self.run.symbol)));
        give(Field::Time(self.run.window.start));
        give(Field::Time(self.run.window.end));
        self.run.value.fields(give);
        give(Field::Amount(change(&self.run)));
        give(Field::Amount(change_percent(&self.run)));
    }
}

/// Ranks runs of trades: a collection of the first `n` of each day, whosever they are, which changes whenever a run is
/// over that is among them, and when a late trade, a cancel or a correction makes it another, joins two or parts one.
/// A run is of the day of its last trade. Equal ones go by the symbols' texts, and then by their time.
///
/// Days are held as long as they can still change: what is older than [`Places::keep`] is forgotten, and stays in the
/// result.
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
    let operator = Selection::new(gap, places, context);
    let best = changes_of(runs.inner, "SelectBursts", operator, |operator, (run, time, diff)| {
        operator.arrived.entry(time).or_default().push((run, diff));
    });
    let place = |(day, run): &OfDay| (*day, run.symbol, run.window);
    let best = places.until_settled(best, context, KEEP, place);
    let (weight, symbols) = (move |run: &_| weight(places, run), |run: &Summary<_>| [run.symbol; 2]);
    let with_rank = |place, run: &Summary<Turnover>| (place + 1, run.clone());
    let ranked = first_places(best, places.n, context, weight, symbols, with_rank);
    places.for_good(ranked.map(|(day, (rank, run))| Burst { day, rank, run }), |row| row.day)
}

/// The setting that says how long days are kept.
const KEEP: &str = "bursts.keep = \"all\" for ever";

/// What decides about the place of a run; none if it has none.
fn weight(places: Places, run: &Summary<Turnover>) -> Option<i128> {
    places.weight(change_percent(run), run.value.bar.volume, run.value.notional)
}

/// A run and its day.
type OfDay = (Window, Summary<Turnover>);

/// Selects a worker's first runs of each day, so that differential ranks no more than those of all workers: whenever a
/// run changes, it reads all that it has of the day.
struct Selection {
    context: Context,
    gap: Gap,
    places: Places,
    days: BTreeMap<Window, Day>,
    /// Runs that change at logical times to come.
    arrived: BTreeMap<u64, Vec<(Summary<Turnover>, isize)>>,
    changes: Vec<(OfDay, u64, isize)>,
}

/// The runs of a day.
#[derive(Default)]
struct Day {
    /// All of them in order: the greatest weight first, equal ones by the texts of their symbols, and then by their
    /// time.
    runs: BTreeSet<(Reverse<i128>, Arc<str>, Summary<Turnover>)>,
    /// The first of them, as they were told.
    told: Vec<Summary<Turnover>>,
}

impl Selection {
    fn new(gap: Gap, places: Places, context: &Context) -> Self {
        let (days, arrived, changes) = Default::default();
        Selection { context: context.clone(), gap, places, days, arrived, changes }
    }

    /// The day of a run's last trade.
    fn day_of(&self, run: &Summary<Turnover>) -> Window {
        let (start, end) = self.context.lateness.sessions.of(run.window.end.saturating_sub(self.gap.gap));
        Window { start, end }
    }

    /// Tells the first of a day, where they are others than before.
    fn tell(&mut self, day: Window, time: u64) {
        let Some(Day { runs, told }) = self.days.get_mut(&day) else { return };
        let first = || runs.iter().take(self.places.n).map(|(_, _, run)| run);
        if !first().eq(told.iter()) {
            self.changes.extend(told.drain(..).map(|run| ((day, run), time, -1)));
            told.extend(first().cloned());
            self.changes.extend(told.iter().map(|run| ((day, run.clone()), time, 1)));
        }
    }
}

impl Agenda for Selection {
    type Row = OfDay;

    fn next(&self) -> Option<u64> {
        self.arrived.first_key_value().map(|(time, _)| *time)
    }

    fn act(&mut self, time: u64) {
        let mut arrived = self.arrived.remove(&time).unwrap_or_default();
        consolidate(&mut arrived);
        let keep = self.places.keep;
        let is_settled = |day: Window| expires(day, keep).is_some_and(|at| time >= at);
        let mut touched = BTreeSet::new();
        for (run, diff) in arrived {
            let day = self.day_of(&run);
            if is_settled(day) {
                forgotten(&self.context, run.symbol, run.window, KEEP);
            } else if let Some(weight) = weight(self.places, &run) {
                let runs = &mut self.days.entry(day).or_default().runs;
                let place = (Reverse(weight), self.context.symbols.text(run.symbol.0), run);
                _ = if diff > 0 { runs.insert(place) } else { runs.remove(&place) };
                touched.insert(day);
            }
        }
        for day in touched {
            self.tell(day, time);
        }
        // Those that stay are not told again.
        consolidate_updates(&mut self.changes);
        self.days.retain(|day, _| !is_settled(*day));
    }

    fn changes(&mut self) -> &mut Vec<(OfDay, u64, isize)> {
        &mut self.changes
    }
}
