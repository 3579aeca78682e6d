//! A mistake in the configuration, and how it is shown.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::effective::{HIDDEN, names_secret};
use super::known::quoted;

/// A mistake in one layer's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes of the text it is about; none where it is about the layer as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong, in one line.
    pub title: String,
    /// A few words beside the caret.
    pub label: String,
    /// The way out.
    pub help: String,
}

impl Problem {
    /// A problem at `span` without any help.
    pub fn at(span: Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Self {
        Problem { span: Some(span), title: title.into(), label: label.into(), help: String::new() }
    }

    /// A problem of a layer as a whole.
    pub fn whole(title: impl Into<String>, help: impl Into<String>) -> Self {
        Problem { span: None, title: title.into(), label: String::new(), help: help.into() }
    }

    /// The problem as compilers show theirs: the place, its line, and a caret.
    pub fn render(&self, name: &str, text: &str) -> String {
        let (title, label) = (one_line(&self.title), one_line(&self.label));
        let group = Level::ERROR.primary_title(title);
        let group = match &self.span {
            Some(span) if !text.is_empty() => group.element(snippet(span, &label, name, text)),
            _ => group.element(Origin::path(name)),
        };
        let help = Some(self.help.as_str()).filter(|help| !help.is_empty());
        let group: Group<'_> = group.elements(help.map(|help| Level::HELP.message(help)));
        Renderer::plain().render(&[group])
    }
}

/// What a user wrote may be quoted in a message, and may hold anything.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "?")
}

/// The line on which `span` begins, with the part of the span that lies on it marked.
fn snippet<'a>(
    span: &Range<usize>,
    label: &'a str,
    name: &'a str,
    text: &'a str,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let begin = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[span.start..].find('\n').map_or(text.len(), |length| span.start + length);
    let mut shown = text[begin..end].to_owned();
    let mut label = label;
    if names_secret(&shown)
        && let Some((name, _)) = shown.split_once('=')
    {
        shown = format!("{name}= {HIDDEN}");
        label = label.split(": ").next().unwrap_or_default();
    }
    let marked = |byte: usize| (byte.min(end) - begin).min(shown.len());
    let mut mark = AnnotationKind::Primary.span(marked(span.start)..marked(span.end));
    if !label.is_empty() {
        mark = mark.label(label);
    }
    Snippet::source(shown).line_start(line(text, span.start)).path(name).annotation(mark)
}

/// The line, counted from one, in which a byte of `text` lies.
pub fn line(text: &str, byte: usize) -> usize {
    1 + text.as_bytes()[..byte].iter().filter(|b| **b == b'\n').count()
}

/// A message of the TOML parser about `found`, as a problem.
pub fn syntax(span: Range<usize>, found: &str, message: &str) -> Problem {
    let label = match message.strip_prefix("string values must be quoted") {
        Some(_) if found.is_empty() => "a value is missing".to_owned(),
        Some(_) => format!("text needs quotes: {}", quoted(found)),
        None => message.trim_end_matches(", expected nothing").to_owned(),
    };
    Problem::at(span, "this is not TOML", label)
}

/// serde's message about a bad value in words that need no Rust, and help if there is some.
pub fn bad_value(message: &str) -> (String, String) {
    if let Some((word, known)) = message.strip_prefix("unknown variant `").and_then(|rest| rest.split_once("`, ")) {
        let words: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let help = closest(word, &words).map(|it| format!("did you mean `{it}`?")).unwrap_or_default();
        return (format!("`{word}` is not one of {}", listed(&words)), help);
    }
    if let Some((key, known)) = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, ")) {
        let keys: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        return (format!("`{key}` is not one of its keys, {}", listed(&keys)), String::new());
    }
    if let Some(key) = message.strip_prefix("missing field `") {
        return (format!("the key `{} is missing", key), String::new());
    }
    let mismatch = message.starts_with("invalid type: ") || message.starts_with("invalid value: ");
    let label = match message.rsplit_once(", expected ") {
        Some((_, expected)) if mismatch || message.starts_with("invalid length ") => {
            match expected.strip_suffix(OR_OFF) {
                Some(expected) => format!("expected {}{OR_OFF}", plain(expected)),
                None => format!("expected {}", plain(expected)),
            }
        }
        _ if message == "wanted string or table" => "expected a word in quotes".to_owned(),
        _ => message.to_owned(),
    };
    (label, String::new())
}

/// How a setting that can be switched off ends its complaints.
const OR_OFF: &str = ", or \"off\"";

/// What a user would call the type that serde names.
fn plain(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a character" => "a text in quotes",
        "a sequence" => "a list",
        "a map" => "a table",
        nonzero if nonzero.starts_with("a nonzero ") => "a whole number, 1 or more",
        structure if structure.starts_with("struct ") => "a table",
        own => own,
    }
    .to_owned()
}

/// The candidate that `word` most likely was meant to be, whatever its case. A letter is left out sooner than it is taken
/// for another, and one at least must be right.
pub fn closest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let (word, letters) = (word.to_lowercase(), word.chars().count());
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
    let nearest = candidates.iter().copied().min_by_key(|it| (distance(it), std::cmp::Reverse(it.len())));
    nearest.filter(|best| distance(best) < letters.min(2 + letters / 4))
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
