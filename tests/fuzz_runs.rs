//! What one run leaves for another, or says to it, on valid inputs that were damaged: the folders of runs and sweeps,
//! which `compare`, `report` and `explain` read, and the greetings of processes that find each other. What this can
//! catch: a panic, a hang, an error that does not say what is wrong. What it cannot: damage that leaves another valid
//! value behind.

mod damage;
mod program;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use damage::{Damage, cases, damage, damaged, damaged_text};
use program::{Folder, HANGS, run};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tapeflow::cluster::{Cluster, Place, hosts};
use tapeflow::compare::{Condition, pairs, read, table};
use tapeflow::error::Error;
use tapeflow::lab::{write_picture, write_report};
use tapeflow::report::read_log;

/// What a run and a sweep have left.
struct Left {
    folder: Folder,
    summary: String,
    sweep: String,
    log: Vec<u8>,
}

static LEFT: LazyLock<Left> = LazyLock::new(|| {
    let folder = Folder::new();
    let lines = (0..300).map(|i| format!("{},S{},{},{}\n", i * 50_000_000_i64, i % 3, 10 + i % 7, 1 + i));
    let tape = folder.write("tape.csv", "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>());
    run(&["--input", &tape, "--out", &folder.arg("run")]).exits(0);
    let sweep = "sweep --batch 1,64 --repeat 2 --rate 5k/s --for 200ms --warmup 50ms --set market.symbols=20 --out";
    run(&[&sweep.split(' ').collect::<Vec<_>>()[..], &[&folder.arg("sweep")]].concat()).exits(0);
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let (summary, sweep) = (text("run/summary.json"), text("sweep/sweep.json"));
    let log = std::fs::read(folder.path().join("sweep/cell-1.hlog")).unwrap();
    Left { folder, summary, sweep, log }
});

/// The values of a JSON text that stand in the place of others, and then damage to the text.
type Odd = (Vec<(Index, Value)>, Vec<Damage>);

fn odd() -> impl Strategy<Value = Odd> {
    let values = [json!(null), json!(true), json!(0), json!(-1), json!(7), json!(u64::MAX), json!(i64::MIN)];
    let more = [json!(1e-300), json!(1e300), json!(""), json!("<&\"\n"), json!([]), json!({}), json!("1970-01-01")];
    let value = prop::sample::select([&values[..], &more].concat());
    let swaps = prop::collection::vec((any::<Index>(), value), 0..4);
    // Text that is damaged is seldom JSON, and then no more of it is read.
    let damage = prop_oneof![2 => Just(Vec::new()), 1 => damage()];
    (swaps, damage)
}

fn made_odd(text: &str, (swaps, damage): &Odd) -> String {
    let mut json: Value = serde_json::from_str(text).unwrap();
    for (at, value) in swaps {
        let mut places = Vec::new();
        list(&json, String::new(), &mut places);
        *json.pointer_mut(at.get::<String>(&places)).unwrap() = value.clone();
    }
    damaged_text(&json.to_string(), damage)
}

/// The places of all values.
fn list(json: &Value, at: String, places: &mut Vec<String>) {
    match json {
        Value::Object(inner) => inner.iter().for_each(|(key, value)| list(value, format!("{at}/{key}"), places)),
        Value::Array(inner) => (0..).zip(inner).for_each(|(key, value)| list(value, format!("{at}/{key}"), places)),
        _ => {}
    }
    places.push(at);
}

fn explains(error: &Error, folder: &Folder) {
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
}

proptest! {
    #![proptest_config(cases(1.0))]

    #[test]
    fn odd_runs_and_sweeps_are_compared_or_refused(run in odd(), sweep in odd()) {
        let texts = [made_odd(&LEFT.summary, &run), made_odd(&LEFT.sweep, &sweep)];
        for ((name, of), text) in [("summary.json", "run"), ("sweep.json", "sweep")].into_iter().zip(texts) {
            let folder = Folder::new();
            folder.write(name, text);
            match read(folder.path()) {
                Ok(side) => {
                    let sound = read(&LEFT.folder.path().join(of)).unwrap();
                    for (base, new) in [(&sound, &side), (&side, &sound)] {
                        prop_assert!(table(base, new).contains("  settings  "));
                        for pair in pairs(base, new) {
                            let condition: Condition = "close.p99 > +10%".parse().unwrap();
                            let _ = condition.holds(&pair);
                        }
                    }
                }
                Err(error) => explains(&error, &folder),
            }
        }
    }

    #[test]
    fn odd_sweeps_are_reported_or_refused(sweep in odd(), log in prop_oneof![Just(Vec::new()), damage()]) {
        let folder = Folder::new();
        folder.write("sweep.json", made_odd(&LEFT.sweep, &sweep));
        folder.write("cell-1.hlog", damaged(&LEFT.log, &log));
        std::fs::copy(LEFT.folder.path().join("sweep/cell-2.hlog"), folder.path().join("cell-2.hlog")).unwrap();
        let page = write_report(&[folder.path().into()], folder.path());
        let picture = write_picture(folder.path(), folder.path());
        prop_assert_eq!(page.is_ok(), picture.is_ok());
        for written in [page, picture] {
            match written {
                Ok(path) => prop_assert!(std::fs::read_to_string(path).unwrap().ends_with(">\n")),
                Err(error) => explains(&error, &folder),
            }
        }
        if let Err(error) = read_log(&folder.path().join("cell-1.hlog")) {
            explains(&error, &folder);
        }
    }

    #[test]
    fn damaged_addresses_of_processes_are_read_or_refused(damage in damage()) {
        let folder = Folder::new();
        let path = folder.write("hosts", damaged(b"10.0.0.1:4000\n\n[::1]:4001 \nexample.org:65535\n", &damage));
        match hosts(Path::new(&path), 3) {
            Ok(hosts) => {
                let parts: Vec<(&str, &str)> = hosts.iter().filter_map(|host| host.rsplit_once(':')).collect();
                prop_assert_eq!(parts.len(), 3);
                let is_whole = |(host, port): &(&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok();
                prop_assert!(parts.iter().all(is_whole), "{:?}", parts);
            }
            Err(error) => explains(&error, &folder),
        }
    }
}

proptest! {
    #![proptest_config(cases(0.125))]

    #[test]
    fn an_odd_run_is_explained_or_refused(summary in odd()) {
        let folder = Folder::new();
        folder.write("summary.json", made_odd(&LEFT.summary, &summary));
        let done = run(&["explain", &folder.arg(""), "--why", "S1", "5000000000"]);
        prop_assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        match done.code {
            Some(0) => prop_assert!(!done.stdout.is_empty()),
            code => prop_assert!([1, 2, 78].map(Some).contains(&code) && !done.stderr.is_empty(), "{:?}", done),
        }
    }

    #[test]
    fn whoever_greets_wrongly_does_not_keep_the_right_one_out(
        strangers in prop::collection::vec((prop::sample::select(&USES[..]), damage()), 1..4),
    ) {
        let address = free_address();
        let (settings, stop) = (json!({ "workers": 2, "window": { "length": "1s" } }), Arc::new(AtomicBool::new(false)));
        let first = {
            let (hosts, settings, stop) = ([address.clone(), "127.0.0.1:1".into()], settings.clone(), stop.clone());
            std::thread::spawn(move || {
                let led = Cluster::lead(&hosts, Default::default(), &settings, &stop).map(drop);
                // Whoever looks for it then does so in vain.
                stop.fetch_or(led.is_err(), Ordering::Relaxed);
                led
            })
        };
        // Whoever greets as one of ours does, in spite of the damage, may be taken for it.
        let mut is_taken = false;
        for (is_for, damage) in &strangers {
            let sound = greeting(is_for, &settings);
            let said = damaged(format!("{sound}\n").as_bytes(), damage);
            let heard = said.split(|byte| *byte == b'\n').next().and_then(|line| serde_json::from_slice(line).ok());
            is_taken |= heard.is_some_and(|heard: Value| heard["process"] == sound["process"]);
            let answer = say(&address, is_for, &said);
            if !answer.is_empty() {
                let answer: Value = serde_json::from_str(&answer).unwrap();
                prop_assert!(answer["Refused"].is_string() || answer["Welcome"].is_object(), "{}", answer);
            }
        }
        let place = Place { process: 1, processes: 2 };
        let other = (!is_taken).then(|| Cluster::join(place, &address, "127.0.0.1:0", settings, &stop).map(drop));
        stop.fetch_or(is_taken, Ordering::Relaxed);
        let first = first.join().unwrap();
        prop_assert!(is_taken || (first.is_ok() && matches!(other, Some(Ok(())))), "{:?} {:?}", first, other);
    }

    #[test]
    fn whoever_is_answered_wrongly_says_so(damage in damage(), is_welcome: bool) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answer = match is_welcome {
            true => json!({ "Welcome": { "addresses": ["a:1", "b:2"], "zero": 1_700_000_000_000_000_000_i64 } }),
            false => json!({ "Refused": "its window.length is another" }),
        };
        let answer = damaged(format!("{answer}\n").as_bytes(), &damage);
        let joined = std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut link, _) = listener.accept().unwrap();
                BufReader::new(link.try_clone().unwrap()).read_line(&mut String::new()).unwrap();
                link.write_all(&answer).unwrap();
            });
            let place = Place { process: 1, processes: 2 };
            Cluster::join(place, &address, "127.0.0.1:0", json!({}), &AtomicBool::new(false)).map(drop)
        });
        if let Err(error) = joined {
            prop_assert!(error.to_string().contains(&address) || error.to_string().contains("cannot join"), "{}", error);
        }
    }
}

const USES: [&str; 4] = ["Link", "Names", "Ticks", "Data"];

/// What the other one of two processes says first on a connection for this.
fn greeting(is_for: &str, settings: &Value) -> Value {
    let settings = if is_for == "Link" { settings } else { &Value::Null };
    let version = env!("CARGO_PKG_VERSION");
    json!({ "tapeflow": version, "is_for": is_for, "process": 1, "processes": 2, "port": 1, "settings": settings })
}

/// Where nobody listens yet, and from where nobody connects, which would take the port.
fn free_address() -> String {
    TcpListener::bind("127.9.8.7:0").unwrap().local_addr().unwrap().to_string()
}

/// Says something to whoever listens there, as soon as somebody does, and takes the answer.
fn say(address: &str, is_for: &str, greeting: &[u8]) -> String {
    let mut connected = None;
    program::wait_until("somebody listens", || {
        connected = TcpStream::connect(address).ok();
        connected.is_some()
    });
    let mut stream = connected.unwrap();
    stream.set_read_timeout(Some(HANGS)).unwrap();
    // Whoever is sent away may not have been heard out. A link is answered, and stays open.
    let said = stream.write_all(greeting).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = String::new();
    if said.is_ok() && is_for == "Link" {
        let _ = BufReader::new(stream).read_line(&mut answer);
    }
    answer
}
