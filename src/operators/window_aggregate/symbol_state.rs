use std::collections::{BTreeMap, HashMap};

use super::panes::{Around, Panes};
use crate::aggregate::{Aggregate, Print};
use crate::lateness::{Horizon, Lateness};
use crate::prints::{Change, PrintLog, Stories, Story, StoryKey, Word};
use crate::tick::{Kind, Tick, Venue};
use crate::time::{EventTime, SECOND};
use crate::window::Window;

/// Everything kept of one symbol.
pub struct SymbolState<P> {
    /// The highest event time accepted so far: the symbol's own clock.
    pub clock: EventTime,
    /// Its windows.
    pub panes: P,
    log: PrintLog,
    stories: Stories,
    /// How many ticks wait for their time as amendments, by their event times.
    waiting: BTreeMap<EventTime, u32>,
    /// The times of those among them that are trades, by number.
    waiting_trades: HashMap<StoryKey, Vec<EventTime>>,
    /// What the symbol's clock must show before it is worth to look again what can be forgotten.
    forget_at: EventTime,
}

/// What is known of a print.
pub struct About {
    key: StoryKey,
    /// Its trade, if it was seen: the earliest one within reach.
    pub trade: Option<Print>,
    /// The time of the earliest trade within reach, which may be one that another of its print has come after.
    pub earliest: Option<EventTime>,
    /// All that are within reach and live.
    kept: Vec<Print>,
    /// Whether more was said of it, or messages wait for it.
    pub has_story: bool,
}

impl<P: Default> SymbolState<P> {
    pub fn new() -> Self {
        SymbolState {
            clock: EventTime::MIN,
            panes: P::default(),
            log: PrintLog::default(),
            stories: Stories::default(),
            waiting: BTreeMap::new(),
            waiting_trades: HashMap::new(),
            forget_at: EventTime::MIN,
        }
    }

    /// Keeps a trade that is certainly new, or says that it must be looked at.
    #[inline]
    pub fn keep_if_new(&mut self, tick: &Tick, print: Print, rules: &Lateness) -> bool {
        let is_new = self.log.is_new(tick.venue, tick.ts_event, tick.seq)
            && !self.stories.wait_for_prints()
            && !self.waits_for(tick, rules);
        if is_new {
            self.log.push(tick.venue, print, &rules.sessions);
        }
        is_new
    }

    /// Whether a trade waits for its time of which this one may be a repeat.
    #[inline]
    pub fn waits_for(&self, tick: &Tick, rules: &Lateness) -> bool {
        tick.kind == Kind::Trade && !self.waiting_trades.is_empty() && self.may_repeat(tick, rules)
    }

    fn may_repeat(&self, tick: &Tick, rules: &Lateness) -> bool {
        let reaches = |waiting: &Vec<EventTime>| waiting.iter().any(|ts| rules.reaches(tick.ts_event, *ts));
        self.waiting_trades.get(&key_of(tick, rules)).is_some_and(reaches)
    }

    /// A tick begins to wait for its time.
    pub fn begin_wait(&mut self, tick: &Tick, rules: &Lateness) {
        *self.waiting.entry(tick.ts_event).or_default() += 1;
        if tick.kind == Kind::Trade {
            self.waiting_trades.entry(key_of(tick, rules)).or_default().push(tick.ts_event);
        }
    }

    /// A tick's time has come.
    pub fn end_wait(&mut self, tick: &Tick, rules: &Lateness) {
        if self.waiting.get_mut(&tick.ts_event).is_some_and(|n| (*n -= 1, *n == 0).1) {
            self.waiting.remove(&tick.ts_event);
        }
        let key = key_of(tick, rules);
        if tick.kind == Kind::Trade
            && let Some(waiting) = self.waiting_trades.get_mut(&key)
        {
            if let Some(at) = waiting.iter().position(|ts| *ts == tick.ts_event) {
                waiting.swap_remove(at);
            }
            if waiting.is_empty() {
                self.waiting_trades.remove(&key);
            }
        }
    }

    /// The oldest tick that waits for its time.
    fn oldest_waiting(&self) -> Option<EventTime> {
        self.waiting.first_key_value().map(|(ts, _)| *ts)
    }

    /// The windows, and what they see around them.
    pub fn panes<'a, R>(
        &'a mut self,
        windows: &'a R,
        lateness: &'a Lateness,
        passed: i64,
    ) -> (&'a mut P, Around<'a, R>) {
        (&mut self.panes, Around { windows, lateness, log: &self.log, passed })
    }

    /// The windows that hold `ts`, and what they come to.
    pub fn holding<A: Aggregate>(
        &self,
        ts: EventTime,
        windows: &P::Rules,
        lateness: &Lateness,
        passed: i64,
    ) -> Vec<(Window, Option<A::Value>)>
    where
        P: Panes<A>,
    {
        self.panes.holding(ts, &Around { windows, lateness, log: &self.log, passed })
    }

    /// What is kept of the prints of a window, and of what was said about them.
    pub fn kept_of(&self, window: Window, rules: &Lateness) -> (Vec<(Venue, Print)>, Vec<Tick>) {
        let prints = self.log.all_prints_of(window).collect();
        (prints, self.stories.messages_about(window, rules).copied().collect())
    }

    /// Forgets what nothing can change any more, once the symbol's clock has moved on by a second; `ended` is told the
    /// stories that are over.
    pub fn forget<A: Aggregate>(&mut self, windows: &P::Rules, rules: &Lateness, passed: i64, ended: impl FnMut(&Story))
    where
        P: Panes<A>,
    {
        if self.clock < self.forget_at {
            return;
        }
        self.forget_at = self.clock.saturating_add(SECOND);
        let waiting = self.oldest_waiting();
        let reached = waiting.map_or(EventTime::MAX, |waiting| rules.floor(waiting));
        let settled = rules.settled_before(self.clock).min(reached);
        let open = self.clock.saturating_sub(rules.disorder).min(waiting.unwrap_or(EventTime::MAX));
        let (panes, around) = self.panes(windows, rules, passed);
        let kept = panes.forget(settled, open, &around);
        if rules.horizon != Horizon::None {
            self.log.forget_before(kept.min(settled));
            self.stories.end_before(settled, rules, ended);
        }
    }

    /// Ends all stories.
    pub fn end_stories(&mut self, rules: &Lateness, ended: impl FnMut(&Story)) {
        self.stories.end_before(EventTime::MAX, rules, ended);
    }

    /// What is known of the print with sequence number `seq` that `tick` is, or speaks of.
    pub fn about(&mut self, tick: &Tick, seq: u64, rules: &Lateness) -> About {
        let key = (tick.venue, rules.sessions.of(tick.ts_event).0, seq);
        let story = self.stories.get(&key);
        let told = story.and_then(|story| story.trade(tick.ts_event, rules).copied());
        let awaited = story.is_some_and(|story| story.awaits(tick.ts_event, rules));
        let mut kept = Vec::new();
        self.log.each(tick.venue, seq, rules.reach(tick.ts_event), |print| kept.push(*print));
        let trade = kept.iter().copied().chain(told).min_by_key(|print| print.ts_event);
        let repeated = story.and_then(|story| story.earliest(tick.ts_event, rules));
        let earliest = kept.iter().map(|print| print.ts_event).chain(repeated).min();
        About { key, trade, earliest, kept, has_story: told.is_some() || awaited }
    }

    /// Keeps a print that has no story.
    pub fn keep(&mut self, venue: Venue, print: Print, rules: &Lateness) {
        self.log.push(venue, print, &rules.sessions);
    }

    /// Adds to the story of a print. Returns what that changes.
    pub fn tell(&mut self, about: &About, word: Word, rules: &Lateness) -> Vec<Change> {
        if let Word::Trade(print) = &word {
            self.log.see(about.key.0, print, &rules.sessions);
        }
        self.stories.tell(about.key, &about.kept, word, rules)
    }

    /// Makes the log show changes of the prints that `about` is about.
    pub fn log_changes(&mut self, about: &About, changes: &[Change], rules: &Lateness) {
        let (venue, _, seq) = about.key;
        for (before, after) in changes {
            if let Some(gone) = before {
                self.log.each(venue, seq, (gone.ts_event, gone.ts_event + 1), |print| print.live = false);
            }
            if let Some(print) = after {
                self.log.push(venue, *print, &rules.sessions);
            }
        }
    }
}

/// The print that a trade is.
fn key_of(tick: &Tick, rules: &Lateness) -> StoryKey {
    (tick.venue, rules.sessions.of(tick.ts_event).0, tick.seq)
}
