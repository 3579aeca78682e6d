use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::outlet::Outlet;
use super::pipeline::{Pipeline, Playing};
use super::stop_on_signals;
use crate::cluster::{Cluster, Place, TAPE, hosts};
use crate::config::{Config, Effective, Input};
use crate::error::{Result, say};
use crate::lab::{Asked, Cell, part};
use crate::play;
use crate::runtime::{Nobody, hand_on_rejects, tell_failure};
use crate::tick::stable_hash;

/// What a process is told by the one that starts it.
#[derive(Args)]
pub struct FollowFlags {
    /// Where the first process listens
    address: String,
    /// The number of this one
    number: usize,
    /// Plays a cell of a sweep at the rate of these bits, if they are not all zero
    #[arg(long)]
    cell: Option<u64>,
}

/// Sets up the run's processes, as the first of them.
pub fn lead(config: &Config, effective: &Effective, stop: &AtomicBool) -> Result<Arc<Cluster>> {
    if config.processes == 1 {
        return Ok(Arc::default());
    }
    check_input(config)?;
    let (names, settings) = (Default::default(), shared(config, effective)?);
    let cluster = match addresses(config)? {
        Some(hosts) => Cluster::lead(&hosts, names, &settings, stop),
        None => {
            let told = (&effective.to_args()[..], &effective.to_environment()[..]);
            Cluster::spawn(config.processes, told, names, &settings, stop)
        }
    };
    cluster.map(Arc::new)
}

/// Plays this process's share of a run, as another process than the first; `asked` where that has started it.
pub fn follow(
    name: &str,
    mut config: Config,
    effective: &Effective,
    lab: &Asked,
    asked: Option<&FollowFlags>,
    pipeline: &dyn Pipeline,
) -> Result<ExitCode> {
    check_input(&config)?;
    let stop = stop_on_signals()?;
    let processes = config.processes;
    let cluster = match (asked, addresses(&config)?) {
        (Some(FollowFlags { address, number, .. }), _) => {
            let place = Place { process: *number, processes };
            Cluster::join(place, address, "127.0.0.1:0", shared(&config, effective)?, &stop)?
        }
        (None, hosts) => {
            let (hosts, place) = (hosts.unwrap_or_default(), Place { process: config.process, processes });
            let shared = shared(&config, effective)?;
            Cluster::join(place, &hosts[0], &hosts[place.process], shared, &stop)?
        }
    };
    let cluster = Arc::new(cluster);
    let rejects = hand_on_rejects(&cluster);
    let rate = asked.and_then(|asked| asked.cell).map(f64::from_bits);
    let played = (|| {
        let around;
        let opened = match rate {
            Some(rate) => {
                let cell = Cell::new(Vec::new(), config.clone(), effective, lab.warmup)?;
                let cell = if rate > 0.0 { cell.at_rate(rate)? } else { cell };
                config = cell.config.clone();
                around = play::surroundings(&config, cluster.clone(), rejects, stop.clone());
                part(&cell, &around)?
            }
            None => {
                around = play::surroundings(&config, cluster.clone(), rejects, stop.clone());
                play::open(&config, &around)?
            }
        };
        let playing = Playing { dial: Arc::default(), config: &config, around: &around, opened, watch: &mut Nobody };
        pipeline.play(playing, &Outlet::Nowhere)
    })();
    if let Err(error) = played {
        tell_failure(&cluster, &error);
        return Err(error);
    }
    let Place { process, .. } = cluster.place;
    say(&format!("{name}: process {process} of {processes} is done; what the run came to is told by process 0"));
    Ok(ExitCode::SUCCESS)
}

/// What all processes of a run must share: the settings and, where they may be on several machines, the files.
fn shared(config: &Config, effective: &Effective) -> Result<serde_json::Value> {
    let mut shared = effective.shared();
    if config.hosts.is_none() {
        return Ok(shared);
    }
    if let Input::Files(inputs) = &config.input {
        shared[TAPE] = serde_json::json!(inputs.lengths()?);
    }
    for table in ["/conditions/table", "/session/calendar"] {
        // Where it names a file, what matters is what that says.
        if let Some(setting) = shared.pointer_mut(table)
            && let Some(Ok(text)) = setting.as_str().map(std::fs::read)
        {
            *setting = stable_hash(&text).into();
        }
    }
    Ok(shared)
}

/// Refuses an input that cannot be read by several processes.
fn check_input(config: &Config) -> Result<()> {
    match &config.input {
        Input::Market(_) => Ok(()),
        Input::Files(inputs) => inputs.check_shared(config.playback.limit),
    }
}

/// The addresses of all processes, where there is a file of them.
fn addresses(config: &Config) -> Result<Option<Vec<String>>> {
    config.hosts.as_ref().map(|path| hosts(path, config.processes)).transpose()
}
