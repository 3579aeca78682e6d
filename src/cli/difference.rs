use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::records;
use crate::lateness::Lateness;
use crate::row::{Columns, Encoding, Field, LastTimes, Row, Texts};
use crate::tick::Tick;
use crate::time::EventTime;
use crate::window::Window;

/// The first thing, by the order of rows, about which dataflow and oracle differ.
pub struct Difference {
    /// The windows of the rows that differ, and the texts in each: its symbols, or its venue.
    rows: Vec<(Window, Vec<String>)>,
    /// The times from before their windows that they tell of.
    before: Vec<EventTime>,
    columns: String,
    /// What each of them says about it, in lines.
    dataflow: String,
    oracle: String,
}

/// Compares the rows of a dataflow, and how often each stands, with those of an oracle.
pub fn first_difference<R: Row>(dataflow: BTreeMap<R, isize>, oracle: Vec<R>, texts: &Texts) -> Option<Difference> {
    let mut both: BTreeMap<R, [isize; 2]> = dataflow.into_iter().map(|(row, times)| (row, [times, 0])).collect();
    oracle.into_iter().for_each(|row| both.entry(row).or_default()[1] += 1);
    both.retain(|_, [ours, theirs]| ours != theirs);
    let place = |row: &R| {
        let key = row.key();
        (key.ts, key.place, key.symbols.map(|symbol| texts.symbol(symbol).to_owned()))
    };
    let first = both.keys().min_by_key(|row| place(row))?;
    let there: Vec<(&R, &[isize; 2])> = both.iter().filter(|(row, _)| place(row) == place(first)).collect();
    let columns = Columns::of::<R>(false);
    let side = |side: usize| {
        let mut lines = Vec::new();
        for (row, times) in there.iter().filter(|(_, times)| times[side] != 0) {
            if times[side] != 1 {
                lines.extend_from_slice(format!("({} times) ", times[side]).as_bytes());
            }
            Encoding::Csv.write(*row, texts, &columns, &mut LastTimes::default(), &mut lines);
        }
        if lines.is_empty() { "no such row".to_owned() } else { String::from_utf8_lossy(&lines).trim_end().to_owned() }
    };
    let named = |row: &R| {
        let mut named = Vec::new();
        row.fields(texts, &mut |field| {
            named.extend(if let Field::Text(text) = field { Some(text.to_owned()) } else { None })
        });
        (row.window(), named)
    };
    let rows = there.iter().map(|(row, _)| named(row)).collect();
    let before = there.iter().flat_map(|(row, _)| records::times_before(*row, texts)).collect();
    Some(Difference { rows, before, columns: columns.names.join(","), dataflow: side(0), oracle: side(1) })
}

impl Difference {
    /// The difference in words, with what the tape says about its window.
    pub fn tell(&self, tape: &[Tick], lateness: &Lateness, texts: &Texts) -> String {
        let Window { start, end } = self.rows[0].0;
        let mut text = format!("not equal: the first difference is in the window [{start}, {end})\n");
        for (name, lines) in [("columns", &self.columns), ("dataflow", &self.dataflow), ("oracle", &self.oracle)] {
            let _ = writeln!(text, "  {name:10}{}", lines.replace('\n', "\n            "));
        }
        let names = |named: &[String], name: &str| named.iter().any(|it| it == name);
        // Rows that name no symbol are about a venue.
        let are_of_symbols =
            tape.iter().any(|tick| self.rows.iter().any(|(_, named)| names(named, texts.symbol(tick.symbol))));
        let is_of_rows = |tick: &Tick| {
            let name = if are_of_symbols { texts.symbol(tick.symbol) } else { texts.venue(tick.venue) };
            let is_told = |window: &Window| window.contains(tick.ts_event) || self.before.contains(&tick.ts_event);
            self.rows.iter().any(|(window, named)| is_told(window) && names(named, name))
        };
        let about = records::about(tape, lateness, is_of_rows, records::SHOWN);
        let held = records::from_before(tape, &about, &self.before);
        let _ = writeln!(text, "{} records of the tape lie in it or speak of one that does{held}", about.len());
        let _ = writeln!(text, "  {}", Texts::RECORD);
        for at in about.iter().take(records::SHOWN) {
            let _ = writeln!(text, "  {}", texts.record(&tape[*at]));
        }
        if about.len() > records::SHOWN {
            let _ = writeln!(text, "  and {} more", about.len() - records::SHOWN);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    use crate::aggregate::{Aggregate as _, Bar, Ohlcv, Print};
    use crate::lateness::{Horizon, LatePolicy, Sessions};
    use crate::operators::{Mover, Summary};
    use crate::quality::{Figures, Quality};
    use crate::tick::{Eligible, Kind, Names, Price, Symbol, Venue};
    use std::sync::Arc;

    /// A bar of the window that begins at `start`, of one print.
    fn bar(start: i64, symbol: u32, price: i64) -> Summary<Bar> {
        let mut bar = Ohlcv::default();
        let (price, eligible) = (Price(price * Price::SCALE), Eligible::ALL);
        bar.add(&Print { ts_event: start, seq: 1, price, size: 2, eligible, live: true });
        let window = Window { start, end: start + 10 };
        Summary { window, symbol: Symbol(symbol), place: 0, value: bar.lower().unwrap() }
    }

    fn names(names: &[&str]) -> Arc<Names> {
        let table = Names::default();
        names.iter().for_each(|name| _ = table.intern(name));
        Arc::new(table)
    }

    fn texts() -> Texts {
        Texts::new(names(&["ZZ", "A"]), Arc::default())
    }

    fn tick(ts_event: i64, seq: u64, kind: Kind) -> Tick {
        let (price, ref_seq, recv_lag) = (Price(Price::SCALE), 1, Tick::NOT_RECEIVED);
        let (size, ask_size, symbol, venue, watermark_ms) = (2, 0, Symbol(1), Venue(0), 0);
        let eligible = Eligible::ALL;
        Tick { ts_event, seq, price, ref_seq, size, ask_size, symbol, watermark_ms, recv_lag, venue, kind, eligible }
    }

    fn lateness() -> Lateness {
        let sessions = Sessions::new(TimeZone::UTC);
        Lateness { disorder: 0, policy: LatePolicy::Amend, horizon: Horizon::Session, sessions }
    }

    fn net(rows: &[Summary<Bar>]) -> BTreeMap<Summary<Bar>, isize> {
        let mut net = BTreeMap::new();
        rows.iter().for_each(|row| *net.entry(row.clone()).or_default() += 1);
        net
    }

    #[test]
    fn equal_rows_have_no_difference_in_whatever_order() {
        let rows = [bar(0, 0, 1), bar(0, 1, 2)];
        assert!(first_difference(net(&rows), vec![rows[1].clone(), rows[0].clone()], &texts()).is_none());
    }

    #[test]
    fn the_first_difference_is_that_of_the_least_time_and_text_with_its_ticks() {
        let ours = net(&[bar(0, 0, 1), bar(0, 1, 2), bar(10, 0, 7)]);
        let difference = first_difference(ours, vec![bar(0, 0, 9), bar(0, 1, 3)], &texts()).unwrap();
        let tape = [tick(5, 1, Kind::Trade), tick(25, 2, Kind::Cancel), tick(10, 3, Kind::Trade)];
        let expected = "\
not equal: the first difference is in the window [0, 10)
  columns   symbol,ts_open,ts_close,open,high,low,close,volume,trades,vwap
  dataflow  A,0,10,2,2,2,2,2,1,2
  oracle    A,0,10,3,3,3,3,2,1,3
2 records of the tape lie in it or speak of one that does
  ts_event,seq,symbol,venue,action,ref_seq,price,size
  5,1,A,,trade,,1,2
  25,2,A,,cancel,1,1,2
";
        assert_eq!(difference.tell(&tape, &lateness(), &texts()), expected);
    }

    #[test]
    fn a_place_shows_the_records_of_all_who_are_said_to_hold_it_and_a_venue_its_own() {
        let mover = |symbol| Mover {
            board: Window { start: 0, end: 10 },
            sector: String::new(),
            rank: 1,
            symbol: Symbol(symbol),
            close: Some(Price(Price::SCALE)),
            previous: None,
            change_percent: None,
            volume: 2,
            notional: 2_000_000_000,
            trades: 1,
        };
        let of = |symbol, venue| Tick { symbol: Symbol(symbol), venue: Venue(venue), ..tick(5, 1, Kind::Trade) };
        let texts = Texts::new(names(&["ZZ", "A", "B"]), names(&["X", "Y"]));
        let tape = [of(0, 1), of(1, 2), of(2, 1)];
        let told = first_difference(BTreeMap::from([(mover(1), 1)]), vec![mover(2)], &texts).unwrap();
        let told = told.tell(&tape, &lateness(), &texts);
        assert!(told.contains("\n2 records") && told.contains("5,1,A,Y") && told.contains("5,1,B,X"), "{told}");
        let quality =
            Quality { window: Window { start: 0, end: 10 }, place: 0, venue: Venue(1), figures: Figures::default() };
        let told = first_difference(BTreeMap::new(), vec![quality], &texts).unwrap().tell(&tape, &lateness(), &texts);
        assert!(told.contains("\n2 records") && told.contains("5,1,ZZ,X") && told.contains("5,1,B,X"), "{told}");
    }

    #[test]
    fn a_row_that_is_missing_or_stands_twice_is_a_difference() {
        let tell = |ours: &[Summary<Bar>], theirs: Vec<Summary<Bar>>| {
            first_difference(net(ours), theirs, &texts()).unwrap().tell(&[], &lateness(), &texts())
        };
        assert!(tell(&[], vec![bar(0, 1, 2)]).contains("dataflow  no such row\n  oracle    A,0"));
        assert!(tell(&[bar(0, 1, 2), bar(0, 1, 2)], vec![bar(0, 1, 2)]).contains("dataflow  (2 times) A,0"));
        assert!(tell(&[bar(0, 1, 2)], vec![]).contains("oracle    no such row"));
    }
}
