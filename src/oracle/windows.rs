use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

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
/// shares there. Where a run would end with an error, there are none, and the error is left with the tape.
pub fn windows<'a>(tape: &'a Corrected, windows: &Windows) -> BTreeMap<Held, Cow<'a, [Trade]>> {
    let mut held = BTreeMap::new();
    for (symbol, trades) in &tape.trades {
        let of_symbol = match windows {
            Windows::Tumbling(rule) => each(trades, |ts| vec![tumbling(rule, ts)]),
            Windows::Daily(rule) => each(trades, |ts| vec![daily(rule, ts)]),
            Windows::Early(early) => return self::windows(tape, &early.windows),
            Windows::Sliding(rule) => each(trades, |ts| sliding(rule, ts)),
            Windows::Anchored(rule) => anchored(rule, trades),
            Windows::Gap(rule) => runs(trades, rule.gap),
            Windows::Count(rule) => {
                if let Some((trade, windows)) = trades.iter().find_map(|trade| too_many(rule, trade)) {
                    let text = tape.texts.symbol(*symbol);
                    tape.refused.get_or_init(|| Count::too_many(text, trade.ts_event, trade.size, windows));
                    return BTreeMap::new();
                }
                filled(rule, trades, &tape.sessions)
            }
            Windows::Last(rule) => last(rule, trades, &tape.sessions),
        };
        held.extend(of_symbol.into_iter().map(|(window, place, trades)| ((window, place, *symbol), trades)));
    }
    held
}

/// Windows with their places and prints. Only prints that are split are not where the tape has them.
type Filled<'a> = Vec<(Window, u32, Cow<'a, [Trade]>)>;

/// The windows in which there are prints.
fn each(trades: &[Trade], windows_of: impl Fn(i64) -> Vec<Window>) -> Filled<'_> {
    let mut windows = BTreeSet::new();
    trades.iter().for_each(|trade| windows.extend(windows_of(trade.ts_event)));
    windows.into_iter().map(|window| (window, 0, Cow::from(within(trades, window)))).collect()
}

/// The prints that lie in a stretch of time.
fn within(trades: &[Trade], stretch: Window) -> &[Trade] {
    let place = |ts: i64| trades.partition_point(|trade| trade.ts_event < ts);
    &trades[place(stretch.start)..place(stretch.end)]
}

/// A stretch between instants that event time may not reach: it is cut short there.
fn cut(start: i128, end: i128) -> Window {
    let reached = |ts: i128| ts.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    Window { start: reached(start), end: reached(end) }
}

/// Of the stretches of one length that lie end to end, one of which begins at `from`, that which holds `ts`.
fn end_to_end(ts: i64, length: i64, from: i128) -> Window {
    let (ts, length) = (i128::from(ts), i128::from(length));
    let start = (ts - from).div_euclid(length) * length + from;
    cut(start, start + length)
}

pub(super) fn tumbling(rule: &Tumbling, ts: i64) -> Window {
    end_to_end(ts, rule.length, rule.offset.into())
}

fn sliding(rule: &Sliding, ts: i64) -> Vec<Window> {
    let [ts, length, slide, offset] = [ts, rule.length, rule.slide, rule.offset].map(i128::from);
    let last = (ts - offset).div_euclid(slide) * slide + offset;
    let starts = (0..).map(|back| last - back * slide).take_while(|start| ts < start + length);
    // Of those that would go on beyond the end of time there is the first alone.
    let is_one = |start: &i128| start - slide + length < i64::MAX.into();
    starts.filter(is_one).map(|start| cut(start, start + length)).collect()
}

/// The day of trading around a time, by the clock of its zone. At the ends of the calendar all that is left is one day.
pub(super) fn day(hours: &Hours, ts: i64) -> Day {
    let (zone, begins) = (hours.days.zone(), hours.days.begins());
    let in_evening = begins > Time::constant(12, 0, 0, 0);
    let instant = |date: Date, time: Time| {
        let back = Span::new().days(i64::from(in_evening && time >= begins));
        let on = Span::new().days(i64::from(!in_evening && time < begins));
        let local = date.saturating_sub(back).saturating_add(on).to_datetime(time);
        local.to_zoned(zone.clone()).expect("64 bits of nanoseconds fit").timestamp().as_nanosecond()
    };
    let utc = Timestamp::from_nanosecond(i128::from(ts)).expect("64 bits of nanoseconds fit");
    let today = utc.to_zoned(zone.clone()).date();
    let next = |date: Date| date.tomorrow().expect("a day after the tape");
    let around = [today.yesterday().expect("a day before the tape"), today, next(today)];
    let holds = |date: &Date| (instant(*date, begins)..instant(next(*date), begins)).contains(&ts.into());
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
    let Window { start, end } = cut(instant(date, begins), instant(next(date), begins));
    match [instant(date, opens), instant(date, closes)].map(i64::try_from) {
        [Ok(open), Ok(close)] if close <= open => Day { start, open, close: open, end },
        [Ok(open), Ok(close)] => Day { start, open, close: close.saturating_add(hours.auction).min(end), end },
        _ => Day { start: i64::MIN, open: i64::MIN, close: i64::MAX, end: i64::MAX },
    }
}

pub(super) fn daily(rule: &TumblingDaily, ts: i64) -> Window {
    let day = day(&rule.hours, ts);
    let aligned = |ts| {
        let window = end_to_end(ts, rule.length, i128::from(day.open) + i128::from(rule.offset));
        Window { start: window.start.max(day.start), end: window.end.min(day.end) }
    };
    let (window, last) = (aligned(ts), aligned(day.close - 1));
    let over = day.close.saturating_add(rule.auction).min(day.end);
    if rule.auction == 0 || day.open == day.close || over <= last.end || ts < last.start {
        window
    } else if ts < over {
        Window { end: over, ..last }
    } else {
        Window { start: window.start.max(over), ..window }
    }
}

/// In each session the prints from its open on, step by step, for every step with a print.
fn anchored<'a>(rule: &Anchored, trades: &'a [Trade]) -> Filled<'a> {
    let days = trades.iter().map(|trade| day(&rule.hours, trade.ts_event));
    let sessions: BTreeSet<(i64, i64)> = days.map(|day| (day.open, day.close)).collect();
    let mut held = Vec::new();
    for (open, close) in sessions {
        let of_session = within(trades, Window { start: open, end: close });
        let step = |trade: &Trade| (trade.ts_event - open) / rule.every;
        let mut inside = 0;
        for of_step in of_session.chunk_by(|one, next| step(one) == step(next)) {
            inside += of_step.len();
            let place = step(&of_step[0]);
            let end = i128::from(open) + i128::from(place + 1) * i128::from(rule.every);
            held.push((cut(open.into(), end.min(close.into())), place as u32, Cow::from(&of_session[..inside])));
        }
    }
    held
}

fn runs(trades: &[Trade], gap: i64) -> Filled<'_> {
    let runs = trades.chunk_by(|one, next| next.ts_event - one.ts_event < gap);
    let window =
        |run: &[Trade]| Window { start: run[0].ts_event, end: run[run.len() - 1].ts_event.saturating_add(gap) };
    runs.map(|run| (window(run), 0, Cow::from(run))).collect()
}

/// A print that is split and fills more windows on its own than one may, and how many.
fn too_many<'a>(rule: &Count, trade: &'a Trade) -> Option<(&'a Trade, u32)> {
    let each = match rule.of {
        Measure::Trades => 0,
        Measure::Volume => 1,
        Measure::Notional => i128::from(trade.price.0.unsigned_abs()),
    };
    let counts = rule.splits && trade.eligible.volume() && each > 0;
    let windows = if counts { i128::from(trade.size) / ((rule.every + each - 1) / each) } else { 0 };
    (windows > Count::MOST_OF_PRINT.into()).then_some((trade, windows as u32))
}

/// Share by share where prints are split, print by print where they are not.
fn filled(rule: &Count, trades: &[Trade], sessions: &Sessions) -> Filled<'static> {
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
                    let window = Window { start: trades[0].ts_event, end: trade.ts_event + 1 };
                    held.push((window, place, Cow::from(trades)));
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

fn last<'a>(rule: &Last, trades: &'a [Trade], sessions: &Sessions) -> Filled<'a> {
    let mut held = Vec::new();
    for (at, trade) in trades.iter().enumerate() {
        let window = tumbling(&rule.every, trade.ts_event);
        if trades.get(at + 1).is_some_and(|next| window.contains(next.ts_event)) {
            continue;
        }
        let (session, _) = sessions.of(trade.ts_event);
        let of_session = within(&trades[..=at], Window { start: session, end: i64::MAX });
        held.push((window, 0, Cow::from(&of_session[of_session.len().saturating_sub(rule.prints)..])));
    }
    held
}
