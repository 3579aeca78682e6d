use std::process::ExitCode;

use clap::Args;

use super::cells::{CellFlags, as_it_was, player};
use super::{Flags, Program, print, stop_on_signals};
use crate::error::{Error, Result, say};
use crate::lab::{Capacity, CapacityOf};

/// The flags of a search for capacities, beside those of a run.
#[derive(Args)]
#[command(next_help_heading = "Of a search for capacities")]
pub struct CapacityFlags {
    #[command(flatten)]
    cells: CellFlags,
    /// Latency is to keep to this as well: 'p99 <= 5ms' (or p50, p90, p99.9, p99.99, max)
    #[arg(long, value_name = "GOAL")]
    slo: Option<String>,
}

/// Searches for capacities, prints the table and writes its files.
pub fn capacity(program: &Program<'_>, flags: Flags, asked: &CapacityFlags) -> Result<ExitCode> {
    let cells = asked.cells.cells("capacity", program, flags, ("--slo", &asked.slo))?;
    if let Some(axis) = cells.axes.iter().find(|axis| ["source.rate", "source.speed"].contains(&axis.key.as_str())) {
        let text = format!("capacity: {} is what is searched for; give one rate to begin with", axis.key);
        return Err(Error::Usage(text));
    }
    let folder = cells.folder("capacity")?;
    let capacity = Capacity {
        pipeline: program.name.into(),
        keys: cells.keys(),
        labels: cells.labels(),
        cells: cells.cells,
        repeat: cells.asked.repeat,
        goal: cells.asked.goal,
        settings: cells.shared,
    };
    let stop = stop_on_signals()?;
    let found = capacity.run(&stop, &mut *player(cells.own))?;
    print(&capacity.table(&found))?;
    match folder {
        Some((folder, _)) if found.iter().all(CapacityOf::is_empty) => say(&as_it_was("capacity", &folder)),
        Some((folder, _claim)) => capacity.write(&folder, &found)?,
        None => {}
    }
    let interrupted = found.iter().any(|of| of.interrupted);
    Ok(if interrupted { ExitCode::from(130) } else { ExitCode::SUCCESS })
}
