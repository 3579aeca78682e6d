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
        Some(Bursts { gap, places })
    }
}
