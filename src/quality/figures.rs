use serde::{Deserialize, Serialize};

use crate::row::{Field, Key, Row, Takes, Texts};
use crate::tick::Venue;
use crate::window::Window;

/// One window of one venue's feed: a row of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quality {
    /// The window.
    pub window: Window,
    /// The venue's place among the rows of a window: a stable hash of its text.
    pub place: u32,
    /// The venue.
    pub venue: Venue,
    /// What there is to say.
    pub figures: Figures,
}

/// The figures of a window of a venue's feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Figures {
    /// Records of trades, cancels, corrections and quotes.
    pub kinds: [u64; 4],
    /// Gaps in the sequence numbers of a session; a gap is in the window of the first record after it.
    pub gaps: u64,
    /// Sequence numbers that are missing in these gaps.
    pub missing: u64,
    /// Records whose number an earlier record of the session has, by event time.
    pub duplicates: u64,
    /// Records whose time is before that of the record with the number before.
    pub backwards: u64,
    /// Receive latency: the median, the 99th percentile and the highest, in nanoseconds, of those that are not
    /// negative.
    pub lags: [Option<u32>; 3],
    /// Records that were received before they happened.
    pub negative_lags: u64,
    /// A histogram of the others' receive latencies: how many took `n` bits, which are those below 2^n ns and not below
    /// half of it. Histograms of windows and venues add up, unlike percentiles.
    pub lag_counts: [u64; 32],
    /// Symbols with a record in the window.
    pub active: u64,
    /// Symbols that had a record by the end of the window, and have none in it.
    pub silent: u64,
    /// Those of the silent ones that have had none for longer.
    pub stale: u64,
    /// Quotes whose bid is their ask.
    pub locked: u64,
    /// Quotes whose bid is above their ask.
    pub crossed: u64,
    /// The most records in a second, 100 ms and 10 ms of the window, aligned to the epoch.
    pub peaks: [u64; 3],
}

impl Row for Quality {
    const NAME: &'static str = "feedqc";
    const TAKES: Takes = Takes::Records;
    const IS_OF_SYMBOLS: bool = false;
    const KEY_COLUMNS: usize = 3;

    fn columns() -> Vec<&'static str> {
        let kinds = ["trades", "cancels", "corrections", "quotes"];
        let sequence = ["gaps", "missing", "duplicates", "backwards"];
        let received = ["recv_p50_ns", "recv_p99_ns", "recv_max_ns", "recv_negative", "recv_histogram"];
        let rest = ["active", "silent", "stale", "locked", "crossed", "peak_1s", "peak_100ms", "peak_10ms"];
        [&["venue", "ts_open", "ts_close", "records"][..], &kinds, &sequence, &received, &rest].concat()
    }

    fn key(&self) -> Key {
        Key { ts: self.window.start, place: self.place, ..Key::default() }
    }

    fn window(&self) -> Window {
        self.window
    }

    fn fields(&self, texts: &Texts, give: &mut impl FnMut(Field<'_>)) {
        let Figures { kinds, gaps, missing, duplicates, backwards, lags, negative_lags, lag_counts, .. } =
            &self.figures;
        let Figures { active, silent, stale, locked, crossed, peaks, .. } = &self.figures;
        give(Field::Text(texts.venue(self.venue)));
        give(Field::Time(self.window.start));
        give(Field::Time(self.window.end));
        give(Field::Count(kinds.iter().sum()));
        kinds.iter().chain([gaps, missing, duplicates, backwards]).for_each(|count| give(Field::Count(*count)));
        lags.iter().for_each(|lag| give(lag.map_or(Field::Null, |lag| Field::Count(u64::from(lag)))));
        give(Field::Count(*negative_lags));
        let buckets = lag_counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let buckets: Vec<String> = buckets.map(|(bits, count)| format!("{}:{count}", 1_u64 << bits)).collect();
        let histogram = buckets.join(" ");
        give(if histogram.is_empty() { Field::Null } else { Field::Text(&histogram) });
        let counts = [active, silent, stale, locked, crossed];
        counts.into_iter().chain(peaks).for_each(|count| give(Field::Count(*count)));
    }
}
