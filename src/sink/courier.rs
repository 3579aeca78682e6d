use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Sink;
use super::lines::{Lines, Upsert};
use super::order::Place;
use super::socket::Wire;
use crate::error::{Doing as _, Error, Result, lock};
use crate::row::{Row, Texts};
use crate::source::Address;
use crate::tape::DeadLetters;
use crate::tick::Symbol;
use crate::time::EventTime;

/// Bytes that are sent together, and the messages that they are.
#[derive(Clone, Debug, Default)]
pub struct Parcel {
    /// The messages' bytes, one after the other.
    pub bytes: Vec<u8>,
    /// The messages.
    pub cuts: Vec<Cut>,
}

/// A message of a [`Parcel`].
#[derive(Clone, Debug)]
pub struct Cut {
    /// Where it ends in the parcel's bytes.
    pub end: usize,
    /// Whom it is about, if it is about a symbol.
    pub symbol: Option<Symbol>,
    /// Its time.
    pub ts_event: EventTime,
    /// What it says of a row that later messages replace.
    pub upsert: Option<Upsert>,
}

/// How topics are written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToTopic {
    /// Most messages that go together; as many as librdkafka likes if nothing is said.
    pub max_batch: Option<u64>,
    /// How long a message waits for others to go with it; a millisecond if nothing is said.
    pub linger: Option<Duration>,
    /// Properties for `librdkafka`, and their values, which are stronger.
    pub properties: Vec<(String, String)>,
    /// How long a topic and its brokers are waited for; for ever if there is none.
    pub within: Option<Duration>,
}

impl Parcel {
    /// Ends a message with the bytes that were added last.
    pub fn cut(&mut self, symbol: Option<Symbol>, ts_event: EventTime, upsert: Option<Upsert>) {
        self.cuts.push(Cut { end: self.bytes.len(), symbol, ts_event, upsert });
    }

    /// Forgets all of it.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.cuts.clear();
    }
}

/// A way out of the process to somebody who may be slow: then it waits, and so slows whoever sends.
pub trait Courier: Send {
    /// Sends a parcel. A stream of bytes has no use for its messages.
    ///
    /// # Errors
    /// When it cannot be sent.
    fn send(&mut self, parcel: &Parcel, texts: &Texts) -> Result<()>;

    /// Waits until all that was sent has been taken.
    ///
    /// # Errors
    /// When it is not known that all of it was.
    fn finish(&mut self) -> Result<()>;
}

/// Opens a courier. On a stream, `header` comes first, and again whenever somebody new reads it. `is_stopped` tells
/// when there is no use in waiting any longer.
///
/// # Errors
/// When it cannot be opened.
pub fn open(
    address: &Address,
    header: &str,
    to_topic: &ToTopic,
    is_stopped: Box<dyn Fn() -> bool + Send>,
) -> Result<Box<dyn Courier>> {
    if !to_topic.properties.is_empty() && !matches!(address, Address::Kafka { .. }) {
        let text = "[output.librdkafka] is for kafka://HOST:PORT/TOPIC";
        return Err(Error::Usage(format!("{text}, and the output is {address}")));
    }
    match address {
        Address::Tcp { .. } | Address::Unix { .. } => Ok(Box::new(Wire::open(address.clone(), header, is_stopped)?)),
        Address::Growing(path) => {
            let doing = || format!("writing to {}", path.display());
            let mut file = std::fs::File::options().create(true).append(true).open(path).doing(doing)?;
            if file.metadata().doing(doing)?.len() == 0 {
                std::io::Write::write_all(&mut file, header.as_bytes()).doing(doing)?;
            }
            Ok(Box::new(Stream::new(&path.display().to_string(), Box::new(file))))
        }
        #[cfg(feature = "kafka")]
        Address::Kafka { brokers, topic } => {
            Ok(Box::new(super::kafka::Topic::open(brokers, topic, to_topic, is_stopped)?))
        }
        #[cfg(not(feature = "kafka"))]
        Address::Kafka { .. } => Err(crate::source::without_kafka(address)),
    }
}

/// Opens the topic to which rejected lines go.
///
/// # Errors
/// When it cannot be opened.
#[cfg_attr(not(feature = "kafka"), expect(unused_variables, reason = "there is nothing to open"))]
pub fn open_for_rejects(
    address: &Address,
    to_topic: &ToTopic,
    is_stopped: Box<dyn Fn() -> bool + Send>,
) -> Result<Box<dyn DeadLetters>> {
    match address {
        #[cfg(feature = "kafka")]
        Address::Kafka { brokers, topic } => {
            Ok(Box::new(super::kafka::Topic::open(brokers, topic, to_topic, is_stopped)?))
        }
        #[cfg(not(feature = "kafka"))]
        Address::Kafka { .. } => Err(crate::source::without_kafka(address)),
        _ => Err(Error::Usage(format!("{address} is no topic, to which rejected lines could go"))),
    }
}

/// A stream of bytes that is open already.
pub struct Stream {
    name: String,
    out: Box<dyn std::io::Write + Send>,
}

impl Stream {
    /// The stream, and what it is called in messages.
    pub fn new(name: &str, out: Box<dyn std::io::Write + Send>) -> Self {
        Stream { name: name.into(), out }
    }
}

impl Courier for Stream {
    fn send(&mut self, parcel: &Parcel, _texts: &Texts) -> Result<()> {
        match self.out.write_all(&parcel.bytes).and_then(|()| self.out.flush()) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::ClosedPipe),
            other => other.doing(|| format!("writing to {}", self.name)),
        }
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The workers' common courier.
pub type Shared = Arc<Mutex<Box<dyn Courier>>>;

/// One worker's end of a courier. Rows are told when their windows close, and again when they are amended.
pub struct Remote {
    lines: Lines,
    parcel: Parcel,
    texts: Texts,
    courier: Shared,
}

impl Remote {
    /// One worker's end; `texts` has the symbols' texts.
    pub fn new(lines: Lines, texts: Texts, courier: Shared) -> Self {
        Remote { lines, parcel: Parcel::default(), texts, courier }
    }
}

/// Adds a line to a parcel, as a message about its symbol if it has one.
fn add<R: Row>(parcel: &mut Parcel, place: Place, line: &[u8], upsert: Option<Upsert>) {
    parcel.bytes.extend_from_slice(line);
    parcel.cut(R::IS_OF_SYMBOLS.then_some(place.key.symbols[0]), place.key.ts, upsert);
}

impl<R: Row> Sink<R> for Remote {
    fn reached(&mut self, time_ms: i64) -> Result<()> {
        let parcel = &mut self.parcel;
        self.lines.reached_by_row(time_ms, &mut |place, line, upsert| add::<R>(parcel, place, line, upsert));
        Ok(())
    }

    fn change(&mut self, row: &R, texts: &Texts, diff: isize) -> Result<()> {
        let parcel = &mut self.parcel;
        self.lines.change(row, texts, diff, &mut |place, _, line| add::<R>(parcel, place, line, None));
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.parcel.cuts.is_empty() {
            return Ok(());
        }
        self.texts.refresh();
        let mut courier = lock(&self.courier);
        let sent = courier.send(&self.parcel, &self.texts);
        self.parcel.clear();
        sent
    }
}
