//! Records on their way out: encoded, and sent where `--to` says.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hdrhistogram::Histogram;
use tapeflow::error::{Doing as _, Error, Result};
use tapeflow::latency::histogram;
use tapeflow::row::Texts;
use tapeflow::sink::{self, Courier, Parcel, Stream, ToTopic};
use tapeflow::source::Address;
use tapeflow::tape::format::{Coder, Record};
use tapeflow::tick::Names;
use tapeflow::time::{Clock, RunTime};

use crate::Form;

/// What waits is sent at the latest when it fills so many bytes, or is so many records.
const FULL: usize = 1 << 16;
const MANY: u64 = 4096;

/// Records on their way out.
pub struct Outgoing {
    /// Where to, in words.
    pub to: String,
    courier: Box<dyn Courier>,
    coder: Coder,
    texts: Texts,
    parcel: Parcel,
    /// Records that are not sent yet: how many, and when each was due, if there is a schedule.
    waiting: u64,
    dues: Vec<RunTime>,
    /// For messages of several records: the records, which are put together by symbol.
    records: Option<Vec<Record>>,
    pack: usize,
    /// Records that were sent.
    pub sent: u64,
    /// How long after its due instant each record was sent.
    pub lateness: Histogram<u64>,
    /// The same of the record that was sent last.
    pub behind: Option<u64>,
}

impl Outgoing {
    /// Opens the way out, and waits for a reader where there must be one.
    pub fn open(
        to: &str,
        form: Form,
        pack: u64,
        to_topic: &ToTopic,
        [symbols, venues]: [Arc<Names>; 2],
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let coder = Coder::new(form.into(), true, symbols.clone(), venues.clone())?;
        let address = Address::parse(to).transpose().map_err(Error::Usage)?;
        let is_kafka = matches!(address, Some(Address::Kafka { .. }));
        if !is_kafka && (pack > 1 || *to_topic != ToTopic::default()) {
            return Err(Error::Usage(
                "--pack, --batch, --linger, --property and --topic-within are for --to kafka://HOST:PORT/TOPIC".into(),
            ));
        }
        let courier: Box<dyn Courier> = match &address {
            Some(address) => {
                sink::open(address, &coder.header(), to_topic, Box::new(move || stop.load(Ordering::Relaxed)))?
            }
            None => Box::new(stream(to)?),
        };
        let header = coder.header();
        let mut outgoing = Outgoing::by(courier, to, coder, [symbols, venues]);
        if address.is_none() {
            outgoing.parcel.bytes = header.into_bytes();
        }
        outgoing.records = is_kafka.then(Vec::new);
        outgoing.pack = usize::try_from(pack).unwrap_or(usize::MAX).max(1);
        Ok(outgoing)
    }

    /// A way out by this courier, who is called `to`, of one record after the other.
    pub fn by(courier: Box<dyn Courier>, to: &str, coder: Coder, [symbols, venues]: [Arc<Names>; 2]) -> Self {
        Outgoing {
            to: to.into(),
            courier,
            coder,
            texts: Texts::new(symbols, venues),
            parcel: Parcel::default(),
            waiting: 0,
            dues: Vec::new(),
            records: None,
            pack: 1,
            sent: 0,
            lateness: histogram(),
            behind: None,
        }
    }

    /// Adds a record to what is sent next.
    ///
    /// # Errors
    /// When its form cannot hold it.
    pub fn add(&mut self, record: &Record, due: Option<RunTime>) -> Result<()> {
        match &mut self.records {
            Some(records) => records.push(*record),
            None => self.coder.encode(record, &mut self.parcel.bytes)?,
        }
        self.waiting += 1;
        self.dues.extend(due);
        Ok(())
    }

    /// Whether enough waits to be sent.
    pub fn is_full(&self) -> bool {
        self.parcel.bytes.len() >= FULL || self.waiting >= MANY
    }

    /// Sends what waits, in one piece.
    pub fn send(&mut self, clock: &Clock) -> Result<()> {
        self.put_together()?;
        if self.parcel.bytes.is_empty() {
            return Ok(());
        }
        let sent = self.courier.send(&self.parcel, &self.texts);
        self.parcel.clear();
        sent?;
        self.sent += std::mem::take(&mut self.waiting);
        let now = clock.now();
        for due in self.dues.drain(..) {
            let late = now.saturating_sub(due);
            self.lateness.saturating_record(late);
            self.behind = Some(late);
        }
        Ok(())
    }

    /// Waits until whoever reads has taken all.
    pub fn finish(&mut self) -> Result<()> {
        self.courier.finish()
    }

    /// Ends the block, or makes messages of the records: each of one symbol, in its order.
    fn put_together(&mut self) -> Result<()> {
        let Some(records) = &mut self.records else { return self.coder.seal(&mut self.parcel.bytes) };
        if self.pack > 1 {
            records.sort_by_key(|record| record.tick.symbol);
        }
        for same in records.chunk_by(|a, b| a.tick.symbol == b.tick.symbol) {
            for message in same.chunks(self.pack) {
                for record in message {
                    self.coder.encode(record, &mut self.parcel.bytes)?;
                }
                self.coder.seal(&mut self.parcel.bytes)?;
                let tick = &message[0].tick;
                self.texts.know(tick.symbol, tick.venue);
                self.parcel.cut(Some(tick.symbol), tick.ts_event, None);
            }
        }
        records.clear();
        Ok(())
    }
}

/// Standard output, or a new file.
fn stream(to: &str) -> Result<Stream> {
    if to == "-" {
        return Ok(Stream::new("standard output", Box::new(io::stdout())));
    }
    match File::create_new(to) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            Err(Error::Usage(format!("{to} exists; give another --to or remove it")))
        }
        file => Ok(Stream::new(to, Box::new(file.doing(|| format!("writing to {to}"))?))),
    }
}
