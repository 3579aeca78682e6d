//! `replay play`: plays a dataset as a live feed, by a schedule that is fixed in advance.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tapeflow::cli::stop_on_signals;
use tapeflow::config::{Arrive, Count, PaceAsked, Rate, Span, Speed};
use tapeflow::error::{Error, Result};
use tapeflow::report::{Percentiles, count, span, struck};
use tapeflow::source::{Extent, Pacing, Playback};
use tapeflow::tape::format::Record;
use tapeflow::tape::{Burst, Due, Merge, Rejects, Struck, Timetable};
use tapeflow::time::{Clock, EventTime, RunTime};

use crate::deck::{Deck, Key, Turn};
use crate::keyboard::Keyboard;
use crate::outgoing::{Form, Outgoing};
use crate::part::{FaultFlags, Part, refused};
use crate::reading::{Reading, told};

/// Shorter waits are spun through: the system's timers are not as fine.
const SPIN: RunTime = 100_000;

/// The longest sleep before looking whether to stop.
const LONGEST_SLEEP: RunTime = 10_000_000;

/// Between two redrawings of the progress line.
const SHOW_EVERY: RunTime = 200_000_000;

/// What is told when there is a keyboard.
const KEYS: &str = "keys: space pauses and goes on, . sends the next record, left and right go a minute, < and > an \
                    hour, - and + change the speed\n";

/// Play a dataset as a live feed: each line is sent when it is due, and carries that time in `due`
///
/// In the foreground of a terminal, keys move the schedule, which nothing else can: space pauses and goes on, a point
/// sends the next record and pauses, left and right go a minute of the tape, < and > an hour, - and + (or down and up)
/// halve and double the speed. What is due after that is due so much later or earlier, in `due` as well.
#[derive(Args)]
pub struct Play {
    #[command(flatten)]
    reading: Reading,
    /// Where to send: a new file, "-" for standard output, or the address of a feed
    ///
    /// tcp://HOST:PORT and unix://PATH connect, and try again until somebody listens there; tcp-listen://HOST:PORT and
    /// unix-listen://PATH wait for one reader to connect. The schedule begins when the reader is there. If it goes, the
    /// next one is waited for, and the exit code is 1: what was on its way may be lost. file:PATH appends to a file.
    /// kafka://HOST:PORT/TOPIC sends each record with its symbol as the key; exit code 0 says that all were
    /// acknowledged.
    #[arg(long, value_name = "PATH", default_value = "-")]
    to: String,
    /// To Kafka: up to N records of a symbol in a message; none waits for others
    #[arg(long, value_name = "N", default_value = "1")]
    pack: Count,
    /// To Kafka: a property of librdkafka, as in --property linger.ms=5; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = property)]
    property: Vec<(String, String)>,
    /// The form of the lines that are sent
    #[arg(long = "as", value_enum, default_value_t = Form::Jsonl)]
    sent_as: Form,
    /// How many times as fast as event time: 1x, 60x, or max, which has no schedule [default: 1x]
    #[arg(long, conflicts_with = "rate")]
    speed: Option<Speed>,
    /// Records a second on average, instead of a speed: 200k/s
    #[arg(long)]
    rate: Option<Rate>,
    /// When records are sent [default: evenly with a rate, else as on the tape]
    #[arg(long, value_enum)]
    arrivals: Option<Arrivals>,
    /// A rate that swings about its average: 10x/100ms/5s is ten times as high for 100 ms of every 5 s
    #[arg(long)]
    burst: Option<Burst>,
    /// What poisson arrivals and faults follow from
    #[arg(long, default_value_t = 42)]
    seed: u64,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    faults: FaultFlags,
    /// What becomes of records that are overdue because the reader is slow; the schedule does not move
    #[arg(long, value_enum, default_value_t = SlowReader::Block)]
    slow_reader: SlowReader,
    /// How late a record may be before a slow reader is warned of or records are skipped
    #[arg(long, value_name = "DUR", default_value = "1s")]
    patience: Span,
    /// Send the first N records in merged order
    #[arg(long, value_name = "N")]
    limit: Option<Count>,
    /// Send what is due within this span of the schedule: 10s
    #[arg(long = "for", value_name = "DUR")]
    play_for: Option<Span>,
}

/// What becomes of records that are overdue.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SlowReader {
    /// They are sent as fast as the reader takes them
    Block,
    /// They are not sent, and counted: the reader is back in the present
    Skip,
    /// They are sent, and standard error tells of it
    Warn,
}

/// When records are sent.
#[derive(Clone, Copy, ValueEnum)]
enum Arrivals {
    /// Evenly, at the rate
    Constant,
    /// At the rate, with exponential gaps
    Poisson,
    /// With the tape's own gaps, at the speed or scaled to the rate
    Tape,
}

impl Play {
    /// Plays the dataset to its end, or until Ctrl-C.
    pub fn run(self) -> Result<ExitCode> {
        let pacing = self.pacing()?;
        let controls = self.part.controls(&self.faults, self.seed, &self.reading.zone, &pacing)?;
        let playback = Playback { pacing, controls, limit: self.limit.map_or(u64::MAX, |limit| limit.0) };
        let stop = stop_on_signals()?;
        let inputs = self.reading.inputs("give a file, a folder or a glob, and pipe a live feed straight on")?;
        let around = self.reading.surroundings(stop.clone(), self.play_for);
        let clock = around.clock.clone();
        let pacing = pacing.fitted(|| Extent::of_files(&inputs, &playback, &around))?;
        let mut merge = inputs.merge(&playback, &around)?;
        let origin = if pacing == Pacing::Max { None } else { merge.first()? };

        let tables = [around.symbols.clone(), around.venues.clone()];
        let outgoing = Outgoing::open(&self.to, self.sent_as, self.pack.0, &self.property, tables, stop.clone())?;
        let progress = Progress::new(&outgoing, self.reading.zone);
        // The schedule begins when all files are open.
        let (start, start_unix) = (clock.now(), unix_now());
        let pace = pacing.schedule(origin.unwrap_or(0));
        let timetable = pace.timetable();
        let keyboard = Keyboard::open(stop.clone());
        if keyboard.is_some() {
            // A closed standard error leaves nobody to tell.
            let _ = io::stderr().write_all(KEYS.as_bytes());
        }
        let patience = u64::try_from(self.patience.0.as_nanos()).unwrap_or(u64::MAX);
        let overdue = Overdue { slow_reader: self.slow_reader, patience, is_told: false, skipped: 0 };
        let deck = Deck::new(start);
        let mut player =
            Player { clock, stop, timetable, start, start_unix, deck, keyboard, outgoing, progress, overdue };
        let played = player.play(&mut merge);
        player.keyboard = None;
        player.progress.bar.finish_and_clear();
        played?;
        // A closed standard error leaves nobody to tell.
        let _ = io::stderr().write_all((player.summary(&around.rejects) + &faults(around.strikes.so_far())).as_bytes());
        Ok(if player.is_stopped() { ExitCode::from(130) } else { ExitCode::SUCCESS })
    }

    fn pacing(&self) -> Result<Pacing> {
        let usage = |text: &str| Err(Error::Usage(text.into()));
        if self.speed == Some(Speed::Max) && self.play_for.is_some() {
            return usage("--for needs a schedule: give --speed 1x or --rate 200k/s instead of --speed max");
        }
        if self.speed == Some(Speed::Auto) {
            return usage("--speed auto is for pipelines: give a speed like 1x or 60x, or max");
        }
        let arrive = match self.arrivals {
            None => Arrive::Auto,
            Some(Arrivals::Constant) => Arrive::Constant,
            Some(Arrivals::Poisson) => Arrive::Poisson,
            Some(Arrivals::Tape) => Arrive::Tape,
        };
        let (speed, rate, burst, seed) = (self.speed.unwrap_or(Speed::Auto), self.rate, self.burst, self.seed);
        let asked = PaceAsked { speed, rate, arrive, burst, seed };
        asked.pacing((Pacing::Speed(1.0), None)).map_err(refused)
    }
}

fn property(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write name=value, for example linger.ms=5")?;
    Ok((name.into(), value.into()))
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Sends each record when it is due.
struct Player {
    clock: Clock,
    stop: Arc<AtomicBool>,
    timetable: Timetable,
    /// The schedule's beginning, on our clock and since the epoch.
    start: RunTime,
    start_unix: i64,
    deck: Deck,
    keyboard: Option<Keyboard>,
    outgoing: Outgoing,
    progress: Progress,
    overdue: Overdue,
}

/// What came of waiting for a record's turn.
enum Waited {
    /// It has come, at this instant.
    Come(RunTime),
    /// Another record's turn is next: the first one from there, and whether that is back.
    Elsewhere(EventTime, bool),
    /// There is a reason to stop.
    Stopped,
}

/// What becomes of records that are overdue, and what became of them.
struct Overdue {
    slow_reader: SlowReader,
    patience: u64,
    is_told: bool,
    skipped: u64,
}

/// What a summary says of faults: nothing if there were none.
fn faults(found: Struck) -> String {
    if found == Struck::default() { String::new() } else { format!("faults: {}\n", struck(&found)) }
}

impl Player {
    fn play(&mut self, merge: &mut Merge) -> Result<()> {
        let played = self.send_all(merge);
        // What was due before something failed is sent all the same.
        let sent = self.outgoing.send(&self.clock);
        played.and(sent).and_then(|()| self.outgoing.finish())
    }

    fn send_all(&mut self, merge: &mut Merge) -> Result<()> {
        let mut now = self.start;
        // Whoever sits at the keys is heard while a record waits, and now and then if none does.
        let (mut listens, mut is_found) = (true, true);
        while !self.is_stopped() {
            let Some(Due { placed, due }) = merge.next(&mut self.timetable)? else { break };
            if std::mem::take(&mut is_found) {
                self.progress.position = placed.clock;
            }
            if listens || due.is_some_and(|due| self.deck.at(due) > now) {
                // All that was due by now is sent before anything is waited for.
                self.outgoing.send(&self.clock)?;
                match self.wait(due, placed.clock) {
                    Waited::Come(at) => now = at,
                    Waited::Elsewhere(to, is_back) => {
                        merge.seek(to, is_back)?;
                        (listens, is_found) = (true, true);
                        continue;
                    }
                    Waited::Stopped => break,
                }
                // After a step or a seek, the next record may have to wait for a key.
                listens = self.deck.is_paused();
            }
            let at = due.map_or(0, |due| self.deck.at(due));
            if due.is_some() && now.saturating_sub(at) > self.overdue.patience {
                now = self.clock.now();
                if self.is_skipped(now - at) {
                    continue;
                }
            } else {
                self.overdue.is_told = false;
            }
            let due_unix = due.map(|_| self.start_unix.saturating_add_unsigned(at.saturating_sub(self.start)));
            // By now the merge has given a sequence number to those without.
            let record = Record { has_seq: true, due: due_unix, ..placed.record };
            self.outgoing.add(&record, due.map(|_| at));
            self.progress.position = placed.clock;
            if self.outgoing.is_full() {
                self.outgoing.send(&self.clock)?;
                now = self.clock.now();
                self.progress.show(now, &self.outgoing, &self.deck);
                listens = self.keyboard.is_some();
            }
        }
        Ok(())
    }

    /// Whether a record that is overdue by so much is skipped; tells of it if that is wanted.
    fn is_skipped(&mut self, by: u64) -> bool {
        match self.overdue.slow_reader {
            SlowReader::Block => {}
            SlowReader::Skip => self.overdue.skipped += 1,
            SlowReader::Warn if self.overdue.is_told => {}
            SlowReader::Warn => {
                self.overdue.is_told = true;
                let text = format!("the reader is slow: records are sent {} behind the schedule", span(by));
                // A closed standard error leaves nobody to tell.
                self.progress.bar.suspend(|| _ = writeln!(io::stderr(), "{text}"));
            }
        }
        self.overdue.slow_reader == SlowReader::Skip
    }

    /// Waits for the turn of a record that is due at this place of the schedule, and hears keys meanwhile.
    fn wait(&mut self, due: Option<u64>, clock: EventTime) -> Waited {
        loop {
            let now = self.clock.now();
            if self.is_stopped() {
                return Waited::Stopped;
            }
            // One key at a time: a record that is sent by a step goes before what the next key asks for.
            if let Some(key) = self.keyboard.as_ref().and_then(Keyboard::key) {
                self.deck.press(key, now);
                (self.progress.show_at, self.progress.shown) = (0, None);
                if let Key::Seek(by) = key {
                    let to = self.progress.position.saturating_add(by);
                    // In a silence, the record that waits is the first one from there.
                    if by < 0 || to > clock {
                        return Waited::Elsewhere(to, by < 0);
                    }
                }
            }
            let left = match self.deck.turn(due, now) {
                Turn::Now => return Waited::Come(now),
                Turn::At(at) => at - now,
                Turn::Held => LONGEST_SLEEP,
            };
            self.progress.show(now, &self.outgoing, &self.deck);
            match left {
                ..=SPIN => std::hint::spin_loop(),
                left => self.clock.wait(Duration::from_nanos((left - SPIN).min(LONGEST_SLEEP))),
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn summary(&self, rejects: &Rejects) -> String {
        let sent = self.outgoing.sent;
        let elapsed = self.clock.now() - self.start;
        let rate = sent as f64 * 1e9 / elapsed.max(1) as f64;
        let stopped = if self.is_stopped() { ", interrupted" } else { "" };
        let (records, rate) = (count(sent), count(rate as u64));
        let mut text = format!("sent {records} records in {:.2} s, {rate}/s{stopped}\n", elapsed as f64 / 1e9);
        let late = Percentiles::of(&self.outgoing.lateness);
        if late.count > 0 {
            let (p50, p99, max) = (span(late.p50), span(late.p99), span(late.max));
            text += &format!("later than the schedule by: p50 {p50}, p99 {p99}, max {max}\n");
        }
        if self.overdue.skipped > 0 {
            let (skipped, patience) = (count(self.overdue.skipped), span(self.overdue.patience));
            text += &format!("skipped {skipped} records that were due more than {patience} ago\n");
        }
        text += &told(rejects);
        text
    }
}

/// A line on the terminal that tells how far the feed is.
struct Progress {
    bar: ProgressBar,
    zone: TimeZone,
    show_at: RunTime,
    position: EventTime,
    /// When the line was drawn last, and where the feed was.
    shown: Option<(RunTime, EventTime)>,
}

impl Progress {
    fn new(outgoing: &Outgoing, zone: TimeZone) -> Self {
        // Lines that are shown on the terminal are progress enough.
        let is_shown = outgoing.to == "-" && io::stdout().is_terminal();
        let bar = if is_shown || !io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new_spinner().with_style(style)
        };
        Progress { bar, zone, show_at: 0, position: 0, shown: None }
    }

    fn show(&mut self, now: RunTime, outgoing: &Outgoing, deck: &Deck) {
        if now < self.show_at || self.bar.is_hidden() {
            return;
        }
        self.show_at = now + SHOW_EVERY;
        let speed = self.shown.replace((now, self.position)).map_or(String::new(), |(then, from)| {
            format!(", {:.1}x", (self.position - from) as f64 / (now - then).max(1) as f64)
        });
        let time = Timestamp::from_nanosecond(self.position.into()).unwrap_or_default().to_zoned(self.zone.clone());
        let behind = outgoing.behind.map(|late| format!(", {} behind the schedule", span(late))).unwrap_or_default();
        let (sent, time) = (count(outgoing.sent), time.strftime("%F %T"));
        let turned = if deck.times() == 1.0 { String::new() } else { format!(" ({}x the schedule)", deck.times()) };
        self.bar.set_message(if deck.is_paused() {
            format!("{sent} sent, paused at {time}{turned}")
        } else {
            format!("{sent} sent, at {time}{speed}{turned}{behind}")
        });
    }
}
