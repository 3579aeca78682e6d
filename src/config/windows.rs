//! The windows of a run: `kind` is read first, and then what that kind needs.

use serde::Deserialize;

use super::settings::nanos;
use super::{Count as Number, Layers, Maybe, Settings, Span};
use crate::time::SECOND;
use crate::window::{Count, Early, Gap, Hours, Measure, Sliding, Tumbling, TumblingDaily, Windows};

/// Most windows that one print may be in.
const MAX_OVERLAP: i64 = 10_000;

/// Most windows of one symbol into which time alone may cut one session.
const MOST_OF_SESSION: i64 = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Tumbling,
    Sliding,
    Session,
    Count,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Align {
    Epoch,
    Session,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Overshoot {
    Whole,
    Split,
}

#[derive(Deserialize)]
struct WindowSection {
    kind: Kind,
    length: Span,
    align: Align,
    offset: Span,
    early: Maybe<Span>,
    slide: Maybe<Span>,
    gap: Maybe<Span>,
    of: Measure,
    every: Maybe<Number>,
    overshoot: Overshoot,
}

#[derive(Deserialize)]
struct SessionSection {
    auction: Maybe<Span>,
}

impl Settings for Tumbling {
    fn read(layers: &mut Layers) -> Option<Self> {
        #[derive(Deserialize)]
        struct WindowSection {
            length: Span,
        }
        let window: WindowSection = layers.section("window")?;
        let windows = Tumbling::new(nanos(window.length));
        if windows.is_none() {
            no_length(layers);
        }
        windows.or_else(|| Tumbling::new(SECOND))
    }
}

impl Settings for Gap {
    fn read(layers: &mut Layers) -> Option<Self> {
        #[derive(Deserialize)]
        struct WindowSection {
            gap: Maybe<Span>,
        }
        let window: WindowSection = layers.section("window")?;
        let gap = window.gap.0.and_then(|gap| Gap::new(nanos(gap)));
        if gap.is_none() {
            let help = "say how long a pause ends one: gap = \"30s\"";
            layers.problem("window.gap", "session windows without a gap", help);
        }
        gap.or_else(|| Gap::new(SECOND))
    }
}

/// Says so where a session is cut into too many windows: `rows` is what a symbol has of each.
pub(super) fn check_session(
    layers: &mut Layers,
    (key, title): (&str, &str),
    hours: &Hours,
    (rows, length_key, length): (&str, &str, Span),
) {
    // Windows of no length are a mistake of their own.
    if let Some(windows) = hours.length().checked_div(nanos(length)).filter(|windows| *windows > MOST_OF_SESSION) {
        let help = format!(
            "a symbol would have {windows} {rows} a session, {MOST_OF_SESSION} are the most: lengthen {length_key}"
        );
        layers.problem(key, title, &help);
    }
}

fn no_length(layers: &mut Layers) {
    layers.problem("window.length", "a window of no length", "write for example \"1s\" or \"5m\"");
}

impl Settings for Windows {
    fn read(layers: &mut Layers) -> Option<Self> {
        let window: WindowSection = layers.section("window")?;
        let session: SessionSection = layers.section("session")?;
        let hours = Hours::read(layers)?;
        unused(layers, &window, &session);
        let (length, offset) = (nanos(window.length), nanos(window.offset));
        let fallback = Tumbling::new(SECOND)?;
        let windows = match window.kind {
            Kind::Tumbling if window.align == Align::Session => {
                let auction = session.auction.0.map_or(0, nanos);
                TumblingDaily::new(length, offset, hours).map(|windows| windows.with_auction(auction).into())
            }
            Kind::Tumbling => Tumbling::new(length).map(|windows| windows.offset(offset).into()),
            Kind::Sliding => return Some(sliding(layers, &window).unwrap_or(fallback.into())),
            Kind::Session => return Gap::read(layers).map(Windows::from),
            Kind::Count => {
                let every = window.every.0.map_or(0, |every| every.0);
                let count = Count::new(window.of, every, window.overshoot == Overshoot::Split);
                if count.is_none() {
                    let help = "say how much fills one: every = 1000";
                    layers.problem("window.every", "count windows of nothing", help);
                }
                return Some(count.map_or(fallback.into(), Windows::from));
            }
        };
        if windows.is_none() {
            no_length(layers);
        }
        let windows = windows.unwrap_or(fallback.into());
        Some(early(layers, &window, &windows).map_or(windows, Windows::from))
    }
}

/// The windows shown before they are over, if they are to be.
fn early(layers: &mut Layers, window: &WindowSection, windows: &Windows) -> Option<Early> {
    let (every, length) = (nanos(window.early.0?), nanos(window.length));
    if every == 0 || every >= length {
        let help = "a window is shown when it is over anyhow: write a step shorter than window.length, or \"off\"";
        layers.problem("window.early", "windows that are not shown early", help);
    } else if length / every > MAX_OVERLAP {
        let help = format!("each would be shown {} times: {MAX_OVERLAP} are the most", length / every);
        layers.problem("window.early", "too many looks at a window", &help);
    }
    Early::new(windows.clone(), every)
}

fn sliding(layers: &mut Layers, window: &WindowSection) -> Option<Windows> {
    if window.align == Align::Session {
        let help = "align them with `offset`: sliding windows are laid from the epoch";
        layers.problem("window.align", "sliding windows are not aligned to the session", help);
    }
    let (length, slide) = (nanos(window.length), window.slide.0.map_or(0, nanos));
    if slide <= 0 {
        let help = "say how far apart they begin: slide = \"1s\"";
        layers.problem("window.slide", "sliding windows that do not slide", help);
        return None;
    }
    if slide > length {
        let help = "ticks between two windows would be in none: slide by at most window.length";
        layers.problem("window.slide", "a slide longer than the window", help);
    } else if length / slide > MAX_OVERLAP {
        let help = format!("a tick would be in {} windows: {MAX_OVERLAP} are the most", length / slide);
        layers.problem("window.slide", "too many windows over each other", &help);
    }
    Some(Sliding::new(length, slide)?.offset(nanos(window.offset)).into())
}

/// What was set and belongs to another kind of window is a mistake rather than ignored.
fn unused(layers: &mut Layers, window: &WindowSection, session: &SessionSection) {
    if session.auction.0.is_some() && (window.kind != Kind::Tumbling || window.align != Align::Session) {
        let help =
            "it is for windows of kind = \"tumbling\" and align = \"session\": set that too, or leave it \"off\"";
        layers.problem("session.auction", "an `auction` that would not be used", help);
    }
    let set = [
        ("early", window.early.0.is_some(), Kind::Tumbling, "tumbling"),
        ("slide", window.slide.0.is_some(), Kind::Sliding, "sliding"),
        ("gap", window.gap.0.is_some(), Kind::Session, "session"),
        ("every", window.every.0.is_some(), Kind::Count, "count"),
    ];
    for (key, is_set, kind, name) in set {
        if is_set && window.kind != kind {
            let help = format!("it is for windows of kind = \"{name}\": set that too, or leave it \"off\"");
            layers.problem(&format!("window.{key}"), &format!("a `{key}` that would not be used"), &help);
        }
    }
    if matches!(window.kind, Kind::Session | Kind::Count) {
        for key in ["length", "offset", "align"] {
            if layers.is_changed(&format!("window.{key}")) {
                let help = "it is for windows that are laid out in time: tumbling and sliding ones";
                layers.problem(&format!("window.{key}"), &format!("a window's `{key}` that would not be used"), help);
            }
        }
    }
}
