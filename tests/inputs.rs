//! The program over tapes of every form: files, folders, globs and pipes, CSV and JSON lines, the course's trees.
//! What this can catch: a form or a knob that shows in the rows, the digest or the ledger; a limit that is off by one;
//! files that are read twice or not at all. What it cannot: a rule of the bars that is wrong in every form alike, but
//! for the one tape that was worked out by hand; and anything about time as it passes.

mod program;

use std::collections::BTreeMap;

use program::{Folder, Played, Running, run};
use tapeflow::tick::mix;

const SECOND: i64 = 1_000_000_000;

/// The beginning of a minute on 2023-11-14, 17:14 in New York.
const START: i64 = 1_700_000_040 * SECOND;

/// One line of a tape.
#[derive(Clone)]
struct Line {
    ts_event: i64,
    symbol: &'static str,
    venue: &'static str,
    seq: u64,
    action: &'static str,
    ref_seq: u64,
    price: i64,
    size: u64,
}

impl Line {
    fn csv(&self) -> String {
        let Line { ts_event, symbol, venue, seq, action, ref_seq, price, size } = self;
        let (ref_seq, price, size) = match *action {
            "cancel" => (ref_seq.to_string(), String::new(), String::new()),
            "correct" => (ref_seq.to_string(), cents(*price), size.to_string()),
            _ => (String::new(), cents(*price), size.to_string()),
        };
        format!("{seq},{symbol},{action},{price},{ts_event},{ref_seq},{size},{venue}\n")
    }

    fn json(&self) -> String {
        let Line { ts_event, symbol, venue, seq, action, ref_seq, price, size } = self;
        let rest = match *action {
            "cancel" => format!(r#""ref_seq":{ref_seq}"#),
            "correct" => format!(r#""price":{},"size":{size},"ref_seq":{ref_seq}"#, cents(*price)),
            _ => format!(r#""size":{size},"price":"{}""#, cents(*price)),
        };
        format!(
            "{{\"venue\":\"{venue}\", \"ts_event\": {ts_event},\"symbol\":\"{symbol}\",\"seq\":{seq},\
             \"action\":\"{action}\",{rest}}}\n"
        )
    }
}

fn cents(price: i64) -> String {
    format!("{}.{:02}", price / 100, price % 100)
}

fn csv(lines: &[Line]) -> String {
    let header = "seq,symbol,action,price,ts_event,ref_seq,size,venue\n".to_owned();
    lines.iter().fold(header, |text, line| text + &line.csv())
}

fn jsonl(lines: &[Line]) -> String {
    lines.iter().map(Line::json).collect()
}

/// A choice of `0..n`.
fn below(state: &mut u64, n: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state) % n
}

/// A tape of a few minutes with late prints, repeats, cancels, corrections, quotes, and messages about nothing.
fn nasty(seed: u64, records: usize) -> Vec<Line> {
    let mut dice = seed;
    let mut now = START;
    let mut lines: Vec<Line> = Vec::new();
    while lines.len() < records {
        now += [0, 1, 1_000_000, 250_000_000, SECOND, 9 * SECOND][below(&mut dice, 6) as usize];
        let symbol = ["ZZ", "A", "BRK.B", "AA", "a"][below(&mut dice, 5) as usize];
        let venue = ["", "Q"][below(&mut dice, 2) as usize];
        let (price, size) = (9_900 + below(&mut dice, 200) as i64, below(&mut dice, 500));
        let behind = if below(&mut dice, 8) == 0 { below(&mut dice, 60) as i64 * SECOND } else { 0 };
        let seq = lines.len() as u64 + 1;
        let trade = Line { ts_event: now - behind, symbol, venue, seq, action: "trade", ref_seq: 0, price, size };
        let earlier = lines.get(below(&mut dice, lines.len().max(1) as u64) as usize).cloned();
        let line = match (below(&mut dice, 16), earlier) {
            (0, Some(of)) => Line { symbol: of.symbol, venue: of.venue, action: "cancel", ref_seq: of.seq, ..trade },
            (1, Some(of)) => Line { symbol: of.symbol, venue: of.venue, action: "correct", ref_seq: of.seq, ..trade },
            (2, _) => Line { action: "cancel", ref_seq: 1_000_000, ..trade },
            (3, Some(of)) => of,
            (4, _) => Line { action: "quote", ..trade },
            _ => trade,
        };
        lines.push(line);
    }
    lines
}

/// A tape in order, each line at a time of its own.
fn orderly(records: usize) -> Vec<Line> {
    let mut lines = nasty(3, records);
    for (i, line) in lines.iter_mut().enumerate() {
        *line = Line { ts_event: START + i as i64 * SECOND / 8, seq: i as u64, action: "trade", ref_seq: 0, ..*line };
    }
    lines
}

#[track_caller]
fn assert_same(what: &str, one: &Played, other: &Played) {
    assert_eq!(one.bars, other.bars, "{what}");
    assert_eq!(one.digest(), other.digest(), "{what}");
    assert_eq!(one.summary["ledger"], other.summary["ledger"], "{what}");
}

#[test]
fn bars_of_a_small_tape_are_those_worked_out_by_hand() {
    let folder = Folder::new();
    let at = |seconds: i64| START + seconds * SECOND;
    let tape = format!(
        "size,price,symbol,action,ref_seq,ts_event,seq,conditions,unknown column\n\
         10,100.00,A,trade,,{},1,@,x\n\
         20,101.50,A,trade,,2023-11-14T22:14:10Z,2,,\n\
         30,99,A,T,,2023-11-14T17:14:20.000-05:00,3,,\n\
         1,5,ZZ,,,{},4,,\n\
         5.0,102,A,new,,{},5,,\n\
         10,1.03e2,A,trade,,{},6,,late\n\
         ,,A,cancel,3,{},7,,\n\
         40,101,A,correct,2,{},8,,\n\
         ,,A,X,999,{},9,,unmatched\n\
         7,1,A,quote,,{},10,,\n\
         0,100,A,trade,,{},11,,\n\
         1,1,A,trade,,{},12,,two days late\n\
         1,nonsense,A,trade,,{},13,,\n",
        at(0),
        at(30),
        at(61),
        at(40),
        at(62),
        at(63),
        at(64),
        at(65),
        at(125),
        at(-172_800),
        at(126),
    );
    let played = folder.play(&folder.write("tape.csv", tape), &["--window", "1m"]);
    let bar = |symbol: &str, minute: i64, rest: &str| {
        format!("{symbol},{},{},{rest}\n", at(minute * 60), at(minute * 60 + 60))
    };
    // A's first minute: 10 at 100, 40 at 101 (corrected), 10 at 103 (late); 30 at 99 were cancelled.
    let expected = "symbol,ts_open,ts_close,open,high,low,close,volume,trades,vwap\n".to_owned()
        + &bar("A", 0, "100,103,100,103,60,3,101.166666667")
        + &bar("ZZ", 0, "5,5,5,5,1,1,5")
        + &bar("A", 1, "102,102,102,102,5,1,102")
        + &bar("A", 2, "100,100,100,100,0,1,");
    assert_eq!(played.bars, expected);
    let columns = ["read", "on_time", "amended", "late", "rejected", "unmatched", "ignored"];
    assert_eq!(columns.map(|column| played.ledger(column)), [13, 6, 3, 1, 1, 1, 1]);
}

#[test]
fn no_knob_shows_in_the_rows() {
    let folder = Folder::new();
    let tape = nasty(1, 700);
    let file = folder.write("tape.csv", csv(&tape));
    let reference = folder.play(&file, &["--window", "10s"]);
    let columns = ["on_time", "amended", "unmatched", "ignored"];
    assert!(columns.iter().all(|column| reference.ledger(column) > 10), "a tame tape: {}", reference.summary);
    let knobs: [&[&str]; 18] = [
        &["--batch", "1"],
        &["--batch", "7"],
        &["--batch", "256"],
        &["--batch", "65536"],
        &["--batch", "7", "--linger", "1ms"],
        &["--linger", "20ms", "--speed", "100000x"],
        &["--workers", "1"],
        &["--workers", "2"],
        &["--workers", "3"],
        &["--workers", "3", "--batch", "1"],
        &["--speed", "max"],
        &["--speed", "100000x"],
        &["--speed", "1000000x", "--workers", "3"],
        &["--rate", "100k/s", "--workers", "1"],
        &["--set", "output.buffer=1KiB"],
        &["--set", "output.buffer=1KiB", "--set", "late.changes_every=1ms", "--workers", "3"],
        &["--set", "run.max_lead=0s", "--workers", "3", "--batch", "7"],
        &["--set", "run.wait=spin", "--workers", "1", "--set", "batch.max_bytes=1"],
    ];
    for args in knobs {
        let played = folder.play(&file, &[args, &["--window", "10s"]].concat());
        assert_same(&args.join(" "), &reference, &played);
    }
}

#[test]
fn no_form_of_the_input_shows_in_the_rows() {
    let folder = Folder::new();
    let tape = nasty(2, 700);
    let reference = folder.play(&folder.write("tape.csv", csv(&tape)), &["--window", "10s"]);
    let mut by_symbol: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
    tape.iter().for_each(|line| by_symbol.entry(line.symbol).or_default().push(line.clone()));
    for (i, (_, lines)) in by_symbol.iter().enumerate() {
        folder.write(&format!("split/csv/{i}.csv"), csv(lines));
        folder.write(&format!("split/json/{i}.ndjson"), jsonl(lines));
        let (name, text) =
            if i % 2 == 0 { (format!("both/{i}.csv"), csv(lines)) } else { (format!("both/{i}.jsonl"), jsonl(lines)) };
        folder.write(&name, text);
    }
    let dos = format!("\u{feff}{}", csv(&tape).replace('\n', "\r\n"));
    folder.write("dos.csv", dos.trim_end());
    folder.write("tape.jsonl", jsonl(&tape));
    for (name, workers) in [
        ("dos.csv", "2"),
        ("tape.jsonl", "3"),
        ("split/csv", "1"),
        ("split/csv", "3"),
        ("split/csv/*.csv", "2"),
        ("split/json", "3"),
        ("both", "2"),
    ] {
        for speed in ["max", "100000x"] {
            let args = ["--window", "10s", "--workers", workers, "--speed", speed];
            assert_same(&format!("{name} {args:?}"), &reference, &folder.play(&folder.arg(name), &args));
        }
    }
    for workers in ["1", "2", "3"] {
        for batch in ["1", "16384"] {
            let args = ["--window", "10s", "--workers", workers, "--batch", batch];
            assert_same("standard input", &reference, &folder.play_on(csv(&tape).as_bytes(), &args));
            let args = [&args[..], &["--format", "jsonl"]].concat();
            assert_same("JSON on standard input", &reference, &folder.play_on(jsonl(&tape).as_bytes(), &args));
        }
    }
}

#[test]
fn rows_are_sorted_and_the_same_as_json() {
    let folder = Folder::new();
    let file = folder.write("tape.csv", csv(&nasty(5, 500)));
    let rows = folder.play(&file, &["--window", "10s"]);
    let json = folder.play(&file, &["--window", "10s", "--set", "output.format=jsonl"]);
    assert_eq!(rows.digest(), json.digest());
    let keys: Vec<(i64, String)> = rows
        .rows()
        .iter()
        .map(|row| {
            let fields: Vec<&str> = row.split(',').collect();
            (fields[1].parse().unwrap(), fields[0].to_owned())
        })
        .collect();
    assert!(keys.is_sorted() && keys.len() > 50);
    assert_eq!(rows.summary["rows"], keys.len());
    let names: Vec<&str> = rows.bars.lines().next().unwrap().split(',').collect();
    assert_eq!(json.bars.lines().count(), keys.len());
    for (row, line) in rows.rows().iter().zip(json.bars.lines()) {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(object.as_object().unwrap().len(), names.len());
        for (name, field) in names.iter().zip(row.split(',')) {
            let value = match &object[*name] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                // Through a double, and back to as many digits as there are.
                number if *name == "vwap" => {
                    let (one, other) = (field.parse::<f64>().unwrap(), number.as_f64().unwrap());
                    assert!((one - other).abs() < 1e-9);
                    continue;
                }
                number if number.is_f64() => number.to_string().trim_end_matches(".0").to_owned(),
                number => number.to_string(),
            };
            assert_eq!(value, *field, "{name} of {row}");
        }
    }
}

#[test]
fn another_tape_has_another_digest() {
    let folder = Folder::new();
    let tape = orderly(50);
    let digest = |tape: &[Line]| folder.play(&folder.write("tape.csv", csv(tape)), &[]).digest().to_owned();
    let mut digests = vec![digest(&tape), digest(&tape[1..])];
    let changes: [fn(&mut Line); 4] = [
        |line| line.size += 1,
        |line| line.price += 20_000,
        |line| line.symbol = "other",
        |line| line.ts_event += 7 * SECOND,
    ];
    for change in changes {
        let mut other = tape.clone();
        change(&mut other[49]);
        digests.push(digest(&other));
    }
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 6);
}

#[test]
fn a_limit_plays_the_first_records_in_merged_order() {
    let folder = Folder::new();
    let tape = orderly(60);
    let whole = folder.write("tape.csv", csv(&tape));
    for (i, symbol) in ["ZZ", "A", "BRK.B", "AA", "a"].iter().enumerate() {
        let own: Vec<Line> = tape.iter().filter(|line| line.symbol == *symbol).cloned().collect();
        folder.write(&format!("split/{i}.csv"), csv(&own));
    }
    for n in [0, 1, 2, 37, 59, 60, 61] {
        let first = folder.play(&folder.write("first.csv", csv(&tape[..n.min(60)])), &[]);
        assert_eq!(first.ledger("read"), n.min(60) as u64);
        let limit = n.to_string();
        for speed in ["max", "100000x"] {
            let args = ["--limit", &limit, "--speed", speed];
            assert_same(&format!("{args:?}"), &first, &folder.play(&whole, &args));
            assert_same(&format!("{args:?}"), &first, &folder.play(&folder.arg("split"), &args));
        }
        let piped = folder.play_on(csv(&tape).as_bytes(), &["--limit", &limit]);
        assert_same("standard input", &first, &piped);
    }
}

#[test]
fn a_limit_counts_records_and_reads_nothing_beyond_the_last() {
    let folder = Folder::new();
    let tape = format!("{}junk\n{}junk\n", csv(&orderly(3)), orderly(5)[3].csv());
    let file = folder.write("tape.csv", &tape);
    for (limit, rejected) in [("3", 0), ("4", 1), ("5", 2)] {
        assert_eq!(folder.play(&file, &["--limit", limit]).ledger("rejected"), rejected, "limit {limit}");
        assert_eq!(folder.play_on(tape.as_bytes(), &["--limit", limit]).ledger("rejected"), rejected, "limit {limit}");
    }
}

#[test]
fn a_span_of_the_schedule_plays_what_is_due_within_it() {
    let folder = Folder::new();
    let tape = orderly(300);
    let file = folder.write("tape.csv", csv(&tape));
    let by_rate = folder.play(&file, &["--rate", "1000/s", "--for", "50ms"]);
    assert_eq!(by_rate.ledger("read"), 50);
    assert_same("50 records", &folder.play(&file, &["--limit", "50"]), &by_rate);
    // Eight records a second, a hundred times as fast.
    let by_speed = folder.play(&file, &["--speed", "100x", "--for", "50ms"]);
    assert_eq!(by_speed.ledger("read"), 40);
    for args in [&["--input", &file][..], &["--input", &file, "--speed", "max"], &["--input", "-"], &["--speed", "max"]]
    {
        run(&[args, &["--for", "1s"]].concat()).exits(2).says(&["--for"]);
    }
}

#[test]
fn the_made_up_market_is_cut_in_merged_order_too() {
    let folder = Folder::new();
    let market = ["--set", "market.length=200ms"];
    let all = folder.play("market", &[&market[..], &["--speed", "max"]].concat());
    assert_eq!(all.ledger("read"), 40_000);
    let limited = folder.play("market", &[&market[..], &["--speed", "max", "--limit", "20000"]].concat());
    let due = folder.play("market", &[&market[..], &["--rate", "1M/s", "--for", "20ms"]].concat());
    assert_eq!(limited.ledger("read"), 20_000);
    assert_same("20,000 of the market", &limited, &due);
    assert_ne!(all.digest(), limited.digest());
}

#[test]
fn columns_may_have_other_names() {
    let folder = Folder::new();
    let tape = orderly(30);
    let reference = folder.play(&folder.write("tape.csv", csv(&tape)), &[]);
    let renamed = csv(&tape).replacen("ts_event", "when", 1).replacen("symbol", "\"RIC\"", 1);
    let args = ["--set", "source.columns.ts_event=when", "--set", "source.columns.symbol=RIC"];
    assert_same("renamed", &reference, &folder.play(&folder.write("renamed.csv", &renamed), &args));
    assert_same("renamed pipe", &reference, &folder.play_on(renamed.as_bytes(), &args));
    let json = jsonl(&tape).replace("ts_event", "when").replace("symbol", "RIC");
    assert_same("renamed JSON", &reference, &folder.play(&folder.write("renamed.jsonl", json), &args));
    let message = run(&["--input", &folder.arg("tape.csv"), "--set", "source.columns.size=qty"]);
    message.exits(1).says(&["tape.csv", "`qty` is missing"]);
    let message = run(&["--input", &folder.arg("tape.csv"), "--set", "source.columns.prize=p"]);
    message.exits(78).says(&["source.columns.prize", "price"]);
}

#[test]
fn another_name_that_no_file_has_is_told() {
    let folder = Folder::new();
    let tape = orderly(30);
    folder.write("tape/1.csv", csv(&tape));
    folder.write("tape/2.jsonl", jsonl(&tape).replace("\"venue\"", "\"exchange\""));
    let told = |theirs: &str| {
        let mapped = format!("source.columns.venue={theirs}");
        folder.play(&folder.arg("tape"), &["--set", &mapped]).stderr.contains("no file has a column `")
    };
    assert_eq!(["exchange", "exchanges", "venue"].map(told), [false, true, false]);
}

/// The course's rows of one symbol and day: their beginnings, and open, close, high and low.
fn course(folder: &Folder, symbol: &str, day: &str, closes: &[&str]) {
    let mut text = "timestamp,open,close,high,low\n".to_owned();
    let mut json = std::fs::read_to_string(folder.path().join(format!("json/{symbol}.json"))).unwrap_or_default();
    for (minute, close) in closes.iter().enumerate() {
        let time = format!("{day} 09:{:02}:00", 30 + minute);
        text += &format!("{time},20.0,{close},30.5,10.25\n");
        json += &format!(
            "{{\"timestamp\": \"{time}\", \"open\": 20.0, \"close\": {close}, \"high\": 30.5, \"low\": 10.25}}\n"
        );
    }
    folder.write(&format!("minute/{symbol}/{day}T00:00:00.csv"), text);
    folder.write(&format!("json/{symbol}.json"), json);
}

#[test]
fn the_courses_trees_hold_the_same_bars_in_local_time() {
    let folder = Folder::new();
    course(&folder, "xom", "2013-08-05", &["21", "22.125"]);
    course(&folder, "xom", "2013-08-06", &["22", "23"]);
    course(&folder, "aet", "2013-08-05", &["24"]);
    course(&folder, "aet", "2013-12-05", &["25", "26"]);
    let minute = folder.play(&folder.arg("minute"), &["--window", "5m"]);
    let bar = |symbol: &str, open: i64, close: &str, trades: u32| {
        format!("{symbol},{},{},20,30.5,10.25,{close},0,{trades},", open * SECOND, (open + 300) * SECOND)
    };
    // Half past nine in New York is 13:30 UTC in summer and 14:30 in winter.
    let expected = [
        bar("aet", 1_375_709_400, "24", 4),
        bar("xom", 1_375_709_400, "22.125", 8),
        bar("xom", 1_375_795_800, "23", 8),
        bar("aet", 1_386_253_800, "26", 8),
    ];
    assert_eq!(minute.rows(), expected);
    for args in [&["--workers", "1"][..], &["--workers", "3"], &["--workers", "2", "--limit", "1000"]] {
        let args = [args, &["--window", "5m"]].concat();
        assert_same("json", &minute, &folder.play(&folder.arg("json"), &args));
        assert_same("minute", &minute, &folder.play(&folder.arg("minute"), &args));
    }
    for input in [folder.arg("."), folder.path().parent().unwrap().join(folder.path()).display().to_string()] {
        run(&["--input", &input]).exits(2).says(&["/minute", "/json", "twice"]);
    }
}

#[test]
fn both_trees_are_refused_below_the_folder_too() {
    let folder = Folder::new();
    let row = "timestamp,open,close,high,low\n2013-08-05 09:30:00,1,1,1,1\n";
    folder.write("data/minute/a/day.csv", row);
    folder.write("data/json/a.json", "{}");
    run(&["--input", &folder.arg("")]).exits(2).says(&["data/minute", "data/json"]);
}

#[test]
fn whole_numbers_count_the_unit_that_was_told() {
    let folder = Folder::new();
    let lines = |ts: &str| format!("ts_event,symbol,price,size\n{ts},A,1,1\n2023-11-14T22:14:01Z,A,1,1\n");
    let json = |ts: &str| format!("{{\"ts_event\":{ts},\"symbol\":\"A\",\"price\":1,\"size\":1}}\n");
    let open = 1_700_000_040 * SECOND;
    for (unit, ts) in
        [("s", "1700000040"), ("ms", "1700000040500"), ("us", "1700000040500000"), ("ns", "1700000040500000000")]
    {
        for (name, text, rows) in [("ticks.csv", lines(ts), 2), ("ticks.jsonl", json(ts), 1)] {
            folder.write(name, text);
            let unit = format!("source.time_unit={unit}");
            let played = folder.play(&folder.arg(name), &["--set", &unit]);
            let first = format!("A,{open},{},1,1,1,1,1,1,1", open + SECOND);
            assert_eq!((played.rows().len(), played.rows()[0]), (rows, first.as_str()), "{name} {unit}");
        }
    }
    folder.write("far.csv", lines("1700000040500000000"));
    let far = folder.play(&folder.arg("far.csv"), &["--set", "source.time_unit=s"]);
    assert_eq!(far.rejected[0]["reason"], "ts_event `1700000040500000000` is beyond the year 2262");
    run(&["check", "--set", "source.time_unit=m"]).exits(78).says(&["source.time_unit", "write ns, us, ms or s"]);
}

#[test]
fn a_bars_volume_is_kept_and_its_vwap_is_that_of_typical_prices() {
    let folder = Folder::new();
    let header = "timestamp,open,high,low,close,volume\n";
    let rows = "2013-08-05 09:30:00,20,32,11,26,3001\n2013-08-05 09:31:00,26,26,26,26,5000000000\n\
                2013-08-05 09:32:00,26,26,26,26,1.5\n2013-08-05 09:33:00,26,26,26,26,15000000000\n";
    folder.write("ibm.csv", [header, rows].concat());
    let played = folder.play(&folder.arg("ibm.csv"), &["--window", "1m"]);
    let row = |minute: i64, rest: &str| {
        let open = (1_375_709_400 + minute * 60) * SECOND;
        format!("ibm,{open},{},{rest}", open + 60 * SECOND)
    };
    // (1000 * 32 + 1000 * 11 + 1001 * 26) / 3001: the share that is over is the close's.
    let expected = [row(0, "20,32,11,26,3001,4,23.000999667"), row(1, "26,26,26,26,5000000000,4,26")];
    assert_eq!(played.rows(), expected);
    let reasons: Vec<&str> = played.rejected.iter().filter_map(|line| line["reason"].as_str()).collect();
    assert_eq!(reasons, ["volume `1.5` is not a whole number", "volume `15000000000` is too large"]);
}

#[test]
fn a_bar_from_the_future_is_rejected_as_one_line() {
    let folder = Folder::new();
    let text = "timestamp,open,close,high,low\n2013-08-05 09:30:00,1,1,1,1\n2213-08-05 09:31:00,1,1,1,1\n\
                2013-08-05 09:32:00,1,1,1,1\n";
    folder.write("a/2013-08-05.csv", text);
    let played = folder.play(&folder.arg("a"), &["--window", "1m"]);
    assert_eq!((played.ledger("on_time"), played.ledger("late"), played.ledger("rejected")), (8, 0, 1));
    assert_eq!(played.rejected[0]["line"], 3);
    assert_eq!(played.rejected[0]["raw"], "2213-08-05 09:31:00,1,1,1,1");
}

#[test]
fn a_symbol_has_one_owner_also_where_bars_and_ticks_are_mixed() {
    let folder = Folder::new();
    let tick = format!("{{\"ts_event\":{START},\"symbol\":\"X\",\"price\":1,\"size\":1}}\n");
    for name in ["b", "c", "d", "e"] {
        folder.write(&format!("json/{name}.json"), &tick);
    }
    let bar = r#"{"timestamp":"2013-08-05 09:30:00","open":1,"close":1,"high":1,"low":1}"#;
    folder.write("json/a.json", format!("{bar}\n{tick}"));
    let days = "timestamp,open,close,high,low\n2023-11-14 09:30:00,1,1,1,1\n";
    let others = "timestamp,open,close,high,low,symbol\n2023-11-14 09:30:00,1,1,1,1,p\n2023-11-14 09:31:00,1,1,1,1,q\n";
    folder.write("days/p/2013-08-01.csv", days);
    folder.write("days/p/2013-08-02.csv", others);
    folder.write("days/q/2013-08-01.csv", days);
    for tree in ["json", "days"] {
        let one = folder.play(&folder.arg(tree), &["--workers", "1"]);
        assert_eq!(one.ledger("rejected"), 1, "{:?}", one.rejected);
        for workers in ["2", "3", "5"] {
            assert_same(tree, &one, &folder.play(&folder.arg(tree), &["--workers", workers]));
        }
    }
}

#[test]
fn a_cancel_may_stand_first() {
    let folder = Folder::new();
    let line = |action: &str, seq: u64| {
        format!("{{\"ts_event\":{START},\"symbol\":\"A\",\"action\":\"{action}\",\"seq\":{seq},")
    };
    let tape = [
        line("cancel", 3) + "\"ref_seq\":1}\n",
        line("trade", 1) + "\"price\":7,\"size\":1}\n",
        line("trade", 2) + "\"price\":8,\"size\":1}\n",
    ];
    let played = folder.play(&folder.write("tape.jsonl", tape.concat()), &[]);
    assert_eq!((played.ledger("rejected"), played.ledger("amended")), (0, 1));
    assert!(played.rows()[0].ends_with(",8,8,8,8,1,1,8"), "{:?}", played.rows());
}

#[cfg(unix)]
#[test]
fn links_that_lead_back_up_are_no_more_ticks() {
    let folder = Folder::new();
    folder.write("tapes/a.csv", csv(&orderly(10)));
    std::os::unix::fs::symlink(".", folder.path().join("tapes/again")).unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("tapes/up")).unwrap();
    assert_eq!(folder.play(&folder.arg("tapes"), &[]).ledger("read"), 10);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_loses_nothing() {
    use std::process::Command;
    let folder = Folder::new();
    let tape = orderly(5_000);
    let reference = folder.play(&folder.write("tape.csv", csv(&tape)), &[]);
    let pipe = folder.arg("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for speed in ["max", "100000x"] {
        let (to, text) = (pipe.clone(), csv(&tape));
        let writer = std::thread::spawn(move || std::fs::write(to, text).unwrap());
        let played = folder.play(&pipe, &["--format", "csv", "--speed", speed]);
        writer.join().unwrap();
        assert_same("a named pipe", &reference, &played);
    }
}

#[test]
fn bars_in_one_file_a_symbol_are_named_by_the_file() {
    let folder = Folder::new();
    let bars =
        |price: u32| format!("timestamp,open,close,high,low\n2013-08-05 09:30:00,{price},{price},{price},{price}\n");
    folder.write("flat/AAPL.csv", bars(400));
    folder.write("flat/MSFT.csv", bars(30));
    let played = folder.play(&folder.arg("flat"), &["--window", "1m"]);
    let symbols: Vec<&str> = played.rows().iter().map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(symbols, ["AAPL", "MSFT"]);
    // A number may be a day or a symbol, so it is asked, never guessed.
    folder.write("days/AAPL/0701.csv", bars(400));
    run(&["--input", &folder.arg("days")]).exits(2).says(&["0701.csv", "2013-08-05.csv"]);
}

#[test]
fn sequence_numbers_are_in_all_lines_of_a_tape_or_in_none() {
    let folder = Folder::new();
    let text = format!("{HEADER_WITH_SEQ}{START},A,1,1,0\n{START},A,2,1,\n{START},A,3,1,2\n");
    let played = folder.play(&folder.write("tape.csv", text), &[]);
    assert_eq!((played.ledger("on_time"), played.ledger("rejected")), (2, 1));
    assert!(played.reasons()[0].contains("seq is missing"), "{:?}", played.reasons());
}

const HEADER_WITH_SEQ: &str = "ts_event,symbol,price,size,seq\n";

#[cfg(not(any(feature = "parquet", feature = "dbn")))]
#[test]
fn a_file_that_this_program_was_not_built_for_says_how_to_build_it() {
    let folder = Folder::new();
    for (name, format, feature) in
        [("a.parquet", "Parquet", "parquet"), ("a.dbn", "DBN", "dbn"), ("A.DBN.ZST", "DBN", "dbn")]
    {
        let words = format!("built without {format}; build it with --features {feature}");
        run(&["--input", &folder.write(name, "")]).exits(2).says(&[&words]);
    }
    let unknown = folder.write("b.csv.zst", "");
    run(&["--input", &unknown]).exits(2).says(&["its extension tells no format"]);
}

#[cfg(unix)]
#[test]
fn there_may_be_more_files_than_a_program_may_open() {
    let folder = Folder::new();
    for i in 0..300 {
        let line = |at: i64| format!("{},S{},{},1\n", START + (i * 10 + at) * SECOND, i % 7, i + 1);
        folder.write(&format!("many/{i:03}.csv"), format!("ts_event,symbol,price,size\n{}{}", line(0), line(5)));
    }
    let (input, out) = (folder.arg("many"), folder.arg("out"));
    let line = format!("ulimit -n 100; exec {} --input {input} --out {out}", env!("CARGO_BIN_EXE_ohlcv"));
    let mut shell = std::process::Command::new("sh");
    let done = Running::start(shell.args(["-c", &line]).stderr(std::process::Stdio::piped())).end();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let played = Played::read(std::path::Path::new(&out), done.stderr);
    assert_eq!((played.ledger("on_time"), played.rows().len()), (600, 600));
}

#[test]
fn of_many_files_each_reject_has_its_line() {
    let folder = Folder::new();
    for i in 0..70 {
        let line = |at: i64| format!("{},S{i},{},1\n", START + at * SECOND, i + 1);
        let lines = [0, if i == 69 { 90_000 } else { 1 }, 2].map(line);
        folder.write(&format!("many/{i:03}.csv"), format!("ts_event,symbol,price,size\n{}", lines.concat()));
    }
    let played = folder.play(&folder.arg("many"), &[]);
    let [reject] = &played.rejected[..] else { panic!("{:?}", played.rejected) };
    assert_eq!((reject["line"].as_u64(), reject["raw"].as_str()), (Some(3), Some("1700090040000000000,S69,70,1")));
}

#[test]
fn what_is_odd_about_a_table_from_elsewhere_is_told_with_what_to_do() {
    let folder = Folder::new();
    let path = |name: &str, text: &str| folder.write(name, text.replace('|', "\n"));
    let of = |name: &str, text: &str| run(&["--input", &path(name, text), "--window", "1s"]);
    let ms = of("ms.csv", "ts_event,symbol,price,size|1767623400238,A,1,1|");
    ms.exits(0).says(&["ms.csv begins at 1970-01-01T00:29:27", "source.time_unit=ms"]);
    let capitals = of("IBM.csv", "Date,Open,High,Low,Close,Volume|2026-01-05,1,2,1,2,100|");
    capitals.exits(1).says(&["--set source.columns.open=Open", "`symbol`, `price`, `size` is missing"]);
    of("semicolons.csv", "ts_event;symbol;price;size|").exits(1).says(&["separated by ';': only commas are read"]);
    of("tape.csv.gz", "").exits(2).says(&["if it is compressed", "zcat"]);
    let array = of("array.jsonl", "[|{\"ts_event\":1767623400238000000,\"symbol\":\"A\",\"price\":1,\"size\":1}|]|");
    array.exits(0).says(&["each object of an array needs a line of its own"]);
    let bars = "{\"timestamp\":\"2026-01-05 09:31:00\",\"open\":1,\"high\":3,\"low\":1,\"close\":2}|";
    of("IBM.json", &[bars, &bars.replace("\"open\":1", "\"open\":null")].concat()).exits(0).says(&["open is missing"]);
    let naive = of("naive.csv", "ts_event,symbol,price,size|2026-01-05 09:30:02.5,A,1,1|");
    naive.exits(0).says(&["which ends with its zone", "no record could be read", "rejected.jsonl"]);
    let tape = path("tape.csv", "ts_event,symbol,price,size|1767623400238000000,A,1,1|");
    run(&[&tape]).exits(2).says(&[&format!("--input {tape}")]);
}

#[test]
fn what_is_hidden_in_a_folder_is_no_part_of_the_tape() {
    let folder = Folder::new();
    let tape = csv(&orderly(30));
    let plain = folder.play(&folder.write("plain/1.csv", &tape), &[]);
    for path in ["tape/1.csv", "tape/.1.csv", "tape/.ipynb_checkpoints/1-checkpoint.csv"] {
        folder.write(path, &tape);
    }
    let played = folder.play(&folder.arg("tape"), &[]);
    assert_eq!((played.ledger("read"), played.bars), (plain.ledger("read"), plain.bars));
}

#[test]
fn a_part_of_a_tape_is_the_same_however_it_is_sorted_and_split() {
    let folder = Folder::new();
    let header = "ts_event,symbol,price,size\n";
    let of = |symbol: &str| -> Vec<String> {
        (0..40).map(|nth| format!("{},{symbol},{},1\n", START + nth * SECOND / 2, nth + 1)).collect()
    };
    let (a, b) = (of("A"), of("B"));
    let by_symbol = folder.write("by_symbol.csv", header.to_owned() + &a.concat() + &b.concat());
    let both = a.iter().zip(&b).flat_map(|(a, b)| [&a[..], &b[..]]).collect::<String>();
    let by_time = folder.write("by_time.csv", header.to_owned() + &both);
    folder.write("split/a.csv", header.to_owned() + &a.concat());
    folder.write("split/b.csv", header.to_owned() + &b.concat());
    let split = folder.arg("split");
    for part in [&["--end", "2023-11-14T22:14:07Z"][..], &["--start", "2023-11-14T22:14:07Z"]] {
        let whole = folder.play(&by_time, part);
        assert!((1..80).contains(&whole.ledger("read")), "{part:?}");
        for input in [&by_symbol, &split] {
            assert_same(input, &folder.play(input, part), &whole);
        }
    }
}

#[test]
fn no_knob_shows_in_the_changes_of_a_table_by_symbol_however_long_it_is() {
    let folder = Folder::new();
    let day = |symbol: &str, day: i64| format!("{},{symbol},10,1\n", START + day * 86_400 * SECOND);
    let table: String = ["A", "B", "C"].iter().flat_map(|symbol| (0..60).map(|nth| day(symbol, nth))).collect();
    let input = folder.write("table.csv", format!("ts_event,symbol,price,size\n{table}"));
    let changes = |knobs: &str| {
        let out = folder.arg("changes");
        let args = ["--input", &input, "--out", &out, "--set", "source.max_jump=48h", "--set", "output.mode=changes"];
        run(&[&args[..], &knobs.split(' ').collect::<Vec<_>>()].concat()).exits(0);
        std::fs::read_to_string(folder.path().join("changes/bars.changes.csv")).unwrap()
    };
    let known = changes("--workers 1 --batch 1");
    assert_eq!(known.lines().count(), 181);
    for knobs in ["--workers 1", "--workers 3 --batch 64", "--workers 2"] {
        assert_eq!(changes(knobs), known, "{knobs}");
    }
}

#[test]
fn a_first_block_that_is_broken_costs_only_itself_on_standard_input() {
    let folder = Folder::new();
    let input = folder.write("tape.csv", format!("ts_event,symbol,price,size\n{START},A,10,1\n"));
    let args = ["convert", &input, "--to", "bin", "--out", &folder.arg("blocks")];
    Running::start(&mut program::at(env!("CARGO_BIN_EXE_replay"), &args)).end().exits(0);
    let block = std::fs::read(folder.path().join("blocks/tape.bin")).unwrap();
    let mut broken = block.clone();
    *broken.last_mut().unwrap() ^= 1;
    let played = folder.play_on(&[broken, block].concat(), &[]);
    assert_eq!(["read", "on_time", "rejected"].map(|what| played.ledger(what)), [2, 1, 1]);
}
