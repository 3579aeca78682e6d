//! Runs `ohlcv` as a user does, and fails a test that would hang.

#![allow(dead_code, reason = "each integration test uses its own part of this")]

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Far longer than anything here takes, so that only a hang meets it.
pub const HANGS: Duration = Duration::from_secs(120);

/// What a program came to.
#[derive(Debug)]
pub struct Done {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// The same, once it has ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Done {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The same, if standard error holds all of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Done {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
        self
    }
}

/// `ohlcv` with these arguments, no settings in its environment, and an empty standard input.
pub fn ohlcv(args: &[&str]) -> Command {
    at(env!("CARGO_BIN_EXE_ohlcv"), args)
}

/// `latest`, likewise.
pub fn latest(args: &[&str]) -> Command {
    at(env!("CARGO_BIN_EXE_latest"), args)
}

/// `bursts`, likewise.
pub fn bursts(args: &[&str]) -> Command {
    at(env!("CARGO_BIN_EXE_bursts"), args)
}

/// `movers`, likewise.
pub fn movers(args: &[&str]) -> Command {
    at(env!("CARGO_BIN_EXE_movers"), args)
}

/// `corr`, likewise.
pub fn corr(args: &[&str]) -> Command {
    at(env!("CARGO_BIN_EXE_corr"), args)
}

/// `tq`, likewise.
pub fn tq(args: &[&str]) -> Command {
    at(env!("CARGO_BIN_EXE_tq"), args)
}

/// `feedqc`, likewise.
pub fn feedqc(args: &[&str]) -> Command {
    at(env!("CARGO_BIN_EXE_feedqc"), args)
}

/// `vwap`, likewise.
pub fn vwap(args: &[&str]) -> Command {
    at(env!("CARGO_BIN_EXE_vwap"), args)
}

/// The program at a path, likewise.
pub fn at(path: &str, args: &[&str]) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TAPEFLOW__")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> Done {
    Running::start(&mut ohlcv(args)).end()
}

/// Runs the program to its end on this standard input.
pub fn run_on(input: &[u8], args: &[&str]) -> Done {
    fed(ohlcv(args), input)
}

/// Runs a command to its end on this standard input.
pub fn fed(mut command: Command, input: &[u8]) -> Done {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    // The program may end without reading all of it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let done = Running::follow(child).end();
    writer.join().unwrap();
    done
}

/// The rows that a program makes of this tape, without the header, where `verify` finds them right.
#[track_caller]
pub fn verified_rows(program: fn(&[&str]) -> Command, tape: &str, args: &[&str]) -> Vec<String> {
    let folder = Folder::new();
    let input = folder.write("tape.csv", tape);
    let args = [&["--input", &input], args].concat();
    let done = Running::start(&mut program(&args)).end().exits(0);
    let verified = Running::start(&mut program(&[&["verify"], &args[..]].concat())).end().exits(0);
    assert!(verified.stdout.starts_with("equal: "), "{}", verified.stdout);
    done.stdout.lines().skip(1).map(str::to_owned).collect()
}

/// A program that runs, and that ends with the test if nobody waits for its end.
pub struct Running {
    pub child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Running {
        Running::follow(command.spawn().unwrap())
    }

    /// Reads what the child writes, unless someone else took that over.
    pub fn follow(mut child: Child) -> Running {
        let (stdout, stderr) = (child.stdout.take().map(gather), child.stderr.take().map(gather));
        Running { child, stdout, stderr }
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the end.
    pub fn end(mut self) -> Done {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < HANGS, "the program hangs");
            std::thread::sleep(Duration::from_millis(2));
        };
        let text = |reader: Option<JoinHandle<Vec<u8>>>| {
            String::from_utf8_lossy(&reader.map_or(Vec::new(), |reader| reader.join().unwrap())).into_owned()
        };
        Done { code: status.code(), stdout: text(self.stdout.take()), stderr: text(self.stderr.take()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < HANGS, "this never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder to work in, which goes with the test.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(TempDir::new().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of something inside, as an argument.
    pub fn arg(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, with the folders on the way, and returns its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        self.arg(name)
    }

    /// Runs the program with `--out` to a folder inside, and reads what it wrote.
    #[track_caller]
    pub fn play(&self, input: &str, args: &[&str]) -> Played {
        self.play_to("out", |out| run(&[&["--input", input, "--out", out], args].concat()))
    }

    /// The same from standard input.
    #[track_caller]
    pub fn play_on(&self, input: &[u8], args: &[&str]) -> Played {
        self.play_to("out", |out| run_on(input, &[&["--input", "-", "--out", out], args].concat()))
    }

    #[track_caller]
    fn play_to(&self, name: &str, run: impl FnOnce(&str) -> Done) -> Played {
        let out = self.arg(name);
        let done = run(&out).exits(0);
        let played = Played::read(Path::new(&out), done.stderr);
        std::fs::remove_dir_all(out).unwrap();
        played
    }
}

/// What a run wrote.
#[derive(Debug)]
pub struct Played {
    pub bars: String,
    pub summary: Value,
    pub rejected: Vec<Value>,
    pub stderr: String,
}

impl Played {
    /// Reads the files in `out`, which must be all there, sound, and the only ones.
    #[track_caller]
    pub fn read(out: &Path, stderr: String) -> Played {
        let mut names: Vec<String> = std::fs::read_dir(out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        let known = ["bars.csv", "bars.jsonl", "decisions.jsonl", "latency.hlog", "rejected.jsonl", "summary.json"];
        assert!(names.iter().all(|name| known.contains(&name.as_str())), "files were left behind: {names:?}");
        let bars = names.iter().find(|name| name.starts_with("bars.")).unwrap();
        let bars = std::fs::read_to_string(out.join(bars)).unwrap();
        let summary: Value = serde_json::from_str(&std::fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
        let rejected = std::fs::read_to_string(out.join("rejected.jsonl")).unwrap_or_default();
        let rejected: Vec<Value> = rejected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let played = Played { bars, summary, rejected, stderr };
        let column = |name: &str| played.ledger(name);
        let columns = ["on_time", "amended", "late", "rejected", "unmatched", "ignored"];
        assert_eq!(column("read"), columns.iter().map(|name| column(name)).sum::<u64>(), "the ledger does not balance");
        assert_eq!(column("rejected"), played.rejected.len() as u64);
        played
    }

    pub fn digest(&self) -> &str {
        self.summary["digest"].as_str().unwrap()
    }

    /// One column of the ledger.
    #[track_caller]
    pub fn ledger(&self, column: &str) -> u64 {
        self.summary["ledger"][column].as_u64().unwrap()
    }

    /// The reasons of the rejects.
    pub fn reasons(&self) -> Vec<&str> {
        self.rejected.iter().map(|reject| reject["reason"].as_str().unwrap()).collect()
    }

    /// The rows without the header.
    pub fn rows(&self) -> Vec<&str> {
        self.bars.lines().skip(1).collect()
    }
}
