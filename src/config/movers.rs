use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::{Count, Keep, Layers, Settings};
use crate::operators::{Boards, By, Ranking, Reference};
use crate::window::Tumbling;

/// The settings of `movers`: the bars' windows, and how symbols are ranked.
#[derive(Clone, Debug)]
pub struct Movers {
    /// The bars' windows.
    pub windows: Tumbling,
    /// The ranking.
    pub ranking: Ranking,
}

#[derive(Deserialize)]
struct MoversSection {
    by: ByWord,
    order: Order,
    n: Count,
    over: Over,
    keep: Keep,
    sectors: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ByWord {
    Change,
    Volume,
    Notional,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Most,
    Least,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Over {
    Window,
    Day,
}

impl Settings for Movers {
    fn read(layers: &mut Layers) -> Option<Self> {
        let windows = Tumbling::read(layers)?;
        let movers: MoversSection = layers.section("movers")?;
        if movers.n.0 == 0 {
            layers.problem("movers.n", "a ranking of nobody", "write how many places are told, for example 10");
        }
        let boards = match movers.over {
            Over::Window => Boards::Windows,
            Over::Day => Boards::Sessions,
        };
        let by = match movers.by {
            ByWord::Change => By::Change,
            ByWord::Volume => By::Volume,
            ByWord::Notional => By::Notional,
        };
        let sectors = (movers.sectors != "off").then(|| Arc::new(Reference::new(PathBuf::from(movers.sectors))));
        let (least, n) = (matches!(movers.order, Order::Least), movers.n.0 as usize);
        Some(Movers { windows, ranking: Ranking { boards, by, least, n, keep: movers.keep.0, sectors } })
    }
}
