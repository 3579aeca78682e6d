//! The places of a ranking, as all pipelines that rank have them.

use serde::Deserialize;

use super::{Count, Keep, Layers};
use crate::operators::{By, Places};

#[derive(Deserialize)]
struct PlacesSection {
    by: By,
    order: Order,
    top: Count,
    keep: Keep,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Order {
    Most,
    Least,
}

/// Reads the places in a pipeline's own section.
pub(super) fn places(layers: &mut Layers, section: &str) -> Option<Places> {
    let PlacesSection { by, order, top, keep } = layers.section(section)?;
    if top.0 == 0 {
        let help = "write how many places are told, for example 10";
        layers.problem(&format!("{section}.top"), "a ranking of nobody", help);
    }
    Some(Places { by, least: matches!(order, Order::Least), n: top.0 as usize, keep: keep.0 })
}
