//! How fast lines and rows become records: `cargo bench --bench formats`, with `-- --quick` in a few seconds.
//!
//! Measured, on one core and from memory: the decoders of CSV and of JSON lines, over ticks (`ts_event`, `symbol`,
//! `price`, `size`, `seq`, `venue`) and over the course's minute bars (a local time and four prices; four records a
//! line). No record is kept, and no watermark set: that is `cargo bench --bench files`. With `--features parquet,dbn`, the
//! ticks as Parquet, and as trades of DBN (without `seq`), too: those are read from a file, which lies in memory by then.
//!
//! The floor is beside each: finding the ends of the same lines with `memchr`, which every reader of lines must do; of files
//! of rows, reading their bytes.
//! `of floor` is how many times as long decoding takes. The rates are of the fastest of several repetitions, which take
//! turns, because other programs only ever slow one down; `spread` is (fastest - slowest) / median.

mod bars;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

#[cfg(feature = "dbn")]
use dbn::{
    MappingInterval, Metadata, RecordHeader, SType, Schema, SymbolMapping, TradeMsg,
    encode::{DbnEncoder, EncodeRecord as _},
    rtype,
};
use jiff::tz::TimeZone;
use tapeflow::market::Market;
#[cfg(feature = "parquet")]
use tapeflow::tape::format::{Coder, Record};
use tapeflow::tape::format::{Columns, Decoder, Format, Input, Position};
#[cfg(any(feature = "parquet", feature = "dbn"))]
use tapeflow::tick::Tick;
#[cfg(feature = "parquet")]
use tapeflow::tick::Venue;
use tapeflow::tick::{Names, Price};
use tempfile::NamedTempFile;

const REPETITIONS: usize = 5;

/// A text and how it is written.
struct Text {
    what: &'static str,
    format: Format,
    records_a_line: usize,
    bytes: Vec<u8>,
    /// The same in a file, where the format has no lines.
    file: NamedTempFile,
}

impl Text {
    fn new(what: &'static str, format: Format, records_a_line: usize, bytes: Vec<u8>) -> Text {
        let file = NamedTempFile::new().expect("a file can be made");
        if format.is_of_files() {
            std::fs::write(&file, &bytes).expect("the file can be written");
        }
        Text { what, format, records_a_line, bytes, file }
    }

    /// Does what every reader of it must do.
    fn floor(&self) {
        if self.format.is_of_files() {
            black_box(std::fs::read(&self.file).expect("the file is there"));
        } else {
            black_box(memchr::memchr_iter(b'\n', black_box(&self.bytes)).count());
        }
    }
}

fn main() {
    let ticks = if bars::is_quick() { 200_000 } else { 2_000_000 };
    let symbols = Arc::new(Names::default());
    let market = Market { seed: 1, symbols: 500, per_second: 200_000.0, ticks };
    // Not all of a market's ticks are trades.
    let tape = bars::trades(market, &symbols);
    let lines = tape.len();
    let texts = [
        Text::new("ticks, csv", Format::Csv, 1, bars::csv_ticks(&tape, &symbols)),
        Text::new("ticks, jsonl", Format::Jsonl, 1, bars::jsonl_ticks(&tape, &symbols)),
        Text::new("course bars, csv", Format::Csv, 4, csv_bars(lines)),
        Text::new("course bars, jsonl", Format::Jsonl, 4, jsonl_bars(lines)),
        #[cfg(feature = "parquet")]
        Text::new("ticks, parquet", Format::Parquet, 1, parquet_ticks(&tape, &symbols)),
        #[cfg(feature = "dbn")]
        Text::new("ticks, dbn", Format::Dbn, 1, dbn_ticks(&tape, &symbols)),
    ];
    println!("{}", bars::machine());
    println!("{} lines of each", bars::thousands(lines));
    let mut rates = vec![(Vec::new(), Vec::new()); texts.len()];
    for _ in 0..REPETITIONS {
        for (text, (floor, decoding)) in texts.iter().zip(&mut rates) {
            let began = Instant::now();
            text.floor();
            floor.push(1.0 / began.elapsed().as_secs_f64());
            let began = Instant::now();
            let records = decode(text);
            decoding.push(1.0 / began.elapsed().as_secs_f64());
            assert_eq!(records, lines * text.records_a_line, "{}: a line was lost", text.what);
        }
    }
    println!(
        "\n{:<22}{:>12}{:>12}{:>10}{:>9}{:>16}{:>10}",
        "what", "M lines/s", "M records/s", "MB/s", "spread", "floor MB/s", "of floor"
    );
    for (text, (floor, decoding)) in texts.iter().zip(rates) {
        let (megabytes, lines) = (text.bytes.len() as f64 / 1e6, lines as f64 / 1e6);
        let (floor, decoding) = (bars::Rates::of(floor), bars::Rates::of(decoding));
        println!(
            "{:<22}{:>12.2}{:>12.2}{:>10.0}{:>8.0}%{:>16.0}{:>9.0}x",
            text.what,
            lines * decoding.fastest,
            lines * decoding.fastest * text.records_a_line as f64,
            megabytes * decoding.fastest,
            100.0 * decoding.spread,
            megabytes * floor.fastest,
            floor.fastest / decoding.fastest
        );
    }
    println!("\n{}", bars::machine());
}

/// Decodes all lines; returns how many records they hold.
fn decode(text: &Text) -> usize {
    let zone = TimeZone::get("America/New_York").expect("the time zones are bundled");
    let columns = Columns::new(&[], zone, Arc::default(), Arc::default());
    let mut decoder = Decoder::new(Some(text.format), columns);
    decoder.begin(Path::new("minute/ibm/2013-08-05T00:00:00.csv"));
    let (mut records, mut out, mut rest) = (0, Vec::new(), &text.bytes[..]);
    if text.format.is_of_files() {
        let path = text.file.path();
        let mut input = Input::open(path, Some(text.format), Position::default()).expect("the file can be read");
        while let Some(decoded) = decoder.next(&mut input, path, &mut out).expect("the file can be read") {
            decoded.expect("the rows are records");
            records += black_box(&out).len();
            out.clear();
        }
        return records;
    }
    while let Some(end) = memchr::memchr(b'\n', rest) {
        decoder.decode(&rest[..end], &mut out).expect("the lines are well formed");
        records += black_box(&out).len();
        out.clear();
        rest = &rest[end + 1..];
    }
    records
}

#[cfg(feature = "parquet")]
fn parquet_ticks(tape: &[Tick], symbols: &Arc<Names>) -> Vec<u8> {
    let venues = Arc::new(Names::default());
    let venue = Venue(venues.intern("XNAS") as u16 + 1);
    let (mut out, coder) = (Vec::new(), Coder::new(Format::Parquet, false, symbols.clone(), venues));
    let mut coder = coder.expect("the program writes it");
    for tick in tape {
        coder.encode(&Record::from(Tick { venue, ..*tick }), &mut out).expect("the prices are in its range");
    }
    coder.seal(&mut out).expect("the file ends");
    out
}

/// Trades of XNAS whose symbols the file's header names.
#[cfg(feature = "dbn")]
fn dbn_ticks(tape: &[Tick], symbols: &Names) -> Vec<u8> {
    let start = tape[0].ts_event as u64;
    let metadata = Metadata::builder().dataset("XNAS.ITCH").schema(Some(Schema::Trades)).start(start);
    let metadata = metadata.stype_in(Some(SType::RawSymbol)).stype_out(SType::InstrumentId).build();
    let start_date = metadata.start().date();
    let mapping = |(id, name): (usize, &Arc<str>)| {
        let end_date = start_date.next_day().expect("a day follows");
        let interval = MappingInterval { start_date, end_date, symbol: id.to_string() };
        SymbolMapping { raw_symbol: name.to_string(), intervals: vec![interval] }
    };
    let metadata = Metadata { mappings: symbols.all().iter().enumerate().map(mapping).collect(), ..metadata };
    let mut out = Vec::new();
    let mut encoder = DbnEncoder::new(&mut out, &metadata).expect("the header is sound");
    for tick in tape {
        let ts_recv = tick.ts_event as u64;
        let hd = RecordHeader::new::<TradeMsg>(rtype::MBP_0, 2, tick.symbol.0, ts_recv);
        let trade = TradeMsg { hd, price: tick.price.0, size: tick.size, ts_recv, ..TradeMsg::default() };
        encoder.encode_record(&TradeMsg { action: b'T' as _, ..trade }).expect("memory takes it");
    }
    out
}

/// Minutes of the regular session, one day after the other, as the course has them.
fn bar(n: usize) -> (String, [String; 4]) {
    let (day, minute) = (n / 390, 9 * 60 + 30 + n % 390);
    let (year, month, day) = (2010 + day / 336 % 80, 1 + day / 28 % 12, 1 + day % 28);
    let time = format!("{year}-{month:02}-{day:02} {:02}:{:02}:00", minute / 60, minute % 60);
    let cents = 10_000 + (n as i64 * 7_919) % 4_000;
    let price = |cents: i64| Price(cents * (Price::SCALE / 100)).to_string();
    (time, [price(cents), price(cents + 3), price(cents + 11), price(cents - 7)])
}

fn csv_bars(lines: usize) -> Vec<u8> {
    let mut out = b"timestamp,open,close,high,low\n".to_vec();
    for n in 0..lines {
        let (time, prices) = bar(n);
        out.extend(format!("{time},{}\n", prices.join(",")).bytes());
    }
    out
}

fn jsonl_bars(lines: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for n in 0..lines {
        let (time, [open, close, high, low]) = bar(n);
        let prices = format!("\"open\": {open}, \"close\": {close}, \"high\": {high}, \"low\": {low}");
        out.extend(format!("{{\"timestamp\": \"{time}\", {prices}}}\n").bytes());
    }
    out
}
