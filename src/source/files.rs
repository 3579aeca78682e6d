use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::stdin::StandardInput;
use super::{Address, Live, Pacing, Playback, Surroundings, find, until};
use crate::error::{Error, Result};
use crate::tape::format::{self, Ahead, Columns, Decoder, Format, Input, Naming, Position};
use crate::tape::{Controls, Leaf, Merge};
use crate::tick::{Names, Symbol};

/// A file that is decoded ahead is shared out in pieces of so many bytes. A thread has four of them at most, and the
/// records in them, which take some twice as much.
const PIECE: usize = 1 << 18;

/// Of more partitions than this, none is decoded ahead: each would have threads of its own.
const AHEAD_AT_ONCE: usize = 16;

/// So many files a process may have open wherever it runs.
const OPEN_WITHOUT_ASKING: usize = 64;

/// What compressed files end in, of which none is read as it is.
const PACKED: [&str; 5] = ["gz", "zst", "bz2", "xz", "zip"];

/// Files to be played as one tape, or standard input.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The path as the user gave it: a file, a folder, a glob, or `-`.
    pub path: String,
    /// The format of all of them; else the extension tells, or the first line of standard input.
    pub format: Option<Format>,
    /// Our columns' names in them, where they differ: ours, theirs.
    pub columns: Vec<(String, String)>,
    /// The zone of bars' local times.
    pub zone: TimeZone,
    /// Nanoseconds of one, in times that are whole numbers.
    pub time_unit: i64,
    /// What is said of live inputs alone.
    pub live: Live,
}

impl Inputs {
    /// Whether it is standard input.
    pub fn is_stdin(&self) -> bool {
        self.path == "-"
    }

    /// Whether it can be read only once: standard input, or another pipe.
    pub fn is_stream(&self) -> bool {
        let path = Path::new(&self.path);
        self.is_stdin() || (path.exists() && !path.is_file() && !path.is_dir())
    }

    /// Refuses a folder to write into that is the one that is read, or below it, or holds a file that is read: what a run
    /// leaves would be taken for a tape, or replace one.
    ///
    /// # Errors
    /// When it is, or there are no files.
    pub fn check_apart(&self, out: &Path) -> Result<()> {
        if self.is_stdin() || self.address()?.is_some() {
            return Ok(());
        }
        // A folder that is not there yet is below one that is.
        let there =
            |folder: &Path| if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.canonicalize().ok();
        let (from, to) = (there(Path::new(&self.path)), out.ancestors().find_map(there).unwrap_or_default());
        let lies_there = |file: &PathBuf| file.canonicalize().is_ok_and(|file| file.parent() == Some(&to));
        let files = find(&self.path)?;
        let why = if let Some(from) = from.filter(|from| from.is_dir() && to.starts_with(from)) {
            let is = if from == to && out.is_dir() { "is" } else { "is below" };
            format!("{is} the folder that is read, in which rows would be taken for a tape")
        } else if let Some(file) = files.into_iter().filter(|_| out.is_dir()).find(lies_there) {
            format!("holds {}, which is read and which rows may replace", file.display())
        } else {
            return Ok(());
        };
        Err(Error::Usage(format!("{} {why}: give another --out", out.display())))
    }

    /// The address of a live input, if the path is one.
    ///
    /// # Errors
    /// When it looks like one and is none.
    pub fn address(&self) -> Result<Option<Address>> {
        Address::parse(&self.path).transpose().map_err(Error::Usage)
    }

    /// The leaf of a partition that is given its bytes as they arrive; a line of CSV in a message has no header.
    pub(super) fn given_leaf(&self, name: &str, is_messages: bool, around: &Surroundings) -> Leaf {
        let mut decoder = self.decoder(self.format, around);
        if is_messages {
            decoder.take_feed_columns();
        }
        Leaf::given(name, decoder, around.rules, around.rejects.clone()).with_conditions(&around.conditions)
    }

    /// A merge of standard input alone.
    pub(super) fn stdin_merge(&self, limit: u64, around: &Surroundings) -> Merge {
        let decoder = self.decoder(self.format, around);
        let reader = Box::new(StandardInput { stop: around.stop.clone() });
        let leaf = Leaf::pipe("standard input", reader, decoder, around.rules, around.rejects.clone());
        Merge::new(vec![leaf.with_conditions(&around.conditions)], limit, u64::MAX)
    }

    /// Refuses what several processes cannot read, each its share by itself.
    ///
    /// # Errors
    /// When it can be read only once, is a live input without partitions that can be shared out, or one of which so
    /// many records are wanted.
    pub fn check_shared(&self, limit: u64) -> Result<()> {
        let (address, name) = (self.address()?, if self.is_stdin() { "standard input" } else { &self.path });
        match address {
            Some(Address::Kafka { .. }) if limit == u64::MAX => Ok(()),
            Some(Address::Kafka { .. }) => {
                let text = "is read by several processes, none of which knows how many records the others have read: \
                            say by source.end where to end instead of by --limit";
                Err(Error::Usage(format!("{name} {text}")))
            }
            None if !self.is_stream() => Ok(()),
            _ => {
                let text = "cannot feed several processes, each of which reads the input by itself: use \
                            --workers in one process, or send it through a topic or files first";
                Err(Error::Usage(format!("{name} {text}")))
            }
        }
    }

    /// How long each file is; nothing of what is no files. All processes of a run must see the same.
    ///
    /// # Errors
    /// When there are none, or one cannot be looked at.
    pub fn lengths(&self) -> Result<BTreeMap<String, u64>> {
        if self.address()?.is_some() || self.is_stream() { Ok(BTreeMap::new()) } else { find::lengths(&self.path) }
    }

    /// One of the files that was written after this one was, if it is known of both.
    pub fn written_since(&self, other: &Path) -> Option<PathBuf> {
        let written = |path: &Path| path.metadata().and_then(|path| path.modified()).ok();
        let before = written(other)?;
        let files = if self.is_stream() { Vec::new() } else { find(&self.path).ok()? };
        files.into_iter().find(|file| written(file).is_some_and(|written| written > before))
    }

    /// The partitions: a file of many symbols each, or all files of one symbol, with that symbol, where the path
    /// names it.
    ///
    /// # Errors
    /// When there are no files, or one cannot be read.
    pub fn leaves(&self, around: &Surroundings) -> Result<Vec<(Option<Symbol>, Leaf)>> {
        let mut chains: BTreeMap<PathBuf, (Format, Vec<PathBuf>)> = BTreeMap::new();
        let mut by_path: BTreeMap<PathBuf, bool> = BTreeMap::new();
        let is_symbols_own = |path: &Path, format| -> Result<bool> {
            // What a pipe has given to one reader it does not give to the next.
            Ok(path.is_file() && self.naming(path, format, around)? == Some(Naming::Path))
        };
        for path in find(&self.path)? {
            let format = self.format_of(&path)?;
            // The days of a folder are of one kind, as its first one is; other files speak for themselves.
            let kind = if format::is_day(&path) { path.parent().unwrap_or(Path::new("")) } else { &path };
            let is_by_path = match by_path.get(kind) {
                Some(known) => *known,
                None => {
                    let by = is_symbols_own(&path, format)?;
                    by_path.insert(kind.to_path_buf(), by);
                    by
                }
            };
            if is_by_path && format::is_unclear(&path) {
                return Err(Error::Usage(format!(
                    "reading {}: it may be a day of its folder's symbol, or a symbol of its own: name days by their \
                     date, as in 2013-08-05.csv, or give the file a symbol column",
                    path.display()
                )));
            }
            let chain = if is_by_path { kind.to_path_buf() } else { path.clone() };
            chains.entry(chain).or_insert_with(|| (format, Vec::new())).1.push(path);
        }
        if chains.len() > OPEN_WITHOUT_ASKING {
            open_all_that_the_system_lets();
        }
        let leaves = chains.into_iter().map(|(chain, (format, paths))| {
            let is_by_path = by_path.get(&chain).copied().unwrap_or(false);
            let symbol = is_by_path.then(|| Symbol(around.symbols.intern(&format::symbol_of(&paths[0]))));
            let mut decoder = self.decoder(Some(format), around);
            if is_by_path {
                decoder.take_only_paths_symbol();
            }
            let leaf = Leaf::files(paths, decoder, around.rules, around.rejects.clone());
            (symbol, leaf.with_conditions(&around.conditions))
        });
        Ok(leaves.collect())
    }

    /// The records of all partitions as they are played: by time, of the part that was chosen, and with faults.
    ///
    /// # Errors
    /// When there are no files, one cannot be read, or they are to be read again and again and cannot be.
    pub fn merge(&self, playback: &Playback, around: &Surroundings) -> Result<Merge> {
        let leaves = self.leaves(around)?.into_iter().map(|(_, leaf)| leaf).collect();
        self.merge_of(leaves, playback, around)
    }

    /// The same of partitions that were opened already.
    pub(super) fn merge_of(&self, leaves: Vec<Leaf>, playback: &Playback, around: &Surroundings) -> Result<Merge> {
        let &Playback { ref controls, limit, pacing } = playback;
        let merge = Merge::new(decoded_ahead(leaves, pacing), limit, around.ends_at());
        let merge = merge.controlled(controls, &around.symbols, &around.strikes);
        if let Some(pipe) = find(&self.path)?.iter().find(|path| !path.is_file()) {
            let text = "it can be read only once, and a loop reads it again and again: save it to a file first";
            let refused = || Err(Error::Usage(format!("reading {}: {text}", pipe.display())));
            return if controls.again.is_some() { refused() } else { Ok(merge) };
        }
        let (inputs, around) = (self.clone(), around.clone());
        let stop = around.stop.clone();
        let open = move || {
            let leaves = inputs.leaves(&around)?.into_iter().map(|(_, leaf)| leaf);
            Ok(decoded_ahead(leaves.collect(), pacing))
        };
        let merge = merge.opened_by(until(stop, open));
        Ok(controls.again.iter().fold(merge, |merge, sessions| merge.again(sessions.clone())))
    }

    /// Refuses to choose a part of what comes as it comes, or to strike it with faults.
    pub(super) fn check_plain(&self, controls: &Controls) -> Result<()> {
        if controls.is_plain() {
            return Ok(());
        }
        let name = if self.is_stdin() { "standard input" } else { &self.path };
        let text = "is played as it arrives: choose a part of it, and what goes wrong on its way, at its sender \
                    (`replay play` takes the same as --start, --symbols, --drop ...)";
        Err(Error::Usage(format!("{name} {text}")))
    }

    fn decoder(&self, format: Option<Format>, around: &Surroundings) -> Decoder {
        let (symbols, venues) = (around.symbols.clone(), around.venues.clone());
        Decoder::new(format, self.columns_of(symbols, venues))
    }

    /// A decoder of one of the files, of symbols and venues in these tables.
    ///
    /// # Errors
    /// When neither the user nor the file's extension tells its format.
    pub fn decoder_of(&self, path: &Path, symbols: Arc<Names>, venues: Arc<Names>) -> Result<Decoder> {
        let format = self.format_of(path)?;
        Ok(Decoder::new(Some(format), self.columns_of(symbols, venues)))
    }

    pub(super) fn columns_of(&self, symbols: Arc<Names>, venues: Arc<Names>) -> Columns {
        Columns::new(&self.columns, self.zone.clone(), symbols, venues).counting(self.time_unit)
    }

    pub(super) fn format_of(&self, path: &Path) -> Result<Format> {
        self.format.or(Format::of(path)).ok_or_else(|| {
            let is_packed = path.extension().is_some_and(|end| PACKED.iter().any(|packed| end == *packed));
            let text = match is_packed {
                true => "if it is compressed, unpack it into a pipe, as `zcat tape.csv.gz | ohlcv --input -` does",
                false => "give --format csv or --format jsonl (or bin, parquet or dbn)",
            };
            Error::Usage(format!("reading {}: its extension tells no format: {text}", path.display()))
        })
    }

    /// Where a file's symbols come from; `None` if its beginning does not tell.
    fn naming(&self, path: &Path, format: Format, around: &Surroundings) -> Result<Option<Naming>> {
        Ok(begun(self.decoder(Some(format), around), path, format)?.naming())
    }
}

/// Has this process open as many files as it may: of partitions that overlap in time each is one.
fn open_all_that_the_system_lets() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the file that is one too many tells.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// A decoder that has read a file's header, if it has one, and its first record.
pub(super) fn begun(mut decoder: Decoder, path: &Path, format: Format) -> Result<Decoder> {
    let mut input = Input::open(path, Some(format), Position::default())?;
    decoder.begin(path);
    let mut records = Vec::new();
    while let Some(decoded) = decoder.next(&mut input, path, &mut records)? {
        match decoded {
            Err((reason, _)) if decoder.wants_header() => return Err(format::unusable(path, &reason)),
            _ if decoder.naming().is_some() => break,
            _ => {}
        }
    }
    Ok(decoder)
}

/// The same partitions, whose large files are decoded ahead by as many threads as there are cores, where nothing is due
/// at a time. Under a schedule one reader keeps up, and its threads would keep the workers from their cores.
fn decoded_ahead(leaves: Vec<Leaf>, pacing: Pacing) -> Vec<Leaf> {
    if pacing != Pacing::Max || leaves.len() > AHEAD_AT_ONCE {
        return leaves;
    }
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let threads = NonZeroUsize::new(cores.get() / leaves.len().max(1)).unwrap_or(NonZeroUsize::MIN);
    leaves.into_iter().map(|leaf| leaf.decoded_ahead(Ahead { threads, piece: PIECE })).collect()
}
