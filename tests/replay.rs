//! `replay` from outside: what it sends, in which order, with which due times, and how it ends. What this can catch:
//! a record lost, doubled, changed or out of order on its way through a feed, and a flag that does not do what it
//! says. What it cannot: how punctual a feed is, which no test on a shared machine can tell.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Ticks of one file: with and without all the rest, a quote, corrections, disorder, and lines that are no ticks.
const TICKS: &str = r#"ts_event,symbol,price,size,seq,venue,side,conditions,action,ref_seq,ts_recv
1000000000,A,10.25,100,5,XNAS,B,@,,,1000000900
1000000000,B,7,1,,,,,,,
2000000000,A,10.5,200,6,XNAS,S,"@,T",trade,,
1500000000,B,7.000000001,2,,ARCX,,,,,
2000000000,C,,,1,,,,quote,,
oops,A,1,1,,,,,,,
3000000000,A,,,7,XNAS,,,cancel,5,
3000000000,A,10.75,150,8,XNAS,,,correct,6,
4000000000,B,-1,1,,,,,,,
4000000000,B,8,0,,,,"""x",,,
"#;

/// What is sent of them.
const SENT: &str = r#"{"ts_event":1000000000,"symbol":"A","price":10.25,"size":100,"seq":5,"venue":"XNAS","side":"B","conditions":"@","ts_recv":1000000900}
{"ts_event":1000000000,"symbol":"B","price":7,"size":1,"seq":0}
{"ts_event":2000000000,"symbol":"A","price":10.5,"size":200,"seq":6,"venue":"XNAS","side":"S","conditions":"@,T"}
{"ts_event":1500000000,"symbol":"B","price":7.000000001,"size":2,"seq":1,"venue":"ARCX"}
{"ts_event":2000000000,"symbol":"C","seq":1,"action":"quote"}
{"ts_event":3000000000,"symbol":"A","seq":7,"venue":"XNAS","action":"cancel","ref_seq":5}
{"ts_event":3000000000,"symbol":"A","price":10.75,"size":150,"seq":8,"venue":"XNAS","action":"correct","ref_seq":6}
{"ts_event":4000000000,"symbol":"B","price":8,"size":0,"seq":2,"conditions":"\"x"}
"#;

/// A folder for one test, in which its commands run.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replay"));
        command.current_dir(self.path()).args(args.split(' ')).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// What `replay play` sends.
    fn play(&self, args: &str) -> String {
        let output = self.run(&format!("play {args}"));
        assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The exit code and standard error of a run that sends nothing.
    fn refused(&self, args: &str) -> (Option<i32>, String) {
        let output = self.run(args);
        assert_eq!(output.stdout, b"", "{args}");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// A tape of so many ticks, a second of event time apart.
fn seconds(count: u64) -> String {
    let lines = (1..=count).map(|i| format!("{},A,{i},{i}\n", i * 1_000_000_000));
    "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>()
}

fn dues(sent: &str) -> Vec<i64> {
    sent.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["due"].as_i64().unwrap()).collect()
}

#[test]
fn ticks_are_sent_as_they_stand_and_bad_lines_are_told() {
    let folder = Folder::new(&[("ticks.csv", TICKS)]);
    let output = folder.run("play ticks.csv --speed max");
    assert_eq!(String::from_utf8_lossy(&output.stdout), SENT);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("sent 8 records in "), "{told}");
    assert!(told.contains("rejected 2 lines:\n  ticks.csv:7: ts_event `oops` is neither"), "{told}");
    assert!(!told.contains("schedule"), "{told}");
}

#[test]
fn what_was_sent_reads_back_in_both_forms() {
    let folder = Folder::new(&[("ticks.csv", TICKS)]);
    for sent_as in ["csv", "jsonl"] {
        let again = format!("again.{sent_as}");
        assert_eq!(folder.play(&format!("ticks.csv --speed max --as {sent_as} --to {again}")), "");
        assert_eq!(folder.play(&format!("{again} --speed max")), SENT, "{sent_as}");
    }
    // A feed that begins with a quote has no prices in its first line.
    let quote = SENT.lines().nth(4).unwrap().to_owned() + "\n";
    folder.write("quote.jsonl", &quote);
    assert_eq!(folder.play("quote.jsonl --speed max"), quote);
}

#[test]
fn texts_that_a_line_could_not_carry_on_are_rejected() {
    let folder = Folder::new(&[("a.jsonl", &SENT.replace(r#"@,T"#, r#"@\nT"#))]);
    // Bars are named by their folder.
    fs::create_dir(folder.path().join("A,B")).unwrap();
    folder.write("A,B/2013-08-05.csv", "timestamp,open,high,low,close\n2013-08-05 09:30:00,1,1,1,1\n");
    for (path, told) in [("a.jsonl", "conditions `@?T` is not a text"), ("A,B", "symbol `A,B` holds a comma")] {
        let output = folder.run(&format!("play {path} --speed max --as csv"));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("rejected 1 lines:\n") && error.contains(told), "{error}");
    }
}

#[test]
fn files_are_merged_by_time_and_ties_by_name() {
    let tape = |symbol: &str, times: [u64; 3]| {
        let lines = times.map(|ts| format!("{ts},{symbol},1,1\n"));
        "ts_event,symbol,price,size\n".to_owned() + &lines.concat()
    };
    // The third tick of b is late in its own file, and stays where it is there.
    let folder = Folder::new(&[("a.csv", &tape("A", [1, 3, 5])), ("b.csv", &tape("B", [1, 4, 2]))]);
    folder.write("ignored.txt", "no tape");
    let merged = "{A1,B1,A3,B4,B2,A5}";
    for path in [".", "?.csv"] {
        let sent = folder.play(&format!("{path} --speed max"));
        let sent = sent.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            format!("{}{}", line["symbol"].as_str().unwrap(), line["ts_event"])
        });
        assert_eq!(format!("{{{}}}", sent.collect::<Vec<_>>().join(",")), merged);
    }
}

#[test]
fn both_trees_of_the_course_are_played_as_the_same_ticks() {
    let folder = Folder::new(&[]);
    assert!(folder.run("generate --layout tutorial --scale 0.0025 --out data").status.success());
    let sent = folder.play("data/minute --speed max");

    // The same by hand: all bars by time, then symbol, each as its open, high, low and close.
    let mut bars = Vec::new();
    for tree in fs::read_dir(folder.path().join("data/minute")).unwrap() {
        let tree = tree.unwrap();
        let symbol = tree.file_name().into_string().unwrap();
        let mut days: Vec<_> = fs::read_dir(tree.path()).unwrap().map(|day| day.unwrap().path()).collect();
        days.sort();
        let mut seq = 0;
        for line in days
            .iter()
            .flat_map(|day| fs::read_to_string(day).unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        {
            let [time, open, close, high, low] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            let time: jiff::civil::DateTime = time.parse().unwrap();
            let ts = time.in_tz("America/New_York").unwrap().timestamp().as_nanosecond();
            let prints = [open, high, low, close].map(|price| {
                let price = price.strip_suffix(".0").unwrap_or(price);
                let line = format!(r#"{{"ts_event":{ts},"symbol":"{symbol}","price":{price},"size":0,"seq":{seq}}}"#);
                seq += 1;
                line + "\n"
            });
            bars.push((ts, symbol.clone(), prints.concat()));
        }
    }
    bars.sort();
    assert_eq!(bars.len(), 2 * 21 * 390);
    assert!(
        sent == bars.into_iter().map(|(_, _, lines)| lines).collect::<String>(),
        "minute is not played as it stands"
    );
    assert!(sent == folder.play("data/json --speed max"), "json is not played as minute is");
}

#[test]
fn limits_are_exact() {
    let folder = Folder::new(&[("tape.csv", &seconds(40))]);
    let count = |args: &str| folder.play(&format!("tape.csv {args}")).lines().count();
    assert_eq!(count("--speed max"), 40);
    assert_eq!(count("--speed max --limit 7"), 7);
    assert_eq!(count("--speed max --limit 0"), 0);
    assert_eq!(count("--speed max --limit 1k --as csv"), 1 + 40);
    assert_eq!(count("--speed 1000x --for 12ms"), 12);
    assert_eq!(count("--speed 1000x --for 12ms --limit 5"), 5);
    assert_eq!(count("--rate 1k/s --for 12ms"), 12);
    assert_eq!(count("--rate 1k/s --for 0s"), 0);
}

#[test]
fn every_line_carries_its_place_on_the_schedule() {
    let folder = Folder::new(&[("tape.csv", &seconds(30))]);
    for args in ["--rate 1000/s", "--speed 1000x"] {
        let dues = dues(&folder.play(&format!("tape.csv {args}")));
        assert_eq!(dues.len(), 30);
        assert!(dues.windows(2).all(|pair| pair[1] - pair[0] == 1_000_000), "{args}: {dues:?}");
    }
    // The tape's own gaps, at a rate: 30 ticks in 29 steps of a millisecond, within a rounding.
    let dues_of = |args: &str| dues(&folder.play(&format!("tape.csv {args}")));
    let scaled = dues_of("--rate 1k/s --arrivals tape");
    assert!(scaled.windows(2).all(|pair| (pair[1] - pair[0] - 1_000_000).abs() <= 1), "{scaled:?}");
    // Gaps, counted from the first: random ones follow from the seed, a burst squeezes some and stretches others.
    let gaps = |args: &str| dues_of(args).windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    let poisson = gaps("--rate 1k/s --arrivals poisson");
    assert_eq!(poisson, gaps("--rate 1k/s --arrivals poisson --seed 42"));
    assert_ne!(poisson, gaps("--rate 1k/s --arrivals poisson --seed 43"));
    let burst = gaps("--rate 1k/s --burst 4x/2ms/10ms");
    assert_eq!((burst.iter().min(), burst.iter().max()), (Some(&400_000), Some(&1_600_000)), "{burst:?}");
    // A due time that came with the tape is not passed on.
    let dued = folder.play("tape.csv --rate 1M/s");
    folder.write("dued.jsonl", &dued);
    assert_eq!(folder.play("dued.jsonl --speed max"), folder.play("tape.csv --speed max"));
    let told = folder.run("play tape.csv --rate 1M/s").stderr;
    assert!(String::from_utf8_lossy(&told).contains("\nlater than the schedule by: p50 "));
}

#[test]
fn columns_zones_and_formats_can_be_told() {
    let folder = Folder::new(&[("odd.txt", "ts,sym,price,qty\n5,A,1.5,3\n")]);
    let sent =
        folder.play("odd.txt --format csv --column ts_event=ts --column symbol=sym --column size=qty --speed max");
    assert_eq!(sent, "{\"ts_event\":5,\"symbol\":\"A\",\"price\":1.5,\"size\":3,\"seq\":0}\n");
    folder.write("bars.csv", "timestamp,open,high,low,close,symbol\n1970-01-02 00:00:00,1,1,1,1,A\n");
    let sent = folder.play("bars.csv --zone UTC --speed max --limit 1");
    assert_eq!(sent, "{\"ts_event\":86400000000000,\"symbol\":\"A\",\"price\":1,\"size\":0,\"seq\":0}\n");
}

#[test]
fn words_that_do_not_go_together_are_usage_errors() {
    let folder = Folder::new(&[("tape.csv", &seconds(3)), ("tape.txt", &seconds(3))]);
    for (args, told) in [
        ("play", "<PATH>"),
        ("play -", "standard input is live already"),
        ("play tape.csv --speed 60x --rate 1k/s", "cannot be used with"),
        ("play tape.csv --speed fast", "is not a speed"),
        ("play tape.csv --speed auto", "--speed auto is for pipelines"),
        ("play tape.csv --rate 5", "is not a rate"),
        ("play tape.csv --limit x", "is not a whole number"),
        ("play tape.csv --for 5", "is not a duration"),
        ("play tape.csv --for 5s --speed max", "--for needs a schedule"),
        ("play tape.csv --arrivals poisson", "--arrivals: arrivals at no rate; give a rate"),
        ("play tape.csv --burst 2x/1s/5s --speed 2x", "--burst: "),
        ("play tape.csv --rate 5/s --burst 2x", "is not a burst"),
        ("play tape.csv --zone Mars", "unknown time zone"),
        ("play tape.csv --column size", "write ours=theirs"),
        ("play tape.csv --column sice=qty", "`sice` is not one of our columns"),
        ("play tape.csv --as xml", "possible values: csv, jsonl"),
        ("play tape.csv --to tape.txt", "tape.txt exists"),
        ("play tape.txt", "give --format csv or --format jsonl"),
    ] {
        let (code, error) = folder.refused(args);
        assert_eq!(code, Some(2), "{args}: {error}");
        assert!(error.contains(told), "{args}: {error}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("tape.txt")).unwrap(), seconds(3));
}

#[test]
fn inputs_that_cannot_be_read_are_told() {
    let folder = Folder::new(&[("tape.csv", &seconds(3)), ("bad.csv", "a,b\n1,2\n")]);
    for (args, told) in [
        ("play missing.csv", "reading missing.csv: "),
        ("play *.jsonl", "reading *.jsonl: no file here"),
        ("play bad.csv --to out.jsonl", "`ts_event`, `symbol`, `price`, `size` is missing"),
        ("play tape.csv --to no/such/folder", "writing to no/such/folder: "),
    ] {
        let (code, error) = folder.refused(args);
        assert_eq!(code, Some(1), "{args}: {error}");
        assert!(error.starts_with("replay: error: ") && error.contains(told), "{args}: {error}");
    }
    assert!(!folder.path().join("out.jsonl").exists());
}

#[test]
fn a_reader_that_leaves_ends_the_feed_quietly() {
    // More than a pipe holds.
    let folder = Folder::new(&[("tape.csv", &seconds(20_000))]);
    for args in ["--speed max", "--rate 1M/s --as csv"] {
        let mut command = folder.command(&format!("play tape.csv {args}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args}");
        assert_eq!(output.status.code(), Some(0), "{args}");
    }
}

#[test]
fn ctrl_c_ends_the_feed_with_its_summary() {
    let folder = Folder::new(&[("tape.csv", &seconds(20))]);
    // The second record is due in an hour.
    let mut command = folder.command("play tape.csv --speed 0.00027x");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut sent = String::new();
    out.read_line(&mut sent).unwrap();
    let kill = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(kill.success());
    out.read_to_string(&mut sent).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(sent.lines().count(), 1);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("sent 1 records in ") && told.contains(", interrupted\n"), "{told}");
}
