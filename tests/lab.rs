//! `ohlcv sweep` from outside: what it runs, what it writes, and what it refuses. What this can catch: a cell that is
//! not run or not written, settings that show in the digest, a flag that does not do what it says. What it cannot: any
//! figure, which is for a quiet machine.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tapeflow::batch::BatchLimits;
use tapeflow::config::{Config, Layers};
use tapeflow::lab::{Capacity, Cell, Results, Setting, Sweep, Tune, summary, table};
use tapeflow::latency::{Closes, Recorder, Stages};
use tapeflow::ledger::Ledger;
use tapeflow::operators::Written;
use tapeflow::runtime::{Outcome, Snapshot, Watch};

/// A small market, so that a cell is over soon.
const SMALL: &str = "--rate 5k/s --for 300ms --warmup 100ms --set market.symbols=20 --set window.length=50ms";

fn sweep(args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ohlcv"));
    command.arg("sweep").args(args.split_whitespace()).stdin(Stdio::null()).output().unwrap()
}

/// Of a sweep that must not begin: its standard error, behind the exit code.
fn refused(args: &str) -> String {
    let output = sweep(args);
    assert_eq!(output.stdout, b"", "{args}");
    format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_cell_is_run_and_written_and_has_the_same_digest() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("sweep");
    let args = format!("{SMALL} --batch 1,64 --repeat 2 --goal max<=1h --out {}", folder.display());
    let output = sweep(&args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("/4  ") && text.contains("batch=64, repeat 2"), "{text}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.starts_with("ohlcv sweep: 2 cells x 2 repeats"), "{table}");

    let csv = fs::read_to_string(folder.join("sweep.csv")).unwrap();
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let column = |head: &str| heads.iter().position(|it| *it == head).unwrap();
    let distinct = |head: &str| rows.iter().map(|row| row[column(head)]).collect::<BTreeSet<_>>();
    assert_eq!(rows.len(), 2 * 2 * 8, "{csv}");
    assert_eq!(distinct("batch.max_ticks"), BTreeSet::from(["1", "64"]));
    assert_eq!(distinct("repeat"), BTreeSet::from(["1", "2"]));
    assert_eq!((distinct("digest").len(), distinct("digest").contains("")), (1, false), "{csv}");
    // Warm-up: 1,500 of 2,000 ticks are measured, in each of their stages.
    for row in rows.iter().filter(|row| ["tick", "source", "batch", "operators"].contains(&row[column("stage")])) {
        assert_eq!((row[column("count")], row[column("offered")], row[column("censored")]), ("1500", "5000", "false"));
    }

    let json: Value = serde_json::from_str(&fs::read_to_string(folder.join("sweep.json")).unwrap()).unwrap();
    assert!(json["manifest"]["order"].as_array().unwrap().len() >= 4);
    assert_eq!(json["manifest"]["goal"], "max <= 1h");
    let cells = json["cells"].as_array().unwrap();
    assert_eq!(cells.iter().map(|cell| cell["runs"].as_array().unwrap().len()).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(cells[0]["settings"]["batch.max_ticks"], "1");
}

#[test]
fn what_varies_may_stand_in_a_file_and_cells_may_be_skipped() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("my.toml");
    fs::write(&file, "[sweep]\nrepeat = 1\n[sweep.vary]\nworkers = [1, 2]\nbatch.max_delay = [\"0s\", \"2ms\"]\n")
        .unwrap();
    let args = format!("{SMALL} --config {} --skip workers=2,linger=2ms", file.display());
    let output = sweep(&args);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(table.starts_with("ohlcv sweep: 3 cells x 1 repeat,"), "{table}");
    assert!(!table.contains('*'), "{table}");
}

#[test]
fn a_recorded_tape_is_read_once_and_played_in_every_cell_by_every_schedule() {
    let out = tempfile::tempdir().unwrap();
    let (tape, folder) = (out.path().join("tape.csv"), out.path().join("sweep"));
    let line = |i: u64| {
        format!("{},{},{}.5,{}\n", 1_000_000_000 + i * 1_000_000 + i * i, ["A", "B"][i as usize % 2], 5 + i, i)
    };
    let lines: String = (0..1_000).map(line).collect();
    fs::write(&tape, format!("ts_event,symbol,price,size\n{lines}not a tick\n")).unwrap();
    let run = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ohlcv"));
        command.args(args.split_whitespace()).stdin(Stdio::null()).output().unwrap()
    };
    let tape = format!("--input {} --set window.length=50ms --out {}", tape.display(), folder.display());
    assert!(run(&tape).status.success());
    let summary: Value = serde_json::from_str(&fs::read_to_string(folder.join("summary.json")).unwrap()).unwrap();

    let args = "--rate 5k/s --arrivals constant,poisson,tape --batch 1,64 --repeat 1 --warmup 20ms";
    let output = run(&format!("sweep {tape} {args}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("1 lines were rejected and are in no run").count(), 1, "{text}");
    let json: Value = serde_json::from_str(&fs::read_to_string(folder.join("sweep.json")).unwrap()).unwrap();
    let cells = json["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 6);
    for cell in cells {
        assert_eq!(cell["runs"][0]["digest"], summary["digest"], "{cell}");
        let (offered, counted) =
            (cell["runs"][0]["offered"].as_f64().unwrap(), &cell["runs"][0]["latency"]["tick"]["count"]);
        // 5,000 a second, but for the warm-up's cut and the chance of 1,000 gaps: five of their standard errors.
        assert!((offered / 5_000.0 - 1.0).abs() < 0.16, "{cell}");
        assert!((800..1_000).contains(&counted.as_u64().unwrap()), "{cell}");
    }
    let text =
        |args: &str| String::from_utf8_lossy(&run(&format!("sweep {tape} --batch 1,2 {args}")).stderr).into_owned();
    assert!(text("").contains("cells are played at a rate"));
    assert!(
        text("--rate 5k/s --for 1s")
            .contains("the tape lasts 200 ms at this pace, and the warm-up and --for take 1.50 s")
    );
    assert!(text("--rate 5k/s").contains("all of it is warm-up"));
}

#[test]
fn few_ticks_have_their_rate_and_advice_that_helps() {
    let out = tempfile::tempdir().unwrap();
    let file = |name: &str, lines: &str| {
        let path = out.path().join(name);
        fs::write(&path, format!("ts_event,symbol,price,size\n{lines}")).unwrap();
        path.display().to_string()
    };
    let offered = |args: &str| {
        let folder = out.path().join("sweep");
        let output = sweep(&format!("{args} --batch 1,2 --repeat 1 --warmup 0s --out {}", folder.display()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let json: Value = serde_json::from_str(&fs::read_to_string(folder.join("sweep.json")).unwrap()).unwrap();
        json["cells"][0]["runs"][0]["offered"].as_f64().unwrap()
    };
    // Ten ticks are due from 0 to 900 ms.
    assert_eq!(offered("--rate 10/s --for 1s"), 10.0);
    let one = file("one.csv", "1000000000,A,5,1\n");
    assert_eq!(offered(&format!("--input {one} --rate 1k/s")), 1_000.0);
    let three = file("three.csv", "1000000000,A,5,1\n2000000000,A,5,1\n3000000000,A,5,1\n");
    assert_eq!(offered(&format!("--input {three} --rate 1k/s")), 1_000.0);

    let told = refused("--batch 1,2 --rate 2.5/s --for 1s --warmup 0s");
    assert!(told.contains("lasts 400 ms at this pace") && told.contains("a longer --for or a higher rate"), "{told}");
    let told = refused("--batch 1,2 --rate 2/s --for 100ms --warmup 1900ms");
    assert!(told.contains("a shorter --warmup, a longer --for or a higher rate"), "{told}");
    let told = refused(&format!("--batch 1,2 --input {} --rate 1k/s", file("none.csv", "")));
    assert!(told.contains("there is no tick to play: the input is empty"), "{told}");
}

#[test]
fn a_capacity_is_searched_for_and_every_run_is_written() {
    let out = tempfile::tempdir().unwrap();
    let (tape, folder) = (out.path().join("tape.csv"), out.path().join("capacity"));
    let lines: String = (0..1_000).map(|i| format!("{},A,5,1\n", 1_000_000_000 + i * 1_000_000)).collect();
    fs::write(&tape, format!("ts_event,symbol,price,size\n{lines}")).unwrap();
    let run = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ohlcv"));
        let args = format!("capacity --input {} --warmup 20ms {args}", tape.display());
        command.args(args.split_whitespace()).stdin(Stdio::null()).output().unwrap()
    };
    // The tape is over after 220 ms at 4,545 a second: no higher rate can be tried.
    let args = "--batch 1,64 --rate 4k/s --for 200ms --repeat 1";
    let output = run(&format!("{args} --out {}", folder.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        String::from_utf8_lossy(&output.stdout).starts_with("ohlcv capacity: the highest rate that is sustained\n")
    );
    let json: Value = serde_json::from_str(&fs::read_to_string(folder.join("capacity.json")).unwrap()).unwrap();
    assert_eq!(json["manifest"]["complete"], true);
    let csv = fs::read_to_string(folder.join("capacity.csv")).unwrap();
    let settings = json["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 2);
    for of in settings {
        let batch = of["settings"]["batch.max_ticks"].as_str().unwrap();
        let tried = of["capacity"]["tried"].as_array().unwrap();
        assert_eq!(tried[0]["rate"], 4_000.0);
        assert!(tried.iter().all(|it| it["rate"].as_f64().unwrap() <= 4_545.0), "{tried:?}");
        assert_eq!(csv.lines().filter(|line| line.starts_with(&format!("{batch},"))).count(), tried.len(), "{csv}");
        // What is said to be sustained was tried and held, and its latency was measured below it.
        if let Some(rate) = of["capacity"]["sustained"].as_f64() {
            assert!(tried.iter().any(|it| it["rate"] == rate && it["fails"].is_null()), "{of}");
            assert_eq!(of["capacity"]["at_shares"].as_array().unwrap().len(), 2);
        }
    }
    let told = |args: &str| String::from_utf8_lossy(&run(args).stderr).into_owned();
    assert!(told("--rate 1k/s,2k/s --for 1s").contains("source.rate is what is searched for"));
    assert!(told("--speed 2x --for 200ms").contains("give a rate to begin with"));
    assert!(told("--rate 1k/s").contains("say how long each rate is measured"));
    assert!(told("--slo fast --rate 1k/s").contains("is not a goal"));
}

#[test]
fn a_tuning_prints_the_settings_or_puts_them_into_a_file() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("my.toml");
    fs::write(&file, "# mine\n[batch]\nmax_ticks = 5 # five\n\n[late]\ndisorder = \"5ms\"\n").unwrap();
    let run = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ohlcv"));
        command.arg("tune").args(args.split_whitespace()).stdin(Stdio::null()).output().unwrap()
    };
    let small = "--rate 2k/s --budget 2s --for 200ms --warmup 50ms --set market.symbols=20";
    // An hour is kept by anything, unless the machine stands still at the end of too many runs.
    let output = run(&format!("--target-p99 1h {small} --write {}", file.display()));
    let (why, text) = (String::from_utf8_lossy(&output.stderr), fs::read_to_string(&file).unwrap());
    assert_eq!(output.stdout, b"", "{why}");
    if output.status.success() {
        assert!(why.contains("keeps the target with the fewest cores"), "{why}");
        assert!(text.starts_with("# mine\n[batch]\nmax_ticks = 16384 # five\npolicy = \""), "{text}");
        assert!(text.contains("\nmax_delay = \"") && text.ends_with("\n[late]\ndisorder = \"5ms\"\n"), "{text}");
        let check = Command::new(env!("CARGO_BIN_EXE_ohlcv")).arg("check").arg("--config").arg(&file).output().unwrap();
        assert!(check.status.success(), "{text}");
    } else {
        assert!(why.contains("does not sustain the rate"), "{why}");
        assert!(text.starts_with("# mine\n[batch]\nmax_ticks = 5 # five\n\n"), "{text}");
    }

    // A nanosecond by nothing.
    let output = run(&format!("--target-p99 1ns {small}"));
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
    let told = |args: &str| String::from_utf8_lossy(&run(args).stderr).into_owned();
    assert!(told("--target-p99 1ms --rate 1k/s --batch 5").contains("are what is looked for"));
    assert!(told("--target-p99 1ms --rate 1k/s,2k/s").contains("a list of values is for"));
    assert!(told("--rate 1k/s").contains("say what is to be kept: --target-p99 2ms"));
    assert!(told("--target-p99 0s --rate 1k/s").contains("no tick takes no time"));
    fs::write(&file, "batch = 5\n").unwrap();
    assert!(told(&format!("--target-p99 1ms {small} --write {}", file.display())).contains("`batch` is not a table"));
}

/// A sweep of one tick a millisecond for 50 ms, with so many batch sizes.
fn two_cells() -> Sweep {
    let cell = |batch: &i64| {
        let mut layers =
            Layers::new("ohlcv.toml", include_str!("../pipelines/ohlcv.toml"), &["source.columns", "sweep.vary"]);
        layers.flag("--batch", "batch.max_ticks", *batch);
        layers.flag("--rate", "source.rate", "1k/s");
        layers.flag("--for", "source.for", "50ms");
        let config = Config::read(&mut layers).unwrap();
        Cell::new(vec![batch.to_string()], config, &layers.finish().unwrap(), 0).unwrap()
    };
    Sweep {
        pipeline: "ohlcv".into(),
        keys: vec!["batch.max_ticks".into()],
        labels: vec!["batch".into()],
        cells: [1, 16].iter().map(cell).collect(),
        repeat: 1,
        warmup: 0,
        goal: None,
        seed: 1,
        settings: Value::Null,
    }
}

/// Runs it with a pipeline that is played by `digest`: a digest for each cell, or none to hang until it is stopped.
fn run(sweep: &Sweep, digest: [Option<u64>; 2]) -> Results {
    let play = &mut |at: usize, cell: &Cell, around: &tapeflow::source::Surroundings, _, watch: &mut dyn Watch| {
        let (mut read, mut waited) = (cell.ticks().unwrap(), 0);
        let stages = Stages::default();
        while digest[at].is_none() && !around.stop.load(Ordering::Relaxed) {
            assert!(waited < 60_000, "it was never stopped");
            std::thread::sleep(Duration::from_millis(10));
            (read, waited) = (cell.ticks().unwrap() - 1, waited + 10);
            watch.progress(&Snapshot { elapsed: 0, applied: 0, backlog: 0, rows: 0, stages: &stages });
        }
        Ok(Outcome {
            ledger: Ledger { read, on_time: read, ..Ledger::default() },
            unfilled: Default::default(),
            written: Written { digest: digest[at].unwrap_or(0), ..Written::default() },
            stages,
            closes: Arc::new(Closes::new(1, None)),
            batches: 1,
            held: Vec::new(),
            elapsed: 1,
            applied_by: 1,
            cpu_seconds: Some(0.0),
        })
    };
    sweep.run(&AtomicBool::new(false), play).unwrap()
}

/// Plays nothing, and says that all ticks were applied after `latency(cell)` nanoseconds by the run's clock, or too
/// late where `capacity` ticks a second are exceeded. `clock` is what that clock shows instead of the time.
fn made_up(capacity: f64, clock: fn(u64) -> u64, latency: impl Fn(&Cell) -> u64) -> impl FnMut(&Cell) -> Outcome {
    move |cell| {
        let (read, rate) = (cell.ticks().unwrap(), cell.rate().unwrap());
        let (mut recorder, ends) = (Recorder::since(0), cell.ends());
        let dues: Vec<u64> = (0..read).map(|i| (i as f64 * 1e9 / rate) as u64).collect();
        for due in dues.iter().copied().map(clock) {
            recorder.arrived(&[due], 1, due, 0);
            recorder.sealed(due);
            recorder.applied(1, due + latency(cell));
        }
        // However late the machine that this runs on wakes up.
        let applied_by = if rate <= capacity { ends } else { dues[dues.len() - 1] + 10_000_000_000 };
        Outcome {
            ledger: Ledger { read, on_time: read, ..Ledger::default() },
            unfilled: Default::default(),
            written: Written::default(),
            stages: *recorder.swap(Box::default()),
            closes: Arc::new(Closes::new(1, None)),
            batches: 1,
            held: Vec::new(),
            elapsed: 1,
            applied_by,
            cpu_seconds: Some(0.0),
        }
    }
}

#[test]
fn littles_law_holds_of_any_wait_and_finds_a_clock_that_is_wrong() {
    let sweep = two_cells();
    // The smaller batches take 3 us, the larger ones a millisecond.
    let latency = |cell: &Cell| if cell.config.knobs.batch.max_ticks == 1 { 3_000 } else { 1_000_000 };
    let littles = |clock: fn(u64) -> u64| {
        let play = &mut |_: usize, cell: &Cell, _: &_, _, _: &mut dyn Watch| Ok(made_up(1e9, clock, latency)(cell));
        let results = sweep.run(&AtomicBool::new(false), play).unwrap();
        results.runs.iter().map(|runs| runs[0].little.unwrap()).collect::<Vec<_>>()
    };
    let [short, long] = littles(|now| now)[..] else { panic!("two cells") };
    // 1,000 a second wait for 3 us, or for a millisecond.
    assert!(short.holds && (short.backlog - 0.003).abs() < 1e-9, "{short:?}");
    assert!(long.holds && (long.backlog - 1.0).abs() < 1e-9, "{long:?}");
    // A clock that is a thousandth fast, one that is late, and one that stops.
    for clock in [|now| now + now / 1_000, |now| now + 10_000, |now: u64| now.min(25_000_000)] {
        assert!(littles(clock).iter().all(|little| !little.holds));
    }
}

#[test]
fn a_made_up_machines_capacity_is_found() {
    let two = two_cells();
    let of = |goal: Option<&str>| {
        let capacity = Capacity {
            pipeline: "ohlcv".into(),
            keys: two.keys.clone(),
            labels: two.labels.clone(),
            cells: two.cells.clone(),
            repeat: 1,
            goal: goal.map(|goal| goal.parse().unwrap()),
            settings: Value::Null,
        };
        // The smaller batch takes 5,000 a second and the larger 50,000, where latency is a thousandth of the rate.
        let capacities = [5_000.0, 50_000.0];
        let play = &mut |at: usize, cell: &Cell, _: &_, _, _: &mut dyn Watch| {
            Ok(made_up(capacities[at], |now| now, |cell| cell.rate().unwrap() as u64 * 1_000)(cell))
        };
        let found = capacity.run(&AtomicBool::new(false), play).unwrap();
        (capacity.table(&found), found)
    };
    let (table, found) = of(None);
    for (found, capacity) in found.iter().zip([5_000.0, 50_000.0]) {
        let rate = found.sustained.unwrap();
        assert!(rate <= capacity && capacity < rate * 1.02 + 1.0, "{rate} for {capacity}");
        assert_eq!(found.limit.as_deref(), Some("the last tick was applied 10.0 s late"));
        let shares: Vec<f64> = found.at_shares.iter().map(|(share, at)| at.offered / rate / share).collect();
        assert!(shares.iter().all(|share| (share - 1.0).abs() < 0.02), "{shares:?}");
    }
    assert!(
        table.contains(" noise  limited by\n") && table.contains("the last tick was applied 10.0 s late"),
        "{table}"
    );
    // 20,000 a second take 20 ms.
    let (_, found) = of(Some("p99 <= 20ms"));
    assert!(found[0].sustained.unwrap() > 4_900.0);
    let rate = found[1].sustained.unwrap();
    assert!((19_600.0..=20_000.0).contains(&rate), "{rate}");
    assert!(found[1].limit.as_deref().unwrap().starts_with("p99 is 20."), "{:?}", found[1].limit);
}

#[test]
fn a_load_that_is_too_much_is_not_sustained_whatever_batches_wait_for() {
    // At a thousand ticks a second. Before the run ends, the backlog is looked at each millisecond.
    let sustained = |linger_s: u64, capacity: f64, applied: fn(u64) -> u64| {
        let mut sweep = two_cells();
        for cell in &mut sweep.cells {
            cell.config.knobs.batch.max_delay = Duration::from_secs(linger_s);
        }
        let play = &mut |_: usize, cell: &Cell, _: &_, _, watch: &mut dyn Watch| {
            let stages = Stages::default();
            for ms in 0..=50 {
                let (elapsed, applied) = (ms * 1_000_000, applied(ms));
                watch.progress(&Snapshot { elapsed, applied, backlog: 0, rows: 0, stages: &stages });
            }
            Ok(made_up(capacity, |now| now, |_| 1_000)(cell))
        };
        let results = sweep.run(&AtomicBool::new(false), play).unwrap();
        let shown = table(&sweep, &results);
        let sustained = [0, 1].map(|cell| summary(&results.runs[cell]).unwrap().sustainable);
        assert_eq!(
            shown.contains("not sustained, in half of the repeats or more: batch=1 ("),
            !sustained[0],
            "{shown}"
        );
        sustained
    };
    assert_eq!(sustained(0, 1e9, |ms| ms), [true, true]);
    // The last tick is applied ten seconds late, and no linger makes up for it.
    assert_eq!(sustained(20, 500.0, |ms| ms), [false, false]);
    // All is applied in time, and yet half of it has waited by the end; in a batch of 16 they may have gathered.
    assert_eq!(sustained(0, 1e9, |ms| ms / 2), [false, false]);
    assert_eq!(sustained(20, 1e9, |ms| ms * 3 / 4), [false, true]);
}

#[test]
fn a_made_up_machine_is_tuned_within_its_target() {
    let cell = two_cells().cells.swap_remove(0);
    let with = |setting: Setting| {
        let mut cell = cell.clone();
        cell.config.knobs.batch =
            BatchLimits::new(setting.max_ticks, Duration::from_nanos(setting.max_delay), u64::MAX);
        Ok(cell)
    };
    let tuned = |target: u64, capacity: f64| {
        let tune = Tune { target, rate: 1_000.0, workers: 1, budget: Duration::from_secs(600) };
        // A batch takes 100 us beside what it waits.
        let latency = |cell: &Cell| 100_000 + cell.config.knobs.batch.max_delay.as_nanos() as u64;
        let play =
            &mut |_: usize, cell: &Cell, _: &_, _, _: &mut dyn Watch| Ok(made_up(capacity, |now| now, latency)(cell));
        let tuned = tune.run(&AtomicBool::new(false), &with, play).unwrap();
        (tuned.best(), tuned.why(&tune))
    };
    let (best, why) = tuned(2_000_000, 1e9);
    assert!(best.is_some_and(|best| best.max_delay <= 1_900_000), "{why}");
    assert!(why.contains("linger 1ms") && why.contains("keeps the target with the fewest cores"), "{why}");
    let (best, why) = tuned(90_000, 1e9);
    assert!(best.is_none() && why.contains("misses the target by"), "{why}");
    let (best, why) = tuned(2_000_000, 1.0);
    assert!(best.is_none() && why.contains("does not sustain the rate"), "{why}");
}

#[test]
fn cells_that_played_the_same_ticks_and_have_other_rows_are_named() {
    let sweep = two_cells();
    assert_eq!(sweep.disagreement(&run(&sweep, [Some(7), Some(7)])), None);
    let text = sweep.disagreement(&run(&sweep, [Some(7), Some(8)])).unwrap();
    assert_eq!(text, "  batch=16, repeat 1: digest 0000000000000008, but 0000000000000007 in batch=1");
}

#[test]
fn rates_that_were_passed_over_and_runs_that_were_run_once_more_are_told() {
    let sweep = Sweep { goal: Some("p99 <= 1ms".parse().unwrap()), ..two_cells() };
    let play = &mut |_: usize, cell: &Cell, _: &_, _, _: &mut dyn Watch| Ok(made_up(1e9, |now| now, |_| 3_000)(cell));
    let mut results = sweep.run(&AtomicBool::new(false), play).unwrap();
    // However quiet the machine was, and as if the second cell had twice the rate.
    results.discarded = vec![vec![], vec![results.runs[1][0].clone()]];
    results.runs.iter_mut().flatten().for_each(|run| run.noisy = false);
    let told = |results: &Results| table(&sweep, results);
    results.runs[1][0].offered *= 2.0;
    assert!(
        told(&results).contains("keeps p99 <= 1ms, is sustained and was run in quiet: batch=16\n"),
        "{}",
        told(&results)
    );
    assert!(!told(&results).contains("passed over"));
    results.runs[1][0].noisy = true;
    for line in [
        "highest rate that keeps p99 <= 1ms, is sustained and was run in quiet: batch=1\n",
        "  passed over: higher rates that kept it too, but were noisy: batch=16\n",
        "  run once more, since they were noisy, and not counted: batch=16, repeat 1 (p99 3.00 us)\n",
    ] {
        assert!(told(&results).contains(line), "{line} is not in: {}", told(&results));
    }
}

#[test]
fn what_was_not_measured_before_an_interrupt_is_not_said_to_be_none() {
    let (sweep, stop) = (two_cells(), AtomicBool::new(true));
    let play = &mut |_: usize, cell: &Cell, _: &_, _, _: &mut dyn Watch| Ok(made_up(1e9, |now| now, |_| 3_000)(cell));
    let results = sweep.run(&stop, play).unwrap();
    let table = table(&sweep, &results);
    assert!(table.contains("interrupted") && table.contains("not run"), "{table}");
    assert!(!table.contains("tells no processor time"), "{table}");
    let Sweep { pipeline, keys, labels, cells, repeat, goal, settings, .. } = sweep;
    let capacity = Capacity { pipeline, keys, labels, cells, repeat, goal, settings };
    let found = capacity.run(&stop, play).unwrap();
    let table = capacity.table(&found);
    assert!(table.contains("unknown") && !table.contains("none"), "{table}");
}

#[test]
fn a_cell_that_does_not_drain_is_stopped_and_has_no_digest() {
    let sweep = two_cells();
    let results = run(&sweep, [Some(7), None]);
    assert!(results.complete);
    let [drained, stopped] =
        [0, 1].map(|cell| (results.runs[cell][0].censored, results.runs[cell][0].digest.is_some()));
    assert_eq!((drained, stopped), ((false, true), (true, false)));
    assert!(!summary(&results.runs[1]).unwrap().sustainable);
    assert_eq!(sweep.disagreement(&results), None);
}

#[test]
fn a_sweep_that_makes_no_sense_is_refused_before_anything_is_run() {
    assert!(refused("--for 1s").starts_with("Some(2) ohlcv: error: sweep: nothing varies;"));
    assert!(refused("--batch 1,2 --input - --rate 1k/s").contains("standard input comes once"));
    assert!(refused("--batch 1,2 --input no.csv --rate 1k/s").contains("no.csv"));
    assert!(refused("--batch 1,2 --for 1s --burst 2x/1ms/5s").contains("shorter than a burst's period"));
    assert!(refused("--batch 1,2 --speed max").contains("cells are played at a rate"));
    assert!(refused("--batch 1,2 --limit 10").contains("give --for instead of --limit"));
    assert!(refused("--batch 1,2 --vary batch=3,4").contains("batch.max_ticks is varied twice"));
    assert!(refused("--batch 1,2 --skip rate=1/s").contains("`rate` does not vary in this sweep"));
    assert!(refused("--batch 1,2 --rate 1M/s --for 10m").contains("give a shorter --for"));
    assert!(refused("--vary sweep.repeat=1,2").contains("sweep.repeat is the same for all cells"));
    assert!(refused("--batch 1,x").starts_with("Some(78) "));
    assert!(refused("--batch 1,2 --rate 1k/s --out tcp://127.0.0.1:9").contains("give --out DIR, or --out none"));
    assert!(refused("--linger 1ms,1000us --rate 1k/s,1000/s --skip linger=1ms").contains("leaves no cell to run"));
    assert!(refused("--vary batch.max_tick=1,2").contains("did you mean `max_ticks`?"));
    assert!(refused("--batch 1,2 --repeat 0").contains("not a number of repeats"));
    assert!(refused("--batch 1,2 --goal p99").contains("is not a goal"));
}
