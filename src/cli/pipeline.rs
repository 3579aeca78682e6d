//! A pipeline as the commands see it, whatever its settings and its rows are: so the commands are compiled once, and
//! not for each pipeline.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use super::difference::{Difference, first_difference};
use super::outlet::Outlet;
use super::records;
use crate::batch::Dial;
use crate::config::{Config, Layers, Settings};
use crate::error::{Result, lock};
use crate::ledger::Ledger;
use crate::operators::{Changes, Ticks};
use crate::oracle::{Corrected, Expected};
use crate::play;
use crate::row::{Columns, Encoding, Field, LastTimes, Row, Rows, Texts};
use crate::runtime::{Outcome, Watch};
use crate::sink::Sink;
use crate::source::{Opened, Surroundings};
use crate::time::EventTime;
use crate::window::Window;

/// What is played, and how.
pub struct Playing<'a> {
    /// By which the batch limits may be changed under way.
    pub dial: Arc<Dial>,
    pub config: &'a Config,
    pub around: &'a Surroundings,
    pub opened: Opened,
    pub watch: &'a mut dyn Watch,
}

/// A pipeline with its own settings.
pub trait Pipeline {
    /// What its rows are.
    fn rows(&self) -> Rows;

    /// Plays, and its rows go to the outlet.
    fn play(&self, playing: Playing<'_>, outlet: &Outlet) -> Result<Outcome>;

    /// Plays, and gathers its rows.
    fn gather<'a>(&'a self, playing: Playing<'_>) -> Result<(Outcome, Box<dyn Gathered + 'a>)>;

    /// The rows that the oracle makes of a tape and that are about a symbol or a venue, at a time; none if there is none.
    fn about(&self, tape: &mut Corrected<'_>, name: &str, time: EventTime, columns: &Columns) -> Result<Option<About>>;
}

/// The rows of a run.
pub trait Gathered {
    /// Compares them with those that the oracle makes of the tape.
    fn compare(self: Box<Self>, tape: &mut Corrected<'_>) -> Result<Compared>;
}

/// What a comparison with an oracle came to.
pub struct Compared {
    pub difference: Option<Difference>,
    /// What the oracle says of the ledger, of the rows and of their digest.
    pub ledger: Ledger,
    pub rows: usize,
    pub digest: u64,
}

/// Rows about something.
pub struct About {
    /// From the beginning of the first one's window to the end of the last one's.
    pub window: Window,
    /// The times from before their windows that they tell of.
    pub before: Vec<EventTime>,
    /// The rows as CSV, under a header.
    pub lines: String,
}

/// A pipeline's dataflow and its oracle, which are given its own settings when these are read.
pub struct Closures<S, R, F, O>(Arc<F>, Arc<O>, PhantomData<fn() -> (S, R)>);

/// Reads a pipeline's own settings, and leaves what is wrong with them in the layers.
pub trait Configure {
    fn configure(&self, layers: &mut Layers) -> Option<Box<dyn Pipeline>>;
}

impl<S, R, F, O> Closures<S, R, F, O> {
    pub fn new(dataflow: F, oracle: O) -> Self {
        Closures(Arc::new(dataflow), Arc::new(oracle), PhantomData)
    }
}

impl<S, R, F, O, E> Configure for Closures<S, R, F, O>
where
    S: Settings,
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>, &S) -> Changes<'scope, R> + Send + Sync + 'static,
    O: Fn(&Corrected<'_>, &S) -> E + 'static,
    E: Into<Expected<R>>,
{
    fn configure(&self, layers: &mut Layers) -> Option<Box<dyn Pipeline>> {
        let settings = Arc::new(S::read(layers)?);
        let (dataflow, for_dataflow, oracle) = (self.0.clone(), settings.clone(), self.1.clone());
        Some(Box::new(Configured::<R> {
            dataflow: Arc::new(move |ticks: Ticks<'_>| dataflow(ticks, &for_dataflow)),
            oracle: Box::new(move |tape| oracle(tape, &settings).into()),
        }))
    }
}

type Dataflow<R> = dyn for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync;
type Oracle<R> = dyn Fn(&Corrected<'_>) -> Expected<R>;

/// A dataflow and an oracle to which their settings are given.
struct Configured<R: 'static> {
    dataflow: Arc<Dataflow<R>>,
    oracle: Box<Oracle<R>>,
}

impl<R: Row + Send> Configured<R> {
    fn through(&self, playing: Playing<'_>, sinks: Vec<Box<dyn Sink<R> + Send>>) -> Result<Outcome> {
        let Playing { dial, config, around, opened, watch } = playing;
        let dataflow = self.dataflow.clone();
        play::play(dial, config, around, opened, sinks, watch, move |ticks: Ticks<'_>| dataflow(ticks))
    }

    fn expected(&self, tape: &mut Corrected<'_>) -> Result<Expected<R>> {
        let expected = (self.oracle)(tape);
        tape.refused.take().map_or(Ok(expected), Err)
    }
}

impl<R: Row + Send> Pipeline for Configured<R> {
    fn rows(&self) -> Rows {
        Rows::of::<R>()
    }

    fn play(&self, playing: Playing<'_>, outlet: &Outlet) -> Result<Outcome> {
        let sinks = outlet.sinks(playing.config.workers)?;
        self.through(playing, sinks)
    }

    fn gather<'a>(&'a self, playing: Playing<'_>) -> Result<(Outcome, Box<dyn Gathered + 'a>)> {
        let rows = Arc::new(Mutex::new(BTreeMap::new()));
        let sink = |_| Box::new(Gather(rows.clone())) as Box<dyn Sink<R> + Send>;
        let sinks = (0..playing.config.workers).map(sink).collect();
        let outcome = self.through(playing, sinks)?;
        let rows = std::mem::take(&mut *lock(&rows));
        Ok((outcome, Box::new((self, rows))))
    }

    fn about(&self, tape: &mut Corrected<'_>, name: &str, time: EventTime, columns: &Columns) -> Result<Option<About>> {
        let rows = self.expected(tape)?.rows;
        let texts = &tape.texts;
        let speaks_of_it = |row: &R| {
            let mut speaks = false;
            row.fields(texts, &mut |field| speaks |= matches!(field, Field::Text(text) if text == name));
            speaks && row.window().contains(time)
        };
        let rows: Vec<R> = rows.into_iter().filter(speaks_of_it).collect();
        // Windows that overlap all hold the time, so they have no hole between them.
        let (starts, ends) = (rows.iter().map(|row| row.window().start), rows.iter().map(|row| row.window().end));
        let (Some(start), Some(end)) = (starts.min(), ends.max()) else { return Ok(None) };
        let (mut lines, mut times) = (Encoding::Csv.header(&columns.names).into_bytes(), LastTimes::default());
        rows.iter().for_each(|row| Encoding::Csv.write(row, texts, columns, &mut times, &mut lines));
        let before = rows.iter().flat_map(|row| records::times_before(row, texts)).collect();
        let lines = String::from_utf8_lossy(&lines).into_owned();
        Ok(Some(About { window: Window { start, end }, before, lines }))
    }
}

impl<R: Row + Send> Gathered for (&Configured<R>, BTreeMap<R, isize>) {
    fn compare(self: Box<Self>, tape: &mut Corrected<'_>) -> Result<Compared> {
        let (pipeline, gathered) = *self;
        let Expected { rows, ledger } = pipeline.expected(tape)?;
        let digest = rows.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&tape.texts)));
        let (ledger, count) = (ledger.unwrap_or(tape.ledger), rows.len());
        let difference = first_difference(gathered, rows, &tape.texts);
        Ok(Compared { difference, ledger, rows: count, digest })
    }
}

/// Keeps how often each row stands.
struct Gather<R>(Arc<Mutex<BTreeMap<R, isize>>>);

impl<R: Row> Sink<R> for Gather<R> {
    fn change(&mut self, row: &R, _texts: &Texts, diff: isize) -> Result<()> {
        let mut rows = lock(&self.0);
        let times = rows.entry(row.clone()).or_default();
        *times += diff;
        if *times == 0 {
            rows.remove(row);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
