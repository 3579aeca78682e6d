use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::config::{Config, Output};
use crate::error::{Doing as _, Error, Result, lock};
use crate::row::{Row, Rows, Texts};
use crate::sink::{self, Ahead, Discard, Keeper, Lines, Mode, Remote, Settling, Shared, Sink, Stdout, Together};
use crate::source::Surroundings;

/// So many folders for temporary files may have been left by others under the names that are tried.
const TRIES: u32 = 100;

/// Where the rows of a run go, and what is to be done with them when it has ended.
pub enum Outlet {
    Nowhere,
    /// Printed as they come.
    Printing(Lines, Arc<Mutex<Together>>),
    /// To somebody else as they come.
    Sending(Lines, Texts, Shared),
    /// Sorted when all is said: into a file, or onto standard output.
    Settling(Settled),
}

/// Rows that are sorted when all is said.
pub struct Settled {
    lines: Lines,
    keeper: Keeper,
    target: Target,
}

/// What rows are settled to.
pub enum Target {
    File(PathBuf),
    /// Rows that do not fit into memory wait in this folder.
    Stdout(Scratch),
}

/// A folder for what does not fit into memory, which goes with the run.
pub struct Scratch(PathBuf);

impl Scratch {
    /// One of its own, which nobody else can have made or read.
    fn make() -> Result<Scratch> {
        let doing = "making a folder for rows that do not fit into memory, in the folder for temporary files";
        let mut tried = 0;
        loop {
            let folder = std::env::temp_dir().join(format!("tapeflow-{}-{tried}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < TRIES => tried += 1,
                made => return made.doing(|| format!("{doing}: {}", folder.display())).map(|()| Scratch(folder)),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The run has its result, or its error, without it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

type Sinks<R> = Vec<Box<dyn Sink<R> + Send>>;

impl Outlet {
    /// Opens the output that is configured, for rows of this kind.
    pub fn open(config: &Config, around: &Surroundings, rows: &Rows) -> Result<Outlet> {
        let lines = Lines::new(config.mode, config.encoding, (rows.columns)(config.is_numbered));
        let target = match (&config.output, config.mode) {
            (Output::Nowhere, _) => return Ok(Outlet::Nowhere),
            (Output::Stdout, Mode::Changes | Mode::Upsert) => {
                return Ok(Outlet::Printing(lines, Together::new(config.workers, around.symbols.clone())));
            }
            (Output::Stdout, Mode::Final) => Target::Stdout(Scratch::make()?),
            (Output::Address(address, _), Mode::Final) => {
                let text = "final rows are known when the run has ended: write output.mode = \"upsert\" or \"changes\"";
                return Err(Error::Usage(format!("sending to {address}: {text}")));
            }
            (Output::Address(address, to_topic), _) => {
                let stop = around.stop.clone();
                let is_stopped = Box::new(move || stop.load(Ordering::Relaxed));
                let courier = sink::open(address, &lines.header(), to_topic, is_stopped)?;
                let texts = Texts::new(around.symbols.clone(), around.venues.clone());
                return Ok(Outlet::Sending(lines, texts, Arc::new(Mutex::new(courier))));
            }
            (Output::Folder(folder), mode) => Target::File(folder.join(mode.file(rows.name, config.encoding))),
        };
        let (folder, ahead) = match &target {
            Target::File(path) => (path.parent().unwrap_or(Path::new("")), Some(Ahead::new(path, &lines.header()))),
            Target::Stdout(Scratch(folder)) => (&**folder, None),
        };
        let keeper = Keeper::new(folder, config.buffer_bytes, around.symbols.clone(), ahead);
        Ok(Outlet::Settling(Settled { lines, keeper, target }))
    }

    /// An end for each worker.
    pub fn sinks<R: Row>(&self, workers: usize) -> Result<Sinks<R>> {
        match self {
            Outlet::Nowhere => boxed(workers, |_| Ok(Discard)),
            Outlet::Printing(lines, together) => {
                boxed(workers, |worker| Stdout::new(lines.clone(), worker, together.clone()))
            }
            Outlet::Sending(lines, texts, shared) => {
                boxed(workers, |_| Ok(Remote::new(lines.clone(), texts.clone(), shared.clone())))
            }
            Outlet::Settling(Settled { lines, keeper, .. }) => {
                boxed(workers, |_| Ok(Settling::new(lines.clone(), keeper.end())))
            }
        }
    }

    /// Writes out what has waited for the end of the run, which is so many final rows, and waits until what was sent has
    /// been taken.
    ///
    /// # Errors
    /// When it cannot be written, or is not as many rows.
    pub fn settle(self, rows: i64) -> Result<()> {
        let Settled { lines, keeper, target } = match self {
            Outlet::Nowhere | Outlet::Printing(..) => return Ok(()),
            Outlet::Sending(_, _, shared) => return lock(&shared).finish(),
            Outlet::Settling(settled) => settled,
        };
        let (kept, header) = (keeper.finish()?, lines.header());
        let (settled, place) = match &target {
            Target::File(path) => (kept.settle(path, &header)?, path.display().to_string()),
            Target::Stdout(_) => match kept.settle_to(io::stdout(), "writing to standard output", &header) {
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                    return Err(Error::ClosedPipe);
                }
                other => (other?, "standard output".into()),
            },
        };
        if lines.mode() == Mode::Final && settled as i64 != rows {
            let text = format!("{place} has {settled} rows where {rows} stand: do not use it, and report this mistake");
            return Err(Error::Input(text));
        }
        Ok(())
    }
}

fn boxed<R, S>(workers: usize, sink: impl Fn(usize) -> Result<S>) -> Result<Sinks<R>>
where
    R: Row,
    S: Sink<R> + Send + 'static,
{
    (0..workers).map(|worker| Ok(Box::new(sink(worker)?) as Box<dyn Sink<R> + Send>)).collect()
}
