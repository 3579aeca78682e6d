use std::collections::BTreeMap;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

type Tree = BTreeMap<PathBuf, Vec<u8>>;

fn read_tree(dir: &Path) -> Tree {
    let mut tree = Tree::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => tree.extend(read_tree(&path)),
            false => _ = tree.insert(path.clone(), fs::read(&path).unwrap()),
        }
    }
    tree
}

/// The files of a course of so many days, by their paths below its folder.
fn generate(days: usize, seed: u64, threads: usize) -> Tree {
    let out = tempfile::tempdir().unwrap();
    let threads = NonZeroUsize::new(threads).unwrap();
    let course = Course::new(out.path(), days as f64 / DAYS, seed, threads).unwrap();
    let calls = AtomicUsize::new(0);
    let written = course.write(&|| _ = calls.fetch_add(1, Ordering::Relaxed)).unwrap();

    let tree = read_tree(out.path());
    assert_eq!(written.minute_files, (days * SYMBOLS.len()) as u64);
    assert_eq!(written.minute_files, course.minute_files());
    assert_eq!(written.minute_files, calls.into_inner() as u64);
    assert_eq!(written.json_files, SYMBOLS.len() as u64);
    assert_eq!(written.minute_files + written.json_files, tree.len() as u64);
    assert_eq!(written.bytes, tree.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    tree.into_iter().map(|(path, bytes)| (path.strip_prefix(out.path()).unwrap().into(), bytes)).collect()
}

/// The rows of a CSV file, without its header.
fn rows(csv: &[u8]) -> Vec<Vec<&str>> {
    let lines = std::str::from_utf8(csv.strip_prefix(HEADER).unwrap()).unwrap().lines();
    lines.map(|line| line.split(',').collect()).collect()
}

#[test]
fn bytes_depend_on_the_seed_and_on_nothing_else() {
    let one = generate(2, 42, 1);
    assert!(one == generate(2, 42, 1));
    assert!(one == generate(2, 42, 2));
    assert!(one == generate(2, 42, 3));

    let other = generate(2, 43, 2);
    assert!(one.keys().eq(other.keys()));
    assert!(one.iter().all(|(path, bytes)| *bytes != other[path]));
}

#[test]
fn bytes_are_the_same_on_every_machine() {
    let tree = generate(1, 42, 2);
    let first = &tree[Path::new("minute/ibm/2010-01-04T00:00:00.csv")];
    assert!(first.starts_with(b"timestamp,open,close,high,low\n2010-01-04 09:30:00,131.032,131.027,131.17,130.948\n"));
    assert_eq!(stable_hash(&tree.into_values().collect::<Vec<_>>().concat()), 10_293_309_467_132_120_083);
}

#[test]
fn a_smaller_scale_is_the_beginning_of_a_larger_one() {
    let (small, large) = (generate(2, 7, 2), generate(6, 7, 2));
    for (path, bytes) in small {
        assert!(large[&path].starts_with(&bytes), "{}", path.display());
    }
    let days = large.keys().filter_map(|path| path.strip_prefix("minute/ge").ok()).map(|day| day.to_str().unwrap());
    let days: Vec<_> = days.map(|day| day.strip_suffix("T00:00:00.csv").unwrap()).collect();
    assert_eq!(days, ["2010-01-04", "2010-01-05", "2010-01-06", "2010-01-07", "2010-01-08", "2010-01-11"]);
}

#[test]
fn both_trees_hold_the_same_rows() {
    let tree = generate(3, 1, 2);
    for (symbol, _) in SYMBOLS {
        let mut expected = String::new();
        for (_, csv) in tree.iter().filter(|(path, _)| path.starts_with(Path::new("minute").join(symbol))) {
            for row in rows(csv) {
                let [timestamp, open, close, high, low] = row[..] else { panic!("{row:?}") };
                expected += &format!(
                    "{{\"timestamp\": \"{timestamp}\", \"open\": {open}, \"close\": {close}, \
                     \"high\": {high}, \"low\": {low}}}\n"
                );
            }
        }
        let json = std::str::from_utf8(&tree[&Path::new("json").join(format!("{symbol}.json"))]).unwrap();
        assert!(json == expected, "{symbol}");
        json.lines().for_each(|line| _ = serde_json::from_str::<serde_json::Value>(line).unwrap());
    }
}

#[test]
fn bars_are_chained_and_in_order_through_the_session() {
    let tree = generate(3, 5, 2);
    for csv in tree.iter().filter(|(path, _)| path.starts_with("minute")).map(|(_, csv)| csv) {
        let rows = rows(csv);
        assert_eq!(rows.len(), 390);
        assert!(rows[0][0].ends_with(" 09:30:00") && rows[389][0].ends_with(" 15:59:00"));
        assert!(rows.is_sorted_by(|a, b| a[0] < b[0] && a[2] == b[1]));
        for row in &rows {
            let [open, close, high, low] = [1, 2, 3, 4].map(|column| row[column].parse::<f64>().unwrap());
            assert!(0.0 < low && low <= open.min(close) && open.max(close) <= high, "{row:?}");
        }
    }
}

#[test]
fn prices_are_printed_as_pandas_prints_them() {
    for (price, text) in [(30_100, "30.1"), (30_000, "30.0"), (205_953, "205.953"), (1_020, "1.02"), (9_005, "9.005")] {
        let mut out = Vec::new();
        push_price(&mut out, price);
        assert_eq!(out, text.as_bytes());
    }
}

#[test]
fn a_scale_out_of_range_is_a_usage_error() {
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 101.0, 1e300] {
        let error = Course::new("out", scale, 42, NonZeroUsize::MIN).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains("--scale"), "{error}");
    }
    for (scale, files) in [(1.0, 16_800), (0.5, 8_400), (1e-9, 21), (100.0, 1_680_000)] {
        assert_eq!(Course::new("out", scale, 42, NonZeroUsize::MIN).unwrap().minute_files(), files);
    }
}

#[test]
fn a_tree_that_is_there_is_refused_and_left_alone() {
    let out = tempfile::tempdir().unwrap();
    let course = Course::new(out.path(), 0.001, 42, NonZeroUsize::MIN).unwrap();
    fs::create_dir_all(course.minute_dir()).unwrap();
    fs::create_dir_all(course.json_dir()).unwrap();
    let mine = course.json_dir().join("mine");
    fs::write(&mine, "mine").unwrap();

    let error = course.write(&|| ()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().starts_with(course.json_dir().to_str().unwrap()), "{error}");
    assert!(read_tree(out.path()).keys().eq([&mine]));

    fs::remove_file(mine).unwrap();
    course.write(&|| ()).unwrap();
}

#[test]
fn a_disk_error_names_the_path() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Course::new(&file, 0.001, 42, NonZeroUsize::MIN).unwrap().write(&|| ()).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
}
