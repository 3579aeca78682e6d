//! What is on a tape: counted in one pass over its records in merged order.

use std::collections::HashMap;

use hdrhistogram::Histogram;

use super::format::Record;
use super::halts::Listener;
use super::leaf::Placed;
use super::sequence::Sequence;
use crate::calendar::Days;
use crate::latency::histogram;
use crate::lateness::Sessions;
use crate::tick::{Kind, Symbol, Tick, Venue};
use crate::time::{EventTime, SECOND};

/// Records that are kept to be shown.
const SHOWN: usize = 5;

/// A longer silence is closing time, and not in the average rate.
const SILENCE: i64 = 1_800 * SECOND;

/// What was seen of a tape so far.
pub struct Inspection {
    /// The first few records.
    pub first_rows: Vec<Record>,
    /// Trades, cancels, corrections and quotes.
    pub kinds: [u64; 4],
    /// The lowest and highest event time.
    pub span: Option<(EventTime, EventTime)>,
    /// Records of each symbol.
    pub symbols: HashMap<Symbol, u64>,
    /// Records of each venue.
    pub venues: HashMap<Venue, u64>,
    /// Records behind the highest event time of their partition.
    pub disordered: u64,
    /// How far at most, in nanoseconds.
    pub disorder: i64,
    /// Lines without a sequence number that say the same as their symbol's last one.
    pub repeats: u64,
    /// How long after the event records were received, in nanoseconds; of a negative time, zero.
    pub lag: Histogram<u64>,
    /// Most records of a second, and of 10 ms.
    pub second: Peak,
    /// The same of 10 ms.
    pub ten_ms: Peak,
    /// Event time without silences, in nanoseconds.
    pub busy: i64,
    /// Silences within a day.
    pub silences: Listener,
    clock: Option<EventTime>,
    sessions: Sessions,
    said: HashMap<Symbol, Said>,
    by_venue: HashMap<Venue, Numbered>,
    by_symbol: HashMap<(Venue, Symbol), Numbered>,
}

/// What the lines of a symbol say that has no numbers.
#[derive(Default)]
struct Said {
    last: Vec<Tick>,
    /// The prints so far of the one that is being read.
    line: Vec<Tick>,
}

/// The fullest of the equal spans that follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    length: i64,
    at: i64,
    count: u64,
    /// Records in the fullest so far.
    pub most: u64,
}

impl Peak {
    fn new(length: i64) -> Self {
        Peak { length, at: i64::MIN, count: 0, most: 0 }
    }

    fn see(&mut self, clock: EventTime) {
        let at = clock.div_euclid(self.length);
        self.count = if at == self.at { self.count + 1 } else { 1 };
        (self.at, self.most) = (at, self.most.max(self.count));
    }
}

/// The numbers of a stream in its sessions: each begins anew.
#[derive(Default)]
struct Numbered {
    session: i64,
    now: Sequence,
    found: Numbers,
}

/// What sequence numbers tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Gaps.
    pub gaps: u64,
    /// Numbers that are missing in them.
    pub missing: u64,
    /// Numbers that came again.
    pub repeated: u64,
    /// Numbers that came after a higher one.
    pub late: u64,
}

impl Numbers {
    fn and(self, other: Numbers) -> Numbers {
        Numbers {
            gaps: self.gaps + other.gaps,
            missing: self.missing + other.missing,
            repeated: self.repeated + other.repeated,
            late: self.late + other.late,
        }
    }
}

impl Numbered {
    fn see(&mut self, seq: u64, session: i64) {
        if session != self.session {
            self.found = self.total();
            (self.session, self.now) = (session, Sequence::default());
        }
        self.now.see(seq);
    }

    fn total(&self) -> Numbers {
        let (gaps, missing) = self.now.gaps();
        self.found.and(Numbers { gaps, missing, repeated: self.now.repeated, late: self.now.late })
    }
}

impl Inspection {
    /// Of nothing yet. Sequence numbers begin anew on each of these days.
    pub fn new(days: Days) -> Self {
        Inspection {
            first_rows: Vec::new(),
            kinds: [0; 4],
            span: None,
            symbols: HashMap::new(),
            venues: HashMap::new(),
            disordered: 0,
            disorder: 0,
            repeats: 0,
            lag: histogram(),
            second: Peak::new(SECOND),
            ten_ms: Peak::new(SECOND / 100),
            busy: 0,
            silences: Listener::default(),
            clock: None,
            sessions: Sessions::of_days(days),
            said: HashMap::new(),
            by_venue: HashMap::new(),
            by_symbol: HashMap::new(),
        }
    }

    /// Counts the next record in merged order.
    pub fn see(&mut self, placed: &Placed) {
        let (record, tick) = (&placed.record, &placed.record.tick);
        if self.first_rows.len() < SHOWN {
            self.first_rows.push(*record);
        }
        self.kinds[tick.kind as usize] += 1;
        let (first, last) = self.span.unwrap_or((tick.ts_event, tick.ts_event));
        self.span = Some((first.min(tick.ts_event), last.max(tick.ts_event)));
        *self.symbols.entry(tick.symbol).or_default() += 1;
        *self.venues.entry(tick.venue).or_default() += 1;
        let behind = placed.clock - tick.ts_event;
        self.disordered += u64::from(behind > 0);
        self.disorder = self.disorder.max(behind);
        if let Some(ts_recv) = record.ts_recv {
            self.lag.saturating_record(u64::try_from(ts_recv.saturating_sub(tick.ts_event)).unwrap_or(0));
        }
        self.second.see(placed.clock);
        self.ten_ms.see(placed.clock);
        let since = self.clock.map_or(0, |clock| placed.clock - clock);
        self.busy += if since > SILENCE { 0 } else { since };
        self.clock = Some(placed.clock);
        let session = self.sessions.of(tick.ts_event).0;
        self.silences.hear(tick, placed.clock, session);
        if record.has_seq {
            self.by_venue.entry(tick.venue).or_default().see(tick.seq, session);
            self.by_symbol.entry((tick.venue, tick.symbol)).or_default().see(tick.seq, session);
        } else {
            // Prices and sizes apart, the merge has set nothing that a line says.
            let said = Tick { seq: 0, watermark_ms: 0, ..*tick };
            let Said { last, line } = self.said.entry(tick.symbol).or_default();
            line.push(said);
            if line.len() == if record.is_of_bar { 4 } else { 1 } {
                self.repeats += u64::from(line == last);
                std::mem::swap(line, last);
                line.clear();
            }
        }
    }

    /// How many records there are.
    pub fn records(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// How many records are of a kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }

    /// Records a second of event time, silences left out; `None` of a tape that is silent but for less than a second.
    pub fn average(&self) -> Option<f64> {
        (self.busy >= SECOND).then(|| self.records() as f64 / (self.busy as f64 / SECOND as f64))
    }

    /// What the sequence numbers tell, and whether each symbol has numbers of its own at its venue; `None` if there are
    /// none. Where a venue numbers all its symbols together, counting by symbol would find gaps everywhere.
    pub fn numbers(&self) -> Option<(Numbers, bool)> {
        let sum = |all: &mut dyn Iterator<Item = Numbers>| all.fold(Numbers::default(), Numbers::and);
        let by_venue = sum(&mut self.by_venue.values().map(Numbered::total));
        let by_symbol = sum(&mut self.by_symbol.values().map(Numbered::total));
        let oddities = |n: Numbers| n.missing + n.repeated + n.late;
        let is_by_symbol = oddities(by_symbol) <= oddities(by_venue);
        (!self.by_venue.is_empty()).then_some((if is_by_symbol { by_symbol } else { by_venue }, is_by_symbol))
    }
}
