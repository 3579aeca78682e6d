//! Every parser, on valid inputs that were damaged: bits flipped, pieces cut out, copied, put in. What this can catch:
//! a panic, a hang, a line that is neither a record nor a reject, a record that does not survive being written, a
//! mistake in the settings that is shown nowhere. What it cannot: damage that leaves another valid value behind, which
//! nobody can tell from the truth.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test fuzz` tries longer than `cargo test` does; what it has found so
//! far are tests elsewhere.

mod damage;

use std::fmt::{Debug, Display};
use std::io::{Cursor, Read};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use damage::{cases, damage, damaged, damaged_text};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use tapeflow::calendar::{Calendar, Days};
use tapeflow::compare::Condition;
use tapeflow::config::{
    At, AveragedOver, Bars, Bursts, Bytes, Config, ControlsAsked, Correlations, Count, Layers, Matching, Maybe, Movers,
    Rate, Settings, Span, Speed, with_settings,
};
use tapeflow::lab::Goal;
use tapeflow::operators::{Every, Reference};
use tapeflow::quality::Standard;
use tapeflow::row::Encoding;
use tapeflow::source::{Address, Pacing};
use tapeflow::tape::format::{BlockEncoder, Columns, Decoder, Encoder, Format, Line, Lines, Record};
use tapeflow::tape::{Burst, Controls, Leaf, Merge, Part, PartitionRules, Rejects, Strikes, Table};
use tapeflow::tick::Names;
use tapeflow::window::Windows;

const CSV: &str = "\
ts_event,symbol,price,size,seq,ts_recv,venue,side,conditions,action,ref_seq,due,bid,bid_size,ask,ask_size
1700000040000000000,A,100.25,10,1,1700000040000200000,XNAS,B,@,trade,,1700000040,,,,
2023-11-14T22:14:00.5Z,BRK.B,1e2,0,2,,ARCX,,\"@,T\",T,,,,,,
1700000041000000000,A,,,3,,XNAS,,,cancel,1,,,,,
1700000041000000001,A,0.000000001,4294967295,4,,XNAS,,,correct,1,,,,,
1700000042000000000,A,,,5,,,,,quote,,,100.2,5,100.3,7
1700000043000000000,\"C\",9223372036.854775807,1,,,,,,,,,,,,
";

const JSONL: &str = r#"{"ts_event":1700000040000000000,"symbol":"A","price":100.25,"size":10,"seq":1,"venue":"XNAS"}
{"ts_event":"2023-11-14T22:14:00Z","symbol":"é\n","price":"1e2","size":"5","seq":2,"action":"trade","x":[1,{"y":2}]}
{"ts_event":1700000041000000000,"symbol":"A","action":"cancel","ref_seq":1,"seq":3,"ts_recv":1700000041000000007}
{"ts_event":1700000042000000000,"symbol":"A","bid":1.5,"bid_size":2,"ask":null,"seq":4,"due":17,"side":"B"}
"#;

const BARS_CSV: &str = "\
timestamp,open,close,high,low
2013-08-05 09:30:00,20.0,21,30.5,10.25
2013-08-05 09:31:00,20.0,22.125,30.5,10.25
2013-11-03 01:30:00,161.59000000000003,161.6,162,161
";

const CONDITIONS: &str = "\
code,last,high_low,volume,name
@,yes,yes,yes,regular
 I ,no,no,yes,odd lot
\"TI\",no,yes,yes,
";

const CALENDAR: &str = "date,open,close\n2026-12-24,09:30,13:00\n2026-12-25,,\n2027-01-02,10:00:30,12:00\n";

const SECTORS: &str = "\
symbol,sector
A, Technology
\"BRK.B\",Finance
é,
";

const BARS_JSON: &str = r#"{"timestamp": "2013-08-05 09:30:00", "open": 20.0, "close": 21, "high": 30.5, "low": 10.25}
{"timestamp": "2013-08-05T09:31:00-04:00", "open": 20.0, "close": 22.125, "high": 30.5, "low": 10.25}
"#;

type Tables = [Arc<Names>; 2];

fn decoder(format: Format, [symbols, venues]: &Tables) -> Decoder {
    let zone = TimeZone::get("America/New_York").unwrap();
    let mut decoder = Decoder::new(Some(format), Columns::new(&[], zone, symbols.clone(), venues.clone()));
    decoder.begin(Path::new("minute/ibm/2013-08-05.csv"));
    decoder
}

/// Gives its bytes in pieces.
struct Pieces(Cursor<Vec<u8>>, usize);

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = out.len().min(self.1);
        self.0.read(&mut out[..len])
    }
}

/// All that a tape comes to: its records, and how many lines were rejected; nothing if its header cannot be used.
type Tape = Option<(Vec<Record>, u64)>;

const RULES: PartitionRules = PartitionRules { disorder: 0, max_jump: i64::MAX };

/// What the program reads.
fn read(bytes: &[u8], step: usize, format: Format, tables: &Tables) -> Tape {
    let rejects = Rejects::default();
    let reader = Box::new(Pieces(Cursor::new(bytes.to_vec()), step));
    let mut leaf = Leaf::pipe("tape", reader, decoder(format, tables), RULES, rejects.clone());
    let mut records = Vec::new();
    while let Some(placed) = leaf.next_record().ok()? {
        records.push(placed.record);
    }
    Some((records, rejects.count()))
}

/// The same of a feed that arrives in pieces, whose last line may be cut.
fn receive(bytes: &[u8], step: usize, format: Format, tables: &Tables) -> (Vec<Record>, u64) {
    let rejects = Rejects::default();
    let mut leaf = Leaf::given("feed", decoder(format, tables), RULES, rejects.clone());
    let mut records = Vec::new();
    let mut take = |leaf: &mut Leaf| {
        while leaf.is_buffered().unwrap() {
            records.extend(leaf.next_record().unwrap().map(|placed| placed.record));
        }
    };
    for piece in bytes.chunks(step) {
        leaf.give(piece, None);
        take(&mut leaf);
    }
    leaf.cut("cut").unwrap();
    leaf.end();
    take(&mut leaf);
    records.extend(std::iter::from_fn(|| leaf.next_record().unwrap()).map(|placed| placed.record));
    (records, rejects.count())
}

/// How many records each line holds, by the decoder alone; an error for a reject.
fn by_line(bytes: &[u8], format: Format, tables: &Tables) -> Vec<Result<usize, String>> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n');
    let mut decoder = decoder(format, tables);
    let decode = |line: &[u8]| {
        let mut records = Vec::new();
        decoder.decode(line.strip_suffix(b"\r").unwrap_or(line), &mut records).map(|()| records.len())
    };
    if text.is_empty() { Vec::new() } else { lines.map(decode).collect() }
}

/// Records, without what their order gave them, written in one form and read again.
fn there_and_back(records: &[Record], format: Format, tables: &Tables) -> Tape {
    let mut bytes = Vec::new();
    let [symbols, venues] = tables.clone();
    if format == Format::Bin {
        let mut encoder = BlockEncoder::new(symbols, venues);
        records.iter().for_each(|record| encoder.encode(record, &mut bytes));
        encoder.seal(&mut bytes);
    } else {
        let encoding = if format == Format::Csv { Encoding::Csv } else { Encoding::Jsonl };
        let mut encoder = Encoder::new(encoding, symbols, venues);
        bytes.extend_from_slice(encoder.header().as_bytes());
        records.iter().for_each(|record| encoder.encode(record, &mut bytes));
    }
    read(&bytes, usize::MAX, format, tables)
}

/// Checks what a damaged tape of text comes to.
fn check_text(bytes: &[u8], step: usize, format: Format) {
    let tables = Tables::default();
    let lines = by_line(bytes, format, &tables);
    let read = read(bytes, step, format, &tables);
    let Some((records, rejects)) = read else {
        assert!(format == Format::Csv && lines[0].is_err(), "only a header may end a run: {lines:?}");
        return;
    };
    let ticks: usize = lines.iter().filter_map(|line| line.as_ref().ok()).sum();
    let is_header = |line: usize| format == Format::Csv && line == 0;
    let silent = |(at, line): (usize, &Result<usize, String>)| *line == Ok(0) && !is_header(at);
    assert!(!lines.iter().enumerate().any(silent), "a line is nothing: {lines:?}");
    assert_eq!((records.len(), rejects as usize), (ticks, lines.iter().filter(|line| line.is_err()).count()));
    if bytes.ends_with(b"\n") {
        assert_eq!(receive(bytes, step, format, &tables), (records.clone(), rejects), "as a feed");
    }
    // A bar is written as its prints.
    let prints: Vec<Record> = records.iter().map(|record| Record { is_of_bar: false, ..*record }).collect();
    for format in [Format::Csv, Format::Jsonl, Format::Bin] {
        assert_eq!(there_and_back(&records, format, &tables), Some((prints.clone(), 0)), "through {format:?}");
    }
}

/// A tape in blocks of at most three records.
fn blocks() -> Vec<Vec<u8>> {
    let tables = Tables::default();
    let (records, _) = read(CSV.as_bytes(), usize::MAX, Format::Csv, &tables).unwrap();
    let [symbols, venues] = tables;
    let mut encoder = BlockEncoder::new(symbols, venues);
    let block = |records: &[Record]| {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| encoder.encode(record, &mut bytes));
        encoder.seal(&mut bytes);
        bytes
    };
    records.chunks(3).map(block).collect()
}

/// Gives a block the checksum of what is in it now.
fn forge(block: &mut [u8]) {
    if block.len() >= 8 {
        let checksum = crc32fast::hash(&block[8..]);
        block[4..8].copy_from_slice(&checksum.to_le_bytes());
    }
}

#[test]
fn a_head_of_records_without_a_width_is_a_reject() {
    let mut head = blocks()[0][..20].to_vec();
    // One record, of no columns, and no dictionary.
    head[8..].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    forge(&mut head);
    assert_eq!(read(&head, usize::MAX, Format::Bin, &Tables::default()), Some((Vec::new(), 1)));
}

proptest! {
    #![proptest_config(cases(1.0))]

    #[test]
    fn every_line_of_a_damaged_tape_is_a_record_or_a_reject(
        damage in damage(), step in 1..300usize,
        (text, format) in prop::sample::select(vec![
            (CSV, Format::Csv), (JSONL, Format::Jsonl), (BARS_CSV, Format::Csv), (BARS_JSON, Format::Jsonl),
        ]),
    ) {
        check_text(&damaged(text.as_bytes(), &damage), step, format);
    }

    #[test]
    fn what_is_not_a_whole_block_is_a_reject_and_whole_blocks_are_read(damage in damage(), step in 1..300usize) {
        let blocks = blocks();
        let bytes = damaged(&blocks.concat(), &damage);
        let tables = Tables::default();
        let (records, rejects) = read(&bytes, step, Format::Bin, &tables).unwrap();
        let (all, _) = read(CSV.as_bytes(), usize::MAX, Format::Csv, &tables).unwrap();
        // Damage cannot forge a checksum, so a block is one of those that there were, wherever it stands now.
        let (mut at, mut whole, mut broken) = (0, Vec::new(), false);
        while at < bytes.len() {
            match blocks.iter().position(|block| bytes[at..].starts_with(block)) {
                Some(block) => {
                    whole.extend(all.chunks(3).nth(block).unwrap().iter().map(|record| record.tick.ts_event));
                    at += blocks[block].len();
                }
                None => (at, broken) = (at + 1, true),
            }
        }
        prop_assert_eq!(records.iter().map(|record| record.tick.ts_event).collect::<Vec<_>>(), whole);
        prop_assert_eq!(rejects > 0, broken);
        prop_assert_eq!(there_and_back(&records, Format::Bin, &tables), Some((records, 0)));
    }

    #[test]
    fn a_block_with_the_checksum_of_its_damage_is_records_and_rejects(damage in damage(), step in 1..300usize) {
        let (mut bytes, tables) = (damaged(&blocks()[0], &damage), Tables::default());
        forge(&mut bytes);
        let (records, rejects) = read(&bytes, step, Format::Bin, &tables).unwrap();
        prop_assert!(!records.is_empty() || rejects > 0 || bytes.is_empty());
        // A record may say a number and that it has none, so it need not be what is written of it.
        prop_assert_eq!(receive(&bytes, step, Format::Bin, &tables).0, records, "as a feed");
    }

    #[test]
    fn a_format_that_nobody_told_is_no_accident(damage in damage(), step in 1..300usize) {
        for bytes in [CSV.as_bytes(), JSONL.as_bytes(), &blocks().concat()] {
            let bytes = damaged(bytes, &damage);
            let [symbols, venues] = Tables::default();
            let mut decoder = Decoder::new(None, Columns::new(&[], TimeZone::UTC, symbols, venues));
            let mut lines = Lines::new(Box::new(Pieces(Cursor::new(bytes), step)), None);
            let mut records = Vec::new();
            while let Some(line) = lines.next_line().unwrap() {
                let (Line::Text(line) | Line::TooLong(line) | Line::Broken(_, line)) = line;
                let _ = decoder.decode(line, &mut records);
            }
        }
    }

    #[test]
    fn damaged_settings_are_shown_where_they_are_wrong(
        damage in damage(),
        (name, defaults) in prop::sample::select(vec![
            ("ohlcv.toml", include_str!("../pipelines/ohlcv.toml")), ("vwap.toml", include_str!("../pipelines/vwap.toml")),
            ("latest.toml", include_str!("../pipelines/latest.toml")), ("movers.toml", include_str!("../pipelines/movers.toml")),
            ("corr.toml", include_str!("../pipelines/corr.toml")), ("tq.toml", include_str!("../pipelines/tq.toml")),
            ("quantiles.toml", include_str!("../pipelines/quantiles.toml")),
            ("bursts.toml", include_str!("../pipelines/bursts.toml")),
            ("feedqc.toml", include_str!("../pipelines/feedqc.toml")),
        ]),
    ) {
        let text = damaged_text(defaults, &damage);
        let open = ["source.columns", "source.librdkafka", "output.librdkafka", "sweep.vary"];
        let mut layers = Layers::new(name, defaults, &open);
        layers.earlier(Path::new("my.toml"), text.clone());
        let settings = match name {
            "vwap.toml" => AveragedOver::read(&mut layers).map(drop),
            "latest.toml" => Every::read(&mut layers).map(drop),
            "movers.toml" => Movers::read(&mut layers).map(drop),
            "corr.toml" => Correlations::read(&mut layers).map(drop),
            "tq.toml" => Matching::read(&mut layers).map(drop),
            "quantiles.toml" => Windows::read(&mut layers).map(drop),
            "bursts.toml" => Bursts::read(&mut layers).map(drop),
            "feedqc.toml" => Standard::read(&mut layers).map(drop),
            _ => Bars::read(&mut layers).map(drop),
        };
        let config = Config::read(&mut layers);
        match layers.finish() {
            Ok(_) => prop_assert!(config.is_some() && settings.is_some()),
            Err(error) => {
                let shown = error.to_string();
                let places: Vec<&str> = shown.lines().filter_map(|line| line.trim_start().strip_prefix("--> ")).collect();
                prop_assert_eq!(places.len(), shown.lines().filter(|line| line.starts_with("error: ")).count(), "{}", shown);
                for place in places {
                    let mut parts = place.split(':');
                    let (file, line) = (parts.next().unwrap(), parts.next().and_then(|line| line.parse::<usize>().ok()));
                    let lines = if file == "my.toml" { &text } else { defaults }.split('\n').count();
                    prop_assert!(["my.toml", name].contains(&file), "{}", shown);
                    prop_assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{}", shown);
                }
            }
        }
        if let Ok(text) = with_settings(&text, "batch", &[("max_ticks", 7.into())]) {
            prop_assert_eq!(text.parse::<toml::Table>().unwrap()["batch"]["max_ticks"].as_integer(), Some(7));
        }
    }

    #[test]
    fn a_damaged_table_of_conditions_is_read_or_shown_where_it_is_wrong(damage in damage()) {
        for text in [CONDITIONS, include_str!("../src/tape/conditions/utp.csv")] {
            let text = damaged_text(text, &damage);
            match Table::parse(&text) {
                Ok(_) => prop_assert!(lines_of(&text)[0].contains("code")),
                Err(why) => prop_assert!(names_a_line(&why, &text) || why == "it names no code", "{}", why),
            }
        }
    }

    #[test]
    fn a_damaged_table_of_sectors_is_read_or_shown_where_it_is_wrong(damage in damage()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sectors.csv");
        let bytes = damaged(SECTORS.as_bytes(), &damage);
        std::fs::write(&path, &bytes).unwrap();
        let read = Reference::new(path).read();
        match (read, String::from_utf8(bytes)) {
            // A line for each symbol, behind the header.
            (Ok(labels), Ok(text)) => prop_assert_eq!(labels.len(), lines_of(&text).len().saturating_sub(1)),
            (Ok(_), Err(_)) => prop_assert!(false, "it is no text"),
            (Err(why), Ok(text)) => prop_assert!(names_a_line(&why.to_string(), &text), "{}", why),
            (Err(why), Err(_)) => prop_assert!(why.to_string().contains("sectors.csv"), "{}", why),
        }
    }

    #[test]
    fn a_damaged_calendar_is_read_or_shown_where_it_is_wrong(damage in damage()) {
        let text = damaged_text(CALENDAR, &damage);
        match Calendar::parse(&text, &Days::new(TimeZone::UTC)) {
            Ok(Calendar::Table(days)) => prop_assert_eq!(days.len(), lines_of(&text).len() - 1),
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(why) => prop_assert!(names_a_line(&why, &text) || text.trim().is_empty(), "{}", why),
        }
    }

    #[test]
    fn damaged_controls_are_refused_or_play_a_part_of_the_tape(
        damage in prop::collection::vec(damage(), 9), tape in damage(), again: bool,
    ) {
        let (zone, mut said) = (TimeZone::get("America/New_York").unwrap(), damage.iter());
        let mut said = |text: &str| damaged_text(text, said.next().unwrap());
        let mut at = |text: &str| said(text).parse::<At>().ok()?.event_time(&zone);
        let (start, end) = (at("2023-11-14T17:14"), at("2023-11-14T22:14:01.5Z"));
        let mut part = |text: &str| said(text).parse().unwrap_or_default();
        let [drop, duplicate, late]: [Part; 3] = ["20%", "30%", "40%"].map(&mut part);
        let mut span = |text: &str| said(text).parse().unwrap_or_default();
        let [late_by, jitter]: [Span; 2] = ["1500ms", "2h"].map(&mut span);
        let gaps = said("compress=5s").parse().unwrap_or_default();
        let speed = said("60x").parse().unwrap_or(Speed::Max);
        let symbols = vec!["A".to_owned(), "BRK.B".to_owned()];
        let asked = ControlsAsked { start, end, symbols, gaps, again, drop, duplicate, late, late_by, jitter, seed: 1 };
        let pacing = if let Speed::Times(times) = speed { Pacing::Speed(times) } else { Pacing::Max };
        match asked.controls(&Days::new(zone), &pacing) {
            Ok(controls) => play_controlled(damaged(CSV.as_bytes(), &tape), &controls, pacing),
            Err((key, what, help)) => {
                prop_assert!(["gaps", "jitter", "end"].contains(&key), "{}", key);
                prop_assert!(!what.is_empty() && !help.is_empty(), "{}", key);
            }
        }
    }

    #[test]
    fn damaged_words_are_refused_or_read_back_as_they_are_shown(damage in damage()) {
        let shows = |text: &str| damaged_text(text, &damage);
        for text in ["6h30m", "500us", "1.5s", "1year 2months", "0"] {
            reads_back::<Span>(&shows(text));
        }
        for text in ["64KiB", "1.5MiB", "16EiB", "1000"] {
            reads_back::<Bytes>(&shows(text));
        }
        for text in ["200k/s", "2.5M/s", "0.1/s"] {
            reads_back::<Rate>(&shows(text));
        }
        for text in ["60x", "0.5x", "max", "auto"] {
            reads_back::<Speed>(&shows(text));
        }
        for text in ["off", "2.5k", "18446744073709551615"] {
            reads_back::<Maybe<Count>>(&shows(text));
        }
        reads_back::<Burst>(&shows("10x/100ms/5s"));
        for text in ["p99 <= 2ms", "close.p99.9 > +10%", "rate < -5%", "digest"] {
            let _ = (shows(text).parse::<Goal>(), shows(text).parse::<Condition>());
        }
        for text in ["tcp-listen://[::1]:0", "unix:///tmp/a", "file:///a/b", "kafka://a:1,b:2/ticks"] {
            if let Some(Ok(address)) = Address::parse(&shows(text)) {
                prop_assert_eq!(Address::parse(&address.to_string()), Some(Ok(address)));
            }
        }
    }
}

/// The lines of a table that say something.
fn lines_of(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.trim().is_empty()).collect()
}

/// Whether a complaint names a line that there is.
fn names_a_line(why: &str, text: &str) -> bool {
    let number =
        why.split_once("line ").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    number.and_then(|number| number.parse().ok()).is_some_and(|line| (1..=text.lines().count()).contains(&line))
}

/// Plays a tape, and checks that what comes is of the part that was asked for, and no more than can be.
fn play_controlled(bytes: Vec<u8>, controls: &Controls, pacing: Pacing) {
    const LIMIT: u64 = 50;
    let tables = Tables::default();
    let [symbols, _] = &tables;
    let (bytes, decoders) = (Arc::new(bytes), tables.clone());
    let leaves = move || {
        let reader = Box::new(Cursor::new(bytes.to_vec()));
        vec![Leaf::pipe("tape", reader, decoder(Format::Csv, &decoders), RULES, Rejects::default())]
    };
    let mut merge = Merge::new(leaves(), LIMIT, u64::MAX).controlled(controls, symbols, &Strikes::default());
    merge = merge.opened_by(Box::new(move || Ok(leaves())));
    if let Some(sessions) = &controls.again {
        merge = merge.again(sessions.clone());
    }
    // A header that cannot be used is an error.
    let Ok(origin) = merge.first() else { return };
    let mut timetable = pacing.schedule(origin.unwrap_or(0)).timetable();
    let (mut count, mut before) = (0, 0);
    loop {
        let (placed, due) = match merge.next(&mut timetable) {
            Ok(Some(next)) => (next.placed(), next.due),
            Ok(None) => break,
            Err(error) => {
                assert!(controls.again.is_some() && error.to_string().contains("beyond the year 2262"), "{error}");
                break;
            }
        };
        assert_eq!(due.is_some(), pacing != Pacing::Max);
        assert!(due >= Some(before) || due.is_none(), "due {due:?} after {before}");
        (count, before) = (count + 1, due.unwrap_or(0));
        let is_later = controls.again.is_some();
        assert!(controls.start.is_none_or(|start| placed.clock >= start), "{}", placed.clock);
        assert!(is_later || controls.end.is_none_or(|end| placed.record.tick.ts_event < end), "{}", placed.clock);
        assert!(["A", "BRK.B"].contains(&&*symbols.text(placed.record.tick.symbol.0)));
    }
    assert!(count <= LIMIT);
}

fn reads_back<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value, "{text}");
    }
}
