//! Parquet from outside: a tape is the same through every format, files of pandas are read, and damaged files are
//! errors or rejects. What this cannot catch: files of programs that are not tried here.

#![cfg(feature = "parquet")]

mod damage;
mod program;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use damage::{cases, damage, damaged, flips};
use jiff::tz::TimeZone;
use program::{Done, Folder, Running, at, run};
use proptest::prelude::*;
use tapeflow::error::Result;
use tapeflow::tape::format::{Columns, Decoder, Format, Input, Position, Record};

fn replay(args: &[&str]) -> Done {
    Running::start(&mut at(env!("CARGO_BIN_EXE_replay"), args)).end()
}

/// A folder with a tape of two symbols, `tape`, and the same as Parquet, `parquet`.
fn tapes() -> Folder {
    let folder = Folder::new();
    let args = ["generate", "--symbols", "2", "--trades-per-day", "300", "--cancels", "300", "--corrections", "300"];
    replay(&[&args[..], &["--out", &folder.arg("tape")]].concat()).exits(0);
    convert(&folder, "tape", "parquet", "parquet");
    folder
}

fn convert(folder: &Folder, from: &str, to: &str, out: &str) {
    replay(&["convert", &folder.arg(from), "--to", to, "--out", &folder.arg(out)]).exits(0);
}

#[test]
fn a_tape_gives_the_same_digest_and_bytes_through_every_format() {
    let folder = tapes();
    let digest = folder.play(&folder.arg("tape"), &["--window", "1m"]).digest().to_owned();
    for (format, from) in [("jsonl", "parquet"), ("bin", "jsonl"), ("csv", "bin")] {
        convert(&folder, from, format, format);
        assert_eq!(folder.play(&folder.arg(format), &["--window", "1m"]).digest(), digest, "{format}");
    }
    assert_eq!(folder.play(&folder.arg("parquet"), &["--window", "1m"]).digest(), digest);
    for symbol in ["S000", "S001"] {
        let day = |tape: &str| fs::read(folder.path().join(tape).join(symbol).join("2026-01-05.csv")).unwrap();
        assert_eq!(day("csv"), day("tape"));
    }
    let inspected = replay(&["inspect", &folder.arg("parquet")]).exits(0).stdout;
    assert!(inspected.contains("begins    ts_event,symbol,price,size,seq"), "{inspected}");
    let sent =
        |tape: &str| replay(&["play", &folder.arg(tape), "--speed", "max", "--start", "2026-01-05T12:00"]).stdout;
    assert_eq!(sent("parquet"), sent("tape"));
}

#[test]
fn what_is_no_whole_file_is_an_error() {
    let folder = tapes();
    let whole = fs::read(folder.path().join("parquet/S000/2026-01-05.parquet")).unwrap();
    for (name, bytes) in [("cut", &whole[..whole.len() - 100]), ("text", b"ts_event,symbol\n"), ("empty", b"")] {
        let path = folder.write(&format!("{name}.parquet"), bytes);
        run(&["--input", &path]).exits(1).says(&[name, "it is no Parquet file, or not a whole one"]);
    }
    run(&["--input", "-", "--set", "source.format=parquet"]).exits(2).says(&["Parquet is read in files only"]);
    let high = folder.write("high.csv", "ts_event,symbol,price,size\n1,A,1000000000,1\n");
    let out = folder.arg("high");
    replay(&["convert", &high, "--to", "parquet", "--out", &out]).exits(1).says(&["line 2", "DECIMAL(18, 9)"]);
}

#[test]
fn what_pandas_writes_is_read() {
    let python = std::env::var("TAPEFLOW_PYTHON").unwrap_or_else(|_| "python3".into());
    if !Command::new(&python).args(["-c", "import pandas, pyarrow"]).output().is_ok_and(|found| found.status.success())
    {
        let text = format!("SKIPPED: {python} has no pandas with pyarrow; name one with TAPEFLOW_PYTHON\n");
        // Not by `eprintln`, which the test harness keeps to itself.
        let _ = std::io::stderr().write_all(text.as_bytes());
        return;
    }
    let folder = tapes();
    convert(&folder, "parquet", "csv", "csv");
    let script = r#"
import sys, pandas
ours, out = sys.argv[1:]
ticks = pandas.read_parquet(ours)
ticks = ticks[ticks.action.isna()][["ts_event", "symbol", "price", "size"]]
ticks["ts_event"] = ticks.ts_event.astype("datetime64[us, UTC]")
ticks.assign(ts_event=ticks.ts_event.astype("int64") * 1000).to_csv(out + ".csv", index=False)
ticks.assign(ts_event=ticks.ts_event.astype("int64")).to_parquet(out + "-numbers.parquet")
ticks["price"] = ticks.price.astype(float)
ticks.to_parquet(out + "-plain.parquet")
ticks["symbol"] = ticks.symbol.astype("category")
ticks["ts_event"] = ticks.ts_event.dt.tz_localize(None)
ticks.to_parquet(out + "-naive.parquet", compression="zstd")
ticks.rename(columns={"price": "p"}).to_parquet(out + "-renamed.parquet", compression=None)
ticks.to_parquet(out + "-gzip.parquet", compression="gzip")
ticks.assign(price=True).to_parquet(out + "-wrong.parquet")
ticks.drop(columns="size").to_parquet(out + "-missing.parquet")
ticks.loc[ticks.index[3:5], "price"] = None
ticks.to_parquet(out + "-nulls.parquet")
"#;
    let ours = folder.arg("parquet/S000/2026-01-05.parquet");
    let made = Command::new(&python).args(["-c", script, &ours, &folder.arg("theirs")]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let theirs = |name: &str| folder.arg(&format!("theirs{name}"));
    let as_csv = folder.play(&theirs(".csv"), &[]);
    let microseconds = "source.time_unit=us";
    for (name, set) in
        [("-plain", microseconds), ("-naive", ""), ("-renamed", "source.columns.price=p"), ("-numbers", microseconds)]
    {
        let args: &[&str] = if set.is_empty() { &[] } else { &["--set", set] };
        assert_eq!(folder.play(&theirs(&format!("{name}.parquet")), args).digest(), as_csv.digest(), "{name}");
    }
    let nulls = folder.play(&theirs("-nulls.parquet"), &[]);
    assert_eq!(nulls.reasons(), ["price is missing", "price is missing"]);
    for (name, words) in [
        ("-gzip", "it is compressed with GZIP"),
        ("-wrong", "the column `price` holds BOOLEAN, which is no price"),
        ("-missing", "`size` is missing"),
    ] {
        run(&["--input", &theirs(&format!("{name}.parquet"))]).exits(1).says(&[words]);
    }
}

/// The bytes of a whole file.
static WHOLE: LazyLock<Vec<u8>> =
    LazyLock::new(|| fs::read(tapes().path().join("parquet/S001/2026-01-05.parquet")).unwrap());

fn read(path: &Path) -> Result<Vec<Record>> {
    let columns = Columns::new(&[], TimeZone::UTC, Arc::default(), Arc::default());
    let (mut decoder, mut records) = (Decoder::new(Some(Format::Parquet), columns), Vec::new());
    let mut input = Input::open(path, Some(Format::Parquet), Position::default())?;
    while decoder.next(&mut input, path, &mut records)?.is_some() {}
    Ok(records)
}

proptest! {
    #![proptest_config(cases(4.0))]

    #[test]
    fn a_damaged_file_is_an_error_or_rejects_and_never_a_panic(damage in prop_oneof![damage(), flips()], strikes_index: bool) {
        // The index is at the end, and behind it how long it is.
        let length = WHOLE.last_chunk::<8>().unwrap().first_chunk::<4>().unwrap();
        let (values, index) = WHOLE.split_at(WHOLE.len() - 8 - u32::from_le_bytes(*length) as usize);
        let bytes = match strikes_index {
            true => [values, &damaged(index, &damage)].concat(),
            false => [&damaged(values, &damage), index].concat(),
        };
        let folder = Folder::new();
        let read = read(Path::new(&folder.write("damaged.parquet", &bytes)));
        match read {
            Ok(records) => prop_assert!(bytes != *WHOLE || records.len() > 300, "{} records", records.len()),
            Err(error) => prop_assert!(bytes != *WHOLE && error.to_string().contains("damaged.parquet"), "{}", error),
        }
    }
}
