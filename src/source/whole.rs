use super::memory::made;
use super::{Extent, Inputs, Pacing, Surroundings};
use crate::error::{Error, Result};
use crate::tape::{Controls, Merge, Pace};
use crate::tick::Tick;

/// Reads a whole input into memory, in its merged order and with the partitions and rejects that a run has; `room` is
/// how many ticks there is memory for.
///
/// # Errors
/// When an input cannot be read or cannot be played so, or does not fit.
pub fn whole(
    inputs: &Inputs,
    pacing: Pacing,
    controls: &Controls,
    limit: u64,
    room: usize,
    around: &Surroundings,
) -> Result<Vec<Tick>> {
    if let Some(address) = inputs.address()? {
        return Err(Error::Usage(format!("{address} is live: record it to a file, and give that")));
    }
    let merge = if inputs.is_stdin() {
        inputs.check_plain(controls)?;
        inputs.stdin_merge(limit, around)
    } else {
        pacing.check_for(around.play_for)?;
        check_end(controls, limit, around)?;
        inputs.merge(controls, limit, around)?
    };
    let pacing = pacing.fitted(|| Extent::of_files(inputs, controls, limit, around))?;
    gathered(merge, pacing, room, &inputs.path)
}

/// The same of a tape that is made up, and in memory already.
///
/// # Errors
/// When it does not fit.
pub fn whole_made(
    tape: Vec<Tick>,
    pacing: Pacing,
    controls: &Controls,
    limit: u64,
    room: usize,
    around: &Surroundings,
) -> Result<Vec<Tick>> {
    check_end(controls, limit, around)?;
    let tape = tape.into();
    let pacing = pacing.fitted(|| Extent::of_merge(made(&tape, controls, limit, &around.to_measure())))?;
    gathered(made(&tape, controls, limit, around), pacing, room, "the made-up market")
}

/// Refuses a tape without an end, which no memory holds.
fn check_end(controls: &Controls, limit: u64, around: &Surroundings) -> Result<()> {
    if controls.again.is_some() && limit == u64::MAX && around.play_for.is_none() {
        return Err(Error::Usage("source.loop: the tape has no end, and all of it is needed: give --limit".into()));
    }
    Ok(())
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
        tape.push(next.placed.record.tick);
    }
    Ok(tape)
}
