//! Partitions that are shared out over the processes of a run. Each is read by one of them, which hands the others the
//! ticks of their symbols and tells all how it stands, so that every process knows all partitions as if it read them.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde::{Deserialize, Serialize};

use super::block::BLOCK;
use super::door::{Bringer, Piece};
use crate::cluster::Cluster;
use crate::error::{Error, say};
use crate::standing::LatestTick;
use crate::threads;
use crate::tick::Tick;
use crate::time::RunTime;

/// Ticks that may wait to be sent to a process; beyond it nothing is read.
const FULL: usize = 16 * BLOCK;

/// How far the reader of a partition has come.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Stand {
    /// Its watermark in milliseconds, once a record came.
    pub watermark_ms: Option<i64>,
    pub last_due: RunTime,
    /// The tick of the highest event time, and how many there were.
    pub latest: Option<LatestTick>,
    pub ticks: u64,
    /// The offset behind the last message of which all is in the workers' hands.
    pub done: u64,
    pub is_caught_up: bool,
    pub is_ended: bool,
}

/// A tick, whether it has a sequence number of its own, and when it was due.
pub(super) type Passed = (Tick, bool, RunTime);

/// What the process that reads a partition tells another one of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Told {
    /// Its place among all partitions.
    partition: usize,
    /// The ticks of the other one's symbols since it was told last.
    pub ticks: Vec<Passed>,
    /// How the partition stands behind them.
    pub stand: Stand,
}

#[derive(Serialize, Deserialize)]
enum Frame {
    /// How many partitions there are: what is said first.
    Partitions(usize),
    Told(Told),
    /// For whoever sits before the terminal of the first process.
    Said(String),
}

/// What this process tells the others. The default is for a process that reads alone.
#[derive(Default)]
pub(super) struct Peers(Vec<Option<Peer>>);

struct Peer {
    frames: Sender<Frame>,
    /// Ticks on their way to it.
    waiting: Arc<AtomicUsize>,
    /// Ticks for it that are not on their way yet.
    ticks: Vec<Passed>,
}

/// The connections on which the others tell this process, by their numbers.
pub(super) struct Incoming(Vec<Option<TcpStream>>);

impl Peers {
    /// Both ends of the connections to the other processes, with which so many partitions are shared out.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(cluster: &Cluster, partitions: usize) -> std::io::Result<(Peers, Incoming)> {
        let incoming = cluster.take_ticks();
        let peer = |stream: &Option<TcpStream>| {
            let Some(stream) = stream else { return Ok(None) };
            let (stream, (frames, sent)) = (stream.try_clone()?, channel());
            // The other end of the channel is there as long as its thread is.
            let _ = frames.send(Frame::Partitions(partitions));
            let waiting = Arc::new(AtomicUsize::new(0));
            threads::spawn("ticks out", {
                let waiting = waiting.clone();
                move || write(&sent, &waiting, stream)
            });
            Ok(Some(Peer { frames, waiting, ticks: Vec::new() }))
        };
        let peers = incoming.iter().map(peer).collect::<std::io::Result<_>>()?;
        Ok((Peers(peers), Incoming(incoming)))
    }

    /// Whether a process has so much on its way to it that it had better not get more.
    pub fn are_full(&self) -> bool {
        self.0.iter().flatten().any(|peer| peer.waiting.load(Ordering::Relaxed) >= FULL)
    }

    /// Takes a tick for a process, to be sent when it is told how the tick's partition stands.
    pub fn take(&mut self, process: usize, tick: Passed) {
        self.0.get_mut(process).into_iter().flatten().for_each(|peer| peer.ticks.push(tick));
    }

    /// Sends what was taken of a partition, and how it stands.
    pub fn tell(&mut self, partition: usize, stand: Stand) {
        for peer in self.0.iter_mut().flatten() {
            let ticks = std::mem::take(&mut peer.ticks);
            peer.waiting.fetch_add(ticks.len(), Ordering::Relaxed);
            // Without the other process there is no run, which the run itself notices.
            let _ = peer.frames.send(Frame::Told(Told { partition, ticks, stand }));
        }
    }

    /// Says something to whoever sits before the terminal, which is that of the first process.
    pub fn say(&self, text: String) {
        match self.0.first() {
            Some(Some(first)) => _ = first.frames.send(Frame::Said(text)),
            _ => say(&text),
        }
    }
}

/// Writes frames as they come, those that wait together at once.
fn write(frames: &Receiver<Frame>, waiting: &AtomicUsize, stream: TcpStream) {
    let mut out = BufWriter::with_capacity(1 << 16, stream);
    while let Ok(first) = frames.recv() {
        for frame in std::iter::once(first).chain(frames.try_iter()) {
            // Whoever is gone needs no more of it.
            if bincode::serialize_into(&mut out, &frame).is_err() {
                return;
            }
            if let Frame::Told(Told { ticks, .. }) = frame {
                waiting.fetch_sub(ticks.len(), Ordering::Relaxed);
            }
        }
        if out.flush().is_err() {
            return;
        }
    }
}

impl Incoming {
    /// Brings what the others tell of the partitions that they read. Of each partition `process_of` tells who reads it,
    /// and `bringers` holds one for those of other processes.
    pub fn listen(self, process_of: impl Fn(usize) -> usize, bringers: Vec<Option<Bringer>>) {
        let partitions = bringers.len();
        let mut theirs: Vec<BTreeMap<usize, Bringer>> = self.0.iter().map(|_| BTreeMap::new()).collect();
        for (at, bringer) in bringers.into_iter().enumerate() {
            bringer.into_iter().for_each(|bringer| _ = theirs[process_of(at)].insert(at, bringer));
        }
        for (process, (stream, theirs)) in self.0.into_iter().zip(theirs).enumerate() {
            if let Some(stream) = stream {
                threads::spawn("ticks in", move || read(stream, process, theirs, partitions));
            }
        }
    }
}

/// Reads what a process tells until all of its partitions have ended.
fn read(stream: TcpStream, process: usize, mut theirs: BTreeMap<usize, Bringer>, partitions: usize) {
    let mut from = BufReader::with_capacity(1 << 16, stream);
    let mut why = format!("process {process} is gone, and with it the partitions that it read");
    while let Ok(frame) = bincode::deserialize_from::<_, Frame>(&mut from) {
        match frame {
            Frame::Partitions(count) if count != partitions => {
                why = format!(
                    "process {process} found {count} partitions, and this one {partitions}: they were changed just \
                     now, so start the run once more"
                );
                break;
            }
            Frame::Partitions(_) => {}
            Frame::Said(text) => say(&text),
            Frame::Told(told) => {
                let (at, is_ended) = (told.partition, told.stand.is_ended);
                // It ends here, too, when its bringer goes.
                if let Some(bringer) = theirs.get(&at) {
                    bringer.bring_blocking(Piece::Told(told));
                }
                if is_ended {
                    theirs.remove(&at);
                }
            }
        }
    }
    if let Some((_, bringer)) = theirs.first_key_value() {
        bringer.bring_blocking(Piece::Failed(Error::Input(why)));
    }
}
