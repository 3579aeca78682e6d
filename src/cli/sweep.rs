use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use clap::Args;

use super::cells::{CellFlags, as_it_was, player};
use super::{Flags, Program, print, stop_on_signals};
use crate::error::{Error, Result, say};
use crate::lab::{Sweep, table, write, write_picture, write_report};
use crate::tape::make_folder;

const EXAMPLE: &str = "--batch 1,16,256,4096 --linger 0s,1ms --rate 100k/s,500k/s --for 2s";

/// The flags of a sweep, beside those of a run.
#[derive(Args)]
#[command(next_help_heading = "Of a sweep")]
pub struct SweepFlags {
    #[command(flatten)]
    cells: CellFlags,
    /// Star the cheapest row that keeps to this: 'p99 <= 2ms' (or p50, p90, p99.9, p99.99, max)
    #[arg(long, value_name = "GOAL")]
    goal: Option<String>,
}

/// Runs a sweep, prints its table and writes its files.
pub fn sweep(program: &Program<'_>, flags: Flags, asked: &SweepFlags) -> Result<ExitCode> {
    let cells = asked.cells.cells("sweep", program, flags, ("--goal", &asked.goal))?;
    if cells.axes.is_empty() {
        return Err(Error::Usage(format!("sweep: nothing varies; give lists of values, for example {EXAMPLE}")));
    }
    let folder = cells.folder("sweep")?;
    let sweep = Sweep {
        pipeline: program.name.into(),
        keys: cells.keys(),
        labels: cells.labels(),
        cells: cells.cells,
        repeat: cells.asked.repeat,
        warmup: cells.asked.warmup,
        goal: cells.asked.goal,
        seed: cells.asked.seed,
        settings: cells.shared,
    };
    let stop = stop_on_signals()?;
    let results = sweep.run(&stop, &mut *player(cells.own))?;
    print(&table(&sweep, &results))?;
    match folder {
        Some((folder, _)) if results.is_empty() => say(&as_it_was("sweep", &folder)),
        Some((folder, _claim)) => {
            write(&folder, &sweep, &results)?;
            write_picture(&folder, &folder)?;
            let page = write_report(slice::from_ref(&folder), &folder)?;
            say(&format!("\nthe report is {}", page.display()));
        }
        None => {}
    }
    if let Some(text) = sweep.disagreement(&results) {
        let text = format!("sweep: cells that play the same ticks must have the same result, and do not:\n{text}");
        return Err(Error::Input(text));
    }
    Ok(if results.complete { ExitCode::SUCCESS } else { ExitCode::from(130) })
}

/// The folders of a report.
#[derive(Args)]
pub struct ReportFlags {
    /// Folders that sweeps have written
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
}

/// Makes the page of saved sweeps, and the picture of one: into `out`, or else into the folder of the one, or here for
/// several.
pub fn report(asked: &ReportFlags, out: Option<&str>) -> Result<ExitCode> {
    let into = match (out, &asked.folders[..]) {
        (Some(out), _) => Path::new(out),
        (None, [folder]) => folder,
        (None, _) => Path::new("."),
    };
    if out.is_some() {
        make_folder(into)?;
    }
    if let [folder] = &asked.folders[..] {
        write_picture(folder, into)?;
    }
    let page = write_report(&asked.folders, into)?;
    print(&format!("{}\n", page.display()))
}
