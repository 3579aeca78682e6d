use std::fmt::{self, Display};
use std::str::FromStr;

use super::read::{PERCENTILES, STAGES};
use super::{Figure, Pair};

/// Figures beside those of latency.
const OTHERS: [&str; 2] = ["cores", "rate"];

/// When a comparison fails: `p99 > +10%`, `close.p99 > +10%`, `rate < -5%`, or `digest`, when digests differ.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The digests differ.
    Digest,
    /// A figure becomes greater, or less, by more than this share.
    Change {
        /// The stage of latency, or none.
        stage: Option<&'static str>,
        /// The figure.
        name: &'static str,
        /// Whether it is to be greater.
        more: bool,
        /// Than by this share.
        than: f64,
    },
}

impl Condition {
    /// Whether it holds, in words; where the repeats' ranges overlap it does not. `None` where neither side has the
    /// figure.
    pub fn holds(&self, pair: &Pair<'_>) -> Option<bool> {
        let Condition::Change { stage, name, more, than } = self else {
            let (base, new) = (&pair.base.digests, &pair.new.digests);
            return (!base.is_empty() || !new.is_empty()).then_some(base != new);
        };
        let is_it = |(base, _): &(&Figure, &Figure)| (base.stage, base.name) == (*stage, *name);
        let (base, new) = pair.figures().find(is_it)?;
        let change = base.change_to(new);
        Some(!base.overlaps(new) && if *more { change > *than } else { change < *than })
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is not a condition: {why}; write e.g. 'p99 > +10%'");
        if text.trim() == "digest" {
            return Ok(Condition::Digest);
        }
        let at = text.find(['<', '>']).ok_or_else(|| wrong("there is no < or >"))?;
        let (figure, than) = (text[..at].trim(), text[at + 1..].trim());
        let find = |list: &[&'static str], name: &str| list.iter().find(|it| **it == name).copied();
        let (stage, name) = match figure.split_once('.') {
            Some((stage, name)) if find(&STAGES, stage).is_some() => (find(&STAGES, stage), find(&PERCENTILES, name)),
            _ if find(&OTHERS, figure).is_some() => (None, find(&OTHERS, figure)),
            _ => (Some("tick"), find(&PERCENTILES, figure)),
        };
        let name = name.ok_or_else(|| {
            let (percentiles, stages) = (PERCENTILES.join(", "), STAGES.join(", "));
            wrong(&format!("figures are {percentiles}, of a stage as in close.p99 ({stages}), cores, rate and digest"))
        })?;
        let percent = than.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        let percent = percent.filter(|it| it.is_finite()).ok_or_else(|| wrong("the change is not like +10%"))?;
        Ok(Condition::Change { stage, name, more: text[at..].starts_with('>'), than: percent / 100.0 })
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Digest => f.write_str("digest"),
            Condition::Change { stage, name, more, than } => {
                let stage = stage.filter(|stage| *stage != "tick").map(|stage| format!("{stage}.")).unwrap_or_default();
                write!(f, "{stage}{name} {} {:+}%", if *more { ">" } else { "<" }, (than * 1e4).round() / 100.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Subject;

    fn subject(p99: &[f64], cores: &[f64], digest: &str) -> Subject {
        let figures = [Figure::new(Some("tick"), "p99", p99.to_vec()), Figure::new(None, "cores", cores.to_vec())];
        let figures = figures.into_iter().flatten().collect();
        Subject { name: String::new(), digests: vec![digest.into()], censored: false, figures }
    }

    #[test]
    fn conditions_are_read_shown_and_refused() {
        let shown = |text: &str| text.parse::<Condition>().map_or_else(|e| e, |it| it.to_string());
        let read = ["p99>+10%", "tick.p99.9 > 10 %", "close.p50< -2.5%", "cores>0%", "rate < -5%", "digest"];
        let what = ["p99 > +10%", "p99.9 > +10%", "close.p50 < -2.5%", "cores > +0%", "rate < -5%", "digest"];
        assert_eq!(read.map(shown), what);
        for (text, why) in [
            ("p99 10%", "no < or >"),
            ("p98>10%", "figures are p50, p90, p99, p99.9, p99.99, max"),
            ("sunk.p99>10%", "figures are"),
            ("p99>10", "not like +10%"),
            ("p99>nan%", "not like +10%"),
        ] {
            assert!(shown(text).contains(why), "{text}: {}", shown(text));
        }
    }

    #[test]
    fn a_condition_holds_only_beyond_the_ranges_of_the_repeats() {
        let base = subject(&[100.0, 101.0, 109.0], &[1.0], "a");
        let holds = |text: &str, new: &Subject| text.parse::<Condition>().unwrap().holds(&Pair { base: &base, new });
        assert_eq!(holds("p99>+10%", &subject(&[112.0, 113.0], &[1.0], "a")), Some(true));
        assert_eq!(holds("p99>+20%", &subject(&[112.0, 113.0], &[1.0], "a")), Some(false));
        assert_eq!(holds("p99>+10%", &subject(&[109.0, 150.0, 150.0], &[1.0], "a")), Some(false));
        assert_eq!(holds("cores<-10%", &subject(&[1.0], &[0.89], "a")), Some(true));
        assert_eq!(holds("cores<-10%", &subject(&[1.0], &[1.2], "a")), Some(false));
        assert_eq!(holds("p50>0%", &base), None);
        assert_eq!([holds("digest", &subject(&[1.0], &[1.0], "b")), holds("digest", &base)], [Some(true), Some(false)]);
        // What was stopped has no digest, which is not that of the other side.
        let stopped = Subject { digests: Vec::new(), censored: true, ..subject(&[1.0], &[1.0], "") };
        assert_eq!(holds("digest", &stopped), Some(true));
        let both = Pair { base: &stopped, new: &stopped };
        assert_eq!(Condition::Digest.holds(&both), None);
    }
}
