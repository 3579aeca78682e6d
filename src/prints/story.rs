use std::collections::HashMap;

use crate::aggregate::Print;
use crate::lateness::Lateness;
use crate::tick::{Kind, Price, Tick, Venue};
use crate::time::EventTime;

/// Which print a message is about: venue, beginning of its session, sequence number.
pub type StoryKey = (Venue, EventTime, u64);

/// The stories of one symbol: prints about which there is more than one message, or of which only
/// messages are known so far. Most prints have none.
#[derive(Debug, Default)]
pub struct Stories {
    stories: HashMap<StoryKey, Story>,
    /// How many of them wait for their print.
    waiting: usize,
}

/// Everything that was accepted about one print.
#[derive(Debug, Default)]
pub struct Story {
    trades: Vec<Print>,
    messages: Vec<Tick>,
}

/// A message's place in a story: its time, its sequence number, and the data where those are equal.
type Rank = (EventTime, u64, Kind, Price, u32);

fn rank_of_trade(print: &Print) -> Rank {
    (print.ts_event, print.seq, Kind::Trade, print.price, print.size)
}

fn rank_of_message(tick: &Tick) -> Rank {
    (tick.ts_event, tick.seq, tick.kind, tick.price, tick.size)
}

impl Story {
    /// The print's last trade, if one was seen; another one is a repeat.
    pub fn trade(&self) -> Option<&Print> {
        self.trades.iter().max_by_key(|print| rank_of_trade(print))
    }

    /// What the print is now: the last message by time and sequence number has the word, whatever came first.
    /// The print's place is that of its last trade. `None` while it is cancelled, or never seen.
    pub fn print(&self, rules: &Lateness) -> Option<Print> {
        let trade = *self.trade()?;
        let reaching = self.messages.iter().filter(|m| rules.reaches(m.ts_event, trade.ts_event));
        match reaching.max_by_key(|message| rank_of_message(message)) {
            Some(last) if rank_of_message(last) > rank_of_trade(&trade) => {
                (last.kind == Kind::Correct).then_some(Print { price: last.price, size: last.size, ..trade })
            }
            _ => Some(trade),
        }
    }

    /// How many of the messages found their print, and how many did not.
    pub fn matched(&self, rules: &Lateness) -> (u64, u64) {
        let trade = self.trade();
        let reaches = |message: &&Tick| trade.is_some_and(|trade| rules.reaches(message.ts_event, trade.ts_event));
        let matched = self.messages.iter().filter(reaches).count();
        (matched as u64, (self.messages.len() - matched) as u64)
    }

    fn last_ts(&self) -> EventTime {
        let trades = self.trades.iter().map(|print| print.ts_event);
        trades.chain(self.messages.iter().map(|message| message.ts_event)).max().unwrap_or(EventTime::MIN)
    }
}

/// One more thing said about a print.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// It was printed, for the first time or again.
    Trade(Print),
    /// It was cancelled or corrected.
    Message(Tick),
}

impl Stories {
    /// Whether messages wait for a print, so that a new one may be it.
    pub fn wait_for_prints(&self) -> bool {
        self.waiting > 0
    }

    /// The story of a print.
    pub fn get(&self, key: &StoryKey) -> Option<&Story> {
        self.stories.get(key)
    }

    /// Adds to the story of a print, which begins with `first` if there is none yet. Returns what the print was
    /// before and what it is now.
    pub fn tell(
        &mut self,
        key: StoryKey,
        first: Option<Print>,
        word: Word,
        rules: &Lateness,
    ) -> (Option<Print>, Option<Print>) {
        let waiting = &mut self.waiting;
        let story = self.stories.entry(key).or_insert_with(|| {
            *waiting += usize::from(first.is_none());
            Story { trades: first.into_iter().collect(), messages: Vec::new() }
        });
        let before = story.print(rules);
        match word {
            Word::Trade(print) => {
                *waiting -= usize::from(story.trades.is_empty());
                story.trades.push(print);
            }
            Word::Message(tick) => story.messages.push(tick),
        }
        (before, story.print(rules))
    }

    /// Ends the stories of which all was said before `ts`.
    pub fn end_before(&mut self, ts: EventTime, mut ended: impl FnMut(&Story)) {
        let waiting = &mut self.waiting;
        self.stories.retain(|_, story| {
            let goes_on = story.last_ts() >= ts;
            if !goes_on {
                *waiting -= usize::from(story.trades.is_empty());
                ended(story);
            }
            goes_on
        });
    }
}
