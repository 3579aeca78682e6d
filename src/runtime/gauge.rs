use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::error::Result;
use crate::row::{Row, Texts};
use crate::sink::Sink;

/// What one worker shows of itself while it runs.
#[derive(Debug, Default)]
pub struct Gauge {
    pub applied: AtomicU64,
    pub backlog: AtomicU64,
    pub rows: AtomicI64,
    /// How often it has looked for something to do; [`super::watchdog::OVER`] once it has nothing to do any more.
    pub beats: AtomicU64,
    /// It waits for whoever takes its rows.
    pub writes: AtomicBool,
}

/// A sink that shows on its worker's gauge when it is at work, which takes as long as whoever takes the rows lets it.
pub struct Watched<R> {
    pub sink: Box<dyn Sink<R> + Send>,
    pub gauges: Arc<Vec<Gauge>>,
    pub at: usize,
}

impl<R: Row> Watched<R> {
    fn show(&mut self, work: impl FnOnce(&mut dyn Sink<R>) -> Result<()>) -> Result<()> {
        let writes = &self.gauges[self.at].writes;
        writes.store(true, Ordering::Relaxed);
        let worked = work(&mut *self.sink);
        writes.store(false, Ordering::Relaxed);
        worked
    }
}

impl<R: Row> Sink<R> for Watched<R> {
    fn reached(&mut self, time_ms: i64) -> Result<()> {
        self.show(|sink| sink.reached(time_ms))
    }

    fn change(&mut self, row: &R, texts: &Texts, diff: isize) -> Result<()> {
        self.show(|sink| sink.change(row, texts, diff))
    }

    fn flush(&mut self) -> Result<()> {
        self.show(|sink| sink.flush())
    }
}
