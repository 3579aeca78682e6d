use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::print;
use crate::compare::{Condition, pairs, read, table};
use crate::error::{Error, Result, say};

/// What is compared.
#[derive(Args)]
pub struct CompareFlags {
    /// The folder of a run or sweep as it was
    base: PathBuf,
    /// The folder of a run or sweep as it is now
    new: PathBuf,
    /// Exit 3 when this holds: 'p99 > +10%', 'close.p99.9 > +10%', 'cores > +5%', 'rate < -1%', digest; repeatable
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<String>,
}

/// Compares two runs, or two sweeps.
pub fn compare(name: &str, asked: &CompareFlags) -> Result<ExitCode> {
    let conditions: Vec<Condition> =
        asked.fail_if.iter().map(|text| text.parse().map_err(Error::Usage)).collect::<Result<_>>()?;
    let (base, new) = (read(&asked.base)?, read(&asked.new)?);
    for side in [&base, &new] {
        if side.pipeline != name {
            let text = format!("compare: {} is of the pipeline {}: compare it with that", side.folder, side.pipeline);
            return Err(Error::Input(text));
        }
    }
    if base.kind != new.kind {
        let text = format!("compare: of {} and {}, one is a run and one is a sweep", base.folder, new.folder);
        return Err(Error::Input(text));
    }
    let pairs = pairs(&base, &new);
    if pairs.is_empty() {
        let text = format!("compare: the sweeps in {} and {} have no cell in common", base.folder, new.folder);
        return Err(Error::Input(text));
    }
    print(&table(&base, &new))?;
    let mut failed = false;
    for condition in &conditions {
        let mut known = false;
        for pair in &pairs {
            let holds = condition.holds(pair);
            known |= holds.is_some();
            if holds == Some(true) {
                failed = true;
                let of = if pair.base.name.is_empty() { String::new() } else { format!(" in {}", pair.base.name) };
                say(&format!("{name}: it holds that {condition}{of}"));
            }
        }
        if !known {
            let text = format!("compare: {condition} cannot be told: a side does not have that figure");
            return Err(Error::Input(text));
        }
    }
    Ok(if failed { ExitCode::from(3) } else { ExitCode::SUCCESS })
}
