use std::time::{Duration, Instant};

use crate::error::Error;

/// The beats of who has done all there was.
pub const OVER: u64 = u64::MAX;

/// Watches whether everybody moves.
pub struct Watchdog {
    span: Option<Duration>,
    /// The beats that were seen last, and since when.
    seen: Vec<(u64, Option<Instant>)>,
    looked: Option<Instant>,
}

impl Watchdog {
    /// A watchdog over so many, each of which is to move within `span`; over nobody if there is none.
    pub fn new(span: Option<Duration>, watched: usize) -> Self {
        Watchdog { span, seen: vec![(0, None); watched], looked: None }
    }

    /// It must look at least so often, not to seem held up itself.
    pub fn every(&self) -> Duration {
        self.span.map_or(Duration::MAX, |span| span / 4)
    }

    /// Which of them has not moved for too long, given how often each has moved so far. A watchdog that was held up
    /// itself begins anew, for then so was everybody else.
    pub fn look(&mut self, now: Instant, beats: impl Iterator<Item = u64>) -> Option<usize> {
        let span = self.span?;
        let slept = self.looked.replace(now).is_some_and(|looked| now - looked > span / 2);
        let mut hangs = None;
        for (at, (beats, (seen, since))) in beats.zip(&mut self.seen).enumerate() {
            let since = since.get_or_insert(now);
            if slept || beats != *seen || beats == OVER {
                (*seen, *since) = (beats, now);
            } else if now - *since > span {
                hangs = hangs.or(Some(at));
            }
        }
        hangs
    }

    /// The error of a run in which `who` hangs.
    pub fn hangs(&self, who: String) -> Error {
        let span = humantime::format_duration(self.span.unwrap_or_default());
        Error::Input(format!(
            "{who} has done nothing for {span}: it hangs, and the run is ended. If one step of it may take longer, set \
             run.watchdog higher, or to \"off\""
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_move_within_the_span_hangs_and_who_is_done_does_not() {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(Some(Duration::from_secs(10)), 3);
        let mut look =
            |seconds, beats: [u64; 3]| watchdog.look(start + Duration::from_secs(seconds), beats.into_iter());
        assert_eq!(look(0, [1, 1, 1]), None);
        assert_eq!(look(4, [2, 1, OVER]), None);
        assert_eq!(look(8, [3, 1, OVER]), None);
        assert_eq!(look(11, [4, 1, OVER]), Some(1));
        // It was asleep itself.
        assert_eq!(look(30, [4, 1, OVER]), None);
        assert_eq!(look(34, [5, 1, OVER]), None);
        assert_eq!(Watchdog::new(None, 1).look(start, [0].into_iter()), None);
    }
}
