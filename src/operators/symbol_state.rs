use std::collections::{BTreeMap, HashMap};

use crate::aggregate::{Aggregate, Print};
use crate::lateness::Lateness;
use crate::prints::{Change, PrintLog, Stories, Story, StoryKey, Word};
use crate::tick::{Kind, Tick, Venue};
use crate::time::EventTime;
use crate::window::{Tumbling, Window};

/// A window of one symbol.
#[derive(Clone, Debug)]
pub struct Slice<A> {
    pub window: Window,
    pub state: A,
    /// Whether the frontier has passed its end, so that a change to it is an amendment.
    pub emitted: bool,
}

/// Everything kept of one symbol. The newest window stands in place, because nearly every tick falls into it.
pub struct SymbolState<A> {
    /// The highest event time accepted so far: the symbol's own clock.
    pub clock: EventTime,
    pub newest: Slice<A>,
    others: Vec<Slice<A>>,
    log: PrintLog,
    stories: Stories,
    /// How many ticks wait for their time as amendments, by their event times.
    waiting: BTreeMap<EventTime, u32>,
    /// How often each print is among them as a trade.
    waiting_trades: HashMap<StoryKey, u32>,
}

/// What is known of a print.
pub struct About {
    key: StoryKey,
    /// Its trade, if it was seen.
    pub trade: Option<Print>,
    /// Whether more was said of it, or messages wait for it.
    pub has_story: bool,
}

impl<A: Aggregate> SymbolState<A> {
    pub fn new() -> Self {
        let window = Window { start: EventTime::MIN, end: EventTime::MIN };
        SymbolState {
            clock: EventTime::MIN,
            newest: Slice { window, state: A::default(), emitted: true },
            others: Vec::new(),
            log: PrintLog::default(),
            stories: Stories::default(),
            waiting: BTreeMap::new(),
            waiting_trades: HashMap::new(),
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

    /// Whether a trade waits for its time of which this one is a repeat.
    #[inline]
    pub fn waits_for(&self, tick: &Tick, rules: &Lateness) -> bool {
        let is_trade = tick.kind == Kind::Trade;
        is_trade && !self.waiting_trades.is_empty() && self.waiting_trades.contains_key(&key_of(tick, rules))
    }

    /// A tick begins to wait for its time.
    pub fn begin_wait(&mut self, tick: &Tick, rules: &Lateness) {
        *self.waiting.entry(tick.ts_event).or_default() += 1;
        if tick.kind == Kind::Trade {
            *self.waiting_trades.entry(key_of(tick, rules)).or_default() += 1;
        }
    }

    /// A tick's time has come.
    pub fn end_wait(&mut self, tick: &Tick, rules: &Lateness) {
        if self.waiting.get_mut(&tick.ts_event).is_some_and(|n| (*n -= 1, *n == 0).1) {
            self.waiting.remove(&tick.ts_event);
        }
        let key = key_of(tick, rules);
        if tick.kind == Kind::Trade && self.waiting_trades.get_mut(&key).is_some_and(|n| (*n -= 1, *n == 0).1) {
            self.waiting_trades.remove(&key);
        }
    }

    /// The oldest tick that waits for its time.
    fn oldest_waiting(&self) -> Option<EventTime> {
        self.waiting.first_key_value().map(|(ts, _)| *ts)
    }

    /// Whether an emitted window is kept as a slice: until the symbol's own clock has passed it, and nothing waits
    /// that lies in it or before. After that it is summed up from its prints when it is amended.
    pub fn keeps(&self, window: Window, rules: &Lateness) -> bool {
        let passed = self.clock.saturating_sub(rules.disorder);
        window.end > self.oldest_waiting().map_or(passed, |waiting| waiting.min(passed))
    }

    /// The slice of a window.
    pub fn slice_mut(&mut self, window: Window) -> Option<&mut Slice<A>> {
        if self.newest.window == window {
            return Some(&mut self.newest);
        }
        self.others.iter_mut().find(|slice| slice.window == window)
    }

    /// The slices that end at `end_ms`.
    pub fn ending_mut(&mut self, end_ms: i64) -> impl Iterator<Item = &mut Slice<A>> {
        let all = std::iter::once(&mut self.newest).chain(&mut self.others);
        all.filter(move |slice| !slice.emitted && slice.window.end_ms() == end_ms)
    }

    /// Puts in a slice that was not there.
    pub fn open(&mut self, slice: Slice<A>) {
        if slice.window.start > self.newest.window.start {
            let previous = std::mem::replace(&mut self.newest, slice);
            if previous.window.end > EventTime::MIN {
                self.others.push(previous);
            }
        } else {
            self.others.push(slice);
        }
    }

    /// The summary of a window from the prints that are kept.
    pub fn rebuild(&self, window: Window) -> A {
        let mut state = A::default();
        self.log.prints_of(window).for_each(|print| state.add(print));
        state
    }

    /// Forgets what nothing can change any more; `ended` is told the stories that are over.
    pub fn forget(&mut self, rules: &Lateness, windows: Tumbling, ended: impl FnMut(&Story)) {
        let mut others = std::mem::take(&mut self.others);
        others.retain(|slice| !slice.emitted || self.keeps(slice.window, rules));
        self.others = others;
        let waiting = self.oldest_waiting().map_or(EventTime::MAX, |waiting| rules.floor(waiting));
        let settled = rules.settled_before(self.clock).min(waiting);
        self.log.forget_before(windows.window_of(settled).start);
        self.stories.end_before(settled, rules, ended);
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
        let kept = || self.log.find(tick.venue, seq, rules.reach(tick.ts_event)).copied();
        About { key, trade: told.or_else(kept), has_story: told.is_some() || awaited }
    }

    /// Keeps a print that has no story.
    pub fn keep(&mut self, venue: Venue, print: Print, rules: &Lateness) {
        self.log.push(venue, print, &rules.sessions);
    }

    /// Adds to the story of a print, and makes the log say what the story says then. Returns the windows that
    /// this touches, with what they held before and what they hold now.
    pub fn retell(&mut self, about: &About, word: Word, rules: &Lateness, windows: Tumbling) -> Vec<(Window, A, A)> {
        let (venue, _, seq) = about.key;
        if let Word::Trade(print) = &word {
            self.log.see(venue, print, &rules.sessions);
        }
        let changes = self.stories.tell(about.key, about.trade, word, rules);
        let prints = changes.iter().flat_map(|(before, after)| [before, after]).flatten();
        let mut touched: Vec<Window> = prints.map(|print| windows.window_of(print.ts_event)).collect();
        touched.sort();
        touched.dedup();
        let held: Vec<(Window, A)> = touched.into_iter().map(|window| (window, self.held(window))).collect();
        for (before, after) in &changes {
            if let Some(gone) = before
                && let Some(print) = self.log.find(venue, seq, (gone.ts_event, gone.ts_event + 1))
            {
                print.live = false;
            }
            if let Some(print) = after {
                self.log.push(venue, *print, &rules.sessions);
            }
        }
        held.into_iter()
            .map(|(window, before)| (window, before.clone(), self.changed(window, before, &changes)))
            .collect()
    }

    /// What a window that held `state` holds after these changes, which the log has seen.
    fn changed(&self, window: Window, mut state: A, changes: &[Change]) -> A {
        let inside = |print: &Option<Print>| print.filter(|print| window.contains(print.ts_event));
        for (before, after) in changes {
            if inside(before).is_some_and(|gone| !state.remove(&gone)) {
                return self.rebuild(window);
            }
            if let Some(new) = inside(after) {
                state.add(&new);
            }
        }
        state
    }

    /// What a window holds: its slice's state, or what its prints come to.
    pub fn held(&mut self, window: Window) -> A {
        match self.slice_mut(window) {
            Some(slice) => slice.state.clone(),
            None => self.rebuild(window),
        }
    }
}

/// The print that a trade is.
fn key_of(tick: &Tick, rules: &Lateness) -> StoryKey {
    (tick.venue, rules.sessions.of(tick.ts_event).0, tick.seq)
}
