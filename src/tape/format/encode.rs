use std::sync::Arc;

use super::record::Record;
use crate::row::{Encoding, Field, Texts};
use crate::tick::{Kind, Names, Price};

/// The columns of a feed, in the order in which CSV has them.
pub const FEED_COLUMNS: [&str; 16] = [
    "due",
    "ts_event",
    "symbol",
    "price",
    "size",
    "seq",
    "venue",
    "side",
    "conditions",
    "action",
    "ref_seq",
    "ts_recv",
    "bid",
    "bid_size",
    "ask",
    "ask_size",
];

/// Turns records into lines from which a [`Decoder`](super::Decoder) makes the same records again.
pub struct Encoder {
    encoding: Encoding,
    texts: Texts,
    /// How many of [`FEED_COLUMNS`] are left out at the beginning.
    skipped: usize,
}

impl Encoder {
    /// An encoder of a feed, whose records say when they were due. Symbols and venues are in these tables.
    pub fn new(encoding: Encoding, symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        Encoder { encoding, texts: Texts::new(symbols, venues), skipped: 0 }
    }

    /// An encoder of a tape, which has no due times.
    pub fn of_tape(encoding: Encoding, symbols: Arc<Names>, venues: Arc<Names>) -> Self {
        Encoder { skipped: 1, ..Encoder::new(encoding, symbols, venues) }
    }

    /// The header line, empty where the encoding has none.
    pub fn header(&self) -> String {
        self.encoding.header(&FEED_COLUMNS[self.skipped..])
    }

    /// Appends the record's line to `out`. What the record does not have is empty in CSV, and left out in JSON.
    pub fn encode(&mut self, record: &Record, out: &mut Vec<u8>) {
        self.texts.know(record.tick.symbol, record.tick.venue);
        let fields = fields(&self.texts, record);
        let (encoding, jsonl) = (self.encoding, self.encoding == Encoding::Jsonl);
        let mut is_first = true;
        for (column, field) in FEED_COLUMNS.iter().zip(&fields).skip(self.skipped) {
            if jsonl && field.is_none() {
                continue;
            }
            if jsonl {
                out.extend_from_slice(if is_first { b"{\"" } else { b",\"" });
                out.extend_from_slice(column.as_bytes());
                out.extend_from_slice(b"\":");
            } else if !is_first {
                out.push(b',');
            }
            is_first = false;
            if let Some(field) = field {
                encoding.value(*field, out);
            }
        }
        out.extend_from_slice(if jsonl { b"}\n" } else { b"\n" });
    }
}

/// What a record has in each of [`FEED_COLUMNS`], by texts that know its symbol and venue.
pub(super) fn fields<'a>(texts: &'a Texts, record: &'a Record) -> [Option<Field<'a>>; FEED_COLUMNS.len()] {
    let tick = &record.tick;
    let is_priced = matches!(tick.kind, Kind::Trade | Kind::Correct);
    let is_quote = tick.kind == Kind::Quote;
    let side = |price: Price| (is_quote && price.0 > 0).then_some(Field::Price(Some(price)));
    let shares = |size: u32| (is_quote && size > 0).then_some(Field::Count(size.into()));
    let refers = matches!(tick.kind, Kind::Cancel | Kind::Correct);
    let action = match tick.kind {
        Kind::Trade => "",
        Kind::Cancel => "cancel",
        Kind::Correct => "correct",
        Kind::Quote => "quote",
    };
    let text = |text| Some(Field::Text(text)).filter(|_| !str::is_empty(text));
    [
        record.due.map(Field::Time),
        Some(Field::Time(tick.ts_event)),
        text(texts.symbol(tick.symbol)),
        is_priced.then_some(Field::Price(Some(tick.price))),
        is_priced.then_some(Field::Count(tick.size.into())),
        record.has_seq.then_some(Field::Count(tick.seq)),
        text(texts.venue(tick.venue)),
        text(record.side.as_str()),
        text(record.conditions.as_str()),
        text(action),
        refers.then_some(Field::Count(tick.ref_seq)),
        record.ts_recv.map(Field::Time),
        side(tick.price),
        shares(tick.size),
        side(tick.ask()),
        shares(tick.ask_size),
    ]
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::super::{BlockEncoder, Columns, Decoder, Format, Line, Lines, Short};
    use super::*;
    use crate::tick::{Eligible, Symbol, Tick, Venue};
    use crate::time::EventTime;

    const SYMBOLS: [&str; 5] = ["AAPL", "BRK.B", " a b ", "Zürich", "x'y{}:["];
    const VENUES: [&str; 2] = ["XNAS", "ARCA 2"];

    /// Times that a tape may have: up to a day before the end of their range.
    fn time() -> impl Strategy<Value = EventTime> {
        0..=EventTime::MAX - 86_400_000_000_000
    }

    fn short() -> impl Strategy<Value = Short> {
        let text = prop_oneof!["", "[ -~]{0,8}", "[@,\"\\\\é]{0,4}"];
        text.prop_map(|text| Short::new(text.as_bytes()).unwrap())
    }

    fn tick() -> impl Strategy<Value = Tick> {
        let kind = prop::sample::select(vec![Kind::Trade, Kind::Cancel, Kind::Correct, Kind::Quote]);
        let ids = (0..SYMBOLS.len() as u32, 0..=VENUES.len() as u16, any::<u64>(), any::<u64>());
        let quoted = (0..=i64::MAX, 0..=i64::MAX, any::<u32>());
        (kind, ids, time(), 1..=i64::MAX, any::<u32>(), quoted).prop_map(
            |(kind, ids, ts_event, price, size, quoted)| {
                let (symbol, venue, seq, ref_seq) = ids;
                let (bid, ask, ask_size) = quoted;
                Tick {
                    ts_event,
                    seq,
                    price: Price(match kind {
                        Kind::Trade | Kind::Correct => price,
                        Kind::Quote => bid,
                        Kind::Cancel => 0,
                    }),
                    ref_seq: match kind {
                        Kind::Cancel | Kind::Correct => ref_seq,
                        Kind::Quote => ask as u64,
                        Kind::Trade => 0,
                    },
                    size: if kind == Kind::Cancel { 0 } else { size },
                    ask_size: if kind == Kind::Quote { ask_size } else { 0 },
                    symbol: Symbol(symbol),
                    watermark_ms: 0,
                    recv_lag: Tick::NOT_RECEIVED,
                    venue: Venue(venue),
                    kind,
                    eligible: Eligible::ALL,
                }
            },
        )
    }

    fn record() -> impl Strategy<Value = Record> {
        let times = (prop::option::of(0..=i64::MAX), prop::option::of(time()));
        (tick(), times, short(), short()).prop_map(|(tick, (due, ts_recv), side, conditions)| {
            let has_seq = tick.symbol.0 % 2 == 0;
            let mut tick = Tick { seq: if has_seq { tick.seq } else { 0 }, ..tick };
            ts_recv.into_iter().for_each(|ts_recv| tick.set_received(ts_recv));
            Record { tick, has_seq, is_of_bar: false, due, ts_recv, side, conditions }
        })
    }

    fn names(texts: &[&str]) -> Arc<Names> {
        let names = Names::default();
        texts.iter().for_each(|text| _ = names.intern(text));
        Arc::new(names)
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same_records(records in prop::collection::vec(record(), 1..8)) {
            for (encoding, format) in [(Encoding::Csv, Format::Csv), (Encoding::Jsonl, Format::Jsonl)] {
                let (symbols, venues) = (names(&SYMBOLS), names(&VENUES));
                let mut encoder = Encoder::new(encoding, symbols.clone(), venues.clone());
                let mut text = encoder.header().into_bytes();
                records.iter().for_each(|record| encoder.encode(record, &mut text));

                let mut decoder = Decoder::new(Some(format), Columns::new(&[], TimeZone::UTC, symbols, venues));
                let mut decoded = Vec::new();
                for line in text.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n') {
                    prop_assert_eq!(decoder.decode(line, &mut decoded), Ok(()), "{}", String::from_utf8_lossy(line));
                }
                prop_assert_eq!(&decoded, &records);
            }
        }

        #[test]
        fn blocks_decode_to_the_same_records_however_they_arrive(
            records in prop::collection::vec(record(), 1..40),
            sealed in 1..9usize,
            step in 1..400usize,
            flipped in any::<prop::sample::Index>(),
        ) {
            let (symbols, venues) = (names(&SYMBOLS), names(&VENUES));
            let mut encoder = BlockEncoder::new(symbols.clone(), venues.clone());
            let mut bytes = Vec::new();
            for some in records.chunks(sealed) {
                some.iter().for_each(|record| encoder.encode(record, &mut bytes));
                encoder.seal(&mut bytes);
            }
            let decode = |bytes: &[u8], format: Option<Format>| {
                let (symbols, venues) = (names(&SYMBOLS), names(&VENUES));
                let mut decoder = Decoder::new(format, Columns::new(&[], TimeZone::UTC, symbols, venues));
                let (mut lines, mut decoded, mut broken) = (Lines::pushed(format), Vec::new(), 0);
                for piece in bytes.chunks(step) {
                    lines.push(piece);
                    while lines.is_buffered() {
                        match lines.next_line().unwrap().unwrap() {
                            Line::Text(line) => assert_eq!(decoder.decode(line, &mut decoded), Ok(())),
                            Line::TooLong(_) | Line::Broken(..) => broken += 1,
                        }
                    }
                }
                (decoded, broken, lines.take_rest().is_some())
            };
            prop_assert_eq!(decode(&bytes, None), (records.clone(), 0, false));

            // A file is read by the same blocks.
            let mut lines = Lines::new(Box::new(std::io::Cursor::new(bytes.clone())), None);
            let mut decoder = Decoder::new(None, Columns::new(&[], TimeZone::UTC, symbols, venues));
            let mut decoded = Vec::new();
            while let Some(line) = lines.next_line().unwrap() {
                let Line::Text(line) = line else { panic!("{line:?}") };
                prop_assert_eq!(decoder.decode(line, &mut decoded), Ok(()));
            }
            prop_assert_eq!(&decoded, &records);

            // A bit that is flipped costs the block that it is in, and no other. Where it is in the first byte, by
            // which blocks are told from text, the format must be known.
            let at = flipped.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            let (decoded, broken, rest) = decode(&bytes, Some(Format::Bin));
            prop_assert!(broken > 0 || rest);
            prop_assert!(decoded.iter().all(|record| records.contains(record)));
            let lost = records.len() - decoded.len();
            prop_assert!((1..=sealed).contains(&lost) || rest, "{} of {} lost", lost, records.len());
        }
    }

    #[test]
    fn what_a_record_does_not_have_is_empty_or_left_out() {
        let (symbols, venues) = (names(&["A"]), names(&["XNAS"]));
        let tick = Tick {
            ts_event: 7,
            seq: 3,
            price: Price(1_500_000_000),
            ref_seq: 0,
            size: 0,
            ask_size: 0,
            symbol: Symbol(0),
            watermark_ms: 0,
            recv_lag: Tick::NOT_RECEIVED,
            venue: Venue(0),
            kind: Kind::Trade,
            eligible: Eligible::ALL,
        };
        let none = Short::default();
        let bare = Record { side: none, conditions: none, ..Record::from(tick) };
        let cancel = Tick { kind: Kind::Cancel, ref_seq: 2, venue: Venue(1), ..tick };
        let full =
            Record { tick: cancel, due: Some(9), ts_recv: Some(8), conditions: Short::new(b"@,T").unwrap(), ..bare };
        let mut quoted = Tick { kind: Kind::Quote, ask_size: 7, ..tick };
        quoted.set_ask(Price(2_500_000_000));
        let quote = Record { tick: quoted, due: Some(7), ..full };
        let lines = |encoding| {
            let mut encoder = Encoder::new(encoding, symbols.clone(), venues.clone());
            let mut out = Vec::new();
            [bare, full, quote].iter().for_each(|record| encoder.encode(record, &mut out));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            lines(Encoding::Csv),
            ",7,A,1.5,0,3,,,,,,,,,,\n9,7,A,,,3,XNAS,,\"@,T\",cancel,2,8,,,,\n7,7,A,,,3,,,\"@,T\",quote,,8,1.5,,2.5,7\n"
        );
        assert_eq!(
            lines(Encoding::Jsonl),
            "{\"ts_event\":7,\"symbol\":\"A\",\"price\":1.5,\"size\":0,\"seq\":3}\n\
             {\"due\":9,\"ts_event\":7,\"symbol\":\"A\",\"seq\":3,\"venue\":\"XNAS\",\"conditions\":\"@,T\",\
             \"action\":\"cancel\",\"ref_seq\":2,\"ts_recv\":8}\n\
             {\"due\":7,\"ts_event\":7,\"symbol\":\"A\",\"seq\":3,\"conditions\":\"@,T\",\"action\":\"quote\",\
             \"ts_recv\":8,\"bid\":1.5,\"ask\":2.5,\"ask_size\":7}\n"
        );
    }
}
