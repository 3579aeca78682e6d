//! What a generated tape must be like: exact where it is exact, and on a fixed seed within bounds that are several
//! times wider than what chance moves. The statistics are those of the research on real markets that each file names.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::row::Encoding;
use crate::tape::Part;
use crate::tape::format::Record;
use crate::tick::{Kind, Names, Price};
use crate::time::SECOND;

const PLAIN: Mix = Mix { quotes_per_trade: 0.0, cancels: 0, corrections: 0, halts: Part(0.0) };

fn dataset(symbols: u32, days: usize, trades: u64, mix: Mix) -> Dataset {
    // The second day of it is a half day.
    let recipe = Recipe::MadeUp { symbols, days, start: date(2026, 12, 23) };
    Dataset::new(&recipe, 42, trades, mix).unwrap()
}

/// Open, high, low, close and volume of what holds in the end, by time and number.
fn final_bar(records: &[Record]) -> Bar {
    let mut prints: HashMap<_, (EventTime, Price, u32)> = HashMap::new();
    for Record { tick, .. } in records {
        match tick.kind {
            Kind::Trade => _ = prints.insert((tick.venue, tick.seq), (tick.ts_event, tick.price, tick.size)),
            Kind::Cancel => _ = prints.remove(&(tick.venue, tick.ref_seq)).unwrap(),
            Kind::Correct => {
                let print = prints.get_mut(&(tick.venue, tick.ref_seq)).unwrap();
                (print.1, print.2) = (tick.price, tick.size);
            }
            Kind::Quote => {}
        }
    }
    let price = |print: Option<&(EventTime, Price, u32)>| print.unwrap().1;
    Bar {
        open: price(prints.values().min_by_key(|print| print.0)),
        high: prints.values().map(|print| print.1).max().unwrap(),
        low: prints.values().map(|print| print.1).min().unwrap(),
        close: price(prints.values().max_by_key(|print| print.0)),
        volume: prints.values().map(|print| u64::from(print.2)).sum(),
    }
}

#[test]
fn what_holds_in_the_end_has_the_days_bar_exactly() {
    for mix in [PLAIN, Mix { quotes_per_trade: 1.5, cancels: 500, corrections: 500, halts: Part(0.5) }] {
        let dataset = dataset(3, 4, 800, mix);
        for file in 0..dataset.files() {
            let records: Vec<Record> = dataset.feed(file, &Names::default(), &Names::default()).collect();
            let (name, day, bar) = dataset.bar(file);
            assert_eq!(final_bar(&records), bar, "{name} on {day} with {mix:?}");
        }
    }
}

#[test]
fn a_halt_stops_trades_and_quotes_for_five_minutes_and_changes_no_other_day() {
    let of = |halts| dataset(1, 12, 6_000, Mix { quotes_per_trade: 3.0, cancels: 200, corrections: 200, halts });
    let (none, some) = (of(Part(0.0)), of(Part(0.5)));
    let mut halted = 0;
    for file in 0..none.files() {
        let records = |of: &Dataset| of.feed(file, &Names::default(), &Names::default()).collect::<Vec<Record>>();
        let (without, with) = (records(&none), records(&some));
        let longest_silence = |records: &[Record]| {
            let of_trading = records.iter().filter(|record| matches!(record.tick.kind, Kind::Trade | Kind::Quote));
            let mut times: Vec<EventTime> = of_trading.map(|record| record.tick.ts_event).collect();
            times.sort_unstable();
            times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
        };
        assert!(longest_silence(&without) < 300 * SECOND);
        if with == without {
            continue;
        }
        halted += 1;
        assert!((300 * SECOND..600 * SECOND).contains(&longest_silence(&with)), "{file}");
        // A print that is sent twice is cancelled once.
        let of = |records: &[Record], kind| records.iter().filter(|record| record.tick.kind == kind).count();
        let trades = |records: &[Record]| of(records, Kind::Trade) - of(records, Kind::Cancel);
        assert_eq!((final_bar(&with), trades(&with)), (none.bar(file).2, trades(&without)));
    }
    assert!((3..=9).contains(&halted), "{halted} of 12");
}

#[test]
fn each_venue_counts_its_messages_and_they_are_received_in_its_order() {
    let dataset = dataset(2, 1, 2_000, Mix { quotes_per_trade: 4.0, cancels: 200, corrections: 200, halts: Part(0.0) });
    let records: Vec<Record> = dataset.feed(1, &Names::default(), &Names::default()).collect();
    let mut counts = HashMap::new();
    for record in &records {
        let count = counts.entry(record.tick.venue).or_insert(0);
        *count += 1;
        assert_eq!(record.tick.seq, *count);
        let lag = record.ts_recv.unwrap() - record.tick.ts_event;
        assert!((20_000..5_000_000).contains(&lag), "{lag}");
    }
    assert_eq!(counts.len(), 4);
    assert!(records.is_sorted_by_key(|record| record.ts_recv));
    let of = |kind| records.iter().filter(|record| record.tick.kind == kind).count();
    let prints = of(Kind::Trade) - of(Kind::Cancel);
    assert!(of(Kind::Quote).abs_diff(4 * prints) <= 4, "{} quotes of {prints} prints", of(Kind::Quote));
    assert!(of(Kind::Cancel) > 10 && of(Kind::Correct) > 10);
    // A buyer pays the ask of the venue, a seller gets its bid, in the middle of the day.
    let mut standing = HashMap::new();
    let mut at_quote = (0, 0);
    for Record { tick, side, .. } in &records {
        match tick.kind {
            Kind::Quote => _ = standing.insert(tick.venue, (tick.price, tick.ask())),
            Kind::Trade => {
                let (bid, ask) = standing.get(&tick.venue).copied().unwrap_or_default();
                at_quote.0 += usize::from(tick.price == if side.as_str() == "B" { ask } else { bid });
                at_quote.1 += 1;
            }
            _ => {}
        }
    }
    assert!(at_quote.0 * 100 > at_quote.1 * 93, "{at_quote:?}");
}

#[test]
fn half_days_are_shorter_and_all_trades_lie_between_the_bells() {
    let dataset = dataset(1, 2, 2_000, PLAIN);
    let mut counts = Vec::new();
    for file in 0..2 {
        let session = Session::of(dataset.bar(file).1).unwrap();
        let records: Vec<Record> = dataset.feed(file, &Names::default(), &Names::default()).collect();
        let times: Vec<EventTime> = records.iter().map(|record| record.tick.ts_event).collect();
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let (closing, others) = sorted.split_last().unwrap();
        assert!(others.iter().all(|ts| (session.open..session.close).contains(ts)));
        assert!((session.close..session.close + SECOND).contains(closing));
        counts.push(records.len());
    }
    assert_eq!(counts, [2_000, 2_000 * 210 / 390]);
}

#[test]
fn the_same_seed_gives_the_same_bytes_for_any_number_of_threads() {
    let dataset = dataset(3, 2, 200, Mix { quotes_per_trade: 2.0, cancels: 100, corrections: 100, halts: Part(0.5) });
    let folder = tempfile::tempdir().unwrap();
    let mut written = Vec::new();
    for threads in [1, 4] {
        let out = folder.path().join(threads.to_string());
        let threads = NonZeroUsize::new(threads).unwrap();
        let told = dataset.write(&out, Encoding::Csv, threads, &|_| ()).unwrap();
        let mut files: Vec<_> = glob::glob(&format!("{}/*/*.csv", out.display())).unwrap().flatten().collect();
        files.sort();
        let bytes: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        assert_eq!(told.files, 6);
        assert_eq!(told.bytes, bytes.iter().map(|file| file.len() as u64).sum::<u64>());
        let lines = |file: &Vec<u8>| file.iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
        assert_eq!(told.records, bytes.iter().map(lines).sum::<u64>());
        written.push(bytes);
    }
    assert!(written[0] == written[1]);
    assert!(dataset.write(&folder.path().join("1"), Encoding::Csv, NonZeroUsize::MIN, &|_| ()).is_err());
}

proptest! {
    #[test]
    fn any_bar_is_hit_exactly(
        prices in [1i64..400_000_000_000, 1..400_000_000_000, 1..400_000_000_000, 1..400_000_000_000],
        volume in prop_oneof![0u64..20, 0u64..100_000_000],
        count in 4usize..300,
        seed: u64,
    ) {
        let mut sorted = prices;
        sorted.sort_unstable();
        let bar = Bar {
            open: Price(prices[0].clamp(sorted[0], sorted[3])),
            high: Price(sorted[3]),
            low: Price(sorted[0]),
            close: Price(prices[1]),
            volume,
        };
        let market = MarketPath::new(Random(7), Shape::U);
        let session = Session::of(date(2026, 1, 5)).unwrap();
        let halt = Halt::of(&mut Random(seed), Part(0.5), session);
        let day = Day { session, shape: Shape::U, auctions: true, bar, count, market: &market, halt };
        let mut random = Random(seed);
        let prints = day.prints(&mut random);
        prop_assert_eq!(prints.len(), count);
        prop_assert!(prints.is_sorted_by_key(|print| print.ts_event));
        let mix = Mix { quotes_per_trade: 0.7, cancels: 300, corrections: 300, halts: Part(0.5) };
        let venues = DayFeed::venues(&Names::default());
        let records: Vec<Record> = DayFeed::new(Default::default(), venues, &prints, halt, mix, &mut random).collect();
        prop_assert_eq!(final_bar(&records), bar);
    }
}

const TRADES: usize = 20_000;

/// Twelve whole days of two stocks of 100, each of a day's deviation of about a percent and a half.
static DAYS: LazyLock<Vec<[Vec<Print>; 2]>> = LazyLock::new(|| {
    let mut stocks = [MadeUp::new(42, "A"), MadeUp::new(42, "B")];
    let days = (0..12).map(|n| {
        let market = MarketPath::new(Random(n), Shape::U);
        std::array::from_fn(|stock| {
            let mut bar = stocks[stock].next_day(0.0, TRADES as u64 * 100);
            // The same returns on a price at which a cent is little.
            let scale = 300e9 / bar.open.0 as f64;
            for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.close] {
                price.0 = (price.0 as f64 * scale / 1e7).round() as i64 * 10_000_000;
            }
            let session = Session { open: 0, close: 23_400 * SECOND };
            let day = Day { session, shape: Shape::U, auctions: true, bar, count: TRADES, market: &market, halt: None };
            day.prints(&mut Random(crate::tick::stable_hash(format!("{n} {stock}").as_bytes())))
        })
    });
    days.collect()
});

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (of_a, of_b) = (mean(a), mean(b));
    let product =
        |x: &[f64], y: &[f64], mx: f64, my: f64| -> f64 { x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum() };
    product(a, b, of_a, of_b) / (product(a, a, of_a, of_a) * product(b, b, of_b, of_b)).sqrt()
}

/// Returns over steps of so many seconds: of the last price of each.
fn returns(prints: &[Print], step: i64) -> Vec<f64> {
    let mut last = vec![f64::NAN; (23_400 / step) as usize + 1];
    for print in prints {
        let at = (print.ts_event / (step * SECOND)).min(23_400 / step) as usize;
        last[at] = (print.quoted.price.0 as f64).ln();
    }
    for at in 1..last.len() {
        if last[at].is_nan() {
            last[at] = last[at - 1];
        }
    }
    last.windows(2).map(|pair| pair[1] - pair[0]).filter(|r| !r.is_nan()).collect()
}

#[test]
fn volume_follows_the_days_shape() {
    // Half a million trades in 13 half hours: chance, with clusters and heavy tails, moves a half hour's volume by some
    // 2%.
    let mut volumes = [0.0; 13];
    for print in DAYS.iter().flatten().flat_map(|prints| &prints[1..TRADES - 1]) {
        volumes[(print.ts_event / (1_800 * SECOND)) as usize] += f64::from(print.size);
    }
    let all: f64 = volumes.iter().sum();
    for (n, volume) in volumes.iter().enumerate() {
        let expected =
            (0..100).map(|i| Shape::U.activity((n as f64 + (f64::from(i) + 0.5) / 100.0) / 13.0)).sum::<f64>();
        let ratio = volume / all / (expected / 1_300.0);
        assert!((0.9..1.1).contains(&ratio), "half hour {n}: {ratio}");
    }
}

#[test]
fn arrivals_are_clustered() {
    // The variance over the mean of counts in 10 s, at noon, when the day's shape is flat. Without clusters it is 1;
    // over long windows it would be 1 / (1 - 0.7)^2 = 11.
    let mut counts = Vec::new();
    for prints in DAYS.iter().flatten() {
        let mut day = vec![0.0; 2_340];
        prints[..TRADES - 1].iter().for_each(|print| day[(print.ts_event / (10 * SECOND)) as usize] += 1.0);
        counts.extend_from_slice(&day[900..1_440]);
    }
    let mean = mean(&counts);
    let fano = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / counts.len() as f64 / mean;
    assert!((6.0..15.0).contains(&fano), "{fano}");
}

#[test]
fn signs_remember() {
    let mut random = Random(42);
    let mut signs = Signs::new(&mut random);
    let signs: Vec<f64> = (0..1_000_000).map(|_| if signs.next_is_buy(&mut random) { 1.0 } else { -1.0 }).collect();
    let correlation = |lag: usize| mean(&signs.windows(lag + 1).map(|w| w[0] * w[lag]).collect::<Vec<_>>());
    // The slope of the correlation over lags 10 to 1000, on scales of powers.
    let points: Vec<(f64, f64)> = (0..=8)
        .map(|i| 10f64.powf(1.0 + f64::from(i) / 4.0))
        .map(|lag| (lag.ln(), correlation(lag as usize).ln()))
        .collect();
    let (x, y): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
    let (mx, my) = (mean(&x), mean(&y));
    let slope = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
        / x.iter().map(|x| (x - mx).powi(2)).sum::<f64>();
    assert!((-0.75..-0.45).contains(&slope), "{slope}");
}

#[test]
fn sizes_have_a_heavy_tail() {
    let sizes = DAYS.iter().flatten().flat_map(|prints| &prints[1..TRADES - 1]).map(|print| f64::from(print.size));
    let mut sizes: Vec<f64> = sizes.collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    // Hill's estimate from the largest 2%.
    let k = sizes.len() / 50;
    let hill = 1.0 / mean(&sizes[..k].iter().map(|size| (size / sizes[k]).ln()).collect::<Vec<_>>());
    assert!((1.4..1.9).contains(&hill), "{hill}");
    let round = sizes.iter().filter(|size| **size % 100.0 == 0.0).count() as f64 / sizes.len() as f64;
    assert!((0.28..0.36).contains(&round), "{round}");
}

#[test]
fn trades_bounce_between_bid_and_ask_and_their_middle_does_not() {
    let (mut of_prices, mut of_middles) = (Vec::new(), Vec::new());
    for prints in DAYS.iter().flatten() {
        let changes = |value: fn(&Print) -> i64| -> Vec<f64> {
            prints.windows(2).map(|pair| (value(&pair[1]) - value(&pair[0])) as f64).collect()
        };
        let lag_1 = |changes: &[f64]| correlation(&changes[1..], &changes[..changes.len() - 1]);
        of_prices.push(lag_1(&changes(|print| print.quoted.price.0)));
        of_middles.push(lag_1(&changes(|print| print.quoted.bid.0 + print.quoted.ask.0)));
    }
    assert!(mean(&of_prices) < -0.15, "{}", mean(&of_prices));
    assert!(mean(&of_middles).abs() < 0.05, "{}", mean(&of_middles));
}

#[test]
fn stocks_move_together_the_more_the_longer_one_looks() {
    let correlated = |step| {
        mean(
            &DAYS
                .iter()
                .map(|[a, b]| {
                    let (a, b) = (returns(a, step), returns(b, step));
                    let common = a.len().min(b.len());
                    correlation(&a[a.len() - common..], &b[b.len() - common..])
                })
                .collect::<Vec<_>>(),
        )
    };
    let (second, minute) = (correlated(1), correlated(60));
    assert!((0.2..0.4).contains(&minute), "{minute}");
    assert!(second < minute - 0.05, "{second} and {minute}");
}

#[test]
fn returns_of_a_minute_have_heavy_tails() {
    let kurtosis = DAYS.iter().flatten().map(|prints| {
        let returns = returns(prints, 60);
        let mean_return = mean(&returns);
        let moment = |n| mean(&returns.iter().map(|r| (r - mean_return).powi(n)).collect::<Vec<_>>());
        moment(4) / moment(2).powi(2)
    });
    let kurtosis = mean(&kurtosis.collect::<Vec<_>>());
    assert!((5.0..20.0).contains(&kurtosis), "{kurtosis}");
}
