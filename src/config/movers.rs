use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::hours::check_days;
use super::places::places;
use super::{Layers, Settings};
use crate::operators::{Boards, Ranking, Reference};
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
    over: Over,
    sectors: String,
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
        let places = places(layers, "movers")?;
        let MoversSection { over, sectors } = layers.section("movers")?;
        let boards = match over {
            Over::Window => Boards::Windows,
            Over::Day => {
                check_days(layers, |begin| windows.window_of(begin).start != begin)?;
                Boards::Sessions
            }
        };
        let sectors = (sectors != "off").then(|| Arc::new(Reference::new(PathBuf::from(sectors))));
        Some(Movers { windows, ranking: Ranking { boards, places, sectors } })
    }
}
