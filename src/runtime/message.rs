//! What workers, and other processes, tell whoever watches the run, and what the first process tells the others.

use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::batch::{Account, BatchLimits, Decision, Tally};
use crate::latency::Stages;
use crate::ledger::{Ledger, Unfilled};
use crate::operators::Written;
use crate::standing::{Question, Standing};
use crate::tape::{Reject, Unknown};
use crate::time::RunTime;

/// What workers came to.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Share {
    pub ledger: Ledger,
    pub unfilled: Unfilled,
    pub written: Written,
    pub batches: u64,
    pub applied_at: RunTime,
    /// Of a whole process: seconds of processor time.
    pub cpu_seconds: Option<f64>,
}

impl Share {
    /// Adds that of others.
    pub fn add(&mut self, other: &Share) {
        self.ledger.add(&other.ledger);
        self.unfilled.add(&other.unfilled);
        self.written.rows += other.written.rows;
        self.written.retracted += other.written.retracted;
        self.written.digest = self.written.digest.wrapping_add(other.written.digest);
        self.batches += other.batches;
        self.applied_at = self.applied_at.max(other.applied_at);
        self.cpu_seconds = self.cpu_seconds.into_iter().chain(other.cpu_seconds).reduce(|one, other| one + other);
    }
}

/// What a worker recorded in one second of the run, under the batch limits of this number.
#[derive(Serialize, Deserialize)]
pub(super) struct Report {
    pub worker: usize,
    pub second: u64,
    pub setting: usize,
    pub nanos: u64,
    pub applied: u64,
    pub batches: u64,
    pub backlog: u64,
    /// How its ticks kept to the target since it last reported, by the intervals in which they were due.
    pub intervals: Vec<(u64, Tally)>,
    pub stages: Box<Stages>,
}

/// What one worker says about batch limits that held on it.
#[derive(Serialize, Deserialize)]
pub(super) struct HeldBy {
    pub setting: usize,
    pub from: RunTime,
    pub account: Option<Account>,
}

/// What a worker tells while it runs, and at its end; and what other processes tell beside that.
#[derive(Serialize, Deserialize)]
pub(super) enum Message {
    Report(Report),
    Decided {
        worker: usize,
        at: u64,
        decision: Decision,
    },
    Held(HeldBy),
    /// A worker's watermark went there, because of something that was due then.
    Passed {
        worker: usize,
        watermark_ms: i64,
        due: RunTime,
    },
    /// A worker's share, or that of all workers of another process.
    Share(Share),
    /// A worker panicked.
    Panicked(usize),
    Process(Told),
}

/// What another process tells the first, beside what its workers do; and what the first knows of it itself.
#[derive(Serialize, Deserialize)]
pub(super) struct Told {
    pub process: usize,
    pub what: What,
}

/// See [`Told`].
#[derive(Serialize, Deserialize)]
pub(super) enum What {
    /// It has opened its input.
    Ready,
    /// Ticks applied, backlog and rows of its workers.
    Figures([i64; 3]),
    /// How it stands, for the question of this number.
    Stands(u64, Box<Standing>),
    /// A line could not be read.
    Rejected(Reject),
    /// Its trades had conditions that are in no table.
    Unknown(Unknown),
    /// It was interrupted.
    Stopped,
    /// It has failed, with an exit code and a text.
    Failed(u8, String),
    /// All its workers are done.
    Done,
    /// Its connection has ended.
    Gone,
}

/// What the first process tells the others.
#[derive(Serialize, Deserialize)]
pub(super) enum Order {
    /// The schedule begins at this instant; figures are wanted so often.
    Begin(RunTime, Duration),
    /// Other batch limits hold.
    Turn(BatchLimits),
    /// The question of this number is how it stands.
    Ask(u64, Question),
    /// The input is over.
    Stop,
    /// The run has failed.
    Fail,
    /// Nothing: the first process is there, and moves.
    Beat,
}

/// Messages on their way from a worker to whoever watches, and empty histograms on the way back.
pub(super) struct Post {
    pub worker: usize,
    pub messages: Sender<Message>,
    pub empty: Receiver<Box<Stages>>,
}

impl Drop for Post {
    /// The other workers do not miss one that panics: they would wait for it for ever.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.messages.send(Message::Panicked(self.worker));
        }
    }
}
