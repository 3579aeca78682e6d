use std::str::FromStr;

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer};

use super::{Bytes, Layers};
use crate::memory;

#[derive(Deserialize)]
struct LimitsSection {
    memory: Most,
}

/// The most memory of a process: `auto`, `off`, or a size.
enum Most {
    Auto,
    Off,
    Bytes(u64),
}

impl<'de> Deserialize<'de> for Most {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "auto" => Ok(Most::Auto),
            "off" => Ok(Most::Off),
            size => match Bytes::from_str(size) {
                Ok(bytes) => Ok(Most::Bytes(bytes.0)),
                Err(e) => Err(serde::de::Error::custom(format!("{e}, or \"auto\", or \"off\""))),
            },
        }
    }
}

/// The most memory that each process may take, in bytes, if there is a limit; `needs` are known to take so much: the key of
/// a setting, what it stands for, and how many bytes. What does not fit is a mistake.
pub(super) fn memory(layers: &mut Layers, needs: &[(&str, &str, u64)]) -> Option<Option<u64>> {
    let LimitsSection { memory } = layers.section("limits")?;
    let most = match memory {
        // Where all is taken, the system ends programs without a word.
        Most::Auto => memory::granted().map(|granted| granted / 10 * 9),
        Most::Off => None,
        Most::Bytes(bytes) => Some(bytes),
    };
    for (key, what, bytes) in needs {
        if let Some(most) = most.filter(|most| bytes > most) {
            let help = format!("{what} take {}, and limits.memory is {}", ByteSize(*bytes), ByteSize(most));
            layers.problem(key, "more than fits into memory", &help);
        }
    }
    Some(most)
}
