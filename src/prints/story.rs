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
pub struct Stories(HashMap<StoryKey, Story>);

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
    /// A story that begins with a print that is kept already, if it is.
    pub fn of(print: Option<Print>) -> Self {
        Story { trades: print.into_iter().collect(), messages: Vec::new() }
    }

    /// The print's last trade, if one was seen; another one is a repeat.
    pub fn trade(&self) -> Option<&Print> {
        self.trades.iter().max_by_key(|print| rank_of_trade(print))
    }

    /// One more trade.
    pub fn add_trade(&mut self, print: Print) {
        self.trades.push(print);
    }

    /// One more cancel or correction.
    pub fn add_message(&mut self, tick: Tick) {
        self.messages.push(tick);
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

impl Stories {
    /// Whether there is no story, as is usual.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The story of a print.
    pub fn get_mut(&mut self, key: &StoryKey) -> Option<&mut Story> {
        self.0.get_mut(key)
    }

    /// The story of a print, begun with `first` if there is none.
    pub fn begin(&mut self, key: StoryKey, first: impl FnOnce() -> Story) -> &mut Story {
        self.0.entry(key).or_insert_with(first)
    }

    /// Ends the stories of which all was said before `ts`.
    pub fn end_before(&mut self, ts: EventTime, mut ended: impl FnMut(&Story)) {
        self.0.retain(|_, story| {
            let goes_on = story.last_ts() >= ts;
            if !goes_on {
                ended(story);
            }
            goes_on
        });
    }
}
