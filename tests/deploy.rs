//! What is deployed is what there is: every file of `compose.yaml` and `deploy/` parses, its command lines are those of
//! the programs, its settings are right, and the batch scripts run, with an `srun` that only runs what it is given.
//! What this cannot show is whether Docker, Kubernetes and Slurm take them.

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::{Done, Folder, Running, at};
use saphyr::{LoadableYamlNode as _, Yaml};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The programs that the package has.
fn programs() -> Vec<String> {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let names = manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap().to_owned());
    names.collect()
}

/// The folder that holds them.
fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_ohlcv")).parent().unwrap().to_owned()
}

fn run(program: &str, args: &[&str]) -> Done {
    Running::start(&mut at(built().join(program).to_str().unwrap(), args)).end()
}

/// All commands in a file, each as its words.
fn commands(yaml: &Yaml<'_>, found: &mut Vec<Vec<String>>) {
    if let Some(items) = yaml.as_sequence() {
        items.iter().for_each(|item| commands(item, found));
    }
    for (key, value) in yaml.as_mapping().into_iter().flatten() {
        match (key.as_str(), value.as_str(), value.as_sequence()) {
            (Some("command"), Some(line), _) => {
                let line = line.strip_prefix("sh -c ").map_or(line, |line| line.trim_matches('"'));
                let words = |part: &str| part.split_whitespace().map(str::to_owned).collect();
                let parts = line.split(" && ").flat_map(|part| part.split(" || "));
                // Whether there is a tape already is for the shell to say.
                found.extend(parts.filter(|part| *part != "test -d tape").map(words));
            }
            (Some("command"), _, Some(words)) => {
                found.push(words.iter().map(|word| word.as_str().unwrap().to_owned()).collect());
            }
            _ => commands(value, found),
        }
    }
}

/// What a program says of a command line, without doing what it says.
fn parsed(words: &[String]) -> Done {
    let program = words[0].as_str();
    assert!(programs().iter().any(|known| known == program), "{program} is no program of ours: {words:?}");
    let mut args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    args.push(if program == "replay" { "--help" } else { "check" });
    run(program, &args)
}

#[test]
fn every_command_of_compose_and_kubernetes_is_one_of_the_programs() {
    let folder = Folder::new();
    let mut found = Vec::new();
    let mut settings = 0;
    for path in [
        "compose.yaml",
        "deploy/kubernetes/config.yaml",
        "deploy/kubernetes/ohlcv.yaml",
        "deploy/kubernetes/replay.yaml",
    ] {
        let text = read(path);
        for yaml in Yaml::load_from_str(&text).unwrap() {
            commands(&yaml, &mut found);
            if yaml.as_mapping_get("kind").and_then(Yaml::as_str) != Some("ConfigMap") {
                continue;
            }
            for (name, text) in yaml.as_mapping_get("data").and_then(Yaml::as_mapping).unwrap() {
                folder.write(name.as_str().unwrap(), text.as_str().unwrap());
                settings += 1;
            }
        }
    }
    assert_eq!((found.len(), settings), (6, 1), "{found:?}");
    for words in found {
        let mounted = |word: &String| word.replace("/etc/tapeflow", folder.path().to_str().unwrap());
        parsed(&words.iter().map(mounted).collect::<Vec<_>>()).exits(0);
    }
    let wrong = ["replay", "play", "tape", "--sped", "600x"].map(str::to_owned);
    parsed(&wrong).exits(2).says(&["--sped"]);
}

#[test]
fn the_image_has_all_programs() {
    let text = read("deploy/Dockerfile");
    let copied = text.lines().filter_map(|line| line.trim().strip_prefix("/tapeflow/target/release/"));
    let mut copied: Vec<&str> = copied.map(|line| line.trim_end_matches([' ', '\\'])).collect();
    let mut programs = programs();
    copied.sort();
    programs.sort();
    assert_eq!(copied, programs);
}

#[test]
fn the_batch_scripts_run() {
    let folder = Folder::new();
    let srun = folder.write("bin/srun", "#!/bin/sh\nexec \"$@\"\n");
    fs::set_permissions(srun, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}:{}", folder.arg("bin"), built().display(), std::env::var("PATH").unwrap());
    let small = ["--symbols", "2", "--days", "2", "--trades-per-day", "20", "--quotes-per-trade", "0"];
    let tape = folder.arg("tape");
    run("replay", &[&["generate", "--out", &tape], &small[..]].concat()).exits(0);
    let script = |name: &str, args: &[&str]| {
        let mut command = Command::new("bash");
        let script = root().join("deploy/slurm").join(name);
        command.arg(script).args(args).current_dir(folder.path()).env("PATH", &path);
        command.env("SLURM_CPUS_PER_TASK", "2").env("SLURM_JOB_ID", "7").env("SLURM_ARRAY_TASK_ID", "1");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        Running::start(&mut command).end()
    };
    let rows = |out: &str| fs::read_to_string(folder.path().join(out)).unwrap().lines().count();
    script("bars.sbatch", &[&tape, "all"]).exits(0);
    script("days.sbatch", &[&tape, "days"]).exits(0);
    assert!(rows("days/2026-01-06/bars.csv") > 10 && rows("all/bars.csv") > rows("days/2026-01-06/bars.csv"));
    assert!(!folder.path().join("days/2026-01-05").exists());
    let help = script("sweep.sbatch", &["--rate", "500k/s", "--goal", "p99 <= 2ms", "--help"]).exits(0);
    assert!(help.stdout.contains("sweep"), "{}", help.stdout);
    script("bars.sbatch", &[]).exits(1).says(&["the tape: a file"]);
    assert_eq!(fs::read_dir(root().join("deploy/slurm")).unwrap().count(), 3);
}
