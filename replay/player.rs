//! Sends the records of a tape when they are due, and hears the keys meanwhile.

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tapeflow::error::Result;
use tapeflow::report::{Percentiles, count, span};
use tapeflow::tape::format::Record;
use tapeflow::tape::{Merge, Timetable};
use tapeflow::time::{Clock, EventTime, RunTime};

use crate::deck::{Deck, Key, Turn};
use crate::outgoing::Outgoing;

/// Shorter waits are spun through: the system's timers are not as fine.
const SPIN: RunTime = 100_000;

/// The longest sleep before looking whether to stop.
const LONGEST_SLEEP: RunTime = 10_000_000;

/// Between two redrawings of the progress line.
const SHOW_EVERY: RunTime = 200_000_000;

/// The next key that was pressed, if there is one.
pub type Keys = Box<dyn FnMut() -> Option<Key>>;

/// Sends each record when it is due.
pub struct Player {
    /// The clock that the schedule is kept by.
    pub clock: Clock,
    /// Set when it is to end early.
    pub stop: Arc<AtomicBool>,
    /// When records are due.
    pub timetable: Timetable,
    /// The schedule's beginning, on our clock.
    pub start: RunTime,
    /// The same since the epoch, in nanoseconds.
    pub start_unix: i64,
    /// The schedule as it is played.
    pub deck: Deck,
    /// Where somebody sits at them.
    pub keys: Option<Keys>,
    /// Where records go.
    pub outgoing: Outgoing,
    /// The line that tells how far it is.
    pub progress: Progress,
    /// What becomes of what is overdue.
    pub overdue: Overdue,
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

/// What becomes of records that are overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SlowReader {
    /// They are sent as fast as the reader takes them
    Block,
    /// They are not sent, and counted: the reader is back in the present
    Skip,
    /// They are sent, and standard error tells of it
    Warn,
}

/// What becomes of records that are overdue, and what became of them.
pub struct Overdue {
    slow_reader: SlowReader,
    patience: u64,
    is_told: bool,
    skipped: u64,
}

impl Overdue {
    /// Nothing is overdue until it is so by more than `patience`.
    pub fn new(slow_reader: SlowReader, patience: Duration) -> Self {
        let patience = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        Overdue { slow_reader, patience, is_told: false, skipped: 0 }
    }
}

impl Player {
    /// Plays the tape to its end, or until it is stopped.
    pub fn play(&mut self, merge: &mut Merge) -> Result<()> {
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
            let Some(next) = merge.next(&mut self.timetable)? else { break };
            let (placed, due) = (next.placed(), next.due);
            if std::mem::take(&mut is_found) {
                self.progress.position = placed.clock;
            }
            if listens || due.is_some_and(|due| self.deck.at(due) > now) {
                // All that was due by now is sent before anything is waited for.
                self.outgoing.send(&self.clock)?;
                match self.wait(due, placed.clock, merge.goes_back()) {
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
            self.outgoing.add(&record, due.map(|_| at))?;
            self.progress.position = placed.clock;
            if self.outgoing.is_full() {
                self.outgoing.send(&self.clock)?;
                now = self.clock.now();
                self.progress.show(now, &self.outgoing, &self.deck);
                listens = self.keys.is_some();
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
    fn wait(&mut self, due: Option<u64>, clock: EventTime, goes_back: bool) -> Waited {
        loop {
            let now = self.clock.now();
            if self.is_stopped() {
                return Waited::Stopped;
            }
            // One key at a time: a record that is sent by a step goes before what the next key asks for.
            if let Some(key) = self.keys.as_mut().and_then(|keys| keys()) {
                if matches!(key, Key::Seek(..0)) && !goes_back {
                    continue;
                }
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
                ..=SPIN => self.clock.spin(Duration::from_nanos(left)),
                left => self.clock.wait(Duration::from_nanos((left - SPIN).min(LONGEST_SLEEP))),
            }
        }
    }

    /// Whether it was ended early.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What was sent, and how punctually, in lines.
    pub fn summary(&self) -> String {
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
        text
    }
}

/// A line on the terminal that tells how far the feed is.
pub struct Progress {
    bar: ProgressBar,
    zone: TimeZone,
    show_at: RunTime,
    position: EventTime,
    /// When the line was drawn last, and where the feed was.
    shown: Option<(RunTime, EventTime)>,
}

impl Progress {
    /// A line about what goes out, in times of this zone, where standard error is a terminal.
    pub fn new(outgoing: &Outgoing, zone: TimeZone) -> Self {
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

    /// Takes the line away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
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
