use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::block::BLOCK;
use super::dues::Heard;
use super::feed::Feed;
use super::hands::{Epoch, Hands};
use super::{Dues, LatencyFrom, Opened, Pacing, Surroundings};
use crate::error::Result;
use crate::standing::{FOR_GOOD, Latest, LatestTick, Partition, Source};
use crate::tape::{Merge, Pace, Timetable};

/// Plays several partitions of many symbols: a thread reads and merges them, and hands each worker its symbols.
pub(super) fn scheduled(
    path: &str,
    mut merge: Merge,
    pacing: Pacing,
    workers: usize,
    around: &Surroundings,
) -> Result<Opened> {
    let origin = if pacing == Pacing::Max { None } else { merge.first()? };
    let pace = pacing.schedule(origin.unwrap_or(0));
    let (hands, queues) = Hands::new(workers, around);
    spawn(
        hands,
        Reader { merge, timetable: pace.timetable(), live: None, standing: named(path), latest: None },
        around,
    );
    let feeds = queues.into_iter().map(|blocks| Feed::new(blocks, pace, around.rules.disorder));
    Ok(Opened { feeds: feeds.collect(), latency_from: LatencyFrom::of(&pace), finish: None })
}

/// Plays a live input as it arrives. Latency counts from the due time that its lines carry, else from their
/// arrival.
pub(super) fn live(merge: Merge, workers: usize, around: &Surroundings) -> Opened {
    let now = around.clock.now();
    let (hands, queues) = Hands::new(workers, around);
    let standing = Partition { idle_after: Some(around.idle), ..named("standard input") };
    let (timetable, dues) = (Pace::AsRead.timetable(), Arc::new(Dues::of(None)));
    spawn(hands, Reader { merge, timetable, live: Some(dues.clone()), standing, latest: None }, around);
    let feed = |blocks| Feed::new(blocks, Pace::AsRead, around.rules.disorder).live(around.idle, now);
    Opened { feeds: queues.into_iter().map(feed).collect(), latency_from: LatencyFrom::Lines(dues), finish: None }
}

struct Reader {
    merge: Merge,
    timetable: Timetable,
    /// What is heard of dues, where it is played as it arrives.
    live: Option<Arc<Dues>>,
    /// How what was read stands, of all files together.
    standing: Partition,
    latest: Option<LatestTick>,
}

fn named(name: &str) -> Partition {
    Partition { name: name.into(), ..Partition::default() }
}

fn spawn(hands: Hands, mut reader: Reader, around: &Surroundings) {
    let around = around.clone();
    hands.spawn(move |hands| {
        reader.standing.heard_at = around.clock.now();
        reader.tell(&around);
        let read = reader.run(hands, &around);
        around.inquiry.tell_source(FOR_GOOD, Source::default());
        read
    });
}

impl Reader {
    fn tell(&self, around: &Surroundings) {
        let latest = self.latest.map(|latest| Latest::of(latest, &around.symbols));
        around
            .inquiry
            .tell_source(FOR_GOOD, Source { partitions: vec![Partition { latest, ..self.standing.clone() }] });
    }

    fn run(&mut self, hands: &mut Hands, around: &Surroundings) -> Result<()> {
        let (epoch, mut heard) = (Epoch::of(&around.clock), Heard::default());
        loop {
            let (mut last, mut ended) = (None, false);
            // A live reader hands on what it has before it waits for more.
            while hands.count() < BLOCK {
                if self.live.is_some() && hands.count() > 0 && !self.merge.is_buffered()? {
                    break;
                }
                let (room, Reader { merge, timetable, live, latest, .. }) = (BLOCK - hands.count(), &mut *self);
                let ready = match merge.ready(timetable, room) {
                    // No more is read of it, and what was read is handed on.
                    Err(_) if live.is_some() && around.stop.load(Ordering::Acquire) => {
                        merge.end();
                        continue;
                    }
                    ready => ready?,
                };
                if ready.len() == 0 {
                    ended = true;
                    break;
                }
                for next in ready {
                    let tick = next.tick();
                    let carried = next.carried().map(|due| epoch.run_time(due));
                    heard.hear(carried);
                    let due = if live.is_some() { carried.or_else(|| Some(around.clock.now())) } else { next.due };
                    if tick.ts_event == next.clock() {
                        *latest = Some((tick.symbol, tick.ts_event, tick.seq));
                    }
                    hands.take(tick, due);
                    last = Some(tick);
                }
            }
            if let Some(last) = last {
                let watermark_ms = last.watermark_ms;
                self.standing.ticks += hands.count() as u64;
                self.standing.watermark_ms = Some(watermark_ms);
                self.standing.heard_at = around.clock.now();
                self.live.iter().for_each(|dues| dues.add(&mut heard, self.standing.heard_at));
                // It may be held up by the workers, and then by its input, so it tells beforehand how it stands.
                self.tell(around);
                if !hands.hand_on(watermark_ms, None) {
                    return Ok(());
                }
            }
            // A live input ends by itself where the run is to end early, behind the last that was read.
            if ended || (self.live.is_none() && around.stop.load(Ordering::Acquire)) {
                return Ok(());
            }
        }
    }
}
