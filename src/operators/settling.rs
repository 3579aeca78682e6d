use super::context::Context;
use crate::time::EventTime;

/// Tells an operator what nothing can change any more.
///
/// A tick that was judged before one that has counted waits at most until the next time for amendments after that, so
/// what the symbols' clocks settle is forgotten with that delay.
#[derive(Default)]
pub(super) struct Settling(Option<(u64, EventTime)>);

impl Settling {
    /// The event time before which all is settled at the logical time `time`, where that is news. `settled` is before
    /// what the clocks settle now.
    pub fn at(
        &mut self,
        time: u64,
        settled: impl FnOnce() -> Option<EventTime>,
        context: &Context,
    ) -> Option<EventTime> {
        match self.0 {
            None => {
                self.0 = settled().map(|settled| (time + context.changes_every_ms as u64, settled));
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
