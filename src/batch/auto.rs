use std::time::Duration;

use super::decision::{Account, Decision, Inputs, State, Why};
use super::held_up::HeldUp;
use super::kept::{INTERVAL, Tally};
use super::{BatchLimits, CostFit};
use crate::time::RunTime;

/// The arrival rate and the load are looked at so often, in nanoseconds.
const LOOK: u64 = 1_000_000;

/// Above this load batches do not wait, and below the second they may again.
const OVERLOAD: (f64, f64) = (0.85, 0.75);

/// The delay is changed when it is off by more than this share.
const DEADBAND: f64 = 0.05;

/// A delay below this many nanoseconds is none.
const SHORTEST: f64 = 1_000.0;

/// The share of the target that is aimed at: to begin with, at least, and at most.
const HEADROOM: (f64, f64, f64) = (0.9, 0.1, 0.95);

/// What the headroom is multiplied by when the target was missed, and what it grows by when it was met easily.
const LESS: f64 = 0.8;
const MORE: f64 = 0.02;

/// After so many easy intervals.
const EASY: u32 = 4;

/// So many quiet intervals end a freeze.
const QUIET: u32 = 2;

/// After so many restless intervals, no quiet one is waited for to begin with.
const RESTLESS: u32 = 4;

/// The fit counts so many batches, and is relied upon after the first few.
const MEMORY: f64 = 1_024.0;
const KNOWN: f64 = 32.0;

/// A batch that costs so many times what was expected is an accident, and counts as this much.
const ACCIDENT: f64 = 4.0;

/// How quickly the arrival rate follows what is seen, up a look and down a millisecond, and how quickly the noise does.
const RISE: f64 = 0.5;
const FALL: f64 = 0.05;
const SETTLE: f64 = 0.25;

/// One batch's way, on the run's clock.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Its ticks.
    pub ticks: usize,
    /// When its oldest tick was due.
    pub oldest: RunTime,
    /// When the worker turned to the batch for the last time before it was sealed.
    pub began: RunTime,
    /// When it went into the dataflow.
    pub sealed: RunTime,
    /// When all of it was applied.
    pub applied: RunTime,
}

/// Chooses how long batches wait, so that the p99 of ticks keeps to a target on as little processor time as that
/// allows.
///
/// A wait costs latency and saves rounds, and how much is known beforehand: a batch of `n` ticks costs `a + b n`, so
/// ticks that arrive at a rate of `r` take `T + a + b r T` where batches wait for `T`. That is solved for the target:
/// `T = (headroom target - a - noise) / (1 + load)`, with `load = b r`. What the model leaves out shows in the p99 of
/// each interval, and moves the headroom. A batch that fills faster than that goes before its ticks cost more than the
/// target leaves, so that the first batches of a burst keep to it, too. One controller serves one worker; if every
/// worker keeps to the target, so do all together.
pub struct Auto {
    target: f64,
    most: f64,
    max_ticks: usize,
    state: State,
    frozen: bool,
    delay: u64,
    fit: CostFit,
    /// Arrivals in a nanosecond.
    rate: f64,
    noise: Option<f64>,
    headroom: f64,
    over: f64,
    looked: RunTime,
    /// From when on ticks were due that the next look at the rate counts, if it is known, and how many there are.
    due: Option<RunTime>,
    ticks: usize,
    judged: RunTime,
    interval: Tally,
    moved: bool,
    unexplained: HeldUp,
    easy: u32,
    quiet: u32,
    restless: u32,
    account: Account,
}

impl Auto {
    /// A controller that begins at `now`, for limits with a target; none for others.
    pub fn new(limits: &BatchLimits, now: RunTime) -> Option<Self> {
        let target = limits.target_p99?.as_nanos() as f64;
        Some(Auto {
            target,
            most: target.min(limits.max_delay.as_nanos() as f64),
            max_ticks: limits.max_ticks,
            state: State::Learning,
            frozen: false,
            delay: 0,
            fit: CostFit::of_the_last(MEMORY),
            rate: 0.0,
            noise: None,
            headroom: HEADROOM.0,
            over: 0.0,
            looked: now,
            due: None,
            ticks: 0,
            judged: now,
            interval: Tally::default(),
            moved: false,
            unexplained: HeldUp::default(),
            easy: 0,
            quiet: 0,
            restless: 0,
            account: Account::default(),
        })
    }

    /// The longest wait of a batch's oldest tick.
    pub fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay)
    }

    /// The most ticks of a batch: as many as can be served within the target when the oldest has waited in full, and
    /// never fewer than come meanwhile.
    pub fn max_ticks(&self) -> usize {
        let (Some(noise), 1..) = (self.noise, self.delay) else { return self.max_ticks };
        let delay = self.delay as f64;
        let room = self.target - self.fit.a() - noise - delay;
        // Ticks that cost nothing fill no room.
        let most = (room / self.fit.b()).max(self.rate * delay).max(1.0);
        self.max_ticks.min(most as usize)
    }

    /// What it did so far.
    pub fn account(&self) -> Account {
        Account { inputs: self.inputs(), ..self.account }
    }

    /// Takes in a batch that was applied, and the latencies of what was applied with it. Returns what was changed
    /// because of it, if anything was.
    pub fn applied(&mut self, round: &Round, latencies: Tally) -> Option<Decision> {
        self.learn(round);
        self.interval.add(latencies);
        self.count_arrivals(round);
        let now = round.applied;
        let since = now.saturating_sub(self.looked);
        if since < LOOK {
            return None;
        }
        self.count_time(since);
        self.looked = now;

        // A change of the load is answered at once, so what it did to this interval's latencies calls for nothing more.
        self.moved |= self.moves(self.wanted());
        let mut why = None;
        if now.saturating_sub(self.judged) >= INTERVAL {
            why = self.judge();
            self.begin_interval(now);
        }
        if let Some(turn) = self.weigh_load() {
            // What was held up by an overload tells nothing about the time after it, nor the other way round.
            self.begin_interval(now);
            why = Some(turn);
        }
        self.choose(why)
    }

    /// Follows the arrival rate: by when ticks were due, since what waited out a pause is served all at once.
    fn count_arrivals(&mut self, round: &Round) {
        let span = round.oldest.saturating_sub(*self.due.get_or_insert(round.oldest));
        if span >= LOOK {
            let seen = self.ticks as f64 / span as f64;
            // It falls as time goes by, however few batches come meanwhile.
            let fall = || 1.0 - (1.0 - FALL).powf(span as f64 / LOOK as f64);
            let pull = if seen > self.rate { RISE } else { fall() };
            self.rate += if self.rate == 0.0 { seen } else { pull * (seen - self.rate) };
            (self.due, self.ticks) = (Some(round.oldest), 0);
        }
        self.ticks += round.ticks;
    }

    /// Learns from a batch what batches cost, and what else made its oldest tick wait.
    fn learn(&mut self, round: &Round) {
        let Round { ticks, oldest, began, sealed, applied } = *round;
        let (ticks, cost) = (ticks as f64, applied.saturating_sub(began) as f64);
        let expected = self.fit.cost(ticks);
        if self.fit.weight() < KNOWN {
            return self.fit.observe(ticks, cost);
        }
        let waited = sealed.saturating_sub(oldest).min(self.delay);
        let explained = waited.saturating_add(expected as u64);
        let unexplained = applied.saturating_sub(oldest).saturating_sub(explained);
        self.unexplained.record(unexplained, round.ticks);
        self.fit.observe(ticks, cost.min(ACCIDENT * expected));
    }

    fn count_time(&mut self, nanos: u64) {
        self.account.followed += nanos;
        match self.state {
            State::Learning => self.account.learning += nanos,
            State::Greedy => self.account.greedy += nanos,
            State::Keeping => {}
        }
        if self.frozen {
            self.account.frozen += nanos;
        }
    }

    fn begin_interval(&mut self, now: RunTime) {
        (self.judged, self.interval, self.moved) = (now, Tally::default(), false);
        self.unexplained.reset();
    }

    /// Draws conclusions from an interval.
    fn judge(&mut self) -> Option<Why> {
        let (interval, ticks) = (self.interval, self.unexplained.ticks());
        if ticks == 0 || interval.ticks == 0 {
            return None;
        }
        self.over = interval.over as f64 / interval.ticks as f64;
        if self.state == State::Greedy {
            return None;
        }
        if self.unexplained.longer_than((self.target / 2.0) as u64) * 100 > ticks {
            self.quiet = 0;
            if self.state == State::Learning {
                self.restless += 1;
                if self.restless >= RESTLESS {
                    return Some(self.learn_in_noise());
                }
            }
            return (!std::mem::replace(&mut self.frozen, true)).then_some(Why::Noise);
        }
        self.quiet += 1;
        if self.frozen && self.quiet < QUIET {
            return None;
        }
        let thawed = std::mem::take(&mut self.frozen);
        // What does not wait yet soon will, for about as long as the target.
        let seen = self.unexplained.room(if self.delay > 0 { self.delay as f64 } else { self.target });
        self.noise = Some(self.noise.map_or(seen, |noise| noise + SETTLE * (seen - noise)));
        if self.state == State::Learning {
            self.state = State::Keeping;
            return Some(Why::Learned);
        }
        self.easy = if interval.is_met_easily() { self.easy + 1 } else { 0 };
        if !interval.is_met() && self.delay > 0 && !self.moved {
            self.headroom = (self.headroom * LESS).max(HEADROOM.1);
            return Some(Why::Missed);
        }
        if self.easy >= EASY && self.headroom < HEADROOM.2 {
            self.easy = 0;
            self.headroom = (self.headroom + MORE).min(HEADROOM.2);
            return Some(Why::Easy);
        }
        thawed.then_some(Why::Quiet)
    }

    /// On a machine that is never quiet, costs are all that can be known: half the target is left to the noise.
    fn learn_in_noise(&mut self) -> Why {
        (self.state, self.noise, self.frozen) = (State::Keeping, Some(self.target / 2.0), false);
        self.delay = self.wanted() as u64;
        self.frozen = true;
        Why::Learned
    }

    /// Goes greedy under a high load, and back.
    fn weigh_load(&mut self) -> Option<Why> {
        let load = self.rate * self.fit.b();
        match self.state {
            State::Keeping if load > OVERLOAD.0 => {
                (self.state, self.frozen) = (State::Greedy, false);
                Some(Why::Overload)
            }
            State::Greedy if load < OVERLOAD.1 => {
                self.state = State::Keeping;
                Some(Why::Recovered)
            }
            _ => None,
        }
    }

    /// The delay that follows from what is known, in nanoseconds.
    fn wanted(&self) -> f64 {
        match (self.state, self.noise) {
            (State::Keeping, Some(noise)) if !self.frozen => {
                let room = self.headroom * self.target - self.fit.a() - noise;
                let wanted = (room / (1.0 + self.rate * self.fit.b())).min(self.most);
                if wanted < SHORTEST { 0.0 } else { wanted }
            }
            (State::Keeping, _) => self.delay as f64,
            (State::Learning | State::Greedy, _) => 0.0,
        }
    }

    /// Whether a delay is far enough from what holds.
    fn moves(&self, wanted: f64) -> bool {
        let delay = self.delay as f64;
        (wanted == 0.0) != (self.delay == 0) || (wanted - delay).abs() > DEADBAND * delay
    }

    fn choose(&mut self, why: Option<Why>) -> Option<Decision> {
        let wanted = self.wanted();
        if self.moves(wanted) {
            self.delay = wanted as u64;
        } else if why.is_none() {
            return None;
        }
        self.account.decisions += 1;
        if self.state == State::Keeping {
            let (low, high) = self.account.delays.unwrap_or((self.delay, self.delay));
            self.account.delays = Some((low.min(self.delay), high.max(self.delay)));
        }
        let (state, frozen, delay) = (self.state, self.frozen, self.delay);
        Some(Decision { why: why.unwrap_or(Why::Model), state, frozen, delay, inputs: self.inputs() })
    }

    fn inputs(&self) -> Inputs {
        Inputs {
            rate: self.rate * 1e9,
            load: self.rate * self.fit.b(),
            a: self.fit.a(),
            b: self.fit.b(),
            noise: self.noise.unwrap_or(0.0),
            headroom: self.headroom,
            over: self.over,
        }
    }
}

#[cfg(test)]
mod tests;
