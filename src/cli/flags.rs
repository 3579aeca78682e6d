use std::path::PathBuf;

use clap::Args;

use crate::config::Layers;
use crate::error::{Error, Result};
use crate::lab::Axis;

/// Settings whose values are texts, whatever they look like.
const TEXTS: [&str; 3] = ["source.input", "source.symbols", "output.to"];

/// The flags that all commands share.
#[derive(Args)]
pub struct Flags {
    /// A file, a folder, a glob, "-" for standard input, or a live feed [default: a made-up market in memory]
    ///
    /// tcp://HOST:PORT and unix://PATH connect, and try again until somebody listens there; tcp-listen://HOST:PORT and
    /// unix-listen://PATH wait to be connected to, by as many as come. The input ends when all connections have ended.
    /// file:PATH follows a file that grows, until Ctrl-C. kafka://HOST:PORT/TOPIC reads a topic, until Ctrl-C; with
    /// --set source.end=now to where it ends now.
    #[arg(long, global = true, value_name = "PATH")]
    pub input: Option<String>,
    /// Format of the input: csv, jsonl, bin, or auto, which goes by a file's extension and a stream's first bytes
    #[arg(long, global = true)]
    pub format: Option<String>,
    /// Length of windows that are laid out in time: 1s, 5m
    #[arg(long, global = true, value_name = "DUR")]
    pub window: Option<String>,
    /// Speed of the tape: 1x, 60x, max
    #[arg(long, global = true)]
    pub speed: Option<String>,
    /// Ticks a second on average, instead of a speed: 200k/s
    #[arg(long, global = true)]
    pub rate: Option<String>,
    /// When ticks arrive: constant or poisson at a rate; tape, with its own gaps, at a speed or scaled to a rate
    #[arg(long, global = true, value_name = "KIND")]
    pub arrivals: Option<String>,
    /// A rate that swings about its average: 10x/100ms/5s is ten times as high for 100 ms of every 5 s
    #[arg(long, global = true)]
    pub burst: Option<String>,
    /// Play what is of this time or later: 2026-01-05T14:45:00Z, or in the tape's zone 2026-01-05T09:45 or 2026-01-05
    #[arg(long, global = true, value_name = "TIME")]
    pub start: Option<String>,
    /// Play what is before this time of the tape
    #[arg(long, global = true, value_name = "TIME")]
    pub end: Option<String>,
    /// Play these symbols only: A,B
    #[arg(long, global = true, value_name = "LIST")]
    pub symbols: Option<String>,
    /// Most ticks in a batch; 1 is tick at a time; auto is batch.policy = "auto"
    #[arg(long, global = true, value_name = "N")]
    pub batch: Option<String>,
    /// Longest wait of a tick for others to fill its batch: 1ms (0s is greedy)
    #[arg(long, global = true, value_name = "DUR")]
    pub linger: Option<String>,
    /// Let the run choose how long batches wait, so that 99 of 100 ticks take no longer than this: 2ms
    #[arg(long, global = true, value_name = "DUR")]
    pub target_p99: Option<String>,
    /// Workers
    #[arg(long, short, global = true, value_name = "N")]
    pub workers: Option<String>,
    /// Processes on this machine, each with its workers: this one starts the others, and ends with them
    #[arg(long, global = true, value_name = "N", conflicts_with_all = ["processes", "process", "hosts"])]
    pub spawn: Option<String>,
    /// Processes that are started by hand, with the same settings each and --process I
    #[arg(long, global = true, value_name = "N")]
    pub processes: Option<String>,
    /// Which of --processes this is, from 0 on; 0 writes the rows and the summary of all
    #[arg(long, global = true, value_name = "I")]
    pub process: Option<String>,
    /// A file with a line HOST:PORT for each process, in their order
    #[arg(long, global = true, value_name = "FILE")]
    pub hosts: Option<String>,
    /// Folder for the rows, summary.json, latency.hlog and rejected.jsonl; "-" for rows on standard output, none for no
    /// rows; or an address, as for --input, to send rows to
    #[arg(long, visible_alias = "output", global = true, value_name = "DIR")]
    pub out: Option<String>,
    /// So many: the first places of a ranking, or the best pairs
    #[arg(long, global = true, value_name = "N")]
    pub top: Option<String>,
    /// Play what is due within this span of the schedule: 10s
    #[arg(long = "for", global = true, value_name = "DUR")]
    pub play_for: Option<String>,
    /// Play the first N records in merged order
    #[arg(long, global = true, value_name = "N")]
    pub limit: Option<String>,
    /// Exit 1 when a record was rejected
    #[arg(long, global = true)]
    pub strict: bool,
    /// A TOML file of settings, over the defaults; repeatable, the last one wins
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// One setting, as in --set late.policy=drop; repeatable
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Flags {
    /// Puts everything that was said into layers over the defaults.
    pub fn layers(&self, name: &str, defaults: &'static str) -> Result<Layers> {
        let lists = [
            ("--rate", &self.rate),
            ("--arrivals", &self.arrivals),
            ("--burst", &self.burst),
            ("--batch", &self.batch),
            ("--linger", &self.linger),
            ("--workers", &self.workers),
        ];
        for (flag, value) in lists {
            if let Some(list) = value.as_ref().filter(|text| text.contains(',')) {
                return Err(Error::Usage(format!(
                    "{flag} {list}: a list of values is for `{name} sweep`, which tries each"
                )));
            }
        }
        let mut layers = Layers::new(
            &format!("{name}.toml"),
            defaults,
            &["source.columns", "source.librdkafka", "output.librdkafka", "sweep.vary"],
        );
        for file in &self.config {
            layers.file(file)?;
        }
        layers.environment(std::env::vars_os());
        for set in &self.set {
            layers.set(set);
        }
        let mut flag = |flag: &str, key: &str, value: &Option<String>| {
            if let Some(text) = value {
                // Counts are numbers in TOML; everything else is a text.
                match text.parse::<i64>() {
                    Ok(number) if !TEXTS.contains(&key) => layers.flag(flag, key, number),
                    _ => layers.flag(flag, key, text.as_str()),
                }
            }
        };
        flag("--input", "source.input", &self.input);
        flag("--format", "source.format", &self.format);
        flag("--window", "window.length", &self.window);
        flag("--speed", "source.speed", &self.speed);
        flag("--rate", "source.rate", &self.rate);
        flag("--arrivals", "source.arrivals", &self.arrivals);
        flag("--burst", "source.burst", &self.burst);
        flag("--start", "source.start", &self.start);
        flag("--end", "source.end", &self.end);
        flag("--symbols", "source.symbols", &self.symbols);
        let is_auto = self.batch.as_deref() == Some("auto");
        flag("--batch", "batch.max_ticks", if is_auto { &None } else { &self.batch });
        flag("--linger", "batch.max_delay", &self.linger);
        flag("--target-p99", "batch.target_p99", &self.target_p99);
        flag("--workers", "workers", &self.workers);
        flag("--spawn", "run.processes", &self.spawn);
        flag("--processes", "run.processes", &self.processes);
        flag("--process", "run.process", &self.process);
        flag("--hosts", "run.hosts", &self.hosts);
        flag("--out", "output.to", &self.out);
        flag("--top", &format!("{name}.top"), &self.top);
        flag("--for", "source.for", &self.play_for);
        flag("--limit", "source.limit", &self.limit);
        match (&self.target_p99, &self.linger) {
            // Under a target, a linger is the longest wait that may be chosen.
            (Some(_), _) => layers.flag("--target-p99", "batch.policy", "auto"),
            _ if is_auto => layers.flag("--batch", "batch.policy", "auto"),
            (None, Some(_)) => layers.flag("--linger", "batch.policy", "linger"),
            (None, None) => {}
        }
        if self.strict {
            layers.flag("--strict", "run.strict", true);
        }
        Ok(layers)
    }

    /// Takes out the flags that are lists of values, which are for a sweep to vary.
    pub fn take_lists(&mut self) -> Result<Vec<Axis>> {
        let flags = [
            ("--rate", &mut self.rate),
            ("--arrivals", &mut self.arrivals),
            ("--burst", &mut self.burst),
            ("--batch", &mut self.batch),
            ("--linger", &mut self.linger),
            ("--workers", &mut self.workers),
        ];
        let lists = flags.into_iter().filter(|(_, value)| value.as_ref().is_some_and(|text| text.contains(',')));
        lists.filter_map(|(flag, value)| Some(Axis::parse(flag, &flag[2..], &value.take()?))).collect()
    }
}
