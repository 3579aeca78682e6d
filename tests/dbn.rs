//! DBN from outside: what Databento's own encoder writes plays as the same tape in CSV does, and damaged files are errors
//! or rejects. What this cannot catch: what their servers write otherwise than their encoder.

#![cfg(feature = "dbn")]

mod damage;
mod program;

use std::ffi::c_char;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use damage::{cases, damage, damaged, flips};
use dbn::encode::{DbnEncoder, EncodeRecordRef};
use dbn::{
    BboMsg, BidAskPair, Cmbp1Msg, ConsolidatedBidAskPair, FlagSet, MappingInterval, Mbp1Msg, Metadata, RecordHeader,
    RecordRef, SType, Schema, StatusMsg, SymbolMapping, SymbolMappingMsg, SystemMsg, TradeMsg, UNDEF_PRICE,
    UNDEF_TIMESTAMP, rtype, v1,
};
use jiff::tz::TimeZone;
use program::{Done, Folder, Running, at, run};
use proptest::prelude::*;
use tapeflow::tape::format::{Columns, Decoder, Format, Input, Position, Record};
use tapeflow::tick::{Price, mix};

/// 2026-01-05T14:30:00Z, and the beginning of the next day.
const START: u64 = 1_767_623_400_000_000_000;
const NEXT_DAY: u64 = 1_767_657_600_000_000_000;

const HEADER: &str = "ts_event,symbol,price,size,ts_recv,venue,side,action,bid,bid_size,ask,ask_size\n";

fn replay(args: &[&str]) -> Done {
    Running::start(&mut at(env!("CARGO_BIN_EXE_replay"), args)).end()
}

/// The file at `from` as CSV.
#[track_caller]
fn as_csv(folder: &Folder, from: &str, name: &str) -> String {
    let out = folder.arg(&format!("{name}-csv"));
    replay(&["convert", from, "--to", "csv", "--out", &out]).exits(0);
    fs::read_to_string(Path::new(&out).join(format!("{name}.csv"))).unwrap()
}

/// The header of a file in which the instruments 7 and 9 are A and B, and from the next day on the other way round.
fn metadata(schema: Option<Schema>, version: u8) -> Metadata {
    let days = Metadata::builder().dataset("XNAS.ITCH").schema(schema).start(START);
    let header = days.stype_in(Some(SType::RawSymbol)).stype_out(SType::InstrumentId).version(version).build();
    let today = header.start().date();
    let tomorrow = today.next_day().unwrap();
    let mapping = |symbol: &str, ids: [&str; 2]| {
        let days = [(today, tomorrow), (tomorrow, tomorrow.next_day().unwrap())];
        let intervals = days.into_iter().zip(ids).map(|((start_date, end_date), id)| MappingInterval {
            start_date,
            end_date,
            symbol: id.into(),
        });
        SymbolMapping { raw_symbol: symbol.into(), intervals: intervals.collect() }
    };
    Metadata { mappings: vec![mapping("A", ["7", "9"]), mapping("B", ["9", "7"])], ..header }
}

/// The bytes of a file of messages.
fn file(metadata: &Metadata, messages: &[RecordRef<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    DbnEncoder::new(&mut bytes, metadata).unwrap().encode_record_refs(messages).unwrap();
    bytes
}

/// A message of the book as both the library and CSV have it; of a trade its own price, size and side as well.
#[derive(Clone, Copy)]
struct Update {
    ts_event: u64,
    instrument: u32,
    symbol: &'static str,
    action: u8,
    price: i64,
    size: u32,
    side: u8,
    bid: (i64, u32),
    ask: (i64, u32),
}

impl Update {
    fn header(&self) -> RecordHeader {
        // The publisher 2 is Nasdaq's own feed of the venue XNAS.
        RecordHeader::new::<Mbp1Msg>(rtype::MBP_1, 2, self.instrument, self.ts_event)
    }

    fn ts_recv(&self) -> u64 {
        self.ts_event + 1_500
    }

    fn book(&self) -> Mbp1Msg {
        let (bid_px, bid_sz) = self.bid;
        let (ask_px, ask_sz) = self.ask;
        Mbp1Msg {
            hd: self.header(),
            price: self.price,
            size: self.size,
            action: self.action as c_char,
            side: self.side as c_char,
            flags: FlagSet::empty(),
            depth: 0,
            ts_recv: self.ts_recv(),
            ts_in_delta: 0,
            sequence: (self.ts_event / 1_000_000_000) as u32,
            levels: [BidAskPair { bid_px, bid_sz, ask_px, ask_sz, bid_ct: 1, ask_ct: 1 }],
        }
    }

    fn trade(&self) -> TradeMsg {
        TradeMsg {
            hd: RecordHeader::new::<TradeMsg>(rtype::MBP_0, 2, self.instrument, self.ts_event),
            price: self.price,
            size: self.size,
            action: self.action as c_char,
            side: self.side as c_char,
            flags: FlagSet::empty(),
            depth: 0,
            ts_recv: self.ts_recv(),
            ts_in_delta: 0,
            sequence: (self.ts_event / 1_000_000_000) as u32,
        }
    }

    fn line_of_trade(&self) -> String {
        let Update { ts_event, symbol, price, size, .. } = self;
        let side = if self.side == b'N' { String::new() } else { char::from(self.side).to_string() };
        format!("{ts_event},{symbol},{},{size},{},XNAS,{side},trade,,,,\n", Price(*price), self.ts_recv())
    }

    fn line_of_quote(&self) -> String {
        let Update { ts_event, symbol, bid, ask, .. } = self;
        let price = |price: i64| if price == UNDEF_PRICE { String::new() } else { Price(price).to_string() };
        let (bid, bid_size, ask, ask_size) = (price(bid.0), bid.1, price(ask.0), ask.1);
        format!("{ts_event},{symbol},,,{},XNAS,,quote,{bid},{bid_size},{ask},{ask_size}\n", self.ts_recv())
    }
}

/// A day and the beginning of the next one, on which the instruments change their symbols; times go back now and then.
fn updates() -> Vec<Update> {
    let update = |n: u64| {
        let from = if n < 400 { START } else { NEXT_DAY };
        let is_first = !mix(n).is_multiple_of(3);
        let mid = 100_000_000_000 + (mix(n + 1) % 500) as i64 * 10_000_000;
        Update {
            ts_event: from + n * 250_000_000 - mix(n + 2) % 3 * 40_000_000,
            instrument: if is_first { 7 } else { 9 },
            symbol: if is_first == (n < 400) { "A" } else { "B" },
            action: [b'T', b'T', b'A', b'C', b'M'][(mix(n + 3) % 5) as usize],
            price: mid + (mix(n + 4) % 20_000_000) as i64,
            size: (1 + mix(n + 5) % 900) as u32,
            side: [b'A', b'B', b'N'][(mix(n + 6) % 3) as usize],
            bid: (mid, (mix(n + 7) % 2_000) as u32),
            ask: (
                if mix(n + 8).is_multiple_of(50) { UNDEF_PRICE } else { mid + 20_000_000 },
                (mix(n + 9) % 2_000) as u32,
            ),
        }
    };
    (0..600).map(update).collect()
}

fn a_trade() -> Update {
    Update { action: b'T', instrument: 7, symbol: "A", ..updates()[0] }
}

#[test]
fn a_tape_is_the_same_in_dbn_and_in_csv() {
    let (folder, updates) = (Folder::new(), updates());
    let trades = || updates.iter().filter(|update| update.action == b'T');
    let (books, prints): (Vec<_>, Vec<_>) =
        (updates.iter().map(Update::book).collect(), trades().map(Update::trade).collect());
    let books_of_trades: Vec<_> = trades().map(Update::book).collect();
    let both = |update: &Update| update.line_of_quote() + &update.line_of_trade();
    let one = |update: &Update| if update.action == b'T' { update.line_of_trade() } else { update.line_of_quote() };
    for (schema, messages, lines) in [
        (Schema::Trades, prints.iter().map(RecordRef::from).collect(), trades().map(Update::line_of_trade).collect()),
        (Schema::Tbbo, books_of_trades.iter().map(RecordRef::from).collect(), trades().map(both).collect()),
        (
            Schema::Mbp1,
            books.iter().map(RecordRef::from).collect::<Vec<_>>(),
            updates.iter().map(one).collect::<String>(),
        ),
    ] {
        let csv = folder.write("expected.csv", HEADER.to_owned() + &lines);
        let expected = folder.play(&csv, &["--window", "1m"]);
        for version in 1..=3 {
            let header = metadata(Some(schema), version);
            let plain = file(&header, &messages);
            let mut packed = Vec::new();
            DbnEncoder::with_zstd(&mut packed, &header).unwrap().encode_record_refs(&messages).unwrap();
            for (ending, bytes) in [("dbn", &plain), ("dbn.zst", &packed)] {
                let input = folder.write(&format!("{schema}-{version}/tape.{ending}"), bytes);
                let played = folder.play(&input, &["--window", "1m"]);
                assert_eq!(played.digest(), expected.digest(), "{input}");
                assert_eq!(played.summary["ledger"], expected.summary["ledger"], "{input}");
            }
        }
        let input = folder.arg(&format!("{schema}-3/tape.dbn.zst"));
        fs::rename(&input, folder.arg(&format!("{schema}.dbn.zst"))).unwrap();
        let converted = as_csv(&folder, &folder.arg(&format!("{schema}.dbn.zst")), schema.as_str());
        fs::rename(&csv, folder.arg(&format!("{schema}.expected.csv"))).unwrap();
        let csv = folder.arg(&format!("{schema}.expected.csv"));
        assert_eq!(converted, as_csv(&folder, &csv, &format!("{schema}.expected")));
    }
    let inspected = replay(&["inspect", &folder.arg("tbbo-3")]).exits(0).stdout;
    assert!(inspected.contains("begins    DBN 3 with tbbo of XNAS.ITCH"), "{inspected}");
    assert!(inspected.contains("symbols   2: A "), "{inspected}");
    let quotes = folder.arg("mbp-1.dbn.zst");
    let verified = Running::start(&mut at(env!("CARGO_BIN_EXE_tq"), &["verify", "--input", &quotes])).end().exits(0);
    assert!(verified.stdout.starts_with("equal: "), "{}", verified.stdout);
}

#[test]
fn trades_of_one_packet_are_prints_of_their_own() {
    let folder = Folder::new();
    let first = a_trade().trade();
    let second = TradeMsg { price: first.price + 1_000_000_000, size: 77, ..first.clone() };
    let bytes = file(&metadata(Some(Schema::Trades), 3), &[(&first).into(), (&second).into()]);
    let rows = folder.play(&folder.write("a.dbn", bytes), &[]).bars;
    let [close, volume] = [Price(second.price).to_string(), (first.size + 77).to_string()];
    let row: Vec<&str> = rows.lines().nth(1).unwrap().split(',').collect();
    assert_eq!((row[6], row[7], row[8]), (&*close, &*volume, "2"), "{rows}");
}

#[test]
fn what_a_message_lacks_is_left_out_or_a_reject() {
    let folder = Folder::new();
    let trade = Update { side: b'N', ..a_trade() }.trade();
    let header = |instrument: u32, publisher: u16, ts_event: u64| {
        RecordHeader::new::<TradeMsg>(rtype::MBP_0, publisher, instrument, ts_event)
    };
    let trades = [
        TradeMsg { hd: header(1234, 2, START), ..trade.clone() },
        TradeMsg { hd: header(7, 65_000, START), ts_recv: UNDEF_TIMESTAMP, ..trade.clone() },
        TradeMsg { flags: FlagSet::empty().set_bad_ts_recv(), ..trade.clone() },
        TradeMsg { price: UNDEF_PRICE, ..trade.clone() },
        TradeMsg { size: u32::MAX, ..trade.clone() },
        TradeMsg { hd: header(7, 2, UNDEF_TIMESTAMP), ..trade.clone() },
        TradeMsg { hd: header(7, 2, u64::MAX - 1), ..trade.clone() },
        TradeMsg { action: b'C' as c_char, ..trade.clone() },
        TradeMsg { price: -1, ..trade.clone() },
    ];
    let mut messages: Vec<RecordRef<'_>> = trades.iter().map(RecordRef::from).collect();
    let (status, system, short) = (StatusMsg::default(), SystemMsg::default(), header(7, 2, START));
    messages.extend([RecordRef::from(&status), RecordRef::from(&system)]);
    let mut bytes = file(&metadata(Some(Schema::Trades), 3), &messages);
    // A message of a trade that has no more than a header.
    bytes.extend([4, rtype::MBP_0]);
    bytes.extend([short.publisher_id.to_le_bytes(), [7, 0], [0, 0]].concat());
    bytes.extend(START.to_le_bytes());
    let input = folder.write("odd.dbn", bytes);
    let (price, size, ts_event) = (Price(trade.price), trade.size, trade.hd.ts_event);
    let rows = [
        format!("{START},1234,{price},{size},,XNAS,,,,,{},", trade.ts_recv),
        format!("{START},A,{price},{size},,65000,,,,,,"),
        format!("{ts_event},A,{price},{size},,XNAS,,,,,,"),
    ];
    let csv = as_csv(&folder, &input, "odd");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    for (line, row) in csv.lines().skip(1).zip(rows) {
        assert!(line.starts_with(&row), "{line}\n{row}");
    }
    let played = folder.play(&input, &[]);
    assert_eq!(
        played.reasons(),
        [
            "price is missing",
            "size is missing",
            "ts_event is missing",
            "ts_event `9223372036854775807` is beyond the year 2262",
            "action `C` is no trade",
            "price `-0.000000001` is not above zero",
            "its kind is status, which is neither a trade nor a quote",
            "the message is shorter than its kind",
        ]
    );
    let raw = played.rejected[0]["raw"].as_str().unwrap();
    assert!(raw.starts_with(&format!("ts_event={ts_event},symbol=A,size=")), "{raw}");
}

#[test]
fn books_of_intervals_and_of_all_venues_are_quotes() {
    let folder = Folder::new();
    let update = a_trade();
    let Update { bid: (bid_px, bid_sz), ask: (ask_px, ask_sz), .. } = update;
    let levels = [ConsolidatedBidAskPair { bid_px, bid_sz, ask_px, ask_sz, ..Default::default() }];
    let hd = RecordHeader::new::<Cmbp1Msg>(rtype::TCBBO, 2, 7, update.ts_event);
    let (price, size, action, side) = (update.price, update.size, update.action as c_char, update.side as c_char);
    let any = Cmbp1Msg::default_for_schema(Schema::Tcbbo);
    let consolidated = Cmbp1Msg { hd, price, size, action, side, ts_recv: update.ts_recv(), levels, ..any };
    // Of a message that is a reject, nothing is left.
    let reject = Cmbp1Msg { price: UNDEF_PRICE, ..consolidated.clone() };
    let bytes = file(&metadata(Some(Schema::Tcbbo), 3), &[(&consolidated).into(), (&reject).into()]);
    let lines = update.line_of_quote() + &update.line_of_trade();
    let expected = as_csv(&folder, &folder.write("both.csv", HEADER.to_owned() + &lines), "both");
    assert_eq!(as_csv(&folder, &folder.write("tcbbo.dbn", bytes), "tcbbo"), expected);
    // The time of a book at the end of an interval is that end, and its last trade was told before.
    let hd = RecordHeader::new::<BboMsg>(rtype::BBO_1S, 2, 7, UNDEF_TIMESTAMP);
    let ts_recv = START + 1_000_000_000;
    let sampled = BboMsg { hd, ts_recv, levels: update.book().levels, ..BboMsg::default_for_schema(Schema::Bbo1S) };
    let bytes = file(&metadata(Some(Schema::Bbo1S), 3), &[(&sampled).into()]);
    let csv = as_csv(&folder, &folder.write("bbo.dbn", bytes), "bbo");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.lines().nth(1).unwrap().starts_with(&format!("{ts_recv},A,")), "{csv}");
}

/// What a file comes to when it is read from `from` on, up to so many rows, and where that ends.
fn read(path: &Path, from: Position, rows: usize) -> tapeflow::error::Result<(Vec<Record>, Position)> {
    let columns = Columns::new(&[], TimeZone::UTC, Arc::default(), Arc::default());
    let (mut decoder, mut records) = (Decoder::new(Some(Format::Dbn), columns), Vec::new());
    let mut input = Input::open(path, Some(Format::Dbn), from)?;
    for _ in 0..rows {
        if decoder.next(&mut input, path, &mut records)?.is_none() {
            break;
        }
    }
    Ok((records, input.position()))
}

#[test]
fn a_live_capture_names_its_symbols_as_it_goes_on_and_can_be_left_and_resumed() {
    let folder = Folder::new();
    let update = a_trade();
    let (trade, book) = (update.trade(), update.book());
    let mapping = |name: &str| {
        let (stype, end) = (SType::RawSymbol, UNDEF_TIMESTAMP);
        SymbolMappingMsg::new(7, START, stype, name, stype, name, START - 1_000_000_000, end).unwrap()
    };
    let old = v1::SymbolMappingMsg::new(7, START, "OLD", "OLD", START - 1_000_000_000, UNDEF_TIMESTAMP).unwrap();
    let [first, second] = ["FIRST", "SECOND"].map(mapping);
    let header = |version| Metadata { mappings: Vec::new(), ..metadata(None, version) };
    let messages = [RecordRef::from(&trade), (&first).into(), (&trade).into(), (&second).into(), (&book).into()];
    let input = folder.write("live.dbn", file(&header(3), &messages));
    let csv = as_csv(&folder, &input, "live");
    let symbols: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(symbols, ["7", "FIRST", "SECOND", "SECOND"], "{csv}");
    let path = Path::new(&input);
    let all = read(path, Position::default(), usize::MAX).unwrap().0;
    for rows in 0..=messages.len() {
        let (before, position) = read(path, Position::default(), rows).unwrap();
        let after = read(path, position, usize::MAX).unwrap().0;
        // Ids go by who is seen first, so symbols are compared by the text above alone.
        let times = |records: &[Record]| records.iter().map(|r| (r.tick.kind, r.tick.price)).collect::<Vec<_>>();
        assert_eq!(times(&[before, after].concat()), times(&all), "{rows}");
    }
    let input = folder.write("old.dbn", file(&header(1), &[RecordRef::from(&old), (&trade).into()]));
    assert!(as_csv(&folder, &input, "old").contains(",OLD,"));
}

#[test]
fn what_is_no_whole_file_of_trades_or_quotes_is_an_error() {
    let folder = Folder::new();
    let books: Vec<Mbp1Msg> = updates().iter().map(Update::book).collect();
    let messages: Vec<RecordRef<'_>> = books.iter().map(RecordRef::from).collect();
    let header = metadata(Some(Schema::Mbp1), 3);
    let whole = file(&header, &messages);
    let mut packed = Vec::new();
    DbnEncoder::with_zstd(&mut packed, &header).unwrap().encode_record_refs(&messages).unwrap();
    let mut newer = whole.clone();
    newer[3] = 4;
    let struck: Vec<u8> =
        packed.iter().enumerate().map(|(n, byte)| if n == 900 { byte ^ 0xff } else { *byte }).collect();
    let odd = [&whole[..], &[21; 84]].concat();
    let no_dbn = "it is no DBN file, or not a whole one";
    for (name, bytes, words) in [
        ("text.dbn", &b"ts_event,symbol\n"[..], no_dbn),
        ("empty.dbn", b"", no_dbn),
        ("header.dbn", &whole[..50], no_dbn),
        ("newer.dbn", &newer, "can't decode DBN version 4"),
        (
            "cut.dbn",
            &whole[..whole.len() - 30],
            "what follows row 599 cannot be read: the file ends in the midst of it",
        ),
        ("odd.dbn", &odd, "what follows row 600 cannot be read: no message is so long"),
        ("cut.dbn.zst", &packed[..packed.len() - 30], "incomplete frame"),
        ("struck.dbn.zst", &struck, "match checksum"),
    ] {
        run(&["--input", &folder.write(name, bytes)]).exits(1).says(&[name, words]);
    }
    let orders = folder.write("orders.dbn", file(&metadata(Some(Schema::Mbo), 3), &[]));
    run(&["--input", &orders]).exits(1).says(&["it holds `mbo`", "trades, tbbo, mbp-1, bbo-1s"]);
    run(&["--input", "-", "--set", "source.format=dbn"]).exits(2).says(&["DBN is read in files only"]);
    let (csv, out) = (folder.write("a.csv", "ts_event,symbol,price,size\n1,A,1,1\n"), folder.arg("out"));
    replay(&["convert", &csv, "--to", "dbn", "--out", &out]).exits(2).says(&["writing DBN: it is read only"]);
    assert!(!Path::new(&out).exists());
}

/// Forty messages in a plain file and, of another version, in a packed one.
static WHOLE: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let books: Vec<Mbp1Msg> = updates().iter().take(40).map(Update::book).collect();
    let messages: Vec<RecordRef<'_>> = books.iter().map(RecordRef::from).collect();
    let mut packed = Vec::new();
    let header = metadata(Some(Schema::Mbp1), 1);
    DbnEncoder::with_zstd(&mut packed, &header).unwrap().encode_record_refs(&messages).unwrap();
    [file(&metadata(Some(Schema::Mbp1), 3), &messages), packed]
});

proptest! {
    #![proptest_config(cases(4.0))]

    #[test]
    fn a_damaged_file_is_an_error_or_rejects_and_never_a_panic(damage in prop_oneof![damage(), flips()], strikes_header: bool) {
        let [plain, packed] = &*WHOLE;
        let (header, messages) = plain.split_at(400);
        let plain_damaged = match strikes_header {
            true => [&damaged(header, &damage), messages].concat(),
            false => damaged(plain, &damage),
        };
        let folder = Folder::new();
        for (whole, bytes) in [(plain, plain_damaged), (packed, damaged(packed, &damage))] {
            let path = folder.write("damaged.dbn", &bytes);
            match read(Path::new(&path), Position::default(), usize::MAX) {
                Ok((records, _)) => prop_assert!(bytes != *whole || records.len() >= 40, "{} records", records.len()),
                Err(error) => prop_assert!(bytes != *whole && error.to_string().contains("damaged.dbn"), "{}", error),
            }
        }
    }
}
