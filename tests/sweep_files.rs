//! What `ohlcv sweep`, `capacity` and `report` leave in a folder when they do not come to their end. What this can catch:
//! results that are lost to a full disk, to Ctrl-C or to another sweep, or that are mixed with those of an earlier one.
//! What it cannot: a disk that fills up while files are given their names.

mod program;

use std::fs;
use std::io::{BufRead as _, BufReader};

use program::{Folder, Running, ohlcv, run};

const SMALL: [&str; 8] = ["--rate", "5k/s", "--for", "100ms", "--warmup", "20ms", "--set", "market.symbols=20"];

/// Makes a file that is to be written one for which the disk has no room.
fn full(folder: &Folder, part: &str) {
    std::os::unix::fs::symlink("/dev/full", folder.path().join(part)).unwrap();
}

/// The files of a folder, with what is in them.
fn files(folder: &Folder) -> Vec<(String, String)> {
    let file = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap_or_default())
    };
    let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| file(entry.unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_sweep_on_a_full_disk_leaves_what_an_earlier_one_left() {
    let (folder, out) = (Folder::new(), |folder: &Folder| folder.path().to_str().unwrap().to_owned());
    let sweep = [&["sweep", "--batch", "1,64", "--repeat", "1"], &SMALL[..]].concat();
    let done = run(&[&sweep[..], &["--out", &out(&folder)]].concat()).exits(0);
    assert!(done.stderr.contains("the report is "), "{}", done.stderr);
    let names: Vec<String> = files(&folder).into_iter().map(|(name, _)| name).collect();
    let expected = [
        "cell-1.hgrm",
        "cell-1.hlog",
        "cell-2.hgrm",
        "cell-2.hlog",
        "closes.csv",
        "percentiles.csv",
        "report.html",
        "sweep.csv",
        "sweep.json",
        "sweep.svg",
        "timeline.csv",
    ];
    assert_eq!(names, expected);
    let before = files(&folder);
    for part in ["percentiles.csv.part", "cell-2.hlog.part", "sweep.json.part"] {
        full(&folder, part);
        let done = run(&[&sweep[..], &["--out", &out(&folder)]].concat()).exits(1).says(&["writing ", "No space left"]);
        assert!(done.stdout.starts_with("ohlcv sweep: 2 cells"), "{}", done.stdout);
        assert_eq!(files(&folder), before, "{part}");
    }
    full(&folder, "report.html.part");
    run(&["report", &out(&folder), "--out", &out(&folder)]).exits(1).says(&["report.html", "No space left"]);
    assert_eq!(files(&folder), before);
}

#[test]
fn a_capacity_that_cannot_be_written_is_told() {
    let folder = Folder::new();
    full(&folder, "capacity.json.part");
    let tape: String = (0..400).map(|i| format!("{},A,5,1\n", 1_000_000_000 + i * 1_000_000)).collect();
    let tape = folder.write("tape/tape.csv", format!("ts_event,symbol,price,size\n{tape}"));
    let args = ["capacity", "--input", &tape, "--batch", "1", "--rate", "3k/s", "--for", "100ms", "--warmup", "20ms"];
    let done = run(&[&args[..], &["--repeat", "1", "--out", folder.path().to_str().unwrap()]].concat()).exits(1);
    assert!(done.stdout.starts_with("ohlcv capacity: the highest rate"), "{}", done.stdout);
    assert!(!folder.path().join("capacity.csv").exists());
}

#[test]
fn one_sweep_at_a_time_writes_into_a_folder_and_ctrl_c_before_its_first_result_leaves_it_alone() {
    let folder = Folder::new();
    folder.write("sweep.json", "earlier");
    for command in ["sweep", "capacity"] {
        let args =
            [command, "--batch", "1,2", "--rate", "1k/s", "--for", "60s", "--out", folder.path().to_str().unwrap()];
        let mut first = ohlcv(&args).spawn().unwrap();
        let mut told = BufReader::new(first.stderr.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        assert!(line.contains(" left "), "{line}");
        let first = Running::follow(first);
        run(&args).exits(2).says(&["another run is under way there"]);
        first.signal("INT");
        let done = first.end().exits(130);
        assert!(!done.stdout.contains("tells no processor time"), "{}", done.stdout);
        let rest = std::io::read_to_string(told).unwrap();
        assert!(rest.contains("no run had ended, so nothing was written"), "{rest}");
        assert_eq!(files(&folder), [("sweep.json".to_owned(), "earlier".to_owned())]);
    }
}
