use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use toml::Value;

use super::claim::Claim;
use super::outlet::Outlet;
use super::pipeline::{Pipeline, Playing};
use super::{Flags, Program, lacking, out_folder};
use crate::config::{Config, Effective, Layers, Output};
use crate::error::{Error, Result};
use crate::lab::{Asked, Axis, Cell, Play, Skip, grid, text};

/// The flags of everything that compares settings.
#[derive(Args)]
pub struct CellFlags {
    /// Vary any setting, as in --vary late.disorder=5ms,100ms; repeatable
    #[arg(long, value_name = "KEY=A,B,C")]
    vary: Vec<String>,
    /// Leave out the cells that match all of these, as in --skip 'batch=1,linger=1ms'; repeatable
    #[arg(long, value_name = "KEY=VALUE,...")]
    skip: Vec<String>,
    /// How often each cell is run
    #[arg(long, value_name = "N")]
    repeat: Option<String>,
    /// What is due within this span of the schedule is played but not measured: 500ms
    #[arg(long, value_name = "DUR")]
    warmup: Option<String>,
}

/// Settings to be compared.
pub struct Cells {
    /// What is asked of the lab.
    pub asked: Asked,
    /// The settings that all share, unless they vary.
    pub config: Config,
    /// The same as they are written.
    pub shared: serde_json::Value,
    /// What varies.
    pub axes: Vec<Axis>,
    /// A cell for each combination.
    pub cells: Vec<Cell>,
    /// The pipeline with its own settings in each.
    pub own: Vec<Box<dyn Pipeline>>,
}

impl CellFlags {
    /// All cells. `command` is whose they are, `goal` the flag that states what latency is to keep to, and its text.
    pub fn cells(
        &self,
        command: &str,
        program: &Program<'_>,
        mut flags: Flags,
        goal: (&str, &Option<String>),
    ) -> Result<Cells> {
        let mut said: Vec<Axis> = flags.take_lists()?;
        said.extend(self.axes()?);
        let mut base = self.layers(&flags, program, goal)?;
        let (asked, config) = (Asked::read(&mut base), Config::read(&mut base));
        let effective = base.finish()?;
        let (Some(asked), Some(config)) = (asked, config) else { return Err(lacking(program.name)) };
        let axes = axes(command, asked.vary.clone(), said)?;
        let skips: Vec<Skip> = self.skip.iter().map(|skip| Skip::parse(skip, &axes)).collect::<Result<_>>()?;
        let (mut cells, mut own) = (Vec::new(), Vec::new());
        for values in grid(&axes, &skips) {
            let layers = self.layers(&flags, program, goal)?;
            let (config, pipeline, effective) = settings(program, &flags, layers, &axes, &values)?;
            let values = values.iter().map(text).collect();
            cells.push(Cell::new(values, config, &effective, asked.warmup)?);
            own.push(pipeline);
        }
        if cells.is_empty() {
            return Err(Error::Usage(format!("{command}: --skip leaves no cell to run; skip fewer")));
        }
        Ok(Cells { asked, config, shared: effective.to_json(), axes, cells, own })
    }

    fn layers(
        &self,
        flags: &Flags,
        program: &Program<'_>,
        (goal_flag, goal): (&str, &Option<String>),
    ) -> Result<Layers> {
        let mut layers = flags.layers(program.name, program.defaults)?;
        let said = [
            ("--repeat", "sweep.repeat", &self.repeat),
            ("--warmup", "sweep.warmup", &self.warmup),
            (goal_flag, "sweep.goal", goal),
        ];
        for (flag, key, value) in said {
            if let Some(text) = value {
                layers.flag(flag, key, text.as_str());
            }
        }
        Ok(layers)
    }

    /// The axes of `--vary`.
    fn axes(&self) -> Result<Vec<Axis>> {
        let axis = |vary: &String| match vary.split_once('=') {
            Some((key, list)) => Axis::parse("--vary", key.trim(), list),
            None => Err(Error::Usage(format!("--vary {vary} is not KEY=A,B,C; write e.g. --vary workers=1,2"))),
        };
        self.vary.iter().map(axis).collect()
    }
}

impl Cells {
    /// The keys of what varies.
    pub fn keys(&self) -> Vec<String> {
        self.axes.iter().map(|axis| axis.key.clone()).collect()
    }

    /// The folder for what `command` finds, and what keeps others out of it meanwhile, where one is named.
    pub fn folder(&self, command: &str) -> Result<Option<(PathBuf, Claim)>> {
        if let Output::Address(..) = self.config.output {
            let text =
                "what is measured goes into a folder, and the rows of cells nowhere: give --out DIR, or --out none";
            return Err(Error::Usage(format!("{command}: {text}")));
        }
        let claimed = |folder: &Path| Ok((folder.to_owned(), Claim::of(folder)?));
        out_folder(&self.config)?.map(claimed).transpose()
    }

    /// Their names at the heads of columns.
    pub fn labels(&self) -> Vec<String> {
        self.axes.iter().map(|axis| axis.label().to_owned()).collect()
    }
}

/// Says that a folder was left alone.
pub fn as_it_was(command: &str, folder: &Path) -> String {
    format!("{command}: no run had ended, so nothing was written: {} is as it was", folder.display())
}

/// Plays cells, each through a pipeline with its own settings, and discards their rows.
pub fn player(own: Vec<Box<dyn Pipeline>>) -> Box<Play<'static>> {
    Box::new(move |at, cell, around, opened, watch| {
        let playing = Playing { dial: Arc::default(), config: &cell.config, around, opened, watch };
        own[at].play(playing, &Outlet::Nowhere)
    })
}

/// Checks every cell that the settings ask for, if they ask for any, as a sweep would before it starts.
pub fn check(program: &Program<'_>, flags: &Flags, asked: Asked) -> Result<()> {
    if asked.vary.is_empty() {
        return Ok(());
    }
    let axes = axes("check", asked.vary, Vec::new())?;
    let check = |values: &Vec<Value>| {
        let layers = flags.layers(program.name, program.defaults)?;
        let (config, _, effective) = settings(program, flags, layers, &axes, values)?;
        Cell::new(Vec::new(), config, &effective, asked.warmup).map(drop)
    };
    grid(&axes, &[]).iter().try_for_each(check)
}

/// The settings of one cell: those of `layers`, and over them a value of each axis.
fn settings(
    program: &Program<'_>,
    flags: &Flags,
    mut layers: Layers,
    axes: &[Axis],
    values: &[Value],
) -> Result<(Config, Box<dyn Pipeline>, Effective)> {
    for (axis, value) in axes.iter().zip(values) {
        layers.flag(&axis.said_by, &axis.key, value.clone());
        // Under a target, a linger is the longest wait that may be chosen.
        let lingers = axis.key == "batch.max_delay" && flags.target_p99.is_none();
        if lingers && axes.iter().all(|axis| axis.key != "batch.policy") {
            layers.flag(&axis.said_by, "batch.policy", "linger");
        }
    }
    let (config, pipeline) = (Config::read(&mut layers), program.closures.configure(&mut layers));
    let effective = layers.finish()?;
    let (Some(config), Some(pipeline)) = (config, pipeline) else { return Err(lacking(program.name)) };
    Ok((config, pipeline, effective))
}

/// What varies: by the settings, and over it by the command line.
fn axes(command: &str, settings: Vec<Axis>, said: Vec<Axis>) -> Result<Vec<Axis>> {
    let mut axes: Vec<Axis> = Vec::new();
    for axis in said {
        if axes.iter().any(|it| it.key == axis.key) {
            return Err(Error::Usage(format!("{command}: {} is varied twice; give one list of its values", axis.key)));
        }
        axes.push(axis);
    }
    for axis in settings {
        if axes.iter().all(|it| it.key != axis.key) {
            axes.push(axis);
        }
    }
    if let Some(axis) = axes.iter().find(|axis| axis.key.starts_with("sweep.") || axis.key.starts_with("output.")) {
        let text = format!("{command}: {} is the same for all cells; vary another setting", axis.key);
        return Err(Error::Usage(text));
    }
    Ok(axes)
}
