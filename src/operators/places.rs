use differential_dataflow::{AsCollection, Data, ExchangeData, Hashable};
use serde::Deserialize;
use timely::dataflow::operators::vec::{Filter as _, Map as _};

use super::Changes;
use super::context::Context;
use super::standings::{expires, forgotten};
use crate::row::Texts;
use crate::tick::{Symbol, Venue};
use crate::window::Window;

/// What is ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The change in percent; who has none is not ranked.
    Change,
    /// Shares.
    Volume,
    /// Money.
    Notional,
}

/// The places that are told of each board, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// By what.
    pub by: By,
    /// From the least on, instead of from the most.
    pub least: bool,
    /// So many.
    pub n: usize,
    /// For how many nanoseconds after its end a board can change; for ever if there is none.
    pub keep: Option<i64>,
}

impl Places {
    /// What decides about a place, the greatest first; none if there is no place to have.
    pub(super) fn weight(self, change_percent: Option<i128>, volume: u64, notional: i128) -> Option<i128> {
        let value = match self.by {
            By::Change => change_percent?,
            By::Volume => volume.into(),
            By::Notional => notional,
        };
        Some(if self.least { -value } else { value })
    }

    /// What is inserted now is taken out at once, too, at the time at which its board is settled for good, so that
    /// arrangements hold what can still change. What comes later still fails the run, and says by which `setting` it is kept.
    pub(super) fn until_settled<'scope, M: Clone + 'static>(
        self,
        members: Changes<'scope, M>,
        context: &Context,
        setting: &'static str,
        place: impl Fn(&M) -> (Window, Symbol, Window) + 'static,
    ) -> Changes<'scope, M> {
        let context = context.clone();
        let members = members.inner.flat_map(move |(member, time, diff)| {
            let (board, symbol, window) = place(&member);
            let expires = expires(board, self.keep);
            let is_late = expires.is_some_and(|at| time >= at);
            if is_late {
                forgotten(&context, symbol, window, setting);
            }
            let taken_out = expires.map(|at| (member.clone(), at, -diff));
            std::iter::once((member, time, diff)).chain(taken_out).filter(move |_| !is_late)
        });
        members.as_collection()
    }

    /// The rows but for those that go because their board is settled, which is no change to the result.
    pub(super) fn for_good<'scope, R: Clone + 'static>(
        self,
        rows: Changes<'scope, R>,
        board: impl Fn(&R) -> Window + 'static,
    ) -> Changes<'scope, R> {
        let stays = move |row: &R, time: u64| expires(board(row), self.keep).is_none_or(|at| time < at);
        rows.inner.filter(move |(row, time, _)| stays(row, *time)).as_collection()
    }
}

/// The first `n` of each group: those of the greatest weight, equal ones by the texts of their symbols, and then in
/// their own order. What is told of each is made of its place, from 0 on, and itself. Who is pushed out is retracted,
/// and who moves up is told anew, where that tells another place.
pub(super) fn first_places<'scope, G, M, W, V>(
    members: Changes<'scope, (G, M)>,
    n: usize,
    context: &Context,
    weight: impl Fn(&M) -> W + 'static,
    symbols: impl Fn(&M) -> [Symbol; 2] + 'static,
    told: impl Fn(u32, &M) -> V + 'static,
) -> Changes<'scope, (G, V)>
where
    G: ExchangeData + Hashable,
    M: ExchangeData,
    W: Ord,
    V: Data,
{
    let mut texts = Texts::new(context.symbols.clone(), context.venues.clone());
    members.reduce_named("FirstPlaces", move |_group, members: &[(&M, isize)], places| {
        members.iter().flat_map(|(member, _)| symbols(member)).for_each(|it| texts.know(it, Venue::default()));
        let mut members: Vec<(W, &M)> = members.iter().map(|(member, _)| (weight(member), *member)).collect();
        let text = |member: &M| symbols(member).map(|symbol| texts.symbol(symbol));
        // They come in their own order, which a stable sort keeps.
        members.sort_by(|(weight, one), (least, other)| least.cmp(weight).then_with(|| text(one).cmp(&text(other))));
        places.extend(members.into_iter().zip(0..).take(n).map(|((_, member), place)| (told(place, member), 1)));
    })
}
