use std::process::ExitCode;
use std::sync::Arc;

use super::pipeline::{Compared, Pipeline, Playing};
use super::print;
use super::signals::end_on_signals;
use crate::config::{Config, Input};
use crate::error::{Error, Result, say};
use crate::ledger::Ledger;
use crate::memory;
use crate::oracle::Corrected;
use crate::play;
use crate::report::{Absent, Decisions, Progress};
use crate::row::Texts;
use crate::source::{Opened, Pacing, Surroundings, in_memory, whole, whole_made};
use crate::tape::Rejects;
use crate::tick::Tick;

/// What the dataflow, the oracle and the tape take together at the worst, in bytes a record.
const BYTES_PER_RECORD: u64 = 768;

/// More records than this are told to take plain code some time.
const LONG: usize = 200_000;

/// Plays the input through the pipeline and through its oracle, and compares what they come to.
pub fn verify(config: &Config, pipeline: &dyn Pipeline) -> Result<ExitCode> {
    if config.processes > 1 {
        return Err(Error::Usage("verify plays in one process: leave --spawn and --processes out".into()));
    }
    let mut config = config.clone();
    // What is due when matters only where the schedule says what is played.
    if config.play_for.is_none() {
        config.playback.pacing = Pacing::Max;
    }
    end_on_signals("nothing was verified")?;
    let around = play::surroundings(&config, Arc::default(), Rejects::default(), Arc::default());
    let tape = read(&config, &around)?;
    let (read_rejects, mut again) = (around.rejects.count(), around.clone());
    let opened = open(&config, &tape, &mut again)?;

    let mut progress = Progress::new(None, Decisions::default());
    let playing = Playing { dial: Arc::default(), config: &config, around: &again, opened, watch: &mut progress };
    let played = pipeline.gather(playing);
    progress.end()?;
    let (outcome, gathered) = played?;
    if tape.len() > LONG {
        say("played; the same by plain code, which may take minutes (Ctrl-C ends it)");
    }
    let texts = Texts::new(around.symbols.clone(), around.venues.clone());
    let mut corrected = Corrected::new(&tape, &config.lateness, texts.clone());
    let Compared { difference, mut ledger, rows, digest } = gathered.compare(&mut corrected)?;
    (ledger.rejected, ledger.read) = (read_rejects, ledger.read + read_rejects);
    if let Some(difference) = difference {
        print(&difference.tell(&tape, &config.lateness, &texts))?;
        return Ok(ExitCode::FAILURE);
    }
    if outcome.ledger != ledger {
        print(&format!(
            "the ledgers differ\n  dataflow  {}\n  oracle    {}\n",
            words(&outcome.ledger),
            words(&ledger)
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    if outcome.written.digest != digest {
        let (ours, theirs) = (outcome.written.digest, digest);
        print(&format!(
            "the rows are equal and the digests are not\n  dataflow  {ours:016x}\n  oracle    {theirs:016x}\n"
        ))?;
        return Ok(ExitCode::FAILURE);
    }
    print(&format!("equal: {rows} {}, digest {digest:016x}\nledger: {}\n", pipeline.rows().name, words(&ledger)))
}

/// Reads the whole input, if there is memory for it, and says which symbols were asked for and are not on it.
pub fn read(config: &Config, around: &Surroundings) -> Result<Vec<Tick>> {
    let room = memory::free().into_iter().chain(config.knobs.memory).min();
    let room = room.map_or(usize::MAX, |bytes| (bytes / BYTES_PER_RECORD) as usize);
    let tape = match &config.input {
        Input::Market(market) => {
            config.playback.pacing.check_for(config.play_for)?;
            let ticks = usize::try_from(market.ticks.min(config.playback.limit)).unwrap_or(usize::MAX);
            if ticks > room {
                let text = format!("{ticks} made-up ticks do not fit into the memory that is free");
                return Err(Error::Input(format!("{text}, {room} do: lower market.length, or give --limit")));
            }
            let tape = market.tape(&around.symbols, config.rules);
            whole_made(tape, &config.playback, room, around)
        }
        Input::Files(inputs) => whole(inputs, &config.playback, room, around),
    }?;
    if let Some(absent) = Absent::told(&Absent::among(&config.playback.controls.symbols, &around.symbols)) {
        say(&absent);
    }
    Ok(tape)
}

/// Opens the input for the dataflow: once more where that can be done, so that the way from the files is verified too.
fn open(config: &Config, tape: &[Tick], around: &mut Surroundings) -> Result<Opened> {
    match &config.input {
        Input::Files(inputs) if !inputs.is_stream() => {
            around.rejects = Rejects::default();
            play::open(config, around)
        }
        _ => Ok(in_memory(tape, config.playback.pacing, config.workers, around)),
    }
}

/// A ledger in words.
fn words(ledger: &Ledger) -> String {
    let Ledger { read, on_time, amended, late, rejected, unmatched, ignored } = ledger;
    format!(
        "read {read} = on time {on_time} + amended {amended} + late {late} + rejected {rejected} + unmatched \
         {unmatched} + ignored {ignored}"
    )
}
