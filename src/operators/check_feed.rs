use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use differential_dataflow::AsCollection;
use differential_dataflow::consolidation::consolidate_updates;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;

use super::Changes;
use super::agenda::{Agenda, Held};
use super::context::{Context, Ticks, watermark_of};
use super::settling::Settling;
use crate::error::Error;
use crate::prefetch::prefetched;
use crate::quality::{Noted, Quality, Standard, VenueFeed};
use crate::row::Texts;
use crate::standing::{Pending, Question};
use crate::tick::{Symbol, Tick, Venue, mix, stable_hash};
use crate::time::EventTime;

impl<'scope> Ticks<'scope> {
    /// Tells how good the feed of each venue is, window by window: gaps, duplicates, time going backwards, receive
    /// latency, silent symbols, locked and crossed quotes, peak rates.
    ///
    /// All records count, whatever they say; late ones up to the horizon, by the order of all records of their symbol.
    /// The records of a venue come together on one worker. A window's row is inserted when the watermark passes its
    /// end; a record that comes behind its partition's watermark amends it, and those that it bears on.
    ///
    /// ```
    /// use tapeflow::operators::{Changes, Ticks};
    /// use tapeflow::quality::{Quality, Standard};
    /// use tapeflow::window::Tumbling;
    ///
    /// fn second_by_second(ticks: Ticks<'_>) -> Changes<'_, Quality> {
    ///     let windows = Tumbling::new(1_000_000_000).expect("a second is longer than nothing");
    ///     ticks.check_feed(Standard { windows, stale_windows: 60, seq_per_symbol: false })
    /// }
    /// ```
    pub fn check_feed(self, standard: Standard) -> Changes<'scope, Quality> {
        let context = self.context;
        context.closes_at(standard.windows);
        let noting = context.clone();
        let noted = self.stream.unary::<timely::container::CapacityContainerBuilder<Vec<(Noted, u64)>>, _, _, _>(
            Pipeline,
            "NoteRecords",
            move |_, _| {
                let mut clocks: Vec<EventTime> = Vec::new();
                move |input, output| {
                    input.for_each(|capability, parts| {
                        let Some(sent) = capability.least().copied() else { return };
                        for part in parts.drain(..) {
                            let noted = note(&noting, &mut clocks, part.ticks(), watermark_of(sent), standard);
                            output.session(&capability).give_iterator(noted.into_iter());
                        }
                    });
                }
            },
        );
        let by_venue = Exchange::new(|(noted, _): &(Noted, u64)| mix(u64::from(noted.venue)));
        let rows = noted.unary_frontier(by_venue, "CheckFeed", move |capability, _| {
            drop(capability);
            let operator = Rc::new(RefCell::new(CheckFeed::new(context.clone(), standard)));
            context.tells(&operator, CheckFeed::told);
            let mut held = Held::default();
            move |(input, frontier), output| {
                let operator = &mut *operator.borrow_mut();
                input.for_each(|capability, records| {
                    for (record, due) in records.drain(..) {
                        operator.arrived.entry(due).or_default().push(record);
                    }
                    held.hold(operator, &capability, output.output_index());
                });
                held.act(operator, frontier.frontier().first().copied(), output);
            }
        });
        rows.as_collection()
    }
}

/// Judges ticks that were sent when the worker's watermark stood at `sent_ms`, and says when each is to count: those
/// ahead of their partition's watermark at the end of their window, others at the next time for amendments.
fn note(
    context: &Context,
    clocks: &mut Vec<EventTime>,
    ticks: &[Tick],
    sent_ms: i64,
    standard: Standard,
) -> Vec<(Noted, u64)> {
    let (mut ledger, mut noted) = (context.counters.ledger.get(), Vec::with_capacity(ticks.len()));
    for tick in prefetched(ticks) {
        let at = tick.symbol.0 as usize;
        if at >= clocks.len() {
            clocks.resize(at + 1, EventTime::MIN);
        }
        if !ledger.takes(context.lateness.judge(&mut clocks[at], tick.ts_event)) {
            continue;
        }
        let end = standard.windows.window_of(tick.ts_event).end_ms();
        let due = context.counts_at(tick, end, sent_ms);
        noted.push((Noted::new(tick, context.lateness.sessions.of(tick.ts_event).0), due as u64));
    }
    context.counters.count(ticks, ledger);
    noted
}

struct CheckFeed {
    context: Context,
    standard: Standard,
    texts: Texts,
    venues: BTreeMap<u16, VenueFeed>,
    /// Records by the time at which they count.
    arrived: BTreeMap<u64, Vec<Noted>>,
    settling: Settling,
    /// The sessions before this one are forgotten.
    forgotten: EventTime,
    changes: Vec<(Quality, u64, isize)>,
}

impl CheckFeed {
    fn new(context: Context, standard: Standard) -> Self {
        let texts = Texts::new(context.symbols.clone(), context.venues.clone());
        let (venues, arrived, settling, changes) = Default::default();
        CheckFeed { context, standard, texts, venues, arrived, settling, forgotten: EventTime::MIN, changes }
    }

    fn told(&self, _question: &Question) -> Pending {
        let open = self.arrived.iter().map(|(ms, records)| (*ms as i64, records.len()));
        Pending { name: "windows of feeds, by their records".into(), open: open.collect(), ..Pending::default() }
    }

    fn tell(&mut self, windows: &BTreeSet<(u16, EventTime)>, ms: u64, diff: isize) {
        for (venue, start) in windows {
            let (window, feed) = (self.standard.windows.window_of(*start), &self.venues[venue]);
            if let Some(figures) = feed.figures(*start, &self.standard) {
                let venue = Venue(*venue);
                self.texts.know(Symbol::default(), venue);
                let place = (stable_hash(self.texts.venue(venue).as_bytes()) >> 32) as u32;
                self.changes.push((Quality { window, place, venue, figures }, ms, diff));
            }
        }
    }

    /// Forgets the sessions about which nothing is to come: all but the last two before what the symbols' clocks
    /// settle. A symbol that was not seen yet may still begin in the session before; further back, its records are an
    /// error.
    fn forget(&mut self, ms: u64) {
        let rules = &self.context.lateness;
        let latest = || self.venues.values().flat_map(VenueFeed::latest);
        let settled = || latest().map(|latest| rules.settled_before(latest)).min();
        if let Some(settled) = self.settling.at(ms, settled, &self.context) {
            let session = rules.sessions.of(rules.sessions.of(settled).0.saturating_sub(1)).0;
            self.forgotten = self.forgotten.max(session);
            self.venues.values_mut().for_each(|feed| feed.forget_before(session, &self.standard));
        }
    }
}

impl Agenda for CheckFeed {
    type Row = Quality;

    fn next(&self) -> Option<u64> {
        self.arrived.first_key_value().map(|(ms, _)| *ms)
    }

    /// Counts the records whose time has come, and tells the windows that they touch.
    fn act(&mut self, ms: u64) {
        let records = self.arrived.remove(&ms).unwrap_or_default();
        let mut touched: BTreeSet<(u16, EventTime)> = BTreeSet::new();
        if let Some(late) = records.iter().find(|record| record.session < self.forgotten) {
            let (symbol, ts) = (self.context.symbols.text(late.symbol), late.ts_event);
            self.context.failure.set(Error::Input(format!(
                "a record of {symbol} at {ts} is of a session that is forgotten: the symbol is more than a session \
                 behind the others in its input. Sort the tape by time"
            )));
        }
        for record in &records {
            let feed = self.venues.entry(record.venue).or_default();
            touched.extend(feed.touched(record, &self.standard).into_iter().map(|start| (record.venue, start)));
        }
        self.tell(&touched, ms, -1);
        for record in &records {
            let feed = self.venues.entry(record.venue).or_default();
            feed.add(record, &self.standard);
        }
        self.tell(&touched, ms, 1);
        consolidate_updates(&mut self.changes);
        self.forget(ms);
    }

    fn changes(&mut self) -> &mut Vec<(Quality, u64, isize)> {
        &mut self.changes
    }
}
