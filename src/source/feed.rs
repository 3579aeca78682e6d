use std::sync::Arc;

use super::block::{Arrivals, Block, Blocks, Pull};
use crate::error::Result;
use crate::tape::Pace;
use crate::time::{MS, RunTime};

/// What a feed has after a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More ticks that are due already.
    Now,
    /// The next tick is due at this instant.
    At(RunTime),
    /// Nothing is known yet.
    Later,
    /// Nothing more will come.
    End,
}

/// One worker's share of the input: hands out ticks when they are due, and knows the watermark.
pub struct Feed {
    blocks: Box<dyn Blocks>,
    pace: Pace,
    /// When the schedule begins; blocks' due times count from there.
    start: RunTime,
    disorder: i64,
    /// For a live input: the silence after which the watermark runs on with the clock.
    idle: Option<u64>,
    /// The watermark is that of the blocks, since their ticks are of several partitions in no common order.
    by_blocks: bool,
    block: Arc<Block>,
    at: usize,
    watermark_ms: i64,
    moved_at: RunTime,
    last_due: RunTime,
    last_arrival: RunTime,
}

impl Feed {
    /// A feed that plays `blocks` by `pace`.
    pub fn new(blocks: Box<dyn Blocks>, pace: Pace, disorder: i64) -> Self {
        let block = Arc::new(Block::default());
        let (at, watermark_ms, moved_at, last_due, last_arrival, idle) = (0, 0, 0, 0, 0, None);
        Feed {
            blocks,
            pace,
            start: 0,
            disorder,
            idle,
            by_blocks: false,
            block,
            at,
            watermark_ms,
            moved_at,
            last_due,
            last_arrival,
        }
    }

    /// The same feed, live: after a silence of `idle` nanoseconds the watermark runs on with the clock.
    pub fn live(mut self, idle: u64, now: RunTime) -> Self {
        (self.idle, self.last_arrival) = (Some(idle), now);
        self
    }

    /// The same feed, of blocks whose ticks are of several partitions: only their blocks' watermark is the feed's.
    pub fn by_blocks(mut self) -> Self {
        self.by_blocks = true;
        self
    }

    /// Whether ticks are due by a schedule, rather than when they are read.
    pub fn is_scheduled(&self) -> bool {
        self.pace != Pace::AsRead
    }

    /// Whether ticks come as they come, also before the run begins. Whoever reads them ends the feed where the run is to
    /// end early, behind the last that was read.
    pub fn is_live(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether the reader of its blocks sees to it that no partition runs ahead.
    pub fn is_led(&self) -> bool {
        self.by_blocks
    }

    /// Fixes the instant at which the schedule begins, if there is one.
    pub fn begin(&mut self, at: RunTime) {
        if self.is_scheduled() {
            self.start = at;
        }
    }

    /// Moves ticks that are due at `now` into `out`, `room` at most. With a schedule it stops behind the tick that
    /// brings the watermark to `stop_ms`.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn poll(&mut self, now: RunTime, mut room: usize, stop_ms: i64, out: &mut Arrivals) -> Result<Next> {
        let (scheduled, start) = (self.is_scheduled(), self.start);
        loop {
            if self.at == self.block.ticks.len() {
                // Only a schedule for event time says itself how far the watermark may go.
                if !matches!(self.pace, Pace::Speed { .. }) {
                    self.move_to(self.block.watermark_ms, self.block.moved_at.unwrap_or(now));
                }
                match self.blocks.pull()? {
                    Pull::Block(block) => (self.block, self.at, self.last_arrival) = (block, 0, now),
                    Pull::Later => {
                        self.reach(self.block.watermark_ms, now);
                        return Ok(Next::Later);
                    }
                    Pull::End => return Ok(Next::End),
                }
                continue;
            }
            if room == 0 {
                let due = self.block.dues.get(self.at).filter(|_| scheduled).map(|due| start + *due);
                return Ok(due.filter(|due| *due > now).map_or(Next::Now, Next::At));
            }
            let mut ticks = &self.block.ticks[self.at..];
            ticks = &ticks[..room.min(ticks.len())];
            if scheduled {
                let dues = &self.block.dues[self.at..self.at + ticks.len()];
                ticks = &ticks[..dues.partition_point(|due| start + *due <= now)];
                let stop = ticks.partition_point(|tick| tick.watermark_ms < stop_ms);
                ticks = &ticks[..ticks.len().min(stop + 1)];
            }
            let Some(last) = ticks.last() else {
                let (due, head) = (start + self.block.dues[self.at], self.block.ticks[self.at].watermark_ms);
                self.reach(head, now);
                return Ok(Next::At(due));
            };
            let (count, watermark_ms) = (ticks.len(), last.watermark_ms);
            out.push(&self.block, self.at..self.at + count);
            if let Some(dues) = self.block.dues.get(self.at..self.at + count) {
                out.dues.extend(dues.iter().map(|due| start + *due));
            }
            self.at += count;
            self.last_arrival = now;
            let due = out.dues.last().copied().unwrap_or(now);
            self.last_due = due;
            if !self.by_blocks {
                self.move_to(watermark_ms, due);
            }
            room -= count;
            if scheduled && self.watermark_ms >= stop_ms {
                return Ok(Next::Now);
            }
        }
    }

    /// Of ticks that are known already and have a schedule: when the `room`-th from here is due, or one that brings the
    /// watermark to `stop_ms`, whichever is first; the last one known if neither is.
    pub fn gathers_until(&self, room: usize, stop_ms: i64) -> Option<RunTime> {
        let ticks = self.block.ticks.get(self.at..).filter(|ticks| self.is_scheduled() && !ticks.is_empty())?;
        let ticks = &ticks[..room.clamp(1, ticks.len())];
        let stop = ticks.partition_point(|tick| tick.watermark_ms < stop_ms);
        Some(self.start + self.block.dues[self.at + stop.min(ticks.len() - 1)])
    }

    /// The watermark: no tick to come is behind it by its own partition.
    pub fn watermark_ms(&self) -> i64 {
        self.watermark_ms
    }

    /// The due instant of the tick, or the instant of the clock's step, that moved the watermark where it is.
    pub fn moved_at(&self) -> RunTime {
        self.moved_at
    }

    /// When the watermark passes `ms` by the clock alone, where event time has a schedule.
    pub fn passes_at(&self, ms: i64) -> Option<RunTime> {
        let schedule = self.schedule()?;
        Some(schedule(ms))
    }

    /// The function behind [`Feed::passes_at`].
    pub fn schedule(&self) -> Option<impl Fn(i64) -> RunTime + Send + Sync + use<>> {
        let (pace, start, disorder) = (self.pace, self.start, self.disorder);
        matches!(pace, Pace::Speed { .. })
            .then(|| move |ms: i64| start + pace.reaches(ms.saturating_mul(MS).saturating_add(disorder)).unwrap_or(0))
    }

    /// When the last tick that was handed out was due.
    pub fn last_due(&self) -> RunTime {
        self.last_due
    }

    /// How many of the ticks that are known here are due and were not handed out.
    pub fn backlog(&self, now: RunTime) -> u64 {
        let waiting = self.block.dues.get(self.at..).unwrap_or_default();
        waiting.partition_point(|due| self.start + *due <= now) as u64
    }

    fn move_to(&mut self, watermark_ms: i64, due: RunTime) {
        if watermark_ms > self.watermark_ms {
            (self.watermark_ms, self.moved_at) = (watermark_ms, due);
        }
    }

    /// Lets the clock move the watermark: by the schedule, up to `head_ms`, the watermark of what comes next; on a
    /// silent live input by the time that passes.
    fn reach(&mut self, head_ms: i64, now: RunTime) {
        if let Some(event_time) = self.pace.event_time(now.saturating_sub(self.start)) {
            let by_clock = event_time.saturating_sub(self.disorder).div_euclid(MS);
            self.move_to(by_clock.min(head_ms), now);
        } else if let Some(idle) = self.idle {
            let silence = now.saturating_sub(self.last_arrival);
            if silence >= idle && self.watermark_ms > 0 {
                self.move_to(self.watermark_ms + (silence / MS as u64) as i64, now);
                self.last_arrival = now;
            }
        }
    }
}
