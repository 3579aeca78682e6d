//! `replay inspect`: what is on a tape.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytesize::ByteSize;
use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tapeflow::error::{Doing as _, Error, Result};
use tapeflow::report::{Percentiles, count, span};
use tapeflow::row::Encoding;
use tapeflow::source::{Surroundings, find};
use tapeflow::tape::format::{Encoder, Format, Input, Line, Position, bin, quotable};
use tapeflow::tape::inspect::{Inspection, Peak};
use tapeflow::tape::{Merge, Pace, Silence};
use tapeflow::tick::Kind;
use tapeflow::time::{END_OF_JANUARY, EventTime};

use crate::reading::{Reading, told};

/// Symbols that are listed, the busiest first.
const LISTED: usize = 10;

/// Tell what is on a tape: its columns, symbols, times, kinds, disorder, gaps, rates and first rows
#[derive(Args)]
pub struct Inspect {
    #[command(flatten)]
    reading: Reading,
    /// Tell it as one JSON object
    #[arg(long)]
    json: bool,
}

/// All that is told. Times are nanoseconds since the epoch, spans are nanoseconds.
#[derive(Serialize)]
struct Told {
    files: usize,
    bytes: u64,
    /// The first line of the first file: a header, or an object; or what columns it has.
    first_line: String,
    records: u64,
    rejected: u64,
    trades: u64,
    cancels: u64,
    corrections: u64,
    quotes: u64,
    first: Option<EventTime>,
    last: Option<EventTime>,
    symbols: usize,
    /// The busiest symbols and their records.
    busiest: Vec<(String, u64)>,
    /// Records of each venue; of none, where none is named.
    venues: Vec<(String, u64)>,
    disordered: u64,
    disorder_max: i64,
    sequence: Option<Sequence>,
    /// Lines without a sequence number that say the same as their symbol's last one.
    repeats: u64,
    received_after: Option<Percentiles>,
    rates: Rates,
    /// The longest within a day: of all symbols together, and of one.
    silence: Option<Silent>,
    silence_of_symbol: Option<Silent>,
    /// Silences of a symbol that look like halts of its trading.
    halts: Vec<Silent>,
    first_rows: Vec<String>,
}

#[derive(Serialize)]
struct Sequence {
    numbered_by: &'static str,
    gaps: u64,
    missing: u64,
    duplicates: u64,
    out_of_order: u64,
}

/// Records a second of event time. Silences of over half an hour are not in the average, and where less than a second is
/// left there is none.
#[derive(Clone, Copy, Serialize)]
struct Rates {
    average: Option<f64>,
    peak_1s: u64,
    /// Records of the fullest 10 ms, a hundred times.
    peak_10ms: u64,
}

/// A time in which nothing came, of a symbol or of all.
#[derive(Serialize)]
struct Silent {
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<String>,
    from: EventTime,
    length: u64,
}

impl Silent {
    fn of(silence: Silence, around: &Surroundings) -> Self {
        let Silence { symbol, from, length } = silence;
        let symbol = symbol.map(|symbol| around.symbols.text(symbol.0).to_string());
        Silent { symbol, from, length: length.unsigned_abs() }
    }
}

impl Inspect {
    /// Reads the whole tape and tells on standard output what is on it.
    pub fn run(self) -> Result<()> {
        let inputs = self.reading.inputs("give inspect a file, a folder or a glob")?;
        let around = self.reading.surroundings(Arc::new(AtomicBool::new(false)), None);
        let files = find(&inputs.path)?;
        let leaves = inputs.leaves(&around)?.into_iter().map(|(_, leaf)| leaf).collect();
        let mut merge = Merge::new(leaves, u64::MAX, u64::MAX);
        let mut seen = Inspection::new(self.reading.days());
        let mut no_schedule = Pace::AsRead.timetable();
        while let Some(due) = merge.next(&mut no_schedule)? {
            seen.see(&due.placed());
        }
        let told_all = tell(&seen, &files, inputs.format, &around)?;
        let text = if self.json {
            let json = serde_json::to_string_pretty(&told_all);
            json.map_err(|e| Error::Input(format!("writing what was found as JSON: {e}")))? + "\n"
        } else {
            told_all.text(&self.reading.zone) + &told(&around.rejects)
        };
        match std::io::stdout().write_all(text.as_bytes()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Err(Error::ClosedPipe),
            written => written.doing(|| "writing to standard output"),
        }
    }
}

fn tell(
    seen: &Inspection,
    files: &[std::path::PathBuf],
    format: Option<Format>,
    around: &Surroundings,
) -> Result<Told> {
    let mut busiest: Vec<(String, u64)> =
        seen.symbols.iter().map(|(symbol, n)| (around.symbols.text(symbol.0).to_string(), *n)).collect();
    busiest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    busiest.truncate(LISTED);
    let venue = |id: u16| id.checked_sub(1).map_or(String::new(), |id| around.venues.text(id.into()).to_string());
    let mut venues: Vec<(String, u64)> = seen.venues.iter().map(|(id, n)| (venue(id.0), *n)).collect();
    venues.sort();
    let mut encoder = Encoder::of_tape(Encoding::Csv, around.symbols.clone(), around.venues.clone());
    let mut first_rows = vec![encoder.header().trim_end().to_owned()];
    for record in &seen.first_rows {
        let mut line = Vec::new();
        encoder.encode(record, &mut line);
        first_rows.push(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
    let peak = |peak: &Peak, times| peak.most * times;
    let silent = |silence| Silent::of(silence, around);
    let mut bytes = 0;
    for file in files {
        bytes += fs::metadata(file).doing(|| format!("reading {}", file.display()))?.len();
    }
    Ok(Told {
        files: files.len(),
        bytes,
        first_line: first_line(&files[0], format)?,
        records: seen.records(),
        rejected: around.rejects.count(),
        trades: seen.of(Kind::Trade),
        cancels: seen.of(Kind::Cancel),
        corrections: seen.of(Kind::Correct),
        quotes: seen.of(Kind::Quote),
        first: seen.span.map(|(first, _)| first),
        last: seen.span.map(|(_, last)| last),
        symbols: seen.symbols.len(),
        busiest,
        venues,
        disordered: seen.disordered,
        disorder_max: seen.disorder,
        sequence: seen.numbers().map(|(numbers, by_symbol)| Sequence {
            numbered_by: if by_symbol { "venue and symbol" } else { "venue" },
            gaps: numbers.gaps,
            missing: numbers.missing,
            duplicates: numbers.repeated,
            out_of_order: numbers.late,
        }),
        repeats: seen.repeats,
        received_after: (!seen.lag.is_empty()).then(|| Percentiles::of(&seen.lag)),
        rates: Rates { average: seen.average(), peak_1s: peak(&seen.second, 1), peak_10ms: peak(&seen.ten_ms, 100) },
        silence: seen.silences.longest.map(silent),
        silence_of_symbol: seen.silences.longest_of_symbol.map(silent),
        halts: seen.silences.halts().into_iter().map(silent).collect(),
        first_rows,
    })
}

fn first_line(path: &Path, format: Option<Format>) -> Result<String> {
    let line = match Input::open(path, format.or(Format::of(path)), Position::default())? {
        Input::Rows(rows) => rows.header(),
        Input::Lines(mut lines) => match lines.next_line().doing(|| format!("reading {}", path.display()))? {
            Some(Line::Text(line)) if line.starts_with(&bin::MARK) => "a block of the binary form".into(),
            Some(Line::Text(line) | Line::TooLong(line) | Line::Broken(_, line)) => {
                String::from_utf8_lossy(line).into_owned()
            }
            None => String::new(),
        },
        Input::Pieces(pieces) => String::from_utf8_lossy(pieces.last()).into_owned(),
    };
    Ok(quotable(&line))
}

impl Told {
    fn unit_hint(&self) -> &'static str {
        let is_odd = self.last.is_some_and(|last| last < END_OF_JANUARY);
        if is_odd { "; if these times are no nanoseconds, say --time-unit s, ms or us" } else { "" }
    }

    fn text(&self, zone: &TimeZone) -> String {
        let time = |ts: Option<EventTime>| {
            let at = ts.and_then(|ts| Timestamp::from_nanosecond(ts.into()).ok());
            at.map_or("none".into(), |at| at.to_zoned(zone.clone()).strftime("%F %T%.f %Z").to_string())
        };
        let list = |pairs: &[(String, u64)]| -> String {
            let named = pairs
                .iter()
                .map(|(name, n)| format!("{} {}", if name.is_empty() { "(none named)" } else { name }, count(*n)));
            named.collect::<Vec<_>>().join(", ")
        };
        let mut lines = vec![
            format!("files     {} of {}", count(self.files as u64), ByteSize(self.bytes).display().si()),
            format!("begins    {}", self.first_line),
            format!(
                "records   {}: {} trades, {} cancels, {} corrections, {} quotes; {} lines rejected",
                count(self.records),
                count(self.trades),
                count(self.cancels),
                count(self.corrections),
                count(self.quotes),
                count(self.rejected)
            ),
            format!("first     {}", time(self.first)),
            format!("last      {}{}", time(self.last), self.unit_hint()),
            format!("symbols   {}: {}{}", count(self.symbols as u64), list(&self.busiest), self.more_symbols()),
            format!("venues    {}", list(&self.venues)),
            format!(
                "disorder  {} records are behind their file's clock, by {} at most",
                count(self.disordered),
                span(self.disorder_max.unsigned_abs())
            ),
        ];
        lines.push(match &self.sequence {
            Some(s) => format!(
                "sequence  by {}: {} gaps, {} numbers missing, {} duplicates, {} out of order",
                s.numbered_by,
                count(s.gaps),
                count(s.missing),
                count(s.duplicates),
                count(s.out_of_order)
            ),
            None => "sequence  no numbers".into(),
        });
        if self.sequence.is_none() {
            lines.push(format!("repeats   {} records say the same as their symbol's last one", count(self.repeats)));
        }
        if let Some(lag) = &self.received_after {
            let (p50, p99, max) = (span(lag.p50), span(lag.p99), span(lag.max));
            lines.push(format!("received  after p50 {p50}, p99 {p99}, max {max}"));
        }
        let Rates { average, peak_1s, peak_10ms } = self.rates;
        let on_average = average.map(|average| format!("{}/s on average; ", count(average.round() as u64)));
        let times = |peak: u64| average.map(|average| format!(" ({:.1}x)", peak as f64 / average)).unwrap_or_default();
        lines.push(format!(
            "rates     {}fullest second {}{}; fullest 10 ms {}/s{}",
            on_average.unwrap_or_default(),
            count(peak_1s),
            times(peak_1s),
            count(peak_10ms),
            times(peak_10ms)
        ));
        let silent = |it: &Silent| {
            let whose = it.symbol.as_ref().map(|symbol| format!(" of {symbol}")).unwrap_or_default();
            format!("{}{whose} from {}", span(it.length), time(Some(it.from)))
        };
        if let (Some(all), Some(one)) = (&self.silence, &self.silence_of_symbol) {
            lines.push(format!("silence   within a day, the longest: {}; {}", silent(all), silent(one)));
        }
        if !self.halts.is_empty() {
            let listed: Vec<String> = self.halts.iter().take(LISTED).map(silent).collect();
            let more = if self.halts.len() > LISTED { "; ..." } else { "" };
            lines.push(format!("halts     {}: {}{more}", count(self.halts.len() as u64), listed.join("; ")));
        }
        lines.push("first rows, as we write them:".into());
        lines.extend(self.first_rows.iter().map(|row| format!("  {row}")));
        lines.join("\n") + "\n"
    }

    fn more_symbols(&self) -> &'static str {
        if self.symbols > LISTED { ", ..." } else { "" }
    }
}
