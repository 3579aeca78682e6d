//! A module uses only modules that `src/lib.rs` declares above it, and librdkafka is known at two edges alone.

use std::fs;
use std::path::{Path, PathBuf};

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn two_files_know_librdkafka() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&src, &mut found);
    found.retain(|path| fs::read_to_string(path).unwrap().contains("rdkafka::"));
    found.sort();
    assert_eq!(found, ["sink/kafka.rs", "source/kafka/client.rs"].map(|path| src.join(path)));
}

#[test]
fn modules_use_only_what_is_declared_above_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let modules: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(modules.len() > 10, "the modules are not found in lib.rs");
    let mut found = Vec::new();
    files(&src, &mut found);
    for path in found {
        let relative = path.strip_prefix(&src).unwrap();
        let room = relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        let Some(level) = modules.iter().position(|module| *module == room) else { continue };
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            for used in line.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                let above = modules.iter().position(|module| *module == used).is_none_or(|used| used <= level);
                assert!(above, "{}:{}: {room} uses {used}, which lib.rs declares below it", path.display(), number + 1);
            }
        }
    }
}
