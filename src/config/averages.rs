//! What the averages of `vwap` are over.

use serde::Deserialize;

use super::settings::nanos;
use super::windows::check_session;
use super::{Count as Number, Layers, Maybe, Settings, Span};
use crate::time::SECOND;
use crate::window::{Anchored, Hours, Last, Tumbling, Windows};

/// The windows of averages: those of `[window]`, or the session so far, or the last trades.
#[derive(Clone, Debug)]
pub struct AveragedOver(pub Windows);

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Over {
    Session,
    Window,
    Trades,
}

#[derive(Deserialize)]
struct VwapSection {
    over: Over,
    every: Span,
    trades: Number,
}

#[derive(Deserialize)]
struct SessionSection {
    auction: Maybe<Span>,
}

impl Settings for AveragedOver {
    fn read(layers: &mut Layers) -> Option<Self> {
        let section: VwapSection = layers.section("vwap")?;
        let hours = Hours::read(layers)?;
        let SessionSection { auction } = layers.section("session")?;
        let every = Tumbling::new(nanos(section.every));
        if every.is_none() {
            layers.problem("vwap.every", "averages at no interval", "write for example \"1m\"");
        }
        for key in ["kind", "length", "offset", "align", "early", "slide", "gap", "of", "every", "overshoot"] {
            let key = format!("window.{key}");
            if !matches!(section.over, Over::Window) && layers.is_changed(&key) {
                let help = "averages are over the windows with vwap.over = \"window\"; `vwap.every` says how often \
                            others are told";
                layers.problem(&key, &format!("a `{key}` that would not be used"), help);
            }
        }
        let every_nanos = nanos(section.every).max(1);
        Some(AveragedOver(match section.over {
            Over::Window => Windows::read(layers)?,
            Over::Session => {
                let averages = ("averages", "vwap.every", section.every);
                check_session(layers, ("vwap.every", "too many averages"), &hours, averages);
                Anchored::new(every_nanos, hours.with_auction(auction.0.map_or(0, nanos)))?.into()
            }
            Over::Trades => {
                if auction.0.is_some() {
                    let help = "the last trades are of the whole day: leave it \"off\"";
                    layers.problem("session.auction", "an `auction` that would not be used", help);
                }
                let trades = usize::try_from(section.trades.0).unwrap_or(usize::MAX);
                if trades == 0 {
                    layers.problem("vwap.trades", "averages of no trades", "write for example 100");
                }
                Last::new(trades.max(1), every.or_else(|| Tumbling::new(SECOND))?)?.into()
            }
        }))
    }
}
