//! Which part of a tape is played, and what becomes of it on its way, out of the words in which people ask for it.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::settings::nanos;
use super::{Clash, Span};
use crate::calendar::Days;
use crate::lateness::Sessions;
use crate::source::Pacing;
use crate::tape::{Controls, Faults, Part, Silences};
use crate::time::EventTime;

/// A time as people write it: `2026-01-05T14:45:00Z`, or in a zone that is told elsewhere `2026-01-05T09:45` or
/// `2026-01-05`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// One that tells its offset.
    Instant(Timestamp),
    /// One that does not.
    Local(DateTime),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let local = || text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|day| day.at(0, 0, 0, 0)));
        let at = text.parse().map(At::Instant).or_else(|_| local().map(At::Local));
        at.map_err(|_| format!("`{text}` is no time; write e.g. \"2026-01-05T09:45\" or \"2026-01-05T14:45:00Z\""))
    }
}

impl At {
    /// The time, of a local one in `zone`; none if it is further away than 292 years.
    pub fn event_time(self, zone: &TimeZone) -> Option<EventTime> {
        let instant = match self {
            At::Instant(instant) => instant,
            At::Local(local) => local.to_zoned(zone.clone()).ok()?.timestamp(),
        };
        EventTime::try_from(instant.as_nanosecond()).ok()
    }
}

/// What becomes of a tape's silences: `preserve`, `compress=5s` or `skip-overnight`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum GapRule {
    /// They last as long as they did.
    #[default]
    Preserve,
    /// None lasts longer.
    Compress(Span),
    /// Those between sessions last a second.
    SkipOvernight,
}

impl FromStr for GapRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("compress=")) {
            ("preserve", _) => Ok(GapRule::Preserve),
            ("skip-overnight", _) => Ok(GapRule::SkipOvernight),
            (_, Some(most)) => most.parse().map(GapRule::Compress),
            _ => Err(format!("`{text}` is no rule for gaps; write preserve, compress=5s or skip-overnight")),
        }
    }
}

/// What was said about the part of a tape that is played, and about what becomes of it on its way.
#[derive(Clone, Debug, Default)]
pub struct ControlsAsked {
    /// The time to begin with.
    pub start: Option<EventTime>,
    /// The time to end before.
    pub end: Option<EventTime>,
    /// The symbols to play; all if none is named.
    pub symbols: Vec<String>,
    /// What becomes of silences.
    pub gaps: GapRule,
    /// Whether the tape is played over and over.
    pub again: bool,
    /// Of all records, the part that is lost.
    pub drop: Part,
    /// The part that comes twice.
    pub duplicate: Part,
    /// The part that comes late.
    pub late: Part,
    /// How late, in event time.
    pub late_by: Span,
    /// Each is due later by up to this much.
    pub jitter: Span,
    /// What decides who is struck.
    pub seed: u64,
}

impl ControlsAsked {
    /// The controls that were asked for, of a tape that is played at this pace; its days are these.
    ///
    /// # Errors
    /// When settings do not go together.
    pub fn controls(self, days: &Days, pacing: &Pacing) -> Result<Controls, Clash> {
        if self.gaps != GapRule::Preserve && !matches!(pacing, Pacing::Speed(_)) {
            let help = "they shorten the silences of a schedule by event time: give a speed such as \"1x\"";
            return Err(("gaps", "shorter gaps where event time has no schedule", help));
        }
        if !self.jitter.0.is_zero() && *pacing == Pacing::Max {
            let help = "give a speed such as \"1x\", or a rate such as \"200k/s\"";
            return Err(("jitter", "jitter without a schedule", help));
        }
        if self.again && matches!(pacing, Pacing::Scaled(_)) {
            let help = "it has no end, from which the speed would follow: give a speed such as \"1x\" instead";
            return Err(("loop", "a loop that is scaled to a rate", help));
        }
        if self.start.zip(self.end).is_some_and(|(start, end)| end <= start) {
            let help = "the end is the time before which the tape ends: give one after the start";
            return Err(("end", "an end that is not after the start", help));
        }
        let sessions = Sessions::of_days(days.clone());
        let ControlsAsked { drop, duplicate, late, seed, .. } = self;
        let (late_by, jitter) = (nanos(self.late_by), nanos(self.jitter) as u64);
        let faults = Faults { drop, duplicate, late, late_by, jitter, seed };
        let is_faultless = [drop, duplicate, late].iter().all(|part| part.0 == 0.0) && jitter == 0;
        Ok(Controls {
            start: self.start,
            end: self.end,
            symbols: self.symbols,
            silences: match self.gaps {
                GapRule::Preserve => Silences::Preserve,
                GapRule::Compress(most) => Silences::Compress(nanos(most)),
                GapRule::SkipOvernight => Silences::SkipOvernight(sessions.clone()),
            },
            again: self.again.then_some(sessions),
            faults: if is_faultless { Faults::default() } else { faults },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_with_its_offset_or_in_the_zone() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let time = |text: &str| text.parse::<At>().unwrap().event_time(&zone).unwrap() / 1_000_000_000;
        assert_eq!(time("2026-01-05T14:45:00Z"), 1_767_624_300);
        assert_eq!(time("2026-01-05T09:45"), 1_767_624_300);
        assert_eq!(time("2026-01-05"), 1_767_589_200);
        assert!("noon".parse::<At>().unwrap_err().starts_with("`noon` is no time; write e.g. "));
        assert_eq!("9999-01-01".parse::<At>().unwrap().event_time(&zone), None);
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        let clash = |asked: ControlsAsked, pacing| asked.controls(&Days::new(TimeZone::UTC), &pacing).unwrap_err().0;
        let gaps = ControlsAsked { gaps: "compress=5s".parse().unwrap(), ..ControlsAsked::default() };
        assert_eq!(clash(gaps.clone(), Pacing::Max), "gaps");
        assert_eq!(clash(gaps.clone(), Pacing::even(5.0)), "gaps");
        assert!(matches!(
            gaps.controls(&Days::new(TimeZone::UTC), &Pacing::Speed(2.0)).unwrap().silences,
            Silences::Compress(5_000_000_000)
        ));
        let jitter = ControlsAsked { jitter: "5ms".parse().unwrap(), ..ControlsAsked::default() };
        assert_eq!(clash(jitter, Pacing::Max), "jitter");
        let again = ControlsAsked { again: true, ..ControlsAsked::default() };
        assert_eq!(clash(again.clone(), Pacing::Scaled(5.0)), "loop");
        assert!(!again.controls(&Days::new(TimeZone::UTC), &Pacing::Max).unwrap().is_plain());
        // A seed and a delay strike nobody by themselves.
        let seeded = ControlsAsked { seed: 7, late_by: "1s".parse().unwrap(), ..ControlsAsked::default() };
        assert!(seeded.controls(&Days::new(TimeZone::UTC), &Pacing::Max).unwrap().is_plain());
    }
}
