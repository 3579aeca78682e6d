use serde::Deserialize;

use super::hours::check_days;
use super::{Keep, Layers, Settings};
use crate::operators::{Boards, Every};
use crate::window::Tumbling;

#[derive(Deserialize)]
struct LatestSection {
    every: EveryWord,
    keep: Keep,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EveryWord {
    Window,
    Session,
}

impl Settings for Every {
    fn read(layers: &mut Layers) -> Option<Self> {
        let windows = Tumbling::read(layers)?;
        check_days(layers, |begin| windows.window_of(begin).start != begin)?;
        let latest: LatestSection = layers.section("latest")?;
        let boards = match latest.every {
            EveryWord::Window => Boards::Windows,
            EveryWord::Session => Boards::Sessions,
        };
        Some(Every { windows, boards, keep: latest.keep.0 })
    }
}
