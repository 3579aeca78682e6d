//! The whole player on a clock that is moved by hand: tape, part, gaps, loop, faults, pace, keys, and a reader who takes
//! his time. It is compared with a model that is a list of records and a playhead. What this can catch: a record that is
//! not offered, or twice, out of order, before it is due, or later than the reader allows; a schedule that a slow reader
//! moves; and a key that does something else than it says. What it cannot: how punctual a real clock is.

use std::collections::VecDeque;
use std::io::Cursor;
use std::sync::Mutex;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::Value;
use tapeflow::lateness::Sessions;
use tapeflow::row::Texts;
use tapeflow::sink::{Courier, Parcel};
use tapeflow::tape::format::{Coder, Columns, Decoder, Format};
use tapeflow::tape::{
    Burst, Controls, Faults, Gaps, Leaf, Pace, Part, PartitionRules, Rejects, Silences, Strikes, Timetable,
};
use tapeflow::tick::{Eligible, Kind, Names, Price, Symbol, Tick, Venue};
use tapeflow::time::SECOND;

use super::*;

const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 1_440;
const MS: u64 = 1_000_000;

/// What the clock shows when the schedule begins, and what that is since the epoch.
const START: RunTime = 1_000_000_000;
const START_UNIX: i64 = 7_000_000_000_000_000_000;

/// So long after the beginning everything is stopped that has not ended by itself.
const LONGEST: u64 = 20_000_000_000;

/// One way to play one tape. Times of the tape are in minutes.
#[derive(Clone, Debug)]
struct Case {
    /// The times of each partition's records.
    partitions: Vec<Vec<i64>>,
    start: Option<i64>,
    end: Option<i64>,
    only_first: bool,
    gaps: Shorter,
    again: bool,
    /// It can be read only once.
    is_pipe: bool,
    faults: Faults,
    pace: Way,
    limit: u64,
    play_for: u64,
    /// Keys, and how long after the one before each is pressed.
    keys: Vec<(u64, Key)>,
    /// How long the reader takes for one parcel after the other, over and over.
    takes: Vec<u64>,
    slow_reader: SlowReader,
}

#[derive(Clone, Debug)]
enum Shorter {
    Preserve,
    Compress(i64),
    SkipOvernight,
}

#[derive(Clone, Debug)]
enum Way {
    Max,
    Speed(f64),
    Rate(f64, Gaps, Option<Burst>),
}

const PATIENCE: u64 = 100 * MS;

/// What happened, in its order.
#[derive(Clone, Debug)]
enum Event {
    Key(RunTime, Key),
    /// A parcel was handed over, and taken.
    Sent(RunTime, RunTime, Vec<Value>),
}

type Events = Arc<Mutex<Vec<Event>>>;

/// Takes parcels, each in its time.
struct Reader {
    clock: Clock,
    stop: Arc<AtomicBool>,
    takes: Vec<u64>,
    taken: usize,
    events: Events,
}

impl Courier for Reader {
    fn send(&mut self, parcel: &Parcel, _texts: &Texts) -> Result<()> {
        let began = self.clock.now();
        self.clock.advance(Duration::from_nanos(self.takes[self.taken % self.takes.len()]));
        self.taken += 1;
        let lines = parcel.bytes.split_inclusive(|byte| *byte == b'\n');
        let lines = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        self.events.lock().unwrap().push(Event::Sent(began, self.clock.now(), lines));
        self.stop.fetch_or(self.clock.now() > START + LONGEST, Ordering::Relaxed);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a partition's `i`-th record is called and costs, by which it is known.
fn price(partition: usize, i: usize) -> i64 {
    (1 + partition * 1000 + i) as i64
}

/// A tape whose records have no numbers.
fn leaves(partitions: &[Vec<i64>], symbols: &Arc<Names>) -> Vec<Leaf> {
    let leaf = |(p, minutes): (usize, &Vec<i64>)| {
        let lines = minutes.iter().enumerate().map(|(i, at)| format!("{},S{},{},1\n", at * MINUTE, i % 2, price(p, i)));
        let text = "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>();
        let decoder =
            Decoder::new(Some(Format::Csv), Columns::new(&[], TimeZone::UTC, symbols.clone(), Arc::default()));
        let rules = PartitionRules { disorder: 0, max_jump: i64::MAX };
        Leaf::pipe("test", Box::new(Cursor::new(text.into_bytes())), decoder, rules, Rejects::default())
    };
    partitions.iter().enumerate().map(leaf).collect()
}

/// Plays a tape, and tells what happened and whether it had to be stopped.
fn play(case: &Case) -> (Vec<Event>, Player) {
    let symbols: Arc<Names> = Arc::default();
    let sessions = Sessions::new(TimeZone::UTC);
    let controls = Controls {
        start: case.start.map(|at| at * MINUTE),
        end: case.end.map(|at| at * MINUTE),
        symbols: case.only_first.then(|| "S0".to_owned()).into_iter().collect(),
        silences: match case.gaps {
            Shorter::Preserve => Silences::Preserve,
            Shorter::Compress(most) => Silences::Compress(most * MINUTE),
            Shorter::SkipOvernight => Silences::SkipOvernight(sessions.clone()),
        },
        again: case.again.then(|| sessions.clone()),
        faults: case.faults,
    };
    let mut merge = Merge::new(leaves(&case.partitions, &symbols), case.limit, case.play_for).controlled(
        &controls,
        &symbols,
        &Strikes::default(),
    );
    if !case.is_pipe {
        let (partitions, symbols) = (case.partitions.clone(), symbols.clone());
        merge = merge.opened_by(Box::new(move || Ok(leaves(&partitions, &symbols))));
    }
    if case.again {
        merge = merge.again(sessions);
    }
    let origin = merge.first().unwrap().unwrap_or(0);
    let (clock, stop, events) = (Clock::manual(), Arc::<AtomicBool>::default(), Events::default());
    clock.advance(Duration::from_nanos(START));
    let reader = Reader {
        clock: clock.clone(),
        stop: stop.clone(),
        takes: case.takes.clone(),
        taken: 0,
        events: events.clone(),
    };
    let coder = Coder::new(Format::Jsonl, true, symbols.clone(), Arc::default()).unwrap();
    let outgoing = Outgoing::by(Box::new(reader), "-", coder, [symbols, Arc::default()]);
    let mut presses: VecDeque<(RunTime, Key)> = VecDeque::new();
    for (after, key) in &case.keys {
        let before = presses.back().map_or(START, |(at, _)| *at);
        presses.push_back((before + after, *key));
    }
    let keys = {
        let (clock, stop, events) = (clock.clone(), stop.clone(), events.clone());
        move || {
            let now = clock.now();
            stop.fetch_or(now > START + LONGEST, Ordering::Relaxed);
            let (_, key) = presses.front().copied().filter(|(at, _)| *at <= now)?;
            presses.pop_front();
            events.lock().unwrap().push(Event::Key(now, key));
            Some(key)
        }
    };
    let mut player = Player {
        stop,
        timetable: pace(case, origin).timetable(),
        start: START,
        start_unix: START_UNIX,
        deck: Deck::new(START),
        keys: Some(Box::new(keys)),
        progress: Progress::new(&outgoing, TimeZone::UTC),
        outgoing,
        overdue: Overdue::new(case.slow_reader, Duration::from_nanos(PATIENCE)),
        clock,
    };
    player.play(&mut merge).unwrap();
    let events = events.lock().unwrap().clone();
    (events, player)
}

fn pace(case: &Case, origin: EventTime) -> Pace {
    match case.pace {
        Way::Max => Pace::AsRead,
        Way::Speed(speed) => Pace::Speed { origin, speed },
        Way::Rate(per_second, gaps, burst) => Pace::Rate { per_second, gaps, burst },
    }
}

/// A record as the model knows it.
#[derive(Clone, Debug)]
struct Item {
    price: i64,
    symbol: usize,
    ts_event: EventTime,
    /// When it comes, by its partition's clock; of a late one, when it comes after all.
    clock: EventTime,
    seq: u64,
    pass: usize,
    /// Where it stands among all records that are played, faults aside.
    nth: usize,
    is_late: bool,
    /// By how much it is held up.
    jitter: u64,
}

/// All records by time, of so many passes, with their numbers: those that are read count, whether they are played or not.
fn all(case: &Case, passes: usize) -> Vec<Item> {
    let mut read = Vec::new();
    for (p, minutes) in case.partitions.iter().enumerate() {
        let mut clock = 0;
        for (i, at) in minutes.iter().enumerate() {
            clock = clock.max(*at);
            read.push((clock, p, i, *at));
        }
    }
    read.sort_unstable();
    let is_played = |at: i64, i: usize| {
        let is_in = case.start.is_none_or(|start| at >= start) && case.end.is_none_or(|end| at < end);
        is_in && (!case.only_first || i.is_multiple_of(2))
    };
    let played: Vec<i64> = read.iter().filter(|(.., i, at)| is_played(*at, *i)).map(|(clock, ..)| *clock).collect();
    let days = played.first().zip(played.last()).map_or(0, |(first, last)| last / DAY - first / DAY + 1);
    let (mut counts, mut items) = ([0; 2], Vec::new());
    for pass in 0..passes {
        let shift = pass as i64 * days * DAY;
        for (clock, p, i, at) in &read {
            let seq = counts[i % 2];
            counts[i % 2] += 1;
            if is_played(*at, *i) {
                let (ts_event, clock) = ((at + shift) * MINUTE, (clock + shift) * MINUTE);
                let (price, nth) = (price(*p, *i), items.len());
                items.push(Item { price, symbol: i % 2, ts_event, clock, seq, pass, nth, is_late: false, jitter: 0 });
            }
        }
    }
    items
}

/// What faults make of a record that is alone: when it comes, and by how much it is held up.
fn alone(item: &Item, faults: Faults) -> Vec<(EventTime, u64)> {
    let (price, recv_lag) = (Price(item.price * Price::SCALE), Tick::NOT_RECEIVED);
    let (ts_event, seq, symbol, venue, kind) = (item.ts_event, item.seq, Symbol(0), Venue(0), Kind::Trade);
    let (ref_seq, size, ask_size, watermark_ms) = (0, 1, 0, 0);
    let eligible = Eligible::ALL;
    let tick =
        Tick { ts_event, seq, price, ref_seq, size, ask_size, symbol, watermark_ms, recv_lag, venue, kind, eligible };
    let rules = PartitionRules { disorder: 0, max_jump: i64::MAX };
    let mut merge = Merge::new(vec![Leaf::made([tick].into(), rules)], u64::MAX, u64::MAX).controlled(
        &Controls { faults, ..Controls::default() },
        &Arc::default(),
        &Strikes::default(),
    );
    let mut came = Vec::new();
    // A speed that takes a late one back to where it would have been, but for a nanosecond.
    let mut timetable = Pace::Speed { origin: ts_event, speed: 1e30 }.timetable();
    while let Some(next) = merge.next(&mut timetable).unwrap() {
        let clock = next.clock();
        came.push((clock - ts_event, next.due.unwrap() - u64::from(clock > ts_event)));
    }
    came
}

/// The same records after faults, by when they come: a late one before whatever sets out at that time.
fn struck(all: &[Item], faults: Faults) -> Vec<Item> {
    if faults == Faults::default() {
        return all.to_vec();
    }
    let came = |item: &Item| {
        let came = alone(item, faults);
        let jitter = came.first().map_or(0, |(_, jitter)| *jitter);
        let item = item.clone();
        came.into_iter().map(move |(by, _)| Item { clock: item.clock + by, is_late: by > 0, jitter, ..item.clone() })
    };
    let mut came: Vec<Item> = all.iter().flat_map(came).collect();
    came.sort_by_key(|item| (item.clock, !item.is_late, item.nth));
    came
}

/// Where records stand on the schedule, one after the other.
struct Schedule<'a> {
    case: &'a Case,
    timetable: Timetable,
    origin: EventTime,
    last: Option<EventTime>,
    skipped: i64,
    /// The last place, behind which no record is held up to.
    place: u64,
}

impl Schedule<'_> {
    fn place(&mut self, item: &Item) -> u64 {
        if let Some(last) = self.last.replace(item.clock) {
            let gap = item.clock - last;
            let day = |clock: EventTime| clock / (DAY * MINUTE);
            self.skipped += match self.case.gaps {
                Shorter::Compress(most) => (gap - most * MINUTE).max(0),
                Shorter::SkipOvernight if day(last) != day(item.clock) => (gap - SECOND).max(0),
                Shorter::Preserve | Shorter::SkipOvernight => 0,
            };
        }
        let clock = item.clock - self.skipped;
        let place = match self.case.pace {
            Way::Speed(speed) => ((clock - self.origin).max(0) as f64 / speed).ceil() as u64,
            // Rates have a test of their own.
            Way::Max | Way::Rate(..) => self.timetable.due(clock).unwrap_or(0),
        };
        if self.case.faults == Faults::default() {
            return place;
        }
        self.place = self.place.max(place + item.jitter);
        self.place
    }
}

/// The model: who is next, and where the schedule is played.
struct Model<'a> {
    case: &'a Case,
    all: Vec<Item>,
    items: Vec<Item>,
    schedule: Schedule<'a>,
    at: usize,
    /// Where the next record stands on the schedule; none if there is none.
    place: Option<u64>,
    sent: u64,
    /// An instant, the place of the schedule at it, and how fast it goes on; and how it went before.
    playhead: (f64, f64),
    times: f64,
    before: Vec<(f64, f64, f64)>,
    is_paused: bool,
    /// The next record is sent in spite of the pause.
    steps: bool,
    /// The next record is due as soon as it may be sent.
    lands: bool,
    /// The clock from which a seek counts.
    position: EventTime,
    last_key: RunTime,
}

impl Model<'_> {
    fn new(case: &Case) -> Model<'_> {
        let once = all(case, 1).len().max(1);
        let all = all(case, if case.again { 2 * case.limit as usize / once + 12 } else { 1 });
        let items = struck(&all, case.faults);
        let origin = items.first().map_or(0, |item| item.clock);
        let timetable = pace(case, origin).timetable();
        let schedule = Schedule { case, timetable, origin, last: None, skipped: 0, place: 0 };
        let mut model = Model {
            case,
            position: origin,
            all,
            items,
            schedule,
            at: 0,
            place: None,
            sent: 0,
            playhead: (START as f64, 0.0),
            times: 1.0,
            before: Vec::new(),
            is_paused: false,
            steps: false,
            lands: false,
            last_key: 0,
        };
        model.take();
        model
    }

    fn next(&self) -> &Item {
        &self.items[self.at]
    }

    /// The next record is taken off the tape.
    fn take(&mut self) {
        let item = self.items.get(self.at).filter(|_| self.sent < self.case.limit);
        let place = item.map(|item| self.schedule.place(item));
        self.place = place.filter(|place| matches!(self.case.pace, Way::Max) || *place < self.case.play_for);
    }

    fn due(&self) -> f64 {
        if self.steps || self.lands {
            return self.last_key as f64;
        }
        let place = self.place.unwrap() as f64;
        let (at, from, times) = match self.before.iter().rfind(|(_, from, _)| *from <= place) {
            Some(before) if self.playhead.1 > place => *before,
            _ => (self.playhead.0, self.playhead.1, self.times),
        };
        at + (place - from) / times
    }

    fn move_to(&mut self, now: RunTime) {
        let since = now as f64 - self.playhead.0;
        if self.is_paused {
            // What is overdue was held up by no one else, either.
            self.before.iter_mut().for_each(|(at, ..)| *at += since);
        } else {
            self.before.push((self.playhead.0, self.playhead.1, self.times));
            self.playhead.1 += since * self.times;
        }
        self.playhead.0 = now as f64;
    }

    fn press(&mut self, key: Key, now: RunTime) {
        if self.case.is_pipe && matches!(key, Key::Seek(..0)) {
            return;
        }
        self.move_to(now);
        self.last_key = now;
        match key {
            Key::Step if self.is_paused => self.steps = true,
            Key::Pause | Key::Step => self.is_paused = !self.is_paused,
            Key::Speed(times) => self.times *= times,
            Key::Seek(by) => self.seek(by),
        }
    }

    fn seek(&mut self, by: i64) {
        self.lands = true;
        let (to, next) = (self.position + by, self.next().clone());
        if by < 0 {
            // From the beginning of the pass in which the tape is read.
            let reads = if next.is_late {
                self.all.iter().find(|it| it.nth > next.nth && it.clock >= next.clock).map_or(0, |it| it.pass)
            } else {
                next.pass
            };
            self.all.retain(|item| item.pass >= reads);
            self.items = struck(&self.all, self.case.faults);
            (self.at, self.schedule.place) = (0, 0);
        } else if to <= next.clock {
            return;
        }
        (self.schedule.last, self.schedule.skipped) = (None, 0);
        self.at += self.items[self.at..].iter().take_while(|item| item.clock < to).count();
        self.position = self.items.get(self.at).map_or(self.position, |item| item.clock);
        self.take();
    }

    /// The next record was sent, or skipped.
    fn pass(&mut self) {
        if std::mem::take(&mut self.steps) | std::mem::take(&mut self.lands) {
            (self.playhead, self.before) = ((self.last_key as f64, self.place.unwrap() as f64), Vec::new());
        }
        self.sent += 1;
        self.at += 1;
        self.take();
    }
}

fn compare(case: &Case) -> std::result::Result<(), TestCaseError> {
    let (events, player) = play(case);
    let mut model = Model::new(case);
    let (mut taken, mut sent, mut skipped) = (0, 0, 0);
    for event in events {
        let (began, ended, lines) = match event {
            Event::Key(now, key) => {
                prop_assert!(model.place.is_some(), "a key was heard when all was over");
                model.press(key, now);
                continue;
            }
            Event::Sent(began, ended, lines) => (began, ended, lines),
        };
        for (nth, line) in lines.iter().enumerate() {
            let said = |item: &Item| (item.ts_event, format!("S{}", item.symbol), item.price, item.seq);
            let number = |name: &str| line[name].as_i64().unwrap();
            let is =
                (number("ts_event"), line["symbol"].as_str().unwrap().into(), number("price"), number("seq") as u64);
            // Each turn of the speed is rounded to a nanosecond of the schedule.
            let due = line["due"].as_i64().map(|due| (due - START_UNIX + START as i64) as u64);
            let is_due =
                |model: &Model| due.is_none_or(|due| (due as f64 - model.due()).abs() <= 16.0 / model.times.min(1.0));
            let is_skipped = |model: &Model| said(model.next()) != is || !is_due(model);
            while case.slow_reader == SlowReader::Skip && model.place.is_some() && is_skipped(&model) {
                prop_assert!(model.due() + (PATIENCE as f64) < began as f64, "{:?} was skipped", model.next());
                skipped += 1;
                model.pass();
            }
            prop_assert!(model.place.is_some(), "{line} was sent when all was over");
            prop_assert_eq!(said(model.next()), is);
            prop_assert!(is_due(&model), "{line}, not {}", model.due());
            prop_assert_eq!(due.is_none(), matches!(case.pace, Way::Max));
            if let Some(due) = due {
                prop_assert!(due <= began, "{line} was sent at {began}");
                prop_assert!(nth > 0 || began <= due.max(taken).max(model.last_key), "{line} was sent at {began}");
            }
            prop_assert!(!model.is_paused || model.steps, "{line} was sent in a pause");
            model.position = model.next().clock;
            model.pass();
            sent += 1;
        }
        taken = ended;
    }
    if !player.is_stopped() {
        while case.slow_reader == SlowReader::Skip && model.place.is_some() {
            skipped += 1;
            model.pass();
        }
        prop_assert!(model.place.is_none(), "{:?} was not sent", model.next());
        prop_assert_eq!(player.overdue.skipped, skipped);
    }
    prop_assert_eq!(player.outgoing.sent, sent);
    Ok(())
}

fn a_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        3 => Just(Key::Pause),
        3 => Just(Key::Step),
        1 => Just(Key::Speed(2.0)),
        1 => Just(Key::Speed(0.5)),
        4 => (-900i64..900).prop_map(|minutes| Key::Seek(minutes * MINUTE)),
    ]
}

fn a_way() -> impl Strategy<Value = Way> {
    let burst = Burst { times: 5.0, length: 100 * MS, every: 700 * MS };
    let gaps = prop_oneof![Just(Gaps::Even), any::<u64>().prop_map(|seed| Gaps::Poisson { seed })];
    prop_oneof![
        1 => Just(Way::Max),
        5 => prop_oneof![Just(20_000.0), Just(77_777.7), Just(1e6)].prop_map(Way::Speed),
        3 => (1.0..1_000.0, gaps, prop::option::of(Just(burst))).prop_map(|(rate, gaps, burst)| Way::Rate(rate, gaps, burst)),
    ]
}

fn some_faults() -> impl Strategy<Value = Faults> {
    let part = || (0.0..0.5).prop_map(Part);
    let jitter = prop_oneof![Just(0), 0..300 * MS];
    (part(), part(), part(), 1i64..2_000, jitter, any::<u64>()).prop_map(
        |(drop, duplicate, late, late_by, jitter, seed)| Faults {
            drop,
            duplicate,
            late,
            late_by: late_by * MINUTE,
            jitter,
            seed,
        },
    )
}

fn a_case() -> impl Strategy<Value = Case> {
    let partitions = prop::collection::vec(prop::collection::vec(0i64..3 * DAY, 0..25), 1..4);
    let part = (prop::option::of(0i64..2_000), prop::option::of(2_000i64..4_320), any::<bool>());
    let gaps = prop_oneof![
        2 => Just(Shorter::Preserve),
        1 => (1i64..600).prop_map(Shorter::Compress),
        1 => Just(Shorter::SkipOvernight)
    ];
    let faults = prop_oneof![Just(Faults::default()), some_faults()];
    let reads = prop_oneof![Just((true, false)), Just((false, false)), Just((false, true))];
    let ends = (reads, 0u64..150, prop_oneof![3 => Just(u64::MAX), 1 => 0..4_000 * MS]);
    let keys = prop::collection::vec((0..600 * MS, a_key()), 0..14);
    let takes = prop_oneof![Just(vec![0]), prop::collection::vec(0..400 * MS, 1..6)];
    (partitions, part, gaps, faults, a_way(), ends, keys, takes, any::<bool>()).prop_map(
        |(
            partitions,
            (start, end, only_first),
            gaps,
            faults,
            pace,
            ((again, is_pipe), limit, play_for),
            keys,
            takes,
            skips,
        )| {
            // What is skipped shows in no event, so a key that is pressed then could not be judged.
            let skips = skips && keys.is_empty();
            let slow_reader = if skips { SlowReader::Skip } else { SlowReader::Block };
            Case {
                partitions,
                start,
                end,
                only_first,
                gaps,
                again,
                is_pipe,
                faults,
                pace,
                limit,
                play_for,
                keys,
                takes,
                slow_reader,
            }
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_pressed_every_record_is_offered_once_and_when_it_is_due(case in a_case()) {
        compare(&case)?;
    }

    #[test]
    fn a_slow_reader_is_left_behind_and_moves_nothing(case in a_case()) {
        compare(&Case { keys: Vec::new(), slow_reader: SlowReader::Skip, ..case })?;
    }
}
