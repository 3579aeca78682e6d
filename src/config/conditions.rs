use std::fs;
use std::sync::Arc;

use serde::Deserialize;

use super::Layers;
use crate::tape::Table;

#[derive(Deserialize)]
struct ConditionsSection {
    table: String,
}

/// The table of trade conditions, if there is to be one.
pub(super) fn table(layers: &mut Layers) -> Option<Option<Arc<Table>>> {
    let ConditionsSection { table: name } = layers.section("conditions")?;
    if name == "off" {
        return Some(None);
    }
    if let Some(table) = Table::named(&name) {
        return Some(Some(Arc::new(table)));
    }
    let read = fs::read_to_string(&name).map_err(|e| e.to_string()).and_then(|text| Table::parse(&text));
    let read = read.map_err(|why| {
        let help = format!("{name}: {why}; write sip, cta, utp, off, or the path of a CSV code,last,high_low,volume");
        layers.problem("conditions.table", "no table of trade conditions", &help);
    });
    Some(read.ok().map(Arc::new))
}
