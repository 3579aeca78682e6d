//! The topic itself: which partitions it has when a run begins, and whether it still has them.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;

use super::super::live::End;
use super::super::{Surroundings, say};
use super::{Client, LOOK_EVERY, PATIENCE};
use crate::error::{Error, Result};

/// What the brokers say of a topic.
enum Found {
    Partitions(Vec<i32>),
    /// There is no such topic.
    Nothing,
    /// They do not answer, and why.
    Silence(String),
}

/// Asks for a topic.
///
/// # Errors
/// When they refuse to answer, or to have it read.
fn look(client: &Client, name: &str, topic: &str) -> Result<Found> {
    let found = client.fetch_metadata(Some(topic), PATIENCE);
    client.context().check()?;
    let found = match found {
        Ok(found) => found,
        Err(error) => return Ok(Found::Silence(error.to_string())),
    };
    let Some(found) = found.topics().first() else { return Ok(Found::Nothing) };
    match found.error().map(Code::from) {
        None if found.partitions().is_empty() => Ok(Found::Nothing),
        None => Ok(Found::Partitions(found.partitions().iter().map(|partition| partition.id()).collect())),
        Some(why @ (Code::TopicAuthorizationFailed | Code::InvalidTopic)) => {
            Err(Error::Input(format!("reading {name}: {why}")))
        }
        // A topic that is being made has no leader yet.
        Some(_) => Ok(Found::Nothing),
    }
}

/// The topic's partitions; the brokers, and the topic, are waited for.
pub(super) fn partitions(
    client: &Client,
    name: &str,
    topic: &str,
    end: End,
    around: &Surroundings,
) -> Result<Vec<i32>> {
    let mut is_told = false;
    loop {
        // The client tells what is wrong only when it is asked.
        let _ = client.poll(Duration::ZERO);
        let why = match look(client, name, topic)? {
            Found::Partitions(partitions) => return Ok(partitions),
            Found::Nothing if end == End::Now => {
                return Err(Error::Input(format!("reading {name}: there is no such topic, so nothing is in it now")));
            }
            Found::Nothing => "there is no such topic yet".to_owned(),
            Found::Silence(why) => why,
        };
        if around.stop.load(Ordering::Acquire) {
            return Err(Error::Input(format!("reading {name}: {why}")));
        }
        if !std::mem::replace(&mut is_told, true) {
            say(&format!("waiting for {name}: {why} (trying again; Ctrl-C ends this)"));
        }
        std::thread::sleep(LOOK_EVERY * 5);
    }
}

/// Looks from time to time whether a topic is still the one whose partitions are read.
pub(super) struct Watch {
    pub client: Client,
    pub name: String,
    pub topic: String,
    /// How many partitions there were, where those that come later are to be read, too.
    pub count: Option<usize>,
    /// The time between two looks; never if there is none.
    pub every: Option<Duration>,
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
        self.client.context().check()?;
        if self.every.is_none_or(|every| self.looked_at.elapsed() < every) {
            return Ok(());
        }
        self.looked_at = Instant::now();
        let (name, found) = (&self.name, look(&self.client, &self.name, &self.topic)?);
        let is_missing = matches!(found, Found::Nothing);
        // A broker that has just come up may not know its topics yet.
        if is_missing && self.is_missing {
            let text = "the topic is not there any more: it was deleted while it was read. What was read of it is in \
                        no result; start again when there is one";
            return Err(Error::Input(format!("reading {name}: {text}")));
        }
        self.is_missing = is_missing;
        if let (Found::Partitions(partitions), Some(count)) = (found, self.count)
            && partitions.len() > count
        {
            let now = partitions.len();
            return Err(Error::Input(format!(
                "reading {name}: the topic had {count} partitions when the run began, and now it has {now}. Which are \
                 read is fixed then, and symbols may have moved to the new ones: start the run once more, from where it \
                 began"
            )));
        }
        Ok(())
    }
}
