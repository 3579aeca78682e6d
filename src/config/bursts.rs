use super::places::places;
use super::{Layers, Settings};
use crate::operators::Places;
use crate::window::Gap;

/// The settings of `bursts`: the pause that ends one, and how they are ranked.
#[derive(Clone, Copy, Debug)]
pub struct Bursts {
    /// The pause.
    pub gap: Gap,
    /// The places of a day.
    pub places: Places,
}

impl Settings for Bursts {
    fn read(layers: &mut Layers) -> Option<Self> {
        let (gap, places) = (Gap::read(layers)?, places(layers, "bursts")?);
        if places.keep.is_some_and(|keep| gap.gap > keep) {
            let help = "a run would still be open when its day is forgotten: keep days at least as long as window.gap, or \"all\"";
            layers.problem("bursts.keep", "days that are forgotten within a pause", help);
        }
        Some(Bursts { gap, places })
    }
}
