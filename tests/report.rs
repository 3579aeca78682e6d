//! What a sweep leaves behind, and the page made of it. What this can catch: histograms, timelines and tables that do
//! not hold the ticks that were measured; a page that is not a function of the files, that fetches something, or whose
//! charts stay empty in a real browser. What it cannot: whether the page is pleasant to read.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tapeflow::report::read_log;

/// Of each cell: 2,000 ticks, of which 1,500 are measured.
const SMALL: &str = "sweep --batch 1,64 --linger 0s,1ms --repeat 2 --rate 5k/s --for 300ms --warmup 100ms \
                     --set market.symbols=20 --set window.length=50ms";
const CELLS: usize = 4;

fn ohlcv(args: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_ohlcv")).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn sweep(folder: &Path) {
    let args: Vec<&str> = SMALL.split_whitespace().chain(["--goal", "max <= 1h", "--out"]).collect();
    ohlcv(&[&args[..], &[folder.to_str().unwrap()]].concat());
}

/// A table's rows, each by the heads.
fn table(path: PathBuf) -> Vec<impl Fn(&str) -> String> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let heads = lines.next().unwrap();
    let row = |row: Vec<String>| {
        let heads = heads.clone();
        move |head: &str| row[heads.iter().position(|it| it == head).unwrap()].clone()
    };
    lines.map(row).collect()
}

#[test]
fn the_files_hold_the_ticks_that_were_measured() {
    let out = tempfile::tempdir().unwrap();
    // What an earlier, larger sweep left there is not this one's.
    fs::write(out.path().join("cell-5.hlog"), "").unwrap();
    (1..5).for_each(|cell| fs::write(out.path().join(format!("cell-{cell}.hgrm")), "").unwrap());
    sweep(out.path());
    assert!(!out.path().join("cell-5.hlog").exists());

    let rows = table(out.path().join("sweep.csv"));
    let of = |cell: usize, repeat: usize, stage: &str| {
        let mine = rows.iter().filter(|row| row("cell") == cell.to_string() && row("repeat") == repeat.to_string());
        mine.filter(|row| row("stage") == stage).collect::<Vec<_>>()
    };
    let percentiles = table(out.path().join("percentiles.csv"));
    let nanos_at = |cell: usize, repeat: usize, stage: &str, percentile: &str| {
        let which = [cell.to_string(), repeat.to_string(), stage.into(), percentile.into()];
        let mine = percentiles.iter().filter(|row| ["cell", "repeat", "stage", "percentile"].map(row) == which);
        mine.map(|row| row("nanos")).collect::<Vec<_>>()
    };
    for cell in 1..=CELLS {
        let log = read_log(&out.path().join(format!("cell-{cell}.hlog"))).unwrap();
        let tags = ["tick", "source", "batch", "operators", "close_first", "close", "sink", "machine"];
        assert_eq!(log.iter().map(|(tag, _)| tag.as_str()).collect::<Vec<_>>(), [tags, tags].concat());
        for repeat in 1..=2 {
            for (tag, histogram) in &log[(repeat - 1) * tags.len()..][..tags.len()] {
                let [row] = of(cell, repeat, tag)[..] else { panic!("one row for each stage") };
                let figures = [histogram.len(), histogram.value_at_quantile(0.99), histogram.max()];
                assert_eq!(["count", "p99", "max"].map(row), figures.map(|it| it.to_string()), "{cell} {repeat} {tag}");
                for (percentile, quantile) in [("50", 0.5), ("99.99", 0.9999), ("100", 1.0)] {
                    let nanos = histogram.value_at_quantile(quantile).to_string();
                    assert_eq!(nanos_at(cell, repeat, tag, percentile), [nanos], "{cell} {repeat} {tag}");
                }
            }
            assert_eq!(of(cell, repeat, "tick")[0]("count"), "1500");
            let shares = ["source", "batch", "operators"].map(|stage| of(cell, repeat, stage)[0]("share_of_slowest"));
            let sum: f64 = shares.iter().map(|share| share.parse::<f64>().unwrap()).sum();
            assert!((sum - 1.0).abs() < 0.001, "{shares:?}");
        }
        let table = fs::read_to_string(out.path().join(format!("cell-{cell}.hgrm"))).unwrap();
        let last = table.lines().rfind(|line| !line.starts_with('#')).unwrap();
        assert!(last.ends_with(" 1.000000000000       1500"), "{table}");
    }

    let seconds = table(out.path().join("timeline.csv"));
    let sum = |head: &str| seconds.iter().map(|row| row(head).parse::<usize>().unwrap()).sum::<usize>();
    assert_eq!(["offered", "applied", "measured"].map(sum), [2_000, 2_000, 1_500].map(|ticks| ticks * 2 * CELLS));
    let closes = table(out.path().join("closes.csv"));
    let windows = (1..=CELLS).flat_map(|cell| [1, 2].map(|repeat| of(cell, repeat, "close")[0]("count")));
    assert_eq!(closes.len(), windows.map(|count| count.parse::<usize>().unwrap()).sum::<usize>());
    let nanos = |text: String| text.parse::<u64>().unwrap();
    assert!(closes.iter().all(|row| nanos(row("first")) <= nanos(row("last"))));
}

/// The data that a page's charts are drawn from.
fn island(page: &str) -> Value {
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn the_page_is_a_function_of_the_files_and_asks_for_nothing_else() {
    let out = tempfile::tempdir().unwrap();
    let (one, other) = (out.path().join("one"), out.path().join("a</script><b id=\"bad\">"));
    sweep(&one);
    let (page, picture) = (one.join("report.html"), one.join("sweep.svg"));
    let first = fs::read_to_string(&page).unwrap();
    fs::remove_file(&page).unwrap();
    let told = ohlcv(&["report", one.to_str().unwrap()]);
    assert_eq!(String::from_utf8(told.stdout).unwrap(), format!("{}\n", page.display()));
    assert_eq!(fs::read_to_string(&page).unwrap(), first);
    assert!(!first.contains("http:") && !first.contains("https:") && !first.contains("url("), "it names an address");
    assert_eq!(island(&first)["cells"].as_array().unwrap().len(), CELLS);
    for words in ["max &lt;= 1h", "sweep --batch 1,64 --linger 0s,1ms", "batch=64 linger=1ms", "in the first 100 ms"] {
        assert!(first.contains(words), "{words}");
    }
    let picture = fs::read_to_string(picture).unwrap();
    assert_eq!(picture.matches("<circle").count(), CELLS);

    // Side by side, from anywhere, whatever the folders are called.
    fs::create_dir_all(&other).unwrap();
    for file in fs::read_dir(&one).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), other.join(file.file_name())).unwrap();
    }
    let both = out.path().join("both");
    ohlcv(&["report", one.to_str().unwrap(), other.to_str().unwrap(), "--out", both.to_str().unwrap()]);
    let page = fs::read_to_string(both.join("report.html")).unwrap();
    assert_eq!(island(&page)["cells"].as_array().unwrap().len(), 2 * CELLS);
    assert!(page.contains("A: batch=1 linger=0s") && page.contains("B: batch=1 linger=0s") && !page.contains("<b id="));
    open(&both.join("report.html"));

    let refused = Command::new(env!("CARGO_BIN_EXE_ohlcv")).args(["report", "/nowhere"]).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text.contains("reading /nowhere/sweep.json"), "{text}");
}

#[test]
fn a_browser_draws_every_chart_without_complaint() {
    let out = tempfile::tempdir().unwrap();
    sweep(out.path());
    open(&out.path().join("report.html"));
}

/// A browser that can do without a screen, if one is installed.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let runs = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    names.into_iter().find(runs)
}

/// Opens a page in a browser, and fails if it complains, if anything was asked for, or if a chart stays empty.
fn open(page: &Path) {
    let Some(browser) = browser() else {
        // Straight to standard error: what is printed by a test that passes is not shown.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no browser is installed, so no report was opened in one");
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let [dom, log] = ["dom", "log"].map(|name| work.path().join(name));
    let quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update", "--disable-sync"];
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--enable-logging=stderr", "--disable-background-networking"])
        .args(quiet)
        .arg(format!("--user-data-dir={}", work.path().join("profile").display()))
        .args(["--window-size=1200,1000", "--dump-dom"])
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(fs::File::create(&dom).unwrap())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("{browser} does not end: {}", fs::read_to_string(&log).unwrap());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let (dom, log) = (fs::read_to_string(dom).unwrap(), fs::read_to_string(log).unwrap());
    let said: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(said.is_empty(), "{said:?}");
    let attribute = |text: &str, name: &str| -> Option<String> {
        let (_, value) = text.split_once(&format!("{name}=\""))?;
        Some(value.split_once('"')?.0.to_owned())
    };
    assert_eq!(attribute(&dom, "data-drawn").as_deref(), Some("true"), "{log}");
    assert_eq!(attribute(&dom, "data-requests").as_deref(), Some("0"));
    let charts: Vec<&str> = dom.split("<canvas ").skip(1).collect();
    assert_eq!(charts.len(), 10);
    for chart in charts {
        let (name, words) = (attribute(chart, "id").unwrap(), attribute(chart, "aria-label").unwrap());
        let marks: usize = attribute(chart, "data-marks").unwrap().parse().unwrap();
        // Whether batches come in several sizes, which a law needs, is up to the machine.
        let lawless = ["Batches are all of a size", "The theory says nothing"].iter().any(|it| words.starts_with(it));
        let expected = if lawless { 0 } else { CELLS };
        assert!(marks >= expected && words.len() > 40, "{name}: {marks} marks, {words}");
    }
}
