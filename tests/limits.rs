//! What takes too much: with `limits.memory` what does not fit is refused before the run where that is known, and ends it
//! where it is not; and no print fills more than a million windows. What this can catch: a limit that nobody looks at, a
//! message that names no way out. What it cannot: how fast memory is taken.

mod program;

use program::{Folder, run};

#[test]
fn what_is_known_not_to_fit_is_refused_before_the_run() {
    let check = |limit: &str, set: &str| run(&["check", "--set", &format!("limits.memory={limit}"), "--set", set]);
    for (set, told) in [
        ("market.length=10m", "the ticks of the made-up market take 14.3 GiB, and limits.memory is 4.0 GiB"),
        ("output.buffer=5GiB", "rows that wait for the end of the run take 5.0 GiB"),
    ] {
        check("4GiB", set).exits(78).says(&[set.split('=').next().unwrap(), told]);
        check("off", set.replace("10m", "10s").as_str()).exits(0);
    }
    let batches = ["--batch", "10M", "--set", "batch.max_bytes=1GiB", "--set", "limits.memory=512MiB"];
    run(&[&["check"], &batches[..]].concat()).exits(78).says(&["batch.max_ticks", "full batches of all workers"]);
    run(&["check", "--set", "limits.memory=much"]).exits(78).says(&["limits.memory", "or \"auto\", or \"off\""]);
    let small = ["--set", "limits.memory=512MiB"];
    run(&[&["sweep", "--rate", "3M/s,4M/s", "--for", "1s"], &small[..]].concat())
        .exits(2)
        .says(&["fit", "limits.memory"]);
}

#[test]
fn a_run_that_takes_more_is_ended_with_a_message() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", "ts_event,symbol,price,size\n1000000000,A,3,1\n");
    let small = ["--set", "output.buffer=64KiB", "--set", "batch.max_bytes=64KiB"];
    let run = |limit: &str| run(&[&["--input", &input, "--set", limit], &small[..]].concat());
    run("limits.memory=1MiB").exits(1).says(&["more than limits.memory (1.0 MiB)", "late.horizon"]);
    run("limits.memory=1TiB").exits(0);
}

#[test]
fn a_run_that_fails_keeps_what_it_rejected() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", format!("ts_event,symbol,price,size\nx,A,3,1\n1000,A,3,{}\n", u32::MAX));
    let out = folder.path().join("out");
    let count = ["window.kind=count", "window.of=volume", "window.every=1", "window.overshoot=split"];
    let settings = count.into_iter().flat_map(|setting| ["--set", setting]);
    let args = ["--input", &input, "--out", out.to_str().unwrap()].into_iter().chain(settings);
    run(&args.collect::<Vec<_>>()).exits(1);
    let rejected = std::fs::read_to_string(out.join("rejected.jsonl")).unwrap();
    assert!(rejected.contains("\"line\":2") && rejected.ends_with("}\n"), "{rejected:?}");
}

#[test]
fn a_print_that_would_fill_too_many_windows_ends_a_run_and_its_oracle() {
    let folder = Folder::new();
    let tape = |name: &str, size: u32| {
        let lines = format!("ts_event,symbol,price,size\n999,B,3,1\n1000,A,3,{size}\n");
        folder.write(name, lines)
    };
    let count = |command: &[&str], input: &str, of: &str, every: &str| {
        let settings = [&format!("window.of={of}"), &format!("window.every={every}"), "window.overshoot=split"];
        let settings = settings.into_iter().flat_map(|setting| ["--set", setting]);
        run(&command
            .iter()
            .copied()
            .chain(["--input", input, "--set", "window.kind=count"])
            .chain(settings)
            .collect::<Vec<_>>())
    };
    let (most, more) = (tape("most.csv", 1_000_000), tape("more.csv", 1_000_001));
    let said = count(&["verify"], &most, "volume", "1").exits(0).stdout;
    assert!(said.starts_with("equal: 1000001 bars"), "{said}");
    let all = tape("all.csv", u32::MAX);
    let explain = ["explain", "--why", "A", "1000"];
    for command in [&[][..], &["verify"], &explain] {
        for (input, of, every, windows) in [
            (&more, "volume", "1", "1000001"),
            (&all, "volume", "1", "4294967295"),
            (&all, "volume", "4294", "1000225"),
            (&all, "notional", "9", "1431655765"),
        ] {
            let done = count(command, input, of, every).exits(1);
            let done = done.says(&["windows of A: its print of ", " at 1000 ", windows, "window.every"]);
            assert!(done.stdout.lines().count() < 3, "{done:?}");
        }
    }
    let whole = "window.overshoot=whole";
    run(&[
        "--input",
        &all,
        "--set",
        "window.kind=count",
        "--set",
        "window.of=volume",
        "--set",
        "window.every=1",
        "--set",
        whole,
    ])
    .exits(0);
}
