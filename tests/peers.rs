//! The comparison with other programs, `benches/peers/run`, on a small tape: it runs, and a peer has the same bars. It
//! needs a Python with pandas: `python3`, or the one that TAPEFLOW_PYTHON names; where there is none, it says that it
//! was skipped.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

#[test]
fn pandas_has_the_same_bars_and_the_table_says_so() {
    let python = std::env::var("TAPEFLOW_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", "import pandas"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        // Not by `eprintln`, which the test harness keeps to itself.
        let text = format!("SKIPPED: {python} has no pandas; name one that has it with TAPEFLOW_PYTHON\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
        return;
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_ohlcv")).parent().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/run");
    let work = tempfile::tempdir().unwrap();
    for format in ["csv", "jsonl"] {
        let output = Command::new(&python)
            .arg(&script)
            .args(["--only", "tapeflow,pandas,python", "--ticks", "20000", "--rounds", "1", "--here"])
            .args(["--format", format, "--programs"])
            .arg(programs)
            .arg("--work")
            .arg(work.path())
            .output()
            .unwrap();
        let (table, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{table}{told}");
        let rows: Vec<&str> = table.lines().filter(|line| line.ends_with("| yes |")).collect();
        let names = ["| tapeflow, nothing kept", "| pandas ", "| a loop in plain Python (of 1/10"];
        assert_eq!(rows.len(), names.len(), "{table}{told}");
        for (row, name) in rows.iter().zip(names) {
            assert!(row.starts_with(name), "{table}");
        }
    }
}
