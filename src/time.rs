//! Event time, the run's own clock, and the words in which people write spans of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, UTC, by the exchange's clock. Never negative in an accepted tick.
pub type EventTime = i64;

/// Nanoseconds on the run's [`Clock`]. Due times and latencies are measured on it.
pub type RunTime = u64;

/// What a wall clock shows when it is made: an hour, so that a sender's earlier due times can be told too.
const WALL_START: RunTime = 3_600_000_000_000;

/// A millisecond in nanoseconds: the resolution of watermarks.
pub const MS: i64 = 1_000_000;

/// A second in nanoseconds.
pub const SECOND: i64 = 1_000_000_000;

/// The end of January 1970: whole numbers of seconds, milliseconds and microseconds of our days are all nanoseconds
/// before it.
pub const END_OF_JANUARY: EventTime = 31 * 86_400 * SECOND;

/// An event time for people, in UTC.
pub fn utc(ts: EventTime) -> String {
    jiff::Timestamp::from_nanosecond(ts.into()).map_or_else(|_| ts.to_string(), |time| time.to_string())
}

/// The run's clock. It is handed in, so that a test can move it by hand.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's monotonic clock, from the instant it was made.
    Wall(Instant),
    /// A clock that stands still until someone waits on it or moves it.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub fn wall() -> Self {
        Clock::Wall(Instant::now())
    }

    /// The machine's clock, which showed zero so many nanoseconds after the Unix epoch: another process's clock.
    pub fn since(zero: i64) -> Self {
        let shows = unix_now().saturating_sub(zero).max(0) as u64;
        let elapsed = Duration::from_nanos(shows.saturating_sub(WALL_START));
        let now = Instant::now();
        Clock::Wall(now.checked_sub(elapsed).unwrap_or(now))
    }

    /// When it showed zero, or would have, in nanoseconds since the Unix epoch by the system's time.
    pub fn zero(&self) -> i64 {
        unix_now() - self.now() as i64
    }

    /// A clock at zero that only [`Clock::wait`] and [`Clock::advance`] move.
    pub fn manual() -> Self {
        Clock::Manual(Arc::default())
    }

    /// What the clock shows.
    pub fn now(&self) -> RunTime {
        match self {
            Clock::Wall(start) => WALL_START + start.elapsed().as_nanos() as RunTime,
            Clock::Manual(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Gives the processor away for at most `span`; another thread's unpark may end it sooner.
    /// A manual clock jumps to the end of the wait instead.
    pub fn wait(&self, span: Duration) {
        match self {
            Clock::Wall(_) => std::thread::park_timeout(span),
            Clock::Manual(_) => self.advance(span),
        }
    }

    /// Lets a moment pass, in which others that want the processor have it: for waits that are shorter than timers are
    /// fine. A manual clock jumps to the end of `span` instead.
    pub fn spin(&self, span: Duration) {
        match self {
            Clock::Wall(_) => std::thread::yield_now(),
            Clock::Manual(_) => self.advance(span),
        }
    }

    /// Moves a manual clock on by `span`.
    ///
    /// # Panics
    /// On a wall clock, which nobody can move.
    pub fn advance(&self, span: Duration) {
        match self {
            Clock::Wall(_) => panic!("only a manual clock can be moved"),
            Clock::Manual(now) => now.fetch_add(span.as_nanos() as u64, Ordering::SeqCst),
        };
    }
}

fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as i64
}
