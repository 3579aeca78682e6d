use super::*;

/// Gives its bytes in pieces of `step`.
struct Dribble(std::io::Cursor<Vec<u8>>, usize);

impl Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.1.min(out.len());
        self.0.read(&mut out[..n])
    }
}

fn lines(text: &[u8], step: usize) -> Vec<String> {
    let mut lines = Lines::new(Box::new(Dribble(std::io::Cursor::new(text.to_vec()), step)), None);
    let mut found = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        found.push(match line {
            Line::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Line::TooLong(text) => format!("too long: {}", String::from_utf8_lossy(&text[..3])),
            Line::Broken(why, _) => why,
        });
    }
    found
}

#[test]
fn lines_do_not_depend_on_how_the_bytes_arrive() {
    let long = "x".repeat(LONGEST_LINE + 7);
    let text = format!("\u{feff}a,b\r\n\n1,2\n{long}\nlast");
    for step in [1_000, 65_536, 1 << 24] {
        assert_eq!(lines(text.as_bytes(), step), ["a,b", "", "1,2", "too long: xxx", "last"], "step {step}");
    }
    assert_eq!(lines(b"a\nb\n", 1), ["a", "b"]);
    assert_eq!(lines(b"", 1), [""; 0]);
}

#[test]
fn no_block_begins_in_lines_of_text() {
    assert_eq!(lines(b"a\n\x89b\n\x89TF1\nc\n", 3), ["a", "\u{fffd}b", "\u{fffd}TF1", "c"]);
    assert_eq!(lines(b"\x89b\nc\n", 3), ["no block begins here"]);
}

#[test]
fn records_that_are_gone_where_a_block_is_read_on_are_told() {
    // Five records of eight bytes were left when the file was closed, and there are two and a half.
    let position = Position { bytes: 100, line: 7, is_binary: Some(true), records: 5, width: 8 };
    let reader = Box::new(std::io::Cursor::new(vec![1; 20]));
    let mut lines = Lines::resume(reader, None, position);
    for _ in 0..2 {
        assert_eq!(lines.next_line().unwrap(), Some(Line::Text(&[1; 8])));
    }
    let cut = Some(Line::Broken("the last 3 records of the block are cut off".into(), &[1; 4]));
    assert_eq!(lines.next_line().unwrap(), cut);
    assert_eq!(lines.next_line().unwrap(), None);
}
