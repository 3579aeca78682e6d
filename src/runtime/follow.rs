//! What is seen of a run from outside of its workers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use super::ceiling::Ceiling;
use super::gauge::Gauge;
use super::latencies::Latencies;
use super::message::{Message, Report, Share};
use super::others::Others;
use super::watch::{Snapshot, Watch};
use super::watchdog::Watchdog;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::latency::{Closes, Stages};
use crate::operators::Failure;
use crate::tape::{Conditions, Rejects};
use crate::time::{Clock, RunTime};

/// A run whose workers are at work.
pub(super) struct Follow<'a> {
    pub cluster: &'a Cluster,
    pub clock: &'a Clock,
    pub began: RunTime,
    pub stop: &'a AtomicBool,
    pub failure: &'a Failure,
    /// Where what other processes reject, and what they did not know, is counted.
    pub counted: (&'a Rejects, &'a Conditions),
    pub closes: &'a Closes,
    pub gauges: &'a [Gauge],
    /// Where each worker of this process has its empty histograms back.
    pub returns: Vec<Sender<Box<Stages>>>,
    pub others: &'a mut Others,
    pub latencies: &'a mut Latencies,
    pub ceiling: Ceiling,
    pub watchdog: Watchdog,
}

impl Follow<'_> {
    /// Follows it until every worker, and every other process, has told its share; returns all of them together.
    ///
    /// # Errors
    /// When another process fails or is gone, a worker hangs, or the run takes more memory than it may.
    pub fn until_the_end(&mut self, messages: &Receiver<Message>, watch: &mut dyn Watch) -> Result<Share> {
        let (place, here) = (self.cluster.place, self.gauges.len());
        let (mut total, mut left) =
            (Share::default(), if place.is_first() { here + place.processes - 1 } else { here });
        let every = watch.every().min(self.others.every()).min(self.watchdog.every()).min(self.ceiling.every());
        while left > 0 {
            match messages.recv_timeout(every) {
                Ok(message) => {
                    if let Some(share) = self.take(message, watch)? {
                        total.add(&share);
                        left -= 1;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look(watch)?;
        }
        Ok(total)
    }

    /// Takes what a worker or another process tells, and returns its share if that is it.
    fn take(&mut self, message: Message, watch: &mut dyn Watch) -> Result<Option<Share>> {
        match message {
            Message::Share(share) => return Ok(Some(share)),
            Message::Panicked(worker) => {
                let text = "panicked, as told above: the mistake is in what it was given to do, or in this library";
                return Err(Error::Input(format!("worker {worker} {text}")));
            }
            Message::Process(told) => {
                let taken = self.others.take(told, self.counted);
                // What another process tells of a failure may be that it has heard of ours.
                taken.map_err(|error| self.failure.take().unwrap_or(error))?;
            }
            message if !self.cluster.place.is_first() => {
                self.others.forward(&message);
                if let Message::Report(Report { worker, mut stages, .. }) = message {
                    stages.reset();
                    let _ = self.returns[worker - self.cluster.place.mine(self.gauges.len()).start].send(stages);
                }
            }
            Message::Report(report) => {
                let back = self.returns.get(report.worker);
                let empty = self.latencies.add(report, watch);
                // A worker that is done, or of another process, needs no empty histograms.
                back.map(|back| back.send(empty));
            }
            Message::Decided { worker, at, decision } => self.latencies.keep(watch.decided(worker, at, &decision)),
            Message::Held(held) => self.latencies.of_setting(held.setting).add(held, self.began),
            Message::Passed { worker, watermark_ms, due } => self.closes.passed(worker, watermark_ms, due),
        }
        Ok(None)
    }

    /// Looks how it stands, shows that, and ends it where something hangs or takes too much.
    fn look(&mut self, watch: &mut dyn Watch) -> Result<()> {
        let sum = |gauge: fn(&Gauge) -> u64| self.gauges.iter().map(gauge).sum::<u64>();
        let mut figures = [
            sum(|gauge| gauge.applied.load(Ordering::Relaxed)) as i64,
            sum(|gauge| gauge.backlog.load(Ordering::Relaxed)) as i64,
            self.gauges.iter().map(|gauge| gauge.rows.load(Ordering::Relaxed)).sum(),
        ];
        self.others.exchange(self.stop, self.failure, &mut figures);
        let beats = self.gauges.iter().map(|gauge| gauge.beats.load(Ordering::Relaxed)).chain(self.others.beats());
        if let Some(at) = self.watchdog.look(Instant::now(), beats) {
            self.missed(at)?;
        }
        if let Some(error) = self.ceiling.look(Instant::now()) {
            return Err(error);
        }
        let [applied, backlog, rows] = figures;
        watch.progress(&Snapshot {
            elapsed: self.clock.now().saturating_sub(self.began),
            applied: applied as u64,
            backlog: backlog as u64,
            rows,
            stages: &self.latencies.total,
        });
        Ok(())
    }

    /// A worker, or behind them all another process, has given no sign of life: only who waits for its reader may.
    fn missed(&self, at: usize) -> Result<()> {
        let (place, here) = (self.cluster.place, self.gauges.len());
        match self.gauges.get(at) {
            Some(gauge) if gauge.writes.load(Ordering::Relaxed) => Ok(()),
            Some(_) => Err(self.watchdog.hangs(format!("worker {}", place.mine(here).start + at))),
            None => {
                // It stands still, and would not notice that the others are gone.
                let process = self.others.process_at(at - here);
                self.cluster.kill(process);
                Err(self.watchdog.hangs(format!("process {process}")))
            }
        }
    }
}
