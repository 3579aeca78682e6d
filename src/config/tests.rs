//! What a user of the layers sees: precedence and origins here, the text of every mistake in `mistakes`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::error::Error;

mod mistakes;

const DEFAULTS: &str = r#"# The manual is here.
title = "ohlcv"

[source]
path = "data/*.csv"
limit = "off"
gaps = [1, 2]

[source.columns]   # any name
price = "p"

[batch]
max_ticks = 4096   # flush at so many
max_delay = "5ms"
policy = "either"
"#;

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Source {
    path: String,
    limit: Maybe<Count>,
    gaps: Vec<u16>,
    columns: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Batch {
    max_ticks: u32,
    max_delay: Span,
    policy: Policy,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Policy {
    Either,
    Ticks,
}

fn defaults() -> Layers {
    Layers::new("ohlcv.toml", DEFAULTS, &["source.columns"])
}

#[test]
fn windows_of_prints_are_numbered_where_they_are_the_default_too() {
    let is_numbered = |kind: &str| {
        let defaults = include_str!("../../pipelines/ohlcv.toml").replacen("\"tumbling\"", &format!("{kind:?}"), 1);
        let open = ["source.columns", "source.librdkafka", "output.librdkafka", "sweep.vary"];
        Config::read(&mut Layers::new("own.toml", defaults.leak(), &open)).unwrap().is_numbered
    };
    assert!(is_numbered("count") && !is_numbered("sliding"));
}

/// Lays files, given as name and content, over the defaults, has `more` done to them, and reads all of it.
/// The result and every text in it name the files without their directory.
fn run(files: &[(&str, &[u8])], more: impl FnOnce(&mut Layers)) -> Result<(Source, Batch, Effective), String> {
    let dir = tempfile::tempdir().unwrap();
    let mut layers = defaults();
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).unwrap();
        layers.file(&dir.path().join(name)).unwrap();
    }
    more(&mut layers);
    let _title: Option<String> = layers.section("title");
    let (source, batch) = (layers.section("source"), layers.section("batch"));
    match layers.finish() {
        Ok(effective) => Ok((source.unwrap(), batch.unwrap(), effective)),
        Err(Error::Config(text)) => Err(text.replace(&format!("{}/", dir.path().display()), "")),
        Err(other) => panic!("{other}"),
    }
}

fn wrong(file: &str) -> String {
    run(&[("my.toml", file.as_bytes())], |_| {}).unwrap_err()
}

fn variables<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Iterator<Item = (OsString, OsString)> + 'a {
    vars.iter().map(|(name, value)| (name.into(), value.into()))
}

#[test]
fn the_stronger_layer_wins_whatever_the_order_of_the_calls() {
    let dir = tempfile::tempdir().unwrap();
    let [weak, strong] = ["weak.toml", "strong.toml"].map(|name| dir.path().join(name));
    fs::write(&weak, "title = 'weak'\n[batch]\nmax_ticks = 1\nmax_delay = '1ms'\n[source]\npath = 'weak'\ngaps = []")
        .unwrap();
    fs::write(&strong, "[batch]\nmax_ticks = 2\nmax_delay = '2ms'\n[source]\npath = 'strong'").unwrap();
    let mut layers = defaults();
    layers.flag("--limit", "source.limit", 7);
    layers.set("batch.max_delay=3ms");
    layers.set("batch.max_delay=4ms");
    layers.set("source.limit=off");
    let vars = [("TAPEFLOW__BATCH__MAX_DELAY", "9s"), ("tapeflow__source__path", "2014-03-03")];
    layers.environment(variables(&vars));
    layers.file(&weak).unwrap();
    layers.file(&strong).unwrap();
    let batch = Batch { max_ticks: 2, max_delay: "4ms".parse().unwrap(), policy: Policy::Either };
    assert_eq!(layers.section("batch"), Some(batch));
    assert_eq!(layers.section("title"), Some("weak".to_owned()));
    let source: Source = layers.section("source").unwrap();
    assert_eq!((source.path.as_str(), source.limit, source.gaps), ("2014-03-03", Maybe(Some(Count(7))), Vec::new()));
    let effective = layers.finish().unwrap();
    let origin = |key| effective.origin(key).unwrap().to_string().replace(&format!("{}/", dir.path().display()), "");
    assert_eq!(origin("title"), "weak.toml:1");
    assert_eq!(origin("batch.max_ticks"), "strong.toml:2");
    assert_eq!(origin("batch.max_delay"), "--set");
    assert_eq!(origin("batch.policy"), "default");
    assert_eq!(origin("source.path"), "environment tapeflow__source__path");
    assert_eq!(origin("source.limit"), "--limit");
    assert_eq!(effective.origin("batch.max"), None);
}

#[test]
fn a_bad_value_gives_way_to_the_next_weaker_one() {
    let mut layers = defaults();
    layers.set("batch.max_ticks=many");
    layers.set("source.gaps=[1]");
    layers.flag("--ticks", "batch.max_ticks", -1);
    assert_eq!(layers.section::<Batch>("batch").map(|batch| batch.max_ticks), Some(4096));
    assert_eq!(layers.section::<Source>("source").map(|source| source.gaps), Some(vec![1]));
    assert!(layers.finish().unwrap_err().to_string().ends_with("2 problems in the configuration; nothing was started"));
}

#[test]
fn defaults_that_do_not_fit_their_struct_are_a_problem_and_no_panic() {
    let mut layers = Layers::new("broken.toml", "[batch]\nmax_ticks = true\nmax_delay = ", &["open"]);
    assert_eq!(layers.section::<Batch>("batch"), None);
    assert_eq!(layers.section::<BTreeMap<String, u8>>("open"), Some(BTreeMap::new()));
    assert_eq!(layers.section::<Source>("source"), None);
    let text = layers.finish().unwrap_err().to_string();
    assert!(text.contains("the defaults name no `source`") && text.contains("expected a whole number"), "{text}");
}

#[test]
fn what_holds_is_shown_with_its_origins_and_reads_back_the_same() {
    let file =
        "[batch]\nmax_ticks = 0x10\n[source.columns]\nsize = 'sz'\n'a b' = 'x\"\\'\n[source]\ngaps = [\n  7,\n]\n";
    let (source, batch, effective) =
        run(&[("my.toml", file.as_bytes())], |layers| layers.set("source.path=a\nb")).unwrap();
    let text = effective.to_toml_with_origins();
    let dir = text.split_once("# /").and_then(|(_, rest)| rest.split_once("my.toml")).unwrap().0.to_owned();
    let shown = r#"title = "ohlcv"    # default

[source]
path = "a\u000Ab"  # --set
limit = "off"      # default
gaps = [7]         # my.toml:7

[source.columns]
price = "p"        # default
"a b" = "x\"\\"    # my.toml:5
size = "sz"        # my.toml:4

[batch]
max_ticks = 16     # my.toml:2
max_delay = "5ms"  # default
policy = "either"  # default
"#;
    assert_eq!(text.replace(&format!("/{dir}"), ""), shown);
    let again = run(&[("again.toml", text.as_bytes())], |_| {}).unwrap();
    assert_eq!((again.0, again.1), (source, batch));
    assert_eq!(again.2.to_json(), effective.to_json());
    assert_eq!(effective.to_json()["source"]["columns"]["a b"], "x\"\\");
}

#[test]
fn an_open_table_takes_any_key_and_still_checks_values() {
    let file = "[source.columns]\nwhatever = 'w'\nprice = { a = 1 }\nnested = { a = 1 }\n[source.column]\nx = 1\n";
    let text = wrong(file);
    assert!(text.contains("bad value for `source.columns.\"nested.a\"`"), "{text}");
    assert!(text.contains("bad value for `source.columns.price`"), "{text}");
    assert!(text.contains("unknown table `source.column`"), "{text}");
    assert!(text.ends_with("3 problems in the configuration; nothing was started"), "{text}");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>, text: String, name: String) {
        let _ = run(&[("any.toml", &bytes), ("text.toml", text.as_bytes())], |layers| {
            layers.set(&text);
            layers.set(&format!("batch.max_ticks={text}"));
            layers.problem(&name, &text, &name);
            layers.environment(variables(&[(&format!("TAPEFLOW__{name}"), &text)]));
        });
    }

    #[test]
    fn random_words_of_toml_never_panic_and_what_holds_reads_back(
        words in prop::collection::vec(prop::sample::select(vec![
            "[", "]", "[[", "]]", "{", "}", "=", ",", ".", "\n", "\n", "\r\n", "#", "\"", "'", "\"\"\"", "é", "\u{feff}",
            "batch", "max_ticks", "[source]\n", "columns", "[source.columns]\n", "x = \"a\"\n", "gaps = [1,\n2]\n",
            "5", "-1", "1e9", "2014-03-03", "nan", "off", "\"off\"", "limit", "title = \"t\"\n", "\t", "\\u0000", "{a = 1}",
        ]), 0..24),
    ) {
        let text = words.concat();
        if let Ok((source, batch, effective)) = run(&[("words.toml", text.as_bytes())], |layers| layers.set("title=x")) {
            let shown = effective.to_toml_with_origins();
            let again = run(&[("again.toml", shown.as_bytes())], |_| {}).unwrap();
            prop_assert_eq!((again.0, again.1, again.2.to_json()), (source, batch, effective.to_json()));
        }
    }
}
