use std::fmt::{self, Display, Formatter};

use super::{Absent, Batching, Percentiles, Report};
use crate::ledger::Unfilled;
use crate::tape::format::quotable;
use crate::tape::{Struck, Unknown};

/// A whole number with its thousands set apart.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Nanoseconds to three digits, in the unit that suits them.
pub fn span(nanos: u64) -> String {
    let (value, unit) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let places = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.places$} {unit}")
}

/// Faults in words: `12 records dropped, 3 sent twice, 5 sent late`.
pub fn struck(struck: &Struck) -> String {
    let (dropped, duplicated, late) = (count(struck.dropped), count(struck.duplicated), count(struck.late));
    format!("{dropped} records dropped, {duplicated} sent twice, {late} sent late")
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ledger = &self.ledger;
        let how = if self.complete { "" } else { ", interrupted" };
        let (pipeline, symbols) = (&self.pipeline, count(self.symbols as u64));
        writeln!(f, "{pipeline}: {} records of {symbols} symbols in {}{how}", count(ledger.read), span(self.elapsed))?;
        writeln!(f)?;
        let mean = (ledger.read - ledger.rejected) as f64 / self.batches.max(1) as f64;
        let (rows, amended) = (count(self.rows), count(self.retracted));
        writeln!(f, "  result   {rows} {}, after {amended} amendments", self.rows_are)?;
        let of = if self.complete {
            "the same for this tape whatever the batches, workers or speed"
        } else {
            "of what was read until then"
        };
        writeln!(f, "  digest   {}   ({of})", self.digest)?;
        writeln!(
            f,
            "  rate     {} ticks/s on {} worker{}{}, in {} batches of {mean:.1} ticks on average",
            count(self.ticks_per_second() as u64),
            self.workers,
            if self.workers == 1 { "" } else { "s" },
            if self.processes == 1 { String::new() } else { format!(" in each of {} processes", self.processes) },
            count(self.batches),
        )?;
        if let [Batching { auto: Some(target), .. }] = &self.batching[..] {
            target.lines(f)?;
        }
        let columns = ledger.columns().map(|(name, n)| format!("{name} {}", count(n)));
        writeln!(f, "  ledger   read {} = {}", count(ledger.read), columns.join(" + "))?;
        if !ledger.balances() {
            writeln!(f, "           IT DOES NOT BALANCE: {} are accounted for", count(ledger.accounted()))?;
        }
        let Unfilled { windows, trades, volume } = self.unfilled;
        if windows > 0 {
            let [windows, trades, volume] = [windows, trades, volume].map(count);
            writeln!(f, "  unfilled windows {windows} with trades {trades} and shares {volume}, which are in no row")?;
        }
        if let Some(absent) = Absent::told(&self.absent) {
            writeln!(f, "  symbols  {absent}")?;
        }
        if self.struck != Struck::default() {
            writeln!(f, "  faults   {}", struck(&self.struck))?;
        }
        let Unknown { records, codes } = &self.unknown_conditions;
        if *records > 0 {
            let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
            let (records, codes) = (count(*records), quotable(&codes.join("`, `")));
            writeln!(
                f,
                "  unknown  {records} trades have conditions that conditions.table does not name, such as `{codes}`;"
            )?;
            writeln!(f, "           they count as if they had not")?;
        }
        for example in &self.rejected {
            writeln!(f, "           rejected {example}")?;
        }
        let others = ledger.rejected.saturating_sub(self.rejected.len() as u64);
        if others > 0 && !self.rejected.is_empty() {
            writeln!(f, "           and {} more", count(others))?;
        }
        writeln!(f)?;
        let latency = &self.latency;
        writeln!(f, "  latency from {}", latency.from)?;
        let heads = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
        writeln!(f, "  {:34}{}", "", heads.map(|head| format!("{head:>9}")).concat())?;
        row(f, "tick: due -> applied", &latency.tick)?;
        row(f, "  source: due -> read", &latency.source)?;
        row(f, "  batch: waiting for company", &latency.batch)?;
        row(f, "  operators: in the dataflow", &latency.operators)?;
        row(f, "close: window over -> rows out", &latency.close)?;
        row(f, "  sink: writing the rows", &latency.sink)?;
        writeln!(
            f,
            "  A window is over {} of event time after its end, to wait for disorder;",
            span(self.disorder as u64)
        )?;
        writeln!(f, "  that wait is not in the close latency. Percentiles of stages do not add up.")?;
        if self.batching.len() > 1 {
            writeln!(f, "\n  latency by the settings of batches, which changed under way")?;
            for batching in &self.batching {
                batching.table(f)?;
                batching.auto.iter().try_for_each(|target| target.lines(f))?;
            }
        }
        writeln!(f)?;
        writeln!(f, "  next     {}", self.next)
    }
}

pub(super) fn row(f: &mut Formatter<'_>, name: &str, p: &Percentiles) -> fmt::Result {
    if p.count == 0 {
        return writeln!(f, "  {name:34}{:>9}", "none");
    }
    let values = [p.p50, p.p90, p.p99, p.p99_9, p.p99_99, p.max].map(|nanos| format!("{:>9}", span(nanos)));
    writeln!(f, "  {name:34}{}", values.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let spans = [17, 1_234, 56_789, 999_900, 12_345_678, 3_210_000_000].map(span);
        assert_eq!(spans, ["17 ns", "1.23 us", "56.8 us", "1000 us", "12.3 ms", "3.21 s"]);
    }
}
