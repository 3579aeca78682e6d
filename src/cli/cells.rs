use std::sync::Arc;

use clap::Args;

use super::{Flags, lacking};
use crate::config::{Config, Layers, Settings};
use crate::error::{Error, Result};
use crate::lab::{Asked, Axis, Cell, Play, Skip, grid, text};
use crate::operators::{Changes, Ticks};
use crate::play;
use crate::row::Row;
use crate::sink::{Discard, Sink};

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
pub struct Cells<S> {
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
    /// The pipeline's own settings in each.
    pub own: Vec<Arc<S>>,
}

impl CellFlags {
    /// All cells. `command` is whose they are, `goal` the flag that states what latency is to keep to, and its text.
    pub fn cells<S: Settings>(
        &self,
        command: &str,
        (name, defaults): (&str, &'static str),
        mut flags: Flags,
        goal: (&str, &Option<String>),
    ) -> Result<Cells<S>> {
        let mut said: Vec<Axis> = flags.take_lists()?;
        said.extend(self.axes()?);
        let mut base = self.layers(&flags, name, defaults, goal)?;
        let (asked, config) = (Asked::read(&mut base), Config::read(&mut base));
        let effective = base.finish()?;
        let (Some(asked), Some(config)) = (asked, config) else { return Err(lacking(name)) };
        let axes = axes(command, asked.vary.clone(), said)?;
        let skips: Vec<Skip> = self.skip.iter().map(|skip| Skip::parse(skip, &axes)).collect::<Result<_>>()?;
        let (mut cells, mut own) = (Vec::new(), Vec::new());
        for values in grid(&axes, &skips) {
            let mut layers = self.layers(&flags, name, defaults, goal)?;
            for (axis, value) in axes.iter().zip(&values) {
                layers.flag(&axis.said_by, &axis.key, value.clone());
                // Under a target, a linger is the longest wait that may be chosen.
                let lingers = axis.key == "batch.max_delay" && flags.target_p99.is_none();
                if lingers && axes.iter().all(|axis| axis.key != "batch.policy") {
                    layers.flag(&axis.said_by, "batch.policy", "linger");
                }
            }
            let (config, settings) = (Config::read(&mut layers), S::read(&mut layers));
            let effective = layers.finish()?;
            let (Some(config), Some(settings)) = (config, settings) else { return Err(lacking(name)) };
            let values = values.iter().map(text).collect();
            cells.push(Cell::new(values, config, &effective, asked.warmup)?);
            own.push(Arc::new(settings));
        }
        if cells.is_empty() {
            return Err(Error::Usage(format!("{command}: --skip leaves no cell to run; skip fewer")));
        }
        Ok(Cells { asked, config, shared: effective.to_json(), axes, cells, own })
    }

    fn layers(
        &self,
        flags: &Flags,
        name: &str,
        defaults: &'static str,
        (goal_flag, goal): (&str, &Option<String>),
    ) -> Result<Layers> {
        let mut layers = flags.layers(name, defaults)?;
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

impl<S> Cells<S> {
    /// The keys of what varies.
    pub fn keys(&self) -> Vec<String> {
        self.axes.iter().map(|axis| axis.key.clone()).collect()
    }

    /// Their names at the heads of columns.
    pub fn labels(&self) -> Vec<String> {
        self.axes.iter().map(|axis| axis.label().to_owned()).collect()
    }
}

/// Plays cells through a pipeline, each with its own of the pipeline's settings.
pub fn player<S, R, F>(pipeline: F, own: Vec<Arc<S>>) -> Box<Play<'static>>
where
    S: Settings,
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>, &S) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let pipeline = Arc::new(pipeline);
    Box::new(move |at, cell, around, opened, watch| {
        let discard = |_| Box::new(Discard) as Box<dyn Sink<R> + Send>;
        let sinks = (0..cell.config.workers).map(discard).collect();
        let (pipeline, settings) = (pipeline.clone(), own[at].clone());
        play::play(&cell.config, around, opened, sinks, watch, move |ticks| pipeline(ticks, &settings))
    })
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
