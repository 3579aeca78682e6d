use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cli::claim::is_claimed;
use crate::config::{Config, Input, Output};
use crate::error::{Doing as _, Error, Result, say};
use crate::lateness::Horizon;
use crate::source::{Surroundings, bind};
use crate::standing::{Inquiry, Question, Standing};
use crate::tape::Rejects;
use crate::threads;
use crate::time::{Clock, RunTime};

/// How long a worker may take to answer; one that is idle wakes up every 10 ms.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a run may take to answer, some others being asked before.
const LONGEST: Duration = Duration::from_secs(20);

/// No question is longer.
const MAX_QUESTION: u64 = 1 << 16;

/// The socket of a run with this `--out` folder.
pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join("explain.sock")
}

/// The socket of a run without a folder.
pub fn socket_of(pid: u32) -> PathBuf {
    std::env::temp_dir().join(format!("tapeflow-{pid}.sock"))
}

/// What a run that is under way tells of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// The pipeline.
    pub pipeline: String,
    /// Its process.
    pub pid: u32,
    /// What it reads.
    pub input: String,
    /// When it began, on the run's clock.
    pub began_at: RunTime,
    /// Normal disorder, in nanoseconds.
    pub disorder: i64,
    /// Whether prints are kept, so that they can be cancelled and corrected.
    pub keeps_prints: bool,
    /// How many processes it has, of which this is the first.
    pub processes: usize,
    /// How many workers each of them has.
    pub workers_of_each: usize,
    /// How many records could not be read.
    pub rejected: u64,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
}

/// Answers whoever asks how a run stands, as long as this lives, at a socket that no other one has taken the place of.
pub struct Answering(Option<(PathBuf, Identity)>);

/// What tells one file of a name from the next: its device and its number there.
type Identity = Option<(u64, u64)>;

fn identity(path: &Path) -> Identity {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

impl Answering {
    /// Opens the socket of a run: in its folder, if it has one and that can be, else where its process number tells. A
    /// run that cannot be asked is a run all the same.
    ///
    /// # Errors
    /// When another run is under way in the folder.
    pub fn begin(name: &str, config: &Config, around: &Surroundings) -> Result<Answering> {
        let pid = std::process::id();
        let in_folder = match &config.output {
            Output::Folder(folder) => Some(socket_in(folder)),
            _ => None,
        };
        let mut opened = None;
        for path in in_folder.iter().chain([&socket_of(pid)]) {
            match bind(path) {
                Ok(listener) => opened = Some((listener, path.clone())),
                Err(error) if error.kind() == ErrorKind::AddrInUse && in_folder.as_ref() == Some(path) => {
                    return Err(is_claimed(path));
                }
                Err(error) => {
                    say(&format!("{name}: opening the socket {}: {error}", path.display()));
                    continue;
                }
            }
            break;
        }
        let Some((listener, path)) = opened else {
            say(&format!("{name}: this run cannot be asked how it stands"));
            return Ok(Answering(None));
        };
        if in_folder.is_some_and(|in_folder| in_folder != path) {
            say(&format!("{name}: ask this run how it stands by `{name} explain --pid {pid}`"));
        }
        let told = Told {
            pipeline: name.into(),
            pid,
            input: match &config.input {
                Input::Market(_) => "the made-up market".into(),
                Input::Files(inputs) if inputs.is_stdin() => "standard input".into(),
                Input::Files(inputs) => inputs.path.clone(),
            },
            began_at: around.clock.now(),
            disorder: config.rules.disorder,
            keeps_prints: config.lateness.horizon != Horizon::None,
            processes: config.processes,
            workers_of_each: config.workers,
            rejected: 0,
            standing: Standing::default(),
        };
        // This outlives the run, which must be free to end its other processes, so it holds no more than it needs.
        let (inquiry, rejects, clock) = (around.inquiry.clone(), around.rejects.clone(), around.clock.clone());
        threads::spawn("explain", move || {
            // One after the other: an answer takes milliseconds.
            for stream in listener.incoming() {
                match stream {
                    Ok(stream) => _ = answer(stream, &told, &inquiry, &rejects, &clock),
                    // Too many files may be open; whoever asks has not got an answer yet.
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            }
        });
        let identity = identity(&path);
        Ok(Answering(Some((path, identity))))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some((path, ours)) = &self.0
            && identity(path) == *ours
        {
            // What is left of it is replaced by the next run.
            let _ = fs::remove_file(path);
        }
    }
}

/// Answers one question, or nothing to who does not ask one.
fn answer(stream: UnixStream, told: &Told, inquiry: &Inquiry, rejects: &Rejects, clock: &Clock) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(MAX_QUESTION)).read_line(&mut line)?;
    let question: Question = serde_json::from_str(&line)?;
    let standing = inquiry.ask(&question, (0..told.workers_of_each, told.processes - 1), PATIENCE, clock);
    let told = Told { rejected: rejects.count(), standing, ..told.clone() };
    serde_json::to_writer_pretty(&stream, &told)?;
    (&stream).write_all(b"\n")
}

/// What comes of asking.
pub enum Reply {
    /// The answer, and its text.
    Told(String, Box<Told>),
    /// Nobody is there; if there is a socket, whoever made it was killed.
    Nobody { was_killed: bool },
}

/// Asks the run with this socket.
///
/// # Errors
/// When it is there and does not answer, or may not be asked.
pub fn ask(path: &Path, run: &str, question: &Question) -> Result<Reply> {
    let doing = || format!("asking {run} at {}", path.display());
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => return Ok(Reply::Nobody { was_killed: false }),
            ErrorKind::ConnectionRefused => return Ok(Reply::Nobody { was_killed: true }),
            // The path is too long for a socket: the run has said by which process number it is asked.
            ErrorKind::InvalidInput => return Ok(Reply::Nobody { was_killed: false }),
            _ => return Err(error).doing(doing),
        },
    };
    stream.set_read_timeout(Some(LONGEST)).doing(doing)?;
    let mut line = serde_json::to_string(question).map_err(|e| Error::Input(format!("{}: {e}", doing())))?;
    line.push('\n');
    (&stream).write_all(line.as_bytes()).doing(doing)?;
    let mut text = String::new();
    match (&stream).read_to_string(&mut text) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            let text = format!("{}: no answer in {} s: the process is stopped, or hangs", doing(), LONGEST.as_secs());
            return Err(Error::Input(text));
        }
        read => read.doing(doing)?,
    };
    if text.is_empty() {
        // It has ended between the question and the answer.
        return Ok(Reply::Nobody { was_killed: false });
    }
    let told = serde_json::from_str(&text).map_err(|e| {
        let text = "it does not answer as this version does; ask it by the program that it runs";
        Error::Input(format!("{}: {text} ({e})", doing()))
    })?;
    Ok(Reply::Told(text, Box::new(told)))
}
