//! The program as a stranger meets it: settings and their strength, mistakes, hostile input, outputs that cannot be
//! written, Ctrl-C, and what it leaves behind. What this can catch: a wrong exit code, a panic, a hang, a message that
//! does not name its culprit, a record that no column counts, a file that lies or was forgotten. What it cannot: how
//! messages read, anything that takes longer than a user's patience but less than the time after which a run is taken
//! to hang, and disks that fill up.

mod program;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use program::{Folder, Played, Running, at, ohlcv, run, run_on, wait_until};

const SECOND: i64 = 1_000_000_000;

/// 2023-11-14 22:14 UTC.
const START: i64 = 1_700_000_040 * SECOND;

const HEADER: &str = "ts_event,symbol,price,size\n";

/// A tape of `n` ticks of one symbol, `apart` nanoseconds from each other.
fn ticks(n: i64, apart: i64) -> String {
    let line = |i: i64| format!("{},A,{},{}\n", START + i * apart, 1 + i % 7, 1 + i % 5);
    HEADER.to_owned() + &(0..n).map(line).collect::<String>()
}

/// The value that `ohlcv config` shows for a key, and where it came from.
fn setting(shown: &str, key: &str) -> (String, String) {
    let line = shown.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
    let (value, origin) = line.split_once(" = ").unwrap().1.rsplit_once("  # ").unwrap();
    (value.trim().to_owned(), origin.to_owned())
}

// Settings.

#[test]
fn what_is_said_later_is_stronger() {
    let folder = Folder::new();
    let weak = folder.write("weak.toml", "[batch]\nmax_ticks = 2\n[window]\nlength = \"7s\"\n");
    let strong = folder.write("strong.toml", "[batch]\nmax_ticks = 3\n");
    let mut args = vec!["config"];
    let max_ticks = |args: &[&str], env: bool| {
        let mut command = ohlcv(args);
        if env {
            command.env("TAPEFLOW__BATCH__MAX_TICKS", "4");
        }
        let done = Running::start(&mut command).end().exits(0);
        setting(&done.stdout, "max_ticks")
    };
    let is = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(max_ticks(&args, false), is("16384", "default"));
    args.extend(["--config", &weak]);
    assert_eq!(max_ticks(&args, false), is("2", &format!("{weak}:2")));
    args.extend(["--config", &strong]);
    assert_eq!(max_ticks(&args, false), is("3", &format!("{strong}:2")));
    assert_eq!(max_ticks(&args, true), is("4", "environment TAPEFLOW__BATCH__MAX_TICKS"));
    args.extend(["--set", "batch.max_ticks=5"]);
    assert_eq!(max_ticks(&args, true), is("5", "--set"));
    args.extend(["--batch", "6"]);
    assert_eq!(max_ticks(&args, true), is("6", "--batch"));
    let shown = run(&args).exits(0).stdout;
    assert_eq!(setting(&shown, "length").0, "\"7s\"");
}

#[test]
fn the_shown_settings_are_settings() {
    let folder = Folder::new();
    let input = folder.write("a \"quoted\" näme.csv", ticks(5, SECOND));
    let args = [
        "--input",
        &input,
        "--window",
        "7s",
        "--linger",
        "3ms",
        "-w",
        "1",
        "--limit",
        "4",
        "--strict",
        "--set",
        "source.columns.venue=mic",
        "--set",
        "late.horizon=5m",
        "--out",
        &folder.arg("out"),
    ];
    let shown = run(&[&["config"], &args[..]].concat()).exits(0).stdout;
    let file = folder.write("shown.toml", &shown);
    let again = run(&["config", "--config", &file]).exits(0).stdout;
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value.trim()).to_owned()).collect()
    };
    assert_eq!(values(&shown), values(&again));
    run(&["check", "--config", &file]).exits(0);
    run(&["--config", &file]).exits(0);
    let played = Played::read(Path::new(&folder.arg("out")), String::new());
    assert_eq!(played.ledger("read"), 4);
    assert_eq!(played.summary["settings"]["window"]["length"], "7s");
    assert_eq!(played.summary["settings"]["source"]["limit"], 4);
}

#[test]
fn all_mistakes_are_shown_at_once_in_their_places() {
    let folder = Folder::new();
    let file = folder
        .write("bad.toml", "[batch]\nmax_tick = 5\n\n[late]\npolicy = \"ammend\"\n[window]\nlength = \"5 parsecs\"\n");
    for command in ["check", "config"] {
        let args = [command, "--config", &file, "--set", "run.waits=spin", "--workers", "0"];
        let mut command = ohlcv(&args);
        command.env("TAPEFLOW__SOURCE__SPED", "1x");
        let done = Running::start(&mut command).end().exits(78);
        let done = done.says(&["bad.toml:2", "max_tick", "did you mean `max_ticks`"]);
        let done = done.says(&["bad.toml:5", "did you mean `amend`", "bad.toml:7", "5 parsecs"]);
        let done = done.says(&["did you mean `wait`", "TAPEFLOW__SOURCE__SPED", "did you mean `speed`", "workers"]);
        assert_eq!(done.stdout, "");
    }
    run(&["check"]).exits(0);
    let burst = "source.burst = [\"2x/1ms/5s\"]\n[source]\nfor = \"1s\"\nrate = \"1k/s\"";
    for (vary, code, told) in [
        ("batch.max_tickz = [1]", 78, "did you mean `max_ticks`"),
        ("workers = [1, 0]", 78, "workers"),
        // As a sweep refuses it.
        ("source.speed = [\"1x\", \"max\"]", 2, "cells are played at a rate or a speed"),
        (burst, 2, "shorter than a burst's period"),
    ] {
        let file = folder.write("vary.toml", format!("[sweep.vary]\n{vary}\n"));
        run(&["check", "--config", &file]).exits(code).says(&[told]);
    }
    let broken = folder.write("broken.toml", "[batch\nmax_ticks = 5\n");
    run(&["--config", &broken]).exits(78).says(&["broken.toml:1"]);
    run(&["--config", &folder.write("binary.toml", b"a = \"\xff\xfe\"")]).exits(78).says(&["binary.toml"]);
    run(&["--config", &folder.arg("none.toml")]).exits(1).says(&["none.toml"]);
    for setting in ["batch.max_ticks=0", "window.length=0s", "workers=1000", "source.zone=Mars/Olympus", "output.to="] {
        run(&["check", "--set", setting]).exits(78).says(&[setting.split('=').next().unwrap()]);
    }
    run(&["check", "--set", "no equals sign"]).exits(78);
    run(&["check", "--rate", "5/s", "--speed", "1x"]).exits(78).says(&["rate"]);
    run(&["check", "--arrivals", "poisson", "--speed", "1x"]).exits(78).says(&["arrivals"]);
    run(&["check", "--arrivals", "tape", "--burst", "2x/1ms/5ms"]).exits(78).says(&["burst"]);
    run(&["check", "--input", "a.csv", "--arrivals", "constant"]).exits(78).says(&["arrivals", "give a rate"]);
    run(&["check", "--arrivals", "poisson", "--burst", "2x/1ms/5ms"]).exits(0);
    for (set, told) in [
        ("source.gaps=compress=5s", "source.gaps"),
        ("source.jitter=5ms", "source.jitter"),
        ("source.drop=0.5", "is not a part of all records"),
        ("source.start=noon", "\"2026-11-24T14:30:00Z\""),
        ("source.start=noon", "\"2026-01-05T09:45\""),
        ("source.end=noon", "\"2026-01-05T16:00\""),
        ("source.end=9999-01-01", "too far away"),
        ("source.symbols=A,,B", "a symbol is missing"),
    ] {
        run(&["check", "--input", "a.csv", "--set", set]).exits(78).says(&[told]);
    }
    run_on(b"", &["--input", "-", "--set", "source.drop=1%"]).exits(2).says(&["at its sender"]);
}

#[test]
fn words_that_are_no_flags_are_refused() {
    for args in [&["--bogus"][..], &["play"], &["--input"], &["--batch", "1", "--batch", "2"], &["config", "--bogus"]] {
        let done = run(args).exits(2);
        assert!(done.stdout.is_empty() && !done.stderr.is_empty());
    }
    assert!(run(&["--help"]).exits(0).stdout.contains("--input"));
    assert!(run(&["--version"]).exits(0).stdout.starts_with("ohlcv "));
}

#[test]
fn an_input_that_is_not_there_is_named() {
    let folder = Folder::new();
    folder.write("empty/notes.txt", "no tape");
    let text = folder.write("tape.txt", HEADER);
    for name in ["none.csv", "none/", "no*.csv", "empty"] {
        let path = folder.arg(name);
        run(&["--input", &path]).exits(1).says(&[&path]);
    }
    run(&["--input", &folder.arg("no*.csv")]).exits(1).says(&["no file here matches this pattern"]);
    run(&["--input", &folder.arg("emp*")]).exits(1).says(&["only folders such as", "empty do"]);
    run(&["--input", &text]).exits(2).says(&[&text, "--format"]);
    run(&["--input", &text, "--format", "csv"]).exits(0);
    run(&["--input", &folder.arg("[")]).exits(2).says(&["pattern"]);
    run(&["--input", "-", "--speed", "1x"]).exits(2).says(&["standard input"]);
}

// Hostile input.

/// Lines that are no ticks, and a word of the reason that each is rejected for.
fn malformed() -> Vec<(Vec<u8>, &'static str)> {
    let tick = |price: &str, size: &str| format!("{START},A,{price},{size}").into_bytes();
    let timed = |ts_event: &str| format!("{ts_event},A,1,1").into_bytes();
    let named = |symbol: &[u8]| [format!("{START},").as_bytes(), symbol, b",1,1"].concat();
    vec![
        (b"".to_vec(), "empty"),
        (b"junk".to_vec(), "fields"),
        (format!("{START},A").into_bytes(), "fields"),
        (format!("{START},A,1,1,1").into_bytes(), "fields"),
        (b",,,".to_vec(), "ts_event"),
        (HEADER.trim_end().into(), "ts_event"),
        (tick("", "1"), "price is missing"),
        (tick("1", ""), "size is missing"),
        (tick("NaN", "1"), "price"),
        (tick("inf", "1"), "price"),
        (tick("-1", "1"), "above zero"),
        (tick("0", "1"), "above zero"),
        (tick("1e-30", "1"), "above zero"),
        (tick("9223372036.854775808", "1"), "too large"),
        (tick("1e99", "1"), "price"),
        (tick("1e999999999999", "1"), "price"),
        (tick(&"9".repeat(5_000), "1"), "price"),
        (tick("1,5", "1"), "fields"),
        (tick("0x10", "1"), "price"),
        (tick("1 000", "1"), "price"),
        (tick("1", "-1"), "size"),
        (tick("1", "1.5"), "size"),
        (tick("1", "4294967296"), "size"),
        (tick("1", "99999999999999999999999"), "size"),
        (tick("true", "1"), "price"),
        (timed("99999999999999999999"), "ts_event"),
        (timed("9223372036854775807"), "2262"),
        (timed("-1"), "ts_event"),
        (timed("1969-12-31T23:59:59Z"), "1970"),
        (timed("2023-11-14 22:14:00"), "RFC 3339"),
        (timed("2023-02-30T00:00:00Z"), "ts_event"),
        (timed("1.7e18"), "ts_event"),
        (timed("yesterday"), "ts_event"),
        (named(b""), "symbol is missing"),
        (named(b"A\xff\xfe"), "UTF-8"),
        (named(b"A\0B"), "control"),
        (named(b"A\x1b[2JB"), "control"),
        (named("A".repeat(65).as_bytes()), "64"),
        (named(b"\"A,B\""), "comma"),
        (named(b"\"A"), "not closed"),
        (named(b"\"A\"B"), "after its quote"),
        (named(b"\"A\"\"B\""), "quote"),
        (b"\xff\xfe\x00\x01".to_vec(), "fields"),
    ]
}

#[test]
fn every_malformed_line_is_a_reject_with_its_reason() {
    let folder = Folder::new();
    let (good, lines) = (format!("{START},A,5,1\n").into_bytes(), malformed());
    let mut text = HEADER.as_bytes().to_vec();
    for (line, _) in &lines {
        text.extend([&line[..], b"\n", &good].concat());
    }
    let file = folder.write("tape.csv", &text);
    for played in [folder.play(&file, &[]), folder.play_on(&text, &["--batch", "1"])] {
        assert_eq!(played.ledger("rejected"), lines.len() as u64);
        assert_eq!(played.ledger("on_time"), lines.len() as u64, "the good ones");
        for (i, ((line, why), reject)) in lines.iter().zip(&played.rejected).enumerate() {
            let reason = reject["reason"].as_str().unwrap();
            assert!(reason.contains(why) && reason.len() < 1_000, "{}: {reason}", String::from_utf8_lossy(line));
            assert_eq!(reject["line"], 2 + 2 * i);
            let raw = reject["raw"].as_str().unwrap();
            assert!(String::from_utf8_lossy(line).starts_with(raw) && (raw.len() == line.len() || raw.len() >= 3));
        }
        assert!(!played.stderr.contains('\x1b'), "a tape must not reach the terminal");
    }
    let done = run(&["--input", &file, "--strict"]).exits(1);
    assert!(done.stderr.contains(&format!("rejected {}", lines.len())));
    let done = run(&["--input", &file, "--set", "run.strict=true", "--set", "output.to=none"]).exits(1);
    assert_eq!(done.stdout, "");
}

#[test]
fn every_malformed_object_is_a_reject_with_its_reason() {
    let folder = Folder::new();
    let good = format!("{{\"ts_event\":{START},\"symbol\":\"A\",\"price\":5,\"size\":1}}\n");
    let tick = |rest: &str| format!("{{\"ts_event\":{START},\"symbol\":\"A\",{rest}}}").into_bytes();
    let deep = format!("{{\"x\":{}{},\"ts_event\":{START}}}", "[".repeat(100_000), "]".repeat(100_000));
    let lines: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "JSON"),
        (b"[]".to_vec(), "JSON"),
        (b"null".to_vec(), "JSON"),
        (b"\"\x1b[2J\"".to_vec(), "JSON"),
        (good.trim_end()[..20].into(), "JSON"),
        (format!("{} {}", good.trim_end(), good.trim_end()).into_bytes(), "JSON"),
        (b"{}".to_vec(), "missing"),
        (b"{\"ts_event\": \"\xff\"}".to_vec(), "JSON"),
        (deep.into_bytes(), "missing"),
        (tick("\"price\":NaN,\"size\":1"), "JSON"),
        (tick("\"price\":null,\"size\":1"), "price is missing"),
        (tick("\"price\":\"\",\"size\":1"), "price is missing"),
        (tick("\"price\":true,\"size\":1"), "price"),
        (tick("\"price\":[1],\"size\":1"), "price"),
        (tick("\"price\":{\"a\":1},\"size\":1"), "price"),
        (tick("\"price\":-1,\"size\":1"), "above zero"),
        (tick("\"price\":1,\"size\":1e3"), "size"),
        (tick("\"price\":1,\"size\":-1"), "size"),
        (tick("\"price\":1,\"size\":1,\"action\":\"bust\""), "action `bust`"),
        (tick("\"price\":1,\"size\":1,\"action\":\"cancel\""), "ref_seq is missing"),
        (tick("\"price\":1,\"size\":1,\"action\":\"cancel\",\"ref_seq\":-1"), "ref_seq"),
        (tick("\"action\":\"correct\",\"ref_seq\":1"), "price is missing"),
        (tick("\"price\":1,\"size\":1,\"seq\":1.5"), "seq"),
        (tick("\"price\":1,\"size\":1,\"seq\":18446744073709551616"), "seq"),
        (tick("\"price\":1,\"size\":1,\"venue\":\"\\u0000\""), "venue"),
        (tick("\"price\":1,\"size\":1,\"conditions\":\"much too long\""), "conditions"),
        (tick("\"price\":1,\"size\":1,\"ts_recv\":\"then\""), "ts_recv"),
        (tick("\"price\":1,\"size\":1,\"symbol\":\"\\ud800\""), "JSON"),
    ];
    let mut text = good.clone().into_bytes();
    for (line, _) in &lines {
        text.extend([&line[..], b"\n", good.as_bytes()].concat());
    }
    let played = folder.play(&folder.write("tape.jsonl", &text), &[]);
    assert_eq!(played.rejected.len(), lines.len(), "{:?}", played.reasons());
    for ((line, why), reason) in lines.iter().zip(played.reasons()) {
        assert!(reason.contains(why), "{}: {reason}", String::from_utf8_lossy(&line[..line.len().min(200)]));
    }
    assert!(!played.stderr.contains('\x1b'));
}

#[test]
fn junk_alone_is_no_tape_but_no_accident() {
    let folder = Folder::new();
    let junk: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let headless = "2023-11-14T22:14:00Z,A,1,1\n";
    let cases: [(&str, &[u8]); 8] = [
        ("mark.csv", "\u{feff}".as_bytes()),
        ("junk.csv", &junk),
        ("no.csv", headless.as_bytes()),
        ("twice.csv", b"ts_event,symbol,price,size,price\n"),
        ("lacks.csv", b"ts_event,symbol,price\n"),
        ("blank.csv", b"\n"),
        ("utf16.csv", b"\xff\xfet\0s\0_\0e\0v\0e\0n\0t\0"),
        ("escape.csv", b"ts_event,\x1b[2J,price\n"),
    ];
    for (name, bytes) in cases {
        let path = folder.write(name, bytes);
        let done = run(&["--input", &path]).exits(1).says(&[name]);
        assert!(done.stderr.len() < 2_000 && !done.stderr.contains('\x1b'), "{}", done.stderr);
        run_on(bytes, &["--input", "-"]).exits(1).says(&["standard input"]);
    }
    let done = run(&["--input", &folder.write("long.csv", "x".repeat(900_000))]).exits(1);
    assert!(done.stderr.len() < 2_000);
    run(&["--input", &folder.arg("lacks.csv")]).exits(1).says(&["`size` is missing"]);
    for (name, bytes) in [("junk.jsonl", &junk[..]), ("no.jsonl", headless.as_bytes())] {
        let played = folder.play(&folder.write(name, bytes), &[]);
        assert!(played.rows().is_empty() && played.ledger("rejected") > 0);
        assert_eq!(played.ledger("read"), played.ledger("rejected"));
    }
}

#[test]
fn an_empty_tape_has_no_rows() {
    let folder = Folder::new();
    for (name, text) in [("a.csv", ""), ("b.csv", HEADER), ("c.csv", HEADER.trim_end()), ("d.jsonl", "")] {
        for speed in ["max", "100000x"] {
            let path = folder.write(name, text);
            let played = folder.play(&path, &["--speed", speed]);
            assert_eq!((played.ledger("read"), played.rows().len(), played.digest()), (0, 0, "0000000000000000"));
            assert_eq!(played.bars.lines().count(), 1, "the header stands");
        }
    }
    assert_eq!(folder.play_on(b"", &[]).ledger("read"), 0);
    assert_eq!(folder.play_on(HEADER.as_bytes(), &[]).ledger("read"), 0);
    // Of several files some may be empty.
    folder.write("tree/a.csv", "");
    folder.write("tree/b.csv", ticks(3, SECOND));
    folder.write("tree/c.csv", HEADER);
    assert_eq!(folder.play(&folder.arg("tree"), &[]).ledger("read"), 3);
}

#[test]
fn lines_of_many_megabytes_are_passed_over() {
    let folder = Folder::new();
    let tick = |i: i64| format!("{},A,1,1\n", START + i);
    let long = "9".repeat(5 << 20);
    let text = format!("{HEADER}{}{long}\n{}{},A,{long},1\n{}{long}", tick(0), tick(1), START, tick(2));
    for played in [folder.play(&folder.write("tape.csv", &text), &[]), folder.play_on(text.as_bytes(), &[])] {
        assert_eq!((played.ledger("on_time"), played.ledger("rejected")), (3, 3));
        assert!(played.reasons().iter().all(|reason| reason.contains("longer than 1048576 bytes")));
        assert!(played.rejected.iter().all(|reject| reject["raw"].as_str().unwrap().len() <= 4096));
        assert_eq!([0, 1, 2].map(|i| played.rejected[i]["line"].as_u64().unwrap()), [3, 5, 7]);
    }
    run(&["--input", &folder.write("header.csv", format!("{long}\n1"))]).exits(1).says(&["longer than"]);
}

#[test]
fn line_ends_quotes_and_marks_do_not_matter() {
    let folder = Folder::new();
    let plain = folder.play(&folder.write("plain.csv", ticks(9, SECOND)), &[]);
    let quoted: String =
        ticks(9, SECOND).lines().map(|line| format!("\"{}\"\r\n", line.replace(',', "\",\""))).collect();
    for text in [format!("\u{feff}{quoted}"), quoted.trim_end().to_owned(), ticks(9, SECOND).replace('\n', "\r\n")] {
        let played = folder.play(&folder.write("tape.csv", text), &[]);
        assert_eq!((played.bars, played.rejected.len()), (plain.bars.clone(), 0));
    }
}

#[test]
fn a_lone_jump_into_the_future_is_rejected_and_a_confirmed_one_is_not() {
    let folder = Folder::new();
    let tick = |seconds: i64, price: i64| format!("{},A,{price},1\n", START + seconds * SECOND);
    let hour = 3_600;
    let play = |lines: &[String], args: &[&str]| {
        let text = HEADER.to_owned() + &lines.concat();
        let played = folder.play(&folder.write("tape.csv", &text), args);
        let piped = folder.play_on(text.as_bytes(), args);
        assert_eq!((&played.bars, &played.summary["ledger"]), (&piped.bars, &piped.summary["ledger"]));
        played
    };
    let lone = play(&[tick(0, 1), tick(1, 2), tick(1_000 * hour, 9), tick(2, 3)], &[]);
    assert_eq!((lone.ledger("on_time"), lone.ledger("rejected")), (3, 1));
    assert!(lone.reasons()[0].starts_with("future") && lone.rejected[0]["line"] == 4);
    assert_eq!(lone.rejected[0]["raw"], tick(1_000 * hour, 9).trim_end());
    let first = play(&[tick(1_000 * hour, 9), tick(0, 1), tick(1, 2)], &[]);
    assert_eq!((first.ledger("on_time"), first.ledger("rejected")), (2, 1));
    let confirmed = play(&[tick(0, 1), tick(2 * hour, 2), tick(2 * hour + 1, 3)], &[]);
    assert_eq!((confirmed.ledger("on_time"), confirmed.ledger("rejected")), (3, 0));
    let allowed = play(&[tick(0, 1), tick(2 * hour, 2)], &["--set", "source.max_jump=2h"]);
    assert_eq!((allowed.ledger("on_time"), allowed.ledger("rejected")), (2, 0));
    let only = play(&[tick(1_000_000 * hour, 1)], &[]);
    assert_eq!(only.ledger("on_time"), 1);
}

#[test]
fn a_table_that_is_sorted_by_symbol_keeps_the_last_day_of_each() {
    let folder = Folder::new();
    let day = |symbol: &str, day: i64| format!("{},{symbol},{},1\n", START + 86_400 * day * SECOND, 1 + day % 7);
    let of = |symbol: &'static str, days: i64| (0..days).map(move |n| day(symbol, n)).collect::<Vec<_>>();
    let play = |lines: &[String]| {
        let text = HEADER.to_owned() + &lines.concat();
        let played = folder.play(&folder.write("tape.csv", &text), &["--window", "24h"]);
        assert_eq!(played.bars, folder.play_on(text.as_bytes(), &["--window", "24h"]).bars);
        played
    };
    // The last one ends early, and of two that end late one ends later.
    let by_symbol = [of("A", 7), of("B", 6), of("C", 4)].concat();
    let mut by_time = by_symbol.clone();
    by_time.sort();
    let (sorted, whole) = (play(&by_time), play(&by_symbol));
    assert_eq!((whole.ledger("read"), whole.ledger("rejected")), (17, 0));
    assert_eq!(whole.bars, sorted.bars);

    // A time that no other line comes near is wrong all the same, whether its symbol goes on or not.
    for at in [9, 13] {
        let mut lines = by_symbol.clone();
        lines.insert(at, day("B", 40_000));
        let odd = play(&lines);
        assert_eq!((odd.ledger("rejected"), &odd.bars), (1, &sorted.bars));
        assert_eq!((&odd.rejected[0]["line"], odd.reasons()[0].starts_with("future")), (&(at + 2).into(), true));
    }
}

#[test]
fn time_that_runs_backwards_for_hours_ends_in_bars_or_in_the_late_ledger() {
    let folder = Folder::new();
    let n = 20_000;
    let line = |i: i64| format!("{},A,{},1\n", START - i * SECOND, 1 + i % 9);
    let text = HEADER.to_owned() + &(0..n).map(line).collect::<String>();
    let file = folder.write("tape.csv", &text);
    let amend = folder.play(&file, &["--window", "1m"]);
    assert_eq!(amend.ledger("on_time") + amend.ledger("amended"), n as u64);
    let forwards: Vec<String> = (0..n).rev().map(|i| format!("{},{}", line(i).trim_end(), n - i)).collect();
    let forwards = format!("{},seq\n{}\n", HEADER.trim_end(), forwards.join("\n"));
    let reference = folder.play(&folder.write("forwards.csv", forwards), &["--window", "1m"]);
    assert_eq!(amend.bars, reference.bars);
    let drop = folder.play(&file, &["--window", "1m", "--set", "late.policy=drop", "--workers", "3"]);
    assert_eq!((drop.ledger("on_time"), drop.ledger("late")), (1, n as u64 - 1));
}

#[test]
fn spans_and_times_at_the_end_of_the_world_do_not_overflow() {
    let folder = Folder::new();
    let far = 9_223_285_636_854_775_807i64;
    let text = format!(
        "{HEADER}0,A,1,1\n0,A,2,1\n{START},A,1,1\n{START},A,2,1\n{far},A,9223372036.854775807,4294967295\n{far},A,2,0\n"
    );
    let file = folder.write("tape.csv", text);
    let centuries = "300y";
    for args in [
        &["--window", "1ns"][..],
        &["--window", centuries],
        &["--set", "late.horizon=300y"],
        &["--set", "late.horizon=off"],
        &["--set", "late.changes_every=300y", "--set", "run.max_lead=300y"],
        &["--set", "source.max_jump=300y", "--linger", centuries],
        &["--set", "late.disorder=300y"],
        &["--set", "source.max_jump=0s"],
        &["--set", "source.idle=0s"],
        &["--set", "source.idle=300y"],
        &["--speed", "99999999999999999999x"],
    ] {
        let played = folder.play(&file, args);
        assert_eq!(played.ledger("read"), 6, "{args:?}");
    }
    let market = ["--speed", "max", "--set", "market.length=10ms", "--set", "output.to=none"];
    for setting in ["late.disorder=300y", "late.horizon=300y", "market.seed=9223372036854775807", "market.symbols=1"] {
        run(&[&market[..], &["--set", setting]].concat()).exits(0);
    }
    // Due in centuries: the first records are played, and the rest is waited for until someone stops it.
    for args in
        [&["--speed", "0.000000001x"][..], &["--rate", "0.000000000001/s"], &["--speed", "0.1x", "--window", centuries]]
    {
        let running = Running::start(&mut ohlcv(&[&["--input", &file, "--out", &folder.arg("out")], args].concat()));
        wait_until("the run began", || folder.path().join("out/latency.hlog").exists());
        std::thread::sleep(std::time::Duration::from_millis(200));
        // A terminal that is closed ends a run as Ctrl-C does.
        running.signal(if args[0] == "--rate" { "HUP" } else { "INT" });
        running.end().exits(130).says(&["interrupted"]);
        std::fs::remove_dir_all(folder.arg("out")).unwrap();
    }
}

#[test]
fn cancels_reach_their_print_however_far_the_horizon() {
    let folder = Folder::new();
    let text = format!(
        "ts_event,symbol,price,size,seq,action,ref_seq\n{START},A,1,1,1,,\n{START},A,2,1,2,,\n{0},A,3,1,3,,\n{0},A,,,4,cancel,1\n",
        START + 5 * SECOND
    );
    let file = folder.write("tape.csv", text);
    let reference = folder.play(&file, &[]);
    assert_eq!(reference.ledger("amended"), 1);
    for horizon in ["1m", "100y", "200y", "300y"] {
        let played = folder.play(&file, &["--set", &format!("late.horizon={horizon}")]);
        assert_eq!(played.bars, reference.bars, "horizon {horizon}");
    }
}

// Outputs.

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", ticks(2_000, SECOND));
    let in_the_way = folder.write("file", "");
    for out in [in_the_way.clone(), format!("{in_the_way}/below")] {
        run(&["--input", &input, "--out", &out]).exits(1).says(&[&out]);
    }
    if cfg!(target_os = "linux") {
        run(&["--input", &input, "--out", "/proc/none"]).exits(1).says(&["/proc/none"]);
    }
    for name in ["bars.csv", "summary.json", "latency.hlog", "rejected.jsonl"] {
        std::fs::create_dir_all(folder.path().join("out").join(name)).unwrap();
        let args = ["--input", &input, "--out", &folder.arg("out"), "--set", "output.buffer=1KiB"];
        run(&args).exits(1).says(&[name]);
        let left = std::fs::read_dir(folder.path().join("out")).unwrap().map(|e| e.unwrap().file_name());
        let left: Vec<_> = left.filter(|n| n.to_string_lossy().contains("settling") || n == "bars.part").collect();
        assert!(left.is_empty(), "{left:?} were left behind");
        std::fs::remove_dir_all(folder.arg("out")).unwrap();
    }
}

#[test]
fn rows_on_disk_are_those_in_memory_and_go_when_a_run_fails() {
    let folder = Folder::new();
    let input =
        folder.write("days/a/2013-08-05.csv", "timestamp,open,close,high,low\n2013-08-05 09:30:00,1,1,1,1\n".repeat(2));
    let many: String = (0..20_000).map(|i| format!("{},S{},1,1\n", START + i * SECOND, i % 7)).collect();
    let file = folder.write("tape.csv", HEADER.to_owned() + &many);
    let reference = folder.play(&file, &[]);
    assert_eq!(reference.rows().len(), 20_000);
    let spilled = folder.play(&file, &["--set", "output.buffer=1KiB", "--workers", "3"]);
    assert!(spilled.bars == reference.bars, "rows that were on disk differ");
    // A day whose header is broken ends the run when it is reached.
    std::fs::remove_file(input).unwrap();
    let minute = |i: i64| format!("2013-08-05 {:02}:{:02}:00,1,1,1,1\n", i / 60, i % 60);
    folder.write(
        "days/a/2013-08-05.csv",
        "timestamp,open,close,high,low\n".to_owned() + &(0..1_440).map(minute).collect::<String>(),
    );
    folder.write("days/a/2013-08-06.csv", "what,is,this\n");
    let out = folder.arg("failed");
    run(&["--input", &folder.arg("days"), "--out", &out, "--set", "output.buffer=1KiB"])
        .exits(1)
        .says(&["2013-08-06.csv"]);
    let left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["latency.hlog"]);
}

#[test]
fn rejects_of_an_earlier_run_do_not_stay() {
    let folder = Folder::new();
    let out = folder.arg("out");
    let bad = folder.write("bad.csv", HEADER.to_owned() + "junk\n");
    let good = folder.write("good.csv", ticks(3, SECOND));
    run(&["--input", &bad, "--out", &out]).exits(0);
    assert_eq!(Played::read(Path::new(&out), String::new()).rejected.len(), 1);
    run(&["--input", &good, "--out", &out]).exits(0);
    assert_eq!(Played::read(Path::new(&out), String::new()).rejected.len(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_fails_with_a_message() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", ticks(100, SECOND));
    for args in [&["--input", &input][..], &["config"], &["check"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let done = Running::start(ohlcv(args).stdout(full)).end().exits(1);
        done.says(&["standard output"]);
        // Where messages cannot be written either, the exit code is left.
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        Running::start(ohlcv(args).stdout(full()).stderr(full())).end().exits(1);
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", ticks(20_000, SECOND));
    for args in
        [&["--input", &input][..], &["--input", &input, "--batch", "1", "--workers", "3"], &["config"], &["--help"]]
    {
        let mut child = ohlcv(args).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        drop(reader);
        let done = Running::follow(child).end().exits(0);
        let words: Vec<&str> =
            done.stderr.lines().filter(|line| !line.contains("ticks/s") && !line.contains("/s ")).collect();
        assert!(!done.stderr.contains("panic") && !done.stderr.contains("error"), "{words:?}");
    }
}

#[cfg(unix)]
#[test]
fn nobody_reading_standard_error_is_no_accident() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", ticks(1_000, SECOND));
    let out = folder.arg("out");
    let cases: [(&[&str], i32); 4] = [
        (&["--input", &input, "--out", &out], 0),
        (&["--input", &folder.arg("none.csv")], 1),
        (&["check", "--set", "no.such=key"], 78),
        (&["--bogus"], 2),
    ];
    for (args, code) in cases {
        let mut child = ohlcv(args).spawn().unwrap();
        drop(child.stderr.take());
        Running::follow(child).end().exits(code);
    }
    assert_eq!(Played::read(Path::new(&out), String::new()).ledger("read"), 1_000);
}

#[test]
fn workers_whose_edges_lie_further_apart_than_they_may_run_ahead_do_not_wait_for_each_other() {
    let folder = Folder::new();
    // One symbol has nearly all ticks, so that its worker's queue is full while the other one has nothing to read.
    let line = |i: i64| format!("{},{},1,1\n", START + i * SECOND / 20, if i % 50 == 0 { "B" } else { "A" });
    let input = folder.write("tape.csv", HEADER.to_owned() + &(0..80_000).map(line).collect::<String>());
    let hours = ["--window", "1h", "--set", "late.changes_every=1h"];
    let tight = ["--window", "1s", "--set", "run.max_lead=0s"];
    for args in [hours, tight] {
        let played = |workers| folder.play(&input, &[&args[..], &["--workers", workers]].concat());
        let [one, two] = ["1", "2"].map(played);
        assert_eq!((two.ledger("read"), one.digest()), (80_000, two.digest()), "{args:?}");
    }
}

#[test]
fn records_that_are_made_late_change_bars_at_the_same_times_whatever_the_workers() {
    let folder = Folder::new();
    // A file each, so that each worker reads those of its own symbols.
    for (at, name) in ["A", "BB", "C", "DDD"].into_iter().enumerate() {
        let line = |i: i64| format!("{},1,{},1,2\n", START + i * (7 + at as i64) * SECOND, 2 + i % 5);
        let lines: String = (0..300).map(line).collect();
        folder.write(&format!("tape/{name}.csv"), format!("timestamp,open,high,low,close\n{lines}"));
    }
    let faults = ["--set", "source.late=20%", "--set", "source.late_by=17s", "--set", "output.mode=changes"];
    let changes = ["1", "2", "3"].map(|workers| {
        let out = folder.arg("out");
        let args = ["--input", &folder.arg("tape"), "--window", "10s", "--workers", workers, "--out", &out];
        run(&[&args[..], &faults].concat()).exits(0);
        std::fs::read_to_string(folder.path().join("out/bars.changes.csv")).unwrap()
    });
    assert!(changes[0].lines().filter(|line| line.contains(",-1,")).count() > 50, "{}", changes[0]);
    assert!(changes.iter().all(|other| *other == changes[0]));
}

#[test]
fn a_column_named_nearly_as_one_of_ours_and_a_header_without_line_ends_are_told() {
    let folder = Folder::new();
    let misnamed = folder.write("misnamed.csv", "ts_event,symbol,price,size,Action,weight\n1,A,1,1,trade,7\n");
    let told = ["misnamed.csv has a column `Action`, which is not read", "if it is action"];
    let done = run(&["--input", &misnamed]).exits(0).says(&told);
    assert!(!done.stderr.contains("weight"), "{}", done.stderr);
    let mapped = ["--input", &misnamed, "--set", "source.columns.action=Action"];
    assert!(!run(&mapped).exits(0).stderr.contains("is not read"));
    let of_objects =
        folder.write("objects.jsonl", "{\"ts_event\":1,\"symbol\":\"A\",\"price\":1,\"size\":1,\"sequ\":4}\n");
    run(&["--input", &of_objects]).exits(0).says(&["objects.jsonl has a column `sequ`", "if it is seq"]);
    let returns = folder.write("returns.csv", "ts_event,symbol,price,size\r1,A,1,1\r");
    run(&["--input", &returns]).exits(1).says(&["carriage return"]);
}

// Live input and Ctrl-C.

/// A run on a standard input that stays open, and its lines as they come.
struct Live {
    running: Running,
    stdin: std::process::ChildStdin,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Live {
    fn start(args: &[&str]) -> Live {
        let mut child = ohlcv(&[&["--input", "-"], args].concat()).stdin(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || BufReader::new(stdout).lines().for_each(|line| drop(sender.send(line.unwrap()))));
        Live { running: Running::follow(child), stdin, lines }
    }

    fn say(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).unwrap();
        self.stdin.flush().unwrap();
    }

    fn hears(&self) -> String {
        self.lines.recv_timeout(program::HANGS).expect("a line was to come without further input")
    }
}

#[cfg(unix)]
#[test]
fn a_silent_input_does_not_hold_its_rows_back() {
    // After the ticks: nothing more, half a line, junk, and a record that waits for another one to confirm it.
    let future = format!("{},A,1,1\n", START + 1_000_000 * SECOND);
    for rest in ["", "17000", "junk\n", "junk\njunk\n", &future] {
        for workers in ["1", "2"] {
            let mut live = Live::start(&["--set", "source.idle=100ms", "--window", "1s", "--workers", workers]);
            assert!(live.hears().starts_with("symbol,ts_open"));
            live.say(&format!("{}{rest}", ticks(2, 1)));
            assert_eq!(live.hears(), format!("A,{START},{},1,2,1,2,3,2,1.666666667", START + SECOND), "{rest:?}");
            live.running.signal("INT");
            // What was read comes to something, and a line of which the end was not read is none.
            let expected = match rest.matches('\n').count() {
                _ if *rest == *future => "read 3 = on time 3 ",
                0 => "read 2 = on time 2 ",
                1 => "read 3 = on time 2 ",
                _ => "read 4 = on time 2 ",
            };
            let done = live.running.end().exits(130).says(&["interrupted", expected]);
            assert!(done.stderr.contains("= on time "), "{rest:?}: {}", done.stderr);
        }
    }
}

#[cfg(unix)]
#[test]
fn an_input_that_never_speaks_can_be_left() {
    for text in ["", HEADER, "ts_ev"] {
        let mut live = Live::start(&[]);
        assert!(live.hears().starts_with("symbol,ts_open"));
        live.say(text);
        live.running.signal("INT");
        live.running.end().exits(130).says(&["interrupted", "read 0 "]);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_drains_a_paced_run_and_reports_it() {
    let folder = Folder::new();
    // Two thousand seconds of tape.
    let input = folder.write("tape.csv", ticks(20_000, SECOND / 10));
    for (signal, workers) in [("INT", "1"), ("INT", "2"), ("TERM", "2")] {
        let out = folder.arg("out");
        let args = ["--input", &input, "--speed", "1x", "--workers", workers, "--batch", "3", "--out", &out];
        let running = Running::start(&mut ohlcv(&args));
        wait_until("the run began", || Path::new(&out).join("latency.hlog").exists());
        std::thread::sleep(std::time::Duration::from_millis(700));
        running.signal(signal);
        let done = running.end().exits(130).says(&["interrupted", "digest", "ledger"]);
        let played = Played::read(Path::new(&out), done.stderr);
        assert_eq!(played.summary["complete"], false);
        let read = played.ledger("read");
        assert!(read > 0 && read < 20_000 && played.ledger("on_time") == read);
        assert_eq!(tick_counts(Path::new(&out)), read);
        std::fs::remove_dir_all(&out).unwrap();
        // What was played is the beginning of the tape.
        let beginning = folder.play(&input, &["--limit", &read.to_string()]);
        assert_eq!((beginning.bars.as_str(), beginning.digest()), (played.bars.as_str(), played.digest()));
    }
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_the_program_at_once() {
    let folder = Folder::new();
    let pipe = folder.arg("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Opening a pipe that nobody writes waits where the first signal is not looked for.
    let running = Running::start(&mut ohlcv(&[
        "--input",
        &pipe,
        "--format",
        "csv",
        "--speed",
        "1x",
        "--out",
        &folder.arg("out"),
    ]));
    wait_until("the run began", || folder.path().join("out").exists());
    running.signal("INT");
    std::thread::sleep(std::time::Duration::from_millis(200));
    running.signal("INT");
    running.end().exits(130);
}

// What a run leaves.

/// The ticks that the intervals of `latency.hlog` count, which must be the same in every stage.
fn tick_counts(out: &Path) -> u64 {
    let mut log = Vec::new();
    std::fs::File::open(out.join("latency.hlog")).unwrap().read_to_end(&mut log).unwrap();
    let mut deserializer = Deserializer::new();
    let mut count = |tag: &str| -> u64 {
        let entries = IntervalLogIterator::new(&log).map(|entry| entry.unwrap());
        let histograms = entries.filter_map(|entry| match entry {
            LogEntry::Interval(interval) if interval.tag().is_some_and(|t| t.as_str() == tag) => {
                let bytes = from_base64(interval.encoded_histogram());
                let histogram: Histogram<u64> = deserializer.deserialize(&mut &bytes[..]).unwrap();
                Some(histogram.len())
            }
            _ => None,
        });
        histograms.sum()
    };
    let ticks = count("tick");
    assert_eq!(["source", "batch", "operators"].map(&mut count), [ticks; 3]);
    ticks
}

fn from_base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut n) = (Vec::new(), 0u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("not base64: {text}"),
        };
        (bits, n) = (bits << 6 | u32::from(value), n + 6);
        if n >= 8 {
            n -= 8;
            bytes.push((bits >> n) as u8);
        }
    }
    bytes
}

#[test]
fn the_summary_and_the_latency_log_count_every_tick() {
    let folder = Folder::new();
    let text = ticks(5_000, SECOND / 50) + "junk\n";
    let input = folder.write("tape.csv", &text);
    for args in
        [&["--workers", "1"][..], &["--workers", "3", "--batch", "1"], &["--speed", "100x"], &["--rate", "20k/s"]]
    {
        let out = folder.arg("out");
        run(&[&["--input", &input, "--out", &out], args].concat()).exits(0);
        let played = Played::read(Path::new(&out), String::new());
        let summary = &played.summary;
        assert_eq!((played.ledger("read"), played.ledger("rejected")), (5_001, 1));
        assert_eq!(summary["complete"], true);
        assert_eq!(summary["pipeline"], "ohlcv");
        assert_eq!(summary["symbols"], 1);
        assert_eq!(summary["rows"], played.rows().len());
        assert!(summary["elapsed"].as_u64().unwrap() > 0 && summary["batches"].as_u64().unwrap() > 0);
        assert_eq!(summary["settings"]["source"]["input"], input);
        for stage in ["tick", "source", "batch", "operators", "close", "sink"] {
            let latency = &summary["latency"][stage];
            let at = |name: &str| latency[name].as_u64().unwrap_or_else(|| panic!("{name} of {latency}"));
            assert!(["p50", "p90", "p99", "p99.9", "p99.99", "max"].map(at).is_sorted(), "{stage}: {latency}");
            match stage {
                "close" => assert_eq!(at("count"), 100, "one a window"),
                "sink" => assert!(at("count") > 0),
                _ => assert_eq!(at("count"), 5_000, "{stage}"),
            }
        }
        assert_eq!(tick_counts(Path::new(&out)), 5_000, "{args:?}");
        std::fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn rows_on_standard_output_end_as_the_file_has_them() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", ticks(500, SECOND / 5));
    let file = folder.play(&input, &[]);
    let done = run(&["--input", &input, "--workers", "1"]).exits(0).says(&[file.digest()]);
    assert_eq!(done.stdout, file.bars);
    let mut lines: Vec<String> =
        run(&["--input", &input, "--workers", "3"]).exits(0).stdout.lines().map(str::to_owned).collect();
    lines.sort();
    let mut expected: Vec<&str> = file.bars.lines().collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert_eq!(run(&["--input", &input, "--set", "output.to=none"]).exits(0).says(&[file.digest()]).stdout, "");
}

#[test]
fn a_worker_without_symbols_holds_nobody_up() {
    let folder = Folder::new();
    let many: String = (0..60_000).map(|i| format!("{},A,1,1\n", START + i * SECOND / 100)).collect();
    let file = folder.write("tape.csv", HEADER.to_owned() + &many);
    let played = folder.play(&file, &["--rate", "1M/s"]);
    assert_eq!(played.digest(), folder.play(&file, &["--workers", "1"]).digest());
}

#[test]
fn what_is_left_of_an_earlier_run_goes_when_a_run_begins() {
    let folder = Folder::new();
    let file = folder.write("tape.csv", format!("{HEADER}{START},A,1,1\n"));
    let out = folder.arg("out");
    run(&["--input", &file, "--out", &out]).exits(0);
    run(&["--input", &file, "--out", &out, "--set", "output.format=jsonl"]).exits(0);
    let mut left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["bars.jsonl", "latency.hlog", "summary.json"]);
}

#[cfg(unix)]
#[test]
fn a_length_of_windows_that_have_none_is_a_mistake() {
    let count = ["--set", "window.kind=count", "--set", "window.every=100"];
    run(&[&["check"], &count[..]].concat()).exits(0);
    run(&[&["check", "--window", "5m"], &count[..]].concat()).exits(78).says(&["would not be used", "--window"]);
    run(&["check", "--set", "window.kind=session", "--set", "window.gap=1s", "--set", "window.align=session"])
        .exits(78)
        .says(&["a window's `align` that would not be used"]);
    for (length, settings, says) in [
        ("1s", &["window.early=1s"][..], "not shown early"),
        ("1d", &["window.early=1ms"], "too many looks"),
        ("1s", &["window.early=1ms", "window.kind=sliding", "window.slide=1s"], "would not be used"),
        ("1ms", &["window.fill=prev"], "too many windows to fill"),
        ("1s", &["window.fill=prev", "window.kind=sliding", "window.slide=1s"], "never empty"),
    ] {
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let args: Vec<&str> = ["check", "--window", length].into_iter().chain(settings).collect();
        run(&args).exits(78).says(&[says]);
    }
}

#[test]
fn an_amendment_is_shown_without_waiting_for_the_next_window() {
    let tape = format!(
        "ts_event,symbol,price,size,seq,action,ref_seq\n{START},A,1,1,1,,\n{},A,2,1,2,,\n{},A,2,1,3,cancel,2\n{},A,3,1,4,,\n",
        START + SECOND,
        START + 70 * SECOND,
        START + 75 * SECOND
    );
    let mut live = Live::start(&["--window", "1m", "--set", "source.idle=1h"]);
    assert!(live.hears().starts_with("symbol,ts_open"));
    live.say(&tape);
    // The first minute's bar, and again without its second print; the second minute stays open.
    assert!(live.hears().ends_with(",1,2,1,2,2,2,1.5"));
    assert!(live.hears().ends_with(",1,1,1,1,1,1,1"));
    live.running.signal("INT");
    live.running.end().exits(130);
}

#[test]
fn a_list_of_values_outside_a_sweep_names_the_sweep() {
    run(&["--batch", "1,256"]).exits(2).says(&["--batch 1,256", "ohlcv sweep"]);
}

#[test]
fn a_dash_is_standard_output() {
    let folder = Folder::new();
    let tape = folder.write("tape.csv", ticks(20, SECOND));
    let named = run(&["--input", &tape, "--out", "-"]).exits(0);
    assert_eq!(named.stdout, run(&["--input", &tape]).exits(0).stdout);
    assert!(!Path::new("-").exists() && named.stdout.lines().count() > 1, "{}", named.stdout);
}

#[test]
fn a_plain_file_in_the_place_of_a_socket_is_left_alone() {
    let folder = Folder::new();
    let path = folder.write("mine", "my notes");
    let refused = run(&["--input", &format!("unix-listen://{path}")]).exits(1);
    assert!(refused.stderr.contains("is no socket"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes");
}

#[test]
fn a_part_without_a_record_and_a_file_in_place_of_a_folder_are_told() {
    let folder = Folder::new();
    let tape = folder.write("tape.csv", ticks(20, SECOND));
    run(&["--input", &tape, "--symbols", "NOBODY"]).exits(0).says(&["nothing was read", "--symbols"]);
    let header = folder.write("header.csv", "ts_event,symbol,price,size\n");
    let said = run(&["--input", &header]).exits(0).stderr;
    assert!(said.contains("nothing was read of ") && !said.contains("widen") && !said.contains("is empty"), "{said}");
    folder.write("days/A/2026-01-05.csv", ticks(20, SECOND));
    folder.write("days/A/2026-01-06.csv", "");
    run(&["--input", &folder.arg("days")]).exits(0).says(&["days/A/2026-01-06.csv is empty"]);
    run(&["explain", &tape]).exits(1).says(&["tape.csv is a file", "--out", "explain --input"]);
    let told = ["tape.csv is a file", "--out takes a folder"];
    run(&["--input", &tape, "--out", &tape]).exits(1).says(&told);
    run(&["sweep", "--batch", "1,10", "--rate", "1k/s", "--input", &tape, "--out", &tape]).exits(1).says(&told);
    let replay = |args: &[&str]| Running::start(&mut at(env!("CARGO_BIN_EXE_replay"), args)).end();
    replay(&["generate", "--symbols", "1", "--days", "1", "--out", &tape]).exits(1).says(&told);
    replay(&["convert", &tape, "--to", "jsonl", "--out", &tape]).exits(1).says(&told);
    let here = folder.arg(".");
    run(&["--input", &here, "--out", &here]).exits(2).says(&["is the folder that is read"]);
    let (bars, below) = (folder.write("bars.csv", ticks(3, SECOND)), folder.arg("a/below"));
    let of_glob = folder.arg("*.csv");
    for input in [&bars, &of_glob, &tape] {
        run(&["--input", input, "--out", &here]).exits(2).says(&["holds ", "which rows may replace"]);
    }
    run(&["--input", &here, "--out", &below]).exits(2).says(&["is below the folder that is read"]);
    assert!(!Path::new(&below).exists());
    assert_eq!(std::fs::read_to_string(&bars).unwrap(), ticks(3, SECOND));
    let backwards = ["--start", "2026-01-06", "--end", "2026-01-05"];
    run(&[&["--input", &tape], &backwards[..]].concat()).exits(78).says(&["an end that is not after the start"]);
    replay(&[&["play", &tape], &backwards[..]].concat()).exits(2).says(&["an end that is not after the start"]);
}

#[test]
fn symbols_that_are_not_on_the_tape_are_told() {
    let folder = Folder::new();
    let line = |i: i64| format!("{},{},{},1\n", START + i * SECOND, ["IBM", "AIG", "C"][i as usize % 3], 1 + i % 7);
    let tape = folder.write("tape.csv", HEADER.to_owned() + &(0..30).map(line).collect::<String>());
    folder.write("tree/IBM/2013-08-05.csv", "timestamp,open,close,high,low\n2013-08-05 09:30:00,1,1,1,1\n");
    for (input, asked, absent) in [
        (&tape, "IBM,AIG", None),
        (&tape, "IBM,AGI,XYZ", Some("nothing was read of AGI (did you mean AIG?), XYZ\n")),
        (&tape, "imb", Some("nothing was read of imb (did you mean IBM?)\n")),
        (&folder.arg("tree"), "IBM,IBN", Some("nothing was read of IBN\n")),
        (&"market".to_owned(), "S001,S501", Some("nothing was read of S501 (did you mean S")),
    ] {
        let out = folder.arg("out");
        let args =
            ["--input", input, "--symbols", asked, "--out", &out, "--set", "market.length=10ms", "--speed", "max"];
        for workers in ["1", "2"] {
            let done = run(&[&args[..], &["--workers", workers]].concat()).exits(0);
            assert_eq!(done.stderr.contains("nothing was read of"), absent.is_some(), "{asked}: {}", done.stderr);
            let done = done.says(absent.as_slice());
            let played = Played::read(Path::new(&out), done.stderr);
            let names = played.summary["absent"].as_array().unwrap().len();
            assert_eq!(played.summary["symbols"], asked.split(',').count() - names);
        }
        run(&[&["verify"], &args[..]].concat()).exits(0).says(absent.as_slice());
    }
}
