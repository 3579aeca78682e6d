//! Topics, against librdkafka's own mock of a cluster, which speaks Kafka's protocol on a real port: the programs know
//! no better. What this can catch: a tick lost, doubled or out of order through any number of partitions, and a run
//! that ends well though not all was acknowledged. What it cannot: what only a real broker does, such as retention.

#![cfg(feature = "kafka")]

mod program;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use program::{Folder, Played, Running, ohlcv, run, wait_until};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use topics::{NOW, Topics, assert_same, assert_same_but_for_repeats, play, replay, tape};

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(topics: &[(&str, i32)]) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    topics.iter().for_each(|(topic, partitions)| cluster.create_topic(topic, *partitions, 1).unwrap());
    cluster
}

fn topics(cluster: &Cluster) -> Topics {
    Topics(cluster.bootstrap_servers())
}

#[test]
fn neither_partitions_nor_codecs_nor_packs_show_in_the_rows() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    assert!(expected.ledger("amended") > 40, "{:?}", expected.summary["ledger"]);
    let cluster = cluster(&[("one", 1), ("three", 3), ("eight", 8)]);
    for (topic, codec, pack, workers) in [
        ("one", "jsonl", "1", "2"),
        ("three", "csv", "1", "3"),
        ("eight", "bin", "1", "1"),
        ("three", "bin", "50", "2"),
    ] {
        let what = format!("{topic}, {codec}, {pack}, {workers}");
        let topic = if pack == "1" { topic.to_owned() } else { format!("{topic}-packed") };
        cluster.create_topic(&topic, 3, 1).or_else(|e| if pack == "1" { Ok(()) } else { Err(e) }).unwrap();
        let (topic, out) = (topics(&cluster).url(&topic), folder.arg("out"));
        play(&[&path, "--speed", "max", "--to", &topic, "--as", codec, "--pack", pack]).says(&["sent 3,031 records"]);
        run(&[&["--input", &topic, "--out", &out, "-w", workers], &NOW[..]].concat()).exits(0);
        assert_same(&what, &out, &expected);
        // From the first message on again, and one partition is let run ahead of the others hardly at all.
        run(&[&["--input", &topic, "--out", &out, "--set", "run.max_lead=10ms"], &NOW[..]].concat()).exits(0);
        assert_same(&what, &out, &expected);
    }
}

#[test]
fn processes_share_out_the_partitions_and_come_to_the_same() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(3_000));
    let expected = folder.play(&path, &[]);
    let cluster = cluster(&[("one", 1), ("three", 3), ("eight", 8), ("dead", 1), ("odd", 2)]);
    let dead = format!("source.rejected={}", topics(&cluster).url("dead"));
    let mut rejected = 0;
    for (name, partitions, codec, pack, workers) in
        [("one", 1, "jsonl", "1", "1"), ("three", 3, "bin", "1", "2"), ("eight", 8, "bin", "50", "1")]
    {
        let (topic, out) = (topics(&cluster).url(name), folder.arg("out"));
        // The last partition's reader is the second process, where there are several.
        topics(&cluster).put(name, partitions - 1, &[b"no json"]);
        play(&[&path, "--speed", "max", "--to", &topic, "--as", codec, "--pack", pack]);
        let args = ["--input", &topic, "--format", codec, "--out", &out, "-w", workers];
        run(&[&args[..], &["--spawn", "2", "--set", &dead], &NOW[..]].concat()).exits(0);
        let played = assert_same(name, &out, &expected);
        assert_eq!(played.ledger("rejected"), 1);
        assert_eq!(played.rejected[0]["file"].as_str().unwrap(), format!("{topic}[{}]", partitions - 1));
        let measured = played.summary["latency"]["tick"]["count"].as_u64().unwrap();
        assert_eq!(measured, played.ledger("read") - 1);
        rejected += 1;
        assert_eq!(topics(&cluster).letters("dead").len(), rejected);
        // One partition is let run ahead of the others hardly at all, wherever they are read, and clocks move watermarks.
        let tight = ["--spawn", "3", "--set", "run.max_lead=10ms", "--set", "source.idle=1ms"];
        run(&[&args[..], &tight, &NOW[..]].concat()).exits(0);
        assert_same(name, &out, &expected);
    }
    // Conditions that are in no table are told of both processes, each of which reads a partition.
    for (partition, symbol) in [(0, "A"), (1, "B")] {
        let tick = format!(r#"{{"ts_event":1,"symbol":"{symbol}","price":1,"size":1,"conditions":"{symbol}?"}}"#);
        topics(&cluster).put("odd", partition, &[tick.as_bytes()]);
    }
    for spawn in ["1", "2"] {
        let (odd, out) = (topics(&cluster).url("odd"), folder.arg("odd"));
        run(&[&["--input", &odd, "--out", &out, "-w", "1", "--spawn", spawn], &NOW[..]].concat()).exits(0);
        let unknown = &Played::read(Path::new(&out), String::new()).summary["unknown_conditions"];
        assert_eq!(*unknown, serde_json::json!({"records": 2, "codes": ["?"]}), "{spawn} processes");
    }
    let topic = topics(&cluster).url("one");
    run(&["--input", &topic, "--spawn", "2", "--limit", "5"]).exits(2).says(&["source.end"]);
}

#[test]
fn a_live_topic_is_read_as_it_is_written_until_it_is_told_to_end() {
    // Of twenty partitions some get no message, and hold nothing back once they are known to be silent.
    a_live_topic_is_read(3, &[]);
    a_live_topic_is_read(20, &["-w", "1", "--spawn", "2"]);
}

fn a_live_topic_is_read(partitions: i32, more: &[&str]) {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(1_000));
    let expected = folder.play(&path, &[]);
    let cluster = cluster(&[("live", partitions), ("bars", 2)]);
    let (topic, bars) = (topics(&cluster).url("live"), topics(&cluster).url("bars"));
    let args = ["--input", &topic, "--out", &bars, "--set", "output.format=jsonl", "--set", "source.idle=200ms"];
    let reader = Running::start(&mut ohlcv(&[&args, more].concat()));
    play(&[&path, "--rate", "2k/s", "--to", &topic]).says(&["later than the schedule by"]);
    let rows = expected.rows().len();
    program::wait_until("the bars", || {
        let mut last = BTreeMap::new();
        for (key, value) in topics(&cluster).all("bars", 2) {
            let bar: serde_json::Value = serde_json::from_str(&value).unwrap();
            let times = ["ts_open", "ts_close"].map(|time| bar[time].to_string()).join(",");
            assert_eq!(key, format!("{},{times}", bar["symbol"].as_str().unwrap()));
            last.insert(key, bar["volume"].to_string());
        }
        last.len() == rows
    });
    reader.signal("INT");
    let done = reader.end().exits(130).says(&["from the due time that each line carries"]);
    assert!(done.stderr.contains(expected.digest()), "{}", done.stderr);
}

#[test]
fn a_row_that_goes_is_a_tombstone_and_rows_of_a_symbol_share_its_partition() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(1_000));
    let cluster = cluster(&[("ticks", 8), ("rows", 8), ("gone", 1), ("changes", 8)]);
    let [ticks, rows, gone, changes] = ["ticks", "rows", "gone", "changes"].map(|name| topics(&cluster).url(name));
    play(&[&path, "--speed", "max", "--to", &ticks]);
    run(&["--input", &path, "--out", &rows]).exits(0);
    run(&["--input", &path, "--out", &changes, "--set", "output.mode=changes"]).exits(0);
    let homes = |topic: &str| -> BTreeMap<String, BTreeSet<i32>> {
        let mut homes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for message in topics(&cluster).messages(topic, 8) {
            let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
            homes.entry(key.split(',').next().unwrap().to_owned()).or_default().insert(message.partition());
        }
        homes
    };
    assert_eq!(homes("ticks").len(), 11);
    assert!(homes("ticks").values().all(|partitions| partitions.len() == 1), "{:?}", homes("ticks"));
    assert_eq!((homes("rows"), homes("changes")), (homes("ticks"), homes("ticks")));

    // The only trade of a window is cancelled when its bar has long been told.
    let trades = "ts_event,symbol,price,size,seq,action,ref_seq\n1000000000,A,10,1,1,,\n1700000000,A,11,1,2,,\n\
                  3500000000,A,12,1,3,,\n3500000001,A,,,4,cancel,1\n3500000002,A,,,5,cancel,2\n";
    run(&["--input", &folder.write("trades.csv", trades), "--out", &gone, "-w", "1"]).exits(0);
    let told: Vec<(String, bool)> = topics(&cluster)
        .messages("gone", 1)
        .iter()
        .map(|message| (String::from_utf8(message.key().unwrap().to_vec()).unwrap(), message.payload().is_some()))
        .collect();
    let [first, second] = ["A,1000000000,2000000000", "A,3000000000,4000000000"].map(str::to_owned);
    assert_eq!(told, [(first.clone(), true), (first, false), (second, true)]);
}

#[test]
fn a_row_about_no_symbol_has_one_partition_whichever_symbol_came_first() {
    let folder = Folder::new();
    let cluster = cluster(&[("last", 8), ("changes", 8)]);
    let lines = ["1000000000,A,10,1\n", "1000000000,BB,10,2\n", "2500000000,A,11,1\n", "3500000000,BB,11,1\n"];
    for order in [[0, 1, 2, 3], [1, 0, 2, 3]] {
        let text = order.map(|at| lines[at]).concat();
        let path = folder.write("tape.csv", format!("ts_event,symbol,price,size\n{text}"));
        for (topic, mode) in [("last", "upsert"), ("changes", "changes")] {
            let (url, mode) = (topics(&cluster).url(topic), format!("output.mode={mode}"));
            let by = ["--window", "1s", "--set", "movers.by=volume", "--set", &mode];
            let movers = &mut program::movers(&[&["--input", &path, "--out", &url], &by[..]].concat());
            Running::start(movers).end().exits(0);
        }
    }
    for (topic, of_key) in [("last", 4), ("changes", 1)] {
        let mut homes: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        for message in topics(&cluster).messages(topic, 8) {
            let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
            assert_eq!(key.split(',').count(), of_key, "{key}");
            homes.entry(key.split(',').next().unwrap().to_owned()).or_default().insert(message.partition());
        }
        assert_eq!(homes.len(), 3, "{homes:?}");
        assert!(homes.values().all(|partitions| partitions.len() == 1), "{homes:?}");
    }
}

#[test]
fn a_slow_broker_slows_the_rows_which_counts_as_latency_and_loses_none() {
    let folder = Folder::new();
    let mut text = "ts_event,symbol,price,size\n".to_owned();
    (0..200).for_each(|i| text += &format!("{},S{i},1,1\n", 1_000_000_000 + i));
    let path = folder.write("tape.csv", text);
    let cluster = cluster(&[("rows", 1)]);
    // No more than twenty rows may be on their way, and an answer takes a tenth of a second.
    cluster.broker_round_trip_time(1, Duration::from_millis(100)).unwrap();
    let few = ["--set", "output.librdkafka.'queue.buffering.max.messages'=20"];
    let done =
        run(&[&["--input", &path, "-w", "1", "--out", &topics(&cluster).url("rows")], &few[..]].concat()).exits(0);
    cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    assert_eq!(topics(&cluster).all("rows", 1).len(), 200);
    let sink = done.stderr.lines().find(|line| line.contains("sink: writing the rows")).unwrap();
    let words: Vec<&str> = sink.split_whitespace().collect();
    let [.., longest, unit] = words[..] else { panic!("{sink}") };
    let longest: f64 = longest.parse().unwrap();
    assert!(unit == "s" || (unit == "ms" && longest > 500.0), "{sink}");
}

#[test]
fn malformed_messages_are_rejects_with_partition_and_offset() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(500));
    let expected = folder.play(&path, &[]);
    let cluster = cluster(&[("bad", 1), ("dead", 1)]);
    let dead = format!("source.rejected={}", topics(&cluster).url("dead"));
    let (topic, out) = (topics(&cluster).url("bad"), folder.arg("out"));
    topics(&cluster).put("bad", 0, &[b"no json", b"", b"\x89TF1\x00", b"{\"ts_event\":1}\n{\"x\""]);
    play(&[&path, "--speed", "max", "--to", &topic]);
    let args = ["--input", &topic, "--out", &out, "--format", "jsonl", "--set", &dead];
    run(&[&args, &NOW[..]].concat()).exits(0);
    let played = assert_same("bad", &out, &expected);
    let rejects: Vec<(u64, String)> = played
        .rejected
        .iter()
        .map(|reject| (reject["line"].as_u64().unwrap(), reject["reason"].as_str().unwrap().to_owned()))
        .collect();
    let lines: Vec<u64> = rejects.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [0, 1, 2, 3, 3], "{rejects:?}");
    assert_eq!(played.rejected[0]["file"].as_str().unwrap(), format!("{topic}[0]"));
    assert!(rejects[2].1.contains("the message ends in the middle of a block"), "{rejects:?}");
    // Each went to the topic for them, too, as it came and with where it came from.
    let letters = topics(&cluster).letters("dead");
    let values: Vec<&str> = letters.iter().map(|(value, _)| value.as_str()).collect();
    assert_eq!(values, ["no json", "", "\u{fffd}TF1\0", "{\"ts_event\":1}", "{\"x\""]);
    for ((_, headers), (offset, reason)) in letters.iter().zip(&rejects) {
        let expected =
            [("partition", format!("{topic}[0]")), ("offset", offset.to_string()), ("reason", reason.clone())];
        assert_eq!(*headers, expected.map(|(key, value)| (key.to_owned(), value)));
    }
}

#[test]
fn a_run_whose_rejects_are_not_acknowledged_is_no_success() {
    let cluster = cluster(&[("bad", 1), ("dead", 1)]);
    topics(&cluster).put("bad", 0, &[b"no json"]);
    let [topic, dead] = ["bad", "dead"].map(|topic| topics(&cluster).url(topic));
    // A message with its headers is larger than the producer may send.
    let args = ["--input", &topic, "--set", &format!("source.rejected={dead}"), "--format", "jsonl"];
    let small = ["--set", "output.librdkafka.'message.max.bytes'=1000", "--set", "source.end=now"];
    topics(&cluster).put("bad", 0, &[&[b'x'; 2_000]]);
    run(&[&args[..], &small].concat()).exits(1).says(&["sending to kafka://", "/dead"]);
    run(&[&args[..], &["--set", &format!("source.rejected={topic}"), "check"]].concat())
        .exits(78)
        .says(&["what was rejected would come again"]);
    run(&["--set", "source.rejected=dead", "check"]).exits(78).says(&["write kafka://HOST:PORT/TOPIC"]);
}

#[test]
fn a_group_goes_on_where_its_last_run_ended() {
    let folder = Folder::new();
    let cluster = cluster(&[("group", 3)]);
    let (topic, out) = (topics(&cluster).url("group"), folder.arg("out"));
    let whole = folder.write("whole.csv", tape(900));
    let group = ["--set", "source.librdkafka.'group.id'=bars", "--set", "source.start=stored"];
    let args = [&["--input", &topic, "--out", &out], &group[..]].concat();
    let ledger = || Played::read(Path::new(&out), String::new()).ledger("read");
    let read = |more: &[&str]| {
        run(&[&args, more, &NOW[..]].concat()).exits(0);
        ledger()
    };
    play(&[&whole, "--speed", "max", "--to", &topic, "--limit", "400"]);
    assert_eq!(read(&[]), 400);
    assert_eq!(read(&["--spawn", "2"]), 0);
    play(&[&whole, "--speed", "max", "--to", &topic]);
    assert_eq!(read(&["--spawn", "2", "-w", "1"]), 910);
    assert_eq!(read(&[]), 0);
    run(&[&args, &NOW[..]].concat()).exits(0).says(&["only what comes now is told"]);
    run(&["--input", &topic, "--set", "source.start=offset:100000"]).exits(1).says(&["give another source.start"]);
    // One that is interrupted has in its rows all that it stored as read, and no more.
    for more in [&[][..], &["--spawn", "2", "-w", "1"]] {
        std::fs::remove_dir_all(&out).unwrap();
        let reader = Running::start(&mut ohlcv(&[&args, more].concat()));
        let sender = Running::start(&mut replay(&[&whole, "--rate", "500/s", "--to", &topic]));
        let log = folder.path().join("out/latency.hlog");
        wait_until("some ticks", || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("Tag=")));
        reader.signal("INT");
        reader.end().exits(130);
        let before = ledger();
        sender.end().exits(0);
        assert_eq!(before + read(&[]), 910);
    }
    run(&[&["--input", &topic, "--out", &out, "--set", "source.start=latest"], &NOW[..]].concat()).exits(0);
    assert_eq!(Played::read(Path::new(&out), String::new()).ledger("read"), 0);
    run(&["--input", &topic, "--set", "source.start=stored"]).exits(2).says(&["group.id"]);
}

#[test]
fn a_topic_that_is_not_keyed_by_symbol_is_noticed() {
    let folder = Folder::new();
    let cluster = cluster(&[("mixed", 2)]);
    let tick = |ts: u64| format!("{{\"ts_event\":{ts},\"symbol\":\"A\",\"price\":1,\"size\":1}}");
    topics(&cluster).put("mixed", 0, &[tick(1).as_bytes()]);
    topics(&cluster).put("mixed", 1, &[tick(2).as_bytes()]);
    let (topic, out) = (topics(&cluster).url("mixed"), folder.arg("out"));
    for more in [&["--spawn", "1"][..], &["--spawn", "2", "-w", "1"], &["--spawn", "3", "-w", "1"]] {
        let done = run(&[&["--input", &topic, "--out", &out], more, &NOW[..]].concat()).exits(0);
        assert!(done.stderr.contains("A comes through kafka://"), "{}", done.stderr);
        // One bar of both, wherever they were read.
        let rows = Played::read(Path::new(&out), String::new()).bars;
        assert!(rows.lines().count() == 2 && rows.contains(",2,2,1"), "{rows}");
    }
}

#[test]
fn what_is_not_acknowledged_is_no_success() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(2_000));
    let expected = folder.play(&path, &[]);
    let cluster = cluster(&[("lost", 1)]);
    let topic = topics(&cluster).url("lost");
    // The broker goes away in the middle of the feed, and does not come back in time.
    let args = [&path, "--rate", "400/s", "--to", &topic, "--property", "message.timeout.ms=1500"];
    let sender = Running::start(&mut replay(&args));
    wait_until("the first messages", || !topics(&cluster).all("lost", 1).is_empty());
    cluster.broker_down(1).unwrap();
    sender.end().exits(1).says(&["were not acknowledged"]);

    // One that does come back costs nothing. Answers take their time, so that some are on their way when it goes, and
    // what they would have acknowledged is sent again: a real broker leaves it out, this one has it twice.
    let cluster = self::cluster(&[("back", 1)]);
    cluster.broker_round_trip_time(1, Duration::from_millis(100)).unwrap();
    let topic = topics(&cluster).url("back");
    let sender = Running::start(&mut replay(&[&path, "--rate", "400/s", "--to", &topic]));
    wait_until("the first messages", || topics(&cluster).count("back", 1) > 0);
    cluster.broker_down(1).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    cluster.broker_up(1).unwrap();
    sender.end().exits(0);
    cluster.broker_round_trip_time(1, Duration::ZERO).unwrap();
    let out = folder.arg("out");
    run(&[&["--input", &topic, "--out", &out], &NOW[..]].concat()).exits(0);
    let played = Played::read(Path::new(&out), String::new());
    assert_same_but_for_repeats(&played, &expected);
    assert_eq!(played.ledger("read"), topics(&cluster).count("back", 1) as u64);
}

/// Speaks as much of Kafka's protocol as a client needs to hear that its password is wrong.
fn refuse(mut client: TcpStream) -> std::io::Result<()> {
    const API_VERSIONS: i16 = 18;
    const SASL_HANDSHAKE: i16 = 17;
    const WRONG: i16 = 58;
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut request = vec![0; i32::from_be_bytes(length) as usize];
        client.read_exact(&mut request)?;
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let mut answer = request[4..8].to_vec();
        match (number(0), number(2)) {
            (API_VERSIONS, version) => {
                // Of a later version nothing is known; of the first, what is spoken here, each in one version.
                answer.extend(if version == 0 { 0i16 } else { 35 }.to_be_bytes());
                answer.extend(4i32.to_be_bytes());
                for (api, version) in [(API_VERSIONS, 0i16), (SASL_HANDSHAKE, 1), (36, 0), (3, 1)] {
                    [api, version, version].iter().for_each(|number| answer.extend(number.to_be_bytes()));
                }
            }
            (SASL_HANDSHAKE, _) => answer.extend(b"\0\0\0\0\0\x01\0\x05PLAIN"),
            _ => {
                answer.extend(WRONG.to_be_bytes());
                answer.extend(b"\0\x0eno such person\xff\xff\xff\xff");
            }
        }
        client.write_all(&(answer.len() as i32).to_be_bytes())?;
        client.write_all(&answer)?;
    }
}

#[test]
fn a_broker_that_refuses_is_not_waited_for() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let topic = format!("kafka://{}/t", broker.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in broker.incoming() {
            // A client that has heard enough closes the connection.
            std::thread::spawn(move || refuse(client.unwrap()));
        }
    });
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(10));
    let words = ["no such person", "sasl.password"];
    let sasl = ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", "sasl.username=me", "sasl.password=wrong"];
    let properties = |table: &str| {
        sasl.map(|word| word.split_once('=').unwrap())
            .map(|(name, value)| format!("{table}.librdkafka.'{name}'={value}"))
    };
    let [source, output] = ["source", "output"].map(properties);
    let set = |all: &[String; 4]| all.iter().flat_map(|one| ["--set".to_owned(), one.clone()]).collect::<Vec<_>>();
    let with = |args: &[&str], more: &[String]| {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        [args, &more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let cases = [with(&["--input", &topic], &set(&source)), with(&["--input", &path, "--out", &topic], &set(&output))];
    for args in cases {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&args).exits(1).says(&words);
    }
    let properties = sasl.map(|property| ["--property", property]).concat();
    let sender = Running::start(&mut replay(&[&[&path, "--speed", "max", "--to", &topic], &properties[..]].concat()));
    sender.end().exits(1).says(&words);
}

#[test]
fn what_is_not_there_is_told() {
    let cluster = cluster(&[("t", 1)]);
    let topic = topics(&cluster).url("t");
    run(&[&["--input", &topic, "--set", "source.librdkafka.nonsense=1"], &NOW[..]].concat())
        .exits(2)
        .says(&["nonsense"]);
    let folder = Folder::new();
    if !cfg!(any(feature = "kafka-tls", feature = "kafka-tls-vendored")) {
        let (tls, hint) = ("security.protocol=ssl", ["--features kafka-tls"]);
        run(&["--input", &topic, "--set", "source.librdkafka.\"security.protocol\"=ssl"]).exits(2).says(&hint);
        Running::start(&mut replay(&[&folder.write("one.csv", tape(1)), "--to", &topic, "--property", tls]))
            .end()
            .exits(2)
            .says(&hint);
    }
    let said = folder.path().join("said");
    let reader = Running::start(ohlcv(&["--input", "kafka://127.0.0.1:1/t"]).stderr(File::create(&said).unwrap()));
    let words = ["kafka://127.0.0.1:1/t: ", "trying again; Ctrl-C ends this"];
    let says = |said: String| words.iter().all(|word| said.contains(word));
    wait_until("what the matter is", || std::fs::read_to_string(&said).is_ok_and(says));
    reader.signal("INT");
    reader.end().exits(1);

    // Who does not want to wait says so, on either side.
    let (nobody, path) = ("kafka://127.0.0.1:1/t", folder.write("tape.csv", tape(10)));
    let (within, over) = (["--set", "run.topics_within=100ms"], [nobody, "the time within which it was to be there"]);
    run(&[&["--input", nobody], &within[..]].concat()).exits(1).says(&over);
    run(&[&["--input", &path, "--out", nobody], &within[..]].concat()).exits(1).says(&over);
    let sender = Running::start(&mut replay(&[&path, "--to", nobody, "--topic-within", "100ms"]));
    sender.end().exits(1).says(&over);
}

#[test]
fn partitions_that_nobody_leads_yet_are_waited_for_and_that_is_told() {
    let folder = Folder::new();
    let path = folder.write("tape.csv", tape(300));
    let expected = folder.play(&path, &[]);
    let cluster = cluster(&[("t", 1)]);
    let (topic, out) = (topics(&cluster).url("t"), folder.arg("out"));
    play(&[&path, "--speed", "max", "--to", &topic]);
    let args = [&["--input", &topic, "--out", &out], &NOW[..]].concat();
    // A broker that has just come up knows its partitions before it leads them.
    cluster.request_errors(RDKafkaApiKey::ListOffsets, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE; 20]);
    run(&args).exits(0).says(&["where its partitions begin and end (trying again; Ctrl-C ends this)"]);
    assert_same("led after all", &out, &expected);

    cluster.request_errors(RDKafkaApiKey::ListOffsets, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE; 900]);
    let within = ["--set", "run.topics_within=100ms"];
    run(&[&args, &within[..]].concat()).exits(1).says(&["the time within which it was to be there is over"]);
}
