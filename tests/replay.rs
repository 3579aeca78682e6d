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
        ("play tape.csv --gaps squeeze", "write preserve, compress=5s or skip-overnight"),
        ("play tape.csv --gaps skip-overnight --rate 1k/s", "--gaps: shorter gaps where event time has no schedule"),
        ("play tape.csv --start noon", "is no time; write e.g. \"2026-01-05T09:45\""),
        ("play tape.csv --symbols A,,B", "a symbol is missing"),
        ("play tape.csv --drop 0.5", "is not a part of all records"),
        ("play tape.csv --late-by 5s", "--late"),
        ("play tape.csv --jitter 5ms --speed max", "--jitter: jitter without a schedule; give a speed"),
        ("play tape.csv --arrivals tape --rate 1k/s --loop", "--loop: a loop that is scaled to a rate"),
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

#[test]
fn a_loop_in_which_all_is_lost_hears_ctrl_c() {
    let folder = Folder::new(&[("tape.csv", &seconds(20))]);
    let lost = "--loop --drop 100% --speed max";
    let set = "--set source.loop=true --set source.drop=100% --speed max --set source.input=tape.csv";
    let ohlcv = env!("CARGO_BIN_EXE_ohlcv");
    // Each makes a file when it listens to signals.
    for (program, args, made) in [
        (env!("CARGO_BIN_EXE_replay"), format!("play tape.csv {lost} --to sent.jsonl"), "sent.jsonl"),
        (ohlcv, format!("{set} --out out"), "out/latency.hlog"),
        (ohlcv, format!("{set} --set source.input=market --set market.length=1ms --out made"), "made/latency.hlog"),
    ] {
        let mut command = Command::new(program);
        command.current_dir(folder.path()).args(args.split(' ')).stdin(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        while !folder.path().join(made).exists() {
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn quotes_need_no_columns_of_trades() {
    let quotes = "ts_event,symbol,bid,bid_size,ask,ask_size\n1,A,10,100,10.01,200\n2,A,,,10.02,5\n3,A,,,,\n";
    let folder = Folder::new(&[("quotes.csv", quotes)]);
    let sent = folder.play("quotes.csv --speed max");
    assert_eq!(
        sent,
        "{\"ts_event\":1,\"symbol\":\"A\",\"seq\":0,\"action\":\"quote\",\"bid\":10,\"bid_size\":100,\"ask\":10.01,\"ask_size\":200}\n\
         {\"ts_event\":2,\"symbol\":\"A\",\"seq\":1,\"action\":\"quote\",\"ask\":10.02,\"ask_size\":5}\n\
         {\"ts_event\":3,\"symbol\":\"A\",\"seq\":2,\"action\":\"quote\"}\n"
    );
    // With both, what has a price is a trade; what has neither price nor quote is neither.
    let both = "ts_event,symbol,price,size,bid,ask\n1,A,10,1,,\n2,A,,,9,11\n3,A,,,,\n";
    folder.write("both.csv", both);
    let output = folder.run("play both.csv --speed max");
    let sent = String::from_utf8(output.stdout).unwrap();
    assert_eq!(sent.lines().map(|line| line.contains("quote")).collect::<Vec<_>>(), [false, true]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("both.csv:4: price is missing"));
    folder.write(
        "quote.jsonl",
        "{\"ts_event\":1,\"symbol\":\"A\",\"bid\":9,\"ask\":11}\n{\"ts_event\":2,\"symbol\":\"A\"}\n",
    );
    let output = folder.run("play quote.jsonl --speed max");
    assert!(String::from_utf8_lossy(&output.stderr).contains("quote.jsonl:2: price is missing"));
}

/// A small generated tape in `tape`.
fn generated(args: &str) -> Folder {
    let folder = Folder::new(&[]);
    let made = folder.run(&format!("generate --out tape --trades-per-day 300 --quotes-per-trade 2 {args}"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

#[test]
fn a_generated_tape_is_what_inspect_says() {
    let folder = generated("--symbols 3 --days 2 --start 2012-11-21 --cancels 300 --corrections 200");
    let names: Vec<String> = glob::glob(&format!("{}/tape/*/*", folder.path().display()))
        .unwrap()
        .map(|path| path.unwrap().strip_prefix(folder.path()).unwrap().display().to_string())
        .collect();
    // Thanksgiving lies between.
    let days = ["2012-11-21", "2012-11-23"];
    assert_eq!(names, ["S000", "S001", "S002"].map(|s| days.map(|day| format!("tape/{s}/{day}.csv"))).concat());
    let told: Value = serde_json::from_slice(&folder.run("inspect tape --json").stdout).unwrap();
    let text: String = names.iter().map(|name| fs::read_to_string(folder.path().join(name)).unwrap()).collect();
    let with = |word: &str| text.lines().filter(|line| line.contains(word)).count() as u64;
    assert_eq!(told["records"], text.lines().count() as u64 - 6);
    assert_eq!(told["quotes"], with(",quote,"));
    assert_eq!(told["cancels"], with(",cancel,"));
    assert_eq!(told["corrections"], with(",correct,"));
    assert!(with(",cancel,") > 5 && with(",correct,") > 5);
    assert_eq!((&told["files"], &told["symbols"], &told["rejected"]), (&6.into(), &3.into(), &0.into()));
    assert_eq!(told["busiest"][0][0], "S000");
    assert_eq!(told["venues"].as_array().unwrap().len(), 4);
    let sequence = &told["sequence"];
    assert_eq!(sequence["numbered_by"], "venue and symbol");
    for none in ["gaps", "missing", "duplicates", "out_of_order"] {
        assert_eq!(sequence[none], 0, "{none}");
    }
    // 09:30 on the first day, and the closing auction of a half day.
    assert_eq!(told["first"].as_i64().unwrap() / 1_000_000_000, 1_353_508_200);
    assert_eq!(told["last"].as_i64().unwrap() / 1_000_000_000, 1_353_693_600);
    let text = String::from_utf8(folder.run("inspect tape").stdout).unwrap();
    assert!(text.contains("\nfirst     2012-11-21 09:30:00.") && text.contains(" EST\n"), "{text}");
}

#[test]
fn inspect_asks_about_times_that_may_be_milliseconds() {
    let folder = Folder::new(&[("ticks.csv", "ts_event,symbol,price,size\n1767623400000,A,1,1\n")]);
    let asked = String::from_utf8(folder.run("inspect ticks.csv").stdout).unwrap();
    assert!(
        asked.contains("\nlast      1969-12-31 19:29:27.6234 EST; if these times are no nanoseconds, say --time-unit")
    );
    let told = String::from_utf8(folder.run("inspect ticks.csv --time-unit ms").stdout).unwrap();
    assert!(told.contains("\nlast      2026-01-05 09:30:00 EST\n"), "{told}");
}

#[test]
fn inspect_counts_what_is_odd() {
    let lines = "ts_event,symbol,price,size,seq,venue\n\
                 1000000000,A,1,1,1,X\n1005000000,B,1,1,2,X\n1009000000,A,1,1,5,X\n\
                 1001000000,B,1,1,4,X\n1009000000,A,1,1,5,X\nbad\n3000000000,B,1,1,6,X\n";
    let folder = Folder::new(&[("tape.csv", lines), ("plain.csv", &(seconds(3) + "3000000000,A,3,3\n"))]);
    let told: Value = serde_json::from_slice(&folder.run("inspect tape.csv --json").stdout).unwrap();
    assert_eq!((&told["records"], &told["rejected"]), (&6.into(), &1.into()));
    assert_eq!((&told["disordered"], &told["disorder_max"]), (&1.into(), &8_000_000.into()));
    // The venue numbers its symbols together: 3 never comes, 4 comes late, and 5 twice.
    assert_eq!(
        told["sequence"].to_string(),
        r#"{"duplicates":1,"gaps":1,"missing":1,"numbered_by":"venue","out_of_order":1}"#
    );
    let rates = &told["rates"];
    assert_eq!((&rates["average"], &rates["peak_1s"], &rates["peak_10ms"]), (&3.0.into(), &5.into(), &500.into()));
    let plain: Value = serde_json::from_slice(&folder.run("inspect plain.csv --json").stdout).unwrap();
    assert_eq!((&plain["repeats"], &plain["sequence"]), (&1.into(), &Value::Null));
    assert_eq!(plain["first_rows"].as_array().unwrap().len(), 5);
}

#[test]
fn inspect_compares_bars_as_a_whole() {
    let bars = "timestamp,open,high,low,close\n2026-01-05 09:31:00,5,5,5,5\n2026-01-05 09:32:00,5,6,5,5\n";
    let again = format!("{bars}2026-01-05 09:32:00,5,6,5,5\n");
    let folder = Folder::new(&[("once.csv", bars), ("again.csv", &again)]);
    for (tape, repeats) in [("once.csv", 0), ("again.csv", 1)] {
        let told: Value = serde_json::from_slice(&folder.run(&format!("inspect {tape} --json")).stdout).unwrap();
        assert_eq!(told["repeats"], repeats, "{tape}");
    }
}

#[test]
fn a_tape_that_is_in_a_folder_in_two_formats_is_not_played_twice() {
    let folder = generated("--symbols 2 --days 1");
    assert!(folder.run("convert tape --to jsonl --out tape/more").status.success());
    let (code, error) = folder.refused("play tape --speed max");
    assert_eq!(code, Some(2));
    assert!(error.contains("the same rows in two formats: give the folder of one, or a pattern"), "{error}");
    assert!(folder.run("play tape/**/* --speed max").status.success());
}

#[test]
fn inspect_shows_halts_and_the_longest_silences() {
    // As busy as this, nobody is silent for half as long as a halt.
    for (halts, expected) in [("100%", 4), ("0%", 0)] {
        let folder = Folder::new(&[]);
        let args = format!("generate --out tape --symbols 2 --days 2 --quotes-per-trade 0 --halts {halts}");
        assert!(folder.run(&args).status.success());
        let told: Value = serde_json::from_slice(&folder.run("inspect tape --json").stdout).unwrap();
        let found = told["halts"].as_array().unwrap();
        assert_eq!(found.len(), expected, "{}", told["halts"]);
        let seconds = |silence: &Value| silence["length"].as_u64().unwrap() / 1_000_000_000;
        assert!(found.iter().all(|halt| (300..450).contains(&seconds(halt))), "{}", told["halts"]);
        assert_eq!(seconds(&told["silence_of_symbol"]) >= 300, expected > 0);
        assert!(seconds(&told["silence"]) < 300, "{}", told["silence"]);
        let text = String::from_utf8(folder.run("inspect tape").stdout).unwrap();
        assert!(text.contains("\nsilence   within a day, the longest: "), "{text}");
        assert_eq!(text.contains("\nhalts     4: "), expected == 4, "{text}");
    }
}

#[test]
fn converting_there_and_back_gives_the_same_bytes() {
    let folder = generated("--symbols 2 --cancels 300 --corrections 200");
    fs::create_dir(folder.path().join("odd")).unwrap();
    folder.write("odd/ticks.csv", TICKS);
    folder.write("odd/due.jsonl", &folder.play("odd/ticks.csv --rate 1k/s"));
    for tape in ["tape", "odd"] {
        let told = folder.run(&format!("convert {tape} --to jsonl --out {tape}.1"));
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        assert!(folder.run(&format!("convert {tape}.1 --to csv --out {tape}.2 --threads 3")).status.success());
        assert!(folder.run(&format!("convert {tape}.2 --to jsonl --out {tape}.3")).status.success());
        let read = |tree: &str| -> Vec<String> {
            let files = glob::glob(&format!("{}/{tree}/**/*.*", folder.path().display())).unwrap();
            files.map(|file| fs::read_to_string(file.unwrap()).unwrap()).collect()
        };
        assert!(read(&format!("{tape}.1")) == read(&format!("{tape}.3")), "{tape}");
        assert!(tape != "tape" || read("tape") == read("tape.2"), "the generated tape");
    }
    assert!(folder.path().join("tape.2/S001/2026-01-05.csv").exists());
    assert_eq!(folder.play("tape.1 --speed max"), folder.play("tape --speed max"));
    let converted = fs::read_to_string(folder.path().join("odd.1/ticks.jsonl")).unwrap();
    // A record without a number is none with one.
    assert!(converted.contains(r#"{"ts_event":1000000000,"symbol":"B","price":7,"size":1}"#), "{converted}");
    let (code, error) = folder.refused("convert tape --to csv --out tape.2");
    assert_eq!(code, Some(2));
    assert!(error.contains("tape.2 exists and is not empty"), "{error}");
}

#[test]
fn a_tape_that_was_not_written_to_its_end_is_marked_and_not_played() {
    let folder = generated("--symbols 2 --days 1");
    assert!(folder.run("convert tape --to jsonl --out whole").status.success());
    assert!(!folder.path().join("whole/UNFINISHED").exists());
    // The second file ends the conversion after the first one was written.
    folder.write("tape/zzz.csv", "this,is,no,tape\n");
    folder.refused("convert tape --to jsonl --out cut --threads 1");
    assert!(folder.path().join("cut/S000").is_dir());
    let (whole, part) = ("play cut --speed max", "inspect cut/S000");
    for command in [whole, part, "play cut/*/*.jsonl --speed max", "convert cut/S000 --to csv --out again"] {
        let (code, error) = folder.refused(command);
        assert_eq!(code, Some(1), "{command}");
        assert!(error.contains("cut: what is in it was not written to its end"), "{command}: {error}");
    }
}

/// `20120702,0,10.1234,10.5,10,10.4321,9000.4` and a line end, as bzip2 packs it.
const PACKED: &[u8] =
    b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x19\x2c\x1a\xae\x00\x00\x0f\x58\x00\x00\x10\x00\x05\x7e\
    \xa0\x20\x00\x31\x00\xd3\x4d\x02\x54\xf4\x87\x94\xc9\x1f\x99\xb9\x40\xe8\xa4\x2c\x78\x8e\x87\x2d\
    \x5c\xc5\x71\xf1\x0e\x7c\x5d\xc9\x14\xe1\x42\x40\x64\xb0\x6a\xb8";

#[test]
fn real_days_are_filled_in_exactly() {
    let folder = Folder::new(&[]);
    fs::create_dir(folder.path().join("daily")).unwrap();
    let days =
        "20120702,0,10.1234,10.5,10,10.4321,9000.4\n20120703,0,10.4,10.41,10.2,10.3,4000\n20120705,0,1,1,1,1,3\n";
    folder.write("daily/table_x.csv", days);
    fs::write(folder.path().join("daily/table_y.csv.bz2"), PACKED).unwrap();
    let made = folder.run("generate --out tape --daily daily --days 3 --trades-per-day 200 --as jsonl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let final_bar_of = |symbol: &str, day: &str| {
        let text = fs::read_to_string(folder.path().join(format!("tape/{symbol}/{day}.jsonl"))).unwrap();
        let mut prints = std::collections::BTreeMap::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let key = |seq: &str| (line["venue"].to_string(), line[seq].as_u64().unwrap());
            match line["action"].as_str() {
                None => _ = prints.insert(key("seq"), (line["ts_event"].as_i64().unwrap(), line.clone())),
                Some("cancel") => _ = prints.remove(&key("ref_seq")).unwrap(),
                Some("correct") => {
                    let print = prints.get_mut(&key("ref_seq")).unwrap();
                    (print.1["price"], print.1["size"]) = (line["price"].clone(), line["size"].clone());
                }
                _ => {}
            }
        }
        let price = |line: &Value| line["price"].as_f64().unwrap();
        let open = prints.values().min_by_key(|print| print.0).unwrap();
        let close = prints.values().max_by_key(|print| print.0).unwrap();
        let high = prints.values().map(|print| price(&print.1)).fold(f64::MIN, f64::max);
        let low = prints.values().map(|print| price(&print.1)).fold(f64::MAX, f64::min);
        let volume: u64 = prints.values().map(|print| print.1["size"].as_u64().unwrap()).sum();
        (price(&open.1), high, low, price(&close.1), volume)
    };
    let final_bar = |day| final_bar_of("x", day);
    assert_eq!(final_bar("2012-07-02"), (10.1234, 10.5, 10.0, 10.4321, 9_000));
    assert_eq!(final_bar_of("y", "2012-07-02"), final_bar("2012-07-02"));
    assert_eq!(final_bar("2012-07-03"), (10.4, 10.41, 10.2, 10.3, 4_000));
    assert_eq!(final_bar("2012-07-05"), (1.0, 1.0, 1.0, 1.0, 3));
    for (args, told) in [
        ("generate --out new --daily none", "reading none"),
        ("generate --out new --daily tape", "no file here is called like table_ibm.csv.bz2"),
        ("generate --out new --daily daily --start 2013-01-01", "there is no day to fill in"),
        ("generate --out new --scale 2", "--scale is for --layout tutorial"),
        ("generate --out new --layout tutorial --days 2", "--layout tutorial has minute bars"),
        ("generate --out new --quotes-per-trade -1", "unexpected argument"),
        ("generate --out new --cancels 9999 --corrections 2", "10,000 at most"),
    ] {
        let (code, error) = folder.refused(args);
        assert!(code == Some(2) || code == Some(1), "{args}: {error}");
        assert!(error.contains(told), "{args}: {error}");
    }
    assert!(!folder.path().join("new").exists());
}

/// The symbols and seconds of what was sent, as in `A1 B2`.
fn told(sent: &str) -> String {
    let lines = sent.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        format!("{}{}", line["symbol"].as_str().unwrap(), line["ts_event"].as_i64().unwrap() / 1_000_000_000)
    });
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_part_of_the_tape_is_played() {
    let lines = (1..=6).map(|i| format!("{i}000000000,{},1,1\n", if i % 3 == 0 { "B" } else { "A" }));
    let tape = "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>();
    let folder = Folder::new(&[("tape.csv", &tape)]);
    let play = |args: &str| told(&folder.play(&format!("tape.csv {args}")));
    assert_eq!(play("--speed max --start 1970-01-01T00:00:02Z --end 1970-01-01T00:00:05Z"), "A2 B3 A4");
    assert_eq!(play("--speed max --zone UTC --start 1970-01-01T00:00:05 --symbols B,C"), "B6");
    assert_eq!(play("--speed max --start 1969-12-31T19:00:06"), "B6");
    assert_eq!(play("--speed max --end 1970-01-01 --zone UTC"), "");
    // Who is not there is told, and the rest is played.
    for (symbols, told) in [("A,B", ""), ("A,AB,C", "nothing was read of AB (did you mean B?), C\n")] {
        let done = folder.run(&format!("play tape.csv --speed max --symbols {symbols}"));
        let summary = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success() && summary.ends_with(told), "{summary}");
        assert_eq!(summary.contains("nothing was read"), !told.is_empty());
    }
    // The schedule begins with what is played, and numbers stay those of the whole tape.
    let sent = folder.play("tape.csv --speed 1000x --zone UTC --start 1970-01-01T00:00:04 --symbols A");
    let seqs: Vec<Value> =
        sent.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].clone()).collect();
    assert_eq!((told(&sent), seqs), ("A4 A5".into(), vec![2.into(), 3.into()]));
    assert_eq!(dues(&sent)[1] - dues(&sent)[0], 1_000_000);
}

#[test]
fn files_that_are_passed_over_are_told() {
    let folder = Folder::new(&[]);
    fs::create_dir(folder.path().join("mixed")).unwrap();
    folder.write("mixed/tape.csv", &seconds(3));
    folder.write("mixed/notes.txt", "not a tape");
    for args in ["play mixed --speed max", "inspect mixed", "convert mixed --to jsonl --out converted"] {
        let done = folder.run(args);
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && told.contains("mixed/notes.txt"), "{args}: {told}");
    }
}

#[test]
fn silences_are_shortened_and_a_loop_goes_on_the_next_day() {
    let tape = "ts_event,symbol,price,size\n1000000000,A,1,1\n2000000000,A,1,1\n90000000000000,A,1,1\n";
    let folder = Folder::new(&[("tape.csv", tape)]);
    let gaps = |args: &str| -> Vec<i64> {
        let dues = dues(&folder.play(&format!("tape.csv --speed 1000x --zone UTC --max-jump 100d {args}")));
        dues.windows(2).map(|pair| pair[1] - pair[0]).collect()
    };
    assert_eq!(gaps("--gaps compress=5s"), [1_000_000, 5_000_000]);
    assert_eq!(gaps("--gaps skip-overnight"), [1_000_000, 1_000_000]);
    let looped = folder.play("tape.csv --speed max --zone UTC --loop --limit 5");
    // Two days long, so each pass is two days later.
    assert_eq!(told(&looped), "A1 A2 A90000 A172801 A172802");
    let seqs: Vec<i64> =
        looped.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4]);
    assert_eq!(gaps("--gaps skip-overnight --loop --limit 4"), [1_000_000, 1_000_000, 1_000_000]);
    assert_eq!(told(&folder.play("tape.csv --speed max --loop --end 1960-01-01")), "");
}

#[test]
fn faults_strike_the_same_records_each_time() {
    let lines = (1..=2000).map(|i| format!("{i}000000,A,1,1,{i}\n"));
    let tape = "ts_event,symbol,price,size,seq\n".to_owned() + &lines.collect::<String>();
    let folder = Folder::new(&[("tape.csv", &tape)]);
    let faults = "--drop 2% --duplicate 1% --late 3% --late-by 20ms";
    let output = folder.run(&format!("play tape.csv --speed max {faults} --to faulty.jsonl"));
    let summary = String::from_utf8(output.stderr).unwrap();
    let struck = summary.lines().find(|line| line.starts_with("faults: ")).unwrap();
    let counts: Vec<u64> = struck.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [dropped, duplicated, late] = counts[..] else { panic!("{struck}") };
    assert!((20..70).contains(&dropped) && (8..40).contains(&duplicated) && (35..90).contains(&late), "{struck}");
    let told: Value = serde_json::from_slice(&folder.run("inspect faulty.jsonl --json").stdout).unwrap();
    assert_eq!(told["records"].as_u64().unwrap(), 2000 - dropped + duplicated);
    assert_eq!(told["sequence"]["duplicates"].as_u64().unwrap(), duplicated);
    // A late record may be the last of its neighbours that is left.
    assert!(told["sequence"]["missing"].as_u64().unwrap().abs_diff(dropped) <= 2, "{told}");
    assert!(told["disordered"].as_u64().unwrap().abs_diff(late) <= late / 2, "{told}");
    assert!(told["disorder_max"].as_i64().unwrap() < 20_000_000);
    let again = folder.play(&format!("tape.csv --speed max {faults}"));
    assert!(again == fs::read_to_string(folder.path().join("faulty.jsonl")).unwrap());
    assert!(again != folder.play(&format!("tape.csv --speed max {faults} --seed 7")));
    let dues = dues(&folder.play("tape.csv --rate 1M/s --jitter 100us"));
    assert!(dues.is_sorted() && dues.windows(2).any(|pair| pair[1] - pair[0] > 1_000), "{dues:?}");
}

#[test]
fn a_slow_reader_is_waited_for_or_left_behind() {
    let folder = Folder::new(&[("tape.csv", &seconds(20_000))]);
    for (slow_reader, told) in [("block", ""), ("warn", "the reader is slow"), ("skip", "\nskipped ")] {
        let args = format!("play tape.csv --rate 1M/s --patience 10ms --slow-reader {slow_reader}");
        let mut command = folder.command(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::with_capacity(64, child.stdout.take().unwrap());
        let mut sent = String::new();
        out.read_line(&mut sent).unwrap();
        // All is due long before this is over, and a pipe holds a fraction of it.
        std::thread::sleep(std::time::Duration::from_millis(300));
        out.read_to_string(&mut sent).unwrap();
        let output = child.wait_with_output().unwrap();
        let summary = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && summary.contains(told), "{slow_reader}: {summary}");
        let skipped = summary.lines().find_map(|line| line.strip_prefix("skipped ")?.split(' ').next()).unwrap_or("0");
        let skipped: usize = skipped.replace(',', "").parse().unwrap();
        assert_eq!(skipped > 0, slow_reader == "skip", "{summary}");
        assert_eq!(sent.lines().count() + skipped, 20_000);
    }
}

/// The digest and the ledger of five-minute bars of an input.
fn ohlcv(folder: &Folder, args: &str, input: Stdio) -> (String, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ohlcv"));
    command.current_dir(folder.path()).env("TAPEFLOW__WINDOW__LENGTH", "5m").stdin(input);
    command.args(["--out", "out"]).args(args.split_whitespace());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    let summary = fs::read_to_string(folder.path().join("out/summary.json")).unwrap();
    fs::remove_dir_all(folder.path().join("out")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    (summary["digest"].as_str().unwrap().to_owned(), summary["ledger"].clone())
}

/// The same through a pipe from `replay play`.
fn piped(folder: &Folder, play: &str, args: &str) -> (String, Value) {
    let mut child = folder.command(play).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let came = ohlcv(folder, &format!("--input - {args}"), child.stdout.take().unwrap().into());
    assert!(child.wait().unwrap().success(), "{play}");
    came
}

#[test]
fn a_day_gives_the_same_digest_at_any_speed_and_through_a_pipe() {
    let folder = generated("--symbols 3 --cancels 200 --corrections 200");
    let expected = ohlcv(&folder, "--input tape --speed max", Stdio::null());
    assert_eq!((&expected.1["late"], &expected.1["unmatched"]), (&0.into(), &0.into()));
    assert_eq!(ohlcv(&folder, "--input tape --speed 30000x --workers 1", Stdio::null()), expected);
    for speed in ["max", "30000x"] {
        assert_eq!(piped(&folder, &format!("play tape --speed {speed}"), ""), expected, "{speed}");
    }
}

#[test]
fn a_second_at_its_own_speed_has_the_digest_that_it_has_at_once() {
    // A thousand prints of three symbols in a second, some of them out of order.
    let line = |i: u64| {
        format!(
            "{},{},1.{},{},{i}\n",
            i * 1_000_000 + i % 7 * 3_000_000,
            ["A", "B", "C"][i as usize % 3],
            i % 100,
            1 + i % 9
        )
    };
    let tape = "ts_event,symbol,price,size,seq\n".to_owned() + &(1..1000).map(line).collect::<String>();
    let folder = Folder::new(&[("tape.csv", &tape)]);
    let args = "--window 100ms --set late.disorder=2ms";
    let expected = ohlcv(&folder, &format!("--input tape.csv --speed max {args}"), Stdio::null());
    assert!(expected.1["amended"].as_u64().unwrap() > 0, "{}", expected.1);
    assert_eq!(ohlcv(&folder, &format!("--input tape.csv --speed 1x {args}"), Stdio::null()), expected);
    assert_eq!(piped(&folder, "play tape.csv --speed 1x", args), expected);
}

#[test]
fn pipelines_take_the_controls_of_the_replayer() {
    let folder = generated("--symbols 3 --days 2 --cancels 200 --corrections 200");
    let expected = ohlcv(&folder, "--input tape", Stdio::null());
    for (play, set) in [
        ("--start 2026-01-05T12:30 --end 2026-01-06", "--start 2026-01-05T12:30 --end 2026-01-06"),
        ("--symbols S000,S002", "--symbols S000,S002"),
        ("--drop 2% --seed 7", "--set source.drop=2% --set source.seed=7"),
        ("--duplicate 5%", "--set source.duplicate=5%"),
        ("--late 5% --late-by 20m", "--set source.late=5% --set source.late_by=20m"),
        ("--loop --limit 9000", "--set source.loop=true --limit 9000"),
        (
            "--symbols S001 --drop 1% --late 9% --late-by 2h --start 2026-01-05T10:00",
            "--symbols S001 --set source.drop=1% --set source.late=9% --set source.late_by=2h --start 2026-01-05T10:00",
        ),
    ] {
        let mut came = vec![piped(&folder, &format!("play tape --speed max {play}"), "")];
        // On one worker, on two that read their own files, and on two that share a reader.
        for how in ["--workers 1", "--workers 2", "--limit 1M", "--speed 100000x --set source.gaps=skip-overnight"] {
            if !(set.contains("--limit") && how.contains("--limit")) {
                came.push(ohlcv(&folder, &format!("--input tape {how} {set}"), Stdio::null()));
            }
        }
        assert!(came.iter().all(|it| *it == came[0]), "{set}: {came:?}");
        assert_ne!(came[0], expected, "{set}");
    }
    // Silences and jitter are the schedule's matter alone.
    let late = "--input tape --speed 100000x --set source.gaps=compress=1s --set source.jitter=5ms";
    assert_eq!(ohlcv(&folder, late, Stdio::null()), expected);
}

/// Runs a program at a terminal of its own, presses some keys when a file has a line, more when it has another one, and
/// ends as the program does; 99 if it has left the terminal other than it was.
const AT_A_TERMINAL: &str = r"
import fcntl, os, pty, sys, termios, threading, time
path, keys, *command = sys.argv[1:]
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.execv(command[0], command)
def drain():
    while os.read(master, 65536):
        pass
threading.Thread(target=drain, daemon=True).start()
for lines, some in enumerate(keys.split('|'), 1):
    while not os.path.exists(path) or open(path, 'rb').read().count(b'\n') < lines:
        time.sleep(0.01)
    os.write(master, some.encode())
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
os._exit(code if termios.tcgetattr(slave) == before else 99)
";

#[test]
fn keys_at_a_terminal_pause_step_and_seek() {
    // Half a minute from tick to tick, and hours until the second one is due.
    let lines = (1..=40).map(|i| format!("{},A,1,1\n", i * 30_000_000_000u64));
    let tape = "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>();
    for (keys, code, expected) in [
        // A point pauses, the next one sends a record. A minute on, a minute back, and an hour is beyond the end.
        ("..\x1b[C.\x1b[D.+ >", 0, vec![30, 60, 120, 60]),
        // Without a pause, where a seek lands is sent at once. Ctrl-C ends it.
        ("\x1b[C|\x03", 130, vec![30, 90]),
    ] {
        let folder = Folder::new(&[("tape.csv", &tape)]);
        let mut command = Command::new("python3");
        command.current_dir(folder.path()).args(["-c", AT_A_TERMINAL, "out.jsonl", keys, env!("CARGO_BIN_EXE_replay")]);
        command.args("play tape.csv --speed 0.001x --to out.jsonl".split(' ')).stdin(Stdio::null());
        let Ok(output) = command.output() else {
            eprintln!("skipped: there is no python3 to make a terminal with");
            return;
        };
        assert_eq!(output.status.code(), Some(code), "{keys:?}: {}", String::from_utf8_lossy(&output.stderr));
        let sent = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
        assert_eq!(told(&sent), expected.iter().map(|at| format!("A{at}")).collect::<Vec<_>>().join(" "), "{keys:?}");
        assert!(dues(&sent).is_sorted(), "{sent}");
    }
}
