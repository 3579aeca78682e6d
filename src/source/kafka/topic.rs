//! The topic itself: what is read of it when a run begins, and whether it still is the same.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::Surroundings;
use super::super::live::{End, Live};
use super::client::{Client, Found};
use super::ranges::{Range, ranges};
use super::{LOOK_EVERY, failed};
use crate::error::{Result, say};

/// What is read of each of the topic's partitions; the brokers, the topic and those who lead its partitions are waited
/// for, as long as they may be.
pub(super) fn wait_for(client: &Client, live: &Live, around: &Surroundings) -> Result<Vec<Range>> {
    let (began, mut is_told) = (Instant::now(), false);
    loop {
        let _ = client.poll(Duration::ZERO);
        let why = match client.look()? {
            Found::Partitions(partitions) => match ranges(client, &partitions, live)? {
                Some(ranges) => return Ok(ranges),
                // A broker that has just come up knows its partitions before it leads them.
                None => "the brokers do not say yet where its partitions begin and end".to_owned(),
            },
            Found::Nothing if live.end == End::Now => {
                return Err(failed(client.name(), "there is no such topic, so nothing is in it now"));
            }
            Found::Nothing => "there is no such topic yet".to_owned(),
            Found::Silence(why) => why,
        };
        if around.stop.load(Ordering::Acquire) {
            return Err(failed(client.name(), why));
        }
        if live.within.is_some_and(|within| began.elapsed() >= within) {
            return Err(failed(client.name(), format!("{why}, and the time within which it was to be there is over")));
        }
        if !std::mem::replace(&mut is_told, true) {
            say(&format!("waiting for {}: {why} (trying again; Ctrl-C ends this)", client.name()));
        }
        std::thread::sleep(LOOK_EVERY * 5);
    }
}

/// Looks from time to time whether a topic is still the one whose partitions are read.
pub(super) struct Watch {
    pub client: Client,
    /// How many partitions there were, where those that come later are to be read, too.
    pub count: Option<usize>,
    pub looked_at: Instant,
    /// It was not there when it was looked at last.
    pub is_missing: bool,
}

impl Watch {
    /// Looks if it is time to.
    ///
    /// # Errors
    /// When the topic has changed, so that the run would miss something.
    pub fn look(&mut self) -> Result<()> {
        self.client.check()?;
        if self.client.refresh.is_none_or(|every| self.looked_at.elapsed() < every) {
            return Ok(());
        }
        self.looked_at = Instant::now();
        let (name, found) = (self.client.name(), self.client.look()?);
        let is_missing = matches!(found, Found::Nothing);
        // A broker that has just come up may not know its topics yet.
        if is_missing && self.is_missing {
            let text = "the topic is not there any more: it was deleted while it was read. What was read of it is in \
                        no result; start again when there is one";
            return Err(failed(name, text));
        }
        if let (Found::Partitions(partitions), Some(count)) = (found, self.count)
            && partitions.len() > count
        {
            let now = partitions.len();
            let text = format!(
                "the topic had {count} partitions when the run began, and now it has {now}. Which are read is fixed \
                 then, and symbols may have moved to the new ones: start the run once more, from where it began"
            );
            return Err(failed(name, text));
        }
        self.is_missing = is_missing;
        Ok(())
    }
}
