use crate::tick::Tick;

/// A text of at most eight bytes and without control characters, kept in place: zeros are behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Short([u8; 8]);

impl Short {
    /// The text, or `None` if it is longer than eight bytes, or cannot stand in a line of text.
    #[inline(always)]
    pub fn new(text: &[u8]) -> Option<Short> {
        // Nearly all records have none.
        if text.is_empty() { Some(Short::default()) } else { Short::of(text) }
    }

    fn of(text: &[u8]) -> Option<Short> {
        if !text.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            std::str::from_utf8(text).ok().filter(|text| !text.contains(char::is_control))?;
        }
        let mut bytes = [0; 8];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Short(bytes))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        // It was looked at when it was made.
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

/// All that a line says, before the tape's order gives it a watermark and, where it has none, a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The tick; `seq` is meaningful where `has_seq` says so.
    pub tick: Tick,
    /// Whether the line had a sequence number.
    pub has_seq: bool,
    /// Whether the line is a bar, of which this is one of four prints.
    pub is_of_bar: bool,
    /// When the line was due, in nanoseconds since the epoch by the sender's clock.
    pub due: Option<i64>,
    /// When the feed handler received it.
    pub ts_recv: Option<i64>,
    /// The aggressor's side, as given.
    pub side: Short,
    /// Trade conditions, as given; `tick.eligible` says what they come to once a reader has looked them up.
    pub conditions: Short,
}

impl From<Tick> for Record {
    /// The record of a tick that has a number, and of which no more is known.
    #[inline(always)]
    fn from(tick: Tick) -> Self {
        let (side, conditions) = Default::default();
        Record { tick, has_seq: true, is_of_bar: false, due: None, ts_recv: None, side, conditions }
    }
}
