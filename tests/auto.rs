//! Batches that keep to a target by themselves, and limits that change under way, from outside. What this can catch: a
//! policy or a change that shows in the digest, a decision that is not written, a mistake in a file that ends or
//! changes a run. What it cannot: whether the target is kept, which is for `benches/auto.rs` on a quiet machine.

mod program;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

use program::{Folder, HANGS, Played, Running, ohlcv, run};
use serde_json::Value;

/// A market of so many seconds at 2,000 ticks a second.
fn market(seconds: u32) -> Vec<String> {
    ["market.rate=2k/s", "market.symbols=20", &format!("market.length={seconds}s")]
        .into_iter()
        .flat_map(|it| ["--set".to_owned(), it.to_owned()])
        .collect()
}

fn words<'a>(market: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    market.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

fn summary(out: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(out).join("summary.json")).unwrap()).unwrap()
}

#[test]
fn a_target_changes_no_digest_and_every_decision_is_written() {
    let (folder, market) = (Folder::new(), market(3));
    let digest = |out: &str, args: &[&str]| {
        run(&words(&market, &[args, &["--out", out]].concat())).exits(0);
        summary(out)["digest"].clone()
    };
    let greedy = digest(&folder.arg("greedy"), &["--speed", "max"]);
    let out = folder.arg("auto");
    for args in [&["--batch", "auto"][..], &["--target-p99", "200ms", "--workers", "1"]] {
        assert_eq!(digest(&out, args), greedy, "{args:?}");
    }
    let report = Played::read(Path::new(&out), String::new()).summary;
    assert_eq!(report["batching"].as_array().unwrap().len(), 1);
    assert_eq!(report["batching"][0]["limits"], "auto, p99 <= 200ms, max_ticks 16384");
    assert_eq!(report["batching"][0]["tick"]["count"], 6_000);
    let auto = &report["batching"][0]["auto"];
    // A tick in every half a millisecond, and due within three seconds and a little more, so in twelve intervals.
    assert_eq!((&auto["target_p99"], &auto["intervals"]), (&200_000_000.into(), &12.into()), "{auto}");
    assert!(auto["met"].as_u64().unwrap() <= 12 && auto["workers"].as_array().unwrap().len() == 1, "{auto}");
    let decisions = std::fs::read_to_string(Path::new(&out).join("decisions.jsonl")).unwrap();
    let decisions: Vec<Value> = decisions.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(auto["decisions"], decisions.len());
    for decision in &decisions {
        for input in ["rate", "load", "a", "b", "noise", "headroom", "over"] {
            assert!(decision["inputs"][input].is_f64(), "{input}: {decision}");
        }
    }
    // Nothing of a run that decided something stays when one follows that decides nothing.
    digest(&out, &["--speed", "max"]);
    assert!(!Path::new(&out).join("decisions.jsonl").exists());
}

#[test]
fn a_target_that_cannot_be_is_refused() {
    run(&["check", "--target-p99", "0s"]).exits(78).says(&["a latency of nothing", "--target-p99"]);
    let text = run(&["config", "--target-p99", "5ms", "--linger", "1ms"]).exits(0).stdout;
    assert!(text.contains("policy = \"auto\"") && text.contains("max_delay = \"1ms\""), "{text}");
    let text = run(&["config", "--batch", "auto"]).exits(0).stdout;
    assert!(text.contains("policy = \"auto\"") && text.contains("max_ticks = 16384"), "{text}");
}

/// The lines of a program's standard error as they come.
fn follow(args: &[&str]) -> (Running, Receiver<String>) {
    let mut child = ohlcv(args).stdout(Stdio::null()).spawn().unwrap();
    let (sender, lines) = channel();
    let stderr = child.stderr.take().unwrap();
    std::thread::spawn(move || BufReader::new(stderr).lines().for_each(|line| drop(sender.send(line.unwrap()))));
    (Running::follow(child), lines)
}

/// Waits for a line that holds these words.
#[track_caller]
fn hear(lines: &Receiver<String>, words: &str) -> String {
    let mut heard = String::new();
    while let Ok(line) = lines.recv_timeout(HANGS) {
        if line.contains(words) {
            return line;
        }
        heard += &(line + "\n");
    }
    panic!("`{words}` was not said: {heard}");
}

#[cfg(unix)]
#[test]
fn the_batch_section_of_a_file_is_taken_over_under_way_and_nothing_else_is() {
    let (folder, market) = (Folder::new(), market(8));
    let (file, out) = (folder.write("my.toml", "[batch]\nmax_ticks = 7\n"), folder.arg("out"));
    let (running, lines) = follow(&words(&market, &["--config", &file, "--out", &out, "--workers", "1"]));
    hear(&lines, "backlog");
    folder.write("my.toml", "[batch]\nmax_tick = 9\npolicy = \"linger\"\n");
    hear(&lines, "did you mean `max_ticks`?");
    hear(&lines, "my.toml cannot be used: the settings stay as they were");
    folder.write(
        "my.toml",
        "workers = 2\n[batch]\npolicy = \"linger\"\nmax_delay = \"2ms\"\n[late]\ndisorder = \"1ms\"\n",
    );
    running.signal("HUP");
    // The flag is stronger than the file, so the number of workers does not differ.
    let line = hear(&lines, "a restart is needed");
    assert!(line.ends_with("a restart is needed to change late.disorder"), "{line}");
    let line = hear(&lines, "batches are now");
    let what = "batches are now linger, max_delay 2ms, max_ticks 16384; they were greedy, max_ticks 7";
    assert!(line.ends_with(what), "{line}");
    hear(&lines, "latency by the settings of batches");
    hear(&lines, "from 0 ns on: greedy, max_ticks 7");
    hear(&lines, "on: linger, max_delay 2ms, max_ticks 16384");
    running.end().exits(0);

    let report = summary(&out);
    let counts: Vec<u64> =
        report["batching"].as_array().unwrap().iter().map(|it| it["tick"]["count"].as_u64().unwrap()).collect();
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (2, 16_000), "{report}");
    assert!(counts.iter().all(|count| *count > 0), "{report}");
    run(&words(&market, &["--speed", "max", "--out", &out])).exits(0);
    assert_eq!(report["digest"], summary(&out)["digest"]);
}
