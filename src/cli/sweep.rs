use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;
use std::sync::Arc;

use clap::Args;

use super::{Flags, lacking, print, stop_on_signals, tell};
use crate::config::{Config, Layers, Output, Settings};
use crate::error::{Doing as _, Error, Result};
use crate::lab::{Asked, Axis, Cell, Skip, Sweep, grid, table, text, write, write_picture, write_report};
use crate::operators::{Changes, Ticks};
use crate::play;
use crate::row::Row;
use crate::sink::{Discard, Sink};

const EXAMPLE: &str = "--batch 1,16,256,4096 --linger 0s,1ms --rate 100k/s,500k/s --for 2s";

/// The flags of a sweep, beside those of a run.
#[derive(Args)]
#[command(next_help_heading = "Of a sweep")]
pub struct SweepFlags {
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
    /// Star the cheapest row that keeps to this: 'p99 <= 2ms' (or p50, p90, p99.9, p99.99, max)
    #[arg(long, value_name = "GOAL")]
    goal: Option<String>,
}

impl SweepFlags {
    fn layers(&self, flags: &Flags, name: &str, defaults: &'static str) -> Result<Layers> {
        let mut layers = flags.layers(name, defaults)?;
        let said = [("--repeat", &self.repeat), ("--warmup", &self.warmup), ("--goal", &self.goal)];
        for (flag, value) in said {
            if let Some(text) = value {
                layers.flag(flag, &format!("sweep.{}", &flag[2..]), text.as_str());
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

/// Runs a sweep, prints its table and writes its files.
pub fn sweep<S, R, F>(
    name: &str,
    defaults: &'static str,
    mut flags: Flags,
    asked: &SweepFlags,
    pipeline: F,
) -> Result<ExitCode>
where
    S: Settings,
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>, &S) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let mut said: Vec<Axis> = flags.take_lists()?;
    said.extend(asked.axes()?);
    let mut base = asked.layers(&flags, name, defaults)?;
    let (sweep, config) = (Asked::read(&mut base), Config::read(&mut base));
    let effective = base.finish()?;
    let (Some(sweep), Some(config)) = (sweep, config) else { return Err(lacking(name)) };
    let axes = axes(sweep.vary, said)?;
    let skips: Vec<Skip> = asked.skip.iter().map(|skip| Skip::parse(skip, &axes)).collect::<Result<_>>()?;
    let (mut cells, mut settings) = (Vec::new(), Vec::new());
    for values in grid(&axes, &skips) {
        let mut layers = asked.layers(&flags, name, defaults)?;
        for (axis, value) in axes.iter().zip(&values) {
            layers.flag(&axis.said_by, &axis.key, value.clone());
            // Under a target, a linger is the longest wait that may be chosen.
            let lingers = axis.key == "batch.max_delay" && flags.target_p99.is_none();
            if lingers && axes.iter().all(|axis| axis.key != "batch.policy") {
                layers.flag(&axis.said_by, "batch.policy", "linger");
            }
        }
        let (config, own) = (Config::read(&mut layers), S::read(&mut layers));
        let effective = layers.finish()?;
        let (Some(config), Some(own)) = (config, own) else { return Err(lacking(name)) };
        let values = values.iter().map(text).collect();
        cells.push(Cell::new(values, config, &effective, sweep.warmup)?);
        settings.push(Arc::new(own));
    }
    if cells.is_empty() {
        return Err(Error::Usage("sweep: --skip leaves no cell to run; skip fewer".into()));
    }

    let sweep = Sweep {
        pipeline: name.into(),
        keys: axes.iter().map(|axis| axis.key.clone()).collect(),
        labels: axes.iter().map(|axis| axis.label().to_owned()).collect(),
        cells,
        repeat: sweep.repeat,
        warmup: sweep.warmup,
        goal: sweep.goal,
        seed: sweep.seed,
        settings: effective.to_json(),
    };
    if let Output::Folder(folder) = &config.output {
        fs::create_dir_all(folder).doing(|| format!("making the folder {}", folder.display()))?;
    }
    let (stop, pipeline) = (stop_on_signals()?, Arc::new(pipeline));
    let results = sweep.run(&stop, &mut |at, cell, around, opened, watch| {
        let discard = |_| Box::new(Discard) as Box<dyn Sink<R> + Send>;
        let sinks = (0..cell.config.workers).map(discard).collect();
        let (pipeline, settings) = (pipeline.clone(), settings[at].clone());
        play::play(&cell.config, around, opened, sinks, watch, move |ticks| pipeline(ticks, &settings))
    })?;
    print(&table(&sweep, &results))?;
    if let Output::Folder(folder) = &config.output {
        write(folder, &sweep, &results)?;
        write_picture(folder, folder)?;
        let page = write_report(slice::from_ref(folder), folder)?;
        tell(format_args!("\nthe report is {}\n", page.display()));
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

/// Makes the page of saved sweeps, and the picture of one: into `out`, or else into the folder of the one, or here for several.
pub fn report(asked: &ReportFlags, out: Option<&str>) -> Result<ExitCode> {
    let into = match (out, &asked.folders[..]) {
        (Some(out), _) => Path::new(out),
        (None, [folder]) => folder,
        (None, _) => Path::new("."),
    };
    fs::create_dir_all(into).doing(|| format!("making the folder {}", into.display()))?;
    if let [folder] = &asked.folders[..] {
        write_picture(folder, into)?;
    }
    let page = write_report(&asked.folders, into)?;
    print(&format!("{}\n", page.display()))
}

/// What varies: by the settings, and over it by the command line.
fn axes(settings: Vec<Axis>, said: Vec<Axis>) -> Result<Vec<Axis>> {
    let mut axes: Vec<Axis> = Vec::new();
    for axis in said {
        if axes.iter().any(|it| it.key == axis.key) {
            return Err(Error::Usage(format!("sweep: {} is varied twice; give one list of its values", axis.key)));
        }
        axes.push(axis);
    }
    for axis in settings {
        if axes.iter().all(|it| it.key != axis.key) {
            axes.push(axis);
        }
    }
    if let Some(axis) = axes.iter().find(|axis| axis.key.starts_with("sweep.") || axis.key.starts_with("output.")) {
        let text = format!("sweep: {} is the same for all cells; vary another setting", axis.key);
        return Err(Error::Usage(text));
    }
    if axes.is_empty() {
        return Err(Error::Usage(format!("sweep: nothing varies; give lists of values, for example {EXAMPLE}")));
    }
    Ok(axes)
}
