use std::fs;

/// Linux counts processor time in hundredths of a second for all programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor time that this process has used so far, on all cores, where the system tells.
pub fn cpu_seconds() -> Option<f64> {
    parse_stat(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// User and system time out of `/proc/self/stat`. The program's name, in brackets, may hold anything.
fn parse_stat(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system_time() {
        let stat = "71 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 99 99 20 0 4";
        assert_eq!(parse_stat(stat), Some(2.0));
        assert_eq!(parse_stat("71 (a) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }
}
