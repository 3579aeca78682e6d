use memchr::memchr;

use super::columns::Columns;
use super::fields::Fields;
use super::record::Record;

/// The columns of a CSV file, by position: which of ours each one is, if any.
pub(super) struct Header(Vec<Option<usize>>);

impl Header {
    /// Reads the header line.
    pub fn parse(line: &[u8], columns: &mut Columns) -> Result<Header, String> {
        let text = std::str::from_utf8(line).map_err(|_| "the header is not UTF-8")?;
        let names = text.split(',').map(|name| name.trim().trim_matches('"'));
        columns.header(names, text).map(Header)
    }

    /// Reads one line of values.
    pub fn decode(&self, line: &[u8], columns: &mut Columns, out: &mut Vec<Record>) -> Result<(), String> {
        if line.is_empty() {
            return Err("the line is empty".into());
        }
        columns.fields.clear();
        let (mut at, mut count) = (0, 0);
        loop {
            let column = self.0.get(count).copied().flatten();
            let next = match line.get(at) {
                Some(b'"') => quoted(line, at, column, &mut columns.fields)?,
                _ => {
                    let end = memchr(b',', &line[at..]).map_or(line.len(), |i| at + i);
                    if let Some(column) = column {
                        columns.fields.set(column, at, end - at);
                    }
                    end
                }
            };
            count += 1;
            if next >= line.len() {
                break;
            }
            at = next + 1;
        }
        if count != self.0.len() {
            return Err(format!("the line has {count} fields where the header has {}", self.0.len()));
        }
        columns.records(line, out)
    }
}

/// Reads the quoted field that begins at `at` and returns where it ends.
fn quoted(line: &[u8], at: usize, column: Option<usize>, fields: &mut Fields) -> Result<usize, String> {
    let mut text = Vec::new();
    let mut from = at + 1;
    loop {
        let quote = memchr(b'"', &line[from..]).ok_or("a quoted field is not closed")? + from;
        text.extend_from_slice(&line[from..quote]);
        match line.get(quote + 1) {
            Some(b'"') => text.push(b'"'),
            None | Some(b',') => {
                if let Some(column) = column {
                    fields.set_unescaped(column, &text);
                }
                return Ok(quote + 1);
            }
            Some(_) => return Err("a quoted field goes on after its quote".into()),
        }
        from = quote + 2;
    }
}
