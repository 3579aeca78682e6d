use super::files::ends_at;
use super::{Extent, Inputs, Pacing, Surroundings};
use crate::error::{Error, Result};
use crate::tape::{Merge, Pace};
use crate::tick::Tick;

/// Reads a whole input into memory, in its merged order and with the partitions and rejects that a run has; `room` is
/// how many ticks there is memory for.
///
/// # Errors
/// When an input cannot be read or cannot be played so, or does not fit.
pub fn whole(inputs: &Inputs, pacing: Pacing, limit: u64, room: usize, around: &Surroundings) -> Result<Vec<Tick>> {
    if let Some(address) = inputs.address()? {
        return Err(Error::Usage(format!("{address} is live: record it to a file, and give that")));
    }
    let mut merge = if inputs.is_stdin() {
        inputs.stdin_merge(limit, around)
    } else {
        pacing.check_for(around.play_for)?;
        let leaves = inputs.leaves(around)?;
        Merge::new(leaves.into_iter().map(|(_, leaf)| leaf).collect(), limit, ends_at(around))
    };
    let mut timetable = match pacing.fitted(|| Extent::of_files(inputs, limit, around))? {
        Pacing::Max => Pace::AsRead,
        fitted => fitted.schedule(merge.first()?.unwrap_or(0)),
    }
    .timetable();
    let mut tape = Vec::new();
    while let Some(next) = merge.next(&mut timetable)? {
        if tape.len() == room {
            let text = format!("{}: more than the {room} records that there is memory for", inputs.path);
            return Err(Error::Input(format!("{text}: give --limit {room}, or fewer files")));
        }
        tape.push(next.placed.record.tick);
    }
    Ok(tape)
}
