use std::collections::VecDeque;

use crate::aggregate::Print;
use crate::lateness::Sessions;
use crate::tick::Venue;
use crate::time::EventTime;
use crate::window::Window;

/// Prints in one chunk. Chunks are told apart by their ranges of time and sequence, so that finding a print
/// reads a few of them, and keeping one costs no index.
const CHUNK: usize = 64;

/// One symbol's prints, a lane a venue, each in order of arrival.
#[derive(Debug, Default)]
pub struct PrintLog {
    lanes: Vec<Lane>,
}

#[derive(Debug)]
struct Lane {
    venue: Venue,
    /// The session that `highest_seq` speaks of: venues begin anew in each.
    session: (EventTime, EventTime),
    highest_seq: u64,
    chunks: VecDeque<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    ts: (EventTime, EventTime),
    seq: (u64, u64),
    /// The latest time of this chunk and all before it: a search backwards ends where it lies too early.
    latest: EventTime,
    /// The highest sequence number of this chunk and those before it of the same session; likewise.
    highest: u64,
    prints: Vec<Print>,
}

impl PrintLog {
    /// Whether a trade is certainly new: its venue's sequence number is the highest of its session.
    #[inline]
    pub fn is_new(&self, venue: Venue, ts: EventTime, seq: u64) -> bool {
        let lane = self.lanes.iter().find(|lane| lane.venue == venue);
        lane.is_none_or(|lane| ts >= lane.session.1 || (ts >= lane.session.0 && seq > lane.highest_seq))
    }

    /// Remembers that a print was seen, kept or not, so that it is not new again.
    pub fn see(&mut self, venue: Venue, print: &Print, sessions: &Sessions) {
        let lane = self.lane(venue);
        if print.ts_event >= lane.session.1 {
            (lane.session, lane.highest_seq) = (sessions.of(print.ts_event), print.seq);
        } else if print.ts_event >= lane.session.0 {
            lane.highest_seq = lane.highest_seq.max(print.seq);
        }
    }

    /// Keeps a print.
    pub fn push(&mut self, venue: Venue, print: Print, sessions: &Sessions) {
        self.see(venue, &print, sessions);
        let lane = self.lane(venue);
        let (ts, seq) = (print.ts_event, print.seq);
        match lane.chunks.back_mut() {
            Some(chunk) if chunk.prints.len() < CHUNK => {
                chunk.ts = (chunk.ts.0.min(ts), chunk.ts.1.max(ts));
                chunk.seq = (chunk.seq.0.min(seq), chunk.seq.1.max(seq));
                (chunk.latest, chunk.highest) = (chunk.latest.max(ts), chunk.highest.max(seq));
                chunk.prints.push(print);
            }
            last => {
                let latest = last.as_ref().map_or(ts, |last| last.latest.max(ts));
                let same_session = last.filter(|last| last.latest >= lane.session.0);
                let highest = same_session.map_or(seq, |last| last.highest.max(seq));
                // The first chunk grows with its prints, for many a symbol never fills it.
                let mut prints = Vec::with_capacity(if lane.chunks.is_empty() { 1 } else { CHUNK });
                prints.push(print);
                lane.chunks.push_back(Chunk { ts: (ts, ts), seq: (seq, seq), latest, highest, prints });
            }
        }
    }

    /// The live print with this sequence number whose time lies in `[within.0, within.1)`.
    pub fn find(&mut self, venue: Venue, seq: u64, within: (EventTime, EventTime)) -> Option<&mut Print> {
        let chunks = self.lane(venue).chunks.iter_mut().rev();
        chunks
            .take_while(|c| c.latest >= within.0 && (c.highest >= seq || c.latest >= within.1))
            .filter(|c| c.seq.0 <= seq && seq <= c.seq.1 && c.ts.0 < within.1 && c.ts.1 >= within.0)
            .flat_map(|chunk| chunk.prints.iter_mut())
            .find(|p| p.live && p.seq == seq && within.0 <= p.ts_event && p.ts_event < within.1)
    }

    /// The live prints of a window, in no order that matters.
    pub fn prints_of(&self, window: Window) -> impl Iterator<Item = &Print> {
        self.lanes.iter().flat_map(move |lane| lane.prints_of(window)).filter(|print| print.live)
    }

    /// All prints of a window with their venues, those that were cancelled or corrected since among them.
    pub fn all_prints_of(&self, window: Window) -> impl Iterator<Item = (Venue, &Print)> {
        self.lanes.iter().flat_map(move |lane| lane.prints_of(window).map(|print| (lane.venue, print)))
    }

    /// Forgets the prints before `ts`, as far as whole chunks lie there.
    pub fn forget_before(&mut self, ts: EventTime) {
        for lane in &mut self.lanes {
            while lane.chunks.front().is_some_and(|chunk| chunk.ts.1 < ts) {
                lane.chunks.pop_front();
            }
        }
    }

    fn lane(&mut self, venue: Venue) -> &mut Lane {
        let at = self.lanes.iter().position(|lane| lane.venue == venue).unwrap_or_else(|| {
            let session = (EventTime::MIN, EventTime::MIN);
            self.lanes.push(Lane { venue, session, highest_seq: 0, chunks: VecDeque::new() });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }
}

impl Lane {
    fn prints_of(&self, window: Window) -> impl Iterator<Item = &Print> {
        let chunks = self.chunks.iter().rev().take_while(move |chunk| chunk.latest >= window.start);
        let near = chunks.filter(move |chunk| chunk.ts.0 < window.end && chunk.ts.1 >= window.start);
        near.flat_map(|chunk| &chunk.prints).filter(move |print| window.contains(print.ts_event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::{Eligible, Price};
    use jiff::tz::TimeZone;

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
        assert_eq!(log.find(Venue(1), 7, (0, 10_000)).map(|p| p.ts_event), Some(70));
        assert_eq!(log.find(Venue(2), 7, (0, 10_000)).map(|p| p.ts_event), Some(55));
        assert!(log.find(Venue(1), 7, (0, 70)).is_none());
        assert_eq!(log.prints_of(Window { start: 50, end: 80 }).count(), 4);
        log.find(Venue(2), 7, (55, 56)).unwrap().live = false;
        assert_eq!(log.prints_of(Window { start: 50, end: 80 }).count(), 3);
        log.forget_before(5_000);
        assert!(log.find(Venue(1), 7, (0, 10_000)).is_none());
        assert!(log.find(Venue(1), 500, (0, 10_000)).is_some());
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
        assert!(log.find(Venue(0), 100, (0, DAY)).is_some());
        assert!(log.find(Venue(0), 1, (0, DAY)).is_none());
    }

    #[test]
    fn a_print_of_the_last_session_is_found_behind_the_new_one() {
        const DAY: i64 = 86_400_000_000_000;
        let (mut log, sessions) = (PrintLog::default(), Sessions::new(TimeZone::UTC));
        for i in 0..CHUNK as i64 {
            log.push(Venue(0), print(DAY - 1_000 + i, 437 + i as u64), &sessions);
        }
        log.push(Venue(0), print(DAY, 1), &sessions);
        assert!(log.find(Venue(0), 500, (0, DAY)).is_some());
    }
}
