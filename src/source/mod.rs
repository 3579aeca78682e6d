//! Sources: where ticks come from, and how each worker gets those of its own symbols, in order and in time.

mod address;
mod beforehand;
mod block;
mod door;
mod dues;
mod feed;
mod files;
mod find;
mod follow;
mod gather;
mod hands;
#[cfg(feature = "kafka")]
mod kafka;
mod live;
mod memory;
mod pacing;
mod partition;
#[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "only topics are shared out over processes"))]
mod peers;
mod playback;
mod reader;
mod sharded;
mod socket;
mod stdin;
mod whole;

pub use address::Address;
pub use block::{Arrivals, Block, Blocks, Part, Pull};
pub use dues::{Dues, LatencyFrom};
pub use feed::{Feed, Next};
pub use files::Inputs;
pub use find::find;
#[cfg(feature = "kafka")]
pub(crate) use kafka::{refusal, refuses, unusable};
#[cfg(not(feature = "kafka"))]
pub(crate) use live::without_kafka;
pub use live::{End, Live, Start};
pub use memory::{due_times, in_memory, played};
pub use pacing::{Extent, Pacing};
pub use playback::Playback;
pub(crate) use socket::{Backoff, Connection, Listener, bind, connect, runtime};
pub use whole::{whole, whole_made};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cluster::{Cluster, Place};
use crate::error::{Error, Result};
use crate::standing::Inquiry;
use crate::tape::{Conditions, Leaf, PartitionRules, Rejects, Strikes};
use crate::tick::Names;
use crate::time::Clock;

/// What a run is among: what its sources, its workers and whoever follows it share.
#[derive(Clone)]
pub struct Surroundings {
    /// The processes of the run.
    pub cluster: Arc<Cluster>,
    /// The run's clock.
    pub clock: Clock,
    /// How partitions are judged.
    pub rules: PartitionRules,
    /// The symbols' table.
    pub symbols: Arc<Names>,
    /// The venues' table.
    pub venues: Arc<Names>,
    /// Where rejected lines go.
    pub rejects: Rejects,
    /// What conditions let trades count for.
    pub conditions: Conditions,
    /// Where faults are counted.
    pub strikes: Strikes,
    /// Set when the run is to end early.
    pub stop: Arc<AtomicBool>,
    /// The tick that is due so many nanoseconds after the first, and all after it, are not played.
    pub play_for: Option<u64>,
    /// A live input that is silent for so many nanoseconds no longer holds the watermark back.
    pub idle: u64,
    /// Where the source tells how it stands.
    pub inquiry: Arc<Inquiry>,
}

impl Surroundings {
    /// Those of a run of one process by this clock, to which nothing is known yet.
    pub fn alone(clock: Clock, rules: PartitionRules) -> Self {
        Surroundings {
            cluster: Arc::default(),
            clock,
            rules,
            symbols: Arc::default(),
            venues: Arc::default(),
            rejects: Rejects::default(),
            conditions: Conditions::default(),
            strikes: Strikes::default(),
            stop: Arc::default(),
            play_for: None,
            idle: 0,
            inquiry: Arc::default(),
        }
    }

    /// When `--for` ends a schedule, from its beginning.
    fn ends_at(&self) -> u64 {
        self.play_for.unwrap_or(u64::MAX)
    }

    /// The same for reading a tape beforehand: what is rejected and struck is for the run itself to count, and when the
    /// schedule ends is not known yet.
    fn to_measure(&self) -> Surroundings {
        let (rejects, strikes, play_for) = (Rejects::default(), Strikes::default(), None);
        Surroundings { rejects, strikes, play_for, conditions: self.conditions.uncounted(), ..self.clone() }
    }
}

/// An opened input: a feed for each worker.
pub struct Opened {
    /// The workers' feeds, in the workers' order.
    pub feeds: Vec<Feed>,
    /// Where latency is counted from.
    pub latency_from: LatencyFrom,
    /// What is to be done once all that was read is in the rows, such as noting how far that is.
    pub finish: Option<Finish>,
}

/// See [`Opened::finish`].
pub type Finish = Box<dyn FnOnce() -> Result<()> + Send>;

/// Opens a tape for its next pass, and nothing once the run is to end: of a tape that is lost on its way as a whole, no
/// pass would be the last.
fn until(
    stop: Arc<AtomicBool>,
    mut open: impl FnMut() -> Result<Vec<Leaf>> + Send + 'static,
) -> Box<dyn FnMut() -> Result<Vec<Leaf>> + Send> {
    Box::new(move || if stop.load(Ordering::Relaxed) { Ok(Vec::new()) } else { open() })
}

/// Opens files, standard input for `-`, or a live input, for so many workers of this process.
///
/// # Errors
/// When an input cannot be read or cannot be played so.
pub fn open(inputs: &Inputs, playback: &Playback, workers: usize, around: &Surroundings) -> Result<Opened> {
    let &Playback { pacing, ref controls, limit } = playback;
    let address = inputs.address()?;
    if address.is_some() || inputs.is_stdin() {
        let name = if address.is_some() { &inputs.path } else { "standard input" };
        if let Some(format) = inputs.format.filter(|format| format.is_of_files()) {
            return Err(format.only_files(name));
        }
        if pacing != Pacing::Max {
            let text = "is played as it arrives: pace its sender instead of giving --speed or --rate";
            return Err(Error::Usage(format!("{name} {text}")));
        }
        if around.play_for.is_some() {
            let text = "has none: use --limit, or --for at the sender";
            return Err(Error::Usage(format!("--for selects by a schedule, and {name} {text}")));
        }
        inputs.check_plain(controls)?;
    }
    if let Some(address) = &address {
        return live::open(inputs, address, limit, workers, around);
    }
    inputs.live.check_unused(&inputs.path)?;
    if inputs.is_stdin() {
        let merge = inputs.stdin_merge(limit, around);
        return Ok(reader::live(merge, workers, around));
    }
    pacing.check_for(around.play_for)?;
    let pacing = pacing.fitted(|| Extent::of_files(inputs, playback, around))?;
    if let Some(first) = inputs.tell_beforehand()? {
        inputs.tell_unit(&first)?;
    }
    let leaves = inputs.leaves(around)?;
    let by_symbol = leaves.iter().all(|(symbol, _)| symbol.is_some());
    // What is struck out is counted by the first process, which then reads all of it.
    let by_shares = controls.is_by_record() && (controls.is_plain() || around.cluster.place == Place::ALONE);
    if by_symbol && limit == u64::MAX && !matches!(pacing, Pacing::Rate { .. }) && by_shares {
        return sharded::open(leaves, pacing, controls, workers, around);
    }
    let mut leaves: Vec<Leaf> = leaves.into_iter().map(|(_, leaf)| leaf).collect();
    let mut again = around.clone();
    // Each process reads all of it, and the first keeps what is wrong with it.
    if !around.cluster.place.is_first() {
        leaves.iter_mut().for_each(Leaf::look_only);
        (again.rejects, again.conditions) = (Rejects::default(), around.conditions.uncounted());
    }
    let merge = inputs.merge_of(leaves, playback, &again)?;
    reader::scheduled(&inputs.path, merge, pacing, workers, around)
}
