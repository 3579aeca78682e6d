//! `replay play`: plays a dataset as a live feed, by a schedule that is fixed in advance.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use tapeflow::cli::stop_on_signals;
use tapeflow::config::{Arrive, Count, PaceAsked, Rate, Span, Speed};
use tapeflow::error::{Error, Result};
use tapeflow::memory;
use tapeflow::report::{Absent, struck};
use tapeflow::sink::ToTopic;
use tapeflow::source::{Extent, Pacing, Playback};
use tapeflow::tape::{Burst, Struck};

use crate::deck::Deck;
use crate::keyboard::Keyboard;
use crate::outgoing::Outgoing;
use crate::part::{FaultFlags, Part, refused};
use crate::player::{Keys, Overdue, Player, Progress, SlowReader};
use crate::reading::{Reading, told};
use crate::{Form, one_of};

/// What is told when there is a keyboard.
const KEYS: &str = "keys: space pauses and goes on, . sends the next record, left and right go a minute, < and > an \
                    hour, - and + change the speed\n";

/// What is told beside that of a tape that can be read only once.
const FORWARD_ONLY: &str = "this tape comes through a pipe, so left and < do nothing\n";

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
    /// To Kafka: most messages that go together
    #[arg(long, value_name = "N")]
    batch: Option<Count>,
    /// To Kafka: longest wait of a message for others to go with it [default: 1ms]
    #[arg(long, value_name = "DUR")]
    linger: Option<Span>,
    /// To Kafka: a property of librdkafka, as in --property compression.type=lz4; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = property)]
    property: Vec<(String, String)>,
    /// To Kafka: fail when the topic, or its broker, is not there within this time [default: wait for it]
    #[arg(long, value_name = "DUR")]
    topic_within: Option<Span>,
    /// The form of the lines that are sent
    #[arg(long = "as", value_parser = one_of(&[Form::Csv, Form::Jsonl, Form::Bin]), default_value = "jsonl")]
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
        let controls = self.part.controls(&self.faults, self.seed, &self.reading, &pacing)?;
        let playback = Playback { pacing, controls, limit: self.limit.map_or(u64::MAX, |limit| limit.0) };
        memory::keep_steady(pacing != Pacing::Max);
        let stop = stop_on_signals()?;
        let inputs = self.reading.inputs("give a file, a folder or a glob, and pipe a live feed straight on")?;
        let around = self.reading.surroundings(stop.clone(), self.play_for);
        let clock = around.clock.clone();
        let pacing = pacing.fitted(|| Extent::of_files(&inputs, &playback, &around))?;
        let mut merge = inputs.merge(&playback, &around)?;
        let origin = if pacing == Pacing::Max { None } else { merge.first()? };

        let tables = [around.symbols.clone(), around.venues.clone()];
        let outgoing = Outgoing::open(&self.to, self.sent_as, self.pack.0, &self.to_topic(), tables, stop.clone())?;
        let progress = Progress::new(&outgoing, self.reading.zone);
        // The schedule begins when all files are open.
        let (start, start_unix) = (clock.now(), unix_now());
        let pace = pacing.schedule(origin.unwrap_or(0));
        let timetable = pace.timetable();
        let keyboard = Keyboard::open(stop.clone());
        if keyboard.is_some() {
            // A closed standard error leaves nobody to tell.
            let told = if merge.goes_back() { KEYS.to_owned() } else { KEYS.to_owned() + FORWARD_ONLY };
            let _ = io::stderr().write_all(told.as_bytes());
        }
        let keys = keyboard.map(|keyboard| Box::new(move || keyboard.key()) as Keys);
        let overdue = Overdue::new(self.slow_reader, self.patience.0);
        let deck = Deck::new(start);
        let mut player = Player { clock, stop, timetable, start, start_unix, deck, keys, outgoing, progress, overdue };
        let played = player.play(&mut merge);
        // The terminal is left as it was before anything is told.
        player.keys = None;
        player.progress.end();
        played?;
        let absent = Absent::told(&Absent::among(&playback.controls.symbols, &around.symbols));
        let absent = absent.map(|absent| absent + "\n").unwrap_or_default();
        let summary = player.summary() + &told(&around.rejects) + &faults(around.strikes.so_far()) + &absent;
        // A closed standard error leaves nobody to tell.
        let _ = io::stderr().write_all(summary.as_bytes());
        Ok(if player.is_stopped() { ExitCode::from(130) } else { ExitCode::SUCCESS })
    }

    fn to_topic(&self) -> ToTopic {
        ToTopic {
            max_batch: self.batch.map(|batch| batch.0),
            linger: self.linger.map(|linger| linger.0),
            properties: self.property.clone(),
            within: self.topic_within.map(|within| within.0),
        }
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

/// What a summary says of faults: nothing if there were none.
fn faults(found: Struck) -> String {
    if found == Struck::default() { String::new() } else { format!("faults: {}\n", struck(&found)) }
}
