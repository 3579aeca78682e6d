//! How a run stands, in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::answer::Told;
use crate::ledger::Ledger;
use crate::report::{count, span};
use crate::row::Texts;
use crate::standing::{Fate, Hold, Partition, Said, Waits, Why, Worker};
use crate::time::{MS, RunTime, utc};

/// So many lines of a kind are shown.
const SHOWN: usize = 20;

/// All that a run told. `name` is how this program is called, `why` the symbol that was asked for, and `shown` how many
/// records are shown at most.
pub fn in_words(name: &str, told: &Told, why: Option<&str>, shown: usize) -> String {
    let mut text = String::new();
    let standing = &told.standing;
    let elapsed = span(standing.now.saturating_sub(told.began_at));
    let Told { pipeline, pid, input, .. } = told;
    if pipeline != name {
        let _ = writeln!(text, "(this is a run of {pipeline})");
    }
    let others = match told.processes - 1 {
        0 => String::new(),
        1 => " and another one".to_owned(),
        others => format!(" and {others} others"),
    };
    let _ = writeln!(text, "{pipeline}: process {pid}{others}, for {elapsed}, reads {input}\n");
    if standing.workers.is_empty() && standing.held_by != Hold::End {
        text.push_str(
            "  no worker answers: the input is being opened, or they are at work on something long; ask again\n",
        );
        return text;
    }
    if let Some(slowest) = standing.slowest() {
        let since = span(standing.now.saturating_sub(slowest.moved_at));
        let _ = match slowest.watermark_ms {
            0 => writeln!(text, "  watermark  none yet: no partition that counts has brought a tick"),
            ms => writeln!(text, "  watermark  {}, for {since}: windows that end by then are over", utc_of_ms(ms)),
        };
    }
    let _ = writeln!(text, "  held by    {}", held_by(told));
    for (line, release) in releases(told).iter().enumerate() {
        let _ = writeln!(text, "  {:9}  {release}", if line == 0 { "until" } else { "" });
    }
    tell_open(told, &mut text);
    let sum = |of: fn(&Worker) -> u64| count(standing.workers.iter().map(of).sum());
    let _ = writeln!(
        text,
        "  waiting    {} ticks in batches, {} in the dataflow, {} that are due and not yet in a batch",
        sum(|worker| worker.in_batch),
        sum(|worker| worker.in_dataflow),
        sum(|worker| worker.backlog),
    );
    let _ = writeln!(text, "  ledger     {}", ledger(told));
    let rows = standing.workers.iter().map(|worker| worker.rows).sum::<i64>().max(0);
    let _ = writeln!(text, "  rows       {} stand", count(rows as u64));
    tell_partitions(told, &mut text);
    tell_workers(told, &mut text);
    tell_late(told, shown, &mut text);
    let operators = || standing.workers.iter().flat_map(|worker| &worker.operators);
    operators().filter_map(|operator| operator.why.as_ref()).for_each(|why| tell_why(why, told, shown, &mut text));
    if let Some(symbol) = why.filter(|_| operators().all(|operator| operator.why.is_none())) {
        let _ = writeln!(text, "\n  why: no tick of {symbol} has come, or {pipeline} keeps none");
    }
    text
}

fn utc_of_ms(ms: i64) -> String {
    utc(ms.saturating_mul(MS))
}

/// How long until an instant of the run's clock.
fn until(told: &Told, instant: RunTime) -> String {
    span(instant.saturating_sub(told.standing.now))
}

fn held_by(told: &Told) -> String {
    match &told.standing.held_by {
        Hold::Work => "work: ticks were read that are not applied, or not all is read".into(),
        Hold::Silence => {
            let silent: Vec<String> = told.standing.silent.iter().map(usize::to_string).collect();
            format!("worker {}, which does not answer: it is at work on something long", silent.join(", "))
        }
        Hold::Batch { until: instant } => {
            format!("a batch that waits for company, for {} at most (batch.max_delay)", until(told, *instant))
        }
        Hold::Schedule { due_at } => format!("the schedule: the next tick is due in {}", until(told, *due_at)),
        Hold::Partition { name } => match partition(told, name) {
            Some(partition) => format!("{name}: {}", silence(told, partition)),
            None => name.clone(),
        },
        Hold::Nobody => "nobody: no partition is here, and some may come".into(),
        Hold::Idle => "no partition: all have been silent for source.idle".into(),
        Hold::End => "nothing: the input has ended, and what is left is worked off and written".into(),
    }
}

fn partition<'a>(told: &'a Told, name: &str) -> Option<&'a Partition> {
    told.standing.source.as_ref()?.partitions.iter().find(|partition| partition.name == name)
}

fn silence(told: &Told, partition: &Partition) -> String {
    let since = span(told.standing.now.saturating_sub(partition.heard_at));
    match &partition.latest {
        Some(latest) => {
            let (symbol, ts, seq) = (&latest.symbol, utc(latest.ts_event), latest.seq);
            format!("its latest tick is {symbol} {seq} of {ts}, and nothing has come from it for {since}")
        }
        None => format!("no tick has come from it, for {since}"),
    }
}

/// What would move the watermark on.
fn releases(told: &Told) -> Vec<String> {
    let standing = &told.standing;
    match &standing.held_by {
        Hold::Partition { name } => {
            let mut releases = Vec::new();
            if let Some(next) = next_ms(told) {
                let needed = utc(next.saturating_mul(MS).saturating_add(told.disorder));
                let disorder = span(told.disorder.max(0) as u64);
                releases.push(format!(
                    "a tick of {needed} or later comes from it, for what is next at {} (late.disorder is {disorder})",
                    utc_of_ms(next)
                ));
            }
            if let Some((partition, idle)) = partition(told, name).and_then(|it| Some((it, it.idle_after?))) {
                let left = until(told, partition.heard_at.saturating_add(idle));
                releases.push(format!("or it is silent for {left} more (source.idle is {})", span(idle)));
            }
            releases.push("or it ends".into());
            releases
        }
        Hold::Idle => vec!["a tick comes; meanwhile the watermark moves on with the clock".into()],
        Hold::Nobody => vec!["a partition comes, and a tick from it".into()],
        _ => Vec::new(),
    }
}

/// The next watermark at which something is to happen.
fn next_ms(told: &Told) -> Option<i64> {
    let (open, amendments) = pending(told);
    let slowest = told.standing.slowest().map(|slowest| slowest.next_ms);
    open.values().flat_map(|open| open.keys()).chain(amendments.keys()).copied().min().or(slowest)
}

/// What is to happen at each watermark, over all workers: by what holds the windows, how many; and amendments.
type Coming = (BTreeMap<String, BTreeMap<i64, usize>>, BTreeMap<i64, usize>);

fn pending(told: &Told) -> Coming {
    let (mut open, mut amendments): Coming = Default::default();
    for operator in told.standing.workers.iter().flat_map(|worker| &worker.operators) {
        let of = open.entry(operator.name.clone()).or_default();
        operator.open.iter().for_each(|(ms, n)| *of.entry(*ms).or_default() += n);
        operator.amendments.iter().for_each(|(ms, n)| *amendments.entry(*ms).or_default() += n);
    }
    (open, amendments)
}

fn tell_open(told: &Told, text: &mut String) {
    let (open, amendments) = pending(told);
    let list = |pending: &BTreeMap<i64, usize>| {
        let first: Vec<String> =
            pending.iter().take(3).map(|(ms, n)| format!("{} at {}", count(*n as u64), utc_of_ms(*ms))).collect();
        let rest = pending.len().saturating_sub(3);
        let more = if rest > 0 { format!(", and more at {rest} later times") } else { String::new() };
        first.join(", ") + &more
    };
    for (name, open) in &open {
        let _ = match open.is_empty() {
            true => writeln!(text, "  open       no {name}"),
            false => writeln!(text, "  open       {name}, by when they may be over: {}", list(open)),
        };
    }
    if !amendments.is_empty() {
        let _ = writeln!(
            text,
            "  amendments late ticks, cancels and corrections that wait for their time: {}",
            list(&amendments)
        );
    }
}

fn ledger(told: &Told) -> String {
    let mut ledger = Ledger::default();
    told.standing.workers.iter().for_each(|worker| ledger.add(&worker.ledger));
    (ledger.rejected, ledger.read) = (told.rejected, ledger.read + told.rejected);
    let known = ledger.columns().map(|(name, n)| format!("{name} {}", count(n))).join(" + ");
    let open = ledger.read.saturating_sub(ledger.accounted());
    let open = if open > 0 { format!(" + {} that are not decided yet", count(open)) } else { String::new() };
    format!("read {} = {known}{open}", count(ledger.read))
}

fn tell_partitions(told: &Told, text: &mut String) {
    let Some(source) = told.standing.source.as_ref().filter(|source| !source.partitions.is_empty()) else { return };
    let _ = writeln!(text, "\n  {:32}{:>32}{:>12}{:>14}  state", "partition", "watermark", "silent for", "ticks");
    let mut partitions: Vec<&Partition> = source.partitions.iter().collect();
    partitions.sort_by_key(|partition| partition.watermark_ms);
    for partition in partitions.iter().take(SHOWN) {
        let state = match partition {
            _ if partition.is_idle => "idle: does not hold the watermark back".into(),
            _ if partition.is_ahead => "ahead by run.max_lead, so it is not read".into(),
            _ if partition.waiting > 0 => format!("{} pieces wait to be decoded", count(partition.waiting as u64)),
            _ => "is waited for".to_owned(),
        };
        let _ = writeln!(
            text,
            "  {:32}{:>32}{:>12}{:>14}  {state}",
            partition.name,
            partition.watermark_ms.map_or("none yet".into(), utc_of_ms),
            span(told.standing.now.saturating_sub(partition.heard_at)),
            count(partition.ticks),
        );
    }
    if partitions.len() > SHOWN {
        let _ = writeln!(text, "  and {} more", partitions.len() - SHOWN);
    }
}

fn tell_workers(told: &Told, text: &mut String) {
    let _ = writeln!(text, "\n  {:32}{:>32}{:>12}{:>14}  state", "worker", "watermark", "unapplied", "applied");
    for worker in &told.standing.workers {
        let state = match worker.waits {
            Waits::Nothing => "at work".into(),
            Waits::Input => "waits for input".into(),
            Waits::Schedule { due_at } => format!("the next tick is due in {}", until(told, due_at)),
            Waits::Batch { until: instant } => format!("its batch waits for company, {} more", until(told, instant)),
            Waits::Others => "waits for the other workers (run.max_lead)".to_owned(),
            Waits::End => "its input has ended".to_owned(),
        };
        let watermark = if worker.watermark_ms > 0 { utc_of_ms(worker.watermark_ms) } else { "none yet".into() };
        let unapplied = count(worker.in_batch + worker.in_dataflow + worker.backlog);
        let (name, applied) = (worker_name(worker.worker, told), count(worker.applied));
        let _ = writeln!(text, "  {name:<32}{watermark:>32}{unapplied:>12}{applied:>14}  {state}");
    }
    for silent in &told.standing.silent {
        let _ = writeln!(text, "  {:<32}{:>58}  does not answer", worker_name(*silent, told), "");
    }
}

fn worker_name(worker: usize, told: &Told) -> String {
    match told.processes {
        1 => worker.to_string(),
        _ => format!("{worker} in process {}", worker / told.workers_of_each),
    }
}

fn tell_late(told: &Told, shown: usize, text: &mut String) {
    let operators = told.standing.workers.iter().flat_map(|worker| &worker.operators);
    let late: Vec<&Said> = operators.flat_map(|operator| &operator.late).collect();
    if late.is_empty() {
        return;
    }
    let _ =
        writeln!(text, "\n  the last records that were late, or cancel or correct others, newest first of each worker");
    list(&late, told, shown, text);
}

fn tell_why(why: &Why, told: &Told, shown: usize, text: &mut String) {
    let _ = writeln!(text, "\n  why: the symbol's own clock stands at {}", utc(why.clock));
    if why.windows.is_empty() {
        let _ = writeln!(text, "  no window that is kept holds this time");
    }
    let written = told.standing.workers.iter().filter_map(|worker| worker.written_ms).min().unwrap_or(i64::MAX);
    for (end_ms, row) in &why.windows {
        let state = if *end_ms <= written { "was written" } else { "is open" };
        let _ = match row {
            Some(row) => writeln!(text, "  {}\n  {row}   {state}", why.columns),
            None if *end_ms <= written => writeln!(
                text,
                "  the window that ends at {} {state}; what it was made of is not kept: nothing before {} can change",
                utc_of_ms(*end_ms),
                utc(why.kept_from)
            ),
            None => writeln!(text, "  the window that ends at {} {state}, and nothing is in it", utc_of_ms(*end_ms)),
        };
    }
    let records: Vec<&Said> = why.records.iter().collect();
    let _ = writeln!(text, "  {} records of it, or that speak of one, are kept", records.len());
    list(&records, told, shown, text);
    if !told.keeps_prints {
        let _ = writeln!(text, "  late.horizon is off: no prints are kept, so only those that were late are known");
    }
}

fn list(records: &[&Said], told: &Told, shown: usize, text: &mut String) {
    if !records.is_empty() {
        let _ = writeln!(text, "    {}", Texts::RECORD);
    }
    let slowest = told.standing.workers.iter().map(|worker| worker.watermark_ms).min().unwrap_or(0);
    for said in records.iter().take(shown) {
        let fate = match said.fate {
            Fate::Counted => "counts".into(),
            Fate::Replaced => "was cancelled or corrected".into(),
            Fate::Applied => "was applied".into(),
            Fate::Amends { late_by, at_ms: ms } => {
                let verb = if ms > slowest { "will be applied" } else { "was applied" };
                let late =
                    if late_by > 0 { format!("{} behind its symbol, ", span(late_by as u64)) } else { String::new() };
                format!("{late}{verb} at {}", utc_of_ms(ms))
            }
            Fate::Dropped { late_by } => format!("{} behind its symbol: not taken", span(late_by.max(0) as u64)),
        };
        let _ = writeln!(text, "    {}   {fate}", said.record);
    }
    if records.len() > shown {
        let _ = writeln!(text, "    and {} more; --all shows them", records.len() - shown);
    }
}
