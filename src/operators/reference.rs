use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use differential_dataflow::AsCollection;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::operator::Operator;

use super::Changes;
use super::context::Context;
use crate::error::{Doing as _, Error, Result, say};

/// A table that changes is looked at so often.
const EVERY: Duration = Duration::from_millis(500);

/// A reference table: a CSV file of two columns with a header, `symbol` and a label, which may change while a run goes
/// on. A symbol that it does not name has the empty label.
#[derive(Clone, Debug)]
pub struct Reference {
    path: PathBuf,
}

impl Reference {
    /// The table in a file.
    pub fn new(path: PathBuf) -> Self {
        Reference { path }
    }

    /// Reads the table: labels by the symbols' texts.
    ///
    /// # Errors
    /// When it cannot be read, a line has not two columns, or names a symbol again.
    pub fn read(&self) -> Result<BTreeMap<String, String>> {
        let doing = format!("reading the table of sectors {}", self.path.display());
        let text = fs::read_to_string(&self.path).doing(|| doing.clone())?;
        let mut labels = BTreeMap::new();
        let lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
        for (at, (line, number)) in lines.filter(|(line, _)| !line.trim().is_empty()).enumerate() {
            let wrong = |what: &str| Error::Input(format!("{doing}: line {number} {what}: {line}"));
            let mut columns = line.split(',').map(|column| column.trim().trim_matches('"'));
            let (Some(symbol), Some(label), None) = (columns.next(), columns.next(), columns.next()) else {
                return Err(wrong("is not symbol,sector"));
            };
            if at == 0 {
                if symbol != "symbol" {
                    return Err(wrong("is not the header symbol,sector"));
                }
            } else if labels.insert(symbol.to_owned(), label.to_owned()).is_some() {
                return Err(wrong("names its symbol again"));
            }
        }
        Ok(labels)
    }

    /// What tells that the file is another than before.
    fn version(&self) -> Option<(SystemTime, u64)> {
        let metadata = fs::metadata(&self.path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }
}

/// The label of every symbol that appears in `symbols`, by its id, as a collection that changes when the table's file
/// does: the file is looked at twice a second, and when the input ends. A file that cannot be read at first fails the
/// run; later that is told, and what it said before holds.
pub fn labels<'scope>(
    symbols: Changes<'scope, u32>,
    table: std::sync::Arc<Reference>,
    context: &Context,
) -> Changes<'scope, (u32, String)> {
    let context = context.clone();
    let scope = symbols.inner.scope();
    let stream = symbols.inner.unary_frontier(Pipeline, "Labels", move |capability, info| {
        let activator = scope.activator_for(info.address);
        let mut held: Option<Capability<u64>> = Some(capability);
        let mut version = table.version();
        let mut labels = table.read().unwrap_or_else(|error| {
            context.failure.set(error);
            BTreeMap::new()
        });
        let (mut seen, mut looked, mut wrong) = (BTreeSet::new(), context.clock.now(), version);
        move |(input, frontier), output| {
            let mut symbols = Vec::new();
            input.for_each(|_, changes| symbols.extend(changes.drain(..).map(|(symbol, _, _)| symbol)));
            // It stands where the frontier stood before, so that no symbol comes before its label.
            let Some(capability) = &mut held else { return };
            let (now, mut changes) = (*capability.time(), Vec::new());
            let label = |labels: &BTreeMap<String, String>, symbol: u32| {
                labels.get(&*context.symbols.text(symbol)).cloned().unwrap_or_default()
            };
            for symbol in symbols {
                if seen.insert(symbol) {
                    changes.push(((symbol, label(&labels, symbol)), now, 1));
                }
            }
            let next = frontier.frontier().first().copied();
            let clock = context.clock.now();
            if next.is_none() || clock >= looked + EVERY.as_nanos() as u64 {
                looked = clock;
                let found = table.version();
                match (found != version).then(|| table.read()) {
                    None => {}
                    Some(Ok(read)) => {
                        version = found;
                        for symbol in seen.iter().copied() {
                            let (old, new) = (label(&labels, symbol), label(&read, symbol));
                            if old != new {
                                changes.extend([((symbol, old), now, -1), ((symbol, new), now, 1)]);
                            }
                        }
                        labels = read;
                    }
                    // Whoever writes it may be in the middle of it, so it is looked at again before it is told.
                    Some(Err(_)) if next.is_some() && found != wrong => wrong = found,
                    Some(Err(error)) => {
                        version = found;
                        if context.worker == 0 {
                            say(&format!("{error}. What it said before holds until it can be read"));
                        }
                    }
                }
            }
            output.session(&*capability).give_iterator(changes.into_iter());
            match next {
                Some(next) => {
                    capability.downgrade(&next);
                    activator.activate_after(EVERY);
                }
                None => held = None,
            }
        }
    });
    stream.as_collection()
}
