//! `[run]`, and `workers`: how the work is shared out, and how workers wait.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::nanos;
use crate::batch::BatchLimits;
use crate::config::{Count, Layers, Maybe, Span};
use crate::runtime::Knobs;
use crate::time::MS;

#[derive(Deserialize)]
pub(super) struct RunSection {
    wait: Wait,
    pub max_lead: Span,
    watchdog: Maybe<Span>,
    topics_within: Maybe<Span>,
    pub strict: bool,
    processes: Count,
    pub process: Count,
    hosts: String,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wait {
    Park,
    Spin,
}

/// How many workers each process has.
pub(super) fn workers(layers: &mut Layers) -> Option<usize> {
    let Count(workers) = layers.section("workers")?;
    if !(1..=256).contains(&workers) {
        layers.problem("workers", "not a number of workers", "write a number from 1 to 256; as many as cores is usual");
    }
    Some(workers.clamp(1, 256) as usize)
}

impl RunSection {
    /// How long topics and their brokers are waited for; for ever if there is none.
    pub fn topics_within(&self) -> Option<Duration> {
        self.topics_within.0.map(|span| span.0)
    }

    /// The file of the processes' addresses.
    pub fn hosts(&self) -> Option<PathBuf> {
        (self.hosts != "off").then(|| PathBuf::from(&self.hosts))
    }

    /// How many processes of so many workers there are.
    pub fn processes(&self, layers: &mut Layers, workers: usize) -> usize {
        let (Count(processes), Count(process), has_hosts) = (self.processes, self.process, self.hosts().is_some());
        if !(1..=64).contains(&processes) {
            layers.problem("run.processes", "not a number of processes", "write a number from 1 to 64");
        } else if process >= processes {
            let help =
                format!("there are {processes}, counted from 0: give --processes N as well, to all of them the same");
            layers.problem("run.process", "no such process", &help);
        } else if process > 0 && !has_hosts {
            let help = "give --hosts FILE, with a line HOST:PORT for each; or --spawn N, to start all on this machine";
            layers.problem("run.process", "nobody knows where the other processes are", help);
        } else if has_hosts && processes == 1 {
            layers.problem("run.hosts", "addresses of processes, and only one process", "give --processes N as well");
        }
        let processes = processes.clamp(1, 64) as usize;
        let on_this_machine = if has_hosts { workers } else { processes * workers };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.wait == Wait::Spin && on_this_machine > cores {
            let help = format!("there are {cores} cores: spin with at most as many workers, or park");
            layers.problem("run.wait", "more spinning workers than cores", &help);
        }
        processes
    }

    /// The knobs of a run with these batches, and with so many bytes of memory at most.
    pub fn knobs(&self, batch: BatchLimits, memory: Option<u64>) -> Knobs {
        Knobs {
            batch,
            spin: self.wait == Wait::Spin,
            max_lead_ms: nanos(self.max_lead) / MS,
            warmup: 0,
            watchdog: self.watchdog.0.map(|span| span.0),
            memory,
        }
    }
}
