use std::fmt::Write as _;

use hdrhistogram::Histogram;

/// Lines of the table for each halving of the distance to 100%.
const LINES: u32 = 5;

/// Nanoseconds in the table's unit, the millisecond, which its plotters take for granted.
const UNIT: f64 = 1e6;

/// A percentile table of a histogram of nanoseconds, in milliseconds, as HdrHistogram's `outputPercentileDistribution`
/// writes it and its plotter reads it.
pub fn hgrm(histogram: &Histogram<u64>) -> String {
    let mut out = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut count = 0;
    for step in histogram.iter_quantiles(LINES) {
        count += step.count_since_last_iteration();
        let (value, quantile) = (step.value_iterated_to() as f64 / UNIT, step.quantile_iterated_to());
        let _ = write!(out, "{value:12.6} {quantile:.12} {count:10}");
        // The last line is the longest of all: there is no one in so many beyond it.
        let _ = if quantile < 1.0 { writeln!(out, " {:14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(out) };
    }
    let (mean, deviation) = (histogram.mean() / UNIT, histogram.stdev() / UNIT);
    let (max, all) = (histogram.max() as f64 / UNIT, histogram.len());
    let buckets = histogram.buckets();
    let sub_buckets = (2 * 10_u64.pow(histogram.sigfig().into())).next_power_of_two();
    let _ = writeln!(out, "#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]");
    let _ = writeln!(out, "#[Max     = {max:12.6}, Total count    = {all:12}]");
    let _ = writeln!(out, "#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::histogram;

    #[test]
    fn the_table_is_that_of_the_other_tools() {
        let mut histogram = histogram();
        (1..=4).for_each(|ms| histogram.record(ms * 1_000_000).unwrap());
        let text = hgrm(&histogram);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[1], "");
        assert_eq!(lines[2], "    1.000447 0.000000000000          1           1.00");
        let last = lines.iter().rposition(|line| !line.starts_with('#')).unwrap();
        assert_eq!(lines[last], "    4.001791 1.000000000000          4");
        assert_eq!(lines[last + 2], "#[Max     =     4.001791, Total count    =            4]");
        assert_eq!(lines[last + 3], "#[Buckets =           32, SubBuckets     =         2048]");
        let columns = |line: &str| line.split_whitespace().map(|it| it.parse::<f64>().unwrap()).collect::<Vec<_>>();
        for pair in lines[2..last].windows(2) {
            let (a, b) = (columns(pair[0]), columns(pair[1]));
            assert!(a.len() == 4 && a[0] <= b[0] && a[1] < b[1] && a[2] <= b[2] && a[3] < b[3], "{pair:?}");
        }
        // What holds in the middle is the second of four.
        let middle = lines.iter().find(|line| line.contains(" 0.500000000000 ")).unwrap();
        assert_eq!(columns(middle), [2.000895, 0.5, 2.0, 2.0]);
    }
}
