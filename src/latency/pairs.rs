//! Histograms as text: the values that were recorded, and how often.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::histogram;

pub fn serialize<S: Serializer>(histograms: &[Histogram<u64>; 4], to: S) -> Result<S::Ok, S::Error> {
    let pairs = |it: &Histogram<u64>| -> Vec<(u64, u64)> {
        it.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
    };
    histograms.each_ref().map(pairs).serialize(to)
}

pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[Histogram<u64>; 4], D::Error> {
    let pairs = <[Vec<(u64, u64)>; 4]>::deserialize(from)?;
    Ok(pairs.map(|pairs| {
        let mut it = histogram();
        pairs.into_iter().for_each(|(value, count)| it.saturating_record_n(value, count));
        it
    }))
}
