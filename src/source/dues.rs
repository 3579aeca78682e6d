use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Address;
use crate::tape::Pace;
use crate::time::RunTime;

/// So many nanoseconds two programs' clocks may differ on one machine.
const SLACK: u64 = 1_000_000;

/// Where latency is counted from.
#[derive(Clone)]
pub enum LatencyFrom {
    /// A schedule, or the reading of each tick, in words.
    Known(&'static str),
    /// What the lines of a live input say, once it has ended.
    Lines(Arc<Dues>),
}

impl LatencyFrom {
    /// Of a tape that is played so.
    pub(super) fn of(pace: &Pace) -> Self {
        LatencyFrom::Known(match pace {
            Pace::AsRead => "when each tick was read (there is no schedule)",
            _ => "when each tick was due",
        })
    }
}

impl fmt::Display for LatencyFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LatencyFrom::Known(words) => f.write_str(words),
            LatencyFrom::Lines(dues) => dues.fmt(f),
        }
    }
}

/// What this process has heard from the lines of a live input of when they were due.
#[derive(Default)]
pub struct Dues {
    /// Their sender may be on another machine.
    is_remote: bool,
    carried: AtomicU64,
    missing: AtomicU64,
    /// By how many nanoseconds at most a line was here before it was due.
    early: AtomicU64,
}

impl Dues {
    /// Of lines that come from there; from standard input if nothing is said.
    pub fn of(address: Option<&Address>) -> Self {
        Dues { is_remote: address.is_some_and(|address| !address.is_local()), ..Dues::default() }
    }

    /// Adds what was heard until now, by the run's clock.
    pub(super) fn add(&self, heard: &mut Heard, now: RunTime) {
        let Heard { carried, missing, last_due } = std::mem::take(heard);
        self.carried.fetch_add(carried, Ordering::AcqRel);
        self.missing.fetch_add(missing, Ordering::AcqRel);
        self.early.fetch_max(last_due.saturating_sub(now), Ordering::AcqRel);
    }
}

/// What some lines have said of when they were due.
#[derive(Default)]
pub(super) struct Heard {
    carried: u64,
    missing: u64,
    last_due: RunTime,
}

impl Heard {
    /// Hears when a line was due, if it says so.
    pub fn hear(&mut self, due: Option<RunTime>) {
        match due {
            Some(due) => (self.carried, self.last_due) = (self.carried + 1, self.last_due.max(due)),
            None => self.missing += 1,
        }
    }
}

impl fmt::Display for Dues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [carried, missing, early] = [&self.carried, &self.missing, &self.early].map(|n| n.load(Ordering::Acquire));
        match (carried, missing) {
            (0, 0) => f.write_str("the due time that each line carries, or its arrival where it carries none")?,
            (_, 0) => f.write_str("the due time that each line carries")?,
            (0, _) => f.write_str("the arrival of each line, since none carries its due time")?,
            _ => {
                let all = carried + missing;
                write!(
                    f,
                    "the due time that a line carries, or the arrival of the {missing} of {all} that carry none"
                )?;
            }
        }
        if early > SLACK {
            write!(f, ";\n  their sender's clock is ahead of this machine's by {:.1} ms or more", early as f64 / 1e6)?;
        } else if carried > 0 && self.is_remote {
            f.write_str(";\n  if their sender is on another machine, it is as right as the two clocks agree")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(address: &str, carried: u64, missing: u64, early: u64) -> String {
        let dues = Dues::of(Address::parse(address).transpose().unwrap().as_ref());
        let now = 1_000_000_000;
        dues.add(&mut Heard { carried, missing, last_due: now + early }, now);
        dues.to_string()
    }

    #[test]
    fn it_is_said_what_latency_was_counted_from_and_by_whose_clock() {
        assert_eq!(words("-", 9, 0, 0), "the due time that each line carries");
        assert_eq!(words("kafka://localhost:9092/t", 9, 0, 0), "the due time that each line carries");
        assert!(words("kafka://a:9092,127.0.0.1:9092/t", 9, 0, 0).contains("as right as the two clocks agree"));
        assert!(words("tcp-listen://0.0.0.0:1", 9, 0, 0).contains("as right as the two clocks agree"));
        assert_eq!(words("tcp://a:1", 0, 9, 0), "the arrival of each line, since none carries its due time");
        assert!(words("unix://a", 5, 4, 0).contains("the arrival of the 4 of 9 that carry none"));
        assert!(words("tcp://a:1", 9, 0, 2_000_000).contains("ahead of this machine's by 2.0 ms or more"));
    }
}
