//! How punctual a feed is: `cargo bench --bench pacing`. `replay play` sends a generated tape at three rates through a
//! pipe to a reader that keeps up, and tells how much later than its schedule each record was sent. What is offered
//! follows from the schedule, which is fixed before; other programs on the machine only ever make a feed later.

use std::io::Read as _;
use std::process::{Command, Stdio};

const REPLAY: &str = env!("CARGO_BIN_EXE_replay");

/// As long as the fastest feed has records for.
const SECONDS: u64 = 2;

fn main() {
    let folder = tempfile::tempdir().expect("a folder to work in");
    let tape = folder.path().join("tape");
    let tape = tape.to_str().expect("a path of UTF-8");
    let made = Command::new(REPLAY).args(["generate", "--days", "2", "--out", tape]).stderr(Stdio::null()).status();
    assert!(made.expect("making a tape").success(), "no tape was made");
    println!("as       offered/s      sent/s   later than the schedule by");
    for codec in ["csv", "bin"] {
        for rate in ["1k/s", "100k/s", "1M/s"] {
            let (sent, late) = play(tape, codec, rate);
            println!("{codec:<5} {rate:>12} {sent:>11}   {late}");
        }
    }
}

/// The rate at which records were sent, and how late they were, as the replayer tells it.
fn play(tape: &str, codec: &str, rate: &str) -> (String, String) {
    let span = format!("{SECONDS}s");
    let args = ["play", tape, "--as", codec, "--rate", rate, "--for", &span];
    let mut child =
        Command::new(REPLAY).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a feed");
    let mut feed = child.stdout.take().expect("the feed's output");
    let mut bytes = vec![0; 1 << 20];
    while feed.read(&mut bytes).expect("reading the feed") > 0 {}
    let output = child.wait_with_output().expect("the feed's end");
    assert!(output.status.success(), "the feed failed");
    let told = String::from_utf8_lossy(&output.stderr);
    let line = |begins: &str| told.lines().find_map(|line| line.strip_prefix(begins)).unwrap_or_default().to_owned();
    let sent = line("sent ");
    let per_second = sent.rsplit(", ").next().unwrap_or_default().trim_end_matches("/s").to_owned();
    (per_second, line("later than the schedule by: "))
}
