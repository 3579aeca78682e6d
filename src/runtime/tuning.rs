use std::sync::Arc;

use super::message::HeldBy;
use crate::batch::{Auto, BatchLimits, Decision, Dial, Kept, Round};
use crate::latency::Recorder;
use crate::time::RunTime;

/// One worker's batch limits: as they were set, or as its controller chooses them; they may be set anew under way.
pub(super) struct Tuning {
    dial: Arc<Dial>,
    /// How often the dial had been turned when these limits were read from it.
    pub setting: usize,
    /// The limits in force.
    pub limits: BatchLimits,
    auto: Option<Auto>,
    /// When the run began.
    pub began: RunTime,
    from: RunTime,
    /// What was due before is not measured.
    pub measured_from: RunTime,
    /// What is in the dataflow.
    round: Option<Round>,
}

impl Tuning {
    /// The limits of a run that began at `began`; what is due before `measured_from` is not measured.
    pub fn new(limits: BatchLimits, dial: Arc<Dial>, began: RunTime, measured_from: RunTime) -> Self {
        let (from, setting, auto, round) = (began, 0, None, None);
        let mut tuning = Tuning { dial, setting, limits, auto, began, from, measured_from, round };
        tuning.set(limits, began);
        tuning
    }

    fn set(&mut self, limits: BatchLimits, now: RunTime) {
        (self.limits, self.from, self.round) = (limits, now, None);
        self.auto = Auto::new(&limits, now);
        self.follow();
    }

    /// Takes over what the controller has chosen.
    fn follow(&mut self) {
        if let Some(auto) = &self.auto {
            (self.limits.max_delay, self.limits.max_ticks) = (auto.delay(), auto.max_ticks());
        }
    }

    /// What is to count how the limits are kept.
    pub fn kept(&self) -> Option<Kept> {
        self.limits.target_p99.map(|target| Kept::new(target, self.measured_from))
    }

    /// Whether the dial was turned.
    pub fn is_turned(&self) -> bool {
        self.dial.turns() != self.setting
    }

    /// Takes over what the dial was turned to; returns how the limits were kept that held until `now`.
    pub fn turn(&mut self, now: RunTime, recorder: &mut Recorder) -> HeldBy {
        let (settings, auto) = (self.dial.settings(), self.auto.take());
        let (setting, from) = (self.setting, self.from);
        self.setting = settings.len();
        self.set(settings.last().copied().unwrap_or(self.limits), now);
        recorder.keep(self.kept());
        HeldBy::new(setting, from, auto)
    }

    /// How the last limits were kept.
    pub fn end(&mut self) -> HeldBy {
        HeldBy::new(self.setting, self.from, self.auto.take())
    }

    /// A batch goes into the dataflow, to which the worker turned at `began`.
    pub fn sealed(&mut self, ticks: usize, oldest: RunTime, began: RunTime, now: RunTime) {
        if self.auto.is_some() {
            let round = self.round.get_or_insert(Round { ticks: 0, oldest, began, sealed: now, applied: now });
            round.ticks += ticks;
        }
    }

    /// All that went into the dataflow was applied.
    pub fn applied(&mut self, now: RunTime, recorder: &mut Recorder) -> Option<Decision> {
        let (auto, round) = (self.auto.as_mut()?, self.round.take()?);
        let decision = auto.applied(&Round { applied: now, ..round }, recorder.take_recent());
        self.follow();
        decision
    }
}

impl HeldBy {
    fn new(setting: usize, from: RunTime, auto: Option<Auto>) -> Self {
        HeldBy { setting, from, account: auto.map(|auto| auto.account()) }
    }
}
