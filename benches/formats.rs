//! How fast lines become records: `cargo bench --bench formats`, with `-- --quick` in a few seconds.
//!
//! Measured, on one core and from memory: the decoders of CSV and of JSON lines, over ticks (`ts_event`, `symbol`,
//! `price`, `size`, `seq`, `venue`) and over the course's minute bars (a local time and four prices; four records a
//! line). No file is read, no record kept, and no watermark set: that is `cargo bench --bench files`.
//!
//! The floor is beside each: finding the ends of the same lines with `memchr`, which every reader of lines must do.
//! `of floor` is how many times as long decoding takes. The rates are of the fastest of several repetitions, which take
//! turns, because other programs only ever slow one down; `spread` is (fastest - slowest) / median.

mod bars;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jiff::tz::TimeZone;
use tapeflow::tape::Market;
use tapeflow::tape::format::{Columns, Decoder, Format};
use tapeflow::tick::{Names, Price, Tick};

const REPETITIONS: usize = 5;

/// A text and how it is written.
struct Text {
    what: &'static str,
    format: Format,
    records_a_line: usize,
    bytes: Vec<u8>,
}

fn main() {
    let lines = if bars::is_quick() { 200_000 } else { 2_000_000 };
    let symbols = Names::default();
    let market = Market { seed: 1, symbols: 500, per_second: 200_000.0, ticks: lines };
    let tape = bars::trades(market, &symbols);
    let texts = [
        Text { what: "ticks, csv", format: Format::Csv, records_a_line: 1, bytes: bars::csv_ticks(&tape, &symbols) },
        Text { what: "ticks, jsonl", format: Format::Jsonl, records_a_line: 1, bytes: jsonl_ticks(&tape, &symbols) },
        Text { what: "course bars, csv", format: Format::Csv, records_a_line: 4, bytes: csv_bars(lines as usize) },
        Text {
            what: "course bars, jsonl",
            format: Format::Jsonl,
            records_a_line: 4,
            bytes: jsonl_bars(lines as usize),
        },
    ];
    println!("{}", bars::machine());
    println!("{} lines of each", bars::thousands(lines as usize));
    let mut rates = vec![(Vec::new(), Vec::new()); texts.len()];
    for _ in 0..REPETITIONS {
        for (text, (floor, decoding)) in texts.iter().zip(&mut rates) {
            let began = Instant::now();
            let found = memchr::memchr_iter(b'\n', black_box(&text.bytes)).count();
            floor.push(1.0 / began.elapsed().as_secs_f64());
            let began = Instant::now();
            let records = decode(text);
            decoding.push(1.0 / began.elapsed().as_secs_f64());
            let header = usize::from(text.format == Format::Csv);
            assert_eq!(records, (found - header) * text.records_a_line, "{}: a line was lost", text.what);
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
    while let Some(end) = memchr::memchr(b'\n', rest) {
        decoder.decode(&rest[..end], &mut out).expect("the lines are well formed");
        records += black_box(&out).len();
        out.clear();
        rest = &rest[end + 1..];
    }
    records
}

fn jsonl_ticks(tape: &[Tick], symbols: &Names) -> Vec<u8> {
    let names = symbols.all();
    let mut out = Vec::new();
    for tick in tape {
        let symbol = &names[tick.symbol.0 as usize];
        out.extend(format!("{{\"ts_event\": {}, \"symbol\": \"{symbol}\", \"price\": ", tick.ts_event).bytes());
        tick.price.write(&mut out);
        out.extend(format!(", \"size\": {}, \"seq\": {}, \"venue\": \"XNAS\"}}\n", tick.size, tick.seq).bytes());
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
