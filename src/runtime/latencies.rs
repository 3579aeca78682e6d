use std::sync::Arc;

use super::message::Report;
use super::{Held, Interval, Watch};
use crate::batch::{BatchLimits, Dial};
use crate::error::Result;
use crate::latency::Stages;

/// Gathers what the workers report, second by second and setting by setting.
pub(super) struct Latencies {
    pub total: Stages,
    current: Option<Report>,
    /// Each worker's, when it last reported.
    backlogs: Vec<u64>,
    kept: Result<()>,
    held: Vec<Held>,
    dial: Arc<Dial>,
}

impl Latencies {
    pub fn new(limits: BatchLimits, workers: usize, dial: Arc<Dial>) -> Self {
        let (backlogs, held) = (vec![0; workers], vec![Held::new(limits)]);
        Latencies { total: Stages::default(), current: None, backlogs, kept: Ok(()), held, dial }
    }

    /// What is known of the batch limits of this number: those that the run began with, or of a turn of the dial.
    pub fn of_setting(&mut self, setting: usize) -> &mut Held {
        if setting >= self.held.len() {
            let settings = self.dial.settings();
            self.held.extend(settings[self.held.len() - 1..setting].iter().copied().map(Held::new));
        }
        &mut self.held[setting]
    }

    /// Adds a report, and gives its histograms back empty.
    pub fn add(&mut self, mut report: Report, watch: &mut dyn Watch) -> Box<Stages> {
        self.total.add(&report.stages);
        let held = self.of_setting(report.setting);
        held.stages.add(&report.stages);
        report.intervals.drain(..).for_each(|(interval, tally)| held.intervals.add(interval, tally));
        match &mut self.current {
            // A worker that reports behind the others is counted in their second.
            Some(current) if report.second <= current.second => {
                current.stages.add(&report.stages);
                current.nanos = current.nanos.max(report.nanos);
                current.applied += report.applied;
                current.batches += report.batches;
            }
            _ => {
                self.hand_over(watch);
                self.current = Some(Report { stages: report.stages.clone(), ..report });
            }
        }
        self.backlogs[report.worker] = report.backlog;
        report.stages.reset();
        report.stages
    }

    fn hand_over(&mut self, watch: &mut dyn Watch) {
        if let Some(Report { second, nanos, applied, batches, stages, .. }) = self.current.take()
            && self.kept.is_ok()
        {
            let backlog = self.backlogs.iter().sum();
            self.kept = watch.interval(&Interval { second, nanos, applied, batches, backlog, stages: &stages });
        }
    }

    /// Keeps the first thing that failed.
    pub fn keep(&mut self, result: Result<()>) {
        if self.kept.is_ok() {
            self.kept = result;
        }
    }

    pub fn end(mut self, watch: &mut dyn Watch) -> Result<(Stages, Vec<Held>)> {
        self.hand_over(watch);
        self.held.retain(|held| held.from.is_some());
        self.kept.map(|()| (self.total, self.held))
    }
}
