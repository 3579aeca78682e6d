//! The pages for people are true: the code of `docs/write-a-pipeline.md` is that of the example, which runs and is
//! verified; the commands of `docs/course.md` print what it says; and the manuals of all pipelines say the same about
//! what all pipelines share.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Folder, Running, at};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The code blocks of a page in one language, one after the other with an empty line between them.
fn blocks(page: &str, language: &str) -> String {
    let fence = format!("```{language}\n");
    let blocks: Vec<&str> = page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    blocks.join("\n")
}

/// An example's program, which `cargo test` builds beside the tests.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(
        path.is_file(),
        "{} is not built: `cargo test` builds it, `cargo test --test docs` alone does not",
        path.display()
    );
    path
}

#[test]
fn the_page_about_writing_a_pipeline_is_the_example() {
    let page = read("docs/write-a-pipeline.md");
    assert_eq!(blocks(&page, "rust"), read("examples/ranges.rs"));
    assert_eq!(blocks(&page, "toml"), read("examples/ranges.toml"));
}

#[test]
fn the_example_runs_and_is_verified() {
    let run = |args: &[&str]| Running::start(&mut at(example("ranges").to_str().unwrap(), args)).end();
    let market = ["--set", "market.length=2s", "--set", "market.rate=20k/s", "--window", "100ms", "--speed", "max"];
    let verified = run(&[&["verify"], &market[..]].concat()).exits(0).stdout;
    assert!(verified.starts_with("equal: ") && verified.contains(" ranges, digest "), "{verified}");
    let sliding = ["--set", "window.kind=sliding", "--set", "window.slide=50ms"];
    let verified = run(&[&["verify"], &market[..], &sliding].concat()).exits(0).stdout;
    assert!(verified.starts_with("equal: "), "{verified}");
    let folder = Folder::new();
    let tape = "ts_event,symbol,price,size\n1000000000,A,3,1\n1500000000,A,1.5,1\n2000000000,A,9,1\n";
    let input = folder.write("tape.csv", tape);
    let rows = run(&["--input", &input]).exits(0).stdout;
    assert_eq!(rows, "symbol,ts_open,ts_close,low,high,range,trades\nA,1000000000,2000000000,1.5,3,1.5,2\n");
    let all = run(&["--input", &input, "--set", "ranges.min_trades=1"]).exits(0).stdout;
    assert_eq!(all.lines().count(), 3);
}

/// A text with a `#` for each word that begins with a digit, and without the units that stand alone.
fn without_figures(text: &str) -> String {
    let line = |line: &str| {
        let words = line.split_whitespace().filter(|word| !["ns", "us", "ms", "s", "min"].contains(word));
        let masked = words.map(|word| if word.starts_with(|c: char| c.is_ascii_digit()) { "#" } else { word });
        masked.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Blocks that begin with "```console" are run, line by line in one folder: what they print is what stands there; of
/// "console timed" all but the figures, and of "console python", where there is such a thing, all but the times; those of
/// "console apart" take too long, or say much about the machine.
#[test]
fn the_commands_of_the_course_print_what_it_says() {
    let (page, checkout) = (read("docs/course.md"), Folder::new());
    let folder = checkout.path().join("course");
    fs::create_dir(&folder).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::os::unix::fs::symlink(docs, checkout.path().join("docs")).unwrap();
    let has_python = Command::new("python3").arg("--version").output().is_ok_and(|it| it.status.success());
    let programs = Path::new(env!("CARGO_BIN_EXE_ohlcv")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut run = 0;
    for block in page.split("```console").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        let shown = rest.split("```").next().unwrap();
        if kind == " apart" || (kind == " python" && !has_python) {
            continue;
        }
        let mut printed = String::new();
        for command in shown.lines().filter_map(|line| line.strip_prefix("$ ")) {
            let mut bash = at("bash", &["-c", &format!("exec 2>&1; {command}")]);
            bash.current_dir(&folder).env("PATH", &path).env_remove("CARGO");
            printed += &format!("$ {command}\n{}", Running::start(&mut bash).end().stdout);
            run += 1;
        }
        match kind {
            "" => assert_eq!(printed, shown),
            " timed" | " python" => assert_eq!(without_figures(&printed), without_figures(shown)),
            other => panic!("{other}: no kind of block"),
        }
    }
    assert!(run > 15, "{run}");
}

#[test]
fn all_manuals_say_the_same_about_what_all_pipelines_share() {
    let sections = |text: &str| -> Vec<(String, String)> {
        let parts = text.split("\n[").skip(1).map(|part| part.split_once(']').unwrap());
        parts.map(|(name, body)| (name.to_owned(), body.trim_end().to_owned())).collect()
    };
    let ohlcv = read("pipelines/ohlcv.toml");
    let own = |name: &str| ["window", "session"].contains(&name);
    let shared: Vec<(String, String)> = sections(&ohlcv).into_iter().filter(|(name, _)| !own(name)).collect();
    assert!(shared.len() > 6);
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let theirs = sections(&fs::read_to_string(&path).unwrap());
        for (section, body) in &shared {
            let found = theirs.iter().find(|(name, _)| name == section).map(|(_, body)| body.as_str());
            // Examples in comments name the pipeline.
            let body = body.replace("`ohlcv ", &format!("`{name} "));
            assert_eq!(found, Some(body.as_str()), "[{section}] of {name}.toml is not that of ohlcv.toml");
        }
    }
}
