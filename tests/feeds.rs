//! Live feeds between processes, as a user plays them: sockets, growing files, several senders, senders that break
//! off, readers that are slow. What this can catch: a tick lost, doubled or out of its symbol's order on the way, and a
//! feed that does not end, or ends well though it should not. What it cannot: how fast a feed is.

mod program;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use program::{Done, Folder, Played, Running, ohlcv, run, wait_until};

const CODECS: [&str; 3] = ["csv", "jsonl", "bin"];

/// A program that says where it listens, and from then on runs as any other.
struct Server {
    running: Running,
    at: String,
}

impl Server {
    #[track_caller]
    fn start(command: &mut Command) -> Server {
        Server::says("listening on ", command)
    }

    /// Starts it, and waits until it has said something that begins so.
    #[track_caller]
    fn says(word: &str, command: &mut Command) -> Server {
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.starts_with(word) {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "it ended and never said {word}");
        }
        // What it says further on is read, so that it is not held up.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let at = line.trim_start_matches("listening on ").trim().to_owned();
        Server { running: Running::follow(child), at }
    }

    /// Its address, as standing in `tcp://` of it.
    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at.strip_prefix("tcp://").unwrap()).unwrap()
    }
}

fn replay(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
    command.arg("play").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[track_caller]
fn play(args: &[&str]) -> Done {
    Running::start(&mut replay(args)).end().exits(0)
}

/// Ticks of seven symbols, a millisecond apart, some of them late, and as many of them cancelled.
fn tape(ticks: u64, symbols: &[u64]) -> String {
    let mut text = "ts_event,symbol,price,size,seq,action,ref_seq\n".to_owned();
    for i in 0..ticks {
        let (symbol, late) = (i * i % 7, if i % 53 == 0 { 400 } else { 0 });
        if !symbols.contains(&symbol) {
            continue;
        }
        let ts = (1_000_000 + i.saturating_sub(late)) * 1_000_000;
        text += &format!("{ts},S{symbol},{}.{:02},{},{i},,\n", 10 + symbol, i % 100, 1 + i % 9);
        if i % 97 == 0 {
            text += &format!("{ts},S{symbol},,,{i}0000,cancel,{i}\n");
        }
    }
    text
}

const ALL: [u64; 7] = [0, 1, 2, 3, 4, 5, 6];

fn file_run(folder: &Folder, text: &str) -> (String, Played) {
    let path = folder.write("tape.csv", text);
    let played = folder.play(&path, &[]);
    (path, played)
}

#[track_caller]
fn assert_same(what: &str, folder: &Folder, out: &str, expected: &Played) {
    let played = Played::read(Path::new(&folder.arg(out)), String::new());
    assert_eq!(played.digest(), expected.digest(), "{what}");
    assert_eq!(played.bars, expected.bars, "{what}");
    for column in ["read", "on_time", "amended", "late", "rejected", "unmatched", "ignored"] {
        assert_eq!(played.ledger(column), expected.ledger(column), "{what}: {column}");
    }
}

#[test]
fn no_transport_and_no_codec_shows_in_the_rows() {
    let folder = Folder::new();
    let (tape, expected) = file_run(&folder, &tape(4_000, &ALL));
    assert!(expected.ledger("amended") > 50, "{:?}", expected.summary["ledger"]);
    for (at, codec) in CODECS.into_iter().enumerate() {
        let workers = ["1", "2", "3"][at];
        let sent = ["--speed", "max", "--as", codec];

        // A file, and a pipe.
        let file = folder.arg(&format!("again.{codec}"));
        play(&[&[&tape, "--to", &file], &sent[..]].concat());
        run(&["--input", &file, "--out", &folder.arg(&format!("file-{codec}")), "-w", workers]).exits(0);
        assert_same(&format!("file, {codec}"), &folder, &format!("file-{codec}"), &expected);
        let mut sender = replay(&[&[tape.as_str(), "--to", "-"], &sent[..]].concat()).spawn().unwrap();
        let out = folder.arg(&format!("pipe-{codec}"));
        let mut reader = ohlcv(&["--input", "-", "--out", &out, "-w", workers]);
        Running::start(reader.stdin(sender.stdout.take().unwrap())).end().exits(0);
        assert_same(&format!("pipe, {codec}"), &folder, &format!("pipe-{codec}"), &expected);
        Running::follow(sender).end().exits(0);

        // The pipeline listens, and the replayer connects.
        let out = folder.arg(&format!("tcp-{codec}"));
        let server = Server::start(&mut ohlcv(&["--input", "tcp-listen://127.0.0.1:0", "--out", &out, "-w", workers]));
        play(&[&[tape.as_str(), "--to", &server.at], &sent[..]].concat()).says(&["sent "]);
        server.running.end().exits(0);
        assert_same(&format!("tcp, {codec}"), &folder, &format!("tcp-{codec}"), &expected);

        // The replayer listens, and the pipeline was there before it.
        let socket = folder.arg("feed.sock");
        let out = folder.arg(&format!("unix-{codec}"));
        let args = ["--input", &format!("unix://{socket}"), "--out", &out, "-w", workers];
        let reader = Server::says("waiting for unix://", &mut ohlcv(&args)).running;
        play(&[&[tape.as_str(), "--to", &format!("unix-listen://{socket}")], &sent[..]].concat());
        reader.end().exits(0);
        assert_same(&format!("unix, {codec}"), &folder, &format!("unix-{codec}"), &expected);
        assert!(!Path::new(&socket).exists());
    }
}

#[test]
fn many_senders_at_once_are_as_many_partitions() {
    let folder = Folder::new();
    let (_, expected) = file_run(&folder, &tape(4_000, &ALL));
    for codec in CODECS {
        let out = folder.arg(codec);
        // One of them is far ahead of the others, and none is held up by it for ever.
        let args = ["--input", "tcp-listen://127.0.0.1:0", "--out", &out, "--set", "run.max_lead=100ms"];
        let server = Server::start(&mut ohlcv(&args));
        // The input ends when all have ended, so one that says nothing keeps it open until the last has begun.
        let first = server.connect();
        let senders: Vec<Child> = [&[0][..], &[1, 4], &[2]]
            .iter()
            .enumerate()
            .map(|(at, symbols)| {
                let part = folder.write(&format!("{codec}-{at}.csv"), tape(4_000, symbols));
                replay(&[&part, "--to", &server.at, "--speed", "max", "--as", codec]).spawn().unwrap()
            })
            .collect();
        senders.into_iter().for_each(|sender| _ = Running::follow(sender).end().exits(0));
        drop(first);
        server.running.end().exits(0);
        assert_same(codec, &folder, codec, &expected);
    }
}

#[test]
fn a_line_that_a_connection_breaks_off_in_is_a_reject() {
    let folder = Folder::new();
    let text = tape(500, &ALL);
    let (_, expected) = file_run(&folder, &text);
    for (name, junk, reason) in [
        ("line", &b"1600000000000000,S1,1"[..], "the connection ended in the middle of this line"),
        ("block", b"\x89TF1\x00\x00", "the connection ended in the middle of this line"),
        ("junk", b"what is this\n", "the line has 1 fields where the header has 7"),
    ] {
        let out = folder.arg(name);
        let server = Server::start(&mut ohlcv(&["--input", "tcp-listen://127.0.0.1:0", "--out", &out]));
        // A look whether somebody listens is no sender.
        drop(server.connect());
        std::thread::sleep(Duration::from_millis(100));
        let mut sender = server.connect();
        sender.write_all(text.as_bytes()).unwrap();
        sender.write_all(junk).unwrap();
        drop(sender);
        server.running.end().exits(0);
        let played = Played::read(Path::new(&out), String::new());
        assert_eq!(played.reasons(), [reason], "{name}");
        assert_eq!((played.digest(), played.ledger("rejected")), (expected.digest(), 1), "{name}");
    }
}

#[test]
fn a_sender_that_goes_may_come_back() {
    let folder = Folder::new();
    let text = tape(1_000, &ALL);
    let (_, expected) = file_run(&folder, &text);
    let (header, lines) = text.split_once('\n').unwrap();
    let half = lines.len() / 2 + lines[lines.len() / 2..].find('\n').unwrap() + 1;
    let (socket, out) = (folder.arg("s.sock"), folder.arg("out"));
    let listener = UnixListener::bind(&socket).unwrap();
    let args = ["--input", &format!("unix://{socket}"), "--out", &out, "--set", "source.end=never"];
    let reader = Running::start(&mut ohlcv(&args));
    for part in [&lines[..half], &lines[half..]] {
        let (mut sender, _) = listener.accept().unwrap();
        sender.write_all(format!("{header}\n{part}").as_bytes()).unwrap();
    }
    // It comes a third time, so it has read what came before.
    let third = listener.accept().unwrap();
    reader.signal("INT");
    let done = reader.end().exits(130).says(&["the other side has closed it", "connected to"]);
    drop(third);
    assert!(!done.stderr.contains("comes through"), "{}", done.stderr);
    assert_same("twice", &folder, "out", &expected);
}

#[test]
fn a_growing_file_is_followed_until_it_is_told_to_end() {
    let folder = Folder::new();
    let text = tape(1_000, &ALL);
    let (_, expected) = file_run(&folder, &text);
    let (path, out) = (folder.arg("growing.csv"), folder.arg("out"));
    let input = format!("file:{path}");
    let args = ["--input", &input, "--out", &out, "--set", "source.idle=50ms"];
    let reader = Server::says("waiting for ", &mut ohlcv(&args)).running;
    let mut file = std::fs::File::create(&path).unwrap();
    for piece in text.as_bytes().chunks(7_001) {
        file.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    // What a run has written as it goes shows how far it is.
    let hlog = folder.arg("out/latency.hlog");
    wait_until("the log of a second", || std::fs::read_to_string(&hlog).is_ok_and(|log| log.lines().count() > 8));
    reader.signal("INT");
    reader.end().exits(130);
    assert_same("followed", &folder, "out", &expected);

    run(&["--input", &input, "--out", &out, "--set", "source.end=now"]).exits(0);
    assert_same("to where it ends now", &folder, "out", &expected);

    // The replayer makes one grow.
    let grown = format!("file:{}", folder.arg("grown.csv"));
    for symbols in [&[0][..], &[1, 4], &[2]] {
        let part = folder.write("part.csv", tape(1_000, symbols));
        play(&[&part, "--to", &grown, "--speed", "max", "--as", "csv"]);
    }
    run(&["--input", &grown, "--out", &out, "--set", "source.end=now"]).exits(0);
    let played = Played::read(Path::new(&out), String::new());
    assert_eq!((played.digest(), played.ledger("rejected")), (expected.digest(), 0));
}

#[test]
fn a_file_that_is_replaced_goes_on_under_its_name() {
    let folder = Folder::new();
    let text = tape(1_000, &ALL);
    let (_, expected) = file_run(&folder, &text);
    let (header, lines) = text.split_once('\n').unwrap();
    let count = lines.lines().count();
    let half = lines.match_indices('\n').nth(count / 2 - 1).unwrap().0 + 1;
    let (path, out) = (folder.arg("log.csv"), folder.arg("out"));
    let args = ["--input", &format!("file:{path}"), "--out", &out, "--workers", "1"];
    let reader = Server::says("waiting for ", &mut ohlcv(&args)).running;
    for (part, read) in [(&lines[..half], count / 2), (&lines[half..], count)] {
        std::fs::rename(folder.write("next.csv", format!("{header}\n{part}")), &path).unwrap();
        let told = format!("\"applied\": {read}");
        wait_until("it was read", || run(&["explain", "--json", &out]).stdout.contains(&told));
    }
    reader.signal("INT");
    let done = reader.end().exits(130);
    assert!(!done.stderr.contains("comes through"), "{}", done.stderr);
    assert_same("replaced", &folder, "out", &expected);
}

#[test]
fn a_sender_that_comes_first_waits_for_its_reader() {
    let folder = Folder::new();
    let (tape, expected) = file_run(&folder, &tape(1_000, &ALL));
    let (socket, out) = (folder.arg("feed.sock"), folder.arg("out"));
    let to = format!("unix://{socket}");
    let sender = Server::says("waiting for ", &mut replay(&[&tape, "--speed", "max", "--to", &to])).running;
    run(&["--input", &format!("unix-listen://{socket}"), "--out", &out]).exits(0);
    sender.end().exits(0);
    assert_same("first", &folder, "out", &expected);
}

#[test]
fn rows_are_sent_as_they_are_printed() {
    let folder = Folder::new();
    let (tape, _) = file_run(&folder, &tape(2_000, &ALL));
    let printed = run(&["--input", &tape, "-w", "1"]).exits(0).stdout;
    let server = Server::start(&mut ohlcv(&["--input", &tape, "-w", "1", "--out", "tcp-listen://127.0.0.1:0"]));
    let mut sent = String::new();
    server.connect().read_to_string(&mut sent).unwrap();
    server.running.end().exits(0);
    // Standard output sorts the rows of a moment by their time, and all are the same.
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&sent), sorted(&printed));

    let rows = folder.arg("rows.csv");
    run(&["--input", &tape, "-w", "1", "--out", &format!("file:{rows}")]).exits(0);
    assert_eq!(std::fs::read_to_string(rows).unwrap(), sent);
}

#[test]
fn a_slow_reader_slows_the_sender_and_memory_stays_flat() {
    // Every tick is a row of its own: a second has one of each of a thousand symbols.
    let args = ["--input", "tcp-listen://127.0.0.1:0", "--window", "1s", "--set", "late.horizon=off", "-w", "1"];
    let folder = Folder::new();
    let socket = folder.arg("rows.sock");
    let rows = UnixListener::bind(&socket).unwrap();
    let more = ["--set", "late.disorder=0s", "--batch", "256", "--out", &format!("unix://{socket}")];
    let server = Server::start(&mut ohlcv(&[&args[..], &more[..]].concat()));
    let (mut reader, _): (UnixStream, _) = rows.accept().unwrap();

    let mut sender = server.connect();
    sender.set_nonblocking(true).unwrap();
    let (mut lines, mut begun, mut stuck) = (0u64, b"ts_event,symbol,price,size\n".to_vec(), 0);
    // It is stuck when nothing is taken for a second; a system that never slowed it would take all of a gigabyte.
    while stuck < 100 {
        while begun.len() < 1 << 16 {
            lines += 1;
            begun.extend_from_slice(format!("{},S{},1,1\n", lines / 1_000 * 1_000_000_000, lines % 1_000).as_bytes());
        }
        match sender.write(&begun) {
            Ok(n) => (stuck, _) = (0, begun.drain(..n)),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                stuck += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(e) => panic!("{e}"),
        }
        assert!(lines < 40_000_000, "nothing slows the sender");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.running.child.id())).unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak_kib < 200 << 10, "{peak}");

    // Nothing of what was taken is lost.
    let counting = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text.lines().count() as u64 - 1
    });
    sender.set_nonblocking(false).unwrap();
    sender.write_all(&begun).unwrap();
    drop(sender);
    server.running.end().exits(0);
    assert_eq!(counting.join().unwrap(), lines);
}

#[test]
fn a_reader_that_goes_before_the_end_is_told() {
    let folder = Folder::new();
    let (tape, _) = file_run(&folder, &tape(20_000, &ALL));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", listener.local_addr().unwrap());
    let sender = Running::start(&mut replay(&[&tape, "--to", &to, "--speed", "max"]));
    let (mut first, _) = listener.accept().unwrap();
    first.read_exact(&mut [0; 100]).unwrap();
    // It goes with much unread, which resets the connection.
    drop(first);
    let (mut second, _) = listener.accept().unwrap();
    let mut text = Vec::new();
    second.read_to_end(&mut text).unwrap();
    assert!(text.starts_with(b"{\"ts_event\""));
    drop(second);
    sender.end().exits(1).says(&["broke off", "may be lost"]);
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = Folder::new();
    let (tape, _) = file_run(&folder, &tape(10, &ALL));
    for (args, words) in [
        (&["--input", "tcp://here"][..], "no address of a feed"),
        (&["--input", "gopher://a:1"], "no address of a feed"),
        (&["--out", "tcp://here"], "no address to send to"),
    ] {
        run(args).exits(78).says(&[words]);
    }
    for (args, words) in [
        (&["--input", "tcp://a:1", "--speed", "1x"][..], "pace its sender"),
        (&["--input", "tcp://a:1", "--set", "source.end=now"], "source.end is auto"),
        (&["--input", &tape, "--set", "source.end=never"], "are for live inputs"),
        (&["--input", "file:x", "--set", "source.start=latest"], "are for kafka://"),
        (&["--input", "tcp-listen://127.0.0.1:0", "verify"], "record it to a file"),
    ] {
        run(args).exits(2).says(&[words]);
    }
    Running::start(&mut replay(&[&tape, "--to", "x.csv", "--pack", "2"])).end().exits(2).says(&["--to kafka://"]);
}
