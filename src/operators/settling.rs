use super::context::Context;
use crate::time::EventTime;

/// Tells an operator over rows what nothing can change any more.
///
/// A tick that was judged before a row's print waits at most until the next time for amendments after that row, so what
/// the symbol's clock settles is forgotten with that delay.
#[derive(Default)]
pub(super) struct Settling(Option<(u64, EventTime)>);

impl Settling {
    /// The event time before which all is settled at the logical time `time`, where that is news. `latest` is the time
    /// of the latest row, or of the symbol's that is furthest behind.
    pub fn at(
        &mut self,
        time: u64,
        latest: impl FnOnce() -> Option<EventTime>,
        context: &Context,
    ) -> Option<EventTime> {
        match self.0 {
            None => {
                let settled = latest().map(|latest| context.lateness.settled_before(latest));
                self.0 = settled.map(|settled| (time + context.changes_every_ms as u64, settled));
                None
            }
            Some((at, settled)) if time > at => {
                self.0 = None;
                Some(settled)
            }
            Some(_) => None,
        }
    }
}
