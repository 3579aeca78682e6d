use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use super::difference::first_difference;
use super::{end_on_signals, print, tell};
use crate::config::{Config, Input};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::memory;
use crate::operators::{Changes, Ticks};
use crate::oracle::{Corrected, Expected};
use crate::play;
use crate::report::{Absent, Decisions, Progress};
use crate::row::{Row, Texts};
use crate::sink::Sink;
use crate::source::{Opened, Pacing, Surroundings, in_memory, whole, whole_made};
use crate::tape::Rejects;
use crate::tick::Tick;

/// What the dataflow, the oracle and the tape take together at the worst, in bytes a record.
const BYTES_PER_RECORD: u64 = 768;

/// More records than this are told to take plain code some time.
const LONG: usize = 200_000;

/// Plays the input through the pipeline and through its oracle, and compares what they come to.
pub fn verify<R, F, O>(config: &Config, pipeline: F, oracle: O) -> Result<ExitCode>
where
    R: Row + Send,
    F: for<'scope> Fn(Ticks<'scope>) -> Changes<'scope, R> + Send + Sync + 'static,
    O: FnOnce(&Corrected) -> Expected<R>,
{
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

    let gathered = Arc::new(Mutex::new(BTreeMap::new()));
    let sinks = (0..config.workers).map(|_| Box::new(Gather(gathered.clone())) as Box<dyn Sink<R> + Send>).collect();
    let mut progress = Progress::new(None, Decisions::default());
    let outcome = play::play(&config, &again, opened, sinks, &mut progress, pipeline);
    progress.end()?;
    let outcome = outcome?;
    if tape.len() > LONG {
        tell(format_args!("played; the same by plain code, which may take minutes (Ctrl-C ends it)\n"));
    }
    let texts = Texts::new(around.symbols.clone(), around.venues.clone());
    let mut corrected = Corrected::new(&tape, &config.lateness, texts.clone());
    let expected = oracle(&corrected);
    if let Some(error) = corrected.refused.take() {
        return Err(error);
    }
    let mut ledger = expected.ledger.unwrap_or(corrected.ledger);
    (ledger.rejected, ledger.read) = (read_rejects, ledger.read + read_rejects);
    let digest = expected.rows.iter().fold(0u64, |sum, row| sum.wrapping_add(row.digest(&texts)));
    let rows = expected.rows.len();

    let gathered = std::mem::take(&mut *gathered.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    if let Some(difference) = first_difference(gathered, expected.rows, &texts) {
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
    print(&format!("equal: {rows} {}, digest {digest:016x}\nledger: {}\n", R::NAME, words(&ledger)))
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
        tell(format_args!("{absent}\n"));
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

/// Keeps how often each row stands.
struct Gather<R>(Arc<Mutex<BTreeMap<R, isize>>>);

impl<R: Row> Sink<R> for Gather<R> {
    fn change(&mut self, row: &R, _texts: &Texts, diff: isize) -> Result<()> {
        let mut rows = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let times = rows.entry(row.clone()).or_default();
        *times += diff;
        if *times == 0 {
            rows.remove(row);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
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
