use super::chunks::Chunks;
use crate::aggregate::{Edges, Print};
use crate::lateness::Sessions;
use crate::tick::Venue;
use crate::time::EventTime;
use crate::window::Window;

/// One symbol's prints, a lane for each venue and session, in the order of sessions.
#[derive(Debug, Default)]
pub struct PrintLog {
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    venue: Venue,
    /// Venues begin to count anew in each.
    session: (EventTime, EventTime),
    highest_seq: u64,
    prints: Chunks,
    /// Those that came late. Among the others each would make its chunk look as if it reached far back.
    late: Chunks,
}

impl PrintLog {
    /// Whether a trade is certainly new: its venue's sequence number is the highest of the latest session.
    #[inline]
    pub fn is_new(&self, venue: Venue, ts: EventTime, seq: u64) -> bool {
        let lane = self.lanes.iter().rev().find(|lane| lane.venue == venue);
        lane.is_none_or(|lane| ts >= lane.session.1 || (ts >= lane.session.0 && seq > lane.highest_seq))
    }

    /// Remembers that a print was seen, kept or not, so that it is not new again.
    pub fn see(&mut self, venue: Venue, print: &Print, sessions: &Sessions) {
        let lane = self.lane(venue, print.ts_event, sessions);
        lane.highest_seq = lane.highest_seq.max(print.seq);
    }

    /// Keeps a print.
    pub fn push(&mut self, venue: Venue, print: Print, sessions: &Sessions) {
        let lane = self.lane(venue, print.ts_event, sessions);
        lane.highest_seq = lane.highest_seq.max(print.seq);
        let chunks = if lane.prints.are_after(print.ts_event) { &mut lane.late } else { &mut lane.prints };
        chunks.push(print);
    }

    /// Hands over the live prints with this sequence number whose times lie in `[within.0, within.1)`, a stretch of one
    /// session.
    pub fn each(&mut self, venue: Venue, seq: u64, within: (EventTime, EventTime), mut give: impl FnMut(&mut Print)) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.venue == venue && lane.holds(within.0)) {
            lane.prints.each(seq, within, &mut give);
            lane.late.each(seq, within, give);
        }
    }

    /// The live prints of a window, in no order that matters.
    pub fn prints_of(&self, window: Window) -> impl Iterator<Item = Print> {
        self.lanes.iter().flat_map(move |lane| lane.prints_of(window)).filter(|print| print.live)
    }

    /// The edges of the live prints of a window. What it takes does not grow with every print, as reading them does, but
    /// with every chunk of them.
    pub fn edges_of(&self, window: Window) -> Edges {
        let mut edges = Edges::default();
        for lane in &self.lanes {
            lane.prints.add_edges_of(window, &mut edges);
            lane.late.add_edges_of(window, &mut edges);
        }
        edges
    }

    /// All prints of a window with their venues, those that were cancelled or corrected since among them.
    pub fn all_prints_of(&self, window: Window) -> impl Iterator<Item = (Venue, Print)> {
        self.lanes.iter().flat_map(move |lane| lane.prints_of(window).map(|print| (lane.venue, print)))
    }

    /// How many chunks of prints are kept.
    pub fn chunks(&self) -> usize {
        self.lanes.iter().map(|lane| lane.prints.len() + lane.late.len()).sum()
    }

    /// Forgets the prints before `ts`, as far as whole chunks lie there.
    pub fn forget_before(&mut self, ts: EventTime) {
        for lane in &mut self.lanes {
            lane.prints.forget_before(ts);
            lane.late.forget_before(ts);
        }
        self.lanes.retain(|lane| lane.session.1 > ts || lane.prints.len() + lane.late.len() > 0);
    }

    #[inline]
    fn lane(&mut self, venue: Venue, ts: EventTime, sessions: &Sessions) -> &mut Lane {
        let at = self.lanes.iter().rposition(|lane| lane.venue == venue && lane.holds(ts));
        let at = at.unwrap_or_else(|| self.open(venue, sessions.of(ts)));
        &mut self.lanes[at]
    }

    #[cold]
    fn open(&mut self, venue: Venue, session: (EventTime, EventTime)) -> usize {
        let at = self.lanes.partition_point(|lane| lane.session.0 <= session.0);
        let (prints, late) = Default::default();
        self.lanes.insert(at, Lane { venue, session, highest_seq: 0, prints, late });
        at
    }
}

impl Lane {
    #[inline]
    fn holds(&self, ts: EventTime) -> bool {
        self.session.0 <= ts && ts < self.session.1
    }

    fn prints_of(&self, window: Window) -> impl Iterator<Item = Print> {
        self.prints.prints_of(window).chain(self.late.prints_of(window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::{Eligible, Price};
    use jiff::tz::TimeZone;

    fn found(log: &mut PrintLog, venue: Venue, seq: u64, within: (EventTime, EventTime)) -> Option<Print> {
        let mut found = None;
        log.each(venue, seq, within, |print| _ = found.get_or_insert(*print));
        found
    }

    fn print(ts_event: EventTime, seq: u64) -> Print {
        Print { ts_event, seq, price: Price(1), size: 1, eligible: Eligible::ALL, live: true }
    }

    #[test]
    fn prints_are_found_by_sequence_and_by_time_until_they_are_forgotten() {
        let (mut log, sessions) = (PrintLog::default(), Sessions::new(TimeZone::UTC));
        for i in 0..1_000 {
            log.push(Venue(1), print(10 * i, i as u64), &sessions);
        }
        log.push(Venue(2), print(55, 7), &sessions);
        assert_eq!(found(&mut log, Venue(1), 7, (0, 10_000)).map(|p| p.ts_event), Some(70));
        assert_eq!(found(&mut log, Venue(2), 7, (0, 10_000)).map(|p| p.ts_event), Some(55));
        assert!(found(&mut log, Venue(1), 7, (0, 70)).is_none());
        assert_eq!(log.prints_of(Window { start: 50, end: 80 }).count(), 4);
        log.each(Venue(2), 7, (55, 56), |print| print.live = false);
        assert_eq!(log.prints_of(Window { start: 50, end: 80 }).count(), 3);
        log.forget_before(5_000);
        assert!(found(&mut log, Venue(1), 7, (0, 10_000)).is_none());
        assert!(found(&mut log, Venue(1), 500, (0, 10_000)).is_some());
    }

    #[test]
    fn sequence_numbers_begin_anew_in_each_session() {
        const DAY: i64 = 86_400_000_000_000;
        let (mut log, sessions) = (PrintLog::default(), Sessions::new(TimeZone::UTC));
        assert!(log.is_new(Venue(0), 10, 100));
        log.push(Venue(0), print(10, 100), &sessions);
        assert!(!log.is_new(Venue(0), 11, 100));
        assert!(log.is_new(Venue(0), 12, 101));
        assert!(log.is_new(Venue(0), DAY, 1));
        log.push(Venue(0), print(DAY, 1), &sessions);
        assert!(!log.is_new(Venue(0), 13, 200));
        assert!(found(&mut log, Venue(0), 100, (0, DAY)).is_some());
        assert!(found(&mut log, Venue(0), 1, (0, DAY)).is_none());
    }

    #[test]
    fn a_print_of_the_last_session_is_found_behind_the_new_one() {
        const DAY: i64 = 86_400_000_000_000;
        let (mut log, sessions) = (PrintLog::default(), Sessions::new(TimeZone::UTC));
        for i in 0..64 {
            log.push(Venue(0), print(DAY - 1_000 + i, 437 + i as u64), &sessions);
        }
        log.push(Venue(0), print(DAY, 1), &sessions);
        assert!(found(&mut log, Venue(0), 500, (0, DAY)).is_some());
    }

    #[test]
    fn late_prints_are_found_however_late_and_in_whatever_order_they_came() {
        const DAY: i64 = 86_400_000_000_000;
        let (mut log, sessions) = (PrintLog::default(), Sessions::new(TimeZone::UTC));
        let late = || (0..200u64).rev().map(|i| (i * 37) % 200);
        for seq in (0..1_000).filter(|seq| seq % 5 > 0) {
            log.push(Venue(0), print(DAY - 10_000 + 10 * seq as i64, seq), &sessions);
        }
        log.push(Venue(0), print(DAY + 5, 3), &sessions);
        for i in late() {
            log.push(Venue(0), print(DAY - 10_000 + 50 * i as i64, 5 * i), &sessions);
        }
        for seq in 0..1_000 {
            let found = found(&mut log, Venue(0), seq, (0, DAY)).map(|print| (print.seq, print.ts_event));
            assert_eq!(found, Some((seq, DAY - 10_000 + 10 * seq as i64)));
        }
        assert!(found(&mut log, Venue(0), 3, (DAY, 2 * DAY)).is_some());
        assert_eq!(log.prints_of(Window { start: DAY - 5_000, end: DAY }).count(), 500);
        assert_eq!(log.prints_of(Window { start: DAY - 10_000, end: DAY - 9_000 }).count(), 100);
        log.forget_before(DAY - 5_000);
        assert_eq!(log.prints_of(Window { start: DAY - 5_000, end: DAY }).count(), 500);
    }
    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

        /// However prints come, the log finds what a plain list has.
        #[test]
        fn a_log_is_a_list(prints in prints(), from in 0..2_000i64, length in 0..600i64, forgotten in 0..2_000i64) {
            let (mut log, sessions) = (PrintLog::default(), Sessions::new(TimeZone::UTC));
            prints.iter().for_each(|(venue, print)| log.push(*venue, *print, &sessions));
            let window = Window { start: NOON + from, end: NOON + from + length };
            let inside = |(_, print): &&(Venue, Print)| window.contains(print.ts_event);
            let sorted = |mut found: Vec<(u16, i64, u64)>| {
                found.sort();
                found
            };
            let words = |(venue, print): (Venue, Print)| (venue.0, print.ts_event, print.seq);
            let expected = sorted(prints.iter().filter(inside).map(|(venue, print)| words((*venue, *print))).collect());
            proptest::prop_assert_eq!(sorted(log.all_prints_of(window).map(words).collect()), expected.clone());
            for (venue, print) in prints.iter().filter(inside) {
                let found = found(&mut log, *venue, print.seq, (window.start, window.end));
                proptest::prop_assert!(found.is_some_and(|found| found.seq == print.seq && window.contains(found.ts_event)));
            }
            for seq in 0..400 {
                let is_there = prints.iter().filter(inside).any(|(venue, print)| *venue == Venue(1) && print.seq == seq);
                proptest::prop_assert_eq!(found(&mut log, Venue(1), seq, (window.start, window.end)).is_some(), is_there);
            }
            log.forget_before((NOON + forgotten).min(window.start));
            proptest::prop_assert_eq!(sorted(log.all_prints_of(window).map(words).collect()), expected);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

        /// However prints come and go, the edges are those of a plain list.
        #[test]
        fn the_edges_are_those_of_a_list(
            prints in prints(), gone in proptest::collection::vec(0..400u64, 0..200), from in 0..2_000i64, length in 0..2_000i64,
        ) {
            let (mut log, sessions) = (PrintLog::default(), Sessions::new(TimeZone::UTC));
            prints.iter().for_each(|(venue, print)| log.push(*venue, *print, &sessions));
            gone.iter().for_each(|seq| log.each(Venue(0), *seq, (NOON, NOON + 2_000), |print| print.live = false));
            let window = Window { start: NOON + from, end: NOON + from + length };
            let is_live = |(venue, print): &&(Venue, Print)| *venue == Venue(1) || !gone.contains(&print.seq);
            let mut edges = Edges::default();
            let live = prints.iter().filter(is_live).map(|(_, print)| print);
            live.filter(|print| window.contains(print.ts_event)).for_each(|print| edges.add(print));
            proptest::prop_assert_eq!(log.edges_of(window), edges);
        }
    }

    const NOON: i64 = 43_200_000_000_000;

    /// Prints of two venues in the order of time, but for some that come at any later time.
    fn prints() -> impl proptest::strategy::Strategy<Value = Vec<(Venue, Print)>> {
        use proptest::prelude::*;
        let said = (any::<(bool, bool)>(), 0..100_000i64);
        let one = (0..2_000i64, 0..2u16, prop_oneof![3 => 0..40usize, 1 => 0..900usize], 0..40u64, said);
        proptest::collection::vec(one, 0..900).prop_map(|mut drawn| {
            drawn.sort_by_key(|(ts, ..)| *ts);
            let mut placed: Vec<_> = drawn.into_iter().enumerate().map(|(at, it)| (at + it.2, it)).collect();
            placed.sort_by_key(|(at, _)| *at);
            let made = |(_, (ts, venue, _, off, ((last, high_low), price)))| {
                let eligible = Eligible::new(last, high_low, true);
                (Venue(venue), Print { eligible, price: Price(price), ..print(NOON + ts, ts as u64 / 6 + off) })
            };
            placed.into_iter().map(made).collect()
        })
    }
}
