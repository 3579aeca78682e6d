use super::order::{Order, Place};
use super::packed::Packer;

/// A line that is inserted or retracted so many times; its text is in a [`Chunk`].
struct Change {
    place: Place,
    /// How often it is inserted, less how often it is retracted.
    times: i32,
    start: u32,
    len: u32,
}

/// Changes as they come, and the texts of their lines.
#[derive(Default)]
pub struct Chunk {
    text: Vec<u8>,
    changes: Vec<Change>,
}

impl Chunk {
    /// Adds a change. All lines together must be shorter than 4 GiB.
    pub fn push(&mut self, place: Place, times: isize, line: &[u8]) {
        self.changes.push(Change { place, times: times as i32, start: self.text.len() as u32, len: line.len() as u32 });
        self.text.extend_from_slice(line);
    }

    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&self.changes[..])
    }

    /// Appends the changes to `out`, packed and in their order; insertions and retractions of the same line cancel out.
    /// It is empty then, and keeps its room.
    pub fn drain_sorted(&mut self, order: &Order, out: &mut Vec<u8>) {
        let Chunk { text, changes } = self;
        let line = |change: &Change| line(text, change);
        let by_place = |a: &Change, b: &Change| order.compare(&a.place, &b.place).then_with(|| line(a).cmp(line(b)));
        // Rows come by their times but for amendments. Those of one time are few, and sorted while they are in the cache,
        // by numbers, which leaves little to do.
        let is_of_one_time =
            |a: &Change, b: &Change| (a.place.time_ms, a.place.key.ts) == (b.place.time_ms, b.place.key.ts);
        let number = |change: &Change| (change.place.key.place, order.beginning(change.place.key.symbols[0]));
        changes.chunk_by_mut(is_of_one_time).for_each(|rows| rows.sort_by_cached_key(number));
        changes.sort_by(by_place);
        let is_same = |a: &Change, b: &Change| a.place == b.place && line(a) == line(b);
        let mut packer = Packer::default();
        for same in changes.chunk_by(is_same) {
            let times: i32 = same.iter().map(|change| change.times).sum();
            if times != 0 {
                packer.pack(&same[0].place, times, line(&same[0]), out);
            }
        }
        text.clear();
        changes.clear();
    }
}

fn line<'a>(text: &'a [u8], change: &Change) -> &'a [u8] {
    &text[change.start as usize..][..change.len as usize]
}
