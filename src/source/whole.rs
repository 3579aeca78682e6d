use super::memory::made;
use super::{Extent, Inputs, Pacing, Playback, Surroundings};
use crate::error::{Error, Result};
use crate::tape::{Merge, Pace};
use crate::tick::Tick;

/// Reads a whole input into memory, in its merged order and with the partitions and rejects that a run has; `room` is
/// how many ticks there is memory for.
///
/// # Errors
/// When an input cannot be read or cannot be played so, or does not fit.
pub fn whole(inputs: &Inputs, playback: &Playback, room: usize, around: &Surroundings) -> Result<Vec<Tick>> {
    if let Some(address) = inputs.address()? {
        return Err(Error::Usage(format!("{address} is live: record it to a file, and give that")));
    }
    let merge = if inputs.is_stdin() {
        inputs.check_plain(&playback.controls)?;
        inputs.stdin_merge(playback.limit, around)
    } else {
        playback.pacing.check_for(around.play_for)?;
        playback.check_ends(around)?;
        inputs.merge(playback, around)?
    };
    let pacing = playback.pacing.fitted(|| Extent::of_files(inputs, playback, around))?;
    gathered(merge, pacing, room, &inputs.path)
}

/// The same of a tape that is made up, and in memory already.
///
/// # Errors
/// When it does not fit.
pub fn whole_made(tape: Vec<Tick>, playback: &Playback, room: usize, around: &Surroundings) -> Result<Vec<Tick>> {
    playback.check_ends(around)?;
    let tape = tape.into();
    let pacing = playback.pacing.fitted(|| Extent::of_merge(made(&tape, playback, &around.to_measure())))?;
    gathered(made(&tape, playback, around), pacing, room, "the made-up market")
}

fn gathered(mut merge: Merge, pacing: Pacing, room: usize, name: &str) -> Result<Vec<Tick>> {
    let mut timetable = match pacing {
        Pacing::Max => Pace::AsRead,
        fitted => fitted.schedule(merge.first()?.unwrap_or(0)),
    }
    .timetable();
    let mut tape = Vec::new();
    while let Some(next) = merge.next(&mut timetable)? {
        if tape.len() == room {
            let text = format!("{name}: more than the {room} records that there is memory for");
            return Err(Error::Input(format!("{text}: give --limit {room}, or fewer files")));
        }
        tape.push(next.tick());
    }
    Ok(tape)
}
