use super::order::{Order, Place};

/// A line that is inserted or retracted so many times; its text is in a [`Chunk`].
pub struct Change {
    /// Where it stands.
    pub place: Place,
    /// How often it is inserted, less how often it is retracted.
    pub times: i32,
    start: u32,
    len: u32,
}

/// Changes in memory, and the texts of their lines.
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

    /// The changes.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The line of a change.
    pub fn line(&self, change: &Change) -> &[u8] {
        line(&self.text, change)
    }

    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&self.changes[..])
    }

    /// Sorts the changes by place and text, and lets insertions and retractions of the same line cancel out.
    pub fn sort(&mut self, order: &Order) {
        let Chunk { text, changes } = self;
        let line = |change: &Change| line(text, change);
        let by_place = |a: &Change, b: &Change| order.compare(&a.place, &b.place).then_with(|| line(a).cmp(line(b)));
        // Rows come by their times but for amendments. Those of one time are few, and sorted while they are in the cache.
        let is_of_one_time =
            |a: &Change, b: &Change| (a.place.time_ms, a.place.key.ts) == (b.place.time_ms, b.place.key.ts);
        changes.chunk_by_mut(is_of_one_time).for_each(|rows| rows.sort_unstable_by(by_place));
        changes.sort_by(by_place);
        changes.dedup_by(|next, first| {
            let same = next.place == first.place && line(next) == line(first);
            if same {
                first.times += next.times;
            }
            same
        });
        changes.retain(|change| change.times != 0);
    }

    /// The same without changes, with the room that they had.
    pub fn cleared(mut self) -> Self {
        self.text.clear();
        self.changes.clear();
        self
    }
}

fn line<'a>(text: &'a [u8], change: &Change) -> &'a [u8] {
    &text[change.start as usize..][..change.len as usize]
}
