//! The decoders of lines against one that is written apart, byte by byte and with numbers as texts: of every line, be it
//! well formed, odd or broken, both make the same record, or both refuse the same column. And a file that is decoded
//! ahead in pieces against the same file read line by line, and a block of the binary form against its records in blocks of
//! their own: records, ids, rejects and errors are the same. What this can catch: a short cut that takes too much, or
//! something else. What it cannot: a rule that both have wrong, which `src/tape/format` has examples for.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tapeflow::tape::format::{Ahead, BlockEncoder, Columns, Decoder, Format, LONGEST_LINE, Record, Short};
use tapeflow::tape::{Leaf, PartitionRules, Rejects};
use tapeflow::tick::{Eligible, Kind, Names, Price, Symbol, Tick, Venue};

const HEADER: &str = "ts_event,symbol,price,size,seq,venue,side,conditions,action,ref_seq,ts_recv,due,x,bid,bid_size,\
                      ask,ask_size";

/// What a record says, by a plain decoder; else the column, or the kind of line, that is refused.
type Plain = Result<Said, &'static str>;

#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    ts_event: i64,
    symbol: String,
    kind: String,
    price: i64,
    size: u32,
    seq: Option<u64>,
    venue: String,
    side: String,
    conditions: String,
    ref_seq: u64,
    ts_recv: Option<i64>,
    due: Option<i64>,
    ask_size: u32,
}

/// The fields of a line of CSV, byte by byte.
fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let (mut fields, mut field, mut quoted, mut closed) = (Vec::new(), Vec::new(), false, false);
    let mut bytes = line.iter().copied().peekable();
    let mut begins = true;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if begins => quoted = true,
            b'"' if quoted && bytes.peek() == Some(&b'"') => field.extend(bytes.next()),
            b'"' if quoted => (quoted, closed) = (false, true),
            b',' if !quoted => {
                fields.push(std::mem::take(&mut field));
                (begins, closed) = (true, false);
                continue;
            }
            _ if closed => return Err("after its quote"),
            other => field.push(other),
        }
        begins = false;
    }
    fields.push(field);
    if quoted { Err("not closed") } else { Ok(fields) }
}

/// A decimal as a whole number of 1e-9, by shifting its digits as a text.
fn units(text: &str) -> Option<i128> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], i32::from(rest[at + 1..].parse::<i8>().ok()?)),
        None => (rest, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // The point stands so many digits from the left once it has moved to units.
    let point = whole.len() as i32 + exponent + 9;
    let padded = format!("{}{digits}", "0".repeat((-point).max(0) as usize));
    let point = point.max(0) as usize;
    let padded = format!("{padded:0<point$}");
    let (kept, cut) = padded.split_at(point);
    let kept = kept.trim_start_matches('0');
    if kept.len() > 30 {
        return Some(i128::MAX);
    }
    let value: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let half = format!("5{}", "0".repeat(cut.len().saturating_sub(1)));
    let up = !cut.is_empty() && (*cut > *half || (*cut == *half && value % 2 == 1));
    Some(sign * (value + i128::from(up)))
}

fn whole(text: &str) -> Option<u64> {
    let text = text.strip_suffix(".0").unwrap_or(text);
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

fn time(text: &str) -> Option<i64> {
    let ns = match text.bytes().all(|digit| digit.is_ascii_digit()) {
        true => text.parse().ok()?,
        false => i64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()?,
    };
    (0..=i64::MAX - 86_400_000_000_000).contains(&ns).then_some(ns)
}

fn short(text: &str) -> Option<String> {
    (text.len() <= 8 && !text.contains(char::is_control)).then(|| text.to_owned())
}

fn name(text: &str) -> Option<String> {
    let is_bad = |c: char| c.is_control() || [',', '"', '\\'].contains(&c);
    (text.len() <= 64 && !text.contains(is_bad)).then(|| text.to_owned())
}

/// What fields come to, in the order in which they are judged. `numbered` is whether the symbols that were seen have
/// sequence numbers.
fn said(field: impl Fn(&str) -> Vec<u8>, numbered: &mut Vec<(String, bool)>) -> Plain {
    let is_there = |column: &str| !field(column).is_empty();
    let text = |column: &'static str| String::from_utf8(field(column)).map_err(|_| column);
    let count = |column: &'static str, most: u64| -> Result<Option<u64>, &'static str> {
        let text = text(column)?;
        let number = if text.is_empty() { None } else { Some(whole(&text).ok_or(column)?) };
        if number.is_some_and(|number| number > most) { Err(column) } else { Ok(number) }
    };
    let price = |column: &'static str| -> Result<Option<i64>, &'static str> {
        let text = text(column)?;
        let units = if text.is_empty() { None } else { Some(units(&text).ok_or(column)?) };
        units.map(|units| i64::try_from(units).map_err(|_| column)).transpose()
    };
    let mut said = Said { ts_event: time(&text("ts_event")?).ok_or("ts_event")?, ..Said::default() };
    said.symbol = name(&text("symbol")?).filter(|name| !name.is_empty()).ok_or("symbol")?;
    said.venue = name(&text("venue")?).ok_or("venue")?;
    said.due = count("due", i64::MAX as u64)?.map(|due| due as i64);
    said.side = short(&text("side")?).ok_or("side")?;
    said.conditions = short(&text("conditions")?).ok_or("conditions")?;
    if is_there("ts_recv") {
        said.ts_recv = Some(time(&text("ts_recv")?).ok_or("ts_recv")?);
    }
    said.seq = count("seq", u64::MAX)?;
    match numbered.iter().find(|(symbol, _)| *symbol == said.symbol) {
        Some((_, has_seq)) if *has_seq != said.seq.is_some() => return Err("seq"),
        Some(_) => {}
        None => numbered.push((said.symbol.clone(), said.seq.is_some())),
    }
    let is_quote = !is_there("price") && (is_there("bid") || is_there("ask"));
    let kind = match &*field("action") {
        b"" if is_quote => Kind::Quote,
        b"" | b"trade" | b"new" | b"T" => Kind::Trade,
        b"cancel" | b"X" => Kind::Cancel,
        b"correct" | b"C" => Kind::Correct,
        b"quote" | b"Q" => Kind::Quote,
        _ => return Err("action"),
    };
    said.kind = format!("{kind:?}");
    if matches!(kind, Kind::Cancel | Kind::Correct) {
        said.ref_seq = count("ref_seq", u64::MAX)?.ok_or("ref_seq")?;
    }
    if matches!(kind, Kind::Trade | Kind::Correct) {
        said.price = price("price")?.filter(|price| *price > 0).ok_or("price")?;
        said.size = count("size", u32::MAX.into())?.ok_or("size")? as u32;
    }
    if kind == Kind::Quote {
        let [bid, ask] = [price("bid")?.unwrap_or(0), price("ask")?.unwrap_or(0)];
        said.size = count("bid_size", u32::MAX.into())?.unwrap_or(0) as u32;
        said.ask_size = count("ask_size", u32::MAX.into())?.unwrap_or(0) as u32;
        (said.price, said.ref_seq) = (bid, ask as u64);
        if bid < 0 || ask < 0 {
            return Err(if bid < 0 { "bid" } else { "ask" });
        }
    }
    Ok(said)
}

fn of_csv(line: &[u8], numbered: &mut Vec<(String, bool)>) -> Plain {
    if line.is_empty() {
        return Err("empty");
    }
    let fields = split(line)?;
    if fields.len() != HEADER.split(',').count() {
        return Err("fields where the header has");
    }
    said(|column| fields[HEADER.split(',').position(|known| known == column).unwrap()].clone(), numbered)
}

/// All members of an object, with the values as they are written.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

fn of_json(line: &[u8], numbered: &mut Vec<(String, bool)>) -> Plain {
    let Members(members) = serde_json::from_slice(line).map_err(|_| "not a JSON object")?;
    let mut fields = Vec::new();
    for (key, value) in members {
        let bytes = match value.get() {
            "null" => continue,
            text if text.starts_with('"') => {
                serde_json::from_str::<String>(text).map_err(|_| "not a JSON object")?.into_bytes()
            }
            other => other.as_bytes().to_vec(),
        };
        fields.push((key, bytes));
    }
    let last = |column: &str| fields.iter().rev().find(|(key, _)| key == column).map(|(_, bytes)| bytes.clone());
    said(|column| last(column).unwrap_or_default(), numbered)
}

fn decoder(format: Format, symbols: &Arc<Names>, venues: &Arc<Names>) -> Decoder {
    Decoder::new(Some(format), Columns::new(&[], TimeZone::UTC, symbols.clone(), venues.clone()))
}

/// Decodes lines behind a first one that tells what is in them, and holds each against the plain decoder.
fn check(lines: &[Vec<u8>], format: Format) {
    let (symbols, venues): (Arc<Names>, Arc<Names>) = Default::default();
    let mut decoder = decoder(format, &symbols, &venues);
    let (mut numbered, mut records) = (Vec::new(), Vec::new());
    let first = match format {
        Format::Csv => HEADER,
        _ => r#"{"ts_event":1,"symbol":"FIRST","price":1,"size":1,"seq":1}"#,
    };
    decoder.decode(first.as_bytes(), &mut records).unwrap();
    for line in lines {
        records.clear();
        let decoded = decoder.decode(line, &mut records);
        let plain = match format {
            Format::Csv => of_csv(line, &mut numbered),
            _ => of_json(line, &mut numbered),
        };
        let shown = String::from_utf8_lossy(line);
        match (plain, decoded) {
            (Ok(said), Ok(())) => {
                assert_eq!(records.iter().map(|r| told(r, &symbols, &venues)).collect::<Vec<_>>(), [said], "{shown}")
            }
            (Err(word), Err(reason)) => assert!(reason.contains(word), "{shown}: {word} is not in: {reason}"),
            (plain, decoded) => panic!("{shown}: {plain:?}, and {decoded:?}"),
        }
    }
}

fn told(record: &Record, symbols: &Names, venues: &Names) -> Said {
    let tick = &record.tick;
    Said {
        ts_event: tick.ts_event,
        symbol: symbols.text(tick.symbol.0).to_string(),
        kind: format!("{:?}", tick.kind),
        price: tick.price.0,
        size: tick.size,
        seq: record.has_seq.then_some(tick.seq),
        venue: if tick.venue.0 == 0 { String::new() } else { venues.text(u32::from(tick.venue.0) - 1).to_string() },
        side: record.side.as_str().to_owned(),
        conditions: record.conditions.as_str().to_owned(),
        ref_seq: tick.ref_seq,
        ts_recv: record.ts_recv,
        due: record.due,
        ask_size: tick.ask_size,
    }
}

const TIMES: &str = "\
    1700000040000000000|1700000040000000001|170000004000000000|17000000400000000000|0|-1|| 1|\
    9223372036854775807|00000001700000040000000000|2023-11-14T22:14:00.5Z|2262-04-12T00:00:00Z|\
    1.0|1969-12-31T23:59:59Z";

const NUMBERS: &str = "\
    1|0|100|100.0|100.00|100.25|12345678|123456789|0.000000001|0.0000000005|0.0000000015|-0.0|\
    -1|+1|.5|5.|.||-|1e2|1E-3|1e|1e999|1.2.3|1,5| 1|1 |4294967295|4294967296|9223372036.854775807|\
    9223372036.854775808|18446744073709551615|18446744073709551616|00000000000000000000001|NaN";

const TEXTS: &str = "\
    A|BRK.B||AAPL|12345678|123456789|a b|é|a\\b|a\u{7f}|a\u{1}b|a\"b|@,T|\
    0123456789012345678901234567890123456789012345678901234567890123x|\u{85}|null|\u{0}A|\u{0}A";

const ACTIONS: &str = "\
    |trade|cancel|correct|quote|T|Trade|quote ";

/// A field of a column: nearly always as it should be, else anything.
fn field(column: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let good = match column {
        "ts_event" => "1700000040000000000|1700000041000000000|2023-11-14T22:14:00Z",
        "ts_recv" => "|1700000040000000007",
        "symbol" => "A|BRK.B|AAPL|AAPLW",
        "price" => "100.25|7|0.0001|161.59000000000003",
        "size" => "1|100|123456789",
        "seq" | "ref_seq" => "1|100|12345678|123456789012345678",
        "action" => "||trade|cancel|quote",
        "venue" => "|XNAS|ARCX",
        _ => "||1",
    };
    let odd = match column {
        "ts_event" | "ts_recv" | "due" => TIMES,
        "symbol" | "venue" | "side" | "conditions" | "x" => TEXTS,
        "action" => ACTIONS,
        _ => NUMBERS,
    };
    let one_of = |texts: &'static str| select(texts.split('|').collect::<Vec<_>>());
    prop_oneof![
        150 => one_of(good).prop_map(|text| text.as_bytes().to_vec()),
        6 => one_of(odd).prop_map(|text| text.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>().prop_filter("ends the line", |byte| *byte != b'\n'), 0..12),
    ]
}

/// The fields of a line, and a number each that says how it is written: as it is, in quotes, or broken.
type Fields = Vec<(Vec<u8>, u8)>;

fn fields() -> impl Strategy<Value = Fields> {
    HEADER.split(',').map(|column| (field(column), 0..100u8)).collect::<Vec<_>>()
}

/// A damaged line: cut, with a byte in it that does not belong there, or as it was.
fn damaged(mut line: Vec<u8>, damage: Option<(Index, u8, bool)>) -> Vec<u8> {
    if let Some((at, byte, is_cut)) = damage {
        let at = at.index(line.len() + 1);
        if is_cut {
            line.truncate(at);
        } else if byte != b'\n' {
            line.insert(at, byte);
        }
    }
    line
}

fn csv(fields: Fields) -> Vec<u8> {
    let written = fields.into_iter().map(|(text, how)| match how {
        0 | 1 => {
            [b"\"", &text.iter().flat_map(|b| vec![*b; 1 + usize::from(*b == b'"')]).collect::<Vec<_>>()[..], b"\""]
                .concat()
        }
        2 => [b"\"", &text[..]].concat(),
        _ => text,
    });
    written.collect::<Vec<_>>().join(&b',')
}

/// An object of those fields that are not empty, and of some that are.
fn json(fields: Fields) -> Vec<u8> {
    object(fields, |_, text, how| !text.is_empty() || how == 3)
}

fn object(fields: Fields, has: impl Fn(usize, &[u8], u8) -> bool) -> Vec<u8> {
    let written = HEADER.split(',').zip(fields).enumerate();
    let written = written.filter(|(nth, (_, (text, how)))| has(*nth, text, *how)).map(|(_, field)| field);
    let members = written.map(|(column, (text, how))| {
        let space = if how % 5 == 0 { " " } else { "" };
        let is_number = text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
        let value = match how {
            4 => b"null".to_vec(),
            5 => b"[1,{\"price\":2}]".to_vec(),
            6 => b"true".to_vec(),
            7..=20 if is_number => text,
            _ => match String::from_utf8(text) {
                Ok(text) => serde_json::to_vec(&text).unwrap(),
                Err(e) => [b"\"", &e.into_bytes()[..], b"\""].concat(),
            },
        };
        [format!("\"{column}\":{space}").as_bytes(), &value, space.as_bytes()].concat()
    });
    [b"{", &members.collect::<Vec<_>>().join(&b',')[..], b"}"].concat()
}

fn lines(write: fn(Fields) -> Vec<u8>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let damage = prop::option::weighted(0.2, (any::<Index>(), any::<u8>(), any::<bool>()));
    prop::collection::vec((fields(), damage).prop_map(move |(fields, damage)| damaged(write(fields), damage)), 1..12)
}

/// Lines that have the same columns, a bit each, as those of a tape have: the first four or five are a trade's.
fn lines_alike(format: Format) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let alike = move |columns: u32, fields: Fields| {
        let has = |nth: usize| columns >> nth & 1 == 1;
        match format {
            Format::Csv => {
                let field = |(nth, (text, how))| (if has(nth) { text } else { Vec::new() }, how);
                csv(fields.into_iter().enumerate().map(field).collect())
            }
            _ => object(fields, |nth, _, _| has(nth)),
        }
    };
    let columns = prop_oneof![Just(0b1111), Just(0b11111), any::<u32>()];
    let fields = prop::collection::vec((fields(), 0..4u8), 1..12);
    (columns, fields).prop_map(move |(columns, lines)| {
        let line = |(fields, how): (Fields, u8)| {
            // Most have no space in them, which would make them differ.
            let plainly = |(text, was)| (text, if how > 0 { 8 } else { was });
            alike(columns, fields.into_iter().map(plainly).collect())
        };
        lines.into_iter().map(line).collect()
    })
}

/// A partition's records, its names by their ids, its rejects, and how it ended.
type Read = (Vec<Record>, Vec<Arc<str>>, Vec<Arc<str>>, String, Result<(), String>);

fn read(path: &Path, format: Format, max_jump: i64, ahead: Option<Ahead>) -> Read {
    read_on(path, format, max_jump, ahead, usize::MAX)
}

/// The same of a file that is closed for a while after every so many records.
fn read_on(path: &Path, format: Format, max_jump: i64, ahead: Option<Ahead>, close_after: usize) -> Read {
    let (symbols, venues): (Arc<Names>, Arc<Names>) = Default::default();
    let kept = path.with_extension("rejected");
    let rejects = Rejects::new(Some(kept.clone())).unwrap();
    let rules = PartitionRules { disorder: 0, max_jump };
    let leaf = Leaf::files(vec![path.to_path_buf()], decoder(format, &symbols, &venues), rules, rejects.clone());
    let mut leaf = match ahead {
        Some(ahead) => leaf.decoded_ahead(ahead),
        None => leaf,
    };
    let mut records = Vec::new();
    let ended = loop {
        match leaf.next_record() {
            Ok(Some(placed)) => {
                records.push(placed.record);
                if records.len() % close_after == 0 {
                    leaf.set_aside();
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.to_string()),
        }
    };
    rejects.flush().unwrap();
    (records, symbols.all(), venues.all(), std::fs::read_to_string(kept).unwrap_or_default(), ended)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_line_of_csv_is_what_a_plain_decoder_makes_of_it(lines in lines(csv)) {
        check(&lines, Format::Csv);
    }

    #[test]
    fn a_json_object_is_what_a_plain_decoder_makes_of_it(lines in lines(json)) {
        check(&lines, Format::Jsonl);
    }

    #[test]
    fn lines_with_the_same_columns_are_what_a_plain_decoder_makes_of_them(
        (format, lines) in prop_oneof![
            lines_alike(Format::Csv).prop_map(|lines| (Format::Csv, lines)),
            lines_alike(Format::Jsonl).prop_map(|lines| (Format::Jsonl, lines)),
        ],
    ) {
        check(&lines, format);
    }

    #[test]
    fn a_file_that_is_decoded_ahead_is_what_it_is_line_by_line(
        (format, lines) in prop_oneof![
            lines(csv).prop_map(|lines| (Format::Csv, lines)),
            lines(json).prop_map(|lines| (Format::Jsonl, lines)),
            lines_alike(Format::Jsonl).prop_map(|lines| (Format::Jsonl, lines)),
        ],
        turns in prop::collection::vec(any::<Index>(), 0..60),
        (bom, crlf, ends) in any::<(bool, bool, bool)>(),
        (threads, piece, max_jump) in (1..4usize, 1..300usize, select(vec![0, i64::MAX])),
        close_after in select(vec![1, 7, usize::MAX]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tape.csv");
        let end: &[u8] = if crlf { b"\r\n" } else { b"\n" };
        let mut bytes = if bom { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        if format == Format::Csv {
            bytes.extend_from_slice(HEADER.as_bytes());
            bytes.extend_from_slice(end);
        }
        for turn in turns {
            bytes.extend_from_slice(&lines[turn.index(lines.len())]);
            bytes.extend_from_slice(end);
        }
        if !ends {
            bytes.truncate(bytes.len().saturating_sub(end.len()));
        }
        std::fs::write(&path, bytes).unwrap();
        let is_ahead = read_on(&path, format, max_jump, ahead(threads, piece), close_after);
        prop_assert_eq!(is_ahead, read(&path, format, max_jump, None));
    }

    #[test]
    fn a_block_is_what_its_records_are_in_blocks_of_their_own(
        records in prop::collection::vec(record(), 1..300), max_jump in 0..60i64,
        close_after in select(vec![1, 7, 100, usize::MAX]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        // The last of each is a name that cannot be.
        let [symbols, venues] = [["A", "B", ""].as_slice(), &["X", "Y,"]].map(|texts| {
            let names = Names::default();
            texts.iter().for_each(|text| _ = names.intern(text));
            Arc::new(names)
        });
        let mut encoder = BlockEncoder::new(symbols, venues);
        let (mut one, mut many) = (Vec::new(), Vec::new());
        records.iter().for_each(|record| encoder.encode(record, &mut one));
        encoder.seal(&mut one);
        for record in &records {
            encoder.encode(record, &mut many);
            encoder.seal(&mut many);
        }
        let paths = ["one.bin", "many.bin"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], &one).unwrap();
        std::fs::write(&paths[1], many).unwrap();
        let one_block = read_on(&paths[0], Format::Bin, max_jump, None, close_after);
        let many_blocks = read(&paths[1], Format::Bin, max_jump, None);
        let rejects = |kept: &str| -> Vec<serde_json::Value> {
            kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        // The head of a block is a line, and so is each of its records.
        let width = usize::from(u16::from_le_bytes([one[12], one[13]]));
        let head = one.len() - records.len() * width;
        let rejected = rejects(&one_block.3);
        for (reject, of_many) in rejected.iter().zip(rejects(&many_blocks.3)) {
            let nth = (of_many["line"].as_u64().unwrap() as usize - 2) / 2;
            let raw = String::from_utf8_lossy(&one[head + nth * width..][..width]).into_owned();
            prop_assert_eq!(&reject["reason"], &of_many["reason"]);
            prop_assert_eq!((&reject["line"], &reject["raw"]), (&(nth + 2).into(), &raw.into()));
        }
        prop_assert_eq!(rejected.len(), many_blocks.3.lines().count());
        prop_assert_eq!(
            (one_block.0, one_block.1, one_block.2, one_block.4),
            (many_blocks.0, many_blocks.1, many_blocks.2, many_blocks.4)
        );
    }
}

/// A record of any kind, nearly all of which a tape can have: of a known symbol and venue, with a price, and whose time
/// goes on.
fn record() -> impl Strategy<Value = Record> {
    let rarely = |odds: f64| prop::bool::weighted(odds);
    (0..50i64, 0..40u32, 0..30u16, 0..30i64, (rarely(0.01), rarely(0.01), rarely(0.1)), 0..1_000u64).prop_map(
        |(ts_event, symbol, venue, price, (lacks_seq, jumps, is_other), seq)| {
            let kinds = [Kind::Cancel, Kind::Correct, Kind::Quote];
            let kind = if is_other { kinds[seq as usize % 3] } else { Kind::Trade };
            let tick = Tick {
                ts_event: 1_000 + ts_event + if jumps { 70 } else { 0 },
                seq,
                price: Price(if kind == Kind::Cancel { 0 } else { price }),
                ref_seq: 7,
                size: 1,
                ask_size: 0,
                symbol: Symbol(if symbol == 0 { 2 } else { symbol % 2 }),
                watermark_ms: 0,
                recv_lag: Tick::NOT_RECEIVED,
                venue: Venue(if venue == 0 { 2 } else { venue % 2 }),
                kind,
                eligible: Eligible::ALL,
            };
            Record {
                tick,
                has_seq: !lacks_seq,
                is_of_bar: false,
                due: None,
                ts_recv: None,
                side: Short::default(),
                conditions: Short::default(),
            }
        },
    )
}

#[test]
fn objects_that_begin_as_others_are_not_taken_for_them() {
    let object = |rest: &str| format!(r#"{{"ts_event":1,"symbol":"A{rest}"#).into_bytes();
    let twice = object(r#"","price":1,"size":1,"seq":7,"seq":""}"#);
    let lines = [
        object(r#"","price":1,"size":1,"seq":1}"#),
        object(r#",,"price":1,"size":1,"seq":1}"#),
        object(r#"","price":1"size":1,"seq":1}"#),
        object(r#"","price":1,"size":1,"seq":1"#),
        object(r#"","price":1,"size":1,"seq":1}}"#),
        object(r#"","price":null,"size":null,"seq":1}"#),
        object(r#"","price":nil,"size":1,"seq":1}"#),
        twice.clone(),
        twice,
    ];
    check(&lines, Format::Jsonl);
}

fn ahead(threads: usize, piece: usize) -> Option<Ahead> {
    Some(Ahead { threads: NonZeroUsize::new(threads).unwrap(), piece })
}

/// Trades of one symbol, a line each.
fn trades(n: usize) -> String {
    (0..n).map(|i| format!("{},A,{},1\n", 1_700_000_040_000_000_000 + i, 1 + i % 7)).collect()
}

#[test]
fn lines_longer_than_pieces_are_the_same_lines_and_those_that_are_too_long_the_same_rejects() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tape.csv");
    let [long, too_long] = [LONGEST_LINE, LONGEST_LINE + 1].map(|length| "x".repeat(length));
    let parts = ["ts_event,symbol,price,size\n", &trades(100), &long, "\n", &too_long, "\n", &trades(100), &too_long];
    std::fs::write(&path, parts.concat()).unwrap();
    let by_line = read(&path, Format::Csv, i64::MAX, None);
    assert_eq!(by_line.0.len(), 200);
    assert_eq!(by_line.3.lines().count(), 3);
    for piece in [700, 60_000, LONGEST_LINE / 2] {
        assert_eq!(read(&path, Format::Csv, i64::MAX, ahead(2, piece)), by_line, "in pieces of {piece} bytes");
    }
}

#[test]
fn a_file_that_is_changed_while_it_is_decoded_ahead_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tape.csv");
    for (length, word) in [(1_000_000, "cut short"), (6_000_000, "written to")] {
        std::fs::write(&path, "ts_event,symbol,price,size\n".to_owned() + &trades(200_000)).unwrap();
        let rules = PartitionRules { disorder: 0, max_jump: i64::MAX };
        let decoder = decoder(Format::Csv, &Arc::default(), &Arc::default());
        let leaf = Leaf::files(vec![path.clone()], decoder, rules, Rejects::default());
        let mut leaf = leaf.decoded_ahead(ahead(2, 4_096).unwrap());
        // Beyond the first piece, which is read line by line, and far from the end.
        (0..1_000).for_each(|_| assert!(leaf.next_record().unwrap().is_some()));
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        let error = std::iter::from_fn(|| leaf.next_record().transpose()).find_map(Result::err).unwrap().to_string();
        assert!(error.contains(word) && error.contains("tape.csv"), "{error}");
    }
}
