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
use tapeflow::report::{Percentiles, count, span};
use tapeflow::source::{Extent, Inputs, Live, Pacing, Surroundings};
use tapeflow::tape::format::{COLUMNS, Format, Record};
use tapeflow::tape::{Burst, Due, Merge, PartitionRules, Rejects, Timetable};
use tapeflow::tick::Names;
use tapeflow::time::{Clock, EventTime, RunTime};

use crate::outgoing::{Form, Outgoing};

/// Shorter waits are spun through: the system's timers are not as fine.
const SPIN: RunTime = 100_000;

/// The longest sleep before looking whether to stop.
const LONGEST_SLEEP: RunTime = 10_000_000;

/// Between two redrawings of the progress line.
const SHOW_EVERY: RunTime = 200_000_000;

/// Play a dataset as a live feed: each line is sent when it is due, and carries that time in `due`
#[derive(Args)]
pub struct Play {
    /// A file, a folder or a glob: ticks or bars, in any form that the pipelines read
    path: String,
    /// Where to send: a new file, "-" for standard output, or the address of a feed
    ///
    /// tcp://HOST:PORT and unix://PATH connect, and try again until somebody listens there; tcp-listen://HOST:PORT and
    /// unix-listen://PATH wait for one reader to connect. The schedule begins when the reader is there. If it goes, the
    /// next one is waited for, and the exit code is 1: what was on its way may be lost. file:PATH appends to a file.
    /// kafka://HOST:PORT/TOPIC sends each record with its symbol as the key; exit code 0 says that all were acknowledged.
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
    /// The form of the files [default: by their extension]
    #[arg(long, value_enum)]
    format: Option<Form>,
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
    /// What the gaps of poisson arrivals follow from
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Send the first N records in merged order
    #[arg(long, value_name = "N")]
    limit: Option<Count>,
    /// Send what is due within this span of the schedule: 10s
    #[arg(long = "for", value_name = "DUR")]
    play_for: Option<Span>,
    /// The zone of bars' local times
    #[arg(long, default_value = "America/New_York", value_parser = zone)]
    zone: TimeZone,
    /// Another name of one of our columns in the files, as in --column size=qty; repeatable
    #[arg(long, value_name = "OURS=THEIRS", value_parser = column)]
    column: Vec<(String, String)>,
    /// A record that jumps ahead by more than this must be confirmed by its partition's next one
    #[arg(long, value_name = "DUR", default_value = "1h")]
    max_jump: Span,
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
        let (pacing, limit) = (self.pacing()?, self.limit.map_or(u64::MAX, |limit| limit.0));
        let stop = stop_on_signals()?;
        let (symbols, venues, clock) = (Arc::new(Names::default()), Arc::new(Names::default()), Clock::wall());
        let around = Surroundings {
            clock: clock.clone(),
            rules: PartitionRules {
                disorder: 0,
                max_jump: i64::try_from(self.max_jump.0.as_nanos()).unwrap_or(i64::MAX),
            },
            symbols: symbols.clone(),
            venues: venues.clone(),
            rejects: Rejects::default(),
            stop: stop.clone(),
            play_for: self.play_for.map(|span| u64::try_from(span.0.as_nanos()).unwrap_or(u64::MAX)),
            idle: 0,
        };
        let format = self.format.map(Format::from);
        let inputs =
            Inputs { path: self.path, format, columns: self.column, zone: self.zone.clone(), live: Live::default() };
        let pacing = pacing.fitted(|| Extent::of_files(&inputs, limit, &around))?;
        let leaves = inputs.leaves(&around)?.into_iter().map(|(_, leaf)| leaf).collect();
        let mut merge = Merge::new(leaves, limit, around.play_for.unwrap_or(u64::MAX));
        let origin = if pacing == Pacing::Max { None } else { merge.first()? };

        let tables = [symbols, venues];
        let outgoing = Outgoing::open(&self.to, self.sent_as, self.pack.0, &self.property, tables, stop.clone())?;
        let progress = Progress::new(&outgoing, self.zone);
        // The schedule begins when all files are open.
        let (start, start_unix) = (clock.now(), unix_now());
        let pace = pacing.schedule(origin.unwrap_or(0));
        let timetable = pace.timetable();
        let mut player = Player { clock, stop, timetable, start, start_unix, outgoing, progress };
        let played = player.play(&mut merge);
        player.progress.bar.finish_and_clear();
        played?;
        // A closed standard error leaves nobody to tell.
        let _ = io::stderr().write_all(player.summary(&around.rejects).as_bytes());
        Ok(if player.is_stopped() { ExitCode::from(130) } else { ExitCode::SUCCESS })
    }

    fn pacing(&self) -> Result<Pacing> {
        let usage = |text: &str| Err(Error::Usage(text.into()));
        if self.path == "-" {
            return usage(
                "standard input is live already: give a file, a folder or a glob, and pipe a live feed straight on",
            );
        }
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
        let refused = |(key, title, help)| Error::Usage(format!("--{key}: {title}; {help}"));
        asked.pacing((Pacing::Speed(1.0), None)).map_err(refused)
    }
}

fn zone(name: &str) -> std::result::Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| "unknown time zone; write an IANA name, for example America/New_York".into())
}

fn column(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((ours, theirs)) if COLUMNS.contains(&ours) && !theirs.is_empty() => Ok((ours.into(), theirs.into())),
        Some((ours, theirs)) if !theirs.is_empty() => {
            Err(format!("`{ours}` is not one of our columns; ours are: {}", COLUMNS.join(", ")))
        }
        _ => Err("write ours=theirs, for example size=qty".into()),
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
    outgoing: Outgoing,
    progress: Progress,
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
        while !self.is_stopped() {
            let Some(Due { placed, due }) = merge.next(&mut self.timetable)? else { break };
            let at = due.map_or(0, |due| self.start.saturating_add(due));
            if at > now {
                // All that was due by now is sent before anything is waited for.
                self.outgoing.send(&self.clock)?;
                now = self.wait(at);
                if now < at {
                    break;
                }
            }
            let due_unix = due.map(|due| self.start_unix.saturating_add_unsigned(due));
            // By now the merge has given a sequence number to those without.
            let record = Record { has_seq: true, due: due_unix, ..placed.record };
            self.outgoing.add(&record, due.map(|_| at));
            self.progress.position = placed.clock;
            if self.outgoing.is_full() {
                self.outgoing.send(&self.clock)?;
                self.progress.show(self.clock.now(), &self.outgoing);
            }
        }
        Ok(())
    }

    /// Waits for an instant and returns what the clock shows then: less, if there is a reason to stop.
    fn wait(&mut self, at: RunTime) -> RunTime {
        loop {
            let now = self.clock.now();
            if now >= at || self.is_stopped() {
                return now;
            }
            self.progress.show(now, &self.outgoing);
            match at - now {
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
        if rejects.count() > 0 {
            text += &format!("rejected {} lines:\n", count(rejects.count()));
            rejects.examples().iter().for_each(|example| text += &format!("  {example}\n"));
        }
        text
    }
}

/// A line on the terminal that tells how far the feed is.
struct Progress {
    bar: ProgressBar,
    zone: TimeZone,
    show_at: RunTime,
    position: EventTime,
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
        Progress { bar, zone, show_at: 0, position: 0 }
    }

    fn show(&mut self, now: RunTime, outgoing: &Outgoing) {
        if now < self.show_at || self.bar.is_hidden() {
            return;
        }
        self.show_at = now + SHOW_EVERY;
        let time = Timestamp::from_nanosecond(self.position.into()).unwrap_or_default().to_zoned(self.zone.clone());
        let behind = outgoing.behind.map(|late| format!(", {} behind the schedule", span(late))).unwrap_or_default();
        self.bar.set_message(format!("{} sent, at {}{behind}", count(outgoing.sent), time.strftime("%F %T")));
    }
}
