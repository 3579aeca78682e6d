//! The exact text of mistakes, wherever they are made.

use super::*;

#[test]
fn a_secret_is_not_shown_in_what_is_wrong_with_it() {
    let layers = |text: &str| {
        let mut layers = Layers::new("a.toml", "[source.librdkafka]\n", &["source.librdkafka"]);
        layers.earlier("my.toml".as_ref(), text.to_owned());
        layers.finish().unwrap_err().to_string()
    };
    for line in ["sasl.password = geheim", "sasl.password = 1_geheim", "\"ssl.key.pem\" = [\"geheim\""] {
        let said = layers(&format!("[source.librdkafka]\n{line}\n"));
        assert!(said.contains("= ***") && !said.contains("geheim"), "{said}");
    }
}

#[test]
fn every_mistake_of_a_file_is_shown_at_once() {
    let file = r#"titel = "x"
[source]
columns.anything = "is fine"
gaps = [1, "two"]
limit = "lots"
[batch]
max_tick = 4096
max_delay = "5 parsecs"   # far
policy = "eithr"
max_ticks = 5000000000
[bach]
max_ticks = 1
"#;
    let shown = r#"error: unknown key `titel`
 --> my.toml:1:1
  |
1 | titel = "x"
  | ^^^^^ not a setting
  |
  = help: did you mean `title`? at the top level: [batch], [source], title

error: bad value for `source.gaps`
 --> my.toml:4:12
  |
4 | gaps = [1, "two"]
  |            ^^^^^ expected a whole number from 0 to 65535

error: bad value for `source.limit`
 --> my.toml:5:9
  |
5 | limit = "lots"
  |         ^^^^^^ `lots` is not a whole number; write e.g. 4096, "200k", "1M", or "off"

error: unknown key `batch.max_tick`
 --> my.toml:7:1
  |
7 | max_tick = 4096
  | ^^^^^^^^ not a setting
  |
  = help: did you mean `max_ticks`? keys of [batch]: max_delay, max_ticks, policy

error: bad value for `batch.max_delay`
 --> my.toml:8:13
  |
8 | max_delay = "5 parsecs"   # far
  |             ^^^^^^^^^^^ `5 parsecs` is not a duration; write e.g. "500us", "5ms", "2s"

error: bad value for `batch.policy`
 --> my.toml:9:10
  |
9 | policy = "eithr"
  |          ^^^^^^^ `eithr` is not one of `either`, `ticks`
  |
  = help: did you mean `either`?

error: bad value for `batch.max_ticks`
  --> my.toml:10:13
   |
10 | max_ticks = 5000000000
   |             ^^^^^^^^^^ expected a whole number from 0 to 4294967295

error: unknown table `bach`
  --> my.toml:11:2
   |
11 | [bach]
   |  ^^^^ not a table here
   |
   = help: did you mean `batch`? at the top level: [batch], [source], title

8 problems in the configuration; nothing was started"#;
    assert_eq!(wrong(file), shown);
}

#[test]
fn lines_that_are_not_toml_do_not_hide_the_others() {
    let file = "[batch]\nmax_delay = 5ms\npolicy =\nmax_tick = 5\n[source\n[title]\nsource = 5\n[[source]]\npath = 1\n";
    let shown = r#"error: this is not TOML
 --> my.toml:2:13
  |
2 | max_delay = 5ms
  |             ^^^ text needs quotes: "5ms"

error: this is not TOML
 --> my.toml:3:9
  |
3 | policy =
  |         ^ a value is missing

error: unknown key `batch.max_tick`
 --> my.toml:4:1
  |
4 | max_tick = 5
  | ^^^^^^^^ not a setting
  |
  = help: did you mean `max_ticks`? keys of [batch]: max_delay, max_ticks, policy

error: this is not TOML
 --> my.toml:5:8
  |
5 | [source
  |        ^ unclosed table, expected `]`

error: `title` is a setting, not a table
 --> my.toml:6:2
  |
6 | [title]
  |  ^^^^^ expected a value, found a table

error: `source` is a table, not a setting
 --> my.toml:8:1
  |
8 | [[source]]
  | ^^^^^^^^^^ expected a table, found a value
  |
  = help: keys of [source]: columns, gaps, limit, path

6 problems in the configuration; nothing was started"#;
    assert_eq!(wrong(file), shown);
    let tape = wrong(&"symbol,price\n".repeat(50));
    assert!(tape.ends_with(
        "40 more lines are not TOML; is it the right file?\n\n10 problems in the configuration; nothing was started"
    ));
}

#[test]
fn files_that_cannot_be_meant_are_refused() {
    let long = vec![b'#'; 1 << 20];
    let files: [(&str, &[u8]); 5] =
        [("a.toml", b"title = \"\xff\""), ("b.toml", b" \n"), ("c.toml", b"# nothing"), ("c.toml", b"#"), ("d", &long)];
    let shown = "error: `a.toml` is not UTF-8 text
 --> a.toml:1:10
  |
1 | title = \"\u{fffd}\"
  |          ^

error: `b.toml` is empty
--> b.toml

error: `c.toml` is given twice
--> c.toml

error: `d` is longer than any configuration; is it the right file?
--> d

4 problems in the configuration; nothing was started";
    assert_eq!(run(&files, |_| {}).unwrap_err(), shown);
    let missing = defaults().file("no/such.toml".as_ref()).unwrap_err().to_string();
    assert!(missing.starts_with("reading the configuration no/such.toml: "), "{missing}");
    assert!(matches!(defaults().file(std::env::temp_dir().as_path()), Err(Error::Io { .. })));
}

#[test]
fn mistakes_in_the_environment_are_shown() {
    let vars = [
        ("HOME", "/"),
        ("TAPEFLOW_LOG", "debug"),
        ("TAPEFLOW__BATCH__MAX_TICKS", "lots"),
        ("TAPEFLOW__BATCH____MAX", "1"),
        ("TAPEFLOW__BATHC__X", "1"),
        ("TAPEFLOW_BATCH__MAX_DELAY", "1ms"),
        ("TAPEFLOW_BATCH_MAX_TICKS", "64"),
        ("TAPEFLOW_BATCH_SIZE", "64"),
    ];
    let shown = r#"error: the environment variable `TAPEFLOW_BATCH_MAX_TICKS` names no setting
 --> environment:1:1
  |
1 | TAPEFLOW_BATCH_MAX_TICKS
  | ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write e.g. TAPEFLOW__BATCH__MAX_TICKS=64 for batch.max_ticks

error: the environment variable `TAPEFLOW_BATCH__MAX_DELAY` names no setting
 --> environment:1:1
  |
1 | TAPEFLOW_BATCH__MAX_DELAY
  | ^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write e.g. TAPEFLOW__BATCH__MAX_TICKS=64 for batch.max_ticks

error: bad value for `batch.max_ticks`
 --> environment TAPEFLOW__BATCH__MAX_TICKS:1:19
  |
1 | batch.max_ticks = "lots"
  |                   ^^^^^^ expected a whole number from 0 to 4294967295

error: the environment variable `TAPEFLOW__BATCH____MAX` names no setting
 --> environment:1:1
  |
1 | TAPEFLOW__BATCH____MAX
  | ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write e.g. TAPEFLOW__BATCH__MAX_TICKS=64 for batch.max_ticks

error: unknown table `bathc`
 --> environment TAPEFLOW__BATHC__X:1:1
  |
1 | bathc.x = 1
  | ^^^^^ not a table here
  |
  = help: did you mean `batch`? at the top level: [batch], [source], title

5 problems in the configuration; nothing was started"#;
    assert_eq!(run(&[], |layers| layers.environment(variables(&vars))).unwrap_err(), shown);
}

#[test]
fn mistakes_on_the_command_line_are_shown() {
    let shown = r#"error: `--set batch.max_ticks` is not KEY=VALUE
 --> command line --set:1:1
  |
1 | batch.max_ticks
  | ^^^^^^^^^^^^^^^
  |
  = help: write e.g. --set batch.max_ticks=64

error: unknown key `max_ticks`
 --> command line --set:1:1
  |
1 | max_ticks = 2
  | ^^^^^^^^^ not a setting
  |
  = help: did you mean `batch.max_ticks`? at the top level: [batch], [source], title

error: `batch` is a table, not a setting
 --> command line --set:1:9
  |
1 | batch = 5
  |         ^ expected a table, found a value
  |
  = help: keys of [batch]: max_delay, max_ticks, policy

error: `batch.max_ticks` is a setting, not a table
 --> command line --set:1:7
  |
1 | batch.max_ticks.x = 5
  |       ^^^^^^^^^ expected a value, found a table

error: bad value for `source.limit`
 --> command line --set:1:16
  |
1 | source.limit = 99999999999999999999
  |                ^^^^^^^^^^^^^^^^^^^^ this number is too large

error: bad value for `batch.policy`
 --> command line --policy:1:16
  |
1 | batch.policy = "no\u000Asuch"
  |                ^^^^^^^^^^^^^^ `no?such` is not one of `either`, `ticks`

6 problems in the configuration; nothing was started"#;
    let said = run(&[], |layers| {
        layers.flag("--policy", "batch.policy", "no\nsuch");
        for text in
            ["batch.max_ticks", "max_ticks=2", "batch=5", "batch.max_ticks.x=5", "source.limit=99999999999999999999"]
        {
            layers.set(text);
        }
    });
    assert_eq!(said.unwrap_err(), shown);
}

#[test]
fn a_problem_found_later_is_shown_where_its_key_was_given() {
    let shown = r#"error: `source.path` matches no file
 --> ohlcv.toml:5:8
  |
5 | path = "data/*.csv"
  |        ^^^^^^^^^^^^
  |
  = help: fetch the data first

error: too few ticks
 --> my.toml:2:13
  |
2 | max_ticks = 0
  |             ^

2 problems in the configuration; nothing was started"#;
    let said = run(&[("my.toml", b"[batch]\nmax_ticks = 0")], |layers| {
        layers.problem("batch.max_ticks", "too few ticks", "");
        layers.problem("batch.max_ticks", "too few ticks", "");
        layers.problem("source.path", "`source.path` matches no file", "fetch the data first");
    });
    assert_eq!(said.unwrap_err(), shown);
}

#[test]
fn a_file_of_another_kind_does_not_flood_the_screen() {
    let text = wrong(&(0..20_000).map(|key| format!("k{key} = 1\n")).collect::<String>());
    assert_eq!(text.matches("error: unknown key").count(), 100);
    assert!(text.ends_with("20000 problems in the configuration; nothing was started"));
}
