//! How fast a tape is played, out of the words in which people ask for it.

use serde::Deserialize;

use super::{Rate, Speed};
use crate::source::Pacing;
use crate::tape::{Burst, Gaps};

/// When ticks arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrive {
    /// Evenly where there is a rate or a burst, else as on the tape.
    #[default]
    Auto,
    /// Evenly, at a rate.
    Constant,
    /// With exponential gaps, at a rate.
    Poisson,
    /// With the tape's own gaps, at a speed, or scaled to a rate.
    Tape,
}

/// What was said about the pace of a tape.
#[derive(Clone, Copy, Debug)]
pub struct PaceAsked {
    /// Times event time.
    pub speed: Speed,
    /// Ticks a second.
    pub rate: Option<Rate>,
    /// The gaps.
    pub arrive: Arrive,
    /// A rate that swings.
    pub burst: Option<Burst>,
    /// What random gaps follow from.
    pub seed: u64,
}

/// Which setting does not go with the others, why, and what to do.
pub type Clash = (&'static str, &'static str, &'static str);

impl PaceAsked {
    /// The pacing that was asked for. `natural` is that of the input where nothing is said, and the rate at which its
    /// ticks come then, if it has one.
    ///
    /// # Errors
    /// When settings do not go together.
    pub fn pacing(self, natural: (Pacing, Option<f64>)) -> Result<Pacing, Clash> {
        let PaceAsked { speed, rate, arrive, burst, seed } = self;
        if rate.is_some() && speed != Speed::Auto {
            return Err(("rate", "both a rate and a speed", "give one of them; speed = \"auto\" is neither"));
        }
        let arrive = match arrive {
            Arrive::Auto if rate.is_some() || burst.is_some() => Arrive::Constant,
            Arrive::Auto => Arrive::Tape,
            said => said,
        };
        let even = matches!(arrive, Arrive::Constant | Arrive::Poisson);
        if burst.is_some() && !even {
            let help = "a burst is on top of constant or poisson arrivals: the tape has bursts of its own";
            return Err(("burst", "a burst of the tape's own gaps", help));
        }
        let help = "give a rate such as \"200k/s\", and no speed";
        let key = if burst.is_some() { "burst" } else { "arrivals" };
        match (arrive, rate, speed) {
            (Arrive::Tape, Some(Rate(rate)), _) => Ok(Pacing::Scaled(rate)),
            (Arrive::Tape, None, Speed::Times(times)) => Ok(Pacing::Speed(times)),
            (Arrive::Tape, None, Speed::Max) if self.arrive == Arrive::Tape => {
                Err(("arrivals", "the tape's gaps, and no schedule", "give a speed such as \"1x\", or a rate"))
            }
            (Arrive::Tape, None, Speed::Max) => Ok(Pacing::Max),
            (Arrive::Tape, None, Speed::Auto) => match natural.0 {
                Pacing::Max if self.arrive == Arrive::Tape => Ok(Pacing::Speed(1.0)),
                other => Ok(other),
            },
            (_, rate, Speed::Auto) => {
                let Some(per_second) = rate.map(|it| it.0).or(natural.1) else {
                    return Err((key, "arrivals at no rate", help));
                };
                let gaps = if arrive == Arrive::Poisson { Gaps::Poisson { seed } } else { Gaps::Even };
                Ok(Pacing::Rate { per_second, gaps, burst })
            }
            (_, _, Speed::Max | Speed::Times(_)) => Err((key, "arrivals at a rate, and a speed", help)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BURST: Burst = Burst { times: 10.0, length: 1, every: 2 };

    fn asked(speed: Speed, rate: Option<f64>, arrive: Arrive, burst: Option<Burst>) -> PaceAsked {
        PaceAsked { speed, rate: rate.map(Rate), arrive, burst, seed: 7 }
    }

    #[test]
    fn what_is_not_said_follows_from_the_rest() {
        let (market, files) = ((Pacing::Speed(1.0), Some(50.0)), (Pacing::Max, None));
        let pacing = |speed, rate, arrive, burst, natural| asked(speed, rate, arrive, burst).pacing(natural).unwrap();
        let at = |per_second, gaps, burst| Pacing::Rate { per_second, gaps, burst };
        let poisson = Gaps::Poisson { seed: 7 };
        assert_eq!(pacing(Speed::Auto, None, Arrive::Auto, None, market), Pacing::Speed(1.0));
        assert_eq!(pacing(Speed::Auto, None, Arrive::Auto, None, files), Pacing::Max);
        assert_eq!(pacing(Speed::Max, None, Arrive::Auto, None, market), Pacing::Max);
        assert_eq!(pacing(Speed::Times(2.0), None, Arrive::Tape, None, files), Pacing::Speed(2.0));
        assert_eq!(pacing(Speed::Auto, None, Arrive::Tape, None, files), Pacing::Speed(1.0));
        assert_eq!(pacing(Speed::Auto, Some(5.0), Arrive::Auto, None, files), Pacing::even(5.0));
        assert_eq!(pacing(Speed::Auto, Some(5.0), Arrive::Tape, None, files), Pacing::Scaled(5.0));
        assert_eq!(pacing(Speed::Auto, Some(5.0), Arrive::Poisson, None, files), at(5.0, poisson, None));
        assert_eq!(pacing(Speed::Auto, None, Arrive::Poisson, Some(BURST), market), at(50.0, poisson, Some(BURST)));
        assert_eq!(pacing(Speed::Auto, None, Arrive::Auto, Some(BURST), market), at(50.0, Gaps::Even, Some(BURST)));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let clash =
            |speed, rate, arrive, burst| asked(speed, rate, arrive, burst).pacing((Pacing::Max, None)).unwrap_err().0;
        assert_eq!(clash(Speed::Max, Some(5.0), Arrive::Auto, None), "rate");
        assert_eq!(clash(Speed::Auto, Some(5.0), Arrive::Tape, Some(BURST)), "burst");
        assert_eq!(clash(Speed::Max, None, Arrive::Tape, None), "arrivals");
        assert_eq!(clash(Speed::Auto, None, Arrive::Constant, None), "arrivals");
        assert_eq!(clash(Speed::Auto, None, Arrive::Auto, Some(BURST)), "burst");
        assert_eq!(clash(Speed::Times(2.0), None, Arrive::Poisson, None), "arrivals");
    }
}
