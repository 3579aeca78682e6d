use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::config::{Config, Output};
use crate::error::{Error, Result};
use crate::row::{Columns, Row, Texts};
use crate::sink::{
    self, Discard, Lines, Mode, Remote, Run, Settling, Shared, Sink, Stdout, Together, settle, settle_to,
};
use crate::source::Surroundings;
use crate::tape::make_folder;

/// Where the rows of a run go, and what is to be done with them when it has ended.
pub enum Outlet {
    /// Nowhere, or printed as they come.
    Passing,
    /// To somebody else as they come.
    Sending(Shared),
    /// Sorted when all is said: into a file, or onto standard output.
    Settling(Arc<Mutex<Vec<Run>>>, Target),
}

/// What rows are settled to.
pub enum Target {
    File(PathBuf),
    /// Rows that do not fit into memory wait in this folder.
    Stdout(Scratch),
}

/// A folder for what does not fit into memory, which goes with the run.
pub struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // The run has its result, or its error, without it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

type Sinks<R> = Vec<Box<dyn Sink<R> + Send>>;

impl Outlet {
    /// Opens the output that is configured, with an end for each worker.
    pub fn open<R: Row>(config: &Config, around: &Surroundings) -> Result<(Outlet, Sinks<R>)> {
        let lines = || lines_of::<R>(config);
        let target = match (&config.output, config.mode) {
            (Output::Nowhere, _) => return Ok((Outlet::Passing, boxed(config.workers, |_| Ok(Discard))?)),
            (Output::Stdout, Mode::Changes | Mode::Upsert) => {
                let together = Together::new(config.workers, around.symbols.clone());
                let stdout = |worker| Stdout::new(lines(), worker, together.clone());
                return Ok((Outlet::Passing, boxed(config.workers, stdout)?));
            }
            (Output::Stdout, Mode::Final) => {
                let folder = std::env::temp_dir().join(format!("tapeflow-{}", std::process::id()));
                make_folder(&folder)?;
                Target::Stdout(Scratch(folder))
            }
            (Output::Address(address, _), Mode::Final) => {
                let text = "final rows are known when the run has ended: write output.mode = \"upsert\" or \"changes\"";
                return Err(Error::Usage(format!("sending to {address}: {text}")));
            }
            (Output::Address(address, to_topic), _) => {
                let (stop, header) = (around.stop.clone(), lines().header());
                let courier = sink::open(address, &header, to_topic, move || stop.load(Ordering::Relaxed))?;
                let shared: Shared = Arc::new(Mutex::new(courier));
                let texts = || Texts::new(around.symbols.clone(), around.venues.clone());
                let sinks = boxed(config.workers, |_| Ok(Remote::new(lines(), texts(), shared.clone())))?;
                return Ok((Outlet::Sending(shared), sinks));
            }
            (Output::Folder(folder), mode) => Target::File(folder.join(mode.file(R::NAME, config.encoding))),
        };
        let runs = Arc::default();
        let folder = match &target {
            Target::File(path) => path.parent().unwrap_or(Path::new("")),
            Target::Stdout(Scratch(folder)) => folder,
        };
        let (names, limit) = (&around.symbols, config.buffer_bytes / config.workers);
        let sinks = boxed(config.workers, |worker| {
            Ok(Settling::new(lines(), folder, names.clone(), worker, limit, Arc::clone(&runs)))
        })?;
        Ok((Outlet::Settling(runs, target), sinks))
    }

    /// Writes out what has waited for the end of the run, and waits until what was sent has been taken.
    pub fn settle<R: Row>(self, config: &Config, around: &Surroundings) -> Result<()> {
        let (runs, target) = match self {
            Outlet::Passing => return Ok(()),
            Outlet::Sending(shared) => {
                return shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).finish();
            }
            Outlet::Settling(runs, target) => (runs, target),
        };
        let runs = std::mem::take(&mut *runs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let (names, header) = (&around.symbols, lines_of::<R>(config).header());
        match &target {
            Target::File(path) => settle(runs, path, &header, names).map(drop),
            Target::Stdout(_) => {
                match settle_to(io::stdout().lock(), "writing to standard output", runs, &header, names) {
                    Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                        Err(Error::ClosedPipe)
                    }
                    other => other.map(drop),
                }
            }
        }
    }
}

fn lines_of<R: Row>(config: &Config) -> Lines {
    Lines::new(config.mode, config.encoding, Columns::of::<R>(config.is_numbered))
}

fn boxed<R, S>(workers: usize, sink: impl Fn(usize) -> Result<S>) -> Result<Sinks<R>>
where
    R: Row,
    S: Sink<R> + Send + 'static,
{
    (0..workers).map(|worker| Ok(Box::new(sink(worker)?) as Box<dyn Sink<R> + Send>)).collect()
}
