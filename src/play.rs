//! One run as it is configured: the same steps for a run of its own and for each cell of a sweep.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::batch::Dial;
use crate::cluster::Cluster;
use crate::config::{Config, Input};
use crate::error::Result;
use crate::operators::{Changes, Ticks};
use crate::row::Row;
use crate::runtime::{self, Outcome, Plan, Watch};
use crate::sink::Sink;
use crate::source::{self, Opened, Surroundings, in_memory, played};
use crate::tape::{Conditions, Rejects};

/// What the sources of a run in these processes need.
pub fn surroundings(config: &Config, cluster: Arc<Cluster>, rejects: Rejects, stop: Arc<AtomicBool>) -> Surroundings {
    let alone = Surroundings::alone(cluster.clock.clone(), config.rules);
    Surroundings {
        symbols: cluster.symbols.clone(),
        venues: cluster.venues.clone(),
        cluster,
        rejects,
        conditions: Conditions::new(config.conditions.clone()),
        stop,
        play_for: config.play_for,
        idle: config.idle,
        ..alone
    }
}

/// Opens the input; a made-up market is made now.
///
/// # Errors
/// When an input cannot be read or cannot be played so.
pub fn open(config: &Config, around: &Surroundings) -> Result<Opened> {
    match &config.input {
        Input::Market(market) => {
            config.playback.pacing.check_for(config.play_for)?;
            let mut tape = market.tape(&around.symbols, config.rules);
            if !config.playback.controls.is_plain() {
                return played(&tape.into(), &config.playback, config.workers, around);
            }
            tape.truncate(usize::try_from(config.playback.limit).unwrap_or(usize::MAX));
            Ok(in_memory(&tape, config.playback.pacing, config.workers, around))
        }
        Input::Files(inputs) => source::open(inputs, &config.playback, config.workers, around),
    }
}

/// Plays what was opened through a pipeline, whose batch limits may be changed under way by the dial. The rejects, and
/// their share of what was read, are in the ledger.
///
/// # Errors
/// The first failure of an input, an operator or a sink.
pub fn play<R, F>(
    dial: Arc<Dial>,
    config: &Config,
    around: &Surroundings,
    opened: Opened,
    sinks: Vec<Box<dyn Sink<R> + Send>>,
    watch: &mut dyn Watch,
    pipeline: F,
) -> Result<Outcome>
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
{
    let plan = Plan {
        around: around.clone(),
        knobs: config.knobs,
        dial,
        lateness: config.lateness.clone(),
        changes_every_ms: config.changes_every_ms,
    };
    let mut outcome = runtime::run(plan, opened.feeds, sinks, watch, pipeline)?;
    outcome.ledger.rejected = around.rejects.count();
    outcome.ledger.read += outcome.ledger.rejected;
    Ok(outcome)
}
