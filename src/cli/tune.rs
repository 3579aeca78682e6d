use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::cells::player;
use super::pipeline::Pipeline;
use super::{Flags, Program, lacking, print, stop_on_signals};
use crate::config::{Config, Layers, Span, with_settings};
use crate::error::{Doing as _, Error, Result, say};
use crate::lab::{Asked, Cell, Setting, Tune};

/// Of the budget, each run takes this share, unless --for says how long it is.
const RUNS: u32 = 15;

/// The flags of a tuning, beside those of a run.
#[derive(Args)]
#[command(next_help_heading = "Of a tuning")]
pub struct TuneFlags {
    /// How long the tuning may take
    #[arg(long, value_name = "DUR", value_parser = Span::from_str, default_value = "60s")]
    budget: Span,
    /// What is due within this span of the schedule is played but not measured: 500ms
    #[arg(long, value_name = "DUR")]
    warmup: Option<String>,
    /// Put the settings into this file, and leave its other lines as they are
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Finds the cheapest batch limits that keep a target, says why, and prints or writes them.
pub fn tune(program: &Program<'_>, mut flags: Flags, asked: &TuneFlags) -> Result<ExitCode> {
    if flags.batch.is_some() || flags.linger.is_some() {
        return Err(Error::Usage("tune: --batch and --linger are what is looked for: leave them out".into()));
    }
    // A file that cannot be edited is found out before anything is run.
    let before = asked.write.as_deref().map(|file| {
        let text = if file.exists() { fs::read_to_string(file) } else { Ok(String::new()) };
        let text = text.doing(|| format!("reading {}", file.display()))?;
        lines(&text, Setting::GREEDY).map_err(|e| Error::Usage(format!("tune --write {}: {e}", file.display())))?;
        Ok((file, text))
    });
    let before = before.transpose()?;
    let target = flags.target_p99.take().ok_or_else(|| {
        Error::Usage("tune: say what is to be kept: --target-p99 2ms is the p99 of ticks, due until applied".into())
    })?;
    let Span(target) = target.parse().map_err(|e| Error::Usage(format!("tune: --target-p99 {target}: {e}")))?;
    if target.is_zero() {
        return Err(Error::Usage("tune: --target-p99 0s: no tick takes no time: write a latency such as 2ms".into()));
    }
    let budget = asked.budget.0;
    let layers = |flags: &Flags| -> Result<Layers> {
        let mut layers = flags.layers(program.name, program.defaults)?;
        if let Some(warmup) = &asked.warmup {
            layers.flag("--warmup", "sweep.warmup", warmup.as_str());
        }
        Ok(layers)
    };
    if flags.play_for.is_none() {
        // The share of the budget is that of a run with its warm-up.
        let warmup = Asked::read(&mut layers(&flags)?).map_or(Duration::ZERO, |lab| Duration::from_nanos(lab.warmup));
        let length = run_length(budget);
        flags.play_for = Some(Span(length.saturating_sub(warmup).max(length / 2)).to_string());
    }
    let settled = |setting: Setting| -> Result<(Config, Box<dyn Pipeline>, Cell)> {
        let mut layers = layers(&flags)?;
        layers.flag("tune", "batch.policy", setting.policy());
        layers.flag("tune", "batch.max_ticks", setting.max_ticks as i64);
        layers.flag("tune", "batch.max_delay", setting.delay().to_string());
        let (config, own) = (Config::read(&mut layers), program.closures.configure(&mut layers));
        let lab = Asked::read(&mut layers);
        let effective = layers.finish()?;
        let (Some(config), Some(own), Some(lab)) = (config, own, lab) else { return Err(lacking(program.name)) };
        let cell = Cell::new(Vec::new(), config.clone(), &effective, lab.warmup)?;
        Ok((config, own, cell))
    };
    let (config, own, cell) = settled(Setting::GREEDY)?;
    let rate = cell.rate().ok_or_else(|| {
        Error::Usage("tune: give the rate that is to be kept, such as --rate 500k/s, instead of a speed".into())
    })?;
    let target = u64::try_from(target.as_nanos()).unwrap_or(u64::MAX);
    let tune = Tune { target, rate, workers: config.workers * config.processes, budget };
    let stop = stop_on_signals()?;
    let tuned = tune.run(&stop, &|setting| Ok(settled(setting)?.2), &mut *player(vec![own]))?;
    say(&tuned.why(&tune));
    let Some(best) = tuned.best() else {
        return Ok(if tuned.interrupted { ExitCode::from(130) } else { ExitCode::FAILURE });
    };
    let put = |text: &str| lines(text, best).map_err(Error::Input);
    if tuned.interrupted {
        let kept = before.map_or(String::new(), |(file, _)| format!(", and {} is as it was", file.display()));
        say(&format!("interrupted: this is the best so far, and not confirmed{kept}"));
        print(&put("")?)?;
        return Ok(ExitCode::from(130));
    }
    match before {
        Some((file, text)) => {
            let written = fs::write(file, put(&text)?);
            if written.is_err() {
                // The runs have taken their time, and what they came to is not to be lost, nor what was there.
                print(&put("")?)?;
                let _ = fs::write(file, &text);
            }
            written.doing(|| format!("writing {}", file.display()))?;
            say(&format!("written into {}; run it with --config {0}", file.display()));
        }
        None => _ = print(&put("")?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A TOML with the settings in it.
fn lines(text: &str, setting: Setting) -> std::result::Result<String, String> {
    let (policy, delay) = (setting.policy(), setting.delay().to_string());
    let settings =
        [("policy", policy.into()), ("max_ticks", (setting.max_ticks as i64).into()), ("max_delay", delay.into())];
    with_settings(text, "batch", &settings)
}

/// How long a run is, out of a budget.
fn run_length(budget: Duration) -> Duration {
    Duration::from_millis((budget / RUNS).as_millis().max(1) as u64)
}
