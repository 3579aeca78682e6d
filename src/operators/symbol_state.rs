use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::aggregate::{Aggregate, Print};
use crate::lateness::Lateness;
use crate::prints::{PrintLog, Stories, Story, StoryKey, Word};
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
    /// Ticks that wait for their time as amendments; nothing is forgotten meanwhile. How many of each.
    waiting: HashMap<(StoryKey, Kind), u32>,
}

/// What is known of a print.
pub struct About {
    key: StoryKey,
    /// Its trade, if it was seen.
    pub trade: Option<Print>,
    /// Whether more was said of it, or only messages are known.
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
            waiting: HashMap::new(),
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
        !self.waiting.is_empty() && tick.kind == Kind::Trade && self.waiting.contains_key(&waiting_as(tick, rules))
    }

    /// A tick begins to wait for its time.
    pub fn begin_wait(&mut self, tick: &Tick, rules: &Lateness) {
        *self.waiting.entry(waiting_as(tick, rules)).or_default() += 1;
    }

    /// A tick's time has come.
    pub fn end_wait(&mut self, tick: &Tick, rules: &Lateness) {
        if let Entry::Occupied(mut waiting) = self.waiting.entry(waiting_as(tick, rules)) {
            *waiting.get_mut() -= 1;
            if *waiting.get() == 0 {
                waiting.remove();
            }
        }
    }

    /// Whether any tick waits for its time.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
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
        if self.is_waiting() {
            return;
        }
        let passed = self.clock.saturating_sub(rules.disorder);
        self.others.retain(|slice| !slice.emitted || slice.window.end > passed);
        let settled = rules.settled_before(self.clock);
        self.log.forget_before(windows.window_of(settled).start);
        self.stories.end_before(settled, ended);
    }

    /// Ends all stories.
    pub fn end_stories(&mut self, ended: impl FnMut(&Story)) {
        self.stories.end_before(EventTime::MAX, ended);
    }

    /// What is known of the print with sequence number `seq` that `tick` is, or speaks of.
    pub fn about(&mut self, tick: &Tick, seq: u64, rules: &Lateness) -> About {
        let session = rules.sessions.of(tick.ts_event);
        let key = (tick.venue, session.0, seq);
        match self.stories.get(&key) {
            Some(story) => About { key, trade: story.trade().copied(), has_story: true },
            None => About { key, trade: self.log.find(tick.venue, seq, session).copied(), has_story: false },
        }
    }

    /// Keeps a print that has no story.
    pub fn keep(&mut self, venue: Venue, print: Print, rules: &Lateness) {
        self.log.push(venue, print, &rules.sessions);
    }

    /// Adds to the story of a print, and makes the log say what the story says then. Returns the windows that
    /// this touches, with what they held before.
    pub fn retell(&mut self, about: &About, word: Word, rules: &Lateness, windows: Tumbling) -> Vec<(Window, A)> {
        let (venue, _, seq) = about.key;
        if let Word::Trade(print) = &word {
            self.log.see(venue, print, &rules.sessions);
        }
        let (before, after) = self.stories.tell(about.key, about.trade, word, rules);
        if before == after {
            return Vec::new();
        }
        let prints = [before, after].into_iter().flatten();
        let mut touched: Vec<Window> = prints.map(|print| windows.window_of(print.ts_event)).collect();
        touched.dedup();
        let changed = touched.into_iter().map(|window| (window, self.held(window))).collect();
        if let Some(gone) = before
            && let Some(print) = self.log.find(venue, seq, (gone.ts_event, gone.ts_event + 1))
        {
            print.live = false;
        }
        if let Some(print) = after {
            self.log.push(venue, print, &rules.sessions);
        }
        changed
    }

    /// What a window holds: its slice's state, or what its prints come to.
    pub fn held(&mut self, window: Window) -> A {
        match self.slice_mut(window) {
            Some(slice) => slice.state.clone(),
            None => self.rebuild(window),
        }
    }
}

/// How a tick that waits is remembered: as a trade it may be repeated meanwhile.
fn waiting_as(tick: &Tick, rules: &Lateness) -> (StoryKey, Kind) {
    ((tick.venue, rules.sessions.of(tick.ts_event).0, tick.seq), tick.kind)
}
