use std::collections::HashMap;

use crate::aggregate::Print;
use crate::lateness::Lateness;
use crate::tick::{Eligible, Kind, Price, Tick, Venue};
use crate::time::EventTime;
use crate::window::Window;

/// Which print a message is about: venue, beginning of its session, sequence number.
pub type StoryKey = (Venue, EventTime, u64);

/// The stories of one symbol: prints about which there is more than one message, or of which only
/// messages are known so far. Most prints have none.
#[derive(Debug, Default)]
pub struct Stories {
    stories: HashMap<StoryKey, Story>,
    /// How many messages wait for a print that they reach.
    waiting: usize,
    /// None of them is over before this time; nothing if there are none.
    oldest: Option<EventTime>,
}

/// Everything that was accepted about the prints of one key. As a rule that is one print; where sequence numbers
/// begin anew within a session, it is several, which lie further apart than the horizon reaches.
#[derive(Debug, Default)]
pub struct Story {
    /// Each print's trade, and its repeats.
    prints: Vec<Vec<Print>>,
    messages: Vec<Tick>,
}

/// One more thing said about a print.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// It was printed, for the first time or again.
    Trade(Print),
    /// It was cancelled or corrected.
    Message(Tick),
}

/// What a print was, and what it is now; nothing while it is cancelled or not seen.
pub type Change = (Option<Print>, Option<Print>);

/// A message's place in a story: its time, its sequence number, and the data where those are equal.
type Rank = (EventTime, u64, Kind, Price, u32, Eligible);

fn rank_of_trade(print: &Print) -> Rank {
    (print.ts_event, print.seq, Kind::Trade, print.price, print.size, print.eligible)
}

fn rank_of_message(tick: &Tick) -> Rank {
    (tick.ts_event, tick.seq, tick.kind, tick.price, tick.size, tick.eligible)
}

/// The trade that says where a print is: the last of it and its repeats.
fn last_trade(trades: &[Print]) -> Option<&Print> {
    trades.iter().max_by_key(|print| rank_of_trade(print))
}

impl Story {
    /// The earliest print that a record of time `ts` reaches, if one was seen; another trade of it is a repeat.
    pub fn trade(&self, ts: EventTime, rules: &Lateness) -> Option<&Print> {
        let trades = self.prints.iter().filter_map(|trades| last_trade(trades));
        trades.filter(|trade| rules.reaches(ts, trade.ts_event)).min_by_key(|trade| trade.ts_event)
    }

    /// The time of the earliest trade of any print that a record of time `ts` reaches.
    pub fn earliest(&self, ts: EventTime, rules: &Lateness) -> Option<EventTime> {
        self.prints.iter().flatten().map(|trade| trade.ts_event).filter(|trade| rules.reaches(ts, *trade)).min()
    }

    /// Whether a message waits that a print of time `ts` reaches.
    pub fn awaits(&self, ts: EventTime, rules: &Lateness) -> bool {
        self.messages.iter().any(|message| rules.reaches(message.ts_event, ts))
    }

    /// How many of the messages found a print, and how many did not.
    pub fn matched(&self, rules: &Lateness) -> (u64, u64) {
        let matched = self.messages.iter().filter(|message| self.trade(message.ts_event, rules).is_some()).count();
        (matched as u64, (self.messages.len() - matched) as u64)
    }

    /// What each print is now: the last message that reaches it, by time and sequence number, has the word, whatever
    /// came first. The print's place is that of its last trade, and so is what it counts for where a correction does not
    /// say.
    fn states(&self, rules: &Lateness) -> Vec<Option<Print>> {
        let state = |trades: &Vec<Print>| {
            let trade = last_trade(trades)?;
            let reaching = self.messages.iter().filter(|m| rules.reaches(m.ts_event, trade.ts_event));
            match reaching.max_by_key(|message| rank_of_message(message)) {
                Some(last) if rank_of_message(last) > rank_of_trade(trade) => {
                    let Tick { price, size, .. } = *last;
                    let eligible = last.eligible.or(trade.eligible);
                    (last.kind == Kind::Correct).then_some(Print { price, size, eligible, ..*trade })
                }
                _ => Some(*trade),
            }
        };
        self.prints.iter().map(state).collect()
    }

    /// Adds a trade to the print that it repeats, or as a print of its own.
    fn add_trade(&mut self, print: Print, rules: &Lateness) {
        let repeated = self.trade(print.ts_event, rules).map(|trade| trade.ts_event);
        match self.prints.iter_mut().find(|trades| last_trade(trades).map(|trade| trade.ts_event) == repeated) {
            Some(trades) => trades.push(print),
            None => self.prints.push(vec![print]),
        }
    }

    /// Adds a print of its own, unless it is there.
    fn add_print(&mut self, print: Print) {
        if self.prints.iter().all(|trades| last_trade(trades).is_none_or(|trade| trade.ts_event != print.ts_event)) {
            self.prints.push(vec![print]);
        }
    }

    fn last_ts(&self) -> EventTime {
        let trades = self.prints.iter().flatten().map(|print| print.ts_event);
        trades.chain(self.messages.iter().map(|message| message.ts_event)).max().unwrap_or(EventTime::MIN)
    }
}

impl Stories {
    /// Whether messages wait for a print, so that a new one may be it.
    pub fn wait_for_prints(&self) -> bool {
        self.waiting > 0
    }

    /// The story of a key.
    pub fn get(&self, key: &StoryKey) -> Option<&Story> {
        self.stories.get(key)
    }

    /// Adds to the story of a print; `known` are the prints that the word reaches and that are kept, which may have no
    /// story yet. Returns what changed.
    pub fn tell(&mut self, key: StoryKey, known: &[Print], word: Word, rules: &Lateness) -> Vec<Change> {
        let story = self.stories.entry(key).or_default();
        known.iter().for_each(|known| story.add_print(*known));
        let (mut before, unmatched) = (story.states(rules), story.matched(rules).1);
        match word {
            Word::Trade(print) => story.add_trade(print, rules),
            Word::Message(tick) => story.messages.push(tick),
        }
        self.oldest = self.oldest.into_iter().chain([story.last_ts()]).min();
        let after = story.states(rules);
        self.waiting = self.waiting + story.matched(rules).1 as usize - unmatched as usize;
        before.resize(after.len(), None);
        before.into_iter().zip(after).filter(|(before, after)| before != after).collect()
    }

    /// The cancels and corrections that were accepted about the prints of a window.
    pub fn messages_about(&self, window: Window, rules: &Lateness) -> impl Iterator<Item = &Tick> {
        let about = move |story: &Story, message: &Tick| {
            story.trade(message.ts_event, rules).is_some_and(|print| window.contains(print.ts_event))
        };
        self.stories.values().flat_map(move |story| story.messages.iter().filter(move |message| about(story, message)))
    }

    /// Ends the stories of which all was said before `ts`.
    #[inline]
    pub fn end_before(&mut self, ts: EventTime, rules: &Lateness, mut ended: impl FnMut(&Story)) {
        // Within a session there may be many of them, of which none ends.
        if self.oldest.is_none_or(|oldest| oldest >= ts) {
            return;
        }
        let (waiting, mut oldest) = (&mut self.waiting, None);
        self.stories.retain(|_, story| {
            let last = story.last_ts();
            if last < ts {
                *waiting -= story.matched(rules).1 as usize;
                ended(story);
            } else {
                oldest = oldest.into_iter().chain([last]).min();
            }
            last >= ts
        });
        self.oldest = oldest;
    }
}
