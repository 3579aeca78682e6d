//! What processes say to each other first.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Place;

/// Among the settings that all processes must share, how long each file of the tape is.
pub const TAPE: &str = "the tape";

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Use {
    Link,
    Names,
    Ticks,
    Data,
}

/// The first thing that is said on a connection.
#[derive(Serialize, Deserialize)]
pub struct Hello {
    pub tapeflow: String,
    pub is_for: Use,
    pub process: usize,
    pub processes: usize,
    /// Of a link: where it listens, and the settings of its run.
    pub port: u16,
    pub settings: Value,
}

impl Hello {
    pub fn new(place: Place, is_for: Use) -> Self {
        let Place { process, processes } = place;
        let tapeflow = env!("CARGO_PKG_VERSION").to_owned();
        Hello { tapeflow, is_for, process, processes, port: 0, settings: Value::Null }
    }

    /// What keeps this process from taking part in a run of these settings.
    pub fn objection(&self, place: Place, settings: &Value) -> Option<String> {
        let (version, processes) = (env!("CARGO_PKG_VERSION"), place.processes);
        if self.tapeflow != version {
            return Some(format!("it is tapeflow {}, and the first process is {version}", self.tapeflow));
        }
        if self.processes != processes {
            return Some(format!("it is one of {} processes, and the first process of {processes}", self.processes));
        }
        if !(1..processes).contains(&self.process) {
            return Some(format!("its number is {}; write 1 to {}", self.process, processes - 1));
        }
        let other = difference(&self.settings, settings)?;
        Some(match other.strip_prefix(TAPE).and_then(|file| file.strip_prefix('.')) {
            Some(file) => {
                format!("{file} is there for one of the two alone, or of another length: all must see the same tape")
            }
            None => {
                let text = "start all with the same settings, and the same in the files that they name";
                format!("its {other} is another than that of the first process: {text}")
            }
        })
    }
}

/// The first setting that is not the same in both, by its key.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let (Value::Object(one), Value::Object(two)) = (one, other) else { return (one != other).then(String::new) };
    let key = one.keys().chain(two.keys()).find(|key| one.get(*key) != two.get(*key))?;
    let inner = one.get(key).zip(two.get(key)).and_then(|(one, two)| difference(one, two)).unwrap_or_default();
    Some(if inner.is_empty() { key.clone() } else { format!("{key}.{inner}") })
}
