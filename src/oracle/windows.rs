use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::{Span, Timestamp};

use super::{Corrected, Trade};
use crate::calendar::{Calendar, early_close, is_open};
use crate::lateness::Sessions;
use crate::tick::Symbol;
use crate::window::{Anchored, Count, Day, Hours, Last, Measure, Sliding, Tumbling, TumblingDaily, Window, Windows};

/// A window of one symbol that holds prints, with its place among those that begin together.
pub type Held = (Window, u32, Symbol);

/// Which surviving prints are in which windows, in their order; a print of which a window holds a part has only those
/// shares there.
pub fn windows(tape: &Corrected, windows: &Windows) -> BTreeMap<Held, Vec<Trade>> {
    let mut held = BTreeMap::new();
    for (symbol, trades) in &tape.trades {
        let of_symbol = match windows {
            Windows::Tumbling(rule) => each(trades, |ts| vec![tumbling(rule, ts)]),
            Windows::Daily(rule) => each(trades, |ts| vec![daily(rule, ts)]),
            Windows::Early(early) => return self::windows(tape, &early.windows),
            Windows::Sliding(rule) => each(trades, |ts| sliding(rule, ts)),
            Windows::Anchored(rule) => anchored(rule, trades),
            Windows::Gap(rule) => runs(trades, rule.gap),
            Windows::Count(rule) => filled(rule, trades, &tape.sessions),
            Windows::Last(rule) => last(rule, trades, &tape.sessions),
        };
        held.extend(of_symbol.into_iter().map(|(window, place, trades)| ((window, place, *symbol), trades)));
    }
    held
}

type Filled = Vec<(Window, u32, Vec<Trade>)>;

/// Every print into each of its windows.
fn each(trades: &[Trade], windows_of: impl Fn(i64) -> Vec<Window>) -> Filled {
    let mut held: BTreeMap<Window, Vec<Trade>> = BTreeMap::new();
    for trade in trades {
        windows_of(trade.ts_event).into_iter().for_each(|window| held.entry(window).or_default().push(*trade));
    }
    held.into_iter().map(|(window, trades)| (window, 0, trades)).collect()
}

pub(super) fn tumbling(rule: &Tumbling, ts: i64) -> Window {
    let start = (ts - rule.offset).div_euclid(rule.length) * rule.length + rule.offset;
    Window { start, end: start + rule.length }
}

fn sliding(rule: &Sliding, ts: i64) -> Vec<Window> {
    let last = (ts - rule.offset).div_euclid(rule.slide) * rule.slide + rule.offset;
    let starts = (0..).map(|back| last - back * rule.slide).take_while(|start| ts < start + rule.length);
    starts.map(|start| Window { start, end: start + rule.length }).collect()
}

/// The day of trading around a time, by the clock of its zone.
pub(super) fn day(hours: &Hours, ts: i64) -> Day {
    let (zone, begins) = (hours.days.zone(), hours.days.begins());
    let in_evening = begins > Time::constant(12, 0, 0, 0);
    let instant = |date: Date, time: Time| {
        let back = Span::new().days(i64::from(in_evening && time >= begins));
        let on = Span::new().days(i64::from(!in_evening && time < begins));
        let local = date.saturating_sub(back).saturating_add(on).to_datetime(time);
        local.to_zoned(zone.clone()).expect("64 bits of nanoseconds fit").timestamp().as_nanosecond() as i64
    };
    let utc = Timestamp::from_nanosecond(i128::from(ts)).expect("64 bits of nanoseconds fit");
    let today = utc.to_zoned(zone.clone()).date();
    let next = |date: Date| date.tomorrow().expect("a day after the tape");
    let around = [today.yesterday().expect("a day before the tape"), today, next(today)];
    let holds = |date: &Date| (instant(*date, begins)..instant(next(*date), begins)).contains(&ts);
    let date = around.into_iter().find(holds).expect("days lie end to end");
    let usual = Some((hours.open, hours.close));
    let told = match &hours.calendar {
        Calendar::EveryDay => usual,
        Calendar::Nyse if !is_open(date) => None,
        Calendar::Nyse => Some((hours.open, early_close(date).unwrap_or(hours.close).min(hours.close))),
        Calendar::Table(days) => match days.get(&date) {
            Some(told) => *told,
            None => usual.filter(|_| date.weekday().to_monday_one_offset() < 6),
        },
    };
    let (opens, closes) = told.unwrap_or((hours.open, hours.open));
    let open = instant(date, opens);
    Day { start: instant(date, begins), open, close: instant(date, closes).max(open), end: instant(next(date), begins) }
}

pub(super) fn daily(rule: &TumblingDaily, ts: i64) -> Window {
    let day = day(&rule.hours, ts);
    let aligned = |ts| {
        let window = tumbling(&Tumbling { length: rule.length, offset: day.open + rule.offset }, ts);
        Window { start: window.start.max(day.start), end: window.end.min(day.end) }
    };
    let window = aligned(ts);
    let (last, over) = (aligned(day.close - 1), (day.close + rule.auction).min(day.end));
    if rule.auction == 0 || day.open == day.close || over <= last.end || ts < last.start {
        window
    } else if ts < over {
        Window { end: over, ..last }
    } else {
        Window { start: window.start.max(over), ..window }
    }
}

fn anchored(rule: &Anchored, trades: &[Trade]) -> Filled {
    let mut sessions: BTreeMap<(i64, i64), Vec<Trade>> = BTreeMap::new();
    for trade in trades {
        let Day { open, close, .. } = day(&rule.hours, trade.ts_event);
        if open <= trade.ts_event && trade.ts_event < close {
            sessions.entry((open, close)).or_default().push(*trade);
        }
    }
    let mut held = Vec::new();
    for ((open, close), trades) in sessions {
        for place in 0.. {
            let window = Window { start: open, end: close.min(open + (i64::from(place) + 1) * rule.every) };
            let inside: Vec<Trade> = trades.iter().filter(|trade| trade.ts_event < window.end).copied().collect();
            let step = open + i64::from(place) * rule.every;
            if inside.last().is_some_and(|last| last.ts_event >= step) {
                held.push((window, place, inside));
            }
            if window.end == close {
                break;
            }
        }
    }
    held
}

fn runs(trades: &[Trade], gap: i64) -> Filled {
    let runs = trades.chunk_by(|one, next| next.ts_event - one.ts_event < gap);
    let window = |run: &[Trade]| Window { start: run[0].ts_event, end: run[run.len() - 1].ts_event + gap };
    runs.map(|run| (window(run), 0, run.to_vec())).collect()
}

/// Share by share where prints are split, print by print where they are not.
fn filled(rule: &Count, trades: &[Trade], sessions: &Sessions) -> Filled {
    let mut held = Vec::new();
    for day in trades.chunk_by(|one, next| sessions.of(one.ts_event) == sessions.of(next.ts_event)) {
        let (mut counted, mut inside, mut place) = (0, Vec::new(), 0);
        for trade in day {
            let mut left = trade.size;
            loop {
                let each = match rule.of {
                    Measure::Trades => 0,
                    _ if !trade.eligible.volume() => 0,
                    Measure::Volume => 1,
                    Measure::Notional => i128::from(trade.price.0.unsigned_abs()),
                };
                let room = rule.every - counted;
                let splits = rule.splits && each > 0 && each * i128::from(left) > room;
                let size = if splits { (room / each + i128::from(room % each > 0)) as u32 } else { left };
                inside.push(Trade { size, ..*trade });
                counted += if rule.of == Measure::Trades { 1 } else { each * i128::from(size) };
                if counted >= rule.every {
                    let trades: Vec<Trade> = std::mem::take(&mut inside);
                    held.push((Window { start: trades[0].ts_event, end: trade.ts_event + 1 }, place, trades));
                    (counted, place) = (0, place + 1);
                }
                left -= size;
                if left == 0 {
                    break;
                }
            }
        }
    }
    held
}

fn last(rule: &Last, trades: &[Trade], sessions: &Sessions) -> Filled {
    let mut held = Vec::new();
    for (at, trade) in trades.iter().enumerate() {
        let window = tumbling(&rule.every, trade.ts_event);
        if trades.get(at + 1).is_some_and(|next| window.contains(next.ts_event)) {
            continue;
        }
        let session = sessions.of(trade.ts_event);
        let of_session = trades[..=at].iter().filter(|earlier| sessions.of(earlier.ts_event) == session);
        let of_session: Vec<Trade> = of_session.copied().collect();
        held.push((window, 0, of_session[of_session.len().saturating_sub(rule.prints)..].to_vec()));
    }
    held
}
