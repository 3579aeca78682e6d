//! Merged tapes against all their records, sorted.

use std::io::Cursor;
use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::super::format::{BlockEncoder, Columns, Decoder, Format};
use super::super::{Pace, PartitionRules, Rejects};
use super::*;

/// Partitions of these event times, in hours; a record's price tells its partition and its place in it.
fn leaves(partitions: &[Vec<i64>], symbols: &Arc<Names>) -> Vec<Leaf> {
    let leaf = |(p, hours): (usize, &Vec<i64>)| {
        let lines = hours.iter().enumerate().map(|(i, hour)| format!("{},S{},{},1\n", hour * HOUR, i % 2, price(p, i)));
        let text = "ts_event,symbol,price,size\n".to_owned() + &lines.collect::<String>();
        let columns = Columns::new(&[], TimeZone::UTC, symbols.clone(), Arc::default());
        let rules = PartitionRules { disorder: 0, max_jump: i64::MAX };
        let decoder = Decoder::new(Some(Format::Csv), columns);
        Leaf::pipe("test", Box::new(Cursor::new(text.into_bytes())), decoder, rules, Rejects::default())
    };
    partitions.iter().enumerate().map(leaf).collect()
}

fn price(partition: usize, place: usize) -> usize {
    1 + partition * 1000 + place
}

const HOUR: i64 = 3_600 * SECOND;

proptest! {
    #[test]
    fn a_part_of_a_merged_tape_over_and_over_is_that_part_of_all_records_by_their_times(
        partitions in prop::collection::vec(prop::collection::vec(0i64..100, 0..30), 1..5),
        (start, end) in (prop::option::of(0i64..100), prop::option::of(0i64..100)),
        only_first: bool,
        most in prop::option::of(1i64..40),
    ) {
        let symbols = Arc::new(Names::default());
        // All records by the clocks of their partitions, ties by partition.
        let mut read = Vec::new();
        for (p, hours) in partitions.iter().enumerate() {
            let mut clock = 0;
            for (i, hour) in hours.iter().enumerate() {
                clock = clock.max(*hour);
                read.push((clock, p, i, *hour));
            }
        }
        read.sort_unstable();
        // Those that are read are numbered, whether they are played or not.
        let mut counts = [0u64; 2];
        let mut expected = Vec::new();
        for (clock, p, i, hour) in read {
            let seq = counts[i % 2];
            counts[i % 2] += 1;
            let is_in = start.is_none_or(|start| hour >= start) && end.is_none_or(|end| hour < end);
            if is_in && (!only_first || i % 2 == 0) {
                expected.push((clock, p, i, hour, seq));
            }
        }
        let days = match (expected.first(), expected.last()) {
            (Some(first), Some(last)) => last.0 / 24 - first.0 / 24 + 1,
            _ => 0,
        };
        let passes = (0..3).flat_map(|pass| expected.iter().map(move |record| (record, pass)));
        let passes: Vec<_> = passes.collect();
        let (mut now, mut last) = (0, None::<i64>);
        let expected: Vec<(i64, i64, i64, u64, u64)> = passes
            .iter()
            .map(|((clock, p, i, hour, seq), pass)| {
                let shift = pass * days * 24;
                let clock = clock + shift;
                now += last.map_or(0, |last: i64| (clock - last).min(most.unwrap_or(i64::MAX)));
                last = Some(clock);
                let seq = seq + *pass as u64 * counts[i % 2];
                (clock * HOUR, (hour + shift) * HOUR, price(*p, *i) as i64, seq, (now * HOUR) as u64)
            })
            .collect();

        let controls = Controls {
            start: start.map(|hour| hour * HOUR),
            end: end.map(|hour| hour * HOUR),
            symbols: only_first.then(|| "S0".to_owned()).into_iter().collect(),
            silences: most.map_or(Silences::Preserve, |most| Silences::Compress(most * HOUR)),
            ..Controls::default()
        };
        let mut merge = Merge::new(leaves(&partitions, &symbols), expected.len() as u64, u64::MAX)
            .controlled(&controls, &symbols, &Strikes::default())
            .opened_by({
                let (partitions, symbols) = (partitions.clone(), symbols.clone());
                Box::new(move || Ok(leaves(&partitions, &symbols)))
            })
            .again(Sessions::new(TimeZone::UTC));
        let origin = merge.first().unwrap().unwrap_or(0);
        let mut timetable = Pace::Speed { origin, speed: 1.0 }.timetable();
        let mut played = Vec::new();
        while let Some(next) = merge.next(&mut timetable).unwrap() {
            let tick = next.tick();
            played.push((next.clock(), tick.ts_event, tick.price.0 / 1_000_000_000, tick.seq, next.due.unwrap()));
        }
        prop_assert_eq!(played, expected);
    }

    #[test]
    fn a_seek_plays_what_would_have_come_from_there(
        partitions in prop::collection::vec(prop::collection::vec(0i64..100, 1..30), 1..4),
        seeks in prop::collection::vec((1usize..40, 0i64..250, any::<bool>()), 1..4),
    ) {
        let symbols = Arc::new(Names::default());
        let merge = || {
            let (partitions, symbols) = (partitions.clone(), symbols.clone());
            Merge::new(leaves(&partitions, &symbols), 400, u64::MAX)
                .opened_by(Box::new(move || Ok(leaves(&partitions, &symbols))))
                .again(Sessions::new(TimeZone::UTC))
        };
        let next = |merge: &mut Merge| {
            let placed = merge.next(&mut Pace::AsRead.timetable()).unwrap().unwrap().placed();
            let tick = placed.record.tick;
            (placed.clock, tick.ts_event, tick.symbol, tick.seq, tick.price)
        };
        let mut undisturbed = merge();
        let all: Vec<_> = (0..400).map(|_| next(&mut undisturbed)).collect();
        let records: usize = partitions.iter().map(Vec::len).sum();
        let mut sought = merge();
        let mut at = 0;
        for (count, to, is_back) in seeks {
            // Back from where nothing was played yet is back from where something was, which this does not model.
            if at >= 300 {
                break;
            }
            for _ in 0..count {
                if at < 300 {
                    prop_assert_eq!(next(&mut sought), all[at]);
                    at += 1;
                }
            }
            // Forwards from the one that comes next; back, from the first one of this pass.
            let from = if is_back { (at - 1) / records * records } else { at };
            let Some(found) = all[from..350].iter().position(|(clock, ..)| *clock >= to * HOUR) else { break };
            at = from + found;
            sought.seek(to * HOUR, is_back).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn many_at_once_are_what_comes_one_by_one(
        // Partitions of event times in seconds, one of which jumps ahead now and then.
        partitions in prop::collection::vec(prop::collection::vec((0i64..3, 0u32..40), 0..200), 1..4),
        most in prop::collection::vec(1usize..100, 1..5),
        limit in prop_oneof![Just(u64::MAX), 0u64..400],
        disorder in prop_oneof![Just(SECOND), 0..3 * SECOND],
        is_numbered: bool,
        begins_alone: bool,
    ) {
        let symbols = Arc::new(Names::default());
        let text = |(p, steps): (usize, &Vec<(i64, u32)>)| {
            let mut at = 100 * p as i64;
            let lines = steps.iter().enumerate().map(|(i, (step, odd))| {
                at += step;
                let seq = if is_numbered { i.to_string() } else { String::new() };
                let ts = match odd {
                    0 => at + 1_000,
                    1..4 => at - 2,
                    _ => at,
                };
                let ts = ts.max(0) * SECOND + i64::from(*odd) * 1_234_567;
                format!("{ts},S{},{},1,{seq}\n", i % 2, price(p, i))
            });
            "ts_event,symbol,price,size,seq\n".to_owned() + &lines.collect::<String>()
        };
        let blocks: Vec<Vec<u8>> = partitions.iter().enumerate().map(text).map(|text| blocks(&text, &symbols)).collect();
        let merge = || {
            let leaf = |blocks: &Vec<u8>| {
                let columns = Columns::new(&[], TimeZone::UTC, symbols.clone(), Arc::default());
                let rules = PartitionRules { disorder, max_jump: 500 * SECOND };
                let decoder = Decoder::new(Some(Format::Bin), columns);
                Leaf::pipe("test", Box::new(Cursor::new(blocks.clone())), decoder, rules, Rejects::default())
            };
            Merge::new(blocks.iter().map(leaf).collect(), limit, u64::MAX)
        };
        let said = |due: &Due<'_>| (due.tick(), due.clock());
        let (mut one_by_one, mut timetable) = (merge(), Pace::AsRead.timetable());
        let mut expected = Vec::new();
        while let Some(due) = one_by_one.next(&mut timetable).unwrap() {
            expected.push(said(&due));
        }
        let (mut merge, mut given) = (merge(), Vec::new());
        if begins_alone {
            merge.first().unwrap();
        }
        for most in most.iter().cycle() {
            let before = given.len();
            let ready = merge.ready(&mut timetable, *most).unwrap();
            let count = ready.len();
            given.extend(ready.map(|due| said(&due)));
            prop_assert!(count <= *most && given.len() == before + count);
            if count == 0 {
                break;
            }
        }
        prop_assert_eq!(given, expected);
    }
}

/// The same records in the binary form, which are decoded many at a time.
fn blocks(csv: &str, symbols: &Arc<Names>) -> Vec<u8> {
    let columns = Columns::new(&[], TimeZone::UTC, symbols.clone(), Arc::default());
    let rules = PartitionRules { disorder: 0, max_jump: i64::MAX };
    let decoder = Decoder::new(Some(Format::Csv), columns);
    let mut leaf =
        Leaf::pipe("test", Box::new(Cursor::new(csv.as_bytes().to_vec())), decoder, rules, Rejects::default());
    let (mut encoder, mut bytes) = (BlockEncoder::new(symbols.clone(), Arc::default()), Vec::new());
    while let Some(placed) = leaf.next_record().unwrap() {
        encoder.encode(&placed.record, &mut bytes);
    }
    encoder.seal(&mut bytes);
    bytes
}

#[test]
fn a_tape_is_not_played_again_beyond_the_end_of_time() {
    let (symbols, partitions) = (Arc::new(Names::default()), [vec![0, 2_000_000]]);
    let mut merge = Merge::new(leaves(&partitions, &symbols), u64::MAX, u64::MAX)
        .opened_by({
            let symbols = symbols.clone();
            Box::new(move || Ok(leaves(&partitions, &symbols)))
        })
        .again(Sessions::new(TimeZone::UTC));
    let mut timetable = Pace::AsRead.timetable();
    assert_eq!([0; 2].map(|_| merge.next(&mut timetable).unwrap().unwrap().clock()), [0, 2_000_000 * HOUR]);
    let error = merge.next(&mut timetable).map(drop).unwrap_err().to_string();
    assert!(error.contains("is beyond the year 2262 when it is played once more"), "{error}");
}
