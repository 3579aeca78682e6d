use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use super::ExplainFlags;
use crate::cli::pipeline::{About, Pipeline};
use crate::cli::signals::end_on_signals;
use crate::cli::verify::read;
use crate::cli::{print, records};
use crate::config::{Config, Input};
use crate::error::{Error, Result};
use crate::lateness::{Lateness, Verdict};
use crate::oracle::Corrected;
use crate::play;
use crate::report::span;
use crate::row::{Takes, Texts};
use crate::source::{Address, Pacing};
use crate::tape::Rejects;
use crate::tick::{Kind, Symbol, Tick};
use crate::time::EventTime;
use crate::window::Window;

/// What became of a record, and why.
enum Fate {
    OnTime,
    /// Late by so many nanoseconds, but within the horizon.
    Amends(i64),
    /// Late by so many nanoseconds, and dropped.
    TooLate(i64),
    /// It speaks of a print that is not on the tape, or out of its reach.
    Unmatched,
    /// It is no record for this pipeline.
    Ignored,
}

/// Says which records of the input were late and by how much, which found nothing, and with `--why` what a result was
/// made of.
pub fn explain(config: &Config, asked: &ExplainFlags, pipeline: &dyn Pipeline) -> Result<ExitCode> {
    let why = asked.asked()?;
    if asked.folder().is_some()
        && let Input::Files(inputs) = &config.input
        && (inputs.is_stdin() || matches!(inputs.address()?, Some(Address::Tcp { .. } | Address::Unix { .. })))
    {
        let what = if inputs.is_stdin() { "standard input" } else { &inputs.path };
        let text = format!("explain: that run read {what}, which is gone: give what it read with --input FILE");
        return Err(Error::Usage(text));
    }
    let mut config = config.clone();
    if config.play_for.is_none() {
        config.playback.pacing = Pacing::Max;
    }
    end_on_signals("nothing was explained")?;
    let around = play::surroundings(&config, Arc::default(), Rejects::default(), Arc::default());
    let tape = read(&config, &around)?;
    asked.tell_other_tape(&config.input, tape.len() as u64 + around.rejects.count())?;
    let texts = Texts::new(around.symbols.clone(), around.venues.clone());
    let fates = fates(&tape, &config.lateness, pipeline.rows().takes);
    let mut text = String::new();
    match why {
        None => tell_all(&tape, &fates, &texts, asked.shown(), &mut text),
        Some((name, time)) => {
            if !around.symbols.has(name) && !around.venues.has(name) {
                return Err(Error::Usage(format!("--why {name}: the input has no such symbol, and no such venue")));
            }
            let rows = pipeline.rows();
            let mut corrected = Corrected::new(&tape, &config.lateness, texts.clone());
            let about = pipeline.about(&mut corrected, name, time, &(rows.columns)(config.is_numbered))?;
            match about {
                None => _ = writeln!(text, "no row of {} about {name} holds {}", rows.name, asked.time()),
                Some(about) => {
                    let told = (&tape[..], &fates[..], &config.lateness);
                    tell_why(name, &about, told, &texts, asked.shown(), &mut text);
                }
            }
        }
    }
    if around.rejects.count() > 0 {
        let _ = writeln!(
            text,
            "{} lines could not be read; the first:\n  {}",
            around.rejects.count(),
            around.rejects.examples().join("\n  ")
        );
    }
    print(&text)
}

/// What became of every record, by its symbol's own order.
fn fates(tape: &[Tick], lateness: &Lateness, takes: Takes) -> Vec<Fate> {
    let mut clocks: BTreeMap<(Symbol, bool), EventTime> = BTreeMap::new();
    let mut trades: BTreeMap<_, Vec<EventTime>> = BTreeMap::new();
    let judge = |tick: &Tick| {
        let is_apart = takes != Takes::Records && tick.kind == Kind::Quote;
        let clock = clocks.entry((tick.symbol, is_apart)).or_insert(EventTime::MIN);
        let by = clock.saturating_sub(tick.ts_event);
        let verdict = lateness.judge(clock, tick.ts_event);
        // Nobody can speak of a print that was not taken.
        if tick.kind == Kind::Trade && verdict != Verdict::Late {
            trades.entry((tick.venue, tick.symbol, tick.seq)).or_default().push(tick.ts_event);
        }
        (verdict, by)
    };
    let verdicts: Vec<(Verdict, i64)> = tape.iter().map(judge).collect();
    let fate = |(tick, (verdict, by)): (&Tick, (Verdict, i64))| {
        let prints = trades.get(&(tick.venue, tick.symbol, tick.ref_seq));
        let finds = || prints.is_some_and(|prints| prints.iter().any(|print| lateness.reaches(tick.ts_event, *print)));
        match verdict {
            _ if takes == Takes::Trades && tick.kind == Kind::Quote => Fate::Ignored,
            Verdict::Late => Fate::TooLate(by),
            _ if takes != Takes::Records && is_message(tick) && !finds() => Fate::Unmatched,
            Verdict::Amends => Fate::Amends(by),
            Verdict::OnTime => Fate::OnTime,
        }
    };
    tape.iter().zip(verdicts).map(fate).collect()
}

/// Whether a record speaks of a print.
fn is_message(tick: &Tick) -> bool {
    matches!(tick.kind, Kind::Cancel | Kind::Correct)
}

fn words(tick: &Tick, fate: &Fate) -> String {
    match fate {
        Fate::OnTime if is_message(tick) => "on time: amends".into(),
        Fate::OnTime => "on time".into(),
        Fate::Amends(by) => format!("late by {}: amends", span(*by as u64)),
        Fate::TooLate(by) => format!("late by {}: not taken", span(*by as u64)),
        Fate::Ignored => "ignored".into(),
        Fate::Unmatched => "speaks of a print that is not there, or out of its reach".into(),
    }
}

/// All late records, the latest first, and all that found nothing.
fn tell_all(tape: &[Tick], fates: &[Fate], texts: &Texts, shown: usize, text: &mut String) {
    let told = || tape.iter().zip(fates);
    let mut late: Vec<(i64, &Tick, &Fate)> = told()
        .filter_map(|(tick, fate)| match fate {
            Fate::Amends(by) | Fate::TooLate(by) => Some((*by, tick, fate)),
            _ => None,
        })
        .collect();
    late.sort_by_key(|(by, tick, _)| (-by, tick.ts_event, tick.seq));
    let dropped = late.iter().filter(|(_, _, fate)| matches!(fate, Fate::TooLate(_))).count();
    let _ = writeln!(
        text,
        "{} records, of which {} were late by their symbol's own order: {} amend results, {dropped} came too late",
        tape.len(),
        late.len(),
        late.len() - dropped
    );
    let late: Vec<(&Tick, &Fate)> = late.into_iter().map(|(_, tick, fate)| (tick, fate)).collect();
    list(&late, texts, shown, text);
    let messages = tape.iter().filter(|tick| is_message(tick)).count();
    let unmatched: Vec<(&Tick, &Fate)> = told().filter(|(_, fate)| matches!(fate, Fate::Unmatched)).collect();
    let _ = writeln!(text, "{messages} cancels and corrections, of which {} found no print", unmatched.len());
    list(&unmatched, texts, shown, text);
}

/// Rows about a symbol, or a venue, and what they are made of. Where not all of that is shown, what this pipeline does
/// not read comes last.
fn tell_why(
    name: &str,
    About { window, before, lines }: &About,
    (tape, fates, lateness): (&[Tick], &[Fate], &Lateness),
    texts: &Texts,
    shown: usize,
    text: &mut String,
) {
    text.push_str(lines);
    let Window { start, end } = window;
    let is_of_it = |tick: &Tick| [texts.symbol(tick.symbol), texts.venue(tick.venue)].contains(&name);
    let is_inside = |tick: &Tick| is_of_it(tick) && (window.contains(tick.ts_event) || before.contains(&tick.ts_event));
    let mut places = records::about(tape, lateness, is_inside, shown);
    if places.len() > shown {
        places.sort_by_key(|at| matches!(fates[*at], Fate::Ignored));
    }
    let held = records::from_before(tape, &places, before);
    let _ = writeln!(text, "{} records lie in [{start}, {end}) or speak of one that does{held}", places.len());
    let all: Vec<(&Tick, &Fate)> = places.into_iter().map(|at| (&tape[at], &fates[at])).collect();
    list(&all, texts, shown, text);
}

fn list(records: &[(&Tick, &Fate)], texts: &Texts, shown: usize, text: &mut String) {
    if !records.is_empty() {
        let _ = writeln!(text, "  {}", Texts::RECORD);
    }
    for (tick, fate) in records.iter().take(shown) {
        let _ = writeln!(text, "  {}   {}", texts.record(tick), words(tick, fate));
    }
    if records.len() > shown {
        let _ = writeln!(text, "  and {} more; --all shows them", records.len() - shown);
    }
}
