use std::fs;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Doing as _, Error, Result};
use crate::lab::files::cell_file;
use crate::lab::machine::Machine;
use crate::lab::{Chosen, CostLaw, Little, Pressure, Second, Summary, Theory};
use crate::latency::{Boundary, Slowest, histogram};
use crate::report::{Percentiles, read_log};

/// How a sweep was done, as far as the report tells.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    pub pipeline: String,
    pub version: String,
    pub commit: Option<String>,
    pub at: String,
    pub command: String,
    pub machine: Machine,
    pub repeat: usize,
    pub warmup: u64,
    pub goal: Option<String>,
    pub keys: Vec<String>,
    /// The names of what varies, as in the cells' values.
    pub labels: Vec<String>,
    pub complete: bool,
    pub disagreement: Option<String>,
    /// What batches cost in all runs together.
    pub cost_law: Option<CostLaw>,
    pub settings: Value,
}

#[derive(Deserialize)]
struct SavedSweep {
    manifest: Manifest,
    cells: Vec<SavedCell>,
}

#[derive(Deserialize)]
struct SavedCell {
    cell: usize,
    name: String,
    settings: Value,
    summary: Option<Summary>,
    pareto: bool,
    star: bool,
    #[serde(default)]
    theory: Option<Theory>,
    median_run: Option<usize>,
    runs: Vec<SavedRun>,
    #[serde(default)]
    discarded_as_noisy: Vec<Discarded>,
}

/// A noisy run that was run once more, and does not count.
#[derive(Clone, Deserialize)]
pub struct Discarded {
    /// Which of its cell's repeats it was, from one.
    pub repeat: usize,
    pub latency: Ticks,
}

/// Of a run's latencies, those of ticks.
#[derive(Clone, Deserialize)]
pub struct Ticks {
    pub tick: Percentiles,
}

#[derive(Clone, Default, Deserialize)]
struct SavedRun {
    timeline: Vec<Second>,
    #[serde(default)]
    decisions: Vec<Chosen>,
    slowest: Slowest,
    closes: Vec<Boundary>,
    #[serde(default)]
    pressure: Pressure,
    #[serde(default)]
    little: Option<Little>,
}

/// A cell that was run, as its files tell.
pub struct Cell {
    /// Its place on the page, from zero.
    pub at: usize,
    /// Which sweep it is of, from zero.
    pub sweep: usize,
    /// Its settings, behind its sweep's letter where there are several.
    pub name: String,
    /// The values of what varies, in the order of the manifest's labels.
    pub values: Vec<String>,
    pub summary: Summary,
    pub pareto: bool,
    pub star: bool,
    /// What was to be expected of it, where there is a theory.
    pub theory: Option<Theory>,
    /// What the kernel says others took, as in [`Pressure::shares`]: the worst of its runs.
    pub taken: [Option<f64>; 3],
    /// What was run once more.
    pub discarded: Vec<Discarded>,
    /// Little's law in each of its runs that drained.
    pub littles: Vec<Little>,
    /// Of the run that stands for the cell: the one in the middle by p99.
    pub timeline: Vec<Second>,
    pub decisions: Vec<Chosen>,
    pub slowest: Slowest,
    pub closes: Vec<Boundary>,
    pub ticks: Histogram<u64>,
    pub first_rows: Histogram<u64>,
    pub last_rows: Histogram<u64>,
}

impl Cell {
    /// Ticks a second that it is offered.
    pub fn rate(&self) -> u64 {
        self.summary.offered.round() as u64
    }

    /// The waits that its controllers chose in a span of the run, in nanoseconds: the shortest and the longest.
    pub fn chosen(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        let chosen = || self.decisions.iter().filter(|it| (from..to).contains(&it.at)).map(|it| it.delay);
        chosen().min().zip(chosen().max())
    }

    /// The run in which Little's law is furthest off, of those that drained.
    pub fn little(&self) -> Option<&Little> {
        let off = |it: &Little| (it.backlog - it.expected).abs() / it.backlog.abs().max(f64::MIN_POSITIVE);
        self.littles.iter().max_by(|a, b| b.holds.cmp(&a.holds).then(off(a).total_cmp(&off(b))))
    }

    /// What it costs: cores in use, or where the system does not tell, ticks a second applied.
    pub fn price(&self, has_cores: bool) -> f64 {
        self.summary.cores.filter(|_| has_cores).unwrap_or(self.summary.achieved)
    }
}

/// One sweep, as its folder tells.
pub struct Sweep {
    pub folder: PathBuf,
    pub manifest: Manifest,
    /// How long the machine held up a sleeper, in all runs that count.
    pub machine: Histogram<u64>,
    /// How many cells there are, with those that were not run.
    pub cells: usize,
}

/// All that a report is about.
pub struct Saved {
    pub sweeps: Vec<Sweep>,
    pub cells: Vec<Cell>,
}

impl Saved {
    /// Reads the folders of one sweep or several.
    ///
    /// # Errors
    /// When one is not the folder of a sweep, or of another version.
    pub fn read(folders: &[PathBuf]) -> Result<Self> {
        let mut saved = Saved { sweeps: Vec::new(), cells: Vec::new() };
        for (number, folder) in folders.iter().enumerate() {
            let letter = (folders.len() > 1).then(|| letter(number));
            saved.add(folder, letter)?;
        }
        Ok(saved)
    }

    fn add(&mut self, folder: &Path, letter: Option<char>) -> Result<()> {
        let path = folder.join("sweep.json");
        let text = fs::read_to_string(&path).doing(|| format!("reading {}", path.display()))?;
        let sweep: SavedSweep = serde_json::from_str(&text).map_err(|error| {
            let text = format!("{} is not what this version's sweep writes: {error}; sweep again", path.display());
            Error::Input(text)
        })?;
        let cells = sweep.cells.len();
        let mut machine = histogram();
        for cell in sweep.cells {
            let (Some(summary), Some(run)) = (cell.summary, cell.median_run) else { continue };
            let run = run.saturating_sub(1);
            let taken = Pressure::worst(cell.runs.iter().map(|run| &run.pressure));
            let littles = cell.runs.iter().filter_map(|run| run.little).collect();
            let traces = cell.runs.get(run).cloned().unwrap_or_default();
            let log = read_log(&folder.join(format!("{}.hlog", cell_file(cell.cell))))?;
            let of =
                |tag: &str| log.iter().filter(|(it, _)| it == tag).map(|(_, histogram)| histogram.clone()).nth(run);
            for (_, histogram) in log.iter().filter(|(tag, _)| tag == "machine") {
                machine.add(histogram).map_err(|error| Error::Input(format!("{}: {error}", folder.display())))?;
            }
            let value = |key: &String| cell.settings.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            self.cells.push(Cell {
                at: self.cells.len(),
                sweep: self.sweeps.len(),
                values: sweep.manifest.keys.iter().map(value).collect(),
                name: letter.map_or(cell.name.clone(), |letter| format!("{letter}: {}", cell.name)),
                summary,
                pareto: cell.pareto,
                star: cell.star,
                theory: cell.theory,
                taken,
                discarded: cell.discarded_as_noisy,
                littles,
                timeline: traces.timeline,
                decisions: traces.decisions,
                slowest: traces.slowest,
                closes: traces.closes,
                ticks: of("tick").unwrap_or_else(histogram),
                first_rows: of("close_first").unwrap_or_else(histogram),
                last_rows: of("close").unwrap_or_else(histogram),
            });
        }
        self.sweeps.push(Sweep { folder: folder.to_owned(), manifest: sweep.manifest, machine, cells });
        Ok(())
    }

    /// The cell that the sentences speak of: the starred one, else the one of lowest p99 on the front, else any.
    pub fn chosen(&self) -> Option<&Cell> {
        let lowest = |cells: &mut dyn Iterator<Item = &Cell>| -> Option<usize> {
            cells.min_by_key(|cell| cell.summary.tick.p99).map(|cell| cell.at)
        };
        let at = lowest(&mut self.cells.iter().filter(|cell| cell.star))
            .or_else(|| lowest(&mut self.cells.iter().filter(|cell| cell.pareto)))
            .or_else(|| lowest(&mut self.cells.iter()))?;
        self.cells.get(at)
    }

    /// The pipelines, each once.
    pub fn pipelines(&self) -> String {
        let mut names: Vec<&str> = self.sweeps.iter().map(|sweep| sweep.manifest.pipeline.as_str()).collect();
        names.dedup();
        names.join(", ")
    }

    /// Whether the system tells how many cores each cell uses; where it does not, cells differ by their throughput.
    pub fn has_cores(&self) -> bool {
        self.cells.iter().all(|cell| cell.summary.cores.is_some())
    }

    /// The rates that are offered, in ticks a second, each once.
    pub fn rates(&self) -> Vec<u64> {
        let mut rates: Vec<u64> = self.cells.iter().map(Cell::rate).collect();
        rates.sort_unstable();
        rates.dedup();
        rates
    }

    /// Which cells to show where all would be too many: of each sweep the front, and then those of the lowest p99.
    pub fn foremost(&self, most: usize) -> Vec<bool> {
        let each = most.div_ceil(self.sweeps.len().max(1));
        let mut foremost = vec![false; self.cells.len()];
        for sweep in 0..self.sweeps.len() {
            let mut cells: Vec<&Cell> = self.cells.iter().filter(|cell| cell.sweep == sweep).collect();
            cells.sort_by_key(|cell| (!cell.star, !cell.pareto, cell.summary.tick.p99));
            cells.iter().take(each).for_each(|cell| foremost[cell.at] = true);
        }
        foremost
    }

    /// The fronts, each the cells of one sweep and rate by what they cost: what no other cell beats.
    pub fn fronts(&self) -> Vec<Vec<&Cell>> {
        let mut fronts: Vec<Vec<&Cell>> = Vec::new();
        for cell in self.cells.iter().filter(|cell| cell.pareto) {
            let same = |front: &&mut Vec<&Cell>| (front[0].sweep, front[0].rate()) == (cell.sweep, cell.rate());
            match fronts.iter_mut().find(same) {
                Some(front) => front.push(cell),
                None => fronts.push(vec![cell]),
            }
        }
        let cores = |cell: &Cell| cell.summary.cores.unwrap_or(0.0);
        fronts.iter_mut().for_each(|front| front.sort_by(|a, b| cores(a).total_cmp(&cores(b))));
        fronts
    }
}

/// What a sweep is called beside others.
pub fn letter(number: usize) -> char {
    char::from(b'A' + (number % 26) as u8)
}
