//! Inputs and outputs that go wrong while a run is under way, and folders that hold anything. What this can catch: a
//! record that no column counts, a file that is read in part and not told, an error that does not name its culprit.
//! What it cannot: a file that is overwritten in place by as many bytes, and a real disk that fills, which a limit on
//! the size of files stands in for. Malformed lines are in `tests/cli.rs`, mutated ones in `tests/fuzz.rs`.

mod program;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use program::{Done, Folder, Played, Running, ohlcv, run};

const SECOND: i64 = 1_000_000_000;

/// 2023-11-14 22:14 UTC.
const START: i64 = 1_700_000_040 * SECOND;

const HEADER: &str = "ts_event,symbol,price,size\n";

fn ticks(symbol: &str, n: i64) -> String {
    let line = |i: i64| format!("{},{symbol},{},{}\n", START + i * SECOND, 1 + i % 7, 1 + i % 5);
    HEADER.to_owned() + &(0..n).map(line).collect::<String>()
}

/// Plays a folder of a tape and a named pipe. The program has opened the tape, and waits for the pipe, when `change`
/// changes the tape.
#[cfg(unix)]
fn changed_meanwhile(folder: &Folder, change: impl FnOnce(&mut std::fs::File)) -> Done {
    // More than is read at once.
    let tape = folder.write("tapes/a.csv", ticks("A", 20_000));
    let pipe = folder.arg("tapes/b.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let running = Running::start(&mut ohlcv(&["--input", &folder.arg("tapes"), "--out", &folder.arg("out")]));
    let mut to_pipe = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    change(&mut std::fs::OpenOptions::new().append(true).open(&tape).unwrap());
    to_pipe.write_all(ticks("B", 3).as_bytes()).unwrap();
    drop(to_pipe);
    std::fs::remove_file(pipe).unwrap();
    running.end()
}

#[cfg(unix)]
#[test]
fn a_file_that_is_cut_short_or_written_to_while_it_is_read_is_an_error() {
    let folder = Folder::new();
    changed_meanwhile(&folder, |tape| tape.set_len(300_000).unwrap()).exits(1).says(&["a.csv", "cut short", "300000"]);
    changed_meanwhile(&folder, |tape| tape.write_all(b"1,A,").unwrap()).exits(1).says(&[
        "a.csv",
        "written to",
        "file:",
    ]);
    changed_meanwhile(&folder, |_| {}).exits(0);
    assert_eq!(Played::read(Path::new(&folder.arg("out")), String::new()).ledger("read"), 20_003);
}

#[test]
fn a_folder_of_anything_is_read_as_far_as_it_is_a_tape_and_the_rest_is_told() {
    let folder = Folder::new();
    let junk: Vec<u8> = (0..50_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    folder.write("mixed/a.csv", ticks("A", 5));
    folder.write("mixed/below.csv/b.CSV", ticks("B", 5));
    folder.write(
        "mixed/c.json",
        format!("\u{89}{{}}\n{{\"ts_event\":{START},\"symbol\":\"C\",\"price\":1,\"size\":1}}\n"),
    );
    folder.write("mixed/empty.bin", "");
    folder.write("mixed/junk.bin", &junk);
    folder.write("mixed/waste.ndjson", &junk);
    folder.write("mixed/d.csv.gz", &junk);
    folder.write("mixed/notes.txt", "not a tape");
    folder.write("mixed/.hidden", "");
    let played = folder.play(&folder.arg("mixed"), &[]);
    assert_eq!((played.ledger("on_time"), played.rows().len()), (11, 11));
    let rejects = |name: &str| {
        let files = played.rejected.iter().map(|reject| reject["file"].as_str().unwrap());
        files.filter(|file| file.ends_with(name)).count()
    };
    assert_eq!(rejects("waste.ndjson"), junk.split(|byte| *byte == b'\n').count());
    assert_eq!((rejects("c.json"), rejects("junk.bin")), (1, 1));
    assert_eq!(played.ledger("rejected"), played.rejected.len() as u64);
    assert!(played.stderr.contains("d.csv.gz and 1 more"), "{}", played.stderr);

    // A header that cannot be used, or a link to nowhere, may hide any number of records.
    let bad = folder.write("mixed/bad.csv", &junk);
    run(&["--input", &folder.arg("mixed")]).exits(1).says(&["bad.csv", "header"]);
    std::fs::remove_file(bad).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", folder.path().join("mixed/gone.csv")).unwrap();
        run(&["--input", &folder.arg("mixed")]).exits(1).says(&["gone.csv"]);
    }
}

#[test]
fn a_header_that_comes_again_is_a_reject_and_a_column_that_does_an_error() {
    let folder = Folder::new();
    let (a, b) = (ticks("A", 3), ticks("B", 4));
    // Two files put one behind the other, and one that was begun anew.
    for (text, line, read) in [(format!("{a}{b}"), 5, 8), (format!("{HEADER}{a}"), 2, 4)] {
        let played = folder.play(&folder.write("tape.csv", &text), &[]);
        assert_eq!((played.ledger("read"), played.ledger("on_time"), played.rejected.len()), (read, read - 1, 1));
        assert_eq!(played.rejected[0]["line"], line);
        assert_eq!(folder.play_on(text.as_bytes(), &["--format", "csv"]).digest(), played.digest());
    }
    // With a bid, the header is one of quotes; what has a size and no price is a trade all the same.
    let misnamed = a.replace("price,size\n", "prc,size,bid,ask").replace('\n', ",,\n").replacen("ask", "ask\n", 1);
    let played = folder.play(&folder.write("misnamed.csv", misnamed), &[]);
    assert_eq!((played.ledger("rejected"), played.ledger("read")), (3, 3));
    assert!(played.rejected.iter().all(|reject| reject["reason"] == "price is missing"), "{:?}", played.rejected);
    let twice = folder.write("twice.csv", a.replacen("price", "price,price", 1));
    run(&["--input", &twice]).exits(1).says(&["twice.csv", "a column for `price` already"]);
}

#[test]
fn a_line_that_begins_like_a_block_is_one_reject() {
    let folder = Folder::new();
    let mut text = ticks("A", 3).into_bytes();
    text.extend_from_slice(b"\x89TF1 junk\n\x89\n");
    text.extend_from_slice(ticks("A", 6).split_once('\n').unwrap().1.as_bytes());
    for played in [folder.play(&folder.write("tape.csv", &text), &[]), folder.play_on(&text, &["--format", "csv"])] {
        let lines: Vec<_> = played.rejected.iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
        assert_eq!((played.ledger("read"), lines), (11, vec![5, 6]));
    }
    assert_eq!(folder.play_on(&text, &[]).ledger("read"), 11);
}

/// Plays with no file growing beyond a number of blocks of 512 bytes, which the system tells by a signal, too.
#[cfg(unix)]
fn with_little_room(blocks: u32, args: &[&str]) -> Done {
    let line = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line, env!("CARGO_BIN_EXE_ohlcv")]).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::start(&mut shell).end()
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_ends_the_run_and_names_what_could_not_be_written() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", ticks("A", 20_000));
    let rejected = folder.write("rejected.csv", HEADER.to_owned() + &"junk\n".repeat(50_000));
    let out = folder.arg("out");
    let spills = ["--input", &input, "--set", "output.mode=final", "--set", "output.buffer=1KiB"];
    with_little_room(64, &spills).exits(1).says(&["writing", "settling"]);
    for (args, name) in [
        (&[&spills[..], &["--out", &out]].concat()[..], "bars"),
        (&["--input", &input, "--out", &out], "bars"),
        (&["--input", &input, "--out", &out, "--set", "output.mode=changes"], "changes"),
        (&["--input", &rejected, "--out", &out], "rejected.jsonl"),
    ] {
        with_little_room(64, args).exits(1).says(&["writing", name]);
        let left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|file| file == "summary.json" || file == "bars.csv"), "{args:?} left {left:?}");
        std::fs::remove_dir_all(&out).unwrap();
    }
    with_little_room(1, &["--input", &input, "--out", &out, "--limit", "1"]).exits(1).says(&["writing"]);
}

#[cfg(unix)]
#[test]
fn two_runs_do_not_mix_their_rows_even_where_the_folder_is_made_anew() {
    let folder = Folder::new();
    let (out, n) = (folder.arg("out"), 3_000);
    let knobs = ["--window", "1s", "--workers", "1", "--out", &out, "--set", "output.buffer=1KiB"];
    let args = [&["--input", "-", "--set", "source.idle=1h"], &knobs[..]].concat();
    let mut child = program::ohlcv(&args).stdin(Stdio::piped()).spawn().unwrap();
    let (mut stdin, first) = (child.stdin.take().unwrap(), ticks("A", n));
    let half = first.match_indices('\n').nth(n as usize / 2).unwrap().0 + 1;
    stdin.write_all(&first.as_bytes()[..half]).unwrap();
    let running = Running::follow(child);
    let told = format!("\"applied\": {}", n / 2);
    program::wait_until("half of it was read", || run(&["explain", "--json", &out]).stdout.contains(&told));

    // What it has read may still be on its way to disk, which fails without a folder.
    std::thread::sleep(std::time::Duration::from_millis(500));
    std::fs::remove_dir_all(&out).unwrap();
    let other = folder.write("other.csv", ticks("B", n));
    run(&[&["--input", &other], &knobs[..]].concat()).exits(0);

    stdin.write_all(&first.as_bytes()[half..]).unwrap();
    drop(stdin);
    running.end().exits(0);
    let played = program::Played::read(std::path::Path::new(&out), String::new());
    assert_eq!((played.rows().len(), played.ledger("read")), (n as usize, n as u64));
    assert!(played.rows().iter().all(|row| row.starts_with("A,")));
}

#[test]
fn what_a_killed_run_left_of_its_files_is_gone_after_the_next() {
    let folder = Folder::new();
    let (input, out) = (folder.write("tape.csv", ticks("A", 9)), folder.arg("out"));
    for name in ["bars.part", "bars.changes.part", "summary.part"] {
        folder.write(&format!("out/{name}"), "cut");
    }
    run(&["--input", &input, "--out", &out]).exits(0);
    let mut left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["bars.csv", "latency.hlog", "summary.json"]);
}
